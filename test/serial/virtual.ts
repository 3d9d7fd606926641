/**
 * Two ends of a serial line under virtual time: each byte takes its time, may be changed, lost or joined by another; the cable can be
 * pulled; a board can be busy, so that what comes stays in its UART; and it can be reset.
 */
import type { Alarm, Clock, Link, LinkOwner } from "../../src/host.js";
import { FramedLink } from "../../src/serial/framed-link.js";
import { Time } from "../simulation/time.js";
import type { Random } from "../support/random.js";

/** Milliseconds of a byte at 115,200 baud. */
const BYTE_TIME = 1000 / 11_520;

/** Bytes of the sending UART's own memory. */
const FIFO = 128;

/** What the cable does. */
export class Cable {
	isIn = true;
	/** How likely a byte is changed, lost, or followed by another one. */
	noise = 0;

	constructor(private readonly random: Random) {}

	/** What becomes of a byte. `isNoise`: nobody has sent it. */
	carry(byte: number, arrive: (byte: number, isNoise: boolean) => void): void {
		const { random } = this;
		if (!this.isIn) return;
		const fate = this.noise > 0 && random.chance(this.noise) ? random.below(3) : 3;
		if (fate === 3) arrive(byte, false);
		if (fate === 0) arrive(byte ^ (1 << random.below(8)), false);
		if (fate === 1) {
			arrive(byte, false);
			arrive(random.chance(0.3) ? 0x7e : random.below(256), true);
		}
	}
}

class Uart implements Link {
	room = 0;
	outgoing = new Uint8Array(0);
	incoming = new Uint8Array(0);
	other!: Uart;
	/** Received and not read. */
	unread: number[] = [];
	/** The most of it that there was, without what was noise. */
	mostUnread = 0;
	private noisy = 0;
	private owner!: LinkOwner;
	private outbox = 0;
	private inbox = 0;
	private isOpen = false;
	private openings = 0;
	private fifo: number[] = [];
	private isSending = false;
	private isReading = false;

	constructor(
		private readonly board: VirtualBoard,
		readonly clock: Clock,
		private readonly cable: Cable,
		private readonly receive: number,
	) {}

	attach(owner: LinkOwner, outbox: number, output: number, inbox: number): void {
		this.owner = owner;
		this.outbox = outbox;
		this.inbox = inbox;
		this.outgoing = new Uint8Array(outbox + output);
		this.incoming = new Uint8Array(inbox + this.receive);
	}

	open(): void {
		const opening = ++this.openings;
		this.board.soon(0, () => {
			if (opening !== this.openings) return;
			this.isOpen = true;
			this.tellRoom();
		});
	}

	private tellRoom(): void {
		if (!this.isOpen) return;
		this.room = Math.min(FIFO - this.fifo.length, this.outgoing.length - this.outbox);
		this.owner.onWritable();
	}

	send(length: number): void {
		if (length < 1 || length > this.room)
			throw new Error(`${length} bytes are sent, and there is room for ${this.room}`);
		this.fifo.push(...this.outgoing.subarray(this.outbox, this.outbox + length));
		this.room -= length;
		if (!this.isSending) this.shift();
		this.isSending = true;
	}

	/** The next byte leaves. The UART does that by itself, however busy the board is. */
	private shift(): void {
		this.board.time.after(BYTE_TIME, () => {
			const byte = this.fifo.shift();
			if (byte !== undefined) this.cable.carry(byte, (one, isNoise) => this.other.arrive(one, isNoise));
			this.isSending = this.fifo.length > 0;
			if (this.isSending) this.shift();
			if (this.fifo.length === 10 || !this.isSending) this.board.soon(0, () => this.tellRoom());
		});
	}

	arrive(byte: number, isNoise: boolean): void {
		if (!this.isOpen) return;
		this.unread.push(byte);
		if (isNoise) this.noisy++;
		this.mostUnread = Math.max(this.mostUnread, this.unread.length - this.noisy);
		if (this.isReading) return;
		this.isReading = true;
		this.board.soon(0, () => {
			this.isReading = false;
			const bytes = this.unread.splice(0);
			this.noisy = 0;
			for (let at = 0; at < bytes.length && this.isOpen; at += this.receive) {
				const piece = bytes.slice(at, at + this.receive);
				this.incoming.set(piece, this.inbox);
				this.owner.onReceived(piece.length);
			}
		});
	}

	close(): void {
		this.openings++;
		this.isOpen = false;
		this.room = 0;
		this.unread = [];
		this.noisy = 0;
	}

	/** The board has no power: what is in the UART is gone. */
	clear(): void {
		this.close();
		this.isReading = false;
		this.fifo = [];
	}

	/** The device is gone, as one on USB: unlike a wire, that is noticed. */
	vanish(): void {
		if (!this.isOpen) return;
		this.clear();
		this.owner.onClosed();
	}

	encode(text: string): Uint8Array {
		return Buffer.from(text);
	}
}

/** What a sender says in a conversation: a tag that no other conversation has, and then what follows from it, flags and escapes aplenty. */
function byteOf(tag: number, index: number): number {
	if (index < 4) return (tag >> (8 * (3 - index))) & 255;
	const mixed = Math.imul(tag ^ Math.imul(index, 0x9e3779b1), 0x85ebca6b) >>> 0;
	return mixed % 5 === 0 ? 0x7d + (mixed & 1) : (mixed >>> 8) & 255;
}

export interface Habits {
	/** Declared, and what the UART has. */
	buffer: number;
	/** How long it is busy at most, in milliseconds. */
	busy: number;
	/** It draws the same numbers after each reset. */
	isForgetful: boolean;
	/** Milliseconds until it opens again, at most. */
	pause: number;
}

