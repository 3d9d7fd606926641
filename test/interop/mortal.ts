/** Brokers that end at bad moments, and start again on the same port. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { folder, freePort, Program, until } from "../support/programs.js";
import type { Random } from "../support/random.js";
import type { Publisher } from "./publisher.js";

export class Mortal {
	readonly port: number;
	private readonly command: string;
	private readonly parameters: string[];
	private readonly ready: string;
	private program: Program | undefined;
	private isOver = false;

	/** `ready`: what it prints once it takes connections. */
	private constructor(port: number, command: string, parameters: string[], ready: string) {
		this.port = port;
		this.command = command;
		this.parameters = parameters;
		this.ready = ready;
	}

	/** Started, and ended with the test for good. */
	private async for(context: TestContext): Promise<Mortal> {
		context.after(() => {
			this.isOver = true;
			return this.program?.end("SIGKILL");
		});
		await this.start();
		return this;
	}

	/** A Mosquitto; with persistence it keeps its sessions over a SIGTERM. It drops nothing for being too much. */
	static async mosquitto(context: TestContext, persistence: boolean): Promise<Mortal> {
		const [path, port] = [folder(context), await freePort()];
		const config = join(path, "mosquitto.conf");
		const lines = [
			`listener ${port} 127.0.0.1`,
			"allow_anonymous true",
			"set_tcp_nodelay true",
			"max_queued_messages 0",
			`persistence ${persistence}`,
			`persistence_location ${path}/`,
			`user ${userInfo().username}`, // or, started by root, it may not write there
		];
		writeFileSync(config, `${lines.join("\n")}\n`);
		return new Mortal(port, "mosquitto", ["-c", config], "running").for(context);
	}

	/** Aedes, which writes to the file what it passes on. */
	static async aedes(context: TestContext, file: string): Promise<Mortal> {
		const port = await freePort();
		const script = fileURLToPath(new URL("aedes-process.ts", import.meta.url));
		const parameters = ["--import", "tsx", script, `${port}`, file];
		return new Mortal(port, process.execPath, parameters, "running").for(context);
	}

	async start(): Promise<void> {
		assert.ok(!this.isOver, "the test has ended");
		const program = new Program(this.command, this.parameters);
		this.program = program;
		await until(`${this.command} runs`, () => program.exited || program.output.includes(this.ready));
		assert.ok(!program.exited, program.output);
	}

	/** It has ended when this resolves. */
	async end(signal: NodeJS.Signals): Promise<void> {
		assert.ok(!this.program?.exited, `it has ended by itself: ${this.program?.output}`);
		await this.program?.end(signal);
	}
}

/** Messages that are published while the broker is down, at most. */
const AHEAD = 60;

/** Of the ends, how many come before anything new was published, while the client connects and sends again. */
const HASTY = 0.3;

/**
 * Ends the broker so many times while so many messages are published, and starts it again: at a random message, or a few
 * milliseconds later, or soon after the last start.
 */
export async function restartAtRandom(
	broker: Mortal,
	signal: NodeJS.Signals,
	publisher: Publisher,
	random: Random,
	times: number,
	messages: number,
): Promise<void> {
	const moments = Array.from({ length: times }, () => 1 + random.below(messages)).sort((a, b) => a - b);
	for (const [i, moment] of moments.entries()) {
		const isHasty = i > 0 && random.chance(HASTY);
		const count = isHasty ? publisher.accepted.length : moment;
		publisher.allowed = Math.max(publisher.allowed, count + random.below(AHEAD));
		await publisher.reached(count);
		await sleep(isHasty ? random.below(100) : random.pick([0, 0, 1, 2, 4]));
		await broker.end(signal);
		await sleep(random.below(100));
		await broker.start();
	}
	publisher.allowed = Number.POSITIVE_INFINITY;
}
