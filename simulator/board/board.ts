/**
 * A virtual board: runs the very bundle that is flashed to a Moddable device, in the real XS engine where it
 * could be compiled and in Node's otherwise, with real TCP sockets and a memory gauge. Called by the command
 * line, the benchmarks and the tests.
 */

import { readFile } from "node:fs/promises";
import { Bridge, type PendingEvent } from "./bridge.js";
import type { Engine, Gauge } from "./engine.js";
import { bodyText, decodeOperations, encodeEvent, OperationKind } from "./protocol.js";
import { XsEngine } from "./xs-engine.js";
import { XsWorker } from "./xs-worker.js";

export type { Gauge } from "./engine.js";

export interface BoardOptions {
	/** Names the board in messages. */
	name: string;
	/** Path of the bundle: an ES module whose bare imports are the board's own modules. */
	bundle: string;
	/** The default export of `mc/config`: any JSON. */
	config: Record<string, unknown>;
	/** The engine to run it in. Without it: the real one if it is there. */
	engine?: "xs" | "node";
	/** One line that the firmware traced. */
	onTrace?(line: string): void;
	/** The machine ended by an exception that nobody caught, a full memory or a loop without end. */
	onAbort?(message: string): void;
}

/** How long `stop` waits for sockets to close. */
const STOP_PATIENCE_MS = 1_000;

/** True when there was a client to stop. */
const STOP_SCRIPT = `
firmware.client && typeof firmware.client.stop === "function" ? (firmware.client.stop(), true) : false`;

interface Evaluation {
	resolve(value: unknown): void;
	reject(error: Error): void;
}

export class Board {
	readonly #options: BoardOptions;
	readonly #bridge: Bridge;
	readonly #evaluations = new Map<number, Evaluation>();
	readonly #startedAt = performance.now();
	#engine!: Engine;
	#evaluationCount = 0;
	/** What runs in the engine now. Everything waits for its turn, so that what one entry asks for is done first. */
	#last: Promise<unknown> = Promise.resolve();
	#tracedLine = "";
	#stopped = false;
	#aborted: string | undefined;

	/** Starts a board and runs its bundle. Rejects when there is no such bundle or engine. */
	static async start(options: BoardOptions): Promise<Board> {
		const bundle = await readFile(options.bundle, "utf8");
		const board = new Board(options);
		const kind = options.engine ?? (XsWorker.find() === undefined ? "node" : "xs");
		if (kind === "xs") {
			board.#engine = await XsEngine.start(options.config, (message) => board.#abort(message));
		} else {
			const { NodeEngine } = await import("./node-engine.js");
			board.#engine = await NodeEngine.start(options.config);
		}
		try {
			await board.#inTurn(() => board.#enter(() => board.#engine.load(bundle, board.#ticks())));
			await board.resetGauge();
			return board;
		} catch (error) {
			await board.stop();
			throw error;
		}
	}