/** An end with its firmware: it opens the link again and again, and says as much as the link takes. */
export class VirtualBoard {
	readonly time: Time;
	readonly uart: Uart;
	link!: FramedLink;
	/** What went wrong. */
	readonly complaints: string[] = [];
	/** Tags that were heard from the first byte, whole. */
	readonly heard = new Set<number>();
	/** Conversations, and bytes of them that have come. */
	conversations = 0;
	bytes = 0;
	/** Of what the present conversation has brought: its tag, and how many bytes. */
	tag = 0;
	count = 0;
	/** What we say in it. */
	saying = 0;
	isOpen = false;
	/** Says nothing more. */
	isQuiet = false;
	private said = 0;
	private life = 0;
	private bootedAt = 0;
	private busyUntil = 0;

	constructor(
		time: Time,
		readonly name: string,
		private readonly random: Random,
		cable: Cable,
		readonly habits: Habits,
	) {
		this.time = time;
		this.uart = new Uart(this, this.clock, cable, 64);
	}

	/** Calls back unless the board is reset by then, and not while it is busy. */
	soon(delay: number, callback: () => void): void {
		const { life } = this;
		const attempt = () => {
			if (life !== this.life) return;
			if (this.busyUntil > this.time.now) this.time.after(this.busyUntil - this.time.now, attempt);
			else callback();
		};
		this.time.after(delay, attempt);
	}

	/** Does nothing for a while but what its UART does by itself. */
	block(): void {
		this.busyUntil = this.time.now + this.random.below(this.habits.busy + 1);
	}

	private get clock(): Clock {
		const random = () => (this.habits.isForgetful ? 0.123 : this.random.next());
		const alarm = (callback: () => void): Alarm => {
			let set = 0;
			return {
				set: (milliseconds) => {
					const mine = ++set;
					if (milliseconds >= 0) this.soon(milliseconds, () => mine === set && callback());
				},
			};
		};
		return { time: () => (this.time.now - this.bootedAt) >>> 0, random, alarm };
	}

	/** Power on: nothing is left of what was. */
	reset(): void {
		this.life++;
		this.bootedAt = this.time.now;
		this.uart.clear();
		this.isOpen = false;
		this.busyUntil = 0;
		this.link = new FramedLink(this.uart, { buffer: this.habits.buffer });
		const life = this.life;
		this.link.attach(
			{
				onWritable: () => life === this.life && this.onWritable(),
				onReceived: (length) => life === this.life && this.onReceived(length),
				onClosed: () => life === this.life && this.onClosed(),
			},
			0,
			64,
			8,
		);
		this.link.open();
	}

	private onWritable(): void {
		if (!this.isOpen) {
			this.isOpen = true;
			this.conversations++;
			this.count = this.said = 0;
			this.saying = this.random.below(2 ** 31);
		}
		this.talk();
	}

	/** Says what the link takes. */
	talk(): void {
		const { link } = this;
		while (this.isOpen && !this.isQuiet && link.room > 0) {
			const count = 1 + this.random.below(Math.min(link.room, 64));
			for (let i = 0; i < count; i++) link.outgoing[i] = byteOf(this.saying, this.said++);
			link.send(count);
			if (this.random.chance(0.3)) break;
		}
	}

	private onReceived(length: number): void {
		if (!this.isOpen) this.complaints.push(`${this.name} got bytes and was not open`);
		const { incoming } = this.link;
		for (let i = 8; i < 8 + length; i++) {
			if (this.count < 4) this.tag = ((this.count === 0 ? 0 : this.tag) << 8) | incoming[i];
			else if (incoming[i] !== byteOf(this.tag, this.count)) {
				this.complaints.push(
					`${this.name}: byte ${this.count} of conversation ${this.tag} is wrong at ${this.time.now}`,
				);
			}
			this.count++;
			this.bytes++;
			if (this.count === 4) {
				if (this.heard.has(this.tag)) this.complaints.push(`${this.name}: conversation ${this.tag} was heard twice`);
				this.heard.add(this.tag);
			}
		}
		if (this.random.chance(0.2)) this.block();
		if (this.random.chance(0.3)) this.talk();
	}

	private onClosed(): void {
		if (this.isOpen) this.isOpen = false;
		if (this.random.chance(0.5)) this.link.close();
		this.reopen();
	}

	/** The application closes it. */
	close(): void {
		this.isOpen = false;
		this.link.close();
		this.reopen();
	}

	private reopen(): void {
		const { life } = this;
		if (this.habits.pause === 0) this.link.open();
		else this.soon(this.random.below(this.habits.pause), () => life === this.life && this.link.open());
	}
}

/** Two boards on one cable, powered on. */
export function pair(
	random: Random,
	first: Habits,
	second: Habits,
): { time: Time; cable: Cable; boards: VirtualBoard[] } {
	const time = new Time();
	const cable = new Cable(random);
	const boards = [
		new VirtualBoard(time, "the first", random, cable, first),
		new VirtualBoard(time, "the second", random, cable, second),
	];
	const [one, other] = boards;
	one.uart.other = other.uart;
	other.uart.other = one.uart;
	one.reset();
	time.after(7, () => other.reset());
	return { time, cable, boards };
}

/** Lets so many milliseconds pass, with something to do at random moments. */
export function pass(time: Time, milliseconds: number): void {
	const end = time.now + milliseconds;
	time.after(milliseconds, () => {});
	while (time.now < end && time.step());
}
