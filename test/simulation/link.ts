/** The client's end of the network, as src/host.ts wants it, and the clock of its board, which may sleep. */
import type { Alarm, Clock, Link, LinkOwner } from "../../src/host.js";
import type { Connection, End } from "./network.js";
import type { World } from "./world.js";

/** What the link's device does. */
export interface LinkUser {
	readonly name: string;
	/** Nothing happens on the board while it sleeps; then all that is due, in its order. */
	awake(act: () => void): void;
	/** Milliseconds by the board's clock. */
	clock(): number;
	/** The client asks for a connection: it opens with `opened`, or is refused with `closed`. */
	connect(opened: () => void): Connection;
	/** The client knows that its connection has opened. */
	opened(): void;
	/** The client has said this. */
	said(bytes: Uint8Array): void;
	/** This is about to be handed to the client; and it was. */
	hears(bytes: Uint8Array): void;
	heard(): void;
	/** The client has set the alarm of its session. */
	waits(milliseconds: number): void;
	/** The client has drawn this. */
	drew(random: number): void;
}

const GUARD = 16;
const CANARY = 0xc5;

const enum Phase {
	CLOSED,
	OPENING,
	OPEN,
}

export class SimulatedLink implements Link {
	readonly clock: Clock;
	room = 0;
	outgoing = new Uint8Array(0);
	incoming = new Uint8Array(0);
	connection: Connection | undefined;
	private phase = Phase.CLOSED;
	private owner!: LinkOwner;
	private outbox = 0;
	private inbox = 0;
	private guards: Uint8Array[] = [];
	/** Counts connections, so that what belongs to an earlier one is ignored. */
	private generation = 0;
	/** The first one is that of the session. */
	private alarms = 0;
	/** The board is dead: whatever the client still does has no effect. */
	private isDead = false;

	constructor(
		private readonly world: World,
		private readonly user: LinkUser,
		/** Bytes handed over at a time, a multiple of four. */
		private readonly chunk: number,
	) {
		this.clock = {
			time: () => user.clock(),
			random: () => {
				const drawn = world.random.next();
				user.drew(drawn);
				return drawn;
			},
			alarm: (callback) => new SimulatedAlarm(world, user, callback, this.alarms++ === 0),
		};
	}

	attach(owner: LinkOwner, outbox: number, output: number, inbox: number): void {
		this.must(outbox % 4 === 0 && inbox % 4 === 0, "memory that is no multiple of four bytes");
		this.owner = owner;
		this.outbox = outbox;
		this.inbox = inbox;
		const outgoing = new Uint8Array(GUARD + outbox + output + GUARD).fill(CANARY);
		this.outgoing = outgoing.subarray(GUARD, GUARD + outbox + output);
		const incoming = new Uint8Array(inbox + this.chunk + GUARD).fill(CANARY);
		this.incoming = incoming.subarray(0, inbox + this.chunk);
		this.guards = [
			outgoing.subarray(0, GUARD),
			outgoing.subarray(GUARD + outbox + output),
			incoming.subarray(inbox + this.chunk),
		];
	}

	/** The board dies. Returns the connection that it had. */
	die(): Connection | undefined {
		const { connection } = this;
		this.isDead = true;
		this.phase = Phase.CLOSED;
		this.room = 0;
		this.generation++;
		this.connection = undefined;
		return connection;
	}

	open(): void {
		if (this.isDead) return;
		this.must(this.phase === Phase.CLOSED, "the link was opened twice");
		this.phase = Phase.OPENING;
		const generation = ++this.generation;
		const connection = this.user.connect(() => {
			if (generation !== this.generation || this.phase !== Phase.OPENING) return;
			this.phase = Phase.OPEN;
			this.room = connection.fate.room;
			this.owner.onWritable();
			if (generation === this.generation) this.user.opened();
		});
		this.connection = connection;
		connection.client = this.end(generation);
	}

	send(length: number): void {
		if (this.isDead) return;
		this.must(this.phase === Phase.OPEN, "sent to a link that is not open");
		this.must(length > 0 && length <= this.room, `sent ${length} bytes with room for ${this.room}`);
		this.must(this.outbox + length <= this.outgoing.length, "sent more than the output holds");
		const bytes = this.outgoing.slice(this.outbox, this.outbox + length);
		this.room -= length;
		this.user.said(bytes);
		this.connection?.send(bytes);
	}

	close(): void {
		this.phase = Phase.CLOSED;
		this.room = 0;
		this.generation++;
		const { connection } = this;
		this.connection = undefined;
		connection?.leave();
	}

	encode(text: string): Uint8Array {
		return new TextEncoder().encode(text);
	}

	/** Nothing was written outside of the client's memory. */
	check(): void {
		for (const guard of this.guards)
			this.must(
				guard.every((byte) => byte === CANARY),
				"a canary is dead",
			);
	}

	private handOver(bytes: Uint8Array): void {
		const { inbox, incoming, chunk, generation } = this;
		for (let at = 0; at < bytes.length && generation === this.generation; at += chunk) {
			const piece = bytes.subarray(at, at + chunk);
			const end = inbox + piece.length;
			incoming.set(piece, inbox);
			incoming.fill(CANARY, end, end + GUARD);
			this.user.hears(piece);
			this.owner.onReceived(piece.length);
			if (generation === this.generation) this.user.heard();
			for (let i = end; i < end + GUARD && i < incoming.length; i++) {
				if (incoming[i] !== CANARY) this.must(false, "something was written behind what was received");
			}
			incoming.fill(0xdd, inbox, end); // consumed: whoever still looks gets nonsense
		}
	}

	/** The client's end of a connection. Nothing is told any more once it has ended. */
	private end(generation: number): End {
		const tell = (what: () => void) =>
			this.user.awake(() => {
				if (generation === this.generation) what();
			});
		return {
			received: (bytes) => {
				const copy = bytes.slice();
				tell(() => this.handOver(copy));
			},
			closed: () => tell(() => this.lost()),
			filled: () => {
				if (generation === this.generation) this.room = 0;
			},
			drained: (count) =>
				tell(() => {
					this.room += count;
					this.owner.onWritable();
				}),
		};
	}

	private lost(): void {
		this.world.trace(this.user.name, "its link is closed");
		this.phase = Phase.CLOSED;
		this.room = 0;
		this.generation++;
		this.connection = undefined;
		this.owner.onClosed();
	}

	private must(holds: boolean, complaint: string): void {
		if (!holds) this.world.fail(this.user.name, complaint);
	}
}

class SimulatedAlarm implements Alarm {
	/** Which `set` counts. */
	private generation = 0;

	constructor(
		private readonly world: World,
		private readonly user: LinkUser,
		private readonly callback: () => void,
		private readonly isSession: boolean,
	) {}

	set(milliseconds: number): void {
		const generation = ++this.generation;
		const { world, user } = this;
		if (!(milliseconds === -1 || milliseconds >= 0)) world.fail(user.name, `an alarm was set to ${milliseconds} ms`);
		if (this.isSession) user.waits(milliseconds);
		if (milliseconds === -1) return;
		// A timer is late by a little, and by as long as the board sleeps.
		world.time.after(milliseconds + world.random.next(), () =>
			user.awake(() => {
				if (generation === this.generation) this.callback();
			}),
		);
	}
}
