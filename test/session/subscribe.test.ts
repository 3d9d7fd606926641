/** Subscriptions: asked for once per session, granted or refused (sections 3.8, 3.9). */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Reason } from "../../src/client.js";
import { accept, connected, reconnect, scene } from "../support/client.js";
import { show } from "../support/hex.js";
import { publish, suback } from "../support/packets.js";

const nothing = () => {};

for (const level of [3, 4] as const) {
	test(`level ${level}: a subscription made on a live connection goes out at once`, () => {
		const { client, network } = connected({ level });
		client.subscribe("a/+", 1, nothing);
		assert.equal(show(network.taken()), "82 08 00 01 00 03 61 2f 2b 01");
		client.subscribe("#", 0, nothing);
		assert.equal(show(network.taken()), "82 06 00 02 00 01 23 00");
	});
}

test("subscriptions made before start go out in order behind CONNACK, in front of messages", () => {
	const made = scene();
	made.client.topic("t", { qos: 1 }).publish(new Uint8Array(0));
	made.client.subscribe("a", 0, nothing);
	made.client.subscribe("b/#", 1, nothing);
	made.client.start();
	accept(made);
	assert.deepEqual(made.sent(), ["SUBSCRIBE id 1 a qos 0", "SUBSCRIBE id 2 b/# qos 1", "PUBLISH t '' qos 1 id 3"]);
});

for (const granted of [0, 1, 2, 0x80]) {
	test(`granted says ${granted} once SUBACK has said so, and -1 before`, () => {
		const { client, network } = connected();
		const subscription = client.subscribe("a", 1, nothing);
		const other = client.subscribe("b", 1, nothing);
		assert.equal(subscription.granted, -1);
		network.receive(suback(1, granted));
		assert.equal(subscription.granted, granted);
		assert.equal(other.granted, -1);
		network.receive(suback(2, 1));
		assert.equal(other.granted, 1);
		assert.equal(client.status.stray, 0);
	});
}

test("SUBACKs may come in another order than they were asked for", () => {
	const { client, network } = connected();
	const first = client.subscribe("a", 1, nothing);
	const second = client.subscribe("b", 1, nothing);
	network.receive(suback(2, 0));
	network.receive(suback(1, 1));
	assert.deepEqual([first.granted, second.granted], [1, 0]);
});

test("a SUBACK that comes twice is stray, and changes nothing", () => {
	const { client, network } = connected();
	const subscription = client.subscribe("a", 1, nothing);
	network.receive(suback(1, 1));
	network.receive(suback(1, 0x80));
	assert.equal(subscription.granted, 1);
	assert.equal(client.status.stray, 1);
});

test("a SUBACK with identifier 0 is no answer to anything", () => {
	const { client, network, reasons } = connected({ keepAlive: 0, timeout: 10 });
	const subscription = client.subscribe("a", 1, nothing);
	network.receive(suback(1, 1));
	network.receive(suback(0, 0x80));
	assert.equal(subscription.granted, 1);
	network.clock.advance(100_000);
	assert.equal(reasons.includes(Reason.SUBACK_TIMEOUT), false);
});

test("subscriptions go out again when the broker has no session of ours, and not when it has", () => {
	const made = connected({ cleanSession: false });
	made.client.subscribe("a", 1, nothing);
	made.client.subscribe("b", 0, nothing);
	assert.deepEqual(made.sent(), ["SUBSCRIBE id 1 a qos 1", "SUBSCRIBE id 2 b qos 0"]);
	made.network.receive(suback(1, 1));
	made.network.receive(suback(2, 0));
	reconnect(made, true);
	assert.deepEqual(made.sent(), []);
	reconnect(made, false);
	assert.deepEqual(made.sent(), ["SUBSCRIBE id 3 a qos 1", "SUBSCRIBE id 4 b qos 0"]);
});

