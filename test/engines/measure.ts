/**
 * Figures of an operation in the real XS engine: slots, chunk bytes and byte codes ("steps") per call,
 * with nothing but npm's `@agoric/xsnap`. Called by tests and benchmarks.
 *
 *     const engine = await Engine.open(bundleText);     // the bundle says: export function op(n) { for … }
 *     const { slots, chunkBytes, steps } = await engine.measure("op");
 *     await engine.close();
 *
 * The exported function runs its operation n times. All three figures are slopes over n, so what a call
 * costs once (the loop's set-up, the command) does not count; the loop's own 10 steps a round do.
 */

import { xsProgram } from "../../simulator/board/xs-engine.js";
import { type LiveMemory, withChunkMemory, XsWorker } from "../../simulator/board/xs-worker.js";

export interface Measurement {
	/** Slots allocated per operation, 16 bytes each on a 32-bit board. Exact unless the operation varies. */
	readonly slots: number;
	/** Chunk bytes allocated per operation, in the 64-bit engine: payloads rounded up to 8, plus 16 each. */
	readonly chunkBytes: number;
	/** Byte codes per operation. */
	readonly steps: number;
}

/** One run of n operations. */
interface Run {
	readonly heapBefore: number;
	readonly heapAfter: number;
	readonly steps: number;
}

/** Operations per run, where the heap has room for them. */
const ROUNDS = 2_000;
/** Slots that one run may allocate: well below the engine's 262,144, so that no collection happens. */
const SLOTS_PER_RUN = 120_000;
/** Garbage objects whose disappearance shows that a collection happened. */
const SENTINELS = 20_000;
/** No chunk is smaller: a header of 16 bytes, and most have a payload. */
const SMALLEST_CHUNK = 16;
/** What `new ArrayBuffer(8)` takes, by which the free space is calibrated. */
const CALIBRATION_CHUNK = 24;
/** Chunk memory of the engine. The worker's own 32 MiB would take seconds to fill on a slow machine. */
const CHUNK_MEMORY = 4 * 1024 * 1024;
/** The most of it that a run is left with. */
const MOST_FREE = 2 * 1024 * 1024;

const RUNNER = `
globalThis.selected = undefined;
globalThis.ballast = undefined;
globalThis.handleCommand = function (command) {
	const rounds = new DataView(command).getUint32(0);
	selected(rounds);
};
globalThis.calibration = function (rounds) {
	for (let round = 0; round < rounds; round++) new ArrayBuffer(8);
};
globalThis.prepare = function (sentinels) {
	gc();
	for (let count = 0; count < sentinels; count++) ({});
};
`;

/** An engine in which nothing ran yet, with less chunk memory; made once per process. */
let emptyEngine: Promise<Uint8Array> | undefined;

async function snapshotOfEmptyEngine(): Promise<Uint8Array> {
	const worker = new XsWorker();
	const snapshot = await worker.snapshot();
	await worker.close();
	return withChunkMemory(snapshot, CHUNK_MEMORY);
}

export class Engine {
	readonly #worker: XsWorker;
	/** Chunk bytes that can be in use before the engine collects. */
	#capacity: number | undefined;

	/** False where npm could not compile the engine: tests then skip. */
	static available(): boolean {
		return XsWorker.find() !== undefined;
	}

	/**
	 * Loads an ES module into a fresh engine. It may import what a Moddable bundle imports; there is no desk
	 * behind it, so sockets and timers take everything and never call back.
	 */
	static async open(source: string, config: Record<string, unknown> = {}): Promise<Engine> {
		emptyEngine ??= snapshotOfEmptyEngine();
		const worker = new XsWorker({ snapshot: await emptyEngine });
		const engine = new Engine(worker);
		try {
			await worker.evaluate(xsProgram(source, config));
			const failure = await worker.evaluate("new TextEncoder().encode(globalThis.loadFailure ?? '').buffer");
			if (failure.reply.length > 0) {
				throw new Error(new TextDecoder().decode(failure.reply));
			}
			await worker.evaluate(RUNNER);
			return engine;
		} catch (error) {
			await worker.close();
			throw error;
		}
	}

	private constructor(worker: XsWorker) {
		this.#worker = worker;
	}

	/** Measures the exported function `name`. It is called with up to some ten thousand rounds. */
	async measure(name: string): Promise<Measurement> {
		await this.#select(`firmware[${JSON.stringify(name)}]`);
		const { slots, steps } = await this.#slope(name);
		const chunkBytes = await this.#chunkBytes(slots);
		await this.#worker.evaluate("ballast = undefined");
		return { slots, chunkBytes, steps };
	}

	/** Calls the exported function `name` once with `rounds`, for set-up between measurements. */
	async call(name: string, rounds: number): Promise<void> {
		await this.#select(`firmware[${JSON.stringify(name)}]`);
		await this.#run(rounds);
	}

	/** Collects garbage and counts what lives, all of the engine included: subtract two readings. */
	live(): Promise<LiveMemory> {
		return this.#worker.live();
	}

	/** Evaluates a script in the engine; `firmware` is the namespace of the module. */
	async evaluate(script: string): Promise<void> {
		await this.#worker.evaluate(script);
	}

