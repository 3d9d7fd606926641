/**
 * A Link over another one that is a bare byte line, such as a UART: it notices damage, loss, and that the other end has reset,
 * closes then, and can open again at once. Both ends run this same code; docs/serial.md describes what is on the line.
 *
 *     control 1 · payload · FCS-16 2, low byte first · flag 0x7e         (RFC 1662; 0x7d is its escape)
 *
 * A number drawn for each opening tells one conversation from another. Each end says its own and repeats the other's: who
 * hears its own number is heard, and the line is open. From then on both numbers begin each checksum.
 *
 * At most two data frames are under way each way, of a size of which two fit the smaller of the declared buffers, with two
 * acknowledgements, an opening and a close beside them. Nothing is sent twice: a damaged or missing frame ends the conversation.
 */
import { whole } from "../check.js";
import type { Alarm, Clock, Link, LinkOwner } from "../host.js";
import { checksumOf } from "../wire/checksum.js";

const FLAG = 0x7e;
const ESCAPE = 0x7d;
const FLIP = 0x20;

/** The control byte. None of them is a flag or an escape. */
const enum Control {
	/** Below: data, its number times 8 plus the number of the frame that is expected next. */
	DATA_END = 0x40,
	/** Plus the number of the frame that is expected next. */
	ACKNOWLEDGE = 0x80,
	CLOSE = 0xa0,
	/** Version 1: the sender's number 2, the other's as far as it is known 2, the sender's buffer 2. Asks for an answer. */
	OPENING = 0xc1,
	/** The same from an end that has opened. */
	OPENED = 0xd1,
}

const enum State {
	CLOSED,
	OPENING,
	OPEN,
	/** Closed for the owner; what it has sent before has not left yet. */
	CLOSING,
	/** The close is the last thing in the output. */
	LAST,
}

/** What is to be sent as soon as the output is empty. */
const enum Owed {
	NOTHING = 0,
	OPENING = 1,
	ACKNOWLEDGE = 2,
}

/** Of a frame with its FCS, checked from its first byte to its last (RFC 1662, appendix C.2). */
const GOOD = 0xf0b8;

/** Bytes on the line at most, each byte but the control escaped: an acknowledgement; a close and an opening with flags at both ends. */
const LONGEST_ACKNOWLEDGEMENT = 6;
const LONGEST_CLOSE = 7;
const LONGEST_OPENING = 19;

/** Bytes of an opening without its flags and escapes. */
const OPENING_LENGTH = 9;

/** So that an opening, all of it escaped, fits where a data frame does. */
const SMALLEST_BUFFER = 80;

/** Milliseconds from one opening to the next. */
const REPEAT = 500;

/** Milliseconds that an acknowledgement may take. */
const DEADLINE = 3000;

export interface FramedLinkOptions {
	/**
	 * Bytes that this end can leave unread, 80 to 1024: what the UART and the runtime keep while the firmware is busy. The other end
	 * never sends more than that ahead. Default 128, what the UART of an ESP8266 or an ESP32 has.
	 */
	buffer?: number;
}

export class FramedLink implements Link, LinkOwner {
	readonly clock: Clock;
	room = 0;
	outgoing!: Uint8Array;
	incoming!: Uint8Array;
	private readonly link: Link;
	private readonly alarm: Alarm;
	private readonly buffer: number;
	/** Bytes of a data frame at most, a multiple of four: where one is gathered, and where bytes wait for one. */
	private readonly space: number;
	private owner!: LinkOwner;
	private state: State = State.CLOSED;
	/** The line itself is open. */
	private isUp = false;
	private owed: number = Owed.NOTHING;
	/** The numbers of this conversation, 1 to 65,535; 0 where there is none yet. */
	private mine = 0;
	private theirs = 0;
	/** With what the checksum of each frame begins, both ways. */
	private seedOut = 0;
	private seedIn = 0;
	/** Data frames modulo 8: the next one to send, the first that is not acknowledged, the next one to come. */
	private next = 0;
	private unanswered = 0;
	private expected = 0;
	/** Data frames that may be under way: 2, but 1 until the first is acknowledged, since openings may still be unread. */
	private window = 0;
	/** Bytes of a data frame on the line at most. */
	private most = 0;
	/** In the line's outgoing memory: the owner's output; what it has sent and no frame has taken, and its end; the line's output, and its end. */
	private output = 0;
	private waiting = 0;
	private tail = 0;
	private line = 0;
	private end = 0;
	/** Where a frame is gathered, and how many bytes there are of it. */
	private frame = 0;
	private filled = 0;

