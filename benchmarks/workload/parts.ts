/**
 * The same workload for what a firmware may do without: QoS 2, a stream, a held message. Its client is not the one of
 * workload.ts, whose figures they must not change.
 */
import { Client, Deferral, ExactlyOnce, Stream } from "../../src/client.js";
import { feed, link, open } from "./link.js";
import { CONNACK, payload, publish, SUBACK, TOPIC } from "./packets.js";

/** What the stream's payload has: several times the output. */
const STREAM_BYTES = 1000;

const deferral = new Deferral();
export const client = new Client({
	link,
	clientId: "bench",
	cleanSession: false,
	exactlyOnce: new ExactlyOnce(),
	deferral,
});
const exactlyOnce = client.topic(TOPIC, { qos: 2 });
const stream = new Stream(client, TOPIC);
let handled = 0;
let holding = false;
let ticket = 0;

client.subscribe(TOPIC, 2, (message) => {
	handled++;
	if (holding) ticket = deferral.hold(message);
});

client.start();
open();
feed(CONNACK, 4);
feed(SUBACK, 5);
/** The identifier that the client uses next; SUBSCRIBE had the first. */
let identifier = 2;

const PUBREC = new Uint8Array([0x50, 2, 0, 0]);
const PUBREL = new Uint8Array([0x62, 2, 0, 7]);
const PUBCOMP = new Uint8Array([0x70, 2, 0, 0]);
const PUBLISH1 = publish(0x32);
const PUBLISH2 = publish(0x34);

const source = {
	read(bytes: Uint8Array, at: number, offset: number, count: number): number {
		bytes.fill(offset, at, at + count);
		return count;
	},
};

function answer(packet: Uint8Array): void {
	packet[2] = identifier >> 8;
	packet[3] = identifier;
	feed(packet, 4);
}

export function publishQos2(n: number): void {
	for (let i = 0; i < n; i++) {
		exactlyOnce.publish(payload, 32);
		answer(PUBREC);
		answer(PUBCOMP);
		identifier = identifier === 65_535 ? 1 : identifier + 1;
	}
}

export function receiveQos2(n: number): void {
	for (let i = 0; i < n; i++) {
		feed(PUBLISH2, PUBLISH2.length);
		feed(PUBREL, 4);
	}
}

export function holdQos1(n: number): void {
	holding = true;
	for (let i = 0; i < n; i++) {
		feed(PUBLISH1, PUBLISH1.length);
		deferral.acknowledge(ticket);
	}
	holding = false;
}

export function streamQos0(n: number): void {
	for (let i = 0; i < n; i++) stream.publish(STREAM_BYTES, source);
}

/** For a test: true if all that was asked for was done. */
export function check(): boolean {
	const { status } = client;
	return handled > 0 && status.state === 4 && status.violations + status.stray + status.rejected === 0 && !stream.busy;
}
