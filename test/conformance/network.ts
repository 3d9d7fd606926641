/**
 * A network and a clock that do what a test says, for driving a Client without sockets and without waiting.
 *
 *     const network = new ScriptedNetwork();
 *     const client = new Client({ link: network.link, clientId: "c" });
 *     client.start();              // the client asks its link to open
 *     network.open();              // it does: the client sends CONNECT
 *     network.receive(connack());  // the broker answers
 *     network.taken();             // the bytes that the client has sent since the last look
 *     network.clock.advance(1000); // a second passes
 *     network.break();             // the link breaks
 *
 * The link holds the client to its side of src/host.ts: what it must not do throws here. It runs on any engine.
 */
import type { Alarm, Clock, Link, LinkOwner } from "../../src/host.js";
import { joined, utf8 } from "./packets.js";

function must(holds: boolean, complaint: string): void {
	if (!holds) throw new Error(complaint);
}

/** Time by hand. */
export class ManualClock implements Clock {
	/** Milliseconds since the test began. */
	now = 0;
	/** What `random` says: 0 up to, but not including, 1. */
	randomness = 0.5;
	private readonly alarms: ManualAlarm[] = [];

	random(): number {
		return this.randomness;
	}

	time(): number {
		return this.now >>> 0;
	}

	alarm(callback: () => void): Alarm {
		const alarm = new ManualAlarm(this, callback);
		this.alarms.push(alarm);
		return alarm;
	}

	/** Milliseconds until the next alarm fires; undefined if none is set. */
	get untilNext(): number | undefined {
		const due = Math.min(...this.alarms.map((alarm) => alarm.due));
		return due === Number.POSITIVE_INFINITY ? undefined : due - this.now;
	}

	/** Lets time pass up to the next alarm, which fires. */
	toNext(): void {
		const wait = this.untilNext;
		if (wait === undefined) throw new Error("no alarm is set");
		this.advance(wait);
	}

	/** Lets time pass: alarms that are due fire in order, each at its time. */
	advance(milliseconds: number): void {
		const end = this.now + milliseconds;
		for (let fired = 0; fired < 100_000; fired++) {
			const next = this.alarms.reduce((first, alarm) => (alarm.due < first.due ? alarm : first));
			if (next.due > end) {
				this.now = end;
				return;
			}
			this.now = next.due;
			next.fire();
		}
		throw new Error("alarms go on without end");
	}
}

class ManualAlarm implements Alarm {
	/** On the clock; infinite if not set. */
	due = Number.POSITIVE_INFINITY;

	constructor(
		private readonly clock: ManualClock,
		private readonly callback: () => void,
	) {}

	set(milliseconds: number): void {
		must(milliseconds === -1 || milliseconds >= 0, `an alarm was set to ${milliseconds} ms`);
		this.due = milliseconds === -1 ? Number.POSITIVE_INFINITY : this.clock.now + milliseconds;
	}

	fire(): void {
		this.due = Number.POSITIVE_INFINITY;
		this.callback();
	}
}

const enum Phase {
	CLOSED,
	OPENING,
	OPEN,
}

/** The client's end of the network. */
class ScriptedLink implements Link {
	room = 0;
	outgoing = new Uint8Array(0);
	incoming = new Uint8Array(0);
	phase = Phase.CLOSED;
	owner!: LinkOwner;
	/** Offsets of the output in `outgoing`, and of the received bytes in `incoming`. */
	output = 0;
	inbox = 0;
	readonly sent: Uint8Array[] = [];

	constructor(
		readonly clock: Clock,
		private readonly chunk: number,
		private readonly network: ScriptedNetwork,
	) {}

	attach(owner: LinkOwner, outbox: number, output: number, inbox: number): void {
		must(outbox % 4 === 0 && inbox % 4 === 0, "memory that is no multiple of four bytes");
		this.owner = owner;
		this.output = outbox;
		this.inbox = inbox;
		this.outgoing = new Uint8Array(outbox + output);
		this.incoming = new Uint8Array(inbox + this.chunk);
	}

	open(): void {
		must(this.phase === Phase.CLOSED, "the link was opened twice");
		this.phase = Phase.OPENING;
		this.network.opened++;
	}

	send(length: number): void {
		must(this.phase === Phase.OPEN, "sent to a link that is not open");
		must(length > 0 && length <= this.room, `sent ${length} bytes with room for ${this.room}`);
		must(this.output + length <= this.outgoing.length, "sent more than the output holds");
		this.sent.push(this.outgoing.slice(this.output, this.output + length));
		this.room -= length;
	}

	close(): void {
		if (this.phase !== Phase.CLOSED) this.network.closed++;
		this.phase = Phase.CLOSED;
		this.room = 0;
	}

	encode(text: string): Uint8Array {
		return utf8(text);
	}
}

export class ScriptedNetwork {
	readonly clock = new ManualClock();
	/** How often the client opened the link, and how often it closed one. */
	opened = 0;
	closed = 0;
	/** For the Client's option `link`. */
	readonly link: Link;
	private readonly end: ScriptedLink;

	/** Hands over at most `chunk` bytes at a time, a multiple of four. */
	constructor(chunk = 4096) {
		this.end = new ScriptedLink(this.clock, chunk, this);
		this.link = this.end;
	}

	/** The client has asked for the link to open, and it has not yet. */
	get isOpening(): boolean {
		return this.end.phase === Phase.OPENING;
	}

	get isOpen(): boolean {
		return this.end.phase === Phase.OPEN;
	}

	/** Bytes that the link takes now. */
	get room(): number {
		return this.end.room;
	}

	/** Makes room without a word: the client sees it when it next looks. */
	set room(bytes: number) {
		this.end.room = bytes;
	}

	/** The link opens, with room for this many bytes. */
	open(room = 1_000_000): void {
		must(this.isOpening, "the client has not asked for a link");
		this.end.phase = Phase.OPEN;
		this.writable(room);
	}

	/** The link has room for this many bytes now, and says so. */
	writable(room: number): void {
		must(this.isOpen, "the link is not open");
		this.end.room = room;
		this.end.owner.onWritable();
	}

	/** The link breaks, or could not be opened. */
	break(): void {
		must(this.end.phase !== Phase.CLOSED, "there is no link to break");
		this.end.phase = Phase.CLOSED;
		this.end.room = 0;
		this.end.owner.onClosed();
	}

	/** The broker's bytes arrive, in pieces of at most `pieceSize`; what is left is lost once the client closes. */
	receive(bytes: Uint8Array, pieceSize = bytes.length): void {
		must(this.isOpen, "the link is not open");
		const { end, opened } = this;
		const space = end.incoming.subarray(end.inbox);
		const size = Math.min(pieceSize, space.length);
		for (let at = 0; at < bytes.length && this.isOpen && this.opened === opened; at += size) {
			const piece = bytes.subarray(at, at + size);
			space.fill(0xee);
			space.set(piece);
			end.owner.onReceived(piece.length);
			space.fill(0xdd); // consumed: whoever still looks gets nonsense
		}
	}

	/** What the client has sent since the last look, as one array. */
	taken(): Uint8Array {
		return joined(this.end.sent.splice(0));
	}
}
