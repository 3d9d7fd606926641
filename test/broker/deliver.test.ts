/** Messages from one client to another: QoS, acknowledgements, subscriptions, wildcards (sections 3.3, 3.8, 4.3 and 4.7). */
import assert from "node:assert/strict";
import { test } from "node:test";
import { matches, Subscriptions } from "../../simulator/broker/core/topics.js";
import { ack, Desk, LEVELS, publish, subscribe, unsubscribe } from "./peer.js";

const QOS = [0, 1, 2] as const;

for (const level of LEVELS) {
	test(`a message comes at the lower QoS of publisher and subscriber, level ${level}`, () => {
		for (const sent of QOS) {
			for (const asked of QOS) {
				const desk = new Desk();
				const subscriber = desk.client("s", { level }).send(subscribe(1, ["t", asked]));
				assert.deepEqual(subscriber.next("suback").granted, [asked]);
				const publisher = desk.client("p", { level }).send(publish("t", "x", sent, 7));
				assert.deepEqual(publisher.read(), [[], ["puback 7"], ["pubrec 7"]][sent]);
				const qos = Math.min(sent, asked);
				assert.deepEqual(subscriber.read(), [qos === 0 ? "publish qos 0 t=x" : `publish 1 qos ${qos} t=x`]);
			}
		}
	});

	test(`both ways at QoS 2, level ${level}`, () => {
		const desk = new Desk();
		const peer = desk.client("a", { level }).send(subscribe(1, ["t", 2]), publish("t", "x", 2, 9));
		assert.deepEqual(peer.read(), ["suback 1", "publish 1 qos 2 t=x", "pubrec 9"]);
		assert.equal(desk.broker.session("a")?.unreleased, 1);
		peer.send(ack("pubrel", 9), ack("pubrec", 1));
		assert.deepEqual(peer.read(), ["pubcomp 9", "pubrel 1"]);
		assert.equal(desk.broker.session("a")?.inFlight, 1);
		peer.send(ack("pubcomp", 1));
		assert.equal(desk.broker.session("a")?.inFlight, 0);
		assert.equal(desk.broker.session("a")?.unreleased, 0);
		assert.deepEqual(desk.statements, []);
		assert.equal(desk.messages.length, 1);
	});

	test(`the window holds back what is too much, and keeps its order, level ${level}`, () => {
		const desk = new Desk({ window: 2 });
		const subscriber = desk.client("s", { level }).send(subscribe(1, ["t", 2]));
		subscriber.next("suback");
		const publisher = desk.client("p", { level });
		for (const index of [1, 2, 3, 4]) publisher.send(publish("t", `${index}`, index % 2 === 0 ? 2 : 1, index));
		assert.deepEqual(subscriber.read(), ["publish 1 qos 1 t=1", "publish 2 qos 2 t=2"]);
		subscriber.send(ack("pubrec", 2));
		assert.deepEqual(subscriber.read(), ["pubrel 2"]);
		subscriber.send(ack("pubcomp", 2), ack("puback", 1));
		assert.deepEqual(subscriber.read(), ["publish 3 qos 1 t=3", "publish 4 qos 2 t=4"]);
		desk.pass(3_600_000);
		assert.deepEqual(subscriber.read(), []); // nothing is sent again on a live link
	});

	test(`MQTT-3.9.3-1: SUBACK answers each filter in order; what the hook refuses gets nothing, level ${level}`, () => {
		const desk = new Desk({ maySubscribe: (clientId, filter) => clientId === "s" && !filter.startsWith("secret") });
		const peer = desk.client("s", { level });
		peer.send(subscribe(3, ["a", 0], ["secret/#", 1], ["b", 2], ["c/+", 1]));
		assert.deepEqual(peer.next("suback").granted, [0, level === 3 ? 1 : 0x80, 2, 1]);
		desk.client("p").send(publish("secret/x", "x"), publish("b", "y"));
		assert.deepEqual(peer.read(), ["publish qos 0 b=y"]);
	});

	test(`MQTT-3.10.4-5: UNSUBSCRIBE is acknowledged, whether there was such a filter or not, level ${level}`, () => {
		const desk = new Desk();
		const peer = desk.client("s", { level }).send(subscribe(1, ["a/#", 0], ["a/b", 0]), unsubscribe(2, "a/#", "no"));
		assert.deepEqual(peer.read(), ["suback 1", "unsuback 2"]);
		peer.send(publish("a/c", "x"), publish("a/b", "y"), unsubscribe(3, "a/b"), publish("a/b", "z"));
		assert.deepEqual(peer.read(), ["publish qos 0 a/b=y", "unsuback 3"]);
	});
}

