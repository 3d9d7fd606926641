/** A board (power-cut-board.ts) that lives time and again, and what it has written down. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { buildSync } from "esbuild";
import { folder, Program, until } from "../support/programs.js";
import type { Random } from "../support/random.js";
import type { Life } from "./power-cut-board.js";

/** Milliseconds that a life lasts from its start, at most; or calls that change the store. */
export const LIFETIME = 200;
const CALLS = 1000;

/** A killed process has said what it had to say by then, in milliseconds. */
const DEADLINE = 30_000;

export class MortalBoard {
	/** Lives that ended at any time, and amid a write to the store. */
	readonly kills = { any: 0, writing: 0 };
	/** Messages that lives began with, and records that were cut short. */
	restored = 0;
	damaged = 0;
	private readonly random: Random;
	private readonly path: string;
	private readonly port: number;
	private readonly receives: boolean;
	private life = 0;
	private program: Program | undefined;

	/** It ends with the test. `receives`: it subscribes, and lives on in its last life until the last message has come. */
	constructor(context: TestContext, random: Random, port: number, receives: boolean) {
		this.random = random;
		this.path = folder(context);
		this.port = port;
		this.receives = receives;
		// A process that has nothing to compile has begun sooner, and is killed less often before it has.
		buildSync({
			entryPoints: [fileURLToPath(new URL("power-cut-board.ts", import.meta.url))],
			outfile: join(this.path, "board.mjs"),
			bundle: true,
			platform: "node",
			format: "esm",
		});
		context.after(() => this.program?.end("SIGKILL"));
	}

	/** The names of messages that `publish` said true for. */
	get accepted(): string[] {
		return this.lines("accepted");
	}

	/** A line "life name" for each message that was handed over. */
	get handed(): string[] {
		return this.lines("handed");
	}

	/** The sum of `status.mayRepeat` over all lives. */
	get mayRepeat(): number {
		const last = new Map(this.lines("repeats").map((line) => line.split(" ") as [life: string, count: string]));
		return [...last.values()].reduce((sum, count) => sum + Number(count), 0);
	}

	private lines(file: string): string[] {
		return readFileSync(join(this.path, file), "latin1").split("\n").slice(0, -1);
	}

	/** From its start to a kill at a random moment. */
	async live(): Promise<void> {
		const { random } = this;
		const fatal = random.chance(0.5) ? 1 + Math.floor(CALLS ** random.next()) : 0;
		const program = this.start(fatal, false);
		if (fatal > 0) {
			this.kills.writing++;
			await until("the board has killed itself", () => program.exited, DEADLINE);
		} else {
			this.kills.any++;
			const begun = () => program.exited || program.output.includes("restored");
			if (random.chance(0.8)) await until("the board has begun", begun, DEADLINE);
			await sleep(random.below(LIFETIME));
			assert.ok(!program.exited, program.output);
			await program.end("SIGKILL");
		}
		this.look(program);
	}

	/** Its last life: until all is acknowledged. */
	async finish(): Promise<void> {
		const program = this.start(0, true);
		await until("the last board is done", () => program.exited, DEADLINE);
		this.look(program);
		assert.match(program.output, /done, failures 0/);
	}

	private start(fatal: number, isLast: boolean): Program {
		const { path, port, receives } = this;
		const life: Life = { port, path, receives, life: ++this.life, seed: this.random.below(2 ** 31), fatal, isLast };
		this.program = new Program(process.execPath, [join(path, "board.mjs"), JSON.stringify(life)]);
		return this.program;
	}

	private look({ output }: Program): void {
		assert.doesNotMatch(output, /Error/);
		const [, messages, places] = output.match(/restored (\d+) damaged (\d+)/) ?? [];
		this.restored += Number(messages ?? 0);
		this.damaged += Number(places ?? 0);
	}
}