	/** Over a link without framing of its own. Throws an Error if the buffer is not a number of bytes that it can be. */
	constructor(link: Link, options: FramedLinkOptions = {}) {
		this.link = link;
		this.clock = link.clock;
		this.buffer = whole(options.buffer, 128, SMALLEST_BUFFER, 1024, "buffer (bytes)");
		this.space = (largestFrame(this.buffer) + 3) & ~3;
		this.alarm = link.clock.alarm(() => this.onAlarm());
	}

	attach(owner: LinkOwner, outbox: number, output: number, inbox: number): void {
		const { link, space } = this;
		this.owner = owner;
		this.output = outbox;
		this.waiting = this.tail = outbox + output;
		this.line = this.end = this.waiting + space;
		this.frame = inbox;
		link.attach(this, this.line, space + LONGEST_CLOSE + LONGEST_OPENING + 2, inbox + space);
		this.outgoing = new Uint8Array(link.outgoing.buffer, 0, this.waiting);
		this.incoming = link.incoming;
	}

	open(): void {
		this.forget();
		this.state = State.OPENING;
		this.mine = this.theirs = 0;
		this.owed = Owed.OPENING;
		this.alarm.set(REPEAT);
		if (this.isUp) this.pump();
		else this.link.open();
	}

	send(length: number): void {
		this.link.outgoing.copyWithin(this.tail, this.output, this.output + length);
		this.tail += length;
		this.room -= length;
		this.pump();
	}

	/** What was sent goes out first, and then a frame that tells the other end; after three seconds at the latest it is closed. */
	close(): void {
		this.room = 0;
		if (this.state === State.OPEN) {
			this.state = State.CLOSING;
			this.alarm.set(DEADLINE);
			this.pump();
		} else if (this.state < State.OPEN) this.shut();
	}

	encode(text: string): Uint8Array {
		return this.link.encode(text);
	}

	// What the line tells

	/** @internal */
	onWritable(): void {
		const isFull = this.room === 0;
		this.isUp = true;
		this.pump();
		if (isFull && this.room !== 0) this.owner.onWritable();
	}

	/** @internal */
	onReceived(length: number): void {
		const { incoming, frame, space } = this;
		let at = frame + space;
		const end = at + length;
		while (at < end) {
			let flag = incoming.indexOf(FLAG, at);
			if (flag < 0 || flag > end) flag = end;
			if (this.filled + flag - at > space) {
				this.filled = space + 1;
				this.fail();
			} else {
				incoming.copyWithin(frame + this.filled, at, flag);
				this.filled += flag - at;
			}
			if (flag < end) {
				if (this.filled > 0 && this.filled <= space && !this.take()) this.fail();
				this.filled = 0;
			}
			at = flag + 1;
		}
		if (this.isUp) this.onWritable();
	}

	/** @internal */
	onClosed(): void {
		const { state } = this;
		this.isUp = false;
		this.end = this.line;
		this.filled = 0;
		this.forget();
		if (state === State.OPENING || state === State.OPEN) this.owner.onClosed();
	}

	private onAlarm(): void {
		if (this.state === State.OPENING) {
			this.owed = Owed.OPENING;
			this.alarm.set(REPEAT);
			this.pump();
		} else if (this.state === State.OPEN) this.fail();
		else this.shut();
	}

	// Frames

