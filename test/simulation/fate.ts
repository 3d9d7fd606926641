/** What is to befall one connection: drawn when the client asks for it. */
import type { World } from "./world.js";

export type Opening = "opens" | "is refused" | "never opens";
/** Who is at the other end. */
export type Server = "strict" | "silent" | "hostile";

export class Fate {
	opening: Opening = "opens";
	server: Server = "strict";
	/** Milliseconds until it opens, or is refused. */
	opensAfter: number;
	/** Milliseconds one way. */
	latency: number;
	/** Bytes that the client's end takes before some have left. */
	room = 4096;
	/** The most bytes that arrive at a time, */
	segment = Number.POSITIVE_INFINITY;
	/** and how probable it is that fewer do. */
	splits = 0;
	/** Bytes after which it breaks. */
	cutUp = Number.POSITIVE_INFINITY;
	cutDown = Number.POSITIVE_INFINITY;
	/** The acknowledgement with which it breaks: the first, the second, ...; 0 for none. */
	loses = 0;
	/** Milliseconds until bytes vanish, in these directions; and whether the client's end then still takes some. */
	halfOpenAfter = Number.POSITIVE_INFINITY;
	halves: "up" | "down" | "both" = "both";
	fillsUp = false;
	stallAfter = Number.POSITIVE_INFINITY;
	stallFor = 0;
	/** The return code with which the broker refuses; 0 for none. */
	code = 0;
	/** The broker accepts, and closes. */
	isDismissed = false;

	/** `wildness`: 0 for a good network, up to 1. `mayBeHostile`: a rogue broker may answer. */
	constructor(world: World, wildness: number, mayBeHostile: boolean) {
		const { random } = world;
		this.opensAfter = world.about(random.pick([1, 50, 300]));
		this.latency = random.pick([0.5, 5, 50]);
		if (world.isFaulty && random.chance(wildness)) this.latency = random.pick([1, 200, 700]);
		const bad = (probability: number) => world.strikes(probability * wildness);
		if (bad(0.12)) this.opening = "is refused";
		else if (bad(0.06)) this.opening = "never opens";
		if (bad(0.06)) this.server = "silent";
		else if (mayBeHostile && world.strikes(0.2)) this.server = "hostile";
		if (bad(0.15)) {
			world.fault("slow reader", "network");
			this.room = random.pick([1, 3, 8, 40]);
			this.segment = this.room * random.pick([1, 1, 4]);
		}
		if (bad(0.5)) this.splits = random.pick([0.1, 0.5, 1]);
		if (bad(0.25)) this.cutUp = Math.floor(world.about(random.pick([30, 200, 1_000])));
		if (bad(0.25)) this.cutDown = Math.floor(world.about(random.pick([10, 100, 600])));
		if (bad(0.15)) this.loses = 1 + Math.floor(world.about(3));
		if (bad(0.15)) {
			this.halfOpenAfter = world.about(random.pick([100, 3_000, 20_000]));
			this.halves = random.pick(["up", "down", "both", "both"]);
			this.fillsUp = random.chance(0.3);
		}
		if (bad(0.15)) {
			this.stallAfter = world.about(random.pick([100, 3_000, 20_000]));
			this.stallFor = world.about(random.pick([500, 5_000, 60_000]));
		}
		if (bad(0.12)) this.code = 1 + random.below(5);
		if (bad(0.06)) this.isDismissed = true;
	}

	/** No more faults, and a good network. */
	heal(): void {
		this.latency = Math.min(this.latency, 50);
		this.segment = Number.POSITIVE_INFINITY;
		this.splits = 0;
		this.loses = 0;
		this.isDismissed = false;
	}
}
