/** The same workload with a journal, over 16 kB of RAM in pages of 4 kB. */
import { Client, ExactlyOnce, Journal, type Store } from "../../src/client.js";
import { feed, feedIdentifier, link, open } from "./link.js";
import { CONNACK, payload, TOPIC } from "./packets.js";

const PAGE = 4096;
const bytes = new Uint8Array(4 * PAGE).fill(255);
let erases = 0;

const store: Store = {
	pageSize: PAGE,
	pages: 4,
	read(at, into, start, length) {
		for (let i = 0; i < length; i++) into[start + i] = bytes[at + i];
	},
	write(at, from, start, length) {
		for (let i = 0; i < length; i++) bytes[at + i] = from[start + i];
	},
	erase(page) {
		erases++;
		bytes.fill(255, page * PAGE, (page + 1) * PAGE);
	},
};

const journal = new Journal(store);
export const client = new Client({
	link,
	clientId: "bench",
	cleanSession: false,
	exactlyOnce: new ExactlyOnce(),
	journal,
});
const atLeastOnce = client.topic(TOPIC, { qos: 1 });
const exactlyOnce = client.topic(TOPIC, { qos: 2 });

client.start();
open();
feed(CONNACK, 4);
/** The identifier that the client uses next: with a journal, each life goes 64 further. */
let identifier = 65;

const PUBACK = new Uint8Array([0x40, 2, 0, 0]);
const PUBREC = new Uint8Array([0x50, 2, 0, 0]);
const PUBCOMP = new Uint8Array([0x70, 2, 0, 0]);

function answer(packet: Uint8Array): void {
	packet[2] = identifier >> 8;
	packet[3] = identifier;
	feed(packet, 4);
}

function next(): void {
	identifier = identifier === 65_535 ? 1 : identifier + 1;
}

export function journalQos1(n: number): void {
	feed(PUBACK, 4);
	for (let i = 0; i < n; i++) {
		atLeastOnce.publish(payload, 32);
		feedIdentifier(PUBACK, identifier);
		next();
	}
}

export function journalQos2(n: number): void {
	for (let i = 0; i < n; i++) {
		exactlyOnce.publish(payload, 32);
		answer(PUBREC);
		answer(PUBCOMP);
		next();
	}
}

/** For a test: true if all that was asked for was done. */
export function check(): boolean {
	const { status } = client;
	return (
		erases > 10 &&
		journal.failures + status.rejected === 0 &&
		status.stray < 1_000 &&
		status.accepted === status.delivered
	);
}
