/** What a topic does with a full outbox, and with messages that grow old. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Age, ExactlyOnce, State, Stream, type Topic, type TopicOptions } from "../../src/client.js";
import { accept, connected, reconnect, type Scene, scene } from "../support/client.js";
import { joined, utf8 } from "../support/hex.js";
import { connack, PacketReader, puback, pubcomp, pubrec, readable } from "../support/packets.js";
import { type Random, seeded } from "../support/random.js";
import { ScriptedNetwork } from "../support/scripted.js";

/** A text of ten bytes that begins with this: four such records fill an outbox of 64. */
const ten = (text: string) => utf8(text.padEnd(10, "."));

/** Starts, and tells what went out, without the CONNECT. */
function sentOnceConnected(made: Scene): string[] {
	made.client.start();
	accept(made);
	return made.sent();
}

/** The payloads of PUBLISHes, up to the first full stop. */
const texts = (lines: string[]) => lines.map((line) => /'([^.']*)/.exec(line)?.[1]);

/** Only the counters of messages that were not sent. */
function counters({ client }: Scene) {
	const { rejected, oversized, expired, dropped, replaced } = client.status;
	return { rejected, oversized, expired, dropped, replaced };
}

const NOTHING = { rejected: 0, oversized: 0, expired: 0, dropped: 0, replaced: 0 };

// A full outbox

for (const whenFull of [undefined, "reject"] as const) {
	test(`whenFull ${whenFull}: a full outbox refuses, and what waits there stays`, () => {
		const made = scene({ outbox: 64 });
		const topic = made.client.topic("t", { qos: 1, whenFull });
		for (const text of ["1", "2", "3", "4"]) assert.equal(topic.publish(ten(text)), true);
		assert.equal(topic.publish(ten("5")), false);
		assert.equal(topic.publish(new Uint8Array(0)), false);
		assert.deepEqual(counters(made), { ...NOTHING, rejected: 2 });
		assert.equal(made.client.status.accepted, 4);
		assert.deepEqual(texts(sentOnceConnected(made)), ["1", "2", "3", "4"]);
	});
}

for (const qos of [0, 1, 2] as const) {
	test(`drop-oldest at QoS ${qos}: the oldest one goes for each that comes, and the order stays`, () => {
		const made = scene({ outbox: 64, exactlyOnce: new ExactlyOnce() });
		const topic = made.client.topic("t", { qos, whenFull: "drop-oldest" });
		for (let i = 1; i <= 10; i++) assert.equal(topic.publish(ten(String(i))), true);
		assert.deepEqual(counters(made), { ...NOTHING, dropped: 6 });
		assert.equal(made.client.status.accepted, 10);
		assert.equal(made.client.status.outbox.used, 64);
		assert.deepEqual(texts(sentOnceConnected(made)), ["7", "8", "9", "10"]);
	});

	test(`latest at QoS ${qos}: one waits at most, also where there is room`, () => {
		const made = scene({ exactlyOnce: new ExactlyOnce() });
		const topic = made.client.topic("t", { qos, whenFull: "latest" });
		for (let i = 1; i <= 10; i++) assert.equal(topic.publish(ten(String(i))), true);
		assert.deepEqual(counters(made), { ...NOTHING, replaced: 9 });
		assert.equal(made.client.status.outbox.used, 16);
		assert.deepEqual(texts(sentOnceConnected(made)), ["10"]);
	});
}

test("drop-oldest lets go as few as the new one needs", () => {
	const made = scene({ outbox: 64 });
	const topic = made.client.topic("t", { qos: 1, whenFull: "drop-oldest" });
	for (const text of ["1", "2", "3", "4"]) topic.publish(ten(text));
	assert.equal(topic.publish(utf8("large".padEnd(27, "."))), true); // 33 bytes: three records of 16
	assert.equal(made.client.status.dropped, 3);
	assert.equal(topic.publish(utf8("s".padEnd(9, "."))), true); // 15 bytes: those that are free
	assert.equal(made.client.status.dropped, 3);
	assert.equal(made.client.status.outbox.used, 64);
	assert.deepEqual(texts(sentOnceConnected(made)), ["4", "large", "s"]);
});

test("drop-oldest and latest let nothing of other topics go, neither the same name at another QoS", () => {
	for (const whenFull of ["drop-oldest", "latest"] as const) {
		const made = scene({ outbox: 64 });
		const own = made.client.topic("t", { qos: 1, whenFull });
		const others = [made.client.topic("t", { whenFull }), made.client.topic("u", { qos: 1 })];
		others[0].publish(ten("a"));
		own.publish(ten("1"));
		others[1].publish(ten("b"));
		others[1].publish(ten("c"));
		assert.equal(own.publish(ten("2")), true);
		assert.equal(own.publish(ten("3")), true);
		assert.deepEqual(texts(sentOnceConnected(made)), ["a", "b", "c", "3"]);
	}
});

