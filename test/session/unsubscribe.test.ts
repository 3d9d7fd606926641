/** Several filters in one SUBSCRIBE, and the end of subscriptions (sections 3.8 to 3.11). */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
	type Client,
	ExactlyOnce,
	type Message,
	type QoS,
	Reason,
	State,
	type Subscription,
} from "../../src/client.js";
import { accept, connected, reconnect, type Scene, scene } from "../support/client.js";
import { textOf, utf8 } from "../support/hex.js";
import { publish, suback, unsuback } from "../support/packets.js";

const nothing = () => {};

/** Subscribes, and lets the broker grant it; what comes is in `heard`, under the filter's name. */
function subscribed(made: Scene, filter: string, heard: string[], qos: QoS = 1): Subscription {
	const subscription = made.client.subscribe(filter, qos, () => heard.push(filter));
	made.network.receive(suback(lastIdentifier(made), qos));
	return subscription;
}

/** The identifier of the packet that was sent last. */
function lastIdentifier({ sent }: Scene): number {
	return Number(/id (\d+)/.exec(sent().at(-1) ?? "")?.[1]);
}

/** How many requests the client remembers. */
function requests(client: Client): number {
	const { session } = client as unknown as { session: { subscriptions: { requests: unknown[] } } };
	return session.subscriptions.requests.length;
}

// Several filters

test("subscribeAll asks for all filters with one SUBSCRIBE, and gives the subscriptions in their order", () => {
	const made = connected();
	const heard: string[] = [];
	const filters = (["a", "b/+", "#"] as const).map((filter, i) => ({
		filter,
		qos: (i % 2) as QoS,
		handler: () => heard.push(filter),
	}));
	const subscriptions = made.client.subscribeAll(filters);
	assert.deepEqual(made.sent(), ["SUBSCRIBE id 1 a qos 0 b/+ qos 1 # qos 0"]);
	assert.deepEqual(
		subscriptions.map(({ filter }) => textOf(filter)),
		["a", "b/+", "#"],
	);
	made.network.receive(publish("b/c", ""));
	assert.deepEqual(heard, ["b/+", "#"]);
});

test("each of several filters is granted, or refused, by itself", () => {
	const made = connected({ exactlyOnce: new ExactlyOnce() });
	const all = made.client.subscribeAll(["a", "b", "c", "d"].map((filter) => ({ filter, qos: 2, handler: nothing })));
	assert.deepEqual(
		all.map(({ granted }) => granted),
		[-1, -1, -1, -1],
	);
	made.network.receive(suback(1, 2, 0x80, 0, 1));
	assert.deepEqual(
		all.map(({ granted }) => granted),
		[2, 0x80, 0, 1],
	);
	assert.equal(made.client.status.stray, 0);
});

for (const codes of [[], [0], [0, 0], [0, 0, 0, 0]]) {
	test(`a SUBACK with ${codes.length} codes for three filters is malformed, and grants nothing`, () => {
		const { client, network, reasons } = connected();
		const all = client.subscribeAll(["a", "b", "c"].map((filter) => ({ filter, qos: 0, handler: nothing })));
		network.receive(suback(1, ...codes));
		assert.deepEqual(reasons, [codes.length === 0 ? Reason.MALFORMED_LENGTH : Reason.MALFORMED_CODE]);
		for (const { granted } of all) assert.equal(granted, -1);
	});
}

test("a SUBACK of which one code is unknown is malformed, and grants nothing", () => {
	const { client, network, reasons } = connected();
	const all = client.subscribeAll(["a", "b", "c"].map((filter) => ({ filter, qos: 0, handler: nothing })));
	network.receive(suback(1, 0, 1, 3));
	assert.deepEqual(reasons, [Reason.MALFORMED_CODE]);
	for (const { granted } of all) assert.equal(granted, -1);
});

