/**
 * What a host provides: interfaces only. A host (hosts/moddable, hosts/espruino, hosts/node) implements
 * them once for its runtime; the session is their only caller.
 */

/** A byte pipe that opens, breaks and opens again, with the memory that the client works in. */
export interface Link {
	readonly clock: Clock;

	/**
	 * Bytes that `send` takes now: 0 while the link is not open or its buffer is full. The host keeps it
	 * true; `send` lowers it.
	 */
	readonly room: number;

	/**
	 * Called once, by the client's constructor: gives the link its owner and allocates the client's
	 * memory. `outbox` and `inbox` are multiples of four.
	 */
	attach(owner: LinkOwner, outbox: number, output: number, inbox: number): void;

	/** `outbox` bytes for the client's own use, then `output` bytes from which `send` sends. */
	readonly outgoing: Uint8Array;

	/**
	 * `inbox` bytes for the client's own use, then the bytes that were received last. It begins at byte 0
	 * of its ArrayBuffer, and its length is a multiple of four.
	 */
	readonly incoming: Uint8Array;

	/**
	 * Starts to open. The link is open at the first `onWritable`, or `onClosed` says that it could not be
	 * opened; neither comes before `open` has returned.
	 */
	open(): void;

	/**
	 * Sends the first `length` bytes of the output, 1 to `room`, and is done with them when it returns. If there are more than
	 * `room`, `length` is `room`, and the rest has to stay where it is.
	 */
	send(length: number): void;

	/** Closes, once what was sent has left. No event follows before the next `open`. Closing twice is fine. */
	close(): void;

	/** The UTF-8 bytes of a text, in a new array; only called while the application sets itself up. */
	encode(text: string): Uint8Array;
}

/** Whom a link tells; never from within one of the link's own methods. */
export interface LinkOwner {
	/** The link has opened, or has room again. */
	onWritable(): void;
	/** `length` bytes stand in `incoming` behind the inbox; they are consumed when this returns. */
	onReceived(length: number): void;
	/** The link could not be opened, or has broken, or was closed by the other end. */
	onClosed(): void;
}

/** Time and randomness: given, so that a simulation can replay them. */
export interface Clock {
	/**
	 * Whole milliseconds since some moment, modulo 2^32: 0 to 4,294,967,295. Where it goes back, what is measured
	 * counts as no time at all.
	 */
	time(): number;
	/** A number from 0 up to, but not including, 1. */
	random(): number;
	/** A timer that calls `callback`; made once, at set-up. */
	alarm(callback: () => void): Alarm;
}

/** A timer that fires once after `set` and can be set again, also from its own callback. */
export interface Alarm {
	/** Fires after this many milliseconds, and forgets an earlier `set`; with -1 it does not fire. */
	set(milliseconds: number): void;
}

/**
 * Memory that outlives a reset: flash, a file, RTC memory. Erased bytes are 255. Positions and lengths are multiples of four
 * bytes. Each method may throw; what it was to do may then have been done in part.
 */
export interface Store {
	/** Bytes of a page, the unit of erasing; a multiple of four. */
	readonly pageSize: number;
	readonly pages: number;
	/** Reads `length` bytes from position `at` into `bytes[start]` and on. */
	read(at: number, bytes: Uint8Array, start: number, length: number): void;
	/**
	 * Writes `bytes[start]` and the `length - 1` bytes behind it at position `at`, where all is erased, and returns once they
	 * outlive a power cut. If the power is cut before, the first of them may have been written.
	 */
	write(at: number, bytes: Uint8Array, start: number, length: number): void;
	/** Makes the bytes of page 0, 1, ... 255 again. */
	erase(page: number): void;
}
