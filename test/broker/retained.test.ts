/** Retained messages (section 3.3.1.3). */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Desk, LEVELS, publish, subscribe } from "./peer.js";

const RETAIN = { retain: true };

for (const level of LEVELS) {
	test(`a new subscription gets what is retained, with RETAIN and at the lower QoS, level ${level}`, () => {
		const desk = new Desk();
		desk
			.client("p", { level })
			.send(publish("a/1", "x", 2, 1, RETAIN), publish("a/2", "y", 0, 1, RETAIN), publish("a/3", "z"));
		const peer = desk.client("s", { level }).send(subscribe(1, ["a/#", 1]));
		assert.deepEqual(peer.read(), ["suback 1", "publish 1 qos 1 retain a/1=x", "publish qos 0 retain a/2=y"]);
		peer.send(subscribe(2, ["a/1", 0]));
		assert.deepEqual(peer.read(), ["suback 2", "publish qos 0 retain a/1=x"]);
		peer.send(subscribe(3, ["a/#", 1])); // the same again
		assert.deepEqual(peer.read(), ["suback 3", "publish 2 qos 1 retain a/1=x", "publish qos 0 retain a/2=y"]);
	});

	test(`MQTT-3.3.1-9: a subscription that is there gets RETAIN 0, level ${level}`, () => {
		const desk = new Desk();
		const peer = desk.client("s", { level }).send(subscribe(1, ["a", 1]), publish("a", "x", 1, 2, RETAIN));
		assert.deepEqual(peer.read(), ["suback 1", "publish 1 qos 1 a=x", "puback 2"]);
	});
}

test("MQTT-3.3.1-5: the last one stands, also at QoS 0", () => {
	const desk = new Desk();
	desk.client("p").send(publish("a", "old", 2, 1, RETAIN), publish("a", "new", 0, 1, RETAIN));
	assert.deepEqual(
		desk
			.client("s")
			.send(subscribe(1, ["a", 2]))
			.read(),
		["suback 1", "publish qos 0 retain a=new"],
	);
});

test("MQTT-3.3.1-10, MQTT-3.3.1-11: one without a payload clears, and is delivered as any other", () => {
	const desk = new Desk();
	const live = desk.client("live").send(subscribe(1, ["a", 0]));
	desk.client("p").send(publish("a", "x", 0, 1, RETAIN), publish("a", "", 0, 1, RETAIN));
	assert.deepEqual(live.read(), ["suback 1", "publish qos 0 a=x", "publish qos 0 a="]);
	assert.deepEqual(
		desk
			.client("s")
			.send(subscribe(1, ["a", 0]))
			.read(),
		["suback 1"],
	);
});

test("MQTT-3.3.1-12: one without RETAIN leaves what is retained", () => {
	const desk = new Desk();
	desk.client("p").send(publish("a", "x", 0, 1, RETAIN), publish("a", "y"), publish("a", ""));
	assert.deepEqual(
		desk
			.client("s")
			.send(subscribe(1, ["a", 0]))
			.read(),
		["suback 1", "publish qos 0 retain a=x"],
	);
});

test("wildcards in the first level do not bring what is retained below $", () => {
	const desk = new Desk();
	desk.client("p").send(publish("$x/a", "x", 0, 1, RETAIN));
	const peer = desk.client("s").send(subscribe(1, ["#", 0], ["+/a", 0]), subscribe(2, ["$x/#", 0]));
	assert.deepEqual(peer.read(), ["suback 1", "suback 2", "publish qos 0 retain $x/a=x"]);
});

test("what is retained outlives its publisher's session", () => {
	const desk = new Desk();
	desk
		.client("p")
		.send(publish("a", "x", 1, 1, RETAIN))
		.cut();
	assert.deepEqual(
		desk
			.client("s")
			.send(subscribe(1, ["a", 1]))
			.read(),
		["suback 1", "publish 1 qos 1 retain a=x"],
	);
});
