/**
 * The outbox: the log of what was published and is not yet acknowledged, over fixed memory. The session is
 * its only caller.
 *
 * Records stand one behind the other, oldest first, each a header and a payload, never split:
 *
 *     length of the payload 3 · state 1 · topic handle 1 · packet identifier 2 · payload
 *
 * A record is appended at the tail. It is released in any order; the space comes back when the oldest ones
 * are released, or, when an append would not fit otherwise, by moving the live records together. The
 * cursor parts the records that went out on this connection from those that wait.
 */

/** Bytes of a record in front of its payload. */
export const RECORD_HEADER = 7;

const enum Offset {
	STATE = 3,
	TOPIC = 4,
	IDENTIFIER = 5,
}

export const enum RecordState {
	/** Never sent. */
	WAITING = 0,
	/** Sent at least once, and not acknowledged. */
	SENT = 1,
	/** Acknowledged or given up: its bytes are free. */
	RELEASED = 2,
}

export class Outbox {
	/** The memory; records stand in its first `size` bytes. */
	readonly bytes: Uint8Array;
	readonly size: number;
	/** Bytes that live records take. */
	used = 0;
	/** Records that are sent and not acknowledged on this connection. */
	inFlight = 0;
	/** The first record that has not gone out on this connection; `tail` if none waits. */
	cursor = 0;
	/** Where the next record begins. */
	tail = 0;
	/** The oldest record. */
	private head = 0;

	constructor(bytes: Uint8Array, size: number) {
		this.bytes = bytes;
		this.size = size;
	}

	/** Where a payload of `length` bytes is to be put before `append`; -1 if there is no room for it. */
	reserve(length: number): number {
		const need = RECORD_HEADER + length;
		if (this.tail + need > this.size) {
			if (this.used + need > this.size) return -1;
			this.compact();
		}
		return this.tail + RECORD_HEADER;
	}

	/** Makes a record of the payload that stands where `reserve` said. */
	append(length: number, topic: number): void {
		const bytes = this.bytes;
		const at = this.tail;
		bytes[at] = length >> 16;
		bytes[at + 1] = length >> 8;
		bytes[at + 2] = length;
		bytes[at + Offset.STATE] = RecordState.WAITING;
		bytes[at + Offset.TOPIC] = topic;
		this.used += RECORD_HEADER + length;
		this.tail = at + RECORD_HEADER + length;
	}

	/** Bytes of payload of the record at `at`. */
	length(at: number): number {
		const bytes = this.bytes;
		return (bytes[at] << 16) | (bytes[at + 1] << 8) | bytes[at + 2];
	}

	topic(at: number): number {
		return this.bytes[at + Offset.TOPIC];
	}

	identifier(at: number): number {
		return (this.bytes[at + Offset.IDENTIFIER] << 8) | this.bytes[at + Offset.IDENTIFIER + 1];
	}

	wasSent(at: number): boolean {
		return this.bytes[at + Offset.STATE] === RecordState.SENT;
	}

	identify(at: number, identifier: number): void {
		this.bytes[at + Offset.IDENTIFIER] = identifier >> 8;
		this.bytes[at + Offset.IDENTIFIER + 1] = identifier;
	}

	/** The record at the cursor has gone out: it awaits its acknowledgement, or is done with. */
	sent(length: number, awaits: boolean): void {
		const at = this.cursor;
		this.cursor = at + RECORD_HEADER + length;
		if (awaits) {
			this.bytes[at + Offset.STATE] = RecordState.SENT;
			this.inFlight++;
		} else this.release(at);
	}

	/** Moves the cursor over a released record; false if there was none. */
	passReleased(): boolean {
		const at = this.cursor;
		if (this.bytes[at + Offset.STATE] !== RecordState.RELEASED) return false;
		this.cursor = at + RECORD_HEADER + this.length(at);
		return true;
	}

	/** Releases the record that is in flight under this identifier; false if there is none. */
	acknowledge(identifier: number): boolean {
		const at = this.find(identifier, this.cursor);
		if (at === -1) return false;
		this.inFlight--;
		this.release(at);
		return true;
	}

	/** Where the record stands that was sent under this identifier, before `end`; -1 if there is none. */
	find(identifier: number, end: number): number {
		for (let at = this.head; at < end; at += RECORD_HEADER + this.length(at)) {
			if (this.wasSent(at) && this.identifier(at) === identifier) return at;
		}
		return -1;
	}

	private release(at: number): void {
		const bytes = this.bytes;
		this.used -= RECORD_HEADER + this.length(at);
		if (this.used === 0) {
			this.head = this.cursor = this.tail = 0;
			return;
		}
		bytes[at + Offset.STATE] = RecordState.RELEASED;
		this.skipReleased();
	}

	private skipReleased(): void {
		const bytes = this.bytes;
		let head = this.head;
		while (bytes[head + Offset.STATE] === RecordState.RELEASED) head += RECORD_HEADER + this.length(head);
		this.head = head;
	}

	/** A new connection: everything waits again, oldest first. */
	rewind(): void {
		this.cursor = this.head;
		this.inFlight = 0;
	}

	/** Moves the live records together at the start of the memory. */
	private compact(): void {
		const bytes = this.bytes;
		const tail = this.tail;
		const cursor = this.cursor;
		let to = 0;
		let next: number;
		for (let at = this.head; at < tail; at = next) {
			next = at + RECORD_HEADER + this.length(at);
			if (at === cursor) this.cursor = to;
			if (bytes[at + Offset.STATE] === RecordState.RELEASED) continue;
			if (at !== to) bytes.copyWithin(to, at, next);
			to += next - at;
		}
		if (cursor === tail) this.cursor = to;
		this.head = 0;
		this.tail = to;
	}
}