	private constructor(options: BoardOptions) {
		this.#options = options;
		this.#bridge = new Bridge((event) => {
			void this.#inTurn(() => this.#deliver(event));
		});
	}

	get engine(): "xs" | "node" {
		return this.#engine.kind;
	}

	/** What the machine ended of, if it did. */
	get aborted(): string | undefined {
		return this.#aborted;
	}

	/**
	 * The value of an expression in the firmware's world, as JSON; a promise is awaited. `firmware` is the
	 * namespace of the bundle's main module. What it allocates is not in the gauge's `firmwareSlots`.
	 */
	evaluate(expression: string): Promise<unknown> {
		const dead = this.#whyDead();
		if (dead !== undefined) {
			return Promise.reject(new Error(dead));
		}
		this.#evaluationCount += 1;
		const id = this.#evaluationCount;
		return new Promise((resolve, reject) => {
			this.#evaluations.set(id, { resolve, reject });
			void this.#inTurn(() => this.#enter(() => this.#engine.evaluate(id, this.#ticks(), expression)));
		});
	}

	/** A reading of the memory, undefined where the engine cannot tell (Node's). Takes some milliseconds. */
	gauge(): Promise<Gauge | undefined> {
		return this.#inTurn(async () => (this.#whyDead() === undefined ? this.#engine.gauge() : undefined));
	}

	/** Lets the gauge's `firmwareSlots` and `retainedChunkBytes` begin anew. */
	resetGauge(): Promise<void> {
		return this.#inTurn(async () => {
			if (this.#whyDead() === undefined) {
				await this.#engine.resetGauge();
			}
		});
	}

	/** Stops the client, lets its last bytes out, and ends the engine. */
	async stop(): Promise<void> {
		if (this.#stopped) {
			return;
		}
		if (this.#aborted === undefined) {
			const stopping = await this.evaluate(STOP_SCRIPT).catch(() => false);
			const deadline = performance.now() + (stopping === true ? STOP_PATIENCE_MS : 0);
			while (this.#bridge.socketCount > 0 && performance.now() < deadline) {
				await new Promise((resolve) => setTimeout(resolve, 5));
			}
		}
		this.#stopped = true;
		this.#bridge.destroy();
		this.#rejectEvaluations(`the board ${this.#options.name} was stopped`);
		this.#flushTrace();
		await this.#engine.close();
	}

	#ticks(): number {
		return Math.floor(performance.now() - this.#startedAt);
	}

	#whyDead(): string | undefined {
		if (this.#aborted !== undefined) {
			return `the board ${this.#options.name} aborted: ${this.#aborted}`;
		}
		return this.#stopped ? `the board ${this.#options.name} was stopped` : undefined;
	}

	#inTurn<Result>(action: () => Promise<Result>): Promise<Result> {
		const result = this.#last.then(action);
		this.#last = result.catch(() => {});
		return result;
	}

	async #deliver(event: PendingEvent): Promise<void> {
		if (this.#whyDead() === undefined && event.isCurrent()) {
			const bytes = encodeEvent(event.kind, event.id, this.#ticks(), event.takeBody());
			await this.#enter(() => this.#engine.deliver(bytes));
		}
	}

	/** Lets the engine run, and carries out what it asked for meanwhile. */
	async #enter(run: () => Promise<Uint8Array>): Promise<void> {
		let operations: Uint8Array;
		try {
			operations = await run();
		} catch (error) {
			this.#abort(error instanceof Error ? error.message : String(error));
			return;
		}
		if (this.#whyDead() !== undefined) {
			return;
		}
		for (const operation of decodeOperations(operations)) {
			switch (operation.kind) {
				case OperationKind.trace:
					this.#trace(bodyText(operation));
					break;
				case OperationKind.abort:
					this.#abort(bodyText(operation));
					return;
				case OperationKind.result: {
					const text = bodyText(operation);
					this.#takeEvaluation(operation.id)?.resolve(text === "" ? undefined : JSON.parse(text));
					break;
				}
				case OperationKind.failure:
					this.#takeEvaluation(operation.id)?.reject(new Error(bodyText(operation)));
					break;
				default:
					this.#bridge.apply(operation);
			}
		}
	}

	#takeEvaluation(id: number): Evaluation | undefined {
		const evaluation = this.#evaluations.get(id);
		this.#evaluations.delete(id);
		return evaluation;
	}

	#trace(text: string): void {
		const lines = (this.#tracedLine + text).split("\n");
		this.#tracedLine = lines.pop() ?? "";
		for (const line of lines) {
			this.#options.onTrace?.(line);
		}
	}

	#flushTrace(): void {
		if (this.#tracedLine !== "") {
			this.#options.onTrace?.(this.#tracedLine);
			this.#tracedLine = "";
		}
	}

	#abort(message: string): void {
		if (this.#aborted !== undefined || this.#stopped) {
			return;
		}
		this.#aborted = message;
		this.#bridge.destroy();
		this.#flushTrace();
		this.#rejectEvaluations(`the board ${this.#options.name} aborted: ${message}`);
		this.#options.onAbort?.(message);
	}

	#rejectEvaluations(message: string): void {
		for (const { reject } of this.#evaluations.values()) {
			reject(new Error(message));
		}
		this.#evaluations.clear();
	}
}
