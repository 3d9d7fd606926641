/** Packet identifiers: never 0, never one in use (section 2.3.1). */
import assert from "node:assert/strict";
import { test } from "node:test";
import { connected } from "../support/client.js";
import { puback, suback } from "../support/packets.js";

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
