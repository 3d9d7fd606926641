/** Packet identifiers: never 0, never one in use (section 2.3.1). */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type ClientOptions, ExactlyOnce, Stream } from "../../src/client.js";
import { connected, reconnect, type Scene } from "../support/client.js";
import { puback, pubcomp, pubrec, suback, unsuback } from "../support/packets.js";

/** The identifier of a PUBLISH of topic "t" that stands alone. */
function identifierOf(bytes: Uint8Array): number {
	return (bytes[5] << 8) | bytes[6];
}

test("identifiers go from 1 to 65,535, begin anew at 1, and pass over those in use", () => {
	const { client, network } = connected();
	const topic = client.topic("t", { qos: 1 });
	const payload = new Uint8Array(0);
	const next = () => {
		assert.equal(topic.publish(payload), true);
		return identifierOf(network.taken());
	};
	assert.equal(next(), 1);
	assert.equal(next(), 2);
	client.subscribe("a", 1, () => {});
	assert.equal(identifierOf(network.taken().subarray(-7)) > 0, true);
	assert.equal(next(), 4);
	network.receive(puback(2));
	for (let id = 5; id <= 65_535; id++) {
		assert.equal(next(), id);
		network.receive(puback(id));
	}
	// 1 and 4 are published, 3 is asked for; 2 is free.
	assert.equal(next(), 2);
	assert.equal(next(), 5);
	network.receive(suback(3, 1));
	network.receive(puback(1));
	network.receive(puback(4));
	for (let id = 6; id <= 65_535; id++) {
		assert.equal(next(), id);
		network.receive(puback(id));
	}
	assert.deepEqual([next(), next(), next()], [1, 3, 4]);
	assert.equal(client.status.stray, 0);
});

test("publishing and subscribing share their identifiers", () => {
	const { client, sent } = connected();
	const topic = client.topic("t", { qos: 1 });
	topic.publish(new Uint8Array(0));
	client.subscribe("a", 0, () => {});
	topic.publish(new Uint8Array(0));
	client.topic("u").publish(new Uint8Array(0));
	client.subscribe("b", 0, () => {});
	assert.deepEqual(sent(), [
		"PUBLISH t '' qos 1 id 1",
		"SUBSCRIBE id 2 a qos 0",
		"PUBLISH t '' qos 1 id 3",
		"PUBLISH u ''",
		"SUBSCRIBE id 4 b qos 0",
	]);
});

/**
 * A client with something of each kind that is not finished: 1 at QoS 1, 2 at QoS 2, 3 with PUBREC, 4 SUBSCRIBE,
 * 6 UNSUBSCRIBE, 7 a stream at QoS 1, 8 one at QoS 2 with PUBREC. 5 is free, and so is what comes behind.
 */
function unfinished(
	options: Partial<ClientOptions> = {},
): Scene & { next: () => number; useUp: (from: number) => void } {
	const made = connected({ cleanSession: false, exactlyOnce: new ExactlyOnce(), ...options });
	const { client, network } = made;
	const one = client.topic("t", { qos: 1 });
	const two = client.topic("t", { qos: 2 });
	const nothing = new Uint8Array(0);
	const source = { read: () => 0 };
	one.publish(nothing);
	two.publish(nothing);
	two.publish(nothing);
	client.subscribe("a", 1, () => {});
	const ended = client.subscribe("b", 1, () => {});
	network.receive(suback(5, 1));
	client.unsubscribe(ended);
	new Stream(client, "t", { qos: 1 }).publish(0, source);
	new Stream(client, "t", { qos: 2 }).publish(0, source);
	for (const id of [3, 8]) network.receive(pubrec(id));
	const ids = made.sent().map((line) => Number(/id (\d+)/.exec(line)?.[1]));
	assert.deepEqual(ids, [1, 2, 3, 4, 5, 6, 7, 8, 3, 8]);
	const next = () => {
		network.room = 1_000;
		assert.equal(one.publish(nothing), true);
		return identifierOf(network.taken());
	};
	const useUp = (from: number) => {
		for (let id = from; id <= 65_535; id++) {
			assert.equal(next(), id);
			network.receive(puback(id));
		}
	};
	return { ...made, next, useUp };
}

