/** A FramedLink on a line that does what a test says, with an owner that writes down what it is told. */

import type { Link, LinkOwner } from "../../src/host.js";
import { FramedLink } from "../../src/serial/framed-link.js";
import { ManualClock } from "../support/scripted.js";
import { encode, opening, split, two } from "./reference.js";

/** Bytes that the line hands over at a time. */
const RECEIVE = 64;

export const INBOX = 8;
export const OUTBOX = 12;

/** The number that an end draws in these tests, and the one of the other end. */
export const MINE = 0x7d7e;
export const THEIRS = 0x0102;

/** A line without another end: what is sent is kept, and what comes is what the test hands over. */
export class ScriptedLine implements Link {
	readonly clock: ManualClock;
	room = 0;
	outgoing = new Uint8Array(0);
	incoming = new Uint8Array(0);
	/** Bytes that it takes before it is full; without an end, it never is. */
	capacity = Number.POSITIVE_INFINITY;
	opened = 0;
	closed = 0;
	private owner!: LinkOwner;
	private outbox = 0;
	private inbox = 0;
	private sent: number[] = [];

	constructor(clock: ManualClock) {
		this.clock = clock;
	}

	attach(owner: LinkOwner, outbox: number, output: number, inbox: number): void {
		this.owner = owner;
		this.outbox = outbox;
		this.inbox = inbox;
		this.outgoing = new Uint8Array(outbox + output);
		this.incoming = new Uint8Array(inbox + RECEIVE);
	}

	open(): void {
		this.opened++;
	}

	send(length: number): void {
		if (length < 1 || length > this.room)
			throw new Error(`${length} bytes are sent, and there is room for ${this.room}`);
		this.sent.push(...this.outgoing.subarray(this.outbox, this.outbox + length));
		if (this.capacity !== Number.POSITIVE_INFINITY) this.room -= length;
	}

	close(): void {
		this.closed++;
		this.room = 0;
	}

	encode(text: string): Uint8Array {
		return Buffer.from(text);
	}

	/** It is open, or has sent all. */
	writable(): void {
		this.room = Math.min(this.capacity, this.outgoing.length - this.outbox);
		this.owner.onWritable();
	}

	receive(bytes: readonly number[]): void {
		for (let at = 0; at < bytes.length; at += RECEIVE) {
			const piece = bytes.slice(at, at + RECEIVE);
			this.incoming.fill(0x7e, this.inbox); // what is behind the piece looks like flags
			this.incoming.set(piece, this.inbox);
			this.owner.onReceived(piece.length);
		}
	}

	break(): void {
		this.room = 0;
		this.owner.onClosed();
	}

	/** What was sent since the last look. */
	taken(): number[] {
		const { sent } = this;
		this.sent = [];
		return sent;
	}
}

export class Scene {
	readonly clock = new ManualClock();
	readonly line = new ScriptedLine(this.clock);
	readonly link: FramedLink;
	/** "open", "closed", and what was received, in hexadecimal. */
	readonly events: string[] = [];
	/** What is sent when the link has room. */
	waiting: number[] = [];

	constructor(buffer?: number) {
		this.clock.randomness = (MINE - 1 + 0.5) / 65_535;
		this.link = new FramedLink(this.line, buffer === undefined ? {} : { buffer });
		const owner: LinkOwner = {
			onWritable: () => {
				this.events.push("writable");
				this.flush();
			},
			onReceived: (length) => {
				const { incoming } = this.link;
				this.events.push(Buffer.from(incoming.subarray(INBOX, INBOX + length)).toString("hex"));
			},
			onClosed: () => this.events.push("closed"),
		};
		this.link.attach(owner, OUTBOX, 256, INBOX);
		this.link.outgoing.fill(0x11, 0, OUTBOX);
		this.link.incoming.fill(0x22, 0, INBOX);
	}

	/** Sends what waits, as far as there is room, as a client does. */
	flush(): void {
		const { link } = this;
		while (link.room > 0 && this.waiting.length > 0) {
			const piece = this.waiting.splice(0, Math.min(link.room, 256));
			link.outgoing.set(piece, OUTBOX);
			link.send(piece.length);
		}
	}

	send(bytes: readonly number[]): void {
		this.waiting.push(...bytes);
		this.flush();
	}

	/** The events since the last look. */
	told(): string[] {
		return this.events.splice(0);
	}

	/** Opens it with another end that declares this buffer. */
	open(buffer = 128): void {
		this.link.open();
		this.line.writable();
		this.line.receive(opening(THEIRS, MINE, buffer, true));
		this.line.taken();
		this.told();
	}

	/** What it sent since the last look, without the FCS. */
	frames(): number[][] {
		return split(this.line.taken()).map((frame) => frame.slice(0, -2));
	}
}

/** A frame of the other end. */
export const theirs = (...content: number[]) => encode(content, [...two(THEIRS), ...two(MINE)]);

/** One of ours. */
export const ours = (...content: number[]) => encode(content, [...two(MINE), ...two(THEIRS)]);

/** Data of the other end: its number, what it expects next, the payload. */
export const data = (number: number, expected: number, ...payload: number[]) =>
	theirs((number << 3) | expected, ...payload);