test("a message is handed to each of several filters that matches, once", () => {
	const made = connected();
	const heard: string[] = [];
	made.client.subscribeAll(
		["a", "a", "+"].map((filter, i) => ({ filter, qos: 0, handler: () => heard.push(filter + i) })),
	);
	made.network.receive(suback(1, 0, 0, 0));
	made.network.receive(publish("a", ""));
	assert.deepEqual(heard, ["a0", "a1", "+2"]);
});

test("changing the array that subscribeAll gave changes nothing", () => {
	const made = connected();
	const all = made.client.subscribeAll(["a", "b"].map((filter) => ({ filter, qos: 1, handler: nothing })));
	all.length = 0;
	made.network.receive(suback(1, 1, 1));
	made.network.taken();
	reconnect(made);
	assert.deepEqual(made.sent(), ["SUBSCRIBE id 2 a qos 1 b qos 1"]);
});

for (const count of [60, 250, 251, 252, 253, 254, 255, 256, 300, 1000]) {
	test(`${count} filters at once are refused with a sentence, or their SUBACK is understood`, () => {
		const { client, network, reasons } = connected({ inbox: 256 });
		const filters = Array.from({ length: count }, (_, i) => ({ filter: `f/${i}`, qos: 1 as const, handler: nothing }));
		let all: Subscription[];
		try {
			all = client.subscribeAll(filters);
		} catch (error) {
			assert.match((error as Error).message, /^mqtt-mote: /);
			assert.ok(count > 250);
			return;
		}
		const codes = count + 2;
		const head = codes < 128 ? [0x90, codes] : [0x90, (codes & 127) | 128, codes >> 7];
		network.receive(Uint8Array.of(...head, 0, 1, ...new Array<number>(count).fill(1)), 100);
		assert.deepEqual(reasons, []);
		for (const { granted } of all) assert.equal(granted, 1);
	});
}

// The end of a subscription

for (const level of [3, 4] as const) {
	test(`level ${level}: unsubscribe says UNSUBSCRIBE; from then on the handler is not called, and messages are acknowledged`, () => {
		const made = connected({ level });
		const { client, network } = made;
		const heard: string[] = [];
		const subscription = subscribed(made, "a", heard);
		network.receive(publish("a", "1", { qos: 1, id: 7 }));
		assert.deepEqual(made.sent(), ["PUBACK id 7"]);
		client.unsubscribe(subscription);
		assert.deepEqual(made.sent(), ["UNSUBSCRIBE id 2 a"]);
		network.receive(publish("a", "2", { qos: 1, id: 8 }));
		assert.deepEqual(made.sent(), ["PUBACK id 8"]);
		network.receive(unsuback(2));
		network.receive(publish("a", "3", { qos: 1, id: 9 }));
		assert.deepEqual(made.sent(), ["PUBACK id 9"]);
		assert.deepEqual(heard, ["a"]);
		assert.equal(client.status.received, 1);
		assert.equal(client.status.unhandled, 2);
		assert.equal(client.status.stray, 0);
	});
}

test("after the last wildcard has gone, topics are still dispatched, and ill-formed ones still found out", () => {
	const made = connected();
	const heard: string[] = [];
	const wild = [subscribed(made, "+", heard), subscribed(made, "#", heard)];
	subscribed(made, "a", heard);
	made.client.unsubscribe(wild);
	made.network.receive(publish("a", ""));
	assert.deepEqual(heard, ["a"]);
	made.network.receive(Uint8Array.of(0x30, 4, 0, 2, 0x61, 0));
	assert.deepEqual(made.reasons, [Reason.MALFORMED_TOPIC]);
});

test("while a wildcard is there, ill-formed topics reach no handler, whatever else has ended", () => {
	const made = connected();
	const plain = ["a", "b"].map((filter) => subscribed(made, filter, []));
	made.client.subscribe("#", 0, () => assert.fail("a handler was called"));
	made.client.unsubscribe(plain);
	made.network.receive(Uint8Array.of(0x30, 4, 0, 2, 0x61, 0));
	assert.deepEqual(made.reasons, [Reason.MALFORMED_TOPIC]);
	assert.equal(made.client.status.failures, 0);
});

