/** The same workload for a board that sleeps: messages that say how old they are, and wakes with one message each. */
import { Age, Client } from "../../src/client.js";
import { feed, feedIdentifier, link, open } from "./link.js";
import { CONNACK, payload, TOPIC } from "./packets.js";

export const client = new Client({ link, clientId: "bench", cleanSession: false });
const aged = client.topic(TOPIC, { qos: 1, age: new Age() });
const plain = client.topic(TOPIC, { qos: 1 });

const PUBACK = new Uint8Array([0x40, 2, 0, 0]);

client.start();
open();
feed(CONNACK, 4);
/** The identifier that the client uses next. */
let identifier = 1;
let wakes = 0;

function next(): void {
	identifier = identifier === 65_535 ? 1 : identifier + 1;
}

const done = (delivered: number, left: number): void => {
	if (delivered === 1 && left === 0) wakes++;
};

export function agedQos1(n: number): void {
	feed(PUBACK, 4);
	for (let i = 0; i < n; i++) {
		aged.publish(payload, 32);
		feedIdentifier(PUBACK, identifier);
		next();
	}
}

export function flush(n: number): void {
	client.stop();
	for (let i = 0; i < n; i++) {
		plain.publish(payload, 32);
		client.flush(30, done);
		open();
		feed(CONNACK, 4);
		PUBACK[2] = identifier >> 8;
		PUBACK[3] = identifier;
		feed(PUBACK, 4);
		next();
	}
}

/** For a test: true if all that was asked for was done. */
export function check(): boolean {
	const { status } = client;
	return wakes > 0 && status.state === 0 && status.accepted === status.delivered && status.violations === 0;
}