for (const whenFull of ["drop-oldest", "latest"] as const) {
	test(`${whenFull}: where all of them would not make room nothing goes, and publish says false`, () => {
		const made = scene({ outbox: 64 });
		const own = made.client.topic("t", { qos: 1, whenFull });
		const other = made.client.topic("u", { qos: 1 });
		own.publish(ten("1"));
		for (const text of ["a", "b"]) other.publish(ten(text));
		assert.equal(own.publish(utf8("x".repeat(27))), false, "33 bytes, and only 32 can be had");
		assert.deepEqual(counters(made), { ...NOTHING, rejected: 1 });
		assert.equal(made.client.status.outbox.used, 48);
		assert.equal(own.publish(utf8("y".repeat(26))), true, "32 bytes");
		assert.equal(made.client.status.outbox.used, 64);
		assert.deepEqual(texts(sentOnceConnected(made)), ["a", "b", "y".repeat(26)]);
	});

	test(`${whenFull}: for a message larger than the outbox nothing goes`, () => {
		const made = scene({ outbox: 64 });
		const topic = made.client.topic("t", { qos: 1, whenFull });
		topic.publish(ten("1"));
		assert.equal(topic.publish(new Uint8Array(59)), false);
		assert.equal(topic.publish(new Uint8Array(70_000)), false);
		assert.equal(topic.publish(ten("2"), 11), false, "more than the array has");
		assert.deepEqual(counters(made), { ...NOTHING, oversized: 2, rejected: 1 });
		assert.deepEqual(texts(sentOnceConnected(made)), ["1"]);
	});

	test(`${whenFull}: a message that was sent stays until it is acknowledged`, () => {
		const made = connected({ outbox: 64, cleanSession: false });
		const { client, network, sent } = made;
		const topic = client.topic("t", { qos: 1, whenFull });
		for (const text of ["1", "2", "3", "4"]) topic.publish(ten(text));
		assert.deepEqual(texts(sent()), ["1", "2", "3", "4"]);
		assert.equal(topic.publish(ten("5")), false);
		network.break();
		assert.equal(topic.publish(ten("5")), false, "without a link, too");
		reconnect(made, true);
		assert.deepEqual(texts(sent()), ["1", "2", "3", "4"]);
		assert.equal(topic.publish(ten("5")), false);
		network.receive(puback(1));
		assert.equal(topic.publish(ten("6")), true);
		assert.deepEqual(texts(sent()), ["6"]);
		assert.deepEqual(counters(made), { ...NOTHING, rejected: 3 });
	});

	test(`${whenFull}: a message at QoS 2 that the broker has received stays`, () => {
		const made = connected({ outbox: 64, exactlyOnce: new ExactlyOnce(), cleanSession: false });
		const topic = made.client.topic("t", { qos: 2, whenFull });
		for (const text of ["1", "2", "3", "4"]) topic.publish(ten(text));
		for (const id of [1, 2, 3]) made.network.receive(pubrec(id));
		made.network.break();
		assert.equal(topic.publish(ten("5")), false);
		reconnect(made, true);
		assert.deepEqual(made.sent().length, 4);
		for (const id of [1, 2, 3]) made.network.receive(pubcomp(id));
		assert.equal(topic.publish(ten("5")), true);
		assert.deepEqual(counters(made), { ...NOTHING, rejected: 1 });
	});

	test(`${whenFull}: the message whose PUBLISH has begun to go out stays`, () => {
		const made = connected({ outbox: 64, output: 32 });
		const { client, network } = made;
		network.room = 0;
		const topic = client.topic("a".repeat(20), { qos: 1, whenFull });
		for (const text of ["1", "2", "3", "4"]) topic.publish(ten(text));
		for (const text of ["5", "6", "7"]) assert.equal(topic.publish(ten(text)), true);
		const pieces: Uint8Array[] = [];
		for (let i = 0; i < 100; i++) {
			network.writable(7);
			pieces.push(network.taken());
		}
		const expected = whenFull === "latest" ? ["1", "7"] : ["1", "5", "6", "7"];
		assert.deepEqual(texts(readable(joined(pieces))), expected);
	});

	test(`${whenFull}: one that had begun to go out when the link broke was never sent`, () => {
		const made = connected({ outbox: 64, output: 32 });
		const { client, network } = made;
		network.room = 7;
		const topic = client.topic("a".repeat(20), { qos: 1, whenFull });
		topic.publish(utf8("1".repeat(50)));
		network.break();
		assert.equal(topic.publish(utf8("2".repeat(50))), true);
		network.taken();
		reconnect(made);
		const pieces: Uint8Array[] = [];
		for (let i = 0; i < 10; i++) {
			pieces.push(network.taken());
			network.writable(1_000);
		}
		assert.deepEqual(texts(readable(joined(pieces))), ["2".repeat(50)]);
	});

	test(`${whenFull}: what waits behind a full window may go, and what is in the window may not`, () => {
		const made = connected({ outbox: 64, window: 2 });
		const topic = made.client.topic("t", { qos: 1, whenFull });
		for (const text of ["1", "2", "3", "4", "5", "6", "7"]) assert.equal(topic.publish(ten(text)), true);
		assert.deepEqual(texts(made.sent()), ["1", "2"]);
		for (const id of [1, 2]) made.network.receive(puback(id));
		assert.deepEqual(texts(made.sent()), whenFull === "latest" ? ["7"] : ["6", "7"]);
	});

	test(`${whenFull}: while the link takes all of it nothing goes`, () => {
		const made = connected({ outbox: 64 });
		const topic = made.client.topic("t", { whenFull });
		for (let i = 0; i < 20; i++) assert.equal(topic.publish(ten(String(i))), true);
		assert.equal(made.sent().length, 20);
		assert.deepEqual(counters(made), NOTHING);
	});
}

test("latest goes to the end: what other topics have published since is in front of it", () => {
	const made = scene();
	const [a, b, c] = ["a", "b", "c"].map((name) => made.client.topic(name, { qos: 1, whenFull: "latest" }));
	for (const topic of [a, b, c, a, c, b]) topic.publish(utf8(String(made.client.status.accepted)));
	assert.deepEqual(sentOnceConnected(made), [
		"PUBLISH a '3' qos 1 id 1",
		"PUBLISH c '4' qos 1 id 2",
		"PUBLISH b '5' qos 1 id 3",
	]);
	assert.equal(made.client.status.replaced, 3);
});

test("two handles of one name are two topics: neither lets go what the other one has", () => {
	const made = scene();
	const [one, other] = [1, 2].map(() => made.client.topic("t", { qos: 1, whenFull: "latest" }));
	one.publish(utf8("1"));
	other.publish(utf8("2"));
	one.publish(utf8("3"));
	assert.deepEqual(texts(sentOnceConnected(made)), ["2", "3"]);
});

