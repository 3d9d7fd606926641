/**
 * The outbox: the log of what was published and is not yet acknowledged, over fixed memory. The session and
 * its topic handles are its only callers.
 *
 * Records stand one behind the other, oldest first, each a header and a payload, never split:
 *
 *     length of the payload 2 · state 1 · topic handle 1 · packet identifier 2 · payload
 *
 * Behind the payload, and counted with it, stands the time of publishing where the topic needs it, four bytes.
 *
 * A record is appended at the tail. It is released in any order; the space comes back when the oldest ones
 * are released, or, when an append would not fit otherwise, by moving the live records together. The
 * cursor parts the records that went out on this connection from those that wait.
 */

/** Bytes of a record in front of its payload. */
export const RECORD_HEADER = 6;

/** The length of a payload has two bytes. */
export const LONGEST_PAYLOAD = 65_535;

/** Where the parts of a record stand, from its beginning. */
export const enum Offset {
	STATE = 2,
	TOPIC = 3,
	IDENTIFIER = 4,
	IDENTIFIER_LOW = 5,
}

/** Where a message stands. The two of a PUBLISH that was sent are its QoS. */
export const enum RecordState {
	/** Never sent. */
	WAITING = 0,
	/** Sent at QoS 1 at least once; PUBACK has not come. */
	SENT_QOS_1 = 1,
	/** Sent at QoS 2 at least once; PUBREC has not come. */
	SENT_QOS_2 = 2,
	/** PUBREC has come; PUBCOMP has not. */
	RECEIVED = 3,
	/** Acknowledged, or sent at QoS 0: its bytes are free, and its identifier is 0. */
	RELEASED = 4,
}

export class Outbox {
	/** The memory; records stand in its first `size` bytes. */
	readonly bytes: Uint8Array;
	readonly size: number;
	/** Records that were sent on this connection and are not acknowledged. */
	inFlight = 0;
	/** The first record that has not gone out on this connection; `tail` if none waits. */
	cursor = 0;
	/** Where the next record begins. */
	tail = 0;
	/** Of the record that `look` found: bytes of its payload, its topic handle, its identifier, its state. */
	length = 0;
	handle = 0;
	identifier = 0;
	state: RecordState = RecordState.WAITING;
	/** The oldest record. */
	head = 0;
	/** The most bytes that records have taken. */
	peak = 0;
	/** Bytes of released records between the head and the tail. */
	private holes = 0;

	constructor(bytes: Uint8Array, size: number) {
		this.bytes = bytes;
		this.size = size;
	}

	/** Bytes that records take. */
	get used(): number {
		return this.tail - this.head - this.holes;
	}

	/**
	 * Makes a record of the first `length` bytes of `payload`; false if there is no room for it. With an
	 * identifier it counts as sent, which is only right while nothing waits, and `state` is its QoS; with 0 and
	 * WAITING it waits.
	 */
	append(payload: Uint8Array, length: number, topic: number, identifier: number, state: RecordState): boolean {
		let at = this.tail;
		if (at + RECORD_HEADER + length > this.size || length > LONGEST_PAYLOAD) {
			if (this.used + RECORD_HEADER + length > this.size || length > LONGEST_PAYLOAD) return false;
			this.compact();
			at = this.tail;
		}
		const bytes = this.bytes;
		bytes[at] = length >> 8;
		bytes[at + 1] = length;
		bytes[at + Offset.STATE] = state;
		bytes[at + Offset.TOPIC] = topic;
		bytes[at + Offset.IDENTIFIER] = identifier >> 8;
		bytes[at + Offset.IDENTIFIER_LOW] = identifier;
		at += RECORD_HEADER;
		// What lies behind the tail is free: there is no harm in copying more than `length` bytes, and it is faster.
		if (at + payload.length <= this.size) bytes.set(payload, at);
		else for (let i = 0; i < length; i++) bytes[at + i] = payload[i];
		at += length;
		this.tail = at;
		if (at - this.head > this.peak) this.mark();
		if (identifier !== 0) {
			this.cursor = at;
			this.inFlight++;
		}
		return true;
	}

	mark(): void {
		if (this.used > this.peak) this.peak = this.used;
	}

	/** Where the record ends that begins at `at`. */
	next(at: number): number {
		return at + RECORD_HEADER + ((this.bytes[at] << 8) | this.bytes[at + 1]);
	}

	/** How many messages there are. */
	count(): number {
		let count = 0;
		for (let at = this.head; at < this.tail; at = this.next(at)) {
			if (this.bytes[at + Offset.STATE] !== RecordState.RELEASED) count++;
		}
		return count;
	}

	/** Puts the time behind the payload of the last record, which begins at `at`; there is room for it. */
	stamp(at: number, time: number): void {
		const { bytes, tail } = this;
		const length = tail + 4 - at - RECORD_HEADER;
		bytes[at] = length >> 8;
		bytes[at + 1] = length;
		writeWord(bytes, tail, time);
		this.tail = tail + 4;
		this.mark();
	}

