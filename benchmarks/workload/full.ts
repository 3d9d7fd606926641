/** The same workload for a client without a link, whose outbox is full of one topic's messages: each one drops the oldest. */
import { Client } from "../../src/client.js";
import { link } from "./link.js";
import { payload, TOPIC } from "./packets.js";

export const client = new Client({ link, clientId: "bench" });
const topic = client.topic(TOPIC, { qos: 1, whenFull: "drop-oldest" });

while (client.status.dropped === 0) topic.publish(payload, 32);

let published = 1;

export function dropOldest(n: number): void {
	published += n;
	for (let i = 0; i < n; i++) topic.publish(payload, 32);
}

/** For a test: true if all that was asked for was done. */
export function check(): boolean {
	const { dropped, rejected, outbox } = client.status;
	return dropped === published && rejected === 0 && outbox.used > outbox.size - 38;
}
