/**
 * What board.ts needs of a JavaScript engine that runs firmware. Two exist: xs-engine.ts, the real one, and
 * node-engine.ts for machines where it could not be compiled.
 */

export interface Gauge {
	/** Slots alive now beyond those of the engine and the device modules: the firmware's code and its data. */
	readonly liveSlots: number;
	/** Chunk bytes alive now, in the same sense. */
	readonly liveChunkBytes: number;
	/**
	 * Slots that the firmware allocated in event callbacks since the last reset, kept or not: all that the
	 * engine counted, minus what the harness took.
	 */
	readonly firmwareSlots: number;
	/** How many more chunk bytes are alive now than at the last reset. */
	readonly retainedChunkBytes: number;
	/** Events that are not in `firmwareSlots`, because a collection ran in the middle of them. Mostly 0. */
	readonly uncountedEvents: number;
}

/** Its methods are called one after the other: each only once the last one's promise is settled. */
export interface Engine {
	readonly kind: "xs" | "node";

	/** Runs the bundle's main module. Answers the operations that it asked for meanwhile, as all entries do. */
	load(bundle: string, ticks: number): Promise<Uint8Array>;

	/** Hands one event in. Rejects when the engine died of it. */
	deliver(event: Uint8Array): Promise<Uint8Array>;

	/** Evaluates a script with `firmware` in scope; its value comes as a `result` or `failure` operation. */
	evaluate(id: number, ticks: number, script: string): Promise<Uint8Array>;

	/** Undefined where the engine cannot tell. Collects garbage. */
	gauge(): Promise<Gauge | undefined>;

	/** Starts the counting of `firmwareSlots` and `retainedChunkBytes` anew. Collects garbage. */
	resetGauge(): Promise<void>;

	close(): Promise<void>;
}
