/// <reference path="../../node_modules/@moddable/typings/time.d.ts" />
/// <reference path="../../node_modules/@moddable/typings/timer.d.ts" />
/// <reference path="../../hosts/moddable/globals.d.ts" />

/**
 * What Moddable gives an MQTT client, played by a script on Node: sockets like those of the SDK for Linux, a resolver,
 * timers on a clock that the test moves.
 *
 *     const world = new World(await load("hosts/moddable/mqtt-client.ts"));
 *     const client = world.connected();                       // CONNECT, CONNACK
 *     client.write(bytes, { topic: "a/b" });
 *     world.socket.written()                                  // what the broker gets
 *     world.socket.receive(publish("a/b", "21"));             // what it sends
 *     world.events                                            // what the callbacks were told
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";
import type MQTTClient from "../../hosts/moddable/mqtt-client.js";
import type { ControlMessage, MQTTClientOptions, ReadableOptions } from "../../hosts/moddable/mqtt-client.js";
import { connack } from "../support/packets.js";

export type ClientClass = typeof MQTTClient;
export type Client = MQTTClient;

const root = fileURLToPath(new URL("../..", import.meta.url));

/** The world that the clients of a test live in: the modules `time` and `timer` are its. */
let current: World;

const MODULES: Record<string, string> = {
	time: "export default globalThis.moddableScript.Time",
	timer: "export default globalThis.moddableScript.Timer",
};

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

Object.assign(ArrayBuffer, { fromString: (text: string) => new TextEncoder().encode(text).buffer });
Object.assign(String, {
	fromArrayBuffer(buffer: unknown, at = 0, length?: number): string {
		if (!(buffer instanceof ArrayBuffer)) throw new TypeError("argument: not an ArrayBuffer instance");
		return strict.decode(new Uint8Array(buffer, at, length));
	},
});
Object.assign(globalThis, {
	trace: () => {},
	moddableScript: {
		Time: {
			get ticks() {
				return current.now | 0;
			},
			delta: (start: number, end = current.now) => (end - start) | 0,
		},
		Timer: {
			set: (callback: TimerCallback, delay = 0, repeat = 0) => new ScriptedTimer(callback, delay, repeat),
			repeat: (callback: TimerCallback, delay: number) => new ScriptedTimer(callback, delay, delay),
			schedule(timer: ScriptedTimer, delay?: number, repeat = 0) {
				assert.ok(current.timers.has(timer), "the timer was not cleared, and did not end");
				timer.due = delay === undefined ? undefined : current.now + delay;
				if (delay !== undefined) timer.interval = repeat;
			},
			clear: (timer?: ScriptedTimer) => current.timers.delete(timer as ScriptedTimer),
		},
	},
});

/** The class that a module of the repo, or of the SDK, exports. */
export async function load(file: string): Promise<ClientClass> {
	const { outputFiles } = await build({
		entryPoints: [resolve(root, file)],
		bundle: true,
		format: "esm",
		target: "es2022",
		write: false,
		logLevel: "silent",
		plugins: [
			{
				name: "modules",
				setup({ onResolve, onLoad }) {
					onResolve({ filter: /^(time|timer)$/ }, ({ path }) => ({ path, namespace: "script" }));
					onLoad({ filter: /./, namespace: "script" }, ({ path }) => ({ contents: MODULES[path] }));
				},
			},
		],
	});
	const folder = mkdtempSync(join(tmpdir(), "mqtt-mote-"));
	try {
		const path = join(folder, "client.mjs");
		writeFileSync(path, outputFiles[0].contents);
		return (await import(pathToFileURL(path).href)).default;
	} finally {
		rmSync(folder, { recursive: true });
	}
}

type TimerCallback = (timer: ScriptedTimer) => void;

class ScriptedTimer {
	due: number | undefined;

	constructor(
		readonly callback: TimerCallback,
		delay: number,
		public interval: number,
	) {
		this.due = current.now + delay;
		current.timers.add(this);
	}

	run(): void {
		this.due = this.interval > 0 ? current.now + this.interval : undefined;
		this.callback(this);
		if (this.interval === 0) current.timers.delete(this);
	}
}

interface SocketOptions {
	address: string;
	port: number;
	host: string;
	onReadable(this: ScriptedSocket, count: number): void;
	onWritable(this: ScriptedSocket, count: number): void;
	onError(this: ScriptedSocket): void;
	[name: string]: unknown;
}

/** As the SDK's socket for Linux, which throws where it is not used well; and it checks what a TLS socket needs. */
export class ScriptedSocket {
	closed = false;
	/** Bytes that can be written. */
	room = 0;
	/** Like the SDK's TLS socket, it reads into views only. */
	views = false;
	private format_ = "buffer";
	private input: number[] = [];
	private output: number[] = [];
	/** Of what is written with `more`: bytes announced, and written so far. */
	private announced: number | undefined;
	private collected = 0;

	constructor(readonly options: SocketOptions) {
		if (current.refuses) throw new Error("no socket");
		current.socket = this;
	}

	private check(): void {
		if (this.closed) throw new TypeError("the socket is closed");
	}

