/** The same workload for a client with 32 filters, of which the last one matches what comes in. */
import { Client } from "../../src/client.js";
import { feed, link, open } from "./link.js";
import { CONNACK, publish, TOPIC } from "./packets.js";

const FILTERS = 32;

export const client = new Client({ link, clientId: "bench" });
let handled = 0;

// Half of those that do not match are as long as the topic, a quarter has a +, a quarter a #.
for (let i = 1; i < FILTERS; i++) {
	const filter = i % 2 ? `sensors/kitchen/temperat_${i + 10}` : i % 4 ? `sensors/+/humidity${i}` : `rooms/${i}/#`;
	client.subscribe(filter, 0, () => {
		throw new Error("this filter does not match");
	});
}
client.subscribe(TOPIC, 0, () => {
	handled++;
});

client.start();
open();
CONNACK[2] = 0; // no session present
feed(CONNACK, 4);

const PUBLISH = publish(0x30);

export function dispatch(n: number): void {
	for (let i = 0; i < n; i++) feed(PUBLISH, PUBLISH.length);
}

/** For a test: true if all that was asked for was done. */
export function check(): boolean {
	return handled > 0 && client.status.received === handled && client.status.failures === 0;
}
