/** A buffer for a few bytes on their way into or out of a store: made once, as long as they are. The stores are its only callers. */
export class Piece {
	/** Just the bytes in hand. */
	readonly view: Uint8Array;

	constructor(most: number) {
		this.view = new Uint8Array(new ArrayBuffer(most, { maxByteLength: most }));
	}

	get length(): number {
		return this.view.length;
	}

	/** What is new is 0. */
	set length(length: number) {
		(this.view.buffer as ArrayBuffer).resize(length);
	}

	/** Takes `length` bytes from `bytes[start]` on, to the place `at` and on; it ends behind them. */
	take(at: number, bytes: Uint8Array, start: number, length: number): void {
		this.length = at + length;
		const { view } = this;
		for (let i = 0; i < length; i++) view[at + i] = bytes[start + i];
	}
}
