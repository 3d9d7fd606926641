/**
 * The budget workload as a module for an engine: a 32-byte payload to sensors/kitchen/temperature, over a
 * link that only counts. Each exported function runs its operation `n` times; `npm run bench` and
 * test/engines measure them. What the link is comes from the bundle's "link" module, so that the same
 * workload also runs through a host.
 */
import { Client } from "../../src/client.js";
import { feed, feedIdentifier, fire, link, lose, open } from "./link.js";
import { CONNACK, payload, publish, SUBACK, TOPIC } from "./packets.js";

export const client = new Client({ link, clientId: "bench", keepAlive: 60, cleanSession: false });
const atMostOnce = client.topic(TOPIC);
const atLeastOnce = client.topic(TOPIC, { qos: 1 });
let handled = 0;
client.subscribe(TOPIC, 1, (message) => {
	handled += message.payloadEnd - message.payloadStart;
});

const PUBACK = new Uint8Array([0x40, 2, 0, 0]);
const PINGRESP = new Uint8Array([0xd0, 0]);
const PUBLISH0 = publish(0x30);
const PUBLISH1 = publish(0x32);

client.start();
open();
feed(CONNACK, 4);
feed(SUBACK, 5);
/** The identifier that the client uses next; SUBSCRIBE had the first. */
let identifier = 2;

export function publishQos0(n: number): void {
	for (let i = 0; i < n; i++) atMostOnce.publish(payload, 32);
}

export function publishQos1(n: number): void {
	feed(PUBACK, 4);
	for (let i = 0; i < n; i++) {
		atLeastOnce.publish(payload, 32);
		feedIdentifier(PUBACK, identifier);
		identifier = identifier === 65_535 ? 1 : identifier + 1;
	}
}

export function publishNumber(n: number): void {
	for (let i = 0; i < n; i++) atMostOnce.publishNumber(21.57, 2);
}

export function receiveQos0(n: number): void {
	for (let i = 0; i < n; i++) feed(PUBLISH0, PUBLISH0.length);
}

export function receiveQos1(n: number): void {
	for (let i = 0; i < n; i++) feed(PUBLISH1, PUBLISH1.length);
}

export function ping(n: number): void {
	for (let i = 0; i < n; i++) {
		fire();
		feed(PINGRESP, 2);
	}
}

export function reconnect(n: number): void {
	for (let i = 0; i < n; i++) {
		lose();
		fire();
		open();
		feed(CONNACK, 4);
	}
}

/** For a test: true if all that was asked for was done. */
export function check(): boolean {
	const { status } = client;
	return handled % 32 === 0 && status.state === 4 && status.violations === 0 && status.rejected === 0;
}