test("MQTT-3.3.5-1: filters that overlap bring one copy, at the highest QoS", () => {
	const desk = new Desk();
	const peer = desk.client("s").send(subscribe(1, ["a/#", 0], ["a/+", 2], ["a/b", 1]));
	peer.next("suback");
	desk.client("p").send(publish("a/b", "x", 2));
	assert.deepEqual(peer.read(), ["publish 1 qos 2 a/b=x"]);
});

test("MQTT-3.8.4-3: the same filter again replaces the QoS", () => {
	const desk = new Desk();
	const peer = desk.client("s").send(subscribe(1, ["a", 2]), subscribe(2, ["a", 0]), publish("a", "x", 1, 3));
	assert.deepEqual(peer.read(), ["suback 1", "suback 2", "publish qos 0 a=x", "puback 3"]);
});

test("MQTT-3.3.1-3: DUP of what comes in is not passed on", () => {
	const desk = new Desk();
	const peer = desk.client("s").send(subscribe(1, ["a", 1]), publish("a", "x", 1, 5, { dup: true }));
	assert.deepEqual(peer.read(), ["suback 1", "publish 1 qos 1 a=x", "puback 5"]);
});

test("MQTT-4.3.3-2: a QoS 2 message that comes again before PUBREL is answered, not delivered", () => {
	const desk = new Desk();
	const options = { clean: false };
	const first = desk.client("a", options).send(publish("t", "x", 2, 5));
	first.cut();
	const second = desk.client("a", options).send(publish("t", "x", 2, 5, { dup: true }));
	assert.deepEqual(second.read(), ["pubrec 5"]);
	second.send(ack("pubrel", 5));
	second.cut(); // PUBCOMP is lost
	const third = desk.client("a", options).send(ack("pubrel", 5));
	assert.deepEqual(third.read(), ["pubcomp 5"]);
	third.send(publish("t", "x", 2, 5));
	assert.equal(desk.messages.length, 2);
	assert.deepEqual(desk.statements, []);
});

test("MQTT-4.3.2-2: after PUBACK the same identifier is a new message", () => {
	const desk = new Desk();
	desk
		.client("a")
		.send(publish("t", "x", 1, 5))
		.send(publish("t", "y", 1, 5));
	assert.equal(desk.messages.length, 2);
	assert.deepEqual(desk.statements, []);
});

const MATCHES: [filter: string, topic: string, does: boolean][] = [
	["#", "a", true],
	["#", "a/b", true],
	["#", "/", true],
	["#", "$SYS/x", false],
	["+/x", "$SYS/x", false],
	["$SYS/#", "$SYS/x", true],
	["$SYS/#", "$SYS", true],
	["$SYS/+", "$SYS/x", true],
	["a/$b", "a/$b", true],
	["a/+", "a/$b", true],
	["sport/#", "sport", true],
	["sport/#", "sport/", true],
	["sport/#", "sports", false],
	["sport/+", "sport", false],
	["sport/+", "sport/", true],
	["sport/+", "sport/a/b", false],
	["+", "a", true],
	["+", "/a", false],
	["+/+", "/a", true],
	["/+", "/a", true],
	["+/tennis/#", "sport/tennis/player1/ranking", true],
	["+/tennis/#", "sport/tennis", true],
	["sport/+/player1", "sport/tennis/player1", true],
	["sport/+/player1", "sport/tennis/player2", false],
	["a/b", "A/b", false],
	["a", "a/", false],
	["+/+/#", "a", false],
	["+/#", "a", true],
	["\u{feff}a", "a", false],
];

for (const [filter, topic, does] of MATCHES) {
	test(`${JSON.stringify(filter)} ${does ? "matches" : "does not match"} ${JSON.stringify(topic)}`, () => {
		assert.equal(matches(filter, topic), does);
		const subscriptions = new Subscriptions<string>();
		subscriptions.add(filter, "s", 1);
		assert.equal(subscriptions.matching(topic).has("s"), does);
		const desk = new Desk();
		const subscriber = desk.client("s").send(subscribe(1, [filter, 0]));
		desk.client("p").send(publish(topic, "x"));
		assert.deepEqual(subscriber.read(), does ? ["suback 1", `publish qos 0 ${topic}=x`] : ["suback 1"]);
	});
}

test("topics and filters of 65,535 bytes and 65,536 levels work", () => {
	const desk = new Desk();
	const deep = "/".repeat(65_535);
	const long = "x".repeat(65_535);
	const peer = desk.client("s").send(subscribe(1, [deep, 0], [long, 0], [`${"+/".repeat(32_767)}#`, 1]));
	peer.next("suback");
	peer.send(publish(deep, "a"), publish(long, "b", 0, 1, { retain: true }));
	assert.deepEqual(
		[peer.next("publish"), peer.next("publish")].map(({ topic }) => topic),
		[deep, long],
	);
	peer.send(unsubscribe(2, deep, long));
	peer.next("unsuback");
	peer.send(publish(long, "c"));
	assert.deepEqual(peer.read(), []);
});