	close(): Promise<void> {
		return this.#worker.close();
	}

	async #select(expression: string): Promise<void> {
		await this.#worker.evaluate(
			`if (typeof (${expression}) !== "function") throw new TypeError(${JSON.stringify(`${expression} is not a function`)});
			selected = ${expression};`,
		);
	}

	/** Collects, leaves sentinels as garbage, and runs the selected function. */
	async #run(rounds: number): Promise<Run> {
		const command = new Uint8Array(4);
		new DataView(command.buffer).setUint32(0, rounds);
		const before = await this.#worker.evaluate(`prepare(${SENTINELS})`);
		const after = await this.#worker.command(command);
		return {
			heapBefore: before.meter.currentHeapCount,
			heapAfter: after.meter.currentHeapCount,
			steps: after.meter.compute,
		};
	}

	async #slope(name: string): Promise<{ slots: number; steps: number }> {
		await this.#run(100); // what the first calls allocate once is not part of the slope
		const empty = await this.#run(0);
		const few = await this.#run(20);
		const fixedSlots = empty.heapAfter - empty.heapBefore;
		const estimate = Math.max(0, (few.heapAfter - few.heapBefore - fixedSlots) / 20);
		const rounds = Math.min(ROUNDS, Math.floor(SLOTS_PER_RUN / Math.max(1, estimate)));
		const many = await this.#run(rounds);
		const allocated = many.heapAfter - many.heapBefore - fixedSlots;
		if (allocated < 0) {
			throw new Error(`${name}: a collection ran while it was measured; it allocates too much for one run`);
		}
		return {
			slots: roundIfNear(allocated / rounds),
			steps: roundIfNear((many.steps - empty.steps) / rounds),
		};
	}

	/**
	 * Transient chunk bytes. The engine does not count them, but it collects when its chunk memory is used up: a
	 * ballast leaves a known number of bytes free, and the smallest n that causes a collection tells the rest.
	 */
	async #chunkBytes(slots: number): Promise<number> {
		const mostRounds = Math.floor(SLOTS_PER_RUN / Math.max(1, slots));
		const smallFree = Math.min(16_384, Math.floor(mostRounds / 2) * SMALLEST_CHUNK);
		await this.#leaveFree(smallFree);
		if (!(await this.#collects(Math.floor(smallFree / SMALLEST_CHUNK) + 256, slots))) {
			return 0;
		}
		const coarse = smallFree / (await this.#smallestCollecting(1, smallFree / SMALLEST_CHUNK + 256, slots));
		const rounds = Math.min(mostRounds, 4_000);
		const fineFree = Math.min(MOST_FREE, Math.floor((coarse * rounds) / 8) * 8);
		const free = await this.#leaveFree(fineFree);
		const guess = free / coarse;
		const least = await this.#smallestCollecting(Math.floor(guess / 2.2), Math.ceil(guess * 2.2), slots);
		const lower = free / least;
		const upper = free / Math.max(1, least - 1);
		const rounded = Math.ceil((lower - 0.5) / 8) * 8;
		return rounded <= upper + 0.5 ? rounded : Math.round(((lower + upper) / 2) * 10) / 10;
	}

	/** Holds an ArrayBuffer so large that about `bytes` of chunk memory stay free; answers how many do. */
	async #leaveFree(bytes: number): Promise<number> {
		if (this.#capacity === undefined) {
			await this.#calibrate();
		}
		await this.#worker.evaluate("ballast = undefined");
		const used = (await this.#worker.live()).chunkBytes;
		const size = Math.floor(((this.#capacity ?? 0) - used - bytes) / 8) * 8;
		await this.#worker.evaluate(`ballast = new ArrayBuffer(${size - 16})`);
		return (this.#capacity ?? 0) - used - size;
	}

	async #calibrate(): Promise<void> {
		await this.#worker.evaluate("globalThis.interrupted = selected; selected = calibration; ballast = undefined");
		const used = (await this.#worker.live()).chunkBytes;
		const size = CHUNK_MEMORY - used - 131_072;
		await this.#worker.evaluate(`ballast = new ArrayBuffer(${size - 16})`);
		const least = await this.#smallestCollecting(1, 8_192, 3);
		this.#capacity = used + size + (least - 0.5) * CALIBRATION_CHUNK;
		await this.#worker.evaluate("selected = interrupted");
	}

	async #collects(rounds: number, slots: number): Promise<boolean> {
		const run = await this.#run(rounds);
		return run.heapAfter < run.heapBefore + rounds * slots - SENTINELS / 2;
	}

	/** The smallest number of rounds in [low, high] that causes a collection. */
	async #smallestCollecting(low: number, high: number, slots: number): Promise<number> {
		let none = Math.floor(low) - 1;
		let some = Math.ceil(high);
		while (some - none > 1) {
			const middle = (none + some) >> 1;
			if (await this.#collects(middle, slots)) {
				some = middle;
			} else {
				none = middle;
			}
		}
		return some;
	}
}

/** A slope over whole numbers is whole, but for what the operation does now and then. */
function roundIfNear(value: number): number {
	const whole = Math.round(value);
	return Math.abs(value - whole) < 0.005 ? whole : Math.round(value * 1000) / 1000;
}