test("unsubscribe takes several subscriptions, whichever packet they were asked for with, and says one UNSUBSCRIBE", () => {
	const made = connected();
	const heard: string[] = [];
	const [a, b] = made.client.subscribeAll([
		{ filter: "a", qos: 0, handler: () => heard.push("a") },
		{ filter: "b", qos: 0, handler: () => heard.push("b") },
	]);
	const c = subscribed(made, "c", heard);
	assert.ok(a);
	made.network.receive(suback(1, 0, 0));
	made.client.unsubscribe([c, b]);
	assert.deepEqual(made.sent(), ["UNSUBSCRIBE id 3 c b"]);
	for (const topic of ["a", "b", "c"]) made.network.receive(publish(topic, ""));
	assert.deepEqual(heard, ["a"]);
});

test("what has ended already is left alone, and ending nothing says nothing", () => {
	const made = connected();
	const a = subscribed(made, "a", []);
	const b = subscribed(made, "b", []);
	made.client.unsubscribe([a, a]);
	assert.deepEqual(made.sent(), ["UNSUBSCRIBE id 3 a"]);
	made.client.unsubscribe(a);
	made.client.unsubscribe([]);
	assert.deepEqual(made.sent(), []);
	made.client.unsubscribe([a, b]);
	assert.deepEqual(made.sent(), ["UNSUBSCRIBE id 4 b"]);
});

test("of two subscriptions with the same filter one may end: the broker is told with the other", () => {
	const made = connected();
	const heard: string[] = [];
	const first = made.client.subscribe("a", 1, () => heard.push("first"));
	const second = made.client.subscribe("a", 1, () => heard.push("second"));
	const other = made.client.subscribe("A", 1, () => heard.push("other"));
	for (const id of [1, 2, 3]) made.network.receive(suback(id, 1));
	made.sent();
	made.client.unsubscribe(first);
	assert.deepEqual(made.sent(), [], "the broker would end both");
	made.network.receive(publish("a", ""));
	assert.deepEqual(heard, ["second"]);
	made.client.unsubscribe(second);
	assert.deepEqual(made.sent(), ["UNSUBSCRIBE id 4 a"]);
	made.client.unsubscribe(other);
	assert.deepEqual(made.sent(), ["UNSUBSCRIBE id 5 A"]);
});

test("two subscriptions with the same filter end with one name in UNSUBSCRIBE", () => {
	const made = connected();
	const first = subscribed(made, "a", []);
	const second = subscribed(made, "a", []);
	made.client.unsubscribe([first, second]);
	assert.deepEqual(made.sent(), ["UNSUBSCRIBE id 3 a"]);
});

test("the same filter may be subscribed again while UNSUBACK has not come", () => {
	for (const order of [
		[unsuback(2), suback(3, 1)],
		[suback(3, 1), unsuback(2)],
	]) {
		const made = connected();
		const heard: string[] = [];
		const first = subscribed(made, "a", heard);
		made.client.unsubscribe(first);
		const second = made.client.subscribe("a", 1, () => heard.push("again"));
		assert.deepEqual(made.sent(), ["UNSUBSCRIBE id 2 a", "SUBSCRIBE id 3 a qos 1"]);
		for (const packet of order) made.network.receive(packet);
		made.network.receive(publish("a", ""));
		assert.deepEqual(heard, ["again"]);
		assert.deepEqual([first.granted, second.granted], [1, 1]);
		assert.equal(made.client.status.stray, 0);
		reconnect(made);
		assert.deepEqual(made.sent(), ["SUBSCRIBE id 4 a qos 1"]);
	}
});