test("publishNumber and a length go through the rules", () => {
	const made = scene({ outbox: 64 });
	const oldest = made.client.topic("t", { qos: 1, whenFull: "drop-oldest" });
	const latest = made.client.topic("u", { qos: 1, whenFull: "latest", age: new Age() });
	for (let i = 0; i < 10; i++) {
		assert.equal(oldest.publishNumber(i + 0.25, 2), true);
		assert.equal(latest.publish(utf8(`${i}, and what is not taken`), 1), true);
		assert.equal(oldest.publishNumber(Number.NaN, 2), false);
		assert.equal(latest.publishNumber(Number.POSITIVE_INFINITY, 0), false);
	}
	assert.deepEqual(counters(made), { ...NOTHING, dropped: 5, replaced: 9 });
	assert.deepEqual(texts(sentOnceConnected(made)).slice(-1), ["9,0"]);
});

// Expiry

for (const qos of [0, 1, 2] as const) {
	test(`expiry at QoS ${qos}: what was not sent within it is dropped when its turn comes, to the millisecond`, () => {
		const made = scene({ exactlyOnce: new ExactlyOnce() });
		const topic = made.client.topic("t", { qos, expiry: 1.5 });
		const other = made.client.topic("u", { qos });
		for (const text of ["1", "2", "3"]) {
			topic.publish(utf8(text));
			other.publish(utf8(`o${text}`));
			made.network.clock.advance(1);
		}
		made.network.clock.advance(1_498);
		assert.equal(made.client.status.expired, 0, "nobody looks at them before");
		assert.deepEqual(texts(sentOnceConnected(made)), ["o1", "o2", "3", "o3"]);
		assert.deepEqual(counters(made), { ...NOTHING, expired: 2 });
	});
}

test("what expires makes room where it is needed, whatever its topic", () => {
	for (const whenFull of ["reject", "drop-oldest", "latest"] as const) {
		const made = scene({ outbox: 64 });
		const old = made.client.topic("old", { qos: 1, expiry: 1 });
		const topic = made.client.topic("t", { qos: 1, whenFull });
		for (const text of ["1", "2"]) old.publish(utf8(text.padEnd(6, "."))); // with the time, 16 bytes each
		topic.publish(ten("3"));
		old.publish(utf8("4....."));
		assert.equal(old.publish(utf8("5....."), 6), false);
		made.network.clock.advance(999);
		assert.equal(old.publish(utf8("5....."), 6), false);
		made.network.clock.advance(1);
		assert.equal(topic.publish(utf8("6".padEnd(42, "."))), true, "the room of three");
		assert.deepEqual(counters(made), {
			...NOTHING,
			rejected: 2,
			expired: 3,
			replaced: whenFull === "latest" ? 1 : 0,
		});
		assert.deepEqual(texts(sentOnceConnected(made)), whenFull === "latest" ? ["6"] : ["3", "6"]);
	}
});

test("what expires makes room for a topic without rules, too", () => {
	const made = scene({ outbox: 64 });
	const old = made.client.topic("old", { qos: 1, expiry: 1 });
	while (old.publish(utf8("1....."))) {}
	made.network.clock.advance(1_000);
	assert.equal(made.client.topic("t", { qos: 1 }).publish(ten("2")), true);
	assert.deepEqual(texts(sentOnceConnected(made)), ["2"]);
});

test("what has expired goes in front of what is dropped, as little of both as the new one needs", () => {
	const made = scene({ outbox: 64 });
	const topic = made.client.topic("t", { qos: 1, whenFull: "drop-oldest", expiry: 1 });
	topic.publish(utf8("1....."));
	topic.publish(utf8("2....."));
	made.network.clock.advance(500);
	topic.publish(utf8("3....."));
	topic.publish(utf8("4....."));
	made.network.clock.advance(500);
	topic.publish(utf8("5....."));
	assert.deepEqual(counters(made), { ...NOTHING, expired: 1 });
	topic.publish(utf8("6....."));
	assert.deepEqual(counters(made), { ...NOTHING, expired: 2 });
	topic.publish(utf8("7....."));
	assert.deepEqual(counters(made), { ...NOTHING, expired: 2, dropped: 1 });
	assert.deepEqual(texts(sentOnceConnected(made)), ["4", "5", "6", "7"]);
});

test("a message that is refused makes nothing expire", () => {
	const made = scene({ outbox: 64 });
	const topic = made.client.topic("t", { qos: 1, expiry: 1 });
	topic.publish(utf8("1....."));
	made.network.clock.advance(500);
	for (const text of ["2.....", "3.....", "4....."]) topic.publish(utf8(text));
	made.network.clock.advance(500);
	assert.equal(topic.publish(utf8("x".repeat(7))), false);
	assert.deepEqual(counters(made), { ...NOTHING, rejected: 1 });
	assert.deepEqual(texts(sentOnceConnected(made)), ["2", "3", "4"]);
});

for (const qos of [1, 2] as const) {
	test(`expiry at QoS ${qos}: what was sent once does not expire, however long it takes`, () => {
		const made = connected({ exactlyOnce: new ExactlyOnce(), cleanSession: false, keepAlive: 0 });
		const topic = made.client.topic("t", { qos, expiry: 1 });
		topic.publish(utf8("1"));
		assert.deepEqual(made.sent(), [`PUBLISH t '1' qos ${qos} id 1`]);
		for (let round = 0; round < 3; round++) {
			made.network.clock.advance(100_000_000);
			reconnect(made, true);
			assert.deepEqual(made.sent(), [`PUBLISH t '1' qos ${qos} id 1 dup`]);
		}
		assert.deepEqual(counters(made), NOTHING);
	});
}

