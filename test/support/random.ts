/** Random values that replay: the seed is printed, and `SEED=7 npm test` gives the same ones again. */

export class Random {
	readonly seed: number;
	private state: number;

	constructor(seed: number) {
		this.seed = seed;
		this.state = seed;
	}

	/** From 0 up to, but not including, 1 (Mulberry32). */
	next(): number {
		this.state = (this.state + 0x6d2b79f5) | 0;
		let t = this.state;
		t = Math.imul(t ^ (t >>> 15), t | 1);
		t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
		return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
	}

	/** A whole number from 0 up to, but not including, `limit`. */
	below(limit: number): number {
		return Math.floor(this.next() * limit);
	}

	chance(probability: number): boolean {
		return this.next() < probability;
	}

	pick<T>(values: readonly T[]): T {
		return values[this.below(values.length)] as T;
	}

	bytes(length: number): Uint8Array {
		return Uint8Array.from({ length }, () => this.below(256));
	}
}

/** The seed of this run: `SEED` of the environment, or a fresh one. */
export function seeded(diagnostic: (message: string) => void): Random {
	const seed = process.env.SEED === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(process.env.SEED);
	diagnostic(`SEED=${seed}`);
	return new Random(seed);
}
