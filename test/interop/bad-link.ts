/** A port in front of a broker, where a part of the connections breaks after a random number of bytes. */
import type { TestContext } from "node:test";
import { Cutter } from "../support/cutter.js";
import type { Random } from "../support/random.js";

/** How many of them do, and after how many bytes at most, both ways taken together. */
const PART = 0.3;
const LONGEST = 3000;

export async function badLink(context: TestContext, random: Random, target: number, shortest = 1): Promise<Cutter> {
	const cutter = await Cutter.open(context, target);
	cutter.limit = () => (random.chance(PART) ? shortest + random.below(LONGEST - shortest) : Number.POSITIVE_INFINITY);
	return cutter;
}