test("what waits behind a full window expires there", () => {
	const made = connected({ window: 1, keepAlive: 0 });
	const topic = made.client.topic("t", { qos: 1, expiry: 10 });
	for (const text of ["1", "2", "3"]) topic.publish(utf8(text));
	made.network.clock.advance(9_999);
	topic.publish(utf8("4"));
	made.network.clock.advance(1);
	assert.deepEqual(texts(made.sent()), ["1"]);
	made.network.receive(puback(1));
	assert.deepEqual(made.sent(), ["PUBLISH t '4' qos 1 id 2"], "and it needed no identifier");
	assert.equal(made.client.status.expired, 2);
});

test("a PUBLISH that goes out in pieces is not cut off when its message expires", () => {
	const made = connected({ output: 32, outbox: 1024, keepAlive: 0 });
	const { client, network } = made;
	network.room = 0;
	const topic = client.topic("t", { qos: 1, expiry: 1 });
	const text = "0123456789".repeat(20);
	topic.publish(utf8(text));
	topic.publish(utf8("2"));
	const pieces: Uint8Array[] = [];
	for (let i = 0; i < 100; i++) {
		network.writable(5);
		network.clock.advance(50);
		pieces.push(network.taken());
	}
	assert.deepEqual(readable(joined(pieces)), [`PUBLISH t '${text}' qos 1 id 1`]);
	assert.equal(client.status.expired, 1);
	network.receive(puback(1));
	assert.equal(client.status.outbox.used, 0);
});

test("nothing is left where all that waited has expired, and the client goes on", () => {
	const made = scene({ outbox: 64 });
	const topic = made.client.topic("t", { qos: 1, expiry: 1 });
	while (topic.publish(utf8("123456"))) {}
	made.network.clock.advance(1_000);
	assert.deepEqual(sentOnceConnected(made), []);
	assert.equal(made.client.status.expired, 4);
	assert.equal(made.client.status.outbox.used, 0);
	topic.publish(utf8("5"));
	assert.deepEqual(made.sent(), ["PUBLISH t '5' qos 1 id 1"]);
	made.network.receive(puback(1));
	assert.equal(made.client.status.delivered, 1);
	assert.equal(made.client.status.outbox.used, 0);
});

test("expiry may be as short as a millisecond, and as long as 2,147,483 seconds", () => {
	const made = scene();
	const short = made.client.topic("s", { expiry: 0.001 });
	const long = made.client.topic("l", { expiry: 2_147_483 });
	short.publish(utf8("1"));
	long.publish(utf8("2"));
	made.network.clock.advance(1);
	short.publish(utf8("3"));
	made.network.clock.advance(2_147_482_998);
	long.publish(utf8("4"));
	assert.deepEqual(texts(sentOnceConnected(made)), ["2", "4"]);
	assert.equal(made.client.status.expired, 2);
	made.network.break();
	long.publish(utf8("5"));
	made.network.clock.now += 2_147_483_000 - 1_000;
	made.network.clock.randomness = 0;
	made.client.retry();
	made.network.clock.advance(1_000);
	made.network.open();
	made.network.receive(connack());
	assert.deepEqual(made.sent(), ["CONNECT"]);
	assert.equal(made.client.status.expired, 3);
});

// Age

const AGES: [string, Age, waited: number, text: string][] = [
	["nothing said", new Age(), 0, "x,0"],
	["nothing said, 999 ms", new Age(), 999, "x,0"],
	["nothing said, a second", new Age(), 1_000, "x,1"],
	["nothing said, a day", new Age(), 86_400_000, "x,86400"],
	["a JSON member", new Age(',"age":', "}"), 84_999, 'x,"age":84}'],
	["only the end", new Age(undefined, "!"), 2_000, "x,2!"],
	["nothing around it", new Age(""), 2_000, "x2"],
	["one digit behind the point", new Age(",", "", 1), 2_950, "x,2.9"],
	["two digits", new Age(",", "", 2), 290, "x,0.29"],
	["two digits, rounded down", new Age(",", "", 2), 1_149, "x,1.14"],
	["three digits", new Age(",", "", 3), 1_001, "x,1.001"],
	["three digits of nothing", new Age(",", "", 3), 0, "x,0.000"],
	["the longest time", new Age(",", "", 3), 2_147_483_647, "x,2147483.647"],
	["other alphabets", new Age(" µ", "°ß"), 5_000, "x µ5°ß"],
];

for (const [what, age, waited, text] of AGES) {
	test(`the age of a message stands behind its payload: ${what}`, () => {
		const made = scene();
		made.client.topic("t", { age }).publish(utf8("x"));
		made.network.clock.now += waited;
		assert.deepEqual(sentOnceConnected(made), [`PUBLISH t '${text}'`]);
	});
}

test("every number of milliseconds is rounded down, whatever the decimals", () => {
	for (const decimals of [0, 1, 2, 3]) {
		const made = connected({ outbox: 64, keepAlive: 0 });
		const topic = made.client.topic("t", { age: new Age("", "", decimals) });
		for (let waited = 0; waited < 2_100; waited += 7) {
			made.network.room = 0;
			topic.publish(new Uint8Array(0));
			made.network.clock.now += waited;
			made.network.writable(1_000);
			// The first one had room in the output, and was there at once.
			topic.publish(new Uint8Array(0));
			made.sent();
		}
		assert.equal(made.client.status.sent, 600);
	}
	const made = scene({ outbox: 8_192 });
	const topics = [0, 1, 2, 3].map((decimals) => made.client.topic("t", { age: new Age("", "", decimals) }));
	const { clock } = made.network;
	const expected: string[] = [];
	for (let waited = 2_099; waited >= 0; waited -= 13) {
		clock.now = 10_000 - waited;
		for (const [decimals, topic] of topics.entries()) {
			topic.publish(new Uint8Array(0));
			const digits = String(waited).padStart(4, "0");
			expected.push(
				decimals === 0 ? digits.slice(0, -3) : `${digits.slice(0, -3)}.${digits.slice(-3).slice(0, decimals)}`,
			);
		}
	}
	clock.now = 10_000;
	made.client.start();
	made.network.open();
	made.network.taken();
	made.network.receive(Uint8Array.of(0x20, 2, 0, 0));
	const seen = made.sent().map((line) => /'(.*)'/.exec(line)?.[1]);
	assert.deepEqual(seen, expected);
});

