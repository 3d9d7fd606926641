/** Level 3 says DUP on a PUBREL, SUBSCRIBE or UNSUBSCRIBE that is sent again, as long as the broker bears it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ExactlyOnce } from "../../src/client.js";
import { connected, reconnect } from "../support/client.js";
import { utf8 } from "../support/hex.js";
import { pubcomp, pubrec, suback } from "../support/packets.js";

/** The first byte of what the client sends first on each of so many connections, as hex. */
function firstBytes(made: ReturnType<typeof connected>, connections: number): string[] {
	return Array.from({ length: connections }, () => {
		reconnect(made);
		return made.network.taken()[0].toString(16);
	});
}

test("five lost links without an answer to SUBSCRIBE, and DUP is left out from then on", () => {
	const made = connected({ level: 3, cleanSession: false });
	made.client.subscribe("a", 1, () => {});
	assert.deepEqual(firstBytes(made, 8), ["8a", "8a", "8a", "8a", "8a", "82", "82", "82"]);
});

test("an answer in between shows that the broker bears DUP", () => {
	const made = connected({ level: 3, cleanSession: false });
	made.client.subscribe("a", 1, () => {});
	assert.deepEqual(firstBytes(made, 4), ["8a", "8a", "8a", "8a"]);
	made.network.receive(suback(1, 1));
	made.client.subscribe("b", 1, () => {});
	made.network.taken();
	for (let round = 0; round < 5; round++) {
		reconnect(made);
		// The first filter goes out anew at level 3, the second one again.
		assert.equal(made.network.taken()[8], 0x8a);
	}
});

test("the same for PUBREL", () => {
	const made = connected({ level: 3, cleanSession: false, exactlyOnce: new ExactlyOnce() });
	made.client.topic("a", { qos: 2 }).publish(utf8("1"));
	made.network.receive(pubrec(1));
	assert.deepEqual(firstBytes(made, 7), ["6a", "6a", "6a", "6a", "6a", "62", "62"]);
	made.network.receive(pubcomp(1));
	assert.equal(made.client.status.delivered, 1);
});

test("level 4 never says DUP there", () => {
	const made = connected({ cleanSession: false, exactlyOnce: new ExactlyOnce() });
	made.client.topic("a", { qos: 2 }).publish(utf8("1"));
	made.network.receive(pubrec(1));
	for (let round = 0; round < 3; round++) {
		reconnect(made, true);
		assert.equal(made.network.taken()[0], 0x62);
	}
});
