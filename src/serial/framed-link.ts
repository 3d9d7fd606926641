/**
 * A Link over another one that is a bare byte line, such as a UART: it tells damage, loss, and that the other end has reset,
 * closes then, and opens again by itself. Both ends run this same code; docs/serial.md describes what is on the line.
 *
 *     flag 0x7e · control 1 · payload · FCS-16 2, low byte first · flag 0x7e          (RFC 1662; 0x7d is its escape)
 *
 * A number drawn for each opening tells one conversation from another. Each end says its own and repeats the other's: who
 * hears its own number is heard, and the line is open. From then on both numbers begin each checksum.
 *
 * At most two data frames are under way each way, of a size of which two fit the smaller of the declared buffers, with two
 * acknowledgements, an opening and a close beside them. Nothing is sent twice: a damaged or missing frame ends the conversation.
 */
import { whole } from "../check.js";
import type { Alarm, Clock, Link, LinkOwner } from "../host.js";
import { checksum } from "../wire/checksum.js";

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

/** Bytes on the line at most, each byte but the control escaped: an acknowledgement; a close and an opening. */
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
	private owner!: LinkOwner;
	private state: State = State.CLOSED;
	/** The line itself is open. */
	private isUp = false;
	private owed: number = Owed.NOTHING;
	/** The numbers of this conversation, 1 to 65,535; 0 where it is not known. */
	private mine = 0;
	private theirs = 0;
	/** With what the checksum of a data frame begins, each way. */
	private seedOut = 0;
	private seedIn = 0;
	/** Data frames modulo 8: the next one to send, the first that is not acknowledged, the next one to come. */
	private next = 0;
	private unanswered = 0;
	private expected = 0;
	/** Data frames that may be under way: 2, but 1 until the first is acknowledged, since openings may still be unread. */
	private window = 0;
	/** Bytes of a data frame on the line at most: of ours, and in this conversation. */
	private readonly largest: number;
	private most = 0;
	/** The owner's output; then what it has sent and no frame has taken; then the output of the line: the memory of all. */
	private memory!: Uint8Array;
	private output = 0;
	private waiting = 0;
	private head = 0;
	private tail = 0;
	private line = 0;
	private end = 0;
	/** Where a frame is gathered, how many bytes there are of it, and how many may be. */
	private frame = 0;
	private filled = 0;
	private readonly space: number;

	/** Over a link without framing of its own. Throws an Error if the buffer is not a number of bytes that it can be. */
	constructor(link: Link, options: FramedLinkOptions = {}) {
		this.link = link;
		this.clock = link.clock;
		this.buffer = whole(options.buffer, 128, SMALLEST_BUFFER, 1024, "buffer (bytes)");
		this.largest = largestFrame(this.buffer);
		this.space = (this.largest + 3) & ~3;
		this.alarm = link.clock.alarm(() => this.onAlarm());
	}

	attach(owner: LinkOwner, outbox: number, output: number, inbox: number): void {
		const { link, space } = this;
		this.owner = owner;
		this.output = outbox;
		this.waiting = this.head = this.tail = outbox + output;
		this.line = this.end = this.waiting + space;
		this.frame = inbox;
		link.attach(this, this.line, space + LONGEST_CLOSE + LONGEST_OPENING + 2, inbox + space);
		this.memory = link.outgoing;
		this.outgoing = new Uint8Array(link.outgoing.buffer, 0, this.waiting);
		this.incoming = link.incoming;
	}

	open(): void {
		this.forget();
		this.state = State.OPENING;
		this.draw();
		this.theirs = 0;
		this.owed = Owed.OPENING;
		this.alarm.set(REPEAT);
		if (this.isUp) this.pump();
		else this.link.open();
	}

	send(length: number): void {
		this.memory.copyWithin(this.tail, this.output, this.output + length);
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
		this.isUp = true;
		this.proceed();
	}

	/** @internal */
	onReceived(length: number): void {
		const { incoming, frame, space } = this;
		let at = frame + space;
		const end = at + length;
		while (at < end) {
			let flag = incoming.indexOf(FLAG, at);
			if (flag < 0 || flag > end) flag = end;
			const count = flag - at;
			if (this.filled + count > space) {
				this.filled = space + 1;
				this.damaged();
			} else {
				incoming.copyWithin(frame + this.filled, at, flag);
				this.filled += count;
			}
			if (flag < end) {
				if (this.filled > 0 && this.filled <= space && !this.take()) this.damaged();
				this.filled = 0;
			}
			at = flag + 1;
		}
		this.proceed();
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

	/** A number for this conversation. The time is in it, too: some boards draw the same numbers after each reset. */
	private draw(): void {
		const { clock } = this;
		this.mine = 1 + ((Math.floor(clock.random() * 65_535) + clock.time()) % 65_535);
	}

	private onAlarm(): void {
		if (this.state === State.OPENING) {
			this.owed |= Owed.OPENING;
			this.alarm.set(REPEAT);
			this.pump();
		} else if (this.state === State.OPEN) this.fail();
		else this.shut();
	}

	// Frames

	/** Takes the frame that stands where it is gathered; false if it is damaged, or not the next one. */
	private take(): boolean {
		const { incoming, frame } = this;
		let end = frame + this.filled;
		for (let at = incoming.indexOf(ESCAPE, frame); at >= 0 && at < end; at = incoming.indexOf(ESCAPE, at + 1)) {
			incoming[at] = incoming[at + 1] ^ FLIP;
			incoming.copyWithin(at + 1, at + 2, end);
			end--;
		}
		const control = incoming[frame];
		const isOpening = control === Control.OPENING || control === Control.OPENED;
		let check = isOpening ? 0xffff : this.seedIn;
		for (let at = frame; at < end; at++) check = checksum(check, incoming[at]);
		if (check !== GOOD || end < frame + 3) return false;
		if (isOpening) {
			if (end !== frame + OPENING_LENGTH) return false;
			this.takeOpening(control);
			return true;
		}
		if (this.state !== State.OPEN && this.state !== State.CLOSING) return true;
		if (control === Control.CLOSE) {
			this.fail();
			return true;
		}
		const answered = control & 7;
		if (((answered - this.unanswered) & 7) > ((this.next - this.unanswered) & 7)) return false;
		if (answered !== this.unanswered) {
			this.unanswered = answered;
			this.window = 2;
			if (this.state === State.OPEN) this.alarm.set(answered === this.next ? -1 : DEADLINE);
		}
		if (control >= Control.DATA_END) return true;
		if (control >> 3 !== this.expected || end === frame + 3) return false;
		this.expected = (this.expected + 1) & 7;
		this.owed |= Owed.ACKNOWLEDGE;
		if (this.state !== State.OPEN) return true;
		incoming.copyWithin(frame, frame + 1, end - 2);
		this.owner.onReceived(end - frame - 3);
		return true;
	}

	private takeOpening(control: number): void {
		const { incoming, frame } = this;
		const theirs = (incoming[frame + 1] << 8) | incoming[frame + 2];
		const isHeard = ((incoming[frame + 3] << 8) | incoming[frame + 4]) === this.mine;
		const buffer = (incoming[frame + 5] << 8) | incoming[frame + 6];
		if (this.state === State.CLOSED || theirs === 0 || buffer < SMALLEST_BUFFER) return;
		// The line comes back to us, or the other end has drawn the same.
		if (theirs === this.mine && this.state === State.OPENING) {
			this.draw();
			return;
		}
		if (control === Control.OPENING) this.owed |= Owed.OPENING;
		if (this.state !== State.OPENING) {
			if (theirs !== this.theirs || !isHeard) this.fail(); // the other end has reset
			return;
		}
		this.theirs = theirs;
		if (!isHeard) return;
		const most = largestFrame(buffer);
		this.most = most < this.largest ? most : this.largest;
		this.seedIn = this.seedOut = 0xffff;
		for (let i = 1; i < 5; i++) {
			this.seedIn = checksum(this.seedIn, incoming[frame + i]);
			this.seedOut = checksum(this.seedOut, incoming[frame + (i < 3 ? i + 2 : i - 2)]);
		}
		this.next = this.unanswered = this.expected = 0;
		this.window = 1;
		this.state = State.OPEN;
		this.room = this.space;
		this.alarm.set(-1);
		this.owner.onWritable();
	}

	/** Puts a frame into the output of the line, with as many as it can hold of the bytes from `at` to `end`. Returns where it stopped. */
	private put(control: number, seed: number, at: number, end: number, limit: number): number {
		const { memory } = this;
		let to = this.end;
		limit += to - LONGEST_ACKNOWLEDGEMENT;
		memory[to++] = control;
		let check = checksum(seed, control);
		for (let left = 2; left > 0; ) {
			let byte: number;
			if (at < end && to < limit) {
				byte = memory[at++];
				check = checksum(check, byte);
			} else {
				byte = ~check & 255;
				check >>= 8;
				left--;
				limit = 0;
			}
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

	/** Puts into the output, which is empty, what is to be sent next; false if there is nothing. */
	private prepare(): boolean {
		const { memory, line, state } = this;
		if (this.owed & Owed.OPENING) {
			this.owed &= ~Owed.OPENING;
			const at = line + LONGEST_OPENING + 1;
			memory[at] = this.mine >> 8;
			memory[at + 1] = this.mine & 255;
			memory[at + 2] = this.theirs >> 8;
			memory[at + 3] = this.theirs & 255;
			memory[at + 4] = this.buffer >> 8;
			memory[at + 5] = this.buffer & 255;
			memory[this.end++] = FLAG;
			this.put(state === State.OPENING ? Control.OPENING : Control.OPENED, 0xffff, at, at + 6, 64);
			return true;
		}
		if (state !== State.OPEN && state !== State.CLOSING) return false;
		const underWay = (this.next - this.unanswered) & 7;
		if (this.head !== this.tail && underWay < this.window) {
			this.owed = Owed.NOTHING;
			this.head = this.put((this.next << 3) | this.expected, this.seedOut, this.head, this.tail, this.most);
			this.next = (this.next + 1) & 7;
			if (underWay === 0) this.alarm.set(DEADLINE);
			if (this.head === this.tail) {
				this.head = this.tail = this.waiting;
				if (state === State.OPEN) this.room = this.space;
			}
			return true;
		}
		if (this.owed !== Owed.NOTHING) {
			this.owed = Owed.NOTHING;
			this.put(Control.ACKNOWLEDGE | this.expected, this.seedOut, 0, 0, 0);
			return true;
		}
		if (state === State.OPEN || this.head !== this.tail) return false;
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
			if (this.end !== line) this.memory.copyWithin(line, line + count, this.end + count);
		}
		if (this.state === State.LAST) this.shut();
	}

	/** The same, and tells the owner if it has room again. */
	private proceed(): void {
		const isFull = this.room === 0;
		this.pump();
		if (isFull && this.room !== 0) this.owner.onWritable();
	}

	// The end of a conversation

	/** A frame was damaged, or one is missing: what of it is told only matters to an open conversation. */
	private damaged(): void {
		if (this.state === State.OPEN || this.state === State.CLOSING) this.fail();
	}

	/** Gives the conversation up, tells the other end if there is room, and the owner. The line stays open for the next one. */
	private fail(): void {
		const isOpen = this.state === State.OPEN;
		this.memory[this.end++] = FLAG;
		this.put(Control.CLOSE, this.seedOut, 0, 0, 0);
		this.forget();
		this.pump();
		if (isOpen) this.owner.onClosed();
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
		this.head = this.tail = this.waiting;
		this.alarm.set(-1);
	}
}

/** Bytes of a data frame on the line at most, so that all that may be under way fits a buffer. */
function largestFrame(buffer: number): number {
	return ((buffer - LONGEST_CLOSE - LONGEST_OPENING) >> 1) - LONGEST_ACKNOWLEDGEMENT;
}