test("each PUBLISH says how old its message is by then", () => {
	const made = connected({ cleanSession: false, keepAlive: 0, retryBase: 2 });
	const topic = made.client.topic("t", { qos: 1, age: new Age() });
	made.network.clock.randomness = 0;
	topic.publish(utf8("x"));
	assert.deepEqual(made.sent(), ["PUBLISH t 'x,0' qos 1 id 1"]);
	for (const seconds of [12, 102, 1_002]) {
		made.network.clock.advance(seconds * 1_000 - made.network.clock.now - 2_000);
		reconnect(made, true);
		assert.deepEqual(made.sent(), [`PUBLISH t 'x,${seconds}' qos 1 id 1 dup`]);
	}
	assert.equal(made.client.status.outbox.used, 11);
});

test("the length of a PUBLISH grows with the age: from one byte to two where it comes to 128", () => {
	const made = connected({ cleanSession: false, keepAlive: 0, retryBase: 2, outbox: 1024 });
	made.network.clock.randomness = 0;
	const topic = made.client.topic("t", { qos: 1, age: new Age() });
	const text = "x".repeat(120); // 2 + 1 + 2 + 120 + 2 is 127
	topic.publish(utf8(text));
	const first = made.network.taken();
	assert.equal(first[1], 127);
	assert.deepEqual(readable(first), [`PUBLISH t '${text},0' qos 1 id 1`]);
	made.network.clock.advance(8_000);
	reconnect(made, true);
	const second = made.network.taken();
	assert.deepEqual([second[1], second[2]], [0x80, 1]);
	assert.deepEqual(readable(second), [`PUBLISH t '${text},10' qos 1 id 1 dup`]);
});

for (const output of [32, 64, 256]) {
	for (const room of [1, 2, 3, 5, 11, 31, 32, 33, 1_000]) {
		test(`an aged message goes out whole through an output of ${output} and a link that takes ${room} at a time`, () => {
			const made = connected({ outbox: 2_048, output, keepAlive: 0 });
			const { client, network } = made;
			const age = new Age('{"age":', "}", 3);
			const small = client.topic("s", { qos: 1, age });
			const large = client.topic("large", { qos: 1, age });
			const plain = client.topic("p", { qos: 1 });
			network.room = 0;
			const text = "0123456789".repeat(30);
			const pieces: Uint8Array[] = [];
			const passes = (count: number) => {
				for (let i = 0; i < count; i++) {
					network.writable(room);
					network.clock.advance(1);
					pieces.push(network.taken());
				}
			};
			for (let i = 0; i < 3; i++) {
				small.publish(utf8(`s${i}`));
				plain.publish(utf8(`p${i}`));
				large.publish(utf8(text));
				passes(10);
			}
			passes(1_500);
			const lines = readable(joined(pieces)).map((line) => line.replace(/\d+\.\d{3}\}/, "AGE}"));
			const expected: string[] = [];
			for (let i = 0; i < 3; i++) {
				expected.push(`PUBLISH s 's${i}{"age":AGE}' qos 1 id ${3 * i + 1}`);
				expected.push(`PUBLISH p 'p${i}' qos 1 id ${3 * i + 2}`);
				expected.push(`PUBLISH large '${text}{"age":AGE}' qos 1 id ${3 * i + 3}`);
			}
			assert.deepEqual(lines, expected);
			for (let id = 1; id <= 9; id++) network.receive(puback(id));
			assert.equal(client.status.outbox.used, 0);
		});
	}
}

test("the age is the one at the beginning of a PUBLISH, also where that takes long", () => {
	const made = connected({ outbox: 1_024, output: 32, keepAlive: 0 });
	const { client, network } = made;
	network.room = 0;
	const age = new Age("|", "|", 0);
	const slow = client.topic("slow", { qos: 1, age });
	const quick = client.topic("quick", { age });
	slow.publish(utf8("x".repeat(100)));
	network.clock.advance(5_000);
	network.writable(7);
	const pieces = [network.taken()];
	quick.publish(utf8("y"));
	for (let i = 0; i < 50; i++) {
		network.clock.advance(4_000);
		network.writable(7);
		pieces.push(network.taken());
	}
	const lines = readable(joined(pieces));
	assert.equal(lines[0], `PUBLISH slow '${"x".repeat(100)}|0|' qos 1 id 1`);
	assert.match(lines[1], /^PUBLISH quick 'y\|\d\d\|'$/);
});

test("a topic that is made with the same Age while a message goes out in pieces leaves that as it is", () => {
	const made = connected({ outbox: 1_024, output: 32, keepAlive: 0 });
	const age = new Age("|", "|", 3);
	made.network.room = 10;
	made.client.topic("a", { qos: 1, age }).publish(utf8("x".repeat(100)));
	const pieces = [made.network.taken()];
	for (let i = 0; i < 20; i++) {
		made.client.topic(`b${i}`, { age });
		made.network.writable(7);
		pieces.push(made.network.taken());
	}
	assert.deepEqual(readable(joined(pieces)), [`PUBLISH a '${"x".repeat(100)}|0.000|' qos 1 id 1`]);
});

test("the age of a message that is cut off is written anew on the next connection", () => {
	const made = connected({ outbox: 1_024, output: 32, keepAlive: 0, retryBase: 2 });
	const { network } = made;
	network.clock.randomness = 0;
	network.room = 40;
	made.client.topic("t", { qos: 1, age: new Age() }).publish(utf8("x".repeat(100)));
	network.clock.advance(3_000);
	reconnect(made);
	const pieces: Uint8Array[] = [];
	for (let i = 0; i < 10; i++) {
		pieces.push(network.taken());
		network.writable(1_000);
	}
	assert.deepEqual(readable(joined(pieces)), [`PUBLISH t '${"x".repeat(100)},5' qos 1 id 1`]);
});

