/**
 * The flash of a board, which outlives it: only erased bytes can be written, a power cut stops a write or an erase
 * at any byte, and now and then one fails.
 */
import type { Store } from "../../src/host.js";
import type { World } from "./world.js";

/** The power is cut: the board is dead when this is thrown, whoever catches it. */
const CUT = new Error("the power is cut");

/** Thrown by a store that lives on. */
export class StoreFailure extends Error {}

const ERASED = 255;

export interface StoreOptions {
	pageSize: number;
	pages: number;
	/** The probability with which a write or an erase fails. */
	failing: number;
	/** What it holds at first is no journal. */
	isForeign: boolean;
}

export class Flash implements Store {
	readonly pageSize: number;
	readonly pages: number;
	/** How often a write or an erase has failed. */
	failures = 0;
	/** A write or an erase was done in part. */
	isTorn = false;
	/** No board runs on it. */
	isOff = false;
	/** Bytes that are still written or erased before the power is cut. */
	cutAfter = Number.POSITIVE_INFINITY;
	/** The same, from the end of the next erase on: amid what a bank begins with. */
	cutAfterErase = Number.POSITIVE_INFINITY;
	private readonly bytes: Uint8Array;
	private readonly failing: number;

	constructor(
		private readonly world: World,
		private readonly who: string,
		{ pageSize, pages, failing, isForeign }: StoreOptions,
		/** The board dies. */
		private readonly cut: () => void,
	) {
		this.pageSize = pageSize;
		this.pages = pages;
		this.failing = failing;
		this.bytes = new Uint8Array(pageSize * pages).fill(ERASED);
		if (isForeign) this.soil();
	}

	/** Leaves what another program may have left. */
	private soil(): void {
		const { world, bytes } = this;
		const { random } = world;
		world.fault("foreign store", this.who);
		const kind = random.below(4);
		if (kind === 0) bytes.fill(0);
		else if (kind === 1) for (let i = 0; i < bytes.length; i++) bytes[i] = random.below(256);
		else if (kind === 2)
			for (let i = random.below(40); i >= 0; i--) bytes[random.below(bytes.length)] = random.below(256);
		// Nearly the header of a bank, but for its check.
		else bytes.set([0, 8, 14, 1, 0, 1, 0x6d, 0x6f, 0x74, 0x65, 0, 0, 0, 7, random.below(256), 1]);
	}

	read(at: number, into: Uint8Array, start: number, length: number): void {
		this.must(at % 4 === 0 && length % 4 === 0 && length > 0, `read ${length} bytes at ${at}`);
		this.must(at >= 0 && at + length <= this.bytes.length, `read ${length} bytes at ${at}, past the end`);
		this.must(start + length <= into.length, `read ${length} bytes into ${into.length - start}`);
		into.set(this.bytes.subarray(at, at + length), start);
	}

	write(at: number, from: Uint8Array, start: number, length: number): void {
		const { bytes } = this;
		this.must(at % 4 === 0 && length % 4 === 0 && length > 0, `wrote ${length} bytes at ${at}`);
		this.must(at >= 0 && at + length <= bytes.length, `wrote ${length} bytes at ${at}, past the end`);
		this.perform("write", length, (done) => {
			for (let i = 0; i < done; i++) {
				this.must(bytes[at + i] === ERASED, `wrote byte ${at + i}, which is not erased`);
				bytes[at + i] = from[start + i];
			}
		});
	}

	erase(page: number): void {
		const { pageSize, pages, bytes } = this;
		this.must(Number.isInteger(page) && page >= 0 && page < pages, `erased page ${page} of ${pages}`);
		this.perform("erase", pageSize, (done) => {
			const isBackward = done < pageSize && this.world.random.chance(0.5);
			const from = page * pageSize + (isBackward ? pageSize - done : 0);
			bytes.fill(ERASED, from, from + done);
		});
		this.cutAfter = Math.min(this.cutAfter, this.cutAfterErase);
	}

	/** Does as much of this as the power lasts for. */
	private perform(what: string, length: number, act: (done: number) => void): void {
		const { world, who } = this;
		if (this.isOff) throw CUT;
		const isCut = this.cutAfter <= length;
		const fails = !isCut && world.strikes(this.failing);
		let done = length;
		if (isCut) done = this.cutAfter;
		else if (fails) done = world.random.below(length + 1);
		this.cutAfter -= length;
		act(done);
		if (isCut || fails) this.isTorn = true;
		if (isCut) {
			world.fault(
				what === "erase" ? "power cut amid an erase" : "power cut amid a write",
				who,
				`byte ${done} of ${length}`,
			);
			this.cut();
			throw CUT;
		}
		if (!fails) return;
		this.failures++;
		world.fault("store failed", who, `${what}, after ${done} of ${length} bytes`);
		throw new StoreFailure(what);
	}

	/** No power cut is to come. */
	calm(): void {
		this.cutAfter = this.cutAfterErase = Number.POSITIVE_INFINITY;
	}

	private must(holds: boolean, complaint: string): void {
		if (!holds && !this.isOff) this.world.fail(this.who, `the store: ${complaint}`);
	}
}
