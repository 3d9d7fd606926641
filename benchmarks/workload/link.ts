/** A link that only counts: what is fed is put where the client reads, what is sent goes nowhere. */
import type { Alarm, Clock, Link, LinkOwner } from "../../src/host.js";

let owner: LinkOwner;
let callback: () => void;
let inbox = 0;

const alarm: Alarm = { set() {} };

const clock: Clock = {
	random: () => 0.5,
	time: () => 0,
	alarm(fires) {
		callback = fires;
		return alarm;
	},
};

class CountingLink implements Link {
	readonly clock = clock;
	room = 0;
	outgoing!: Uint8Array;
	incoming!: Uint8Array;
	sent = 0;

	attach(to: LinkOwner, outbox: number, output: number, behind: number): void {
		owner = to;
		inbox = behind;
		this.outgoing = new Uint8Array(outbox + output);
		this.incoming = new Uint8Array(behind + 256);
	}
	open(): void {}
	send(length: number): void {
		this.sent += length;
	}
	close(): void {
		this.room = 0;
	}
	encode(text: string): Uint8Array {
		const bytes = new Uint8Array(text.length);
		for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
		return bytes;
	}
}

export const link = new CountingLink();
let fed: Uint8Array | undefined;

export function open(): void {
	link.room = 1536;
	owner.onWritable();
}

/** Bytes come in; those of the packet that came last are still there, so they are only put once. */
export function feed(bytes: Uint8Array, length: number): void {
	if (bytes !== fed) {
		fed = bytes;
		link.incoming.set(bytes, inbox);
	}
	owner.onReceived(length);
}

/** The same after a change to an identifier, in the third and fourth byte. */
export function feedIdentifier(bytes: Uint8Array, identifier: number): void {
	link.incoming[inbox + 2] = identifier >> 8;
	link.incoming[inbox + 3] = identifier;
	feed(bytes, 4);
}

export function fire(): void {
	callback();
}

export function lose(): void {
	owner.onClosed();
}
