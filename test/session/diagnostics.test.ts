/** Counters as a message: what stands in it is what `status` says. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Age, Diagnostics, ExactlyOnce, Reason } from "../../src/client.js";
import { connected, reconnect, scene } from "../support/client.js";
import { utf8 } from "../support/hex.js";
import { connack, puback, pubrec } from "../support/packets.js";

/** The JSON in the last of these lines. */
function read(lines: string[]): Record<string, unknown> {
	const text = /^PUBLISH \S+ '(.*)'/.exec(lines.at(-1) ?? "")?.[1];
	return JSON.parse(text ?? "");
}

test("diagnostics are a JSON text of the counters, and of the reasons that there were", () => {
	const made = connected({ exactlyOnce: new ExactlyOnce(), outbox: 512, cleanSession: false });
	const { client, network } = made;
	const diagnostics = new Diagnostics(client.topic("d"));
	const topic = client.topic("t", { qos: 1 });
	const exactly = client.topic("e", { qos: 2 });
	topic.publish(utf8("1"));
	topic.publish(utf8("2"));
	network.receive(puback(1));
	exactly.publish(utf8("3"));
	network.receive(pubrec(3));
	assert.equal(topic.publish(new Uint8Array(600)), false);
	assert.equal(topic.publish(new Uint8Array(500)), false);
	const expires = client.topic("x", { qos: 1, expiry: 1 });
	network.break();
	expires.publish(utf8("4"));
	const latest = client.topic("l", { whenFull: "latest" });
	latest.publish(utf8("5"));
	latest.publish(utf8("6"));
	network.clock.advance(1_000);
	client.retry();
	network.clock.toNext();
	network.open();
	network.receive(connack(3));
	for (let i = 0; i < 2; i++) reconnect(made, true);
	made.sent();
	const { status } = client;
	assert.equal(diagnostics.publish(), true);
	const said = read(made.sent());
	assert.deepEqual(Object.keys(said), [
		...["connections", "reason", "roundTrip", "accepted", "delivered", "mayRepeat", "rejected", "oversized"],
		...["expired", "dropped", "replaced", "used", "peak", "endings"],
	]);
	const expected = (name: string) => (name in status ? status[name as "expired"] : status.outbox[name as "peak"]);
	for (const [name, value] of Object.entries(said)) {
		// What `publish` itself has added is not in it.
		const own = name === "accepted" ? 1 : name === "used" || name === "peak" ? -1 : 0;
		if (name !== "endings" && own >= 0) assert.equal(value, expected(name) - own, name);
		if (!["endings", "dropped", "roundTrip"].includes(name)) assert.notEqual(value, 0, name);
	}
	assert.deepEqual(said.endings, { [Reason.SERVER_UNAVAILABLE]: 1, [Reason.LINK_LOST]: 2 });
});

test("before the first connection the round trip is -1, and there are no endings", () => {
	const made = scene();
	const diagnostics = new Diagnostics(made.client.topic("d", { retain: true }));
	assert.equal(diagnostics.publish(), true);
	made.client.start();
	made.network.open();
	made.network.receive(connack());
	const said = read(made.sent());
	assert.deepEqual([said.connections, said.roundTrip, said.reason, said.endings], [0, -1, 0, {}]);
});

test("the largest numbers that there can be have room", () => {
	const made = connected({ outbox: 2_048 });
	const { client } = made;
	const { status } = client;
	const counters = status as unknown as Record<string, number> & { words: Uint32Array };
	for (const name of ["connections", "roundTrip", "accepted", "delivered"])
		counters[name] = Number.MAX_SAFE_INTEGER - 1;
	// The others, and the reasons, stand in front of what is received.
	counters.words.fill(2 ** 32 - 1, 0, 13);
	status.endings.fill(2 ** 32 - 1);
	assert.equal(new Diagnostics(client.topic("d")).publish(), true);
	for (let i = 0; i < 20; i++) made.network.writable(1_000);
	const said = read(made.sent());
	assert.deepEqual([said.delivered, said.replaced], [Number.MAX_SAFE_INTEGER - 1, 2 ** 32 - 1]);
	assert.deepEqual(Object.keys(said.endings as object).length, 25);
	assert.ok(Object.values(said.endings as object).every((count) => count === 2 ** 32 - 1));
});

test("publish says false where the outbox has no room, and can be called again and again", () => {
	const made = scene({ outbox: 64 });
	const diagnostics = new Diagnostics(made.client.topic("d"));
	assert.equal(diagnostics.publish(), false);
	assert.equal(made.client.status.oversized, 1);
	const other = connected();
	const again = new Diagnostics(other.client.topic("d", { age: new Age("") }));
	for (let i = 0; i < 3; i++) {
		assert.equal(again.publish(), true);
		const line = other.sent()[0];
		assert.match(line, /^PUBLISH d '\{.*\}\}0'$/);
		assert.match(line, new RegExp(`"accepted":${i},`));
	}
});