	get format(): string {
		return this.format_;
	}

	set format(format: string) {
		this.check();
		if (format !== "buffer" && format !== "number") throw new RangeError("unimplemented");
		this.format_ = format;
	}

	read(into?: number | ArrayBuffer | ArrayBufferView): unknown {
		this.check();
		const { input } = this;
		if (input.length === 0) return undefined;
		if (this.format_ === "number") return input.shift();
		const count = typeof into === "object" ? into.byteLength : (into ?? input.length);
		if (count <= 0 || count > input.length) throw new Error("invalid");
		const bytes = Uint8Array.from(input.splice(0, count));
		if (typeof into !== "object") return bytes.buffer;
		if (this.views && !ArrayBuffer.isView(into)) throw new RangeError("a TLS socket reads into views");
		const view = ArrayBuffer.isView(into)
			? new Uint8Array(into.buffer, into.byteOffset, into.byteLength)
			: new Uint8Array(into);
		view.set(bytes);
		return count;
	}

	write(data: ArrayBuffer | ArrayBufferView, options?: { more?: boolean; byteLength?: number }): number | undefined {
		this.check();
		const bytes = ArrayBuffer.isView(data)
			? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
			: new Uint8Array(data);
		if (bytes.length > this.room) throw new Error("would block");
		this.collected += bytes.length;
		if (options?.more) this.announced ??= options.byteLength;
		else {
			assert.ok(this.announced === undefined || this.announced === this.collected, "what was announced was written");
			this.announced = undefined;
			this.collected = 0;
		}
		for (const byte of bytes) this.output.push(byte);
		this.room -= bytes.length;
		return this.room;
	}

	close(): void {
		this.closed = true;
	}

	/** The socket has room: by default as much as on Linux. */
	writable(room = 1536): void {
		this.room = room;
		this.options.onWritable.call(this, room);
	}

	/** These bytes arrive at once. */
	receive(...pieces: Uint8Array[]): void {
		for (const piece of pieces) for (const byte of piece) this.input.push(byte);
		this.options.onReadable.call(this, this.input.length);
	}

	fail(): void {
		this.options.onError.call(this);
	}

	/** What was written since. */
	written(): Uint8Array {
		return Uint8Array.from(this.output.splice(0));
	}

	get unread(): number {
		return this.input.length;
	}
}

interface Request {
	host: string;
	onResolved(host: string, address: string): void;
	onError(host: string): void;
}

class Resolver {
	resolve(request: Request): void {
		current.request = request;
	}
}

export class World {
	now = 0x7fff_0000; // soon to wrap
	readonly timers = new Set<ScriptedTimer>();
	/** The last ones. */
	socket!: ScriptedSocket;
	request!: Request;
	readonly socketClass = ScriptedSocket as never;
	/** No socket can be made. */
	refuses = false;
	/** What the callbacks were told, a line each. */
	readonly events: string[] = [];
	private readonly Client: ClientClass;

	constructor(Client: ClientClass) {
		this.Client = Client;
		current = this;
	}

	/** A client with these options, whose callbacks keep record unless the options have others. */
	client(options: Partial<MQTTClientOptions> = {}): Client {
		const { events } = this;
		return new this.Client({
			host: "broker",
			dns: { io: Resolver },
			socket: { io: ScriptedSocket },
			onReadable(count: number, { more, topic, QoS, byteLength, retain }: ReadableOptions) {
				const text = String.fromArrayBuffer(this.read(count) as ArrayBuffer);
				const start = topic === undefined ? "" : `${topic} QoS ${QoS}${retain ? " retained" : ""} ${byteLength}: `;
				events.push(`${start}'${text}'${more ? " more" : ""}`);
			},
			onWritable: (count: number) => events.push(`writable ${count}`),
			onControl(message: ControlMessage) {
				events.push(Object.values(message).join(" "));
			},
			onError: () => events.push("error"),
			...options,
		} as MQTTClientOptions);
	}

	/** A client whose CONNECT has been sent. */
	opened(options?: Partial<MQTTClientOptions>, room?: number): Client {
		const client = this.client(options);
		this.request.onResolved("broker", "10.0.0.1");
		this.socket.writable(room);
		return client;
	}

	/** A client that has received the CONNACK; the events up to there are not kept. */
	connected(options?: Partial<MQTTClientOptions>, sessionPresent = false): Client {
		const client = this.opened(options);
		this.socket.receive(connack(0, sessionPresent));
		this.socket.written();
		this.events.length = 0;
		return client;
	}

	/** The clock goes on, and timers run. */
	advance(milliseconds: number): void {
		const end = this.now + milliseconds;
		for (;;) {
			const due = [...this.timers].filter((timer) => timer.due !== undefined && timer.due <= end);
			due.sort((one, other) => one.due! - other.due!);
			if (due.length === 0) break;
			this.now = Math.max(this.now, due[0].due!);
			due[0].run();
		}
		this.now = end;
	}

	/** What was to happen once the stack is empty happens. */
	settle(): void {
		this.advance(0);
	}

	/** The events since. */
	told(): string[] {
		return this.events.splice(0);
	}
}
