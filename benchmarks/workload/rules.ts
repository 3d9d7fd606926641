/** The same workload for a client without a link: its outbox is full, and what is published takes the place of something else. */
import { Client } from "../../src/client.js";
import { link } from "./link.js";
import { payload, TOPIC } from "./packets.js";

/** By the clock, in milliseconds. */
let now = 0;
link.clock.time = () => now;

export const client = new Client({ link, clientId: "bench" });
const newest = client.topic(TOPIC, { qos: 1, whenFull: "latest" });
const expiring = client.topic(TOPIC, { qos: 1, expiry: 1 });
const plain = client.topic(TOPIC, { qos: 1 });

newest.publish(payload, 32);
expiring.publish(payload, 32);
while (plain.publish(payload, 32));

let published = 0;

export function latest(n: number): void {
	published += n;
	for (let i = 0; i < n; i++) newest.publish(payload, 32);
}

export function expiry(n: number): void {
	published += n;
	for (let i = 0; i < n; i++) {
		now = (now + 1000) >>> 0;
		expiring.publish(payload, 32);
	}
}

/** For a test: true if all that was asked for was done. */
export function check(): boolean {
	const { replaced, expired, rejected, outbox } = client.status;
	return replaced + expired === published && rejected === 1 && outbox.used > outbox.size - 38;
}
