/** What the broker must not say: it closes the link, with a reason and a counter, and the client connects again. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { describe, ExactlyOnce, Reason, State } from "../../src/client.js";
import { connected, reconnect } from "../support/client.js";
import { hex } from "../support/hex.js";
import { puback, pubcomp, pubrec, pubrel, suback, unsuback } from "../support/packets.js";

const MALFORMED: [string, string, Reason, RegExp][] = [
	["packet type 0", "00 00", Reason.MALFORMED_TYPE, /type/],
	["packet type 15", "f0 00", Reason.MALFORMED_TYPE, /type/],
	["a CONNECT", "10 0c 00 04 4d 51 54 54 04 02 00 00 00 00", Reason.MALFORMED_TYPE, /type/],
	["a SUBSCRIBE", "82 06 00 01 00 01 61 00", Reason.MALFORMED_TYPE, /type/],
	["an UNSUBSCRIBE", "a2 05 00 01 00 01 61", Reason.MALFORMED_TYPE, /type/],
	["a PINGREQ", "c0 00", Reason.MALFORMED_TYPE, /type/],
	["a DISCONNECT", "e0 00", Reason.MALFORMED_TYPE, /type/],
	["a remaining length of five bytes", "30 80 80 80 80 01", Reason.MALFORMED_LENGTH, /length/],
	["a PUBLISH at QoS 3", "36 05 00 01 61 00 01", Reason.MALFORMED_QOS, /QoS/],
	["a PUBLISH with DUP at QoS 0", "38 03 00 01 61", Reason.MALFORMED_QOS, /DUP/],
	["a PUBLISH with identifier 0", "32 05 00 01 61 00 00", Reason.MALFORMED_IDENTIFIER, /identifier/],
	["a PUBLISH at QoS 2 with identifier 0", "34 05 00 01 61 00 00", Reason.MALFORMED_IDENTIFIER, /identifier/],
	["a PUBLISH without a topic length", "30 01 00", Reason.MALFORMED_LENGTH, /length/],
	["a PUBLISH whose topic is longer than the packet", "30 03 00 02 61", Reason.MALFORMED_LENGTH, /length/],
	["a PUBLISH without its identifier", "32 04 00 01 61 00", Reason.MALFORMED_LENGTH, /length/],
	["an empty topic name", "30 02 00 00", Reason.MALFORMED_TOPIC, /topic/],
	["a topic name with +", "30 05 00 03 61 2f 2b", Reason.MALFORMED_TOPIC, /topic/],
	["a topic name with #", "30 03 00 01 23", Reason.MALFORMED_TOPIC, /topic/],
	["a topic name with U+0000", "30 04 00 02 61 00", Reason.MALFORMED_TOPIC, /topic/],
	["a topic name with a surrogate", "30 05 00 03 ed a0 80", Reason.MALFORMED_TOPIC, /topic/],
	["a topic name cut off within a character", "30 03 00 01 c2", Reason.MALFORMED_TOPIC, /topic/],
	["a PUBACK with a flag", "41 02 00 01", Reason.MALFORMED_FLAGS, /flags/],
	["a PUBACK of one byte", "40 01 00", Reason.MALFORMED_LENGTH, /length/],
	["a PUBACK of three bytes", "40 03 00 01 00", Reason.MALFORMED_LENGTH, /length/],
	["a PUBREL with flags 0", "60 02 00 01", Reason.MALFORMED_FLAGS, /flags/],
	["a PUBREC with a flag", "52 02 00 01", Reason.MALFORMED_FLAGS, /flags/],
	["a SUBACK without a code", "90 02 00 01", Reason.MALFORMED_LENGTH, /length/],
	["an UNSUBACK of three bytes", "b0 03 00 01 00", Reason.MALFORMED_LENGTH, /length/],
	["a PINGRESP with a body", "d0 01 00", Reason.MALFORMED_LENGTH, /length/],
	["a CONNACK of three bytes", "20 03 00 00 00", Reason.MALFORMED_LENGTH, /length/],
];

for (const [what, bytes, reason, words] of MALFORMED) {
	test(`${what} closes the link as malformed, and the client connects again`, () => {
		const made = connected({ exactlyOnce: new ExactlyOnce() });
		made.client.topic("t");
		made.network.receive(hex(bytes));
		assert.deepEqual(made.reasons, [reason]);
		assert.match(describe(reason), /^malformed packet: /);
		assert.match(describe(reason), words);
		assert.equal(made.client.status.endings[reason], 1);
		assert.equal(
			made.client.status.endings.reduce((sum, count) => sum + count, 0),
			1,
			"it counts for one reason only",
		);
		assert.equal(made.client.status.violations, 1);
		assert.equal(made.network.isOpen, false);
		assert.deepEqual(made.sent(), [], "nothing is sent any more");
		reconnect(made);
		assert.equal(made.client.status.connections, 2);
		assert.equal(made.client.status.violations, 1);
	});
}

for (const filters of [["#"], ["a", "#"], ["a"], []]) {
	test(`an ill-formed topic name reaches no handler of ${JSON.stringify(filters)}`, () => {
		const { client, network, reasons } = connected();
		for (const [i, filter] of filters.entries()) {
			client.subscribe(filter, 0, () => assert.fail("a handler was called"));
			network.receive(suback(i + 1, 0));
		}
		network.receive(hex("30 04 00 02 61 00"));
		assert.deepEqual(reasons, [Reason.MALFORMED_TOPIC]);
	});
}

test("what stands behind a malformed packet is void, and what stood in front of it counts", () => {
	const { client, network } = connected();
	const payloads: number[] = [];
	client.subscribe("a", 0, (message) => payloads.push(message.payload[0]));
	network.receive(suback(1, 0));
	network.receive(hex("30 04 00 01 61 01", "00 00", "30 04 00 01 61 02"));
	assert.deepEqual(payloads, [1]);
});

test("a malformed packet leaves nothing behind for the next connection", () => {
	const made = connected();
	made.network.receive(hex("30 7f 00 05 61 62")); // the beginning of a PUBLISH
	made.network.receive(new Uint8Array(0));
	reconnect(made);
	assert.deepEqual(made.reasons, [Reason.LINK_LOST]);
	made.network.receive(hex("30 80 80")); // the beginning of a remaining length
	reconnect(made);
	assert.equal(made.client.status.connections, 3);
	assert.equal(made.client.status.violations, 0);
});

test("without exactlyOnce a PUBLISH at QoS 2, which nobody asked for, closes the link", () => {
	const { client, network, reasons } = connected();
	client.subscribe("#", 1, () => assert.fail("a handler was called"));
	network.receive(hex("34 05 00 01 61 00 01"));
	assert.deepEqual(reasons, [Reason.UNEXPECTED_PACKET]);
	assert.equal(client.status.endings[Reason.UNEXPECTED_PACKET], 1);
	assert.equal(client.status.violations, 1);
});

test("acknowledgements for nothing in flight are counted and ignored", () => {
	const { client, network, reasons, sent } = connected();
	for (const bytes of [puback(9), pubrec(9), pubcomp(9), unsuback(9), suback(9, 0)]) network.receive(bytes);
	assert.deepEqual(reasons, []);
	assert.equal(client.status.stray, 5);
	assert.deepEqual(sent(), []);
	assert.equal(client.status.state, State.CONNECTED);
});

test("a PUBREL for nothing is counted and answered with PUBCOMP", () => {
	const { client, network, sent } = connected();
	network.receive(pubrel(0x1234));
	assert.deepEqual(sent(), ["PUBCOMP id 4660"]);
	assert.equal(client.status.stray, 1);
});

for (const code of [3, 4, 0x7f, 0x81, 0xff]) {
	test(`a SUBACK with code ${code} is malformed ([MQTT-3.9.3-2])`, () => {
		const { client, network, reasons } = connected();
		client.subscribe("a", 1, () => {});
		network.receive(suback(1, code));
		assert.deepEqual(reasons, [Reason.MALFORMED_CODE]);
	});
}

test("a SUBACK with more codes than filters were asked for is malformed", () => {
	const { client, network, reasons } = connected();
	client.subscribe("a", 1, () => {});
	network.receive(suback(1, 0, 0));
	assert.deepEqual(reasons, [Reason.MALFORMED_CODE]);
});

test("level 3: reserved flags of acknowledgements mean nothing", () => {
	const { client, network, reasons } = connected({ level: 3 });
	const subscription = client.subscribe("a", 1, () => {});
	client.topic("t", { qos: 1 }).publish(new Uint8Array(1));
	network.receive(hex("9f 03 00 01 01", "4f 02 00 02", "df 00"));
	assert.deepEqual(reasons, []);
	assert.equal(subscription.granted, 1);
	assert.equal(client.status.stray, 0);
	assert.equal(client.status.outbox.used, 0);
});