test("subscribed again on a session that is kept: UNSUBSCRIBE and SUBSCRIBE go out again, in this order", () => {
	for (const level of [3, 4] as const) {
		const made = connected({ level, cleanSession: false });
		const first = subscribed(made, "a", []);
		made.client.unsubscribe(first);
		made.client.subscribe("a", 1, nothing);
		made.sent();
		reconnect(made, level === 4);
		const dup = level === 3 ? " dup" : "";
		assert.deepEqual(made.sent(), [`UNSUBSCRIBE id 2 a${dup}`, `SUBSCRIBE id 3 a qos 1${dup}`]);
	}
});

test("an unanswered UNSUBSCRIBE goes out again under its identifier if the session is kept, and is forgotten with it", () => {
	const made = connected({ cleanSession: false });
	const a = subscribed(made, "a", []);
	subscribed(made, "b", []);
	made.client.unsubscribe(a);
	made.sent();
	reconnect(made, true);
	assert.deepEqual(made.sent(), ["UNSUBSCRIBE id 3 a"]);
	reconnect(made, true);
	assert.deepEqual(made.sent(), ["UNSUBSCRIBE id 3 a"]);
	reconnect(made, false);
	assert.deepEqual(made.sent(), ["SUBSCRIBE id 4 b qos 1"]);
	made.network.receive(unsuback(3));
	assert.equal(made.client.status.stray, 1);
	reconnect(made, true);
	assert.deepEqual(made.sent(), ["SUBSCRIBE id 4 b qos 1"]);
});

test("an answered UNSUBSCRIBE is done with", () => {
	for (const level of [3, 4] as const) {
		const made = connected({ level, cleanSession: false });
		const a = subscribed(made, "a", []);
		made.client.unsubscribe(a);
		made.network.receive(unsuback(2));
		made.sent();
		reconnect(made, level === 4);
		assert.deepEqual(made.sent(), []);
		assert.equal(requests(made.client), 0);
	}
});

test("what ends between connections ends on the next one if the broker kept the session, and goes without saying if not", () => {
	for (const present of [true, false]) {
		const made = connected({ cleanSession: false });
		const a = subscribed(made, "a", []);
		subscribed(made, "b", []);
		made.network.break();
		made.client.unsubscribe(a);
		reconnect(made, present);
		assert.deepEqual(made.sent(), present ? ["UNSUBSCRIBE id 3 a"] : ["SUBSCRIBE id 3 b qos 1"]);
	}
});

test("level 3, clean session 0: what ended between connections is unsubscribed, since the session may be there", () => {
	const made = connected({ level: 3, cleanSession: false });
	const a = subscribed(made, "a", []);
	subscribed(made, "b", []);
	made.network.break();
	made.client.unsubscribe(a);
	reconnect(made);
	assert.deepEqual(made.sent(), ["SUBSCRIBE id 3 b qos 1", "UNSUBSCRIBE id 4 a"]);
});

test("several that end between connections, each by itself, all end on the next one", () => {
	const made = connected({ cleanSession: false });
	const [a, b] = ["a", "b"].map((filter) => subscribed(made, filter, []));
	made.network.break();
	made.client.unsubscribe(a);
	made.client.unsubscribe(b);
	reconnect(made, true);
	assert.deepEqual(made.sent(), ["UNSUBSCRIBE id 3 a", "UNSUBSCRIBE id 4 b"]);
});

test("nothing is waited for any more once all that went out is answered", () => {
	for (const present of [false, true]) {
		const made = connected({ cleanSession: false, keepAlive: 0, timeout: 10 });
		const { client, network } = made;
		// Unanswered when the link breaks, twice
		client.subscribe("a", 1, nothing);
		client.unsubscribe(client.subscribe("b", 1, nothing));
		reconnect(made, present);
		reconnect(made, present);
		answerAll(made);
		// Ended before it could go out
		network.room = 0;
		client.topic("t").publish(new Uint8Array(500));
		client.unsubscribe(client.subscribe("c", 1, nothing));
		network.writable(10_000);
		answerAll(made);
		network.clock.advance(1_000_000);
		assert.equal(client.status.endings[Reason.SUBACK_TIMEOUT], 0);
		assert.equal(client.status.state, State.CONNECTED);
	}
});