/** The broker finishes all that `unfinished` has begun. */
function finish({ network }: Scene): void {
	for (const id of [1, 7]) network.receive(puback(id));
	network.receive(pubrec(2));
	for (const id of [2, 3, 8]) network.receive(pubcomp(id));
	network.receive(suback(4, 1));
	network.receive(unsuback(6));
	network.taken();
}

test("identifiers in use by QoS 1, by QoS 2 until PUBCOMP, by SUBSCRIBE, UNSUBSCRIBE and streams are passed over", () => {
	const made = unfinished();
	made.useUp(9);
	assert.deepEqual([made.next(), made.next(), made.next()], [5, 9, 10]);
	for (const id of [5, 9, 10]) made.network.receive(puback(id));
	made.useUp(11);
	assert.equal(made.next(), 5, "and passed over again");
	made.network.receive(puback(5));
	made.useUp(9);
	finish(made);
	assert.deepEqual([made.next(), made.next(), made.next(), made.next(), made.next(), made.next()], [1, 2, 3, 4, 5, 6]);
	assert.equal(made.client.status.stray, 0);
});

for (const level of [3, 4] as const) {
	test(`level ${level}: on a session that is kept they are passed over from the first packet of the next connection on`, () => {
		const made = unfinished({ level });
		const { client } = made;
		made.useUp(9);
		made.network.break();
		client.subscribe("new", 0, () => {});
		reconnect(made, level === 4);
		const lines = made.sent();
		const dup = level === 3 ? " dup" : "";
		assert.deepEqual(lines, [
			`SUBSCRIBE id 4 a qos 1${dup}`,
			`UNSUBSCRIBE id 6 b${dup}`,
			"SUBSCRIBE id 5 new qos 0",
			"PUBLISH t '' qos 1 id 1 dup",
			"PUBLISH t '' qos 2 id 2 dup",
			`PUBREL id 3${dup}`,
			"PUBLISH t '' qos 1 id 7 dup",
			`PUBREL id 8${dup}`,
		]);
		assert.equal(made.next(), 9);
		made.network.receive(puback(9));
		made.useUp(10);
		assert.equal(made.next(), 9);
		made.network.receive(suback(5, 0));
		finish(made);
		assert.equal(client.status.stray, 0);
		assert.equal(client.status.outbox.used, 6, "the last one");
	});
}

test("on a session that is lost, messages keep their identifiers and subscriptions get new ones beside them", () => {
	const made = unfinished();
	made.useUp(9);
	reconnect(made, false);
	assert.deepEqual(made.sent(), [
		"SUBSCRIBE id 4 a qos 1",
		"PUBLISH t '' qos 1 id 1 dup",
		"PUBLISH t '' qos 2 id 2 dup",
		"PUBLISH t '' qos 2 id 3 dup",
		"PUBLISH t '' qos 1 id 7 dup",
		"PUBLISH t '' qos 2 id 8 dup",
	]);
	assert.deepEqual([made.next(), made.next(), made.next()], [5, 6, 9]);
});

test("a SUBSCRIBE that is going out in pieces holds its identifier", () => {
	const made = connected({ output: 32, outbox: 64 });
	const { client, network } = made;
	const topic = client.topic("t", { qos: 1 });
	const next = () => {
		assert.equal(topic.publish(new Uint8Array(0)), true);
		return identifierOf(network.taken());
	};
	for (let id = 1; id <= 65_535; id++) {
		assert.equal(next(), id);
		network.receive(puback(id));
	}
	network.room = 5;
	client.subscribe("x".repeat(100), 0, () => {});
	topic.publish(new Uint8Array(0));
	network.writable(1_000);
	const lines = made.sent();
	assert.deepEqual(lines, [`SUBSCRIBE id 1 ${"x".repeat(100)} qos 0`, "PUBLISH t '' qos 1 id 2"]);
});
