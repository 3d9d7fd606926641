/**
 * The virtual network: connections between a client's link and the broker, each with its fate. Bytes take time, come
 * split and joined, get lost with the connection at any byte, or vanish while both ends believe in it.
 */
import type { Fate } from "./fate.js";
import { words } from "./packets.js";
import type { Fault, World } from "./world.js";

/** Who is told at one end of a connection. */
export interface End {
	/** The bytes are only valid during the call. */
	received(bytes: Uint8Array): void;
	/** The other end has closed, or the connection has broken. */
	closed(): void;
	/** Bytes that this end had sent have left. */
	drained?(count: number): void;
	/** None will leave any more: there is no room. */
	filled?(): void;
}

/** One direction of a connection. */
class Pipe {
	/** What is sent now never arrives. */
	isDead = false;
	/** The connection breaks when so many bytes have arrived. */
	cutAt = Number.POSITIVE_INFINITY;
	/** Nothing arrives before. */
	stalledUntil = 0;
	/** Bytes that are under way, a piece each, and when they are due. */
	private pieces: { bytes: Uint8Array; due: number }[] = [];
	private arrived = 0;
	private last = 0;
	private isAwaited = false;
	/** Called once everything has arrived. */
	private finishing: (() => void) | undefined;

	constructor(
		private readonly connection: Connection,
		private readonly cause: Fault,
	) {}

	/** Takes bytes that nobody will change. */
	push(bytes: Uint8Array): void {
		if (this.isDead) return;
		const { world, fate } = this.connection;
		const { now } = world.time;
		this.last = Math.max(this.last, now + fate.latency * (0.5 + world.random.next()));
		this.pieces.push({ bytes, due: this.last });
		this.await();
	}

	finish(done: () => void): void {
		if (this.pieces.length === 0 && !this.isDead) done();
		else this.finishing = done;
	}

	/** Loses what is under way, and whatever else comes. Returns how many bytes were under way. */
	kill(): number {
		let lost = 0;
		for (const { bytes } of this.pieces) lost += bytes.length;
		this.pieces = [];
		this.isDead = true;
		return lost;
	}

	/** No more cuts, and no stall. */
	heal(): void {
		this.cutAt = Number.POSITIVE_INFINITY;
		if (this.stalledUntil <= this.connection.world.time.now) return;
		this.stalledUntil = 0;
		this.connection.world.time.after(0, () => this.arrive());
	}

	private await(): void {
		if (this.isAwaited || this.pieces.length === 0) return;
		this.isAwaited = true;
		const { now } = this.connection.world.time;
		const due = Math.max(this.pieces[0].due, this.stalledUntil);
		this.connection.world.time.after(Math.max(0, due - now), () => this.arrive());
	}

	private arrive(): void {
		this.isAwaited = false;
		const { pieces, connection } = this;
		const { world, fate } = connection;
		const { now } = world.time;
		if (now < this.stalledUntil) {
			this.await();
			return;
		}
		let count = 0;
		while (count < pieces.length && pieces[count].due <= now) count++;
		if (count === 0) {
			this.await();
			return;
		}
		let bytes = pieces[0].bytes;
		if (count > 1) {
			world.faults.joined++;
			bytes = Buffer.concat(pieces.slice(0, count).map((piece) => piece.bytes));
		}
		pieces.splice(0, count);
		let most = fate.segment;
		if (bytes.length > 1 && world.strikes(fate.splits)) most = Math.min(most, 1 + world.random.below(bytes.length - 1));
		if (bytes.length > most) {
			world.faults.split++;
			pieces.unshift({ bytes: bytes.subarray(most), due: now + 1 + world.about(fate.latency / 4) });
			this.last = Math.max(this.last, pieces[0].due);
			bytes = bytes.subarray(0, most);
		}
		const isCut = this.arrived + bytes.length >= this.cutAt;
		if (isCut) bytes = bytes.subarray(0, this.cutAt - this.arrived);
		this.arrived += bytes.length;
		this.await();
		if (bytes.length > 0) connection.arrived(this, bytes);
		if (isCut) connection.break(this.cause);
		if (this.pieces.length === 0 && this.finishing && !this.isDead) {
			const done = this.finishing;
			this.finishing = undefined;
			done();
		}
	}
}