	/** Takes the frame that stands where it is gathered. False if the conversation cannot go on: it is damaged, or is not what must come. */
	private take(): boolean {
		const { incoming, frame, state } = this;
		let end = frame + this.filled;
		for (let at = incoming.indexOf(ESCAPE, frame); at >= 0 && at < end; at = incoming.indexOf(ESCAPE, at + 1)) {
			if (at + 1 === end) return false;
			incoming[at] = incoming[at + 1] ^ FLIP;
			incoming.copyWithin(at + 1, at + 2, end);
			end--;
		}
		const control = incoming[frame];
		const isOpening = control === Control.OPENING || control === Control.OPENED;
		const check = checksumOf(incoming, frame, end, isOpening ? 0xffff : this.seedIn);
		if (check !== GOOD || end < frame + 3) return false;
		if (isOpening) {
			if (end !== frame + OPENING_LENGTH) return false;
			const theirs = (incoming[frame + 1] << 8) | incoming[frame + 2];
			const isHeard = this.mine !== 0 && ((incoming[frame + 3] << 8) | incoming[frame + 4]) === this.mine;
			let buffer = (incoming[frame + 5] << 8) | incoming[frame + 6];
			// The line that comes back to us says our own number.
			if (state === State.CLOSED || theirs === this.mine || theirs === 0 || buffer < SMALLEST_BUFFER) return true;
			// The other end has reset.
			if (state !== State.OPENING && (theirs !== this.theirs || !isHeard)) return false;
			if (control === Control.OPENING) this.owed |= Owed.OPENING;
			if (state !== State.OPENING) return true;
			this.theirs = theirs;
			if (!isHeard) return true;
			if (buffer > this.buffer) buffer = this.buffer;
			this.most = largestFrame(buffer);
			this.seedIn = checksumOf(incoming, frame + 1, frame + 5, 0xffff);
			incoming.copyWithin(frame + 5, frame + 1, frame + 3);
			this.seedOut = checksumOf(incoming, frame + 3, frame + 7, 0xffff);
			this.next = this.unanswered = this.expected = 0;
			this.window = 1;
			this.state = State.OPEN;
			this.room = this.space;
			this.alarm.set(-1);
			this.owner.onWritable();
			return true;
		}
		if (state !== State.OPEN && state !== State.CLOSING) return true;
		if (control === Control.CLOSE) return false;
		const answered = control & 7;
		if (((answered - this.unanswered) & 7) > ((this.next - this.unanswered) & 7)) return false;
		if (answered !== this.unanswered) {
			this.unanswered = answered;
			this.window = 2;
			if (state === State.OPEN) this.alarm.set(answered === this.next ? -1 : DEADLINE);
		}
		if (control >= Control.DATA_END) return true;
		if (control >> 3 !== this.expected || end === frame + 3) return false;
		this.expected = (this.expected + 1) & 7;
		this.owed |= Owed.ACKNOWLEDGE;
		if (state !== State.OPEN) return true;
		incoming.copyWithin(frame, frame + 1, end - 2);
		this.owner.onReceived(end - frame - 3);
		return true;
	}

	/** Puts a frame of at most `limit` bytes into the line's output, with as many as fit of those from `at` to `end`. Returns where it stopped. */
	private put(control: number, seed: number, at: number, end: number, limit: number): number {
		const memory = this.link.outgoing;
		const start = at;
		let to = this.end;
		limit += to + 1 - LONGEST_ACKNOWLEDGEMENT;
		memory[to] = control;
		let check = checksumOf(memory, to, ++to, seed);
		while (at < end) {
			let next = memory.indexOf(FLAG, at);
			const other = memory.indexOf(ESCAPE, at);
			if (next < 0 || (other >= 0 && other < next)) next = other;
			if (next < 0 || next > end) next = end;
			let count = next - at;
			if (count > limit - to) count = limit - to;
			if (count > 0) {
				memory.copyWithin(to, at, at + count);
				at += count;
				to += count;
			} else {
				if (to + 2 > limit) break;
				memory[to++] = ESCAPE;
				memory[to++] = memory[at++] ^ FLIP;
			}
		}
		check = ~checksumOf(memory, start, at, check);
		for (let i = 0; i < 2; i++) {
			let byte = check & 255;
			check >>= 8;
			if (byte === FLAG || byte === ESCAPE) {
				memory[to++] = ESCAPE;
				byte ^= FLIP;
			}
			memory[to++] = byte;
		}
		memory[to++] = FLAG;
		this.end = to;
		return at;
	}

