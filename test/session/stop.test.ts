/** `stop`, and what an application does from within the client's own callbacks. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Client, describe, Reason, State, type Topic } from "../../src/client.js";
import { accept, connected, reconnect, type Scene, scene } from "../support/client.js";
import { joined, show, utf8 } from "../support/hex.js";
import { connack, publish, suback } from "../support/packets.js";
import { ScriptedNetwork } from "../support/scripted.js";

for (const level of [3, 4] as const) {
	test(`level ${level}: stop says DISCONNECT, closes, and sends nothing more`, () => {
		const { client, network, reasons } = connected({ level });
		client.stop();
		assert.equal(show(network.taken()), "e0 00");
		assert.equal(network.isOpen, false);
		assert.equal(client.status.state, State.STOPPED);
		assert.deepEqual(reasons, [Reason.STOPPED]);
		assert.equal(describe(reasons[0]), "stopped");
		assert.equal(network.clock.untilNext, undefined, "no timer is left");
		client.topic("t").publish(new Uint8Array(1));
		network.clock.advance(10_000_000);
		assert.equal(network.opened, 1);
		assert.equal(show(network.taken()), "");
	});
}

test("stop sends what is in the output first, and DISCONNECT behind it", () => {
	const { client, network, sent } = connected();
	network.room = 0;
	client.topic("t").publish(utf8("1"));
	network.room = 1_000;
	client.stop();
	assert.deepEqual(sent(), ["PUBLISH t '1'", "DISCONNECT"]);
});

for (const room of [0, 1, 3, 9]) {
	test(`stop with room for ${room} bytes closes at once, and sends no broken bytes`, () => {
		const { client, network } = connected();
		network.room = 0;
		client.topic("t").publish(utf8("12345"));
		network.room = room;
		client.stop();
		assert.equal(network.isOpen, false);
		assert.equal(show(network.taken()), show(utf8("0\b\0\u0001t12345").subarray(0, room)));
	});
}

test("stop amid a message that goes out in pieces says no DISCONNECT within it", () => {
	const { client, network } = connected({ output: 32 });
	network.room = 40;
	client.topic("t").publish(new Uint8Array(200).fill(0x61));
	client.stop();
	assert.equal(network.isOpen, false);
	assert.equal(show(network.taken().subarray(6)).replaceAll(" 61", ""), "61");
});

test("stopping twice, or before start, is nothing", () => {
	const { client, network, reasons } = scene();
	client.stop();
	assert.deepEqual(reasons, []);
	client.start();
	client.stop();
	client.stop();
	assert.deepEqual(reasons, [Reason.STOPPED]);
	assert.equal(network.isOpening, false);
});

test("stop while the link opens, while CONNACK is awaited, and between connections ends it all", () => {
	const phases: ((made: Scene) => void)[] = [
		() => {},
		({ network }) => network.open(),
		({ network }) => network.break(),
		({ network }) => {
			network.open();
			network.receive(connack(5));
		},
	];
	for (const phase of phases) {
		const made = scene();
		made.client.start();
		phase(made);
		made.network.taken();
		made.client.stop();
		assert.equal(made.client.status.state, State.STOPPED);
		assert.deepEqual(made.sent(), [], "no DISCONNECT before CONNACK");
		made.network.clock.advance(10_000_000);
		assert.equal(made.network.opened, 1);
		made.client.start();
		accept(made);
	}
});

/** Stops, says something on purpose in between, and starts again. */
function restart(client: Client): void {
	client.stop();
	client.start();
}

test("a handler may stop the client: what follows is void, and the message is not acknowledged", () => {
	const made = connected();
	let calls = 0;
	made.client.subscribe("a", 1, () => {
		calls++;
		made.client.stop();
	});
	made.client.subscribe("+", 1, () => calls++);
	made.network.receive(joined([suback(1, 1), suback(2, 1)]));
	made.sent();
	made.network.receive(joined([publish("a", "1", { qos: 1, id: 1 }), publish("a", "2", { qos: 1, id: 2 })]));
	assert.equal(calls, 1);
	assert.deepEqual(made.sent(), ["DISCONNECT"]);
	assert.equal(made.client.status.state, State.STOPPED);
});

