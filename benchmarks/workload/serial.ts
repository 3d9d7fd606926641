/** Two FramedLinks in one engine, with a line between them that costs nothing: what is measured is what runs on a board. */
import type { Alarm, Clock, Link, LinkOwner } from "../../src/host.js";
import { FramedLink } from "../../src/serial/framed-link.js";

/** Bytes that a line carries at a time. */
const RECEIVE = 80;

let draws = 0;
/** What the alarms of both ends call. */
const callbacks: (() => void)[] = [];
const alarm: Alarm = { set() {} };

const clock: Clock = {
	random: () => 0.25 + (draws++ & 7) / 64,
	time: () => 0,
	alarm(callback) {
		callbacks.push(callback);
		return alarm;
	},
};

class Line implements Link {
	readonly clock = clock;
	room = 0;
	outgoing!: Uint8Array;
	incoming!: Uint8Array;
	other!: Line;
	owner!: LinkOwner;
	waiting = 0;
	private tail!: Uint8Array;
	private inbox = 0;

	attach(owner: LinkOwner, outbox: number, output: number, inbox: number): void {
		this.owner = owner;
		this.outgoing = new Uint8Array(outbox + output);
		this.tail = this.outgoing.subarray(outbox);
		this.incoming = new Uint8Array(inbox + RECEIVE);
		this.inbox = inbox;
	}
	open(): void {}
	send(length: number): void {
		this.waiting = length;
		this.room = 0;
	}
	close(): void {}
	encode(): Uint8Array {
		return new Uint8Array(0);
	}

	/** What was sent arrives. */
	carry(): void {
		const { other, waiting } = this;
		other.incoming.set(this.tail, other.inbox);
		this.waiting = 0;
		this.room = RECEIVE;
		other.owner.onReceived(waiting);
		this.owner.onWritable();
	}
}

class End implements LinkOwner {
	readonly line = new Line();
	readonly link = new FramedLink(this.line);
	received = 0;
	isOpen = false;

	constructor() {
		this.link.attach(this, 64, 64, 64);
		for (let i = 64; i < 128; i++) this.link.outgoing[i] = i;
	}
	onWritable(): void {
		this.isOpen = true;
	}
	onReceived(length: number): void {
		this.received += length;
	}
	onClosed(): void {
		this.isOpen = false;
	}
}

const board = new End();
const desk = new End();
board.line.other = desk.line;
desk.line.other = board.line;

/** Until nothing is on its way. */
function settle(): void {
	while (board.line.waiting !== 0 || desk.line.waiting !== 0) {
		if (board.line.waiting !== 0) board.line.carry();
		if (desk.line.waiting !== 0) desk.line.carry();
	}
}

board.link.open();
desk.link.open();
for (const end of [board, desk]) {
	end.line.room = RECEIVE;
	end.line.owner.onWritable();
}
settle();

/** 36 bytes leave the board, the desk acknowledges them. */
export function send(rounds: number): void {
	const before = desk.received;
	for (let round = 0; round < rounds; round++) {
		board.link.send(36);
		settle();
	}
	if (desk.received !== before + 36 * rounds) throw new Error(`${desk.received - before} bytes came`);
}

/** An empty round of the same. */
export function nothing(rounds: number): void {
	for (let round = 0; round < rounds; round++) settle();
}

/** The acknowledgement is missing: the board gives up, both close, and open again. */
export function reopen(rounds: number): void {
	for (let round = 0; round < rounds; round++) {
		callbacks[0]();
		settle();
		if (board.isOpen || desk.isOpen) throw new Error("they are open");
		board.link.open();
		desk.link.open();
		settle();
		if (!board.isOpen || !desk.isOpen) throw new Error("they are not open");
	}
}
