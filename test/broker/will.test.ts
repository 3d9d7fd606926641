/** Wills and keep alive: what happens when a client does not say DISCONNECT (sections 3.1.2.5 and 3.1.2.10). */
import assert from "node:assert/strict";
import { test } from "node:test";
import { connect, Desk, DISCONNECT, LEVELS, type Peer, PINGREQ, publish, subscribe } from "./peer.js";

const will = { topic: "will", payload: Buffer.from("gone"), qos: 1 as const, retain: true };

const ENDS: [how: string, end: (peer: Peer, desk: Desk) => void][] = [
	["its link breaks", (peer) => peer.cut()],
	["it violates the protocol", (peer) => peer.send("f000")],
	["another client takes over", (_peer, desk) => desk.open().send(connect("a"))],
	["its keep alive runs out", (_peer, desk) => desk.pass(15_000)],
	["it says CONNECT twice", (peer) => peer.send(connect("a"))],
];

for (const level of LEVELS) {
	for (const [how, end] of ENDS) {
		test(`a will is published when ${how}, level ${level}`, () => {
			const desk = new Desk();
			const witness = desk.client("w").send(subscribe(1, ["will", 2]));
			const peer = desk.client("a", { level, keepAlive: 10, will });
			assert.deepEqual(witness.read(), ["suback 1"]);
			end(peer, desk);
			assert.deepEqual(witness.read(), ["publish 1 qos 1 will=gone"]);
			assert.deepEqual(
				desk
					.client("late")
					.send(subscribe(1, ["will", 0]))
					.read(),
				["suback 1", "publish qos 0 retain will=gone"],
			);
			peer.cut();
			desk.pass(60_000);
			assert.deepEqual(witness.read(), []);
			assert.deepEqual(
				desk.messages.map(({ clientId, topic }) => `${clientId} ${topic}`),
				["a will"],
			);
		});
	}

	test(`MQTT-3.14.4-3: DISCONNECT takes the will away, level ${level}`, () => {
		const desk = new Desk();
		desk.client("a", { level, will }).send(DISCONNECT).cut();
		assert.equal(desk.messages.length, 0);
	});

	test(`MQTT-3.1.2-24: a client is given 1.5 times its keep alive, from its last packet on, level ${level}`, () => {
		const desk = new Desk();
		const peer = desk.client("a", { level, keepAlive: 10 });
		for (const packet of [PINGREQ, publish("t", "x"), subscribe(1, ["a", 0])]) {
			desk.pass(14_999);
			peer.send(packet);
		}
		desk.pass(14_999);
		assert.equal(peer.closed, undefined);
		peer.send("c0"); // half a packet is none
		desk.pass(1);
		assert.match(peer.closed ?? "", /^MQTT-3\.1\.2-24: nothing came for 15 s/);
		assert.deepEqual(desk.statements, []);
	});

	test(`keep alive 0 is no limit, level ${level}`, () => {
		const desk = new Desk();
		const peer = desk.client("a", { level });
		assert.equal(desk.broker.nextDeadline, 10_000); // too early, but never too late
		desk.pass(1e9);
		assert.equal(peer.closed, undefined);
		assert.equal(desk.broker.nextDeadline, Number.POSITIVE_INFINITY);
	});
}

test("a will of a session that is kept reaches that session, too", () => {
	const desk = new Desk();
	desk
		.client("a", { clean: false, will })
		.send(subscribe(1, ["will", 1]))
		.cut();
	assert.deepEqual(desk.client("a", { clean: false }).read(), ["publish 1 qos 1 will=gone"]);
});

test("a message that takes longer than the keep alive is a sign of life while it comes", () => {
	const desk = new Desk();
	const peer = desk.client("a", { keepAlive: 10 });
	peer.send("30 84 01 0001 61");
	for (let count = 0; count < 129; count++) {
		desk.pass(14_000);
		peer.send("78");
	}
	assert.equal(desk.messages[0].payload.length, 129);
	desk.pass(15_000);
	assert.notEqual(peer.closed, undefined);
});

test("deadlines are told early enough whatever order clients come in", () => {
	const desk = new Desk();
	const slow = desk.client("slow", { keepAlive: 100 });
	const quick = desk.client("quick", { keepAlive: 1 });
	desk.pass(1_499);
	assert.equal(quick.closed, undefined);
	desk.pass(1);
	assert.notEqual(quick.closed, undefined);
	desk.pass(148_499);
	assert.equal(slow.closed, undefined);
	desk.pass(1);
	assert.notEqual(slow.closed, undefined);
});
