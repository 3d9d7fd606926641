/**
 * Firmware in the real XS engine, with its memory gauge. Called by board.ts; the measuring helper in
 * test/engines takes the two scripts from here.
 */

import type { Engine, Gauge } from "./engine.js";
import { DEVICE_MODULES, deviceModules, unknownModule } from "./modules.js";
import { EventKind, encodeEvent, harnessSlots } from "./protocol.js";
import { type LiveMemory, namedScript, XsWorker } from "./xs-worker.js";

/** Byte codes that one callback may run, about a second: then the worker ends itself, as by a watchdog. */
const WATCHDOG_STEPS = 200_000_000;

/**
 * Garbage is collected between two events, long before the engine would do it in the middle of one: at half
 * of its 262,144 slots, and after so many events that their bytes cannot have filled its 32 MiB of chunks.
 */
const SLOTS_BEFORE_COLLECTION = 131_072;
const EVENTS_BEFORE_COLLECTION = 2_000;

/** A script that loads the device modules into a compartment of a fresh engine. */
export function xsBoardScript(config: Record<string, unknown>): string {
	const imports = DEVICE_MODULES.map((name) => `import ${JSON.stringify(name)};`).join("");
	const sources = { ...deviceModules(config), "board:all": imports };
	return `
globalThis.moduleTexts = ${JSON.stringify(sources)};
globalThis.board = new Compartment({
	globals: {},
	resolveHook: (name) => name,
	loadHook: async (name) => {
		const text = moduleTexts[name];
		if (text === undefined) {
			globalThis.missingModule ??= name;
			throw new Error("no such module");
		}
		delete moduleTexts[name];
		return { source: new ModuleSource(text) };
	},
});
board.import("board:harness").then((harness) => {
	globalThis.harness = harness;
	harness.install({ now: () => performance.now(), TextEncoder, TextDecoder });
	board.globalThis.trace = harness.trace;
	ArrayBuffer.fromString ??= harness.arrayBufferFromString;
	String.fromArrayBuffer ??= harness.stringFromArrayBuffer;
	globalThis.handleCommand = harness.handle;
	globalThis.console = { error: (label, error) => harness.reject(error) }; // how the engine reports rejections
	return board.import("board:all");
});
0;`;
}

/** A script that runs a bundle in such an engine; its value is the ArrayBuffer of operations. */
export function xsLoadScript(bundle: string, ticks: number): string {
	return `
moduleTexts.main = ${JSON.stringify(bundle)};
board.import("main").then((namespace) => {
	globalThis.firmware = board.globalThis.firmware = namespace;
}, (error) => {
	const missing = globalThis.missingModule;
	harness.abort(missing === undefined ? error : ${JSON.stringify(unknownModule("NAME"))}.replace("NAME", missing));
});
harness.beginTurn(${ticks});`;
}

/** Every engine draws the same random numbers; so that boards differ, each begins at another place. */
function throwDice(): string {
	return `for (let i = ${Math.floor(Math.random() * 100_000)}; i > 0; i--) Math.random();`;
}

export class XsEngine implements Engine {
	readonly kind = "xs";
	readonly #worker: XsWorker;
	/** What the engine held before the bundle was loaded. */
	#bare: LiveMemory = { slots: 0, chunkBytes: 0 };
	/** What every event costs, measured at start-up: its bytes, and the harness's view of them. */
	#slotsPerEvent = 0;
	/** Slots in use after the last command. */
	#heapCount = 0;
	#eventsSinceCollection = 0;
	#firmwareSlots = 0;
	#uncountedEvents = 0;
	#chunkBytesAtReset = 0;

	/** Starts an engine with a board's modules in it, and no firmware yet. */
	static async start(config: Record<string, unknown>, onDeath: (message: string) => void): Promise<XsEngine> {
		const worker = new XsWorker({ stepLimit: WATCHDOG_STEPS, onDeath });
		const engine = new XsEngine(worker);
		try {
			await worker.evaluate(xsBoardScript(config));
			await worker.evaluate(throwDice());
			await engine.#calibrate();
			return engine;
		} catch (error) {
			await worker.close();
			throw error;
		}
	}

	private constructor(worker: XsWorker) {
		this.#worker = worker;
	}

	load(bundle: string, ticks: number): Promise<Uint8Array> {
		return this.#run(xsLoadScript(bundle, ticks));
	}

	/** One event, whose slots beyond the known cost are the firmware's. */
	async deliver(event: Uint8Array): Promise<Uint8Array> {
		await this.#collectInTime();
		const { reply, meter } = await this.#worker.command(event);
		const allocated = meter.currentHeapCount - this.#heapCount;
		const firmware = allocated - this.#slotsPerEvent - harnessSlots(reply);
		this.#heapCount = meter.currentHeapCount;
		this.#eventsSinceCollection += 1;
		if (firmware < 0) {
			this.#uncountedEvents += 1;
		} else {
			this.#firmwareSlots += firmware;
		}
		return reply;
	}

	evaluate(id: number, ticks: number, script: string): Promise<Uint8Array> {
		const text = JSON.stringify(namedScript(script));
		return this.#run(`harness.evaluate(${id}, ${ticks}, () => board.evaluate(${text}))`);
	}

	async gauge(): Promise<Gauge> {
		const live = await this.#collect();
		return {
			liveSlots: live.slots - this.#bare.slots,
			liveChunkBytes: live.chunkBytes - this.#bare.chunkBytes,
			firmwareSlots: this.#firmwareSlots,
			retainedChunkBytes: live.chunkBytes - this.#chunkBytesAtReset,
			uncountedEvents: this.#uncountedEvents,
		};
	}

	async resetGauge(): Promise<void> {
		const live = await this.#collect();
		this.#chunkBytesAtReset = live.chunkBytes;
		this.#firmwareSlots = 0;
		this.#uncountedEvents = 0;
	}

	close(): Promise<void> {
		return this.#worker.close();
	}

	/** A script of the desk, which the gauge does not count. */
	async #run(script: string): Promise<Uint8Array> {
		const { reply, meter } = await this.#worker.evaluate(script);
		this.#heapCount = meter.currentHeapCount;
		return reply;
	}

	/** Events in which nothing happens. The first ones may allocate what is allocated once. */
	async #calibrate(): Promise<void> {
		for (const bodyBytes of [0, 0, 100]) {
			const before = this.#heapCount;
			const idle = encodeEvent(EventKind.idle, 0, 0, new Uint8Array(bodyBytes));
			const { meter } = await this.#worker.command(idle);
			this.#heapCount = meter.currentHeapCount;
			this.#slotsPerEvent = this.#heapCount - before;
		}
		this.#bare = await this.#collect();
	}

	async #collectInTime(): Promise<void> {
		if (this.#heapCount > SLOTS_BEFORE_COLLECTION || this.#eventsSinceCollection >= EVENTS_BEFORE_COLLECTION) {
			await this.#run("gc()");
			this.#eventsSinceCollection = 0;
		}
	}

	/** Collects and counts. An idle event first, so that the harness holds no operations of the last turn. */
	async #collect(): Promise<LiveMemory> {
		await this.#worker.command(encodeEvent(EventKind.idle, 0, 0, new Uint8Array(0)));
		const { live, meter } = await this.#worker.collect();
		this.#heapCount = meter.currentHeapCount;
		this.#eventsSinceCollection = 0;
		return live;
	}
}
