/** Runs the command line as a person would, and waits for what it prints. Called by the tests beside it. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

export interface Ended {
	status: number | null;
	stdout: string;
	stderr: string;
}

export class Desk {
	readonly #child: ChildProcess;
	readonly #ended: Promise<unknown>;
	#heard = () => {};
	stdout = "";
	stderr = "";

	/** In a process group of its own, as a shell gives one to each command. */
	constructor(...args: string[]) {
		this.#child = spawn(process.execPath, ["--import", "tsx", "simulator/cli.ts", ...args], {
			cwd: ROOT,
			stdio: ["ignore", "pipe", "pipe"],
			detached: true,
		});
		this.#child.stdout?.on("data", (bytes) => {
			this.stdout += bytes;
			this.#heard();
		});
		this.#child.stderr?.on("data", (bytes) => {
			this.stderr += bytes;
			this.#heard();
		});
		this.#ended = once(this.#child, "close").then(() => this.#heard());
	}

	/** The match, once the output has it. Rejects with all of the output when it does not come in time. */
	async prints(pattern: RegExp, seconds = 30): Promise<RegExpExecArray> {
		const deadline = Date.now() + 1000 * seconds;
		for (;;) {
			const match = pattern.exec(this.stdout);
			if (match !== null) return match;
			const left = deadline - Date.now();
			if (left <= 0 || this.#child.exitCode !== null) {
				throw new Error(`${pattern} was not printed:\n${this.stdout}${this.stderr}`);
			}
			await new Promise<void>((resolve) => {
				const timer = setTimeout(resolve, Math.min(left, 1000));
				this.#heard = () => {
					clearTimeout(timer);
					resolve();
				};
			});
		}
	}

	/** To this process alone, as `kill` does. */
	signal(name: NodeJS.Signals): void {
		this.#child.kill(name);
	}

	/** To it and all that it has started, as a terminal does on Ctrl-C. */
	pressControlC(): void {
		process.kill(-(this.#child.pid as number), "SIGINT");
	}

	/** Stops reading its output, as `head` does. */
	stopReading(): void {
		this.#child.stdout?.destroy();
	}

	/** Waits for its end; it is killed if that takes too long. */
	async end(seconds = 30): Promise<Ended> {
		const timer = setTimeout(() => this.kill(), 1000 * seconds);
		await this.#ended;
		clearTimeout(timer);
		return { status: this.#child.exitCode, stdout: this.stdout, stderr: this.stderr };
	}

	kill(): void {
		if (this.#child.exitCode === null) this.#child.kill("SIGKILL");
	}
}

/** A port on which nothing listens. */
export async function freePort(): Promise<number> {
	const server = createServer().listen(0, "127.0.0.1");
	await once(server, "listening");
	const { port } = server.address() as { port: number };
	server.close();
	await once(server, "close");
	return port;
}