export class Connection {
	readonly up: Pipe;
	readonly down: Pipe;
	client: End | undefined;
	server: End | undefined;
	/** When bytes began to vanish on the way down; Infinity if they do not. */
	deafSince = Number.POSITIVE_INFINITY;
	private isBroken = false;

	constructor(
		readonly world: World,
		readonly fate: Fate,
		readonly name: string,
	) {
		this.up = new Pipe(this, "cut on the way up");
		this.down = new Pipe(this, "cut on the way down");
		this.up.cutAt = fate.cutUp;
		this.down.cutAt = fate.cutDown;
		if (fate.halfOpenAfter < Number.POSITIVE_INFINITY) world.time.after(fate.halfOpenAfter, () => this.halfOpen());
		if (fate.stallAfter < Number.POSITIVE_INFINITY) world.time.after(fate.stallAfter, () => this.stall());
	}

	arrived(pipe: Pipe, bytes: Uint8Array): void {
		const { world } = this;
		if (pipe === this.up) {
			this.server?.received(bytes);
			this.client?.drained?.(bytes.length);
		} else {
			if (world.isTold && this.client) world.trace(this.name, `  ${bytes.length} bytes arrive`);
			this.client?.received(bytes);
		}
	}

	/** The client sends. */
	send(bytes: Uint8Array): void {
		const { world } = this;
		if (!this.up.isDead) this.up.push(bytes);
		else if (!this.fate.fillsUp) world.time.after(this.fate.latency, () => this.client?.drained?.(bytes.length));
	}

	/** The broker sends. */
	answer(bytes: Uint8Array): void {
		this.down.push(bytes);
	}

	/** It does not open. */
	refuse(): void {
		this.end("client", 0);
	}

	/** The client closes, after what it has sent. */
	leave(): void {
		this.client = undefined;
		this.down.kill();
		this.up.finish(() => this.end("server", 0));
	}

	/** The broker closes, after what it has sent. */
	dismiss(): void {
		this.server = undefined;
		this.down.finish(() => this.end("client", 0));
	}

	/** Both ends lose the connection, each in its time. */
	break(cause?: Fault): void {
		if (this.isBroken) return;
		this.isBroken = true;
		const { world } = this;
		const lost = [this.up.kill(), this.down.kill()];
		if (cause) world.fault(cause, this.name, `${lost[0]} bytes lost up, ${lost[1]} down`);
		this.end("client", world.random.chance(0.5) ? 0 : world.about(world.isFaulty ? 300 : 30));
		this.end("server", world.random.chance(0.5) ? 0 : world.about(world.isFaulty ? 5_000 : 100));
	}

	/** Bytes vanish from now on, and nobody is told. */
	halfOpen(): void {
		const { world, fate } = this;
		if (!world.isFaulty || this.client === undefined || this.isBroken) return;
		world.fault("half open", this.name, fate.halves);
		if (fate.halves !== "down") {
			this.up.kill();
			if (fate.fillsUp) this.client.filled?.();
		}
		if (fate.halves !== "up") {
			this.down.kill();
			this.deafSince = world.time.now;
		}
	}

	stall(): void {
		const { world, fate } = this;
		if (!world.isFaulty || this.client === undefined) return;
		world.fault("stalled", this.name, `for ${(fate.stallFor / 1000).toFixed(1)} s`);
		this.up.stalledUntil = this.down.stalledUntil = world.time.now + fate.stallFor;
	}

	/** Faults have stopped: no more come. What is half open stays so. */
	heal(): void {
		this.up.heal();
		this.down.heal();
		this.fate.heal();
	}

	get isHalfOpen(): boolean {
		return !this.isBroken && (this.up.isDead || this.down.isDead);
	}

	private end(which: "client" | "server", delay: number): void {
		this.world.time.after(delay, () => {
			const end = this[which];
			this[which] = undefined;
			end?.closed();
		});
	}

	/** What the broker says, in words. */
	tell(who: string, bytes: Uint8Array): void {
		if (this.world.isTold) this.world.trace(who, words(bytes));
	}
}
