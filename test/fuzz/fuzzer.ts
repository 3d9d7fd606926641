/**
 * A coverage-guided fuzzer of the whole client: inputs (see scenario.ts) are mutated, and one that takes a branch of src,
 * or takes it more often than any before, is kept to be mutated further. The same seed gives the same inputs.
 */
import { Script } from "node:vm";
import { Random } from "../support/random.js";
import { instrumented } from "./instrument.js";
import { run, Step } from "./scenario.js";
import { seeds } from "./seeds.js";

export interface Failure {
	/** How many inputs came before it. */
	number: number;
	input: Uint8Array;
	message: string;
}

/** A complaint without its numbers. */
export const kindOf = (message: string) => message.replace(/[\d,]+/g, "");

export interface Progress {
	inputs: number;
	corpus: number;
	/** Branches taken, of all that there are. */
	reached: number;
	branches: number;
	/** Inputs at whose end the model was unsure. */
	unsure: number;
	/** One of each kind. */
	failures: Failure[];
}

/** Inputs between two looks at the clock. */
const BATCH = 1_000;
/** Milliseconds in which a batch must be through: one that hangs is a failure. */
const LIMIT = 60_000;
const LONGEST = 200;
/** Bytes of options at the beginning of an input. */
const OPTIONS = 6;
/** One input of so many is also looked at for arrays that grow. */
const WEIGHED = 64;
const INTERESTING = [0, 1, 2, 3, 4, 0x20, 0x30, 0x32, 0x34, 0x40, 0x50, 0x62, 0x70, 0x7f, 0x80, 0x90, 0xb0, 0xd0, 0xff];

interface Kept {
	input: Uint8Array;
	/** Where its steps begin. */
	steps: number[];
	/** Branches that it takes in all: how long it lasts. */
	cost: number;
}

/** Tries `count` inputs, or with `stop` up to the first one that fails. */
export async function fuzz(
	count: number,
	seed: number,
	stop: boolean,
	tell: (progress: Progress) => void = () => {},
): Promise<Progress> {
	const { library, hits } = await instrumented();
	const random = new Random(seed);
	const seen = new Uint8Array(hits.length);
	const corpus: Kept[] = [];
	const progress: Progress = { inputs: 0, corpus: 0, reached: 0, branches: hits.length, unsure: 0, failures: [] };
	let input: Uint8Array = seeds[0];

	const isOver = () => progress.inputs >= count || (stop && progress.failures.length > 0);
	function fail(number: number, message: string): void {
		if (progress.failures.some((failure) => kindOf(failure.message) === kindOf(message))) return;
		progress.failures.push({ number, input, message });
	}
	function one(): void {
		const number = progress.inputs++;
		input = number < seeds.length ? seeds[number] : mutated(random, corpus);
		hits.fill(0);
		const { complaint, steps, isUnsure } = run(library, input, { weigh: number % WEIGHED === 0 });
		if (isUnsure) progress.unsure++;
		if (complaint) fail(number, complaint.message);
		if (!isNew(hits, seen)) return;
		corpus.push({ input, steps, cost: hits.reduce((sum, times) => sum + times, 0) });
		progress.corpus = corpus.length;
		progress.reached = seen.reduce((sum, buckets) => sum + (buckets === 0 ? 0 : 1), 0);
	}

	while (!isOver()) {
		const end = progress.inputs + BATCH;
		try {
			within(LIMIT, () => {
				while (progress.inputs < end && !isOver()) one();
			});
		} catch (error) {
			fail(progress.inputs - 1, (error as Error).message);
		}
		tell(progress);
	}
	return progress;
}

/** Does this, or throws when it takes longer, also out of a loop without end. */
export function within(milliseconds: number, action: () => void): void {
	(globalThis as unknown as { limited: () => void }).limited = action;
	LIMITED.runInThisContext({ timeout: milliseconds });
}

const LIMITED = new Script("limited()");

/** Was a branch taken a number of times that was not seen before: 1, 2, 3, 4 to 7, 8 to 15, 16 to 31, more? */
function isNew(hits: Uint16Array, seen: Uint8Array): boolean {
	let found = false;
	for (let i = 0; i < hits.length; i++) {
		const times = hits[i];
		if (times === 0) continue;
		const bucket = 1 << (times < 4 ? times - 1 : Math.min(6, 32 - Math.clz32(times)));
		if ((seen[i] & bucket) !== 0) continue;
		seen[i] |= bucket;
		found = true;
	}
	return found;
}

/** One of two inputs of the corpus: the one that takes less time. */
function pick(random: Random, corpus: Kept[]): Kept {
	const [one, other] = [random.pick(corpus), random.pick(corpus)];
	return one.cost < other.cost ? one : other;
}

/** An input of the corpus, changed in one to eight places. */
function mutated(random: Random, corpus: Kept[]): Uint8Array {
	const from = pick(random, corpus);
	let bytes = from.input;
	for (let left = 1 << random.below(4); left > 0; left--) {
		bytes = spliced(bytes, ...change(random, bytes, from.steps, pick(random, corpus)));
	}
	return bytes.length > OPTIONS ? bytes.subarray(0, LONGEST) : from.input;
}

/** Where to change these bytes, how many of them to leave out, and what to put there. */
function change(random: Random, bytes: Uint8Array, begins: number[], other: Kept): [number, number, ArrayLike<number>] {
	const { length } = bytes;
	const at = random.below(length);
	// A step of this input, where it began before it was changed; and a few steps of the other one.
	const step = Math.min(begins[random.below(begins.length)] ?? OPTIONS, length);
	const first = random.below(other.steps.length);
	const steps = other.input.subarray(other.steps[first] ?? OPTIONS, other.steps[first + 1 + random.below(3)]);
	switch (random.below(12)) {
		case 0:
			return [at, 1, [bytes[at] ^ (1 << random.below(8))]];
		case 1:
			return [at, 1, [random.pick(INTERESTING)]];
		case 2:
			return [at, 1, [bytes[at] + random.below(9) - 4]]; // a length, perhaps
		case 3:
			return [at, 0, random.bytes(1 + random.below(4))];
		case 4:
			return [at, 1 + random.below(6), []];
		case 5:
			return [at, 0, bytes.subarray(at, at + 1 + random.below(20))];
		case 6:
			return [at, length, other.input.subarray(random.below(other.input.length))];
		case 7:
			return [step, 0, steps];
		case 8:
			return [length, 0, steps];
		case 9:
			return [step, 1 + random.below(5), []];
		case 10:
			return [random.below(OPTIONS), 1, [random.below(256)]];
		default:
			return [step, 0, [random.below(Step.COUNT), random.below(256), random.below(256)]];
	}
}

/** A copy with other bytes in place of `count`. */
export function spliced(bytes: Uint8Array, at: number, count: number, other: ArrayLike<number>): Uint8Array {
	const rest = bytes.subarray(at + count);
	const result = new Uint8Array(at + other.length + rest.length);
	result.set(bytes.subarray(0, at));
	result.set(other, at);
	result.set(rest, at + other.length);
	return result;
}