test("an age and an expiry together take four bytes of the outbox, as each of them alone", () => {
	for (const options of [{ expiry: 1 }, { age: new Age() }, { expiry: 1, age: new Age("0123456789", "0123456789") }]) {
		const made = scene({ outbox: 64 });
		const topic = made.client.topic("t", { qos: 1, ...options });
		assert.equal(topic.publish(utf8("x".repeat(55))), false);
		assert.equal(made.client.status.oversized, 1);
		assert.equal(topic.publish(utf8("x".repeat(54))), true);
		assert.equal(made.client.status.outbox.used, 64);
		assert.equal(topic.publish(new Uint8Array(0)), false);
		assert.equal(made.client.status.rejected, 1);
	}
	const made = scene({ outbox: 64 });
	made.client.topic("t", { qos: 1, whenFull: "latest" }).publish(utf8("x".repeat(54)));
	assert.equal(made.client.status.outbox.used, 60, "whenFull takes none");
});

test("an aged payload may have 65,531 bytes, with whatever behind it", () => {
	const made = connected({ outbox: 70_000 });
	const topic = made.client.topic("t", { qos: 1, age: new Age() });
	assert.equal(topic.publish(new Uint8Array(65_532)), false);
	assert.equal(made.client.status.oversized, 1);
	assert.equal(topic.publish(new Uint8Array(65_531).fill(0x61)), true);
	for (let i = 0; i < 300; i++) made.network.writable(1_000);
	assert.deepEqual(made.sent(), [`PUBLISH t '${"a".repeat(65_531)},0' qos 1 id 1`]);
});

test("with a rule that has a time a message goes through the outbox at QoS 0, and leaves nothing there", () => {
	const made = connected({ outbox: 64 });
	const { client, sent } = made;
	client.topic("t", { expiry: 1 }).publish(utf8("1"));
	client.topic("t", { age: new Age() }).publish(utf8("2"));
	client.topic("t", { whenFull: "latest" }).publish(utf8("3"));
	assert.deepEqual(sent(), ["PUBLISH t '1'", "PUBLISH t '2,0'", "PUBLISH t '3'"]);
	assert.equal(client.status.outbox.used, 0);
	assert.equal(client.status.outbox.peak, 11);
	assert.deepEqual([client.status.accepted, client.status.sent], [3, 3]);
});

test("an empty retained message with an age is no empty one", () => {
	const { client, sent } = connected();
	client.topic("t", { retain: true, age: new Age("") }).publish(new Uint8Array(0));
	assert.deepEqual(sent(), ["PUBLISH t '0' retain"]);
});

// The clock

for (const [begin, what] of [
	[2 ** 32 - 500, "2^32"],
	[2 ** 31 - 500, "2^31"],
] as const) {
	test(`ages and expiry go on where the clock passes ${what}`, () => {
		const network = new ScriptedNetwork();
		network.clock.now = begin;
		const made = scene({}, network);
		const aged = made.client.topic("a", { age: new Age(",", "", 3) });
		const expiring = made.client.topic("e", { expiry: 1 });
		aged.publish(utf8("1"));
		expiring.publish(utf8("2"));
		network.clock.advance(999);
		expiring.publish(utf8("3"));
		network.clock.advance(1);
		assert.deepEqual(sentOnceConnected(made), ["PUBLISH a '1,1.000'", "PUBLISH e '3'"]);
		assert.equal(made.client.status.expired, 1);
	});
}

test("where the clock was set back a message is new: its age is 0, and it has not expired", () => {
	for (const back of [1, 1_000, 2 ** 31]) {
		const network = new ScriptedNetwork();
		network.clock.now = 2 ** 31 + 5_000;
		const made = scene({}, network);
		made.client.topic("a", { age: new Age() }).publish(utf8("1"));
		made.client.topic("e", { expiry: 0.001 }).publish(utf8("2"));
		network.clock.now -= back;
		assert.deepEqual(sentOnceConnected(made), ["PUBLISH a '1,0'", "PUBLISH e '2'"]);
	}
});

test("a time of 2^31 milliseconds and more counts as none", () => {
	const made = scene();
	made.client.topic("a", { age: new Age() }).publish(utf8("1"));
	made.client.topic("e", { expiry: 1 }).publish(utf8("2"));
	made.network.clock.now = 2 ** 31;
	assert.deepEqual(sentOnceConnected(made), ["PUBLISH a '1,0'", "PUBLISH e '2'"]);
});

// What the options may be

const COMPLAINTS: [string, unknown, RegExp][] = [
	[
		"whenFull",
		{ whenFull: "oldest" },
		/^Error: mqtt-mote: whenFull must be "reject", "drop-oldest" or "latest", not "oldest"$/,
	],
	["whenFull null", { whenFull: null }, /^Error: mqtt-mote: whenFull must be .* not null$/],
	["whenFull 1", { whenFull: 1 }, /^Error: mqtt-mote: whenFull must be .* not 1$/],
	["expiry 0", { expiry: 0 }, /^Error: mqtt-mote: expiry \(seconds\) must be a number from 0\.001 to 2147483, not 0$/],
	["expiry -1", { expiry: -1 }, /^Error: mqtt-mote: expiry \(seconds\) must be a number from .* not -1$/],
	["expiry NaN", { expiry: Number.NaN }, /^Error: mqtt-mote: expiry \(seconds\) must be a number from .* not NaN$/],
	["expiry of 2,147,484", { expiry: 2_147_484 }, /^Error: mqtt-mote: expiry .* not 2147484$/],
	["expiry as a text", { expiry: "60" }, /^Error: mqtt-mote: expiry .* not "60"$/],
	["expiry null", { expiry: null }, /^Error: mqtt-mote: expiry .* not null$/],
	["age true", { age: true }, /^Error: mqtt-mote: age must be a new Age\(\)$/],
	["age null", { age: null }, /^Error: mqtt-mote: age must be a new Age\(\)$/],
	["an age at QoS 2", { qos: 2, age: new Age() }, /^Error: mqtt-mote: age needs QoS 0 or 1: at QoS 2 /],
	["age as a text", { age: "," }, /^Error: mqtt-mote: age must be a new Age\(\)$/],
];

