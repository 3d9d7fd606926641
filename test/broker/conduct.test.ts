/** What a client must not do, and a broker can go on after: it is told, by its statement, and the connection stays. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ack, connect, Desk, LEVELS, type Level, type Peer, publish, subscribe, unsubscribe } from "./peer.js";

const DUP = { dup: true };

interface Case {
	statement: string;
	what: string;
	act(peer: Peer, desk: Desk): unknown;
	/** Only at this one. */
	level?: Level;
}

/** Lets the client `a` have messages 1 to 3 in flight. */
function fill(peer: Peer, desk: Desk, qos: 1 | 2): void {
	peer.send(subscribe(1, ["t", 2]));
	const publisher = desk.client("p");
	for (const index of [1, 2, 3]) publisher.send(publish("t", `${index}`, qos, index)).send(ack("pubrel", index));
	desk.violations.length = 0;
}

/** A new connection of the same session. */
function again(peer: Peer, desk: Desk, level: Level): Peer {
	peer.cut();
	return desk.client("a", { clean: false, level });
}

const CASES: Case[] = [
	{
		statement: "MQTT-2.3.1-2",
		what: "an identifier that waits for PUBREL, for another QoS 2 message",
		act: (peer) => peer.send(publish("t", "x", 2, 5)).send(publish("t", "y", 2, 5)),
	},
	{
		statement: "MQTT-2.3.1-2",
		what: "an identifier that waits for PUBREL, for a QoS 1 message",
		act: (peer) => peer.send(publish("t", "x", 2, 5)).send(publish("t", "x", 1, 5)),
	},
	{
		statement: "MQTT-2.3.1-2",
		what: "an identifier that waits for PUBREL, for SUBSCRIBE",
		act: (peer) => peer.send(publish("t", "x", 2, 5)).send(subscribe(5, ["t", 0])),
	},
	{
		statement: "MQTT-2.3.1-2",
		what: "one identifier twice before an answer could come, QoS 1",
		act: (peer) => peer.send(publish("t", "x", 1, 5), publish("t", "y", 1, 5)),
	},
	{
		statement: "MQTT-2.3.1-2",
		what: "one identifier twice before an answer could come, SUBSCRIBE and UNSUBSCRIBE",
		act: (peer) => peer.send(subscribe(5, ["t", 0]), unsubscribe(5, "t")),
	},
	{
		statement: "MQTT-2.3.1-2",
		what: "an identifier before PUBCOMP could come",
		act: (peer) => peer.send(publish("t", "x", 2, 5)).send(ack("pubrel", 5), publish("t", "y", 2, 5)),
	},
	{
		statement: "MQTT-2.3.1-6",
		what: "PUBACK for nothing in flight",
		act: (peer) => peer.send(ack("puback", 9)),
	},
	{
		statement: "MQTT-2.3.1-6",
		what: "PUBREC for nothing in flight",
		act: (peer) => peer.send(ack("pubrec", 9)),
	},
	{
		statement: "MQTT-2.3.1-6",
		what: "PUBCOMP for nothing in flight",
		act: (peer) => peer.send(ack("pubcomp", 9)),
	},
	{
		statement: "MQTT-2.3.1-6",
		what: "PUBREL for no message",
		act: (peer) => peer.send(ack("pubrel", 9)),
	},
	{
		statement: "MQTT-3.3.1-1",
		what: "a QoS 2 message again without DUP",
		act: (peer, desk) => again(peer.send(publish("t", "x", 2, 5)), desk, 4).send(publish("t", "x", 2, 5)),
	},
	{
		statement: "MQTT-4.3.2-1",
		what: "DUP on a QoS 1 message that is new",
		act: (peer) => peer.send(publish("t", "x", 1, 5)).send(publish("t", "y", 1, 5, DUP)),
		level: 4,
	},
	{
		statement: "MQTT-4.3.3-1",
		what: "PUBLISH again after PUBREC",
		act: (peer) => peer.send(publish("t", "x", 2, 5)).send(publish("t", "x", 2, 5, DUP)),
		level: 4,
	},
	{
		statement: "MQTT-4.3.3-1",
		what: "PUBLISH again after PUBREL",
		act: (peer) =>
			peer
				.send(publish("t", "x", 2, 5))
				.send(ack("pubrel", 5))
				.send(publish("t", "x", 2, 5, DUP)),
		level: 4,
	},
	{
		statement: "MQTT-4.3.3-1",
		what: "PUBREL before PUBREC could come",
		act: (peer) => peer.send(publish("t", "x", 2, 5), ack("pubrel", 5)),
	},
	{
		statement: "MQTT-4.3.3-2",
		what: "PUBREC twice",
		act: (peer, desk) => {
			fill(peer, desk, 2);
			peer.send(ack("pubrec", 1)).send(ack("pubrec", 1));
		},
	},
	{
		statement: "MQTT-4.4.0-1",
		what: "a QoS 1 message again on a live link",
		act: (peer) => peer.send(publish("t", "x", 1, 5)).send(publish("t", "x", 1, 5, DUP)),
		level: 4,
	},
	{
		statement: "MQTT-4.4.0-1",
		what: "PUBREL again on a live link",
		act: (peer) =>
			peer
				.send(publish("t", "x", 2, 5))
				.send(ack("pubrel", 5))
				.send(ack("pubrel", 5)),
		level: 4,
	},
	{
		statement: "MQTT-4.6.0-1",
		what: "messages repeated out of their order",
		act: (peer, desk) => {
			peer.send(publish("t", "1", 2, 1), publish("t", "2", 2, 2));
			again(peer, desk, 4).send(publish("t", "2", 2, 2, DUP), publish("t", "1", 2, 1, DUP));
		},
	},
	{
		statement: "MQTT-4.6.0-2",
		what: "PUBACK out of order",
		act: (peer, desk) => {
			fill(peer, desk, 1);
			peer.send(ack("puback", 2), ack("puback", 1));
		},
	},
	{
		statement: "MQTT-4.6.0-3",
		what: "PUBREC out of order",
		act: (peer, desk) => {
			fill(peer, desk, 2);
			peer.send(ack("pubrec", 3), ack("pubrec", 1));
		},
	},
	{
		statement: "MQTT-4.6.0-4",
		what: "PUBREL out of order",
		act: (peer) => {
			peer.send(publish("t", "1", 2, 1), publish("t", "2", 2, 2));
			peer.send(ack("pubrel", 2), ack("pubrel", 1));
		},
	},
];