test("a subscription that was made and ended before the first connection leaves nothing behind", () => {
	const made = scene();
	const a = made.client.subscribe("a", 0, nothing);
	const [b, c] = made.client.subscribeAll(["b", "c"].map((filter) => ({ filter, qos: 1, handler: nothing })));
	made.client.unsubscribe([a, c]);
	made.client.start();
	accept(made);
	assert.deepEqual(made.sent(), ["SUBSCRIBE id 1 b qos 1"]);
	made.network.receive(suback(1, 1));
	assert.equal(b.granted, 1);
	assert.equal(requests(made.client), 1);
});

test("of several filters one may end: the others are asked for again without it", () => {
	const made = connected();
	const [, b] = made.client.subscribeAll(["a", "b", "c"].map((filter) => ({ filter, qos: 0, handler: nothing })));
	made.network.receive(suback(1, 0, 0, 0));
	made.client.unsubscribe(b);
	made.network.receive(unsuback(2));
	made.sent();
	reconnect(made);
	assert.deepEqual(made.sent(), ["SUBSCRIBE id 3 a qos 0 c qos 0"]);
	made.network.receive(suback(3, 0, 0));
	assert.deepEqual(made.reasons, [Reason.LINK_LOST]);
});

test("a SUBSCRIBE whose answer is missing goes out again as it was, though one of its filters has ended", () => {
	const made = connected({ cleanSession: false });
	const [, b] = made.client.subscribeAll(["a", "b"].map((filter) => ({ filter, qos: 0, handler: nothing })));
	made.client.unsubscribe(b);
	made.sent();
	reconnect(made, true);
	assert.deepEqual(made.sent(), ["SUBSCRIBE id 1 a qos 0 b qos 0", "UNSUBSCRIBE id 2 b"]);
	made.network.receive(suback(1, 0, 0));
	made.network.receive(unsuback(2));
	reconnect(made, false);
	assert.deepEqual(made.sent(), ["SUBSCRIBE id 3 a qos 0"]);
});

test("SUBACK for a subscription that has ended meanwhile is no stray, and neither is the UNSUBACK behind it", () => {
	const made = connected();
	const a = made.client.subscribe("a", 1, () => assert.fail("a handler was called"));
	made.client.unsubscribe(a);
	assert.deepEqual(made.sent(), ["SUBSCRIBE id 1 a qos 1", "UNSUBSCRIBE id 2 a"]);
	made.network.receive(suback(1, 1));
	made.network.receive(publish("a", ""));
	made.network.receive(unsuback(2));
	assert.equal(made.client.status.stray, 0);
	assert.equal(made.client.status.unhandled, 1);
	reconnect(made);
	assert.deepEqual(made.sent(), []);
});

test("SUBACK is no answer to UNSUBSCRIBE, nor UNSUBACK to SUBSCRIBE; an UNSUBACK that comes twice is stray", () => {
	const made = connected();
	const a = made.client.subscribe("a", 1, nothing);
	made.network.receive(unsuback(1));
	assert.equal(made.client.status.stray, 1);
	made.network.receive(suback(1, 1));
	made.client.unsubscribe(a);
	made.network.receive(suback(2, 0));
	assert.equal(made.client.status.stray, 2);
	made.network.receive(unsuback(2));
	made.network.receive(unsuback(2));
	assert.equal(made.client.status.stray, 3);
	assert.equal(a.granted, 1);
});

for (const keepAlive of [0, 10]) {
	test(`keep alive ${keepAlive}: an UNSUBACK that does not come closes the link in the end`, () => {
		const made = connected({ keepAlive, timeout: 10 });
		const a = subscribed(made, "a", []);
		made.client.unsubscribe(a);
		made.network.clock.advance(30_000);
		assert.equal(made.reasons[0], Reason.SUBACK_TIMEOUT);
	});
}

