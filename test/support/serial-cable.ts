/**
 * A serial cable between two ptys, as far as a machine without one can have it: socat makes the ptys, and all bytes go through
 * here, at the pace of a line, with damage if wanted, until the cable is pulled.
 */
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { folder, Program, until } from "./programs.js";
import type { Random } from "./random.js";

/** Milliseconds between two looks at what is to go on. */
const TICK = 2;

/** An end: its device, which comes and goes as one on USB does. */
class End {
	readonly path: string;
	socket: Socket | undefined;
	/** Bytes on their way to it. */
	queue: number[] = [];
	private program: Program | undefined;
	private readonly port: number;

	constructor(path: string, port: number) {
		this.path = path;
		this.port = port;
	}

	/** The device is there. */
	async plug(): Promise<void> {
		const program = new Program("socat", [`pty,raw,echo=0,link=${this.path}`, `tcp:127.0.0.1:${this.port},nodelay`]);
		this.program = program;
		await until("the pty is there", () => this.socket !== undefined || program.exited);
	}

	/** The device is gone, and who has it open is told. */
	async unplug(): Promise<void> {
		await this.program?.end("SIGTERM");
		this.socket?.destroy();
		this.socket = undefined;
		this.queue = [];
	}
}

export class SerialCable {
	/** How likely a byte is another one when it arrives. */
	noise = 0;
	/** Bytes that were changed, and that went through. */
	damaged = 0;
	carried = 0;
	isIn = true;
	readonly ends: readonly [End, End];
	private readonly server: Server;
	private readonly random: Random;
	private readonly bytesPerSecond: number;

	private constructor(context: TestContext, server: Server, random: Random, baud: number) {
		this.server = server;
		this.random = random;
		this.bytesPerSecond = baud / 10;
		const directory = folder(context);
		const { port } = server.address() as AddressInfo;
		this.ends = [new End(join(directory, "board"), port), new End(join(directory, "desk"), port)];
	}

	/** A cable with a pty at each end. */
	static async open(context: TestContext, random: Random, baud = 115_200): Promise<SerialCable> {
		const server = createServer({ noDelay: true });
		await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
		const cable = new SerialCable(context, server, random, baud);
		const timer = setInterval(() => cable.carry(), TICK);
		context.after(async () => {
			clearInterval(timer);
			server.close();
			for (const end of cable.ends) await end.unplug();
		});
		for (const index of [0, 1]) await cable.plug(index);
		return cable;
	}

	get paths(): string[] {
		return this.ends.map(({ path }) => path);
	}

	/** The device at this end is there again. */
	async plug(index: number): Promise<void> {
		const end = this.ends[index];
		const other = this.ends[1 - index];
		this.server.once("connection", (socket) => {
			end.socket = socket;
			socket.on("data", (bytes: Buffer) => other.queue.push(...bytes));
			socket.on("error", () => {}); // it has been unplugged
		});
		await end.plug();
	}

	/** For so long: the wire at this end, which nobody is told of, or the device. */
	async pull(index: number, isDevice: boolean, milliseconds: number): Promise<void> {
		if (isDevice) {
			await this.ends[index].unplug();
			await sleep(milliseconds);
			await this.plug(index);
		} else {
			this.isIn = false;
			await sleep(milliseconds);
			this.isIn = true;
		}
	}

	private last = performance.now();

	private carry(): void {
		const now = performance.now();
		const most = Math.floor(((now - this.last) * this.bytesPerSecond) / 1000);
		if (most === 0) return;
		this.last = now;
		for (const { queue, socket } of this.ends) {
			const bytes = queue.splice(0, most);
			if (!this.isIn || bytes.length === 0) continue;
			for (let i = 0; i < bytes.length; i++) {
				if (this.noise === 0 || !this.random.chance(this.noise)) continue;
				bytes[i] ^= 1 + this.random.below(255);
				this.damaged++;
			}
			this.carried += bytes.length;
			socket?.write(Buffer.from(bytes));
		}
	}
}
