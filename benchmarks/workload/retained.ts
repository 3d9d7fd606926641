/**
 * What a connected client keeps in memory. `make` makes and connects one more, with a topic, and keeps it, so that two
 * readings can be subtracted; `link` makes a link alone, with the buffers of a client.
 */
import { Client } from "../../src/client.js";
import type { Alarm, Clock, Link, LinkOwner } from "../../src/host.js";
import { CONNACK, TOPIC } from "./packets.js";

const INBOX = 256;
const OUTBOX = 1024;
const OUTPUT = 256;

const alarm: Alarm = { set() {} };
const clock: Clock = { random: () => 0.5, time: () => 0, alarm: () => alarm };
export const kept: unknown[] = [];

class StubLink implements Link {
	readonly clock = clock;
	room = 0;
	outgoing!: Uint8Array;
	incoming!: Uint8Array;
	owner!: LinkOwner;
	inbox = 0;

	attach(owner: LinkOwner, outbox: number, output: number, inbox: number): void {
		this.owner = owner;
		this.inbox = inbox;
		this.outgoing = new Uint8Array(outbox + output);
		this.incoming = new Uint8Array(inbox + 256);
	}
	open(): void {}
	send(): void {}
	close(): void {}
	encode(text: string): Uint8Array {
		const bytes = new Uint8Array(text.length);
		for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
		return bytes;
	}
}

const nobody: LinkOwner = { onWritable() {}, onReceived() {}, onClosed() {} };

export function link(n: number): void {
	for (let i = 0; i < n; i++) {
		const one = new StubLink();
		one.attach(nobody, OUTBOX, OUTPUT, INBOX + 4);
		kept.push(one);
	}
}

export function make(n: number): void {
	for (let i = 0; i < n; i++) {
		const one = new StubLink();
		const client = new Client({
			link: one,
			clientId: "bench",
			cleanSession: false,
			outbox: OUTBOX,
			output: OUTPUT,
			inbox: INBOX,
		});
		const topic = client.topic(TOPIC, { qos: 1 });
		client.start();
		one.room = 1536;
		one.owner.onWritable();
		one.incoming.set(CONNACK, one.inbox);
		one.owner.onReceived(CONNACK.length);
		if (client.status.connections !== 1) throw new Error("it has not connected");
		kept.push(client, topic);
	}
}