test("one answer of many that are missing keeps the link for a while, and none does not", () => {
	const made = connected({ keepAlive: 0, timeout: 10 });
	for (let i = 0; i < 8; i++) made.client.subscribe(`a/${i}`, 0, nothing);
	for (let id = 1; id <= 5; id++) {
		made.network.clock.advance(9_000);
		assert.deepEqual(made.reasons, []);
		made.network.receive(suback(id, 0));
	}
	made.network.clock.advance(25_000);
	assert.deepEqual(made.reasons, [Reason.SUBACK_TIMEOUT]);
});

// While a message is being handed over

test("a handler may end its own subscription: it is not called again, and the others get the message", () => {
	const made = connected();
	const heard: string[] = [];
	subscribed(made, "+", heard);
	const own: Subscription = made.client.subscribe("a", 1, () => {
		heard.push("own");
		made.client.unsubscribe(own);
	});
	made.network.receive(suback(2, 1));
	subscribed(made, "#", heard);
	made.network.receive(publish("a", "1", { qos: 1, id: 7 }));
	assert.deepEqual(heard.splice(0), ["+", "own", "#"]);
	assert.deepEqual(made.sent().sort(), ["PUBACK id 7", "UNSUBSCRIBE id 4 a"]);
	made.network.receive(publish("a", "2"));
	assert.deepEqual(heard, ["+", "#"]);
});

test("a handler may end any other subscription: from then on it is not called, with this message either", () => {
	for (const filters of [
		["a", "a", "a", "a"],
		["+", "#", "a", "+"],
	]) {
		for (const first of [0, 1, 2, 3]) {
			for (const second of [0, 1, 2, 3]) {
				const made = connected();
				const heard: number[] = [];
				const all: Subscription[] = filters.map((filter, i) =>
					made.client.subscribe(filter, 0, () => {
						heard.push(i);
						if (i === 1) made.client.unsubscribe([all[first], all[second]]);
					}),
				);
				made.network.receive(publish("a", ""));
				const gone = new Set([first, second]);
				assert.deepEqual(
					heard,
					[0, 1, 2, 3].filter((i) => i <= 1 || !gone.has(i)),
				);
				heard.length = 0;
				made.network.receive(publish("a", ""));
				assert.deepEqual(
					heard,
					[0, 1, 2, 3].filter((i) => !gone.has(i)),
				);
			}
		}
	}
});

test("a handler may end its subscription and make the same one again: it is called once a message", () => {
	const made = connected();
	let calls = 0;
	let subscription: Subscription;
	const handler = () => {
		calls++;
		made.client.unsubscribe(subscription);
		subscription = made.client.subscribe("a", 0, handler);
	};
	subscription = made.client.subscribe("a", 0, handler);
	for (let message = 1; message <= 20; message++) {
		made.network.receive(publish("a", ""));
		assert.equal(calls, message);
	}
});

test("the last handler of a message in parts may end amid them: the message is acknowledged once all have come", () => {
	for (const qos of [1, 2] as const) {
		const made = connected({ inbox: 32, exactlyOnce: new ExactlyOnce() });
		let parts = 0;
		const subscription: Subscription = made.client.subscribe("a", qos, () => {
			if (++parts === 2) made.client.unsubscribe(subscription);
		});
		made.network.receive(suback(1, qos));
		made.sent();
		made.network.receive(publish("a", "0123456789".repeat(20), { qos, id: 7 }));
		assert.equal(parts, 2);
		assert.deepEqual(made.sent().sort(), [qos === 1 ? "PUBACK id 7" : "PUBREC id 7", "UNSUBSCRIBE id 2 a"]);
	}
});

