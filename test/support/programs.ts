/** Other programs in a test: found on PATH, started on loopback, ended by their process number. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";

/** False, or why a test that needs these programs is skipped. */
export function missing(...programs: string[]): string | false {
	const path = `${process.env.PATH}:/usr/sbin:/usr/local/sbin`;
	const absent = programs.filter(
		(name) => spawnSync("which", [name], { env: { ...process.env, PATH: path } }).status !== 0,
	);
	return absent.length > 0 && `needs ${absent.join(" and ")} on the PATH`;
}

export function freePort(): Promise<number> {
	return new Promise((resolve, reject) => {
		const server = createServer();
		server.on("error", reject);
		server.listen(0, "127.0.0.1", () => {
			const { port } = server.address() as { port: number };
			server.close(() => resolve(port));
		});
	});
}

/** Waits until `condition` holds; fails after `milliseconds`. */
export async function until(what: string, condition: () => boolean | undefined, milliseconds = 15_000): Promise<void> {
	const end = Date.now() + milliseconds;
	while (!condition()) {
		if (Date.now() > end) throw new Error(`in ${milliseconds} ms it did not come about that ${what}`);
		await new Promise((resolve) => setTimeout(resolve, 10));
	}
}

/** A folder that goes away with the test. */
export function folder(context: TestContext): string {
	const path = mkdtempSync(join(tmpdir(), "mqtt-mote-"));
	context.after(() => rmSync(path, { recursive: true, force: true }));
	return path;
}

export class Program {
	output = "";
	exited = false;
	private readonly child: ChildProcess;

	constructor(command: string, parameters: string[], options: { cwd?: string; env?: NodeJS.ProcessEnv } = {}) {
		const env = { ...(options.env ?? process.env), PATH: `${process.env.PATH}:/usr/sbin:/usr/local/sbin` };
		this.child = spawn(command, parameters, { stdio: ["pipe", "pipe", "pipe"], cwd: options.cwd, env, detached: true });
		const collect = (data: Buffer) => {
			this.output += data.toString("latin1");
		};
		this.child.stdout?.on("data", collect);
		this.child.stderr?.on("data", collect);
		this.child.on("error", (error) => collect(Buffer.from(error.message)));
		this.child.on("close", () => {
			this.exited = true;
		});
	}

	/** Ends the program, and what it has started. */
	async end(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
		if (this.exited || this.child.pid === undefined) return;
		process.kill(-this.child.pid, signal);
		await until(`${this.child.spawnfile} ended`, () => this.exited);
	}
}

/** A Mosquitto on `port` with all that it receives and sends in its output. */
export class Mosquitto {
	readonly port: number;
	private readonly context: TestContext;
	private readonly config: string;
	private program: Program | undefined;

	private constructor(context: TestContext, port: number, settings: string) {
		this.context = context;
		this.port = port;
		this.config = join(folder(context), "mosquitto.conf");
		writeFileSync(this.config, `listener ${port} 127.0.0.1\n${settings}\n`);
	}

	/** With these lines in its configuration. */
	static async start(context: TestContext, settings = "allow_anonymous true"): Promise<Mosquitto> {
		const broker = new Mosquitto(context, await freePort(), settings);
		context.after(() => broker.kill());
		await broker.restart();
		return broker;
	}

	async restart(): Promise<void> {
		const program = new Program("mosquitto", ["-v", "-c", this.config]);
		this.program = program;
		await until("Mosquitto runs", () => program.output.includes("running"));
	}

	/** What it has written since it was started. */
	get log(): string {
		return this.program?.output ?? "";
	}

	/** At once, so that it forgets all sessions. */
	async kill(): Promise<void> {
		await this.program?.end("SIGKILL");
	}

	/** What a `mosquitto_sub` to `filter` prints, a line "topic payload" for each message. */
	async subscriber(filter: string): Promise<Program> {
		const { program } = this;
		const before = program?.output.split("Sending SUBACK").length ?? 0;
		const parameters = [
			"-h",
			"127.0.0.1",
			"-p",
			String(this.port),
			"-t",
			filter,
			"-q",
			"1",
			"-F",
			"%t %p",
			"-V",
			"mqttv311",
		];
		const subscriber = new Program("mosquitto_sub", parameters);
		this.context.after(() => subscriber.end());
		await until("mosquitto_sub has subscribed", () => (program?.output.split("Sending SUBACK").length ?? 0) > before);
		return subscriber;
	}

	async publish(topic: string, payload: string, qos: number): Promise<void> {
		const program = new Program("mosquitto_pub", [
			"-h",
			"127.0.0.1",
			"-p",
			String(this.port),
			"-t",
			topic,
			"-m",
			payload,
			"-q",
			String(qos),
		]);
		await until("mosquitto_pub has published", () => program.exited);
	}
}