for (const [what, options, about] of COMPLAINTS) {
	test(`a topic with ${what} is refused with a sentence`, () => {
		const { client } = scene({ exactlyOnce: new ExactlyOnce() });
		assert.throws(() => client.topic("t", options as TopicOptions), about);
		assert.throws(() => new Stream(client, "t", options as TopicOptions), about);
	});
}

test("an Age that cannot be written is refused with a sentence", () => {
	const make = (...texts: unknown[]) => new Age(...(texts as ConstructorParameters<typeof Age>));
	assert.throws(() => make(7), /^Error: mqtt-mote: Age is put between two texts$/);
	assert.throws(() => make(",", null), /^Error: mqtt-mote: Age is put between two texts$/);
	for (const decimals of [-1, 4, 0.5, Number.NaN, "1", null]) {
		assert.throws(() => make(",", "", decimals), /^Error: mqtt-mote: decimals of Age must be a /);
	}
});

test("a stream takes no rules", () => {
	const { client } = scene();
	for (const options of [{ whenFull: "latest" }, { whenFull: "reject" }, { expiry: 1 }, { age: new Age() }] as const) {
		assert.throws(
			() => new Stream(client, "t", options),
			/^Error: mqtt-mote: a stream takes no whenFull, expiry or age$/,
		);
	}
});

test("a stream that waits is not dropped, neither is what waits behind it out of order", () => {
	const made = scene({ outbox: 64 });
	const stream = new Stream(made.client, "s", { qos: 1 });
	const topic = made.client.topic("t", { qos: 1, whenFull: "drop-oldest" });
	topic.publish(ten("1"));
	stream.publish(3, {
		read(bytes, at, offset) {
			bytes[at] = 0x61 + offset;
			return 1;
		},
	});
	for (let i = 2; i <= 9; i++) topic.publish(ten(String(i)));
	assert.equal(made.client.status.outbox.used, 54);
	assert.deepEqual(texts(sentOnceConnected(made)), ["abc", "7", "8", "9"]);
});

// The peak

test("outbox.peak is the most that the outbox has held", () => {
	const made = connected({ outbox: 256, exactlyOnce: new ExactlyOnce() });
	const { client, network } = made;
	const { outbox } = client.status;
	assert.deepEqual([outbox.used, outbox.peak, outbox.size], [0, 0, 256]);
	const topic = client.topic("t", { qos: 1 });
	for (let i = 0; i < 3; i++) topic.publish(ten("x"));
	assert.deepEqual([outbox.used, outbox.peak], [48, 48]);
	for (const id of [2, 1, 3]) network.receive(puback(id));
	assert.deepEqual([outbox.used, outbox.peak], [0, 48]);
	topic.publish(ten("x"));
	assert.deepEqual([outbox.used, outbox.peak], [16, 48]);
	network.break();
	const latest = client.topic("u", { whenFull: "latest", age: new Age() });
	for (let i = 0; i < 10; i++) latest.publish(new Uint8Array(20));
	assert.deepEqual([outbox.used, outbox.peak], [46, 48]);
	latest.publish(new Uint8Array(23));
	assert.deepEqual([outbox.used, outbox.peak], [49, 49]);
	assert.equal(topic.publish(new Uint8Array(300)), false);
	assert.equal(outbox.peak, 49);
});

test("the holes of acknowledged messages do not count for the peak", () => {
	const made = connected({ outbox: 1_024 });
	const topic = made.client.topic("t", { qos: 1 });
	topic.publish(ten("stays"));
	for (let id = 2; id < 40; id++) {
		topic.publish(ten("goes"));
		made.network.receive(puback(id));
	}
	assert.equal(made.client.status.outbox.peak, 32);
});

// All of it, against the plainest thing that does the same

interface Waiting {
	topic: number;
	text: string;
	size: number;
	time: number;
}

/** What should wait, and what was counted. */
class Model {
	readonly waiting: Waiting[] = [];
	readonly counts = { ...NOTHING };

	constructor(
		private readonly size: number,
		private readonly topics: readonly TopicOptions[],
	) {}

	publish(topic: number, text: string, time: number): boolean {
		const { whenFull, expiry, age } = this.topics[topic];
		const size = 6 + text.length + (expiry || age ? 4 : 0);
		if (size > this.size) {
			this.counts.oversized++;
			return false;
		}
		const own = this.waiting.filter((one) => one.topic === topic && whenFull !== undefined && whenFull !== "reject");
		const old = this.waiting.filter((one) => this.isOver(one, time));
		const free = () => this.size - sizeOf(this.waiting);
		if (free() + sizeOf([...new Set([...own, ...old])]) < size) {
			this.counts.rejected++;
			return false;
		}
		for (const one of old) if (free() < size) this.remove(one, "expired");
		for (const one of own) {
			if (whenFull === "latest") this.remove(one, "replaced");
			else if (free() < size) this.remove(one, "dropped");
		}
		this.waiting.push({ topic, text, size, time });
		return true;
	}

	expire(time: number): void {
		for (const one of this.waiting.slice()) if (this.isOver(one, time)) this.remove(one, "expired");
	}