	/**
	 * Looks at the first record that has not gone out on this connection and tells of it in `length`, `handle`,
	 * `identifier` and `state`; false if there is none.
	 */
	look(): boolean {
		const bytes = this.bytes;
		let at = this.cursor;
		while (at < this.tail) {
			this.length = (bytes[at] << 8) | bytes[at + 1];
			if (bytes[at + Offset.STATE] !== RecordState.RELEASED) {
				this.cursor = at;
				this.handle = bytes[at + Offset.TOPIC];
				this.identifier = (bytes[at + Offset.IDENTIFIER] << 8) | bytes[at + Offset.IDENTIFIER_LOW];
				this.state = bytes[at + Offset.STATE];
				return true;
			}
			at += RECORD_HEADER + this.length;
		}
		this.cursor = at;
		return false;
	}

	/** Gives the record looked at an identifier. */
	identify(identifier: number): void {
		const at = this.cursor + Offset.IDENTIFIER;
		this.identifier = identifier;
		this.bytes[at] = identifier >> 8;
		this.bytes[at + 1] = identifier;
	}

	/** The record looked at has gone out and is in this state now; RELEASED at QoS 0. */
	sent(state: RecordState): void {
		const at = this.cursor;
		this.cursor = at + RECORD_HEADER + this.length;
		if (state === RecordState.RELEASED) this.release(at);
		else {
			this.bytes[at + Offset.STATE] = state;
			this.inFlight++;
		}
	}

	/** Releases the record that is in flight under this identifier and in this state; false if there is none. */
	acknowledge(identifier: number, state: RecordState): boolean {
		let at = this.head;
		const bytes = this.bytes;
		if (
			at < this.cursor &&
			((bytes[at + Offset.IDENTIFIER] << 8) | bytes[at + Offset.IDENTIFIER_LOW]) === identifier &&
			bytes[at + Offset.STATE] === state
		) {
			// The oldest one, as nearly always.
			at += RECORD_HEADER + ((bytes[at] << 8) | bytes[at + 1]);
			if (at === this.tail) this.head = this.cursor = this.tail = 0;
			else if (this.holes === 0) this.head = at;
			else this.release(this.head);
		} else {
			at = this.find(identifier, this.cursor);
			if (at === -1 || bytes[at + Offset.STATE] !== state) return false;
			this.release(at);
		}
		this.inFlight--;
		return true;
	}

	/** Where the record stands that has this identifier, before `end`; -1 if there is none. */
	find(identifier: number, end: number): number {
		const bytes = this.bytes;
		let at = this.head;
		while (at < end) {
			if (((bytes[at + Offset.IDENTIFIER] << 8) | bytes[at + Offset.IDENTIFIER_LOW]) === identifier) return at;
			at += RECORD_HEADER + ((bytes[at] << 8) | bytes[at + 1]);
		}
		return -1;
	}

	/** Frees the record at `at`. One that was sent on this connection is acknowledged instead. */
	release(at: number): void {
		const bytes = this.bytes;
		let next = this.next(at);
		bytes[at + Offset.STATE] = RecordState.RELEASED;
		bytes[at + Offset.IDENTIFIER] = bytes[at + Offset.IDENTIFIER_LOW] = 0;
		this.holes += next - at;
		if (at !== this.head) return;
		while (this.holes !== 0 && bytes[at + Offset.STATE] === RecordState.RELEASED) {
			next = this.next(at);
			this.holes -= next - at;
			at = next;
		}
		if (at === this.tail) this.head = this.cursor = this.tail = 0;
		else {
			this.head = at;
			if (this.cursor < at) this.cursor = at;
		}
	}

	/** A new connection: everything waits again, oldest first. */
	rewind(): void {
		this.cursor = this.head;
		this.inFlight = 0;
	}

	/** Moves the live records together at the start of the memory. */
	compact(): void {
		const { bytes, head, tail, cursor } = this;
		if (this.holes === 0) {
			bytes.copyWithin(0, head, tail);
			this.cursor -= head;
			this.tail -= head;
			this.head = 0;
			return;
		}
		let to = 0;
		let next: number;
		for (let at = head; at < tail; at = next) {
			next = this.next(at);
			if (at === cursor) this.cursor = to;
			if (bytes[at + Offset.STATE] === RecordState.RELEASED) continue;
			if (at !== to) bytes.copyWithin(to, at, next);
			to += next - at;
		}
		if (cursor === tail) this.cursor = to;
		this.head = this.holes = 0;
		this.tail = to;
	}
}

/** Four bytes as a number. */
export function readWord(bytes: Uint8Array, at: number): number {
	return ((bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3]) >>> 0;
}

/** The number modulo 2^32, in four bytes. */
export function writeWord(bytes: Uint8Array, at: number, word: number): void {
	word >>>= 0;
	bytes[at] = word >>> 24;
	bytes[at + 1] = word >>> 16;
	bytes[at + 2] = word >>> 8;
	bytes[at + 3] = word;
}
