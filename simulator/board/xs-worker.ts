/**
 * One XS engine in a child process: npm's `@agoric/xsnap` compiles Moddable's engine into a worker
 * binary, and this file speaks to that binary directly (netstrings on descriptors 3 and 4). The package's
 * own JavaScript is never loaded, since it freezes the intrinsics of the process that loads it.
 *
 * Called by xs-engine.ts (the virtual board) and by test/engines/measure.ts (figures per operation).
 */

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { endianness } from "node:os";
import { dirname, join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";

/** What the engine counted, read after one command. */
export interface Meter {
	/** Byte codes run by this command: the "steps" of the documents. */
	readonly compute: number;
	/** Slots in use once the command was done: what lives, plus the garbage since the last collection. */
	readonly currentHeapCount: number;
	/** Bytes of memory that the engine has from the system; changes when a heap grows. */
	readonly allocate: number;
}

/** The answer to one command. */
export interface WorkerReply {
	/** Bytes of the ArrayBuffer that the command evaluated to; empty for any other value. */
	readonly reply: Uint8Array;
	readonly meter: Meter;
}

/** What is alive in the engine, counted directly after a full collection. */
export interface LiveMemory {
	readonly slots: number;
	readonly chunkBytes: number;
}

export interface XsWorkerOptions {
	/** Answers the engine's synchronous `issueCommand(ArrayBuffer)`. Without it the answer is empty. */
	onCommand?(bytes: Uint8Array): Uint8Array;
	/** Called once when the worker ended without being asked to, with the sentence that pending calls get. */
	onDeath?(message: string): void;
	/** Byte codes that one command may run before the worker gives up; a watchdog. 0 is no limit. */
	stepLimit?: number;
	/** Start from this snapshot of an earlier worker instead of from an empty engine. */
	snapshot?: Uint8Array;
}

/** The size of a slot in the worker, a 64-bit build. On a 32-bit board it is 16. */
const SLOT_BYTES = 32;

/** The descriptors through which the worker takes commands and answers them. */
const INPUT_DESCRIPTOR = 3;
const OUTPUT_DESCRIPTOR = 4;
/** The descriptors through which the worker writes a snapshot, and reads the one that it starts from. */
const SNAPSHOT_DESCRIPTOR = 7;
const START_DESCRIPTOR = 8;

/** Each part of a snapshot begins with its length and its name. */
const ATOM_HEADER_BYTES = 8;

const GOOD_REPLY = ".".charCodeAt(0);
const BAD_REPLY = "!".charCodeAt(0);
const QUESTION = "?".charCodeAt(0);
const METER_END = 1;
const COLON = ":".charCodeAt(0);
const COMMA = ",".charCodeAt(0);

/** Exit codes of xsnap-worker.c that name what the engine died of. */
const DEATHS: Readonly<Record<number, string>> = {
	2: "input or output failed",
	11: "memory full",
	12: "stack overflow",
	15: "unhandled exception",
	16: "no more keys",
	17: "too much computation",
};

interface PendingCall {
	readonly message: Uint8Array;
	/** Where a snapshot is gathered, for the one command that writes one. */
	readonly snapshot: Buffer[] | undefined;
	resolve(value: WorkerReply): void;
	reject(error: Error): void;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Workers that run now, so that none outlives this process. */
const runningWorkers = new Set<ChildProcess>();
let killsAtExit = false;

function killAtExit(worker: ChildProcess): void {
	runningWorkers.add(worker);
	if (killsAtExit) {
		return;
	}
	killsAtExit = true;
	process.once("exit", () => {
		for (const running of runningWorkers) {
			running.kill("SIGKILL");
		}
	});
}

export class XsWorker {
	readonly #process: ChildProcess;
	readonly #input: Writable;
	readonly #options: XsWorkerOptions;
	readonly #waiting: PendingCall[] = [];
	readonly #exited: Promise<void>;
	#current: PendingCall | undefined;
	/** The answer to the current call, once it came; a snapshot's bytes may still be on their way. */
	#answered: WorkerReply | undefined;
	#received: Buffer = Buffer.alloc(0);
	#death: string | undefined;
	#closing = false;

	/** The path of the compiled worker, or undefined where the engine could not be built. */
	static find(): string | undefined {
		const platform = process.platform === "linux" ? "lin" : process.platform === "darwin" ? "mac" : undefined;
		if (platform === undefined) {
			return undefined;
		}
		const inside = `node_modules/@agoric/xsnap/xsnap-native/xsnap/build/bin/${platform}/release/xsnap-worker`;
		let folder = dirname(fileURLToPath(import.meta.url));
		for (;;) {
			const candidate = join(folder, inside);
			if (existsSync(candidate)) {
				return candidate;
			}
			const parent = dirname(folder);
			if (parent === folder) {
				return undefined;
			}
			folder = parent;
		}
	}

	/** Starts a worker. Throws where `find` found none. */
	constructor(options: XsWorkerOptions = {}) {
		const path = XsWorker.find();
		if (path === undefined) {
			throw new Error("the XS engine is not there: npm could not compile @agoric/xsnap on this machine");
		}
		this.#options = options;
		const limit = options.stepLimit ? ["-l", String(options.stepLimit)] : [];
		const start = options.snapshot ? ["-r", `@${START_DESCRIPTOR}`] : [];
		const worker = spawn(path, ["board", ...start, ...limit], {
			stdio: ["ignore", "ignore", "ignore", "pipe", "pipe", "ignore", "ignore", "pipe", "pipe"],
			detached: true, // Ctrl-C is the desk's: it stops the firmware first
		});
		this.#process = worker;
		killAtExit(worker);
		const descriptors = worker.stdio as readonly unknown[];
		this.#input = descriptors[INPUT_DESCRIPTOR] as Writable;
		const output = descriptors[OUTPUT_DESCRIPTOR] as Readable;
		const snapshots = descriptors[SNAPSHOT_DESCRIPTOR] as Readable;
		const startingPoint = descriptors[START_DESCRIPTOR] as Writable;
		this.#input.on("error", () => {}); // a dead worker is reported by its exit
		output.on("error", () => {});
		snapshots.on("error", () => {});
		startingPoint.on("error", () => {});
		startingPoint.end(options.snapshot);
		output.on("data", (bytes: Buffer) => this.#receive(bytes));
		snapshots.on("data", (bytes: Buffer) => {
			this.#current?.snapshot?.push(bytes);
			this.#finish();
		});
		this.#exited = new Promise((resolve) => {
			worker.once("error", (error) => {
				runningWorkers.delete(worker);
				this.#die(`the XS worker did not start: ${error.message}`);
				resolve();
			});
			worker.once("close", (code, signal) => {
				runningWorkers.delete(worker);
				const reason = signal ?? DEATHS[code ?? 0] ?? `exit code ${code}`;
				this.#die(this.#closing ? "the XS worker was closed" : `the XS worker died: ${reason}`);
				resolve();
			});
		});
	}

	get processId(): number | undefined {
		return this.#process.pid;
	}

	/** Evaluates a script in the engine's global scope. An exception in it rejects with its text. */
	evaluate(source: string): Promise<WorkerReply> {
		return this.#call(encoder.encode(`e${namedScript(source)}`));
	}

	/** Hands bytes to the engine's `handleCommand(ArrayBuffer)`; the reply is the ArrayBuffer it returned. */
	command(bytes: Uint8Array): Promise<WorkerReply> {
		const message = new Uint8Array(1 + bytes.length);
		message[0] = QUESTION;
		message.set(bytes, 1);
		return this.#call(message);
	}

	/** Collects garbage and counts what is left. The whole heap crosses a pipe: some milliseconds. */
	async live(): Promise<LiveMemory> {
		return (await this.collect()).live;
	}

	/** As `live`, with the meter of the moment after the collection. */
	async collect(): Promise<{ live: LiveMemory; meter: Meter }> {
		const { snapshot, meter } = await this.#writeSnapshot();
		return { live: readLiveMemory(snapshot), meter };
	}

	/** Collects garbage and answers the whole state of the engine, from which another worker can start. */
	async snapshot(): Promise<Uint8Array> {
		return (await this.#writeSnapshot()).snapshot;
	}

	async #writeSnapshot(): Promise<{ snapshot: Buffer; meter: Meter }> {
		const parts: Buffer[] = [];
		const { meter } = await this.#call(encoder.encode(`w@${SNAPSHOT_DESCRIPTOR}`), parts);
		return { snapshot: Buffer.concat(parts), meter };
	}

	/** Ends the worker and waits until it is gone. Calls that still wait are rejected. */
	async close(): Promise<void> {
		this.#closing = true;
		if (this.#death === undefined) {
			if (this.#current === undefined) {
				this.#input.write(frame(encoder.encode("q")));
				const patience = setTimeout(() => this.#process.kill("SIGKILL"), 500);
				await this.#exited;
				clearTimeout(patience);
				return;
			}
			this.#process.kill("SIGKILL");
		}
		await this.#exited;
	}

	#call(message: Uint8Array, snapshot?: Buffer[]): Promise<WorkerReply> {
		return new Promise((resolve, reject) => {
			if (this.#death !== undefined) {
				reject(new Error(this.#death));
				return;
			}
			this.#waiting.push({ message, snapshot, resolve, reject });
			this.#sendNext();
		});
	}

	/** The engine does one thing at a time: the next call is sent once the last one is done. */
	#sendNext(): void {
		if (this.#current === undefined) {
			this.#current = this.#waiting.shift();
			if (this.#current !== undefined) {
				this.#input.write(frame(this.#current.message));
			}
		}
	}

	#receive(bytes: Buffer): void {
		this.#received = this.#received.length === 0 ? bytes : Buffer.concat([this.#received, bytes]);
		for (;;) {
			const colon = this.#received.indexOf(COLON);
			if (colon < 0) {
				return;
			}
			const length = Number(this.#received.toString("latin1", 0, colon));
			const end = colon + 1 + length;
			if (this.#received.length < end + 1) {
				return;
			}
			if (this.#received[end] !== COMMA) {
				this.#process.kill("SIGKILL");
				return;
			}
			const message = this.#received.subarray(colon + 1, end);
			this.#received = this.#received.subarray(end + 1);
			this.#answer(message);
		}
	}

	#answer(message: Uint8Array): void {
		if (message[0] === QUESTION) {
			const answer = this.#options.onCommand?.(message.subarray(1)) ?? new Uint8Array(0);
			const reply = new Uint8Array(1 + answer.length);
			reply[0] = "/".charCodeAt(0);
			reply.set(answer, 1);
			this.#input.write(frame(reply));
			return;
		}
		if (message[0] === GOOD_REPLY) {
			const meterEnd = message.indexOf(METER_END);
			const { compute, currentHeapCount, allocate } = JSON.parse(
				decoder.decode(message.subarray(1, meterEnd)),
			) as Meter;
			this.#answered = { reply: message.slice(meterEnd + 1), meter: { compute, currentHeapCount, allocate } };
			this.#finish();
		} else if (message[0] === BAD_REPLY) {
			const call = this.#current;
			this.#current = undefined;
			call?.reject(new Error(decoder.decode(message.subarray(1))));
			this.#sendNext();
		} else {
			this.#process.kill("SIGKILL");
		}
	}

	/** Resolves the current call once its answer is here, and all of the snapshot where it asked for one. */
	#finish(): void {
		const call = this.#current;
		const answer = this.#answered;
		if (call === undefined || answer === undefined) {
			return;
		}
		if (call.snapshot !== undefined) {
			const expected = Number(decoder.decode(answer.reply));
			const arrived = call.snapshot.reduce((sum, part) => sum + part.length, 0);
			if (arrived < expected) {
				return;
			}
		}
		this.#current = undefined;
		this.#answered = undefined;
		call.resolve(answer);
		this.#sendNext();
	}

	#die(message: string): void {
		if (this.#death !== undefined) {
			return;
		}
		this.#death = message;
		const calls = this.#current === undefined ? this.#waiting : [this.#current, ...this.#waiting];
		this.#current = undefined;
		for (const call of calls.splice(0)) {
			call.reject(new Error(message));
		}
		if (!this.#closing) {
			this.#options.onDeath?.(message);
		}
	}
}