	private isOver({ topic, time: published }: Waiting, time: number): boolean {
		const { expiry } = this.topics[topic];
		return expiry !== undefined && time - published >= expiry * 1000;
	}

	private remove(one: Waiting, why: "expired" | "dropped" | "replaced"): void {
		const at = this.waiting.indexOf(one);
		if (at === -1) return;
		this.waiting.splice(at, 1);
		this.counts[why]++;
	}
}

const sizeOf = (messages: readonly Waiting[]) => messages.reduce((sum, { size }) => sum + size, 0);

function replay(random: Random): void {
	const size = 64 + 4 * random.below(100);
	const options: TopicOptions[] = Array.from({ length: 1 + random.below(5) }, () => ({
		qos: random.pick([0, 1, 2] as const),
		whenFull: random.pick([undefined, "reject", "drop-oldest", "latest"] as const),
		expiry: random.chance(0.4) ? 1 + random.below(20) : undefined,
		age: random.chance(0.3) ? new Age("|") : undefined,
	}));
	for (const one of options) if (one.qos === 2) one.age = undefined;
	const made = scene({ outbox: size, output: 32 + random.below(300), exactlyOnce: new ExactlyOnce(), window: 1_000 });
	const topics: Topic[] = options.map((one, i) => made.client.topic(`t${i}`, one));
	const model = new Model(size, options);
	const { clock } = made.network;
	for (let step = random.below(60); step >= 0; step--) {
		clock.now += random.below(2_000);
		const topic = random.below(topics.length);
		const text = String(step).padEnd(random.chance(0.1) ? random.below(size) : random.below(30), ".");
		assert.equal(topics[topic].publish(utf8(text)), model.publish(topic, text, clock.now), `step ${step}`);
		assert.equal(made.client.status.outbox.used, sizeOf(model.waiting));
	}
	clock.now += random.below(5_000);
	model.expire(clock.now);
	made.client.start();
	made.network.open();
	made.network.taken();
	made.network.receive(Uint8Array.of(0x20, 2, 0, 0));
	for (let i = 0; i < 50; i++) made.network.writable(10_000);
	const lines = made.sent().map((line) => /^PUBLISH (.*?)( qos .*)?$/.exec(line)?.[1]);
	const expected = model.waiting.map(({ topic, text, time }) => {
		const age = options[topic].age ? `|${Math.floor((clock.now - time) / 1000)}` : "";
		return `t${topic} '${text}${age}'`;
	});
	assert.deepEqual(lines, expected);
	assert.deepEqual(counters(made), model.counts);
	assert.equal(made.client.status.state, State.CONNECTED);
}

test("topics of all kinds hold and send what a plain list of messages would", (t) => {
	const random = seeded((message) => t.diagnostic(message));
	for (let round = 0; round < 2_000; round++) replay(random);
});

test("whatever breaks: all that was taken arrives in order, or was counted as expired, dropped or replaced", (t) => {
	const random = seeded((message) => t.diagnostic(message));
	const made = scene({ cleanSession: false, outbox: 512, output: 64, window: 4, keepAlive: 0, retryCap: 2 });
	const { client, network } = made;
	const age = new Age("|");
	const topics = [
		client.topic("reject", { qos: 1 }),
		client.topic("oldest", { qos: 1, whenFull: "drop-oldest", age }),
		client.topic("latest", { qos: 1, whenFull: "latest" }),
		client.topic("expires", { qos: 1, expiry: 5, age }),
		client.topic("d".repeat(80), { qos: 1, whenFull: "drop-oldest", expiry: 3 }),
	];
	const taken: number[] = [];
	const latest: number[] = [];
	const arrived: number[] = [];
	const seen = new Set<number>();
	let reader = new PacketReader();
	let unanswered: number[] = [];
	client.start();
	for (let step = 0; step < 60_000; step++) {
		const isOver = step > 59_000;
		if (!isOver && random.chance(0.5)) {
			const topic = random.below(topics.length);
			if (topics[topic].publish(utf8(`${step} `.padEnd(random.below(120), ".")))) {
				taken.push(step);
				if (topic === 2) latest.push(step);
			}
		}
		network.clock.advance(random.below(200));
		if (network.isOpening) network.open(random.below(100));
		else if (network.isOpen && !isOver && random.chance(0.005)) network.break();
		else if (network.isOpen) network.writable(isOver || random.chance(0.9) ? 1 + random.below(60) : 0);
		if (!network.isOpen) {
			reader = new PacketReader();
			unanswered = [];
			network.taken();
			continue;
		}
		for (const packet of reader.read(network.taken())) {
			if (packet.cmd === "connect") {
				network.receive(connack(0, taken.length > 0));
				continue;
			}
			assert.ok(packet.cmd === "publish" && packet.messageId !== undefined);
			const number = Number(packet.payload.toString().split(" ")[0]);
			assert.ok(packet.dup || !seen.has(number), `${number} came twice, and not with DUP`);
			if (!seen.has(number)) arrived.push(number);
			seen.add(number);
			unanswered.push(packet.messageId);
		}
		while (network.isOpen && unanswered.length > 0 && random.chance(isOver ? 1 : 0.3)) {
			network.receive(puback(unanswered.splice(random.below(unanswered.length), 1)[0]));
		}
	}
	const { expired, dropped, replaced, accepted, delivered, outbox, violations, stray } = client.status;
	assert.deepEqual([outbox.used, violations, stray], [0, 0, 0]);
	assert.deepEqual(
		arrived,
		taken.filter((one) => seen.has(one)),
		"in order",
	);
	assert.equal(accepted, taken.length);
	assert.equal(delivered, arrived.length);
	assert.equal(arrived.length + expired + dropped + replaced, taken.length);
	assert.ok(Math.min(expired, dropped, replaced) > 30, `${expired} expired, ${dropped} dropped, ${replaced} replaced`);
	assert.ok(seen.has(latest.at(-1) as number));
});
