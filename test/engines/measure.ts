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

import { bodyText, decodeOperations, OperationKind } from "../../simulator/board/protocol.js";
import { xsBoardScript, xsLoadScript } from "../../simulator/board/xs-engine.js";
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
	/** Slots allocated, what the command itself takes included; far too few where a collection ran. */
	readonly slots: number;
	readonly steps: number;
}

/** Operations per run: the most for which no collection happens. The last gives the first estimate. */
const ROUNDS = [2_000, 400, 80, 16, 4] as const;
const FEWEST_ROUNDS = 4;
/** Operations per run where only the chunks are of interest. */
const MOST_ROUNDS = 4_000;
/** Slots that one run may allocate: well below the engine's 262,144, so that no collection happens. */
const SLOTS_PER_RUN = 120_000;
/**
 * Garbage objects whose disappearance shows that a collection happened. (A WeakRef would not: this engine
 * keeps its target in the collections that it starts by itself.)
 */
const SENTINELS = 20_000;
/** No chunk is smaller: a header of 16 bytes, and most have a payload. */
const SMALLEST_CHUNK = 16;
/** What `new ArrayBuffer(8)` takes, by which the free space is calibrated. */
const CALIBRATION_CHUNK = 24;
/** Chunk memory of the engine. The worker's own 32 MiB would take seconds to fill on a slow machine. */
const CHUNK_MEMORY = 4 * 1024 * 1024;
/** What a ballast leaves of it, to see at all whether an operation takes any. */
const LITTLE_FREE = 16 * 1024;
/** What every chunk takes besides its payload, in the 64-bit engine. */
const CHUNK_HEADER_BYTES = 16;

const RUNNER = `
globalThis.selected = undefined;
globalThis.ballast = undefined;
globalThis.handleCommand = function (command) {
	const rounds = new DataView(command).getUint32(0);
	harness.beginTurn(0);
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
	 * behind it, so sockets never connect and timers never fire. Stub the link to measure what uses one.
	 */
	static async open(source: string, config: Record<string, unknown> = {}): Promise<Engine> {
		emptyEngine ??= snapshotOfEmptyEngine();
		const worker = new XsWorker({ snapshot: await emptyEngine });
		const engine = new Engine(worker);
		try {
			await worker.evaluate(xsBoardScript(config));
			const { reply } = await worker.evaluate(xsLoadScript(source, 0));
			for (const operation of decodeOperations(reply)) {
				if (operation.kind === OperationKind.abort) {
					throw new Error(bodyText(operation));
				}
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
		if (after.meter.allocate !== before.meter.allocate) {
			throw new Error("the engine's heap grew: the operation needs more memory than can be measured");
		}
		return { slots: after.meter.currentHeapCount - before.meter.currentHeapCount, steps: after.meter.compute };
	}

	/** True when a run of so many rounds, of so many slots each, causes a collection. */
	async #collects(rounds: number, slots: number): Promise<boolean> {
		return sentinelsVanished(await this.#run(rounds), rounds * slots);
	}

	async #slope(name: string): Promise<{ slots: number; steps: number }> {
		await this.#run(FEWEST_ROUNDS); // what the first calls allocate once is not part of the slope
		const none = await this.#run(0);
		const few = await this.#run(FEWEST_ROUNDS);
		const estimate = (few.slots - none.slots) / FEWEST_ROUNDS;
		for (const rounds of ROUNDS) {
			if (estimate < 0 || estimate * rounds > SLOTS_PER_RUN) {
				continue;
			}
			const many = await this.#run(rounds);
			if (!sentinelsVanished(many, rounds * estimate)) {
				return {
					slots: roundIfNear((many.slots - none.slots) / rounds),
					steps: roundIfNear((many.steps - none.steps) / rounds),
				};
			}
		}
		throw new Error(`${name}: a few operations fill the heap, which is more than can be measured`);
	}

	/**
	 * Transient chunk bytes. The engine does not count them, but it collects when its chunk memory is used up:
	 * a ballast leaves a known number of bytes free, and the smallest n that causes a collection tells the
	 * rest. It is 0 when many operations caused none though fewer bytes were free than one smallest chunk for
	 * each of them would have taken.
	 */
	async #chunkBytes(slots: number): Promise<number> {
		const mostRounds = Math.min(MOST_ROUNDS, Math.floor(SLOTS_PER_RUN / Math.max(1, slots)));
		// Without a ballast first: an operation that needs more than a ballast leaves would make the heap grow.
		const allFree = await this.#leaveFree(CHUNK_MEMORY);
		if (await this.#collects(mostRounds, slots)) {
			return bytesPerRound(allFree, await this.#smallestCollecting(1, mostRounds, slots));
		}
		const littleFree = await this.#leaveFree(Math.min(LITTLE_FREE, (mostRounds / 2) * SMALLEST_CHUNK));
		const enough = Math.ceil(littleFree / SMALLEST_CHUNK) + 256;
		if (!(await this.#collects(enough, slots))) {
			return 0;
		}
		const guess = littleFree / (await this.#smallestCollecting(1, enough, slots));
		const free = await this.#leaveFree(guess * mostRounds * 0.8);
		const low = Math.floor(free / guess / 2);
		const high = Math.ceil((free / guess) * 2);
		return bytesPerRound(free, await this.#smallestCollecting(low, high, slots));
	}

	/** Holds an ArrayBuffer so large that about `bytes` of chunk memory stay free; answers how many really do. */
	async #leaveFree(bytes: number): Promise<number> {
		if (this.#capacity === undefined) {
			await this.#calibrate();
		}
		await this.#worker.evaluate("ballast = undefined");
		const used = (await this.#worker.live()).chunkBytes;
		const size = Math.floor(((this.#capacity ?? 0) - used - bytes) / 8) * 8;
		if (size <= CHUNK_HEADER_BYTES) {
			return (this.#capacity ?? 0) - used;
		}
		await this.#worker.evaluate(`ballast = new ArrayBuffer(${size - CHUNK_HEADER_BYTES})`);
		return (this.#capacity ?? 0) - used - size;
	}

	async #calibrate(): Promise<void> {
		await this.#worker.evaluate("globalThis.interrupted = selected; selected = calibration; ballast = undefined");
		const used = (await this.#worker.live()).chunkBytes;
		const size = CHUNK_MEMORY - used - 131_072;
		await this.#worker.evaluate(`ballast = new ArrayBuffer(${size - CHUNK_HEADER_BYTES})`);
		const least = await this.#smallestCollecting(1, 8_192, 3);
		this.#capacity = used + size + (least - 0.5) * CALIBRATION_CHUNK;
		await this.#worker.evaluate("selected = interrupted");
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

/**
 * The size of an operation of which `least` is the smallest number that needs more than `free` bytes. A
 * whole multiple of 8 where one fits; else the operation varies, or the number is too small to tell.
 */
function bytesPerRound(free: number, least: number): number {
	const lower = free / least;
	const upper = free / Math.max(1, least - 1);
	const multiple = Math.round((lower + upper) / 16) * 8;
	if (upper - lower < 8 && multiple >= lower - 0.5 && multiple <= upper + 0.5) {
		return multiple;
	}
	return Math.round((lower + upper) / 2);
}

function sentinelsVanished(run: Run, expectedSlots: number): boolean {
	return run.slots < expectedSlots - SENTINELS / 2;
}

/** A slope over whole numbers is whole, but for what the operation does now and then. */
function roundIfNear(value: number): number {
	const whole = Math.round(value);
	return Math.abs(value - whole) < 0.005 ? whole : Math.round(value * 1000) / 1000;
}