test("a subscription that is made amid a message in parts may see its later parts, which say so", () => {
	const made = connected({ inbox: 32 });
	const offsets: number[] = [];
	let asked = false;
	made.client.subscribe("a", 0, () => {
		if (asked) return;
		asked = true;
		made.client.subscribe("+", 0, (message: Message) => offsets.push(message.offset));
	});
	made.network.receive(publish("a", "0123456789".repeat(20)));
	for (const offset of offsets) assert.ok(offset > 0);
});

// Nothing piles up

/** The broker answers all that it was asked since the last look; returns that. */
function answerAll({ network, sent }: Scene): string[] {
	const lines = sent();
	for (const line of lines) {
		const id = Number(/id (\d+)/.exec(line)?.[1]);
		if (line.startsWith("SUBSCRIBE")) network.receive(suback(id, 1));
		else if (line.startsWith("UNSUBSCRIBE")) network.receive(unsuback(id));
	}
	return lines;
}

for (const [what, options, present] of [
	["with clean session 1", {}, false],
	["on a session that is kept", { cleanSession: false }, true],
	["on a session that is lost with each link", { cleanSession: false }, false],
	["at level 3", { level: 3, cleanSession: false }, false],
] as const) {
	test(`1,000 times subscribed and unsubscribed, ${what}: nothing piles up`, () => {
		const made = connected(options);
		const { client } = made;
		const stays = subscribed(made, "a", []);
		for (let round = 1; round <= 1_000; round++) {
			const subscription = client.subscribe(round % 2 === 0 ? "b" : `b/${round}/+`, 1, nothing);
			if (round % 3 !== 0) answerAll(made);
			client.unsubscribe(subscription);
			if (round % 5 !== 0) answerAll(made);
			if (round % 10 === 0) {
				made.sent();
				reconnect(made, present);
				answerAll(made);
			}
			assert.ok(requests(client) <= 5, `${requests(client)} requests`);
		}
		assert.equal(stays.granted, 1);
		assert.equal(client.status.stray, 0);
		assert.equal(client.status.connections, 101);
	});
}

test("1,000 times subscribed and unsubscribed, answered in packs: nothing piles up", () => {
	const made = connected();
	const { client } = made;
	for (let round = 0; round < 100; round++) {
		const all = Array.from({ length: 10 }, (_, i) => client.subscribe(`a/${i}`, 0, nothing));
		for (const one of all) client.unsubscribe(one);
		assert.equal(answerAll(made).length, 20);
	}
	assert.ok(requests(client) <= 10, `${requests(client)} requests`);
	assert.equal(client.status.stray, 0);
});

test("1,000 times the same filter beside one that stays: nothing piles up, and the broker hears of it once each time", () => {
	const made = connected();
	const { client } = made;
	subscribed(made, "a", []);
	for (let round = 0; round < 1_000; round++) {
		const subscription = client.subscribe("a", 1, nothing);
		assert.equal(answerAll(made).length, 1);
		client.unsubscribe(subscription);
		assert.deepEqual(made.sent(), []);
	}
	assert.ok(requests(client) <= 2, `${requests(client)} requests`);
});

test("1,000 times subscribed and unsubscribed without a connection: nothing piles up", () => {
	for (const made of [scene(), scene({ cleanSession: false })]) {
		for (let round = 0; round < 1_000; round++) made.client.unsubscribe(made.client.subscribe("a", 1, nothing));
		assert.ok(requests(made.client) <= 2, `${requests(made.client)} requests`);
		made.client.start();
		accept(made);
		assert.ok(made.sent().length <= 1);
	}
});

test("a message published behind an UNSUBSCRIBE goes out behind it, through a link that takes little", () => {
	const made = connected({ output: 32 });
	const subscription = subscribed(made, "a", []);
	made.network.room = 0;
	made.client.unsubscribe(subscription);
	made.client.topic("t").publish(utf8("1"));
	for (let step = 0; step < 100; step++) made.network.writable(1);
	assert.deepEqual(made.sent(), ["UNSUBSCRIBE id 2 a", "PUBLISH t '1'"]);
});