test("a handler may stop and start the client, and throw on top: the next connection begins clean", () => {
	for (const inbox of [16, 256]) {
		const made = connected({ inbox });
		let calls = 0;
		made.client.subscribe("a", 1, () => {
			if (calls++ > 0) return;
			restart(made.client);
			throw new Error("no");
		});
		made.network.receive(suback(1, 1));
		made.network.receive(joined([publish("a", "0123456789012345", { qos: 1, id: 7 }), publish("a", "x")]));
		assert.equal(calls, 1);
		made.network.taken();
		accept(made);
		made.network.taken();
		made.network.receive(suback(2, 1));
		made.network.receive(publish("a", "1", { qos: 1, id: 8 }));
		assert.deepEqual(made.sent(), ["PUBACK id 8"]);
		assert.equal(made.client.status.violations, 0);
	}
});

test("onConnect may publish and subscribe", () => {
	let topic: Topic;
	const made: Scene = scene({
		onConnect() {
			topic.publish(utf8("up"));
			made.client.subscribe("late", 0, () => {});
		},
	});
	topic = made.client.topic("t");
	made.client.start();
	accept(made);
	assert.deepEqual(made.sent().sort(), ["PUBLISH t 'up'", "SUBSCRIBE id 1 late qos 0"]);
});

test("onConnect may stop the client", () => {
	const made: Scene = scene({ onConnect: () => made.client.stop() });
	made.client.start();
	made.network.open();
	made.network.taken();
	made.network.receive(joined([connack(), publish("a", "1", { qos: 1, id: 1 })]));
	assert.deepEqual(made.sent(), ["DISCONNECT"]);
	assert.equal(made.client.status.state, State.STOPPED);
});

test("onDisconnect may stop the client: no reconnect", () => {
	const made: Scene = scene({ onDisconnect: () => made.client.stop() });
	made.client.start();
	made.network.break();
	made.network.clock.advance(1_000_000);
	assert.equal(made.client.status.state, State.STOPPED);
	assert.equal(made.network.opened, 1);
});

test("onDisconnect may stop and start the client: a reconnect at once", () => {
	const made: Scene = scene({ onDisconnect: () => restart(made.client) });
	made.client.start();
	made.network.break();
	assert.equal(made.network.isOpening, true);
	assert.equal(made.network.opened, 2);
	accept(made);
});

test("onDisconnect may publish: it goes out on the next connection", () => {
	let topic: Topic;
	const made: Scene = scene({ onDisconnect: () => topic.publish(utf8("down")) });
	topic = made.client.topic("t", { qos: 1 });
	made.client.start();
	accept(made);
	reconnect(made);
	assert.deepEqual(made.sent(), ["PUBLISH t 'down' qos 1 id 1"]);
});

test("callbacks that throw do no harm", () => {
	const made = scene({
		onConnect() {
			throw new Error("no");
		},
		onDisconnect() {
			throw new Error("no");
		},
	});
	made.client.subscribe("a", 1, () => {});
	made.client.start();
	accept(made);
	assert.deepEqual(made.sent(), ["SUBSCRIBE id 1 a qos 1"]);
	reconnect(made);
	assert.deepEqual(made.sent(), ["SUBSCRIBE id 2 a qos 1"]);
	made.client.stop();
	assert.equal(made.client.status.state, State.STOPPED);
});

test("a handler may publish and subscribe; a handler that subscribes again each time is called once a message", () => {
	const made = connected();
	const topic = made.client.topic("t", { qos: 1 });
	let calls = 0;
	const handler = () => {
		if (++calls > 100) throw new Error("it does not end");
		topic.publish(utf8("!"));
		made.client.subscribe("a", 0, handler);
	};
	made.client.subscribe("a", 0, handler);
	made.network.receive(suback(1, 0));
	made.network.taken();
	made.network.receive(publish("a", "1"));
	assert.equal(calls, 1);
	assert.deepEqual(made.sent(), ["PUBLISH t '!' qos 1 id 2", "SUBSCRIBE id 3 a qos 0"]);
});

test("two clients have nothing in common", () => {
	const one = connected({}, new ScriptedNetwork());
	const two = connected({}, new ScriptedNetwork());
	one.client.topic("a", { qos: 1 }).publish(utf8("1"));
	assert.deepEqual(one.sent(), ["PUBLISH a '1' qos 1 id 1"]);
	assert.deepEqual(two.sent(), []);
	assert.equal(two.client.status.outbox.used, 0);
});