for (const { statement, what, act, level: only } of CASES) {
	for (const level of only === undefined ? LEVELS : [only]) {
		test(`${statement}: ${what} is told, and the connection stays, level ${level}`, () => {
			const desk = new Desk();
			const peer = desk.client("a", { clean: false, level });
			act(peer, desk);
			assert.deepEqual(desk.statements, [statement]);
			const [{ clientId, closes }] = desk.violations;
			assert.equal(clientId, "a");
			assert.equal(closes, false);
			assert.equal(desk.broker.session("a")?.isConnected, true);
		});
	}
}

test("level 3 lets a client send again on a live link", () => {
	const desk = new Desk();
	const peer = desk.client("a", { level: 3 });
	peer.send(publish("t", "x", 1, 5)).send(publish("t", "x", 1, 5, DUP));
	peer.send(publish("t", "x", 2, 6)).send(publish("t", "x", 2, 6, DUP));
	peer.send(ack("pubrel", 6)).send("6a 02 0006");
	peer.send(subscribe(7, ["t", 0]), "8a 06 0007 0001 74 00");
	assert.deepEqual(desk.statements, []);
	assert.equal(desk.messages.length, 3);
});

test("what is right is not told: one identifier after the other, answers between, a session resumed", () => {
	const desk = new Desk();
	let peer = desk.client("a", { clean: false });
	peer.send(publish("t", "x", 1, 1)).send(publish("t", "x", 1, 1));
	peer.send(publish("t", "1", 2, 2), publish("t", "2", 2, 3), publish("t", "3", 2, 4));
	peer.send(ack("pubrel", 2));
	peer = again(peer, desk, 4);
	peer.send(ack("pubrel", 2), ack("pubrel", 3), publish("t", "3", 2, 4, DUP), publish("t", "y", 1, 9, DUP));
	peer.send(ack("pubrel", 4));
	peer = again(peer, desk, 4);
	peer.send(ack("pubrel", 4)).send(publish("t", "z", 2, 4));
	assert.deepEqual(desk.statements, []);
});

test("what a link lost is no longer in use on the next one, also where CONNECT does not come alone", () => {
	const desk = new Desk();
	desk
		.client("a", { clean: false })
		.send(publish("t", "x", 1, 5))
		.cut();
	desk.open().send(connect("a", { clean: false }), publish("t", "y", 1, 5));
	assert.deepEqual(desk.statements, []);
	assert.equal(desk.messages.length, 2);
});

test("a client that skips an acknowledgement is not out of order", () => {
	const desk = new Desk();
	const peer = desk.client("a");
	fill(peer, desk, 1);
	peer.send(ack("puback", 1), ack("puback", 3));
	assert.deepEqual(desk.statements, []);
});
