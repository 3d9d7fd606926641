/**
 * A Store in RAM that holds its caller to src/host.ts: what it must not do is thrown and kept in `complaints`. Its power can be
 * cut at any byte:
 *
 *     const store = new MemoryStore(64, 4);
 *     store.power = 100;                    // the 101st byte from now on is not written any more
 *     ...                                   // from then on each call throws, and does nothing
 *     const next = store.restarted();       // the same bytes, with power
 */
import type { Store } from "../../src/host.js";

const ERASED = 255;

/** What is thrown when the power is cut, and from then on. */
export class PowerCut extends Error {}

/** Steps that an erase takes: the power may be cut before it, amid it in two ways, and behind it. */
const ERASE_STEPS = 3;

export class MemoryStore implements Store {
	readonly bytes: Uint8Array;
	/** What was done to it. */
	bytesWritten = 0;
	bytesRead = 0;
	pagesErased = 0;
	/** Steps until the power is cut: a byte that is written is one, an erase is three. */
	power = Number.POSITIVE_INFINITY;
	/** If set, each `write` and `erase` throws it, and does nothing. */
	failure: Error | undefined;
	/** Misuse. The journal catches what is thrown, so a test looks here. */
	readonly complaints: string[] = [];

	constructor(
		readonly pageSize: number,
		readonly pages: number,
		bytes?: Uint8Array,
	) {
		this.bytes = bytes ?? new Uint8Array(pageSize * pages).fill(ERASED);
	}

	/** Steps done so far, as `power` counts them. */
	get steps(): number {
		return this.bytesWritten + ERASE_STEPS * this.pagesErased;
	}

	get isCut(): boolean {
		return this.power < 0;
	}

	/** What a board finds here after a reset. */
	restarted(): MemoryStore {
		return new MemoryStore(this.pageSize, this.pages, this.bytes.slice());
	}

	read(at: number, into: Uint8Array, start: number, length: number): void {
		this.check("read", at, into, start, length);
		if (this.isCut) throw new PowerCut("no power");
		into.set(this.bytes.subarray(at, at + length), start);
		this.bytesRead += length;
	}

	write(at: number, from: Uint8Array, start: number, length: number): void {
		this.check("write", at, from, start, length);
		const taken = this.bytes.subarray(at, at + length).findIndex((byte) => byte !== ERASED);
		if (taken !== -1) this.complain(`byte ${at + taken} was written, and had not been erased`);
		const count = this.spend(length);
		this.bytes.set(from.subarray(start, start + count), at);
		this.bytesWritten += count;
		if (count < length) throw new PowerCut(`the power was cut at byte ${at + count}`);
	}

	erase(page: number): void {
		if (!Number.isInteger(page) || page < 0 || page >= this.pages) this.complain(`there is no page ${page}`);
		const steps = this.spend(ERASE_STEPS);
		const begin = page * this.pageSize;
		const middle = begin + this.pageSize / 2;
		const end = begin + this.pageSize;
		if (steps === 1) this.bytes.fill(ERASED, begin, middle);
		else if (steps === 2) this.bytes.fill(ERASED, middle, end);
		else if (steps === ERASE_STEPS) this.bytes.fill(ERASED, begin, end);
		if (steps < ERASE_STEPS) throw new PowerCut(`the power was cut while page ${page} was erased`);
		this.pagesErased++;
	}

	/** How many of these steps can still be done. */
	private spend(steps: number): number {
		if (this.failure) throw this.failure;
		const possible = Math.max(0, Math.min(steps, this.power));
		this.power -= steps;
		return possible;
	}

	private check(what: string, at: number, bytes: Uint8Array, start: number, length: number): void {
		if (at % 4 !== 0 || length % 4 !== 0) this.complain(`${what} of ${length} bytes at ${at}: no multiples of four`);
		if (!(at >= 0 && length > 0 && at + length <= this.bytes.length)) {
			this.complain(`${what} of ${length} bytes at ${at}, in a store of ${this.bytes.length}`);
		}
		if (!(start >= 0 && start + length <= bytes.length)) {
			this.complain(`${what} of bytes ${start} to ${start + length} of an array of ${bytes.length}`);
		}
	}

	private complain(what: string): never {
		this.complaints.push(what);
		throw new Error(what);
	}
}
