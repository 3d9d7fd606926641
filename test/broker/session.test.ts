/** What a session keeps while its client is away, and what it sends again (sections 3.1.2.4, 4.1, 4.4 and 4.6). */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Outbound } from "../../simulator/broker/core/outbound.js";
import { ack, Desk, DISCONNECT, LEVELS, publish, subscribe } from "./peer.js";

const KEPT = { clean: false };

for (const level of LEVELS) {
	const options = { level, ...KEPT };

	test(`session present tells whether there was one, level ${level}`, () => {
		const desk = new Desk();
		const isTold = level === 4;
		assert.equal(desk.client("a", options).sessionPresent, false);
		assert.equal(desk.client("a", options).sessionPresent, isTold);
		assert.equal(desk.client("a", { level }).sessionPresent, false);
		assert.equal(desk.client("a", options).sessionPresent, false); // the clean one is gone
		desk.client("a", options).send(DISCONNECT);
		assert.equal(desk.client("a", options).sessionPresent, isTold);
	});

	test(`messages wait for a client that is away, those of QoS 0 do not, level ${level}`, () => {
		const desk = new Desk();
		desk.client("a", options).send(subscribe(1, ["t", 2]), DISCONNECT);
		desk.client("p").send(publish("t", "0"), publish("t", "1", 1, 1), publish("t", "2", 2, 2));
		assert.equal(desk.broker.session("a")?.waiting, 2);
		const peer = desk.client("a", options);
		assert.deepEqual(peer.read(), ["publish 1 qos 1 t=1", "publish 2 qos 2 t=2"]);
	});

	test(`MQTT-4.4.0-1, MQTT-4.6.0-1: what is in flight comes again with DUP, in order, level ${level}`, () => {
		const desk = new Desk({ window: 4 });
		const first = desk.client("a", options).send(subscribe(1, ["t", 2]));
		const publisher = desk.client("p");
		for (const index of [1, 2, 3, 4, 5]) publisher.send(publish("t", `${index}`, index === 3 ? 1 : 2, index));
		first.send(ack("pubrec", 1), ack("pubrec", 2), ack("pubcomp", 1));
		first.cut();
		const second = desk.client("a", options);
		const inFlight = ["publish 3 qos 1 dup t=3", "publish 4 qos 2 dup t=4", "publish 5 qos 2 dup t=5"];
		assert.deepEqual(second.read(), ["pubrel 2", ...inFlight]);
		// At level 3 PUBREL has DUP, too.
		assert.equal(second.bytes.subarray(4, 8).toString("hex"), level === 3 ? "6a020002" : "62020002");
		second.send(ack("pubcomp", 2), ack("puback", 3));
		second.cut();
		assert.deepEqual(desk.client("a", options).read(), inFlight.slice(1));
		assert.deepEqual(desk.statements, []);
	});

	test(`MQTT-3.1.2-6: a clean session starts with nothing, level ${level}`, () => {
		const desk = new Desk();
		desk.client("a", options).send(subscribe(1, ["t", 1]), publish("u", "x", 2, 3));
		desk.client("p").send(publish("t", "x", 1));
		const peer = desk.client("a", { level });
		assert.deepEqual(peer.read(), []);
		peer.send(publish("t", "y"));
		assert.deepEqual(peer.read(), []); // the subscription is gone
		peer.send(publish("u", "x", 2, 3));
		assert.equal(desk.messages.filter(({ topic }) => topic === "u").length, 2); // and so are the identifiers
	});
}

test("a clean session ends with its connection", () => {
	const desk = new Desk();
	desk
		.client("a")
		.send(subscribe(1, ["t", 1]))
		.cut();
	assert.equal(desk.broker.session("a"), undefined);
});

test("the oldest message goes when too many wait, and is counted", () => {
	const desk = new Desk({ queue: 3 });
	desk
		.client("a", KEPT)
		.send(subscribe(1, ["t", 1]))
		.cut();
	const publisher = desk.client("p");
	for (const index of [1, 2, 3, 4, 5]) publisher.send(publish("t", `${index}`, 1, index));
	assert.equal(desk.broker.session("a")?.dropped, 2);
	const expected = [3, 4, 5].map((index) => `publish ${index - 2} qos 1 t=${index}`);
	assert.deepEqual(desk.client("a", KEPT).read(), expected);
});

test("a client that does not acknowledge does not fill the memory either", () => {
	const desk = new Desk();
	desk.client("a").send(subscribe(1, ["t", 1]));
	const publisher = desk.client("p");
	for (let index = 0; index < 2_000; index++) publisher.send(publish("t", `${index}`, 1, 1));
	const { inFlight, waiting, dropped } = desk.broker.session("a") ?? {};
	assert.deepEqual([inFlight, waiting, dropped], [20, 1_000, 980]);
});

test("packet identifiers go round, and step over those in flight", () => {
	const outbound = new Outbound(2, 0);
	const sent: (number | undefined)[] = [];
	const publishOne = () => {
		outbound.push({ topic: "t", payload: Buffer.alloc(0), qos: 1, retain: false });
		outbound.pump(({ messageId }) => sent.push(messageId));
		return sent.at(-1) ?? 0;
	};
	const fail = () => assert.fail();
	publishOne(); // stays in flight
	for (let count = 0; count < 65_534; count++) outbound.puback(publishOne(), fail, fail);
	assert.deepEqual([sent[0], sent[65_534], publishOne()], [1, 65_535, 2]);
});

test("restart with sessions: all connections end, sessions and retained messages stay, wills are published", () => {
	const desk = new Desk();
	const will = { topic: "will", payload: Buffer.from("gone"), qos: 1 as const };
	const first = desk.client("a", { ...KEPT, will }).send(subscribe(1, ["t", 1], ["will", 1]));
	desk.client("p").send(publish("t", "x", 1, 1, { retain: true }));
	desk.broker.restart(true);
	assert.equal(first.closed, "the broker restarted");
	const second = desk.client("a", KEPT);
	assert.equal(second.sessionPresent, true);
	assert.deepEqual(second.read(), ["publish 1 qos 1 dup t=x", "publish 2 qos 1 will=gone"]);
	assert.deepEqual(second.send(subscribe(2, ["t", 0])).read(), ["suback 2", "publish qos 0 retain t=x"]);
});

test("restart without sessions: nothing is left", () => {
	const desk = new Desk();
	const will = { topic: "t", payload: Buffer.from("gone"), qos: 1 as const };
	desk.client("a", { ...KEPT, will }).send(subscribe(1, ["t", 1]), publish("t", "x", 1, 1, { retain: true }));
	desk.broker.restart(false);
	const second = desk.client("a", KEPT);
	assert.equal(second.sessionPresent, false);
	assert.deepEqual(second.send(publish("t", "y", 1, 2)).read(), ["puback 2"]);
	assert.equal(desk.messages.length, 2);
});
