/**
 * What all parts of one run share: the time, the seed's numbers, the faults so far, and the first thing that is
 * wrong.
 */
import { Random } from "../support/random.js";
import { Time } from "./time.js";

/** The faults that are counted, in the order in which they are shown. */
export const FAULTS = [
	"refused",
	"never opened",
	"cut on the way up",
	"cut on the way down",
	"acknowledgement lost",
	"half open",
	"stalled",
	"slow reader",
	"split",
	"joined",
	"no CONNACK",
	"CONNACK code 1",
	"CONNACK code 2",
	"CONNACK code 3",
	"CONNACK code 4",
	"CONNACK code 5",
	"accept, then close",
	"broker restarted",
	"broker lost its sessions",
	"slept",
	"outbox full",
	"hostile bytes",
	"handler threw",
	"source failed",
	"power cut",
	"power cut amid a write",
	"power cut amid an erase",
	"restored",
	"foreign store",
	"store failed",
	"clock jumped",
	"clock wrapped",
	"message expired",
	"message dropped",
	"message replaced",
	"flushed",
	"flush out of budget",
	"sent before CONNACK",
	"closes on pipelining",
	"ignores pipelining",
	"pipelining given up",
	"hint",
] as const;

export type Fault = (typeof FAULTS)[number];

export class World {
	readonly time = new Time();
	readonly random: Random;
	/** False from the moment on at which faults stop and everything is to settle. */
	isFaulty = true;
	readonly faults: Record<Fault, number> = Object.fromEntries(FAULTS.map((fault) => [fault, 0])) as never;
	/** What is wrong, and when. */
	failure: string | undefined;
	private readonly tell: ((line: string) => void) | undefined;

	constructor(seed: number, tell?: (line: string) => void) {
		this.random = new Random(seed);
		this.tell = tell;
	}

	get isTold(): boolean {
		return this.tell !== undefined;
	}

	/** An event for whoever reads along. Ask `isTold` before making a costly text. */
	trace(who: string, text: string): void {
		this.tell?.(`${(this.time.now / 1000).toFixed(3).padStart(9)} ${who.padEnd(7)} ${text}`);
	}

	/**
	 * Something is wrong. It ends the run, which is not done by throwing: the client calls most of what finds
	 * something, and catches what its callbacks throw.
	 */
	fail(who: string, complaint: string): void {
		if (this.failure !== undefined) return;
		this.failure = `${who}: ${complaint}`;
		this.trace(who, `FAILED: ${complaint}`);
	}

	fault(fault: Fault, who: string, detail = ""): void {
		this.faults[fault]++;
		this.trace(who, `* ${fault}${detail && `: ${detail}`}`);
	}

	/** True with this probability, and never once faults have stopped. */
	strikes(probability: number): boolean {
		return this.isFaulty && this.random.chance(probability);
	}

	/** A number whose mean is about this, now and then much larger. */
	about(mean: number): number {
		return -Math.log(1 - this.random.next()) * mean;
	}
}
