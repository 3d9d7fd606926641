/** The same workload for a client that loses its link again and again, with ten messages in its outbox that nobody acknowledges. */
import { Client } from "../../src/client.js";
import { feed, fire, link, lose, open } from "./link.js";
import { CONNACK, payload, TOPIC } from "./packets.js";

const MESSAGES = 10;

export const client = new Client({ link, clientId: "bench", cleanSession: false });
const topic = client.topic(TOPIC, { qos: 1 });

client.start();
open();
feed(CONNACK, 4);
for (let i = 0; i < MESSAGES; i++) topic.publish(payload, 32);

let rounds = 0;

export function reconnectTen(n: number): void {
	rounds += n;
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
	return status.state === 4 && status.resent === rounds * MESSAGES && status.outbox.used === MESSAGES * 38;
}