/**
 * A script with a name. The engine would give each nameless one a name of its own and keep it for ever: a
 * slot and 24 bytes that the memory gauge would see.
 */
export function namedScript(source: string): string {
	return `${source}\n//# sourceURL=desk`;
}

/** A netstring: the length in decimal, a colon, the bytes, a comma. */
function frame(message: Uint8Array): Uint8Array {
	return Buffer.concat([Buffer.from(`${message.length}:`, "latin1"), message, Buffer.of(COMMA)]);
}

/** What is alive, read off a snapshot: its chunks are the atom BLOC, its slots the atom HEAP. */
function readLiveMemory(snapshot: Buffer): LiveMemory {
	return {
		slots: atomLength(snapshot, "HEAP") / SLOT_BYTES,
		chunkBytes: atomLength(snapshot, "BLOC"),
	};
}

/**
 * A copy of a snapshot whose engine will have this much chunk memory when it starts, in place of 32 MiB:
 * the first field of the atom CREA, a 32-bit number in the machine's byte order.
 */
export function withChunkMemory(snapshot: Uint8Array, bytes: number): Uint8Array {
	const copy = Buffer.from(snapshot);
	const creation = findAtom(copy, "CREA");
	if (endianness() === "LE") {
		copy.writeInt32LE(bytes, creation + ATOM_HEADER_BYTES);
	} else {
		copy.writeInt32BE(bytes, creation + ATOM_HEADER_BYTES);
	}
	return copy;
}

function atomLength(snapshot: Buffer, name: string): number {
	return snapshot.readUInt32BE(findAtom(snapshot, name)) - ATOM_HEADER_BYTES;
}

/**
 * Where an atom of a snapshot begins: a 32-bit big-endian length that counts its own header, a four-letter
 * name, the content. One outer atom holds them all.
 */
function findAtom(snapshot: Buffer, name: string): number {
	let offset = ATOM_HEADER_BYTES;
	while (offset + ATOM_HEADER_BYTES <= snapshot.length) {
		if (snapshot.toString("latin1", offset + 4, offset + ATOM_HEADER_BYTES) === name) {
			return offset;
		}
		offset += snapshot.readUInt32BE(offset);
	}
	throw new Error(`the XS worker wrote a snapshot without ${name}`);
}