test("with clean session 1 subscriptions go out on every connection", () => {
	const made = connected({ cleanSession: true });
	made.client.subscribe("a", 1, nothing);
	made.network.receive(suback(1, 1));
	made.network.taken();
	reconnect(made);
	assert.deepEqual(made.sent(), ["SUBSCRIBE id 2 a qos 1"]);
});

test("a subscription without an answer goes out again under its identifier if the broker kept the session ([MQTT-2.3.1-3])", () => {
	const made = connected({ cleanSession: false });
	made.client.subscribe("a", 1, nothing);
	const subscription = made.client.subscribe("b", 1, nothing);
	made.network.receive(suback(1, 1));
	made.network.taken();
	reconnect(made, true);
	assert.equal(show(made.network.taken()), "82 06 00 02 00 01 62 01", "as before, without DUP");
	made.network.receive(suback(2, 1));
	assert.equal(subscription.granted, 1);
	assert.equal(made.client.status.stray, 0);
	reconnect(made, true);
	assert.deepEqual(made.sent(), []);
});

test("a subscription without an answer is asked anew if the broker has no session of ours", () => {
	const made = connected({ cleanSession: false });
	made.client.subscribe("a", 1, nothing);
	made.network.taken();
	reconnect(made, false);
	assert.deepEqual(made.sent(), ["SUBSCRIBE id 2 a qos 1"]);
	made.network.receive(suback(1, 1));
	assert.equal(made.client.status.stray, 1);
});

test("level 3: a subscription without an answer goes out again with DUP and its identifier, others anew without", () => {
	const made = connected({ level: 3, cleanSession: false });
	const answered = made.client.subscribe("a", 1, nothing);
	made.client.subscribe("b", 1, nothing);
	made.network.receive(suback(1, 1));
	made.network.taken();
	reconnect(made);
	assert.equal(answered.granted, -1);
	assert.deepEqual(made.sent(), ["SUBSCRIBE id 3 a qos 1", "SUBSCRIBE id 2 b qos 1 dup"]);
	made.network.receive(suback(2, 1));
	made.network.receive(suback(3, 0));
	assert.equal(answered.granted, 0);
	assert.equal(made.client.status.stray, 0);
});

test("level 3, clean session 1: every subscription is asked anew, without DUP", () => {
	const made = connected({ level: 3 });
	made.client.subscribe("a", 1, nothing);
	made.network.taken();
	reconnect(made);
	assert.deepEqual(made.sent(), ["SUBSCRIBE id 2 a qos 1"]);
});

test("an answer of a session that was lost does not count for the next session", () => {
	const made = connected({ cleanSession: false });
	const subscription = made.client.subscribe("a", 1, nothing);
	made.network.receive(suback(1, 1));
	made.network.taken();
	reconnect(made, false); // the broker has forgotten us: SUBSCRIBE goes out, and is lost with the link
	assert.deepEqual(made.sent(), ["SUBSCRIBE id 2 a qos 1"]);
	reconnect(made, true); // the session that the last connection began, without the subscription
	assert.deepEqual(made.sent(), ["SUBSCRIBE id 2 a qos 1"]);
	assert.equal(subscription.granted, -1);
	made.network.receive(suback(2, 1));
	assert.equal(subscription.granted, 1);
});

test("a subscription made between connections goes out on the next one", () => {
	const made = connected({ cleanSession: false });
	made.network.break();
	made.client.subscribe("a", 1, nothing);
	reconnect(made, true);
	assert.deepEqual(made.sent(), ["SUBSCRIBE id 1 a qos 1"]);
});

test("the filter of a subscription may be larger than the output", () => {
	const made = connected({ output: 32 });
	const filter = "x".repeat(1_000);
	made.client.subscribe(filter, 1, nothing);
	made.network.receive(publish("a", "1", { qos: 1, id: 7 }));
	assert.deepEqual(made.sent(), [`SUBSCRIBE id 1 ${filter} qos 1`, "PUBACK id 7"]);
});