	/** Puts into the line's output, which is empty, what is to be sent next; false if there is nothing. */
	private prepare(): boolean {
		const { clock, state, waiting } = this;
		const memory = this.link.outgoing;
		if (this.owed & Owed.OPENING) {
			this.owed &= ~Owed.OPENING;
			// The time is in it, too: some boards draw the same numbers after each reset, and two of them each other's.
			if (this.mine === 0 || this.theirs === 0) {
				this.mine = 1 + ((Math.floor(clock.random() * 65_535) + clock.time()) % 65_535);
			}
			const at = this.end + LONGEST_OPENING + 1;
			memory[at] = this.mine >> 8;
			memory[at + 1] = this.mine;
			memory[at + 2] = this.theirs >> 8;
			memory[at + 3] = this.theirs;
			memory[at + 4] = this.buffer >> 8;
			memory[at + 5] = this.buffer;
			memory[this.end++] = FLAG;
			const control = state === State.OPENING ? Control.OPENING : Control.OPENED;
			this.put(control, 0xffff, at, at + 6, LONGEST_OPENING);
			return true;
		}
		if (state !== State.OPEN && state !== State.CLOSING) return false;
		const underWay = (this.next - this.unanswered) & 7;
		if (this.tail !== waiting && underWay < this.window) {
			this.owed = Owed.NOTHING;
			const at = this.put((this.next << 3) | this.expected, this.seedOut, waiting, this.tail, this.most);
			memory.copyWithin(waiting, at, this.tail);
			this.tail -= at - waiting;
			if (state === State.OPEN) this.room = this.space + waiting - this.tail;
			this.next = (this.next + 1) & 7;
			if (underWay === 0) this.alarm.set(DEADLINE);
			return true;
		}
		if (this.owed !== Owed.NOTHING) {
			this.owed = Owed.NOTHING;
			this.put(Control.ACKNOWLEDGE | this.expected, this.seedOut, 0, 0, 0);
			return true;
		}
		if (state === State.OPEN || this.tail !== waiting) return false;
		this.state = State.LAST;
		this.put(Control.CLOSE, this.seedOut, 0, 0, 0);
		return true;
	}

	/** Sends what there is to send, as far as the line has room. */
	private pump(): void {
		const { link, line } = this;
		while (this.end !== line || this.prepare()) {
			let count = this.end - line;
			if (count > link.room) count = link.room;
			if (count === 0) return;
			link.send(count);
			this.end -= count;
			link.outgoing.copyWithin(line, line + count, this.end + count);
		}
		if (this.state === State.LAST) this.shut();
	}

	// The end of a conversation

	/** Gives the conversation up if there is one, tells the other end if there is room, and the owner. The line stays open for the next one. */
	private fail(): void {
		const { state } = this;
		if (state !== State.OPEN && state !== State.CLOSING) return;
		this.link.outgoing[this.end++] = FLAG;
		this.put(Control.CLOSE, this.seedOut, 0, 0, 0);
		this.forget();
		this.pump();
		if (state === State.OPEN) this.owner.onClosed();
		else this.shut();
	}

	/** Closes the line. */
	private shut(): void {
		this.forget();
		this.end = this.line;
		this.isUp = false;
		this.link.close();
	}

	private forget(): void {
		this.state = State.CLOSED;
		this.room = 0;
		this.owed = Owed.NOTHING;
		this.tail = this.waiting;
		this.alarm.set(-1);
	}
}

/** Bytes of a data frame on the line at most, so that all that may be under way fits a buffer. */
function largestFrame(buffer: number): number {
	return ((buffer - LONGEST_CLOSE - LONGEST_OPENING) >> 1) - LONGEST_ACKNOWLEDGEMENT;
}
