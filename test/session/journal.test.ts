/** What outlives a reset: each test is several lives of one board, over one store. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
	Age,
	type ClientOptions,
	Deferral,
	ExactlyOnce,
	Journal,
	type Source,
	State,
	Stream,
	type Topic,
} from "../../src/client.js";
import { checksumOf } from "../../src/wire/checksum.js";
import { accept, connected, type Scene, scene } from "../support/client.js";
import { textOf, utf8 } from "../support/hex.js";
import { MemoryStore } from "../support/memory-store.js";
import { connack, puback, pubcomp, publish, pubrec, pubrel, suback } from "../support/packets.js";
import { ScriptedNetwork } from "../support/scripted.js";

interface Life extends Scene {
	journal: Journal;
	store: MemoryStore;
}

interface LifeOptions extends Partial<ClientOptions> {
	/** Seconds. */
	asleep?: number;
	/** What the clock says at the start; boards that reset begin at 0. */
	time?: number;
}

/** The flash of many a board: 16 kB in pages of 4 kB. */
const flash = () => new MemoryStore(4096, 4);

/** So many packet identifiers each life begins further on than the one before ended. */
const LEAP = 64;

/** A client over this store that has not started. Its broker keeps the session. It begins without the leap. */
function life(store: MemoryStore, { asleep, time = 0, ...options }: LifeOptions = {}): Life {
	const journal = new Journal(store, asleep);
	const network = new ScriptedNetwork();
	network.clock.now = time;
	const made = scene({ cleanSession: false, exactlyOnce: new ExactlyOnce(), journal, ...options }, network);
	lastIdentifier(made, -LEAP);
	return { ...made, journal, store };
}

/** Changes the packet identifier that was used last by so many. */
function lastIdentifier({ client }: Scene, by: number): void {
	(client.status as unknown as { identifier: number }).identifier += by;
}

/** The board is reset: the next life over the same bytes. */
function reset(before: Life, options: LifeOptions = {}): Life {
	assert.deepEqual(before.store.complaints, []);
	return life(before.store.restarted(), options);
}

/** Starts; tells what goes out once the broker has accepted. */
function sentAtOnce(made: Life, sessionPresent = true): string[] {
	made.client.start();
	accept(made, sessionPresent);
	return made.sent();
}

/** The payload of a stream: AAA... */
const letters: Source = {
	read(bytes, at, _offset, count) {
		bytes.fill(65, at, at + count);
		return count;
	},
};

const texts = (lines: string[]) => lines.map((line) => /'(.*)'/.exec(line)?.[1] ?? line);

// What was published

test("what was published and never sent goes out after a reset, in order and without DUP", () => {
	const first = life(flash());
	const topics = ([1, 2] as const).map((qos) => first.client.topic(`q${qos}`, { qos, retain: qos === 2 }));
	for (const [i, text] of ["1", "", "3", "4".repeat(300)].entries()) {
		assert.equal(topics[i % 2].publish(utf8(text)), true);
	}
	const second = reset(first);
	assert.equal(second.journal.restored, 4);
	assert.equal(second.journal.damaged, 0);
	assert.equal(second.client.status.outbox.used, first.client.status.outbox.used);
	assert.deepEqual(sentAtOnce(second), [
		"PUBLISH q1 '1' qos 1 id 1",
		"PUBLISH q2 '' qos 2 id 2 retain",
		"PUBLISH q1 '3' qos 1 id 3",
		`PUBLISH q2 '${"4".repeat(300)}' qos 2 id 4 retain`,
	]);
	assert.deepEqual([second.client.status.resent, second.client.status.mayRepeat], [0, 0]);
	for (const id of [2, 4]) for (const answer of [pubrec, pubcomp]) second.network.receive(answer(id));
	for (const id of [1, 3]) second.network.receive(puback(id));
	assert.deepEqual([second.client.status.delivered, second.client.status.outbox.used], [4, 0]);
	const third = reset(second);
	assert.equal(third.journal.restored, 0);
	assert.deepEqual(sentAtOnce(third), []);
});

test("what was sent goes out with DUP and its identifier, in front of what was published since", () => {
	const first = life(flash());
	sentAtOnce(first, false);
	const topic = first.client.topic("t", { qos: 1 });
	const exactly = first.client.topic("e", { qos: 2 });
	for (const text of ["1", "2", "3"]) topic.publish(utf8(text));
	exactly.publish(utf8("4"));
	first.network.receive(puback(2));
	first.network.break();
	topic.publish(utf8("5"));
	const second = reset(first);
	assert.equal(second.journal.restored, 4);
	second.client.topic("t", { qos: 1 }).publish(utf8("6"));
	assert.deepEqual(sentAtOnce(second), [
		"PUBLISH t '1' qos 1 id 1 dup",
		"PUBLISH t '3' qos 1 id 3 dup",
		"PUBLISH e '4' qos 2 id 4 dup",
		"PUBLISH t '5' qos 1 id 5",
		"PUBLISH t '6' qos 1 id 6",
	]);
	assert.equal(second.client.status.resent, 3);
});

for (const present of [true, false]) {
	test(`mayRepeat after a reset, session present ${present}: what may have been sent, for it may be another session`, () => {
		const first = life(flash());
		sentAtOnce(first, false);
		for (const qos of [1, 2] as const) first.client.topic("t", { qos }).publish(utf8(`sent ${qos}`));
		first.network.break();
		for (const qos of [1, 2] as const) first.client.topic("t", { qos }).publish(utf8(`waits ${qos}`));
		const second = reset(first);
		assert.equal(sentAtOnce(second, present).length, 4);
		assert.equal(second.client.status.resent, 2);
		assert.equal(second.client.status.mayRepeat, 2);
	});
}

test("what waits when a connection begins may have been sent by the time of the reset: it goes out with DUP", () => {
	const first = life(flash(), { window: 1 });
	const topic = first.client.topic("t", { qos: 1 });
	for (const text of ["1", "2", "3"]) topic.publish(utf8(text));
	assert.deepEqual(texts(sentAtOnce(first)), ["1"]);
	const second = reset(first);
	assert.deepEqual(sentAtOnce(second), [
		"PUBLISH t '1' qos 1 id 1 dup",
		"PUBLISH t '2' qos 1 id 2 dup",
		"PUBLISH t '3' qos 1 id 3 dup",
	]);
});

test("an attempt that brings no CONNACK sends nothing, and what waits goes out without DUP after a reset", () => {
	const first = life(flash());
	first.client.topic("t", { qos: 1 }).publish(utf8("1"));
	first.client.start();
	first.network.open();
	first.network.break();
	assert.deepEqual(sentAtOnce(reset(first)), ["PUBLISH t '1' qos 1 id 1"]);
});

for (const present of [true, false]) {
	test(`a message that the broker has received goes on with ${present ? "PUBREL" : "PUBLISH, the session being lost"}`, () => {
		const first = life(flash());
		sentAtOnce(first, false);
		first.client.topic("t", { qos: 2 }).publish(utf8("x"));
		first.network.receive(pubrec(1));
		let next = reset(first);
		for (let round = 0; round < 3; round++) {
			assert.deepEqual(sentAtOnce(next, present), [present ? "PUBREL id 1" : "PUBLISH t 'x' qos 2 id 1 dup"]);
			next = reset(next);
		}
		assert.deepEqual(sentAtOnce(next, true), [present ? "PUBREL id 1" : "PUBLISH t 'x' qos 2 id 1 dup"]);
		if (!present) next.network.receive(pubrec(1));
		next.network.receive(pubcomp(1));
		assert.equal(next.client.status.delivered, 1);
		assert.equal(reset(next).journal.restored, 0);
	});
}

test("level 3: PUBREL after a reset says DUP", () => {
	const first = life(flash(), { level: 3 });
	sentAtOnce(first, false);
	first.client.topic("t", { qos: 2 }).publish(utf8("x"));
	first.network.receive(pubrec(1));
	assert.deepEqual(sentAtOnce(reset(first, { level: 3 }), false), ["PUBREL id 1 dup"]);
});

test("identifiers go on behind the one used last, also where a bank has turned and only older messages live", () => {
	const first = life(new MemoryStore(64, 40), { outbox: 64, exactlyOnce: undefined });
	sentAtOnce(first, false);
	const topic = first.client.topic("t", { qos: 1 });
	topic.publish(utf8("old"));
	for (let last = 2; last < 100; last++) {
		topic.publish(utf8("x"));
		const amid = reset(first, { outbox: 64, exactlyOnce: undefined });
		amid.client.topic("t", { qos: 1 }).publish(utf8("new"));
		const lines = sentAtOnce(amid);
		assert.deepEqual(lines, [
			"PUBLISH t 'old' qos 1 id 1 dup",
			`PUBLISH t 'x' qos 1 id ${last} dup`,
			`PUBLISH t 'new' qos 1 id ${last + 1}`,
		]);
		first.network.receive(puback(last));
		const after = reset(first, { outbox: 64, exactlyOnce: undefined });
		after.client.topic("t", { qos: 1 }).publish(utf8("new"));
		assert.deepEqual(sentAtOnce(after).slice(1), [`PUBLISH t 'new' qos 1 id ${last + 1}`]);
	}
	assert.ok(first.store.pagesErased > 30);
});

test("identifiers begin again behind 65,535, around what lives", () => {
	const first = life(flash(), { outbox: 2_000, window: 100 });
	sentAtOnce(first, false);
	const topic = first.client.topic("t", { qos: 1 });
	topic.publish(utf8("old"));
	for (let id = 2; id <= 65_535; id++) {
		topic.publish(utf8("x"));
		first.network.receive(puback(id));
	}
	first.network.taken();
	const second = reset(first, { outbox: 2_000 });
	second.client.topic("t", { qos: 1 }).publish(utf8("new"));
	assert.deepEqual(sentAtOnce(second), ["PUBLISH t 'old' qos 1 id 1 dup", "PUBLISH t 'new' qos 1 id 2"]);
});

test("the identifier of a stream at QoS 2 is not used again soon: the broker may still know it", () => {
	const first = life(flash());
	sentAtOnce(first, false);
	first.client.topic("t", { qos: 2 }).publish(utf8("1"));
	for (const answer of [pubrec, pubcomp]) first.network.receive(answer(1));
	const stream = new Stream(first.client, "s", { qos: 2 });
	stream.publish(3, letters);
	assert.deepEqual(first.sent().slice(-1), ["PUBLISH s 'AAA' qos 2 id 2"]);
	const second = reset(first);
	second.client.topic("t", { qos: 2 }).publish(utf8("2"));
	assert.deepEqual(sentAtOnce(second), ["PUBLISH t '2' qos 2 id 3"]);
});

test("each life begins 64 identifiers further on: what a store that failed does not know of is not used again", () => {
	const first = life(flash());
	lastIdentifier(first, LEAP);
	sentAtOnce(first, false);
	const topic = first.client.topic("t", { qos: 2 });
	topic.publish(utf8("1"));
	assert.deepEqual(first.sent(), ["PUBLISH t '1' qos 2 id 65"]);
	let last = reset(first);
	lastIdentifier(last, LEAP);
	last.client.topic("t", { qos: 2 }).publish(utf8("2"));
	assert.deepEqual(sentAtOnce(last), ["PUBLISH t '1' qos 2 id 65 dup", "PUBLISH t '2' qos 2 id 130"]);
	// Around the end of them, too.
	lastIdentifier(last, 65_500 - 130);
	last.client.topic("t", { qos: 2 }).publish(utf8("3"));
	assert.deepEqual(last.sent(), ["PUBLISH t '3' qos 2 id 65501"]);
	last = reset(last);
	lastIdentifier(last, LEAP);
	last.client.topic("t", { qos: 2 }).publish(utf8("4"));
	assert.equal(sentAtOnce(last).at(-1), "PUBLISH t '4' qos 2 id 31");
});

test("QoS 0 and streams are not in the journal", () => {
	const first = life(flash());
	const stream = new Stream(first.client, "s", { qos: 1 });
	first.client.topic("t").publish(utf8("1"));
	first.client.topic("t", { whenFull: "latest", age: new Age() }).publish(utf8("2"));
	stream.publish(3, letters);
	assert.equal(first.store.bytesWritten, 0);
	assert.deepEqual(texts(sentAtOnce(first, false)), ["1", "2,0", "AAA"]);
	first.client.topic("u", { qos: 1 }).publish(utf8("3"));
	first.network.receive(puback(1)); // the stream's
	const second = reset(first);
	assert.equal(second.journal.restored, 1);
	assert.deepEqual(sentAtOnce(second, false), ["PUBLISH u '3' qos 1 id 2 dup"]);
});

test("QoS 0 and streams that wait are left out where a bank turns", () => {
	const first = life(new MemoryStore(128, 40), { outbox: 64, exactlyOnce: undefined });
	const stream = new Stream(first.client, "s", { qos: 1 });
	first.client.topic("t").publish(utf8("0"));
	stream.publish(3, letters);
	const latest = first.client.topic("u", { qos: 1, whenFull: "latest" });
	for (let i = 0; i < 50; i++) assert.equal(latest.publish(utf8(String(i))), true);
	assert.ok(first.store.pagesErased > 4);
	const second = reset(first, { outbox: 64, exactlyOnce: undefined });
	assert.deepEqual(texts(sentAtOnce(second)), ["49"]);
});

test("a store that holds nothing is not written until there is something to keep", () => {
	const first = life(flash());
	const { store, network, client } = first;
	client.subscribe("#", 1, () => {});
	sentAtOnce(first, false);
	network.receive(suback(1, 1));
	network.receive(publish("a", "x", { qos: 1, id: 1 }));
	client.topic("t").publish(utf8("x"));
	client.stop();
	assert.deepEqual([store.bytesWritten, store.pagesErased, first.journal.restored], [0, 0, 0]);
});

test("outbox.peak counts what was restored", () => {
	const first = life(flash());
	const topic = first.client.topic("t", { qos: 1 });
	for (let i = 0; i < 3; i++) topic.publish(new Uint8Array(10));
	assert.equal(reset(first).client.status.outbox.peak, 48);
});

// Rules

for (const whenFull of ["latest", "drop-oldest"] as const) {
	test(`${whenFull}: what was let go does not come back, and what came in its place is there`, () => {
		let made = life(flash(), { outbox: 64 });
		for (let i = 1; i <= 50; i++) {
			const topic = made.client.topic("t", { qos: 1, whenFull });
			assert.equal(topic.publish(utf8(String(i).padEnd(20, "."))), true);
			made = reset(made, { outbox: 64 });
			assert.equal(made.journal.restored, whenFull === "latest" ? 1 : Math.min(i, 2));
		}
		const lines = sentAtOnce(made).map((line) => /'(\d+)\.*' qos 1 id \d+$/.exec(line)?.[1]);
		assert.deepEqual(lines, whenFull === "latest" ? ["50"] : ["49", "50"]);
	});

	test(`${whenFull}: one message as large as the outbox after the other`, () => {
		const first = life(flash(), { outbox: 64 });
		const topic = first.client.topic("t", { qos: 1, whenFull });
		for (let i = 0; i < 200; i++) {
			assert.equal(topic.publish(utf8(String(i).padEnd(58, "."))), true);
			assert.equal(reset(first, { outbox: 64 }).journal.restored, 1);
		}
		assert.deepEqual(texts(sentAtOnce(reset(first, { outbox: 64 }))), [String(199).padEnd(58, ".")]);
	});

	test(`${whenFull}: a small one in the place of large ones, and a large one in the place of small ones`, () => {
		let made = life(flash(), { outbox: 128 });
		for (let i = 0; i < 60; i++) {
			const topic = made.client.topic("t", { qos: 1, whenFull });
			assert.equal(topic.publish(utf8(String(i).padEnd(i % 5 === 0 ? 122 : (i * 37) % 60, "."))), true);
			const before = made.client.status.outbox.used;
			made = reset(made, { outbox: 128 });
			assert.equal(made.client.status.outbox.used, before);
		}
	});
}

test("latest: where the bank has no room publish says false, and what was to go stays", () => {
	const options = { outbox: 128, exactlyOnce: undefined };
	const first = life(new MemoryStore(8, 100), options);
	const topic = first.client.topic("t", { qos: 1, whenFull: "latest" });
	topic.publish(utf8("old"));
	// Names take room in the bank, and none in the outbox.
	let name = "x".repeat(60);
	while (name !== "") {
		if (!first.client.topic(name, { qos: 1 }).publish(new Uint8Array(0))) name = name.slice(1);
	}
	const { rejected } = first.client.status;
	assert.equal(topic.publish(utf8("new".padEnd(60, "."))), false);
	assert.deepEqual([first.client.status.rejected, first.client.status.replaced], [rejected + 1, 0]);
	const restored = texts(sentAtOnce(reset(first, options)));
	assert.equal(restored[0], "old");
	assert.deepEqual(texts(sentAtOnce(first)), restored);
});

for (const whenFull of ["latest", "drop-oldest"] as const) {
	test(`${whenFull}: where the store throws publish says false, and counts what is lost with it`, () => {
		const options = { outbox: 128, exactlyOnce: undefined };
		const first = life(flash(), options);
		const topic = first.client.topic("t", { qos: 1, whenFull });
		for (const text of ["1", "2"]) topic.publish(utf8(text.padEnd(50, ".")));
		const { replaced } = first.client.status;
		first.store.failure = new Error("not now");
		assert.equal(topic.publish(utf8("3".padEnd(60, "."))), false);
		const { rejected, dropped } = first.client.status;
		assert.deepEqual([rejected, first.client.status.replaced - replaced + dropped], [1, 1]);
		first.store.failure = undefined;
		assert.equal(topic.publish(utf8("4")), true);
		const left = whenFull === "latest" ? ["4"] : ["2".padEnd(50, "."), "4"];
		assert.deepEqual(texts(sentAtOnce(reset(first, options))), left);
		assert.deepEqual(texts(sentAtOnce(first)), left);
	});
}

test("a stream in the place of what has expired: that does not come back", () => {
	const first = life(flash(), { outbox: 64 });
	const old = first.client.topic("old", { qos: 1, expiry: 1 });
	while (old.publish(utf8("123456"))) {}
	first.network.clock.advance(1_000);
	const stream = new Stream(first.client, "s", { qos: 1 });
	assert.equal(stream.publish(1, { read: () => 0 }), true);
	assert.equal(first.client.status.expired, 1);
	assert.equal(reset(first, { outbox: 64 }).journal.restored, 3);
});

test("a restored message obeys the rules of the topic that adopts it", () => {
	const first = life(flash());
	first.client.topic("l", { qos: 1, whenFull: "latest" }).publish(utf8("old"));
	const second = reset(first);
	second.client.topic("l", { qos: 1, whenFull: "latest" }).publish(utf8("new"));
	assert.equal(second.client.status.replaced, 1);
	const third = reset(second);
	assert.deepEqual(texts(sentAtOnce(third)), ["new"]);
});

test("a restored message that may have been sent is not let go", () => {
	for (const whenFull of ["latest", "drop-oldest"] as const) {
		const first = life(flash(), { outbox: 64 });
		sentAtOnce(first, false);
		first.client.topic("t", { qos: 1, whenFull }).publish(utf8("1".repeat(40)));
		const second = reset(first, { outbox: 64 });
		assert.equal(second.client.topic("t", { qos: 1, whenFull }).publish(utf8("2".repeat(40))), false);
		assert.deepEqual(texts(sentAtOnce(second)), ["1".repeat(40)]);
	}
});

// Inbound QoS 2

test("a message that was handed over and not released is not handed over again after a reset", () => {
	const heard: string[] = [];
	const listen = (made: Life) => made.client.subscribe("#", 2, (message) => heard.push(textOf(message.payload)));
	const message = (text: string, dup = false) => publish("a", text, { qos: 2, id: 7, dup });
	let made = life(flash());
	listen(made);
	sentAtOnce(made, false);
	made.network.receive(suback(1, 2));
	made.network.receive(message("one"));
	assert.deepEqual(made.sent(), ["PUBREC id 7"]);
	for (let round = 0; round < 3; round++) {
		made = reset(made);
		listen(made);
		assert.equal(sentAtOnce(made).length, 1, "SUBSCRIBE");
		made.network.receive(message("one", true));
		assert.deepEqual(made.sent(), ["PUBREC id 7"]);
		assert.deepEqual(heard, ["one"]);
	}
	made.network.receive(pubrel(7));
	assert.deepEqual(made.sent(), ["PUBCOMP id 7"]);
	made = reset(made);
	listen(made);
	sentAtOnce(made);
	made.network.receive(message("two"));
	assert.deepEqual(made.sent(), ["PUBREC id 7"]);
	assert.deepEqual(heard, ["one", "two"]);
});

test("where the broker has lost the session its identifiers are forgotten, for good", () => {
	const heard: string[] = [];
	const listen = (made: Life) => made.client.subscribe("#", 2, (message) => heard.push(textOf(message.payload)));
	const first = life(flash());
	listen(first);
	sentAtOnce(first, false);
	first.network.receive(suback(1, 2));
	first.network.receive(publish("a", "old", { qos: 2, id: 7 }));
	const second = reset(first);
	sentAtOnce(second, false);
	const third = reset(second);
	listen(third);
	sentAtOnce(third, true);
	third.network.receive(publish("a", "new", { qos: 2, id: 7, dup: true }));
	assert.deepEqual(heard, ["old", "new"]);
});

test("identifiers that were taken outlive the turn of a bank, in order, and make room again", () => {
	const options = { outbox: 64, window: 100 };
	let made = life(new MemoryStore(64, 40), { ...options, exactlyOnce: new ExactlyOnce(3) });
	let count = 0;
	const listen = () => made.client.subscribe("#", 2, () => count++);
	listen();
	sentAtOnce(made, false);
	made.network.receive(suback(1, 2));
	for (const id of [30, 10, 20]) made.network.receive(publish("a", "x", { qos: 2, id }));
	for (let round = 0; round < 100; round++) {
		made = reset(made, { ...options, exactlyOnce: new ExactlyOnce(3) });
		listen();
		sentAtOnce(made);
		const topic = made.client.topic("t", { qos: 1 });
		for (let i = 0; i < 5; i++) topic.publish(new Uint8Array(0));
		for (const line of made.sent()) made.network.receive(puback(Number(/id (\d+)/.exec(line)?.[1])));
		made.network.receive(publish("a", "x", { qos: 2, id: [30, 10, 20][round % 3], dup: true }));
		assert.equal(count, 3, `round ${round}`);
	}
	made.network.receive(pubrel(10));
	made.network.receive(publish("a", "x", { qos: 2, id: 11 }));
	assert.equal(count, 4);
});

test("a board whose banks are full to the brim still keeps each identifier that it takes", () => {
	for (let length = 1; length < 60; length++) {
		for (const last of [0, 1, 5, 9]) {
			const options = () => ({ outbox: 256, window: 1, exactlyOnce: new ExactlyOnce(4) });
			const first = life(new MemoryStore(8, 300), options());
			const heard: string[] = [];
			const listen = (made: Life) => made.client.subscribe("#", 2, (message) => heard.push(textOf(message.payload)));
			listen(first);
			sentAtOnce(first, false);
			first.network.receive(suback(1, 2));
			const topics: Topic[] = [];
			do topics.push(first.client.topic(`${topics.length}/`.padEnd(length, "x"), { qos: 1 }));
			while (topics[topics.length - 1].publish(new Uint8Array(0)));
			while (topics[0].publish(new Uint8Array(last))) {}
			for (let id = 1; id <= 50; id++) {
				first.network.receive(publish("q", String(id), { qos: 2, id }));
				if (id >= 4 && id < 50) first.network.receive(pubrel(id - 3));
			}
			const second = reset(first, options());
			listen(second);
			sentAtOnce(second);
			for (let id = 47; id <= 50; id++) second.network.receive(publish("q", String(id), { qos: 2, id, dup: true }));
			assert.equal(heard.length, 50, `names of ${length}, payloads of ${last}`);
		}
	}
});

test("more identifiers than there were when the bank was filled to the brim do no harm to what it holds", () => {
	const first = life(new MemoryStore(8, 244), { outbox: 256, exactlyOnce: new ExactlyOnce(1) });
	let name = "x".repeat(60);
	while (name !== "") {
		if (!first.client.topic(name, { qos: 1 }).publish(new Uint8Array(0))) name = name.slice(1);
	}
	const options = { outbox: 256, exactlyOnce: new ExactlyOnce(50) };
	const second = reset(first, options);
	second.client.subscribe("#", 2, () => {});
	const [subscribe] = sentAtOnce(second, false);
	second.network.receive(suback(Number(/id (\d+)/.exec(subscribe)?.[1]), 2));
	for (let id = 1; id <= 200; id++) {
		second.network.receive(publish("a", "x", { qos: 2, id }));
		if (id > 40) second.network.receive(pubrel(id - 40));
	}
	assert.ok(second.journal.failures > 0);
	assert.match(String(second.journal.error), /^Error: mqtt-mote: the store is full$/);
	const third = reset(second, options);
	assert.equal(third.journal.restored, first.client.status.accepted);
});

// Topics

test("a topic adopts what was published under the same name, QoS and retain, and nothing else", () => {
	const first = life(flash());
	first.client.topic("t", { qos: 1 }).publish(utf8("1"));
	first.client.topic("t", { qos: 2 }).publish(utf8("2"));
	first.client.topic("t", { qos: 1, retain: true }).publish(utf8("3"));
	first.client.topic("tt", { qos: 1 }).publish(utf8("4"));
	const second = reset(first);
	const latest = (qos: 1 | 2, retain: boolean, name = "t") =>
		second.client.topic(name, { qos, retain, whenFull: "latest" });
	latest(2, true).publish(utf8("5"));
	latest(1, false, "u").publish(utf8("6"));
	assert.equal(second.client.status.replaced, 0);
	latest(1, true).publish(utf8("7"));
	latest(2, false).publish(utf8("8"));
	assert.equal(second.client.status.replaced, 2);
	latest(1, false).publish(utf8("9"));
	assert.equal(second.client.status.replaced, 3);
	latest(1, false).publish(utf8("10"));
	assert.equal(second.client.status.replaced, 3, "a second handle is another topic");
	assert.deepEqual(texts(sentAtOnce(second)), ["4", "5", "6", "7", "8", "9", "10"]);
});

test("what was published to topics that the next firmware does not know is delivered all the same", () => {
	const first = life(flash());
	for (let i = 0; i < 20; i++) first.client.topic(`old/${i}`, { qos: 1 }).publish(utf8(String(i)));
	const second = reset(first);
	for (let i = 0; i < 5; i++) assert.equal(second.client.topic(`new/${i}`, { qos: 1 }).publish(utf8("new")), true);
	assert.equal(second.client.topic("old/7", { qos: 1 }).publish(utf8("again")), true);
	const third = reset(second);
	assert.equal(third.journal.restored, 26);
	const lines = sentAtOnce(third);
	for (let id = 1; id <= 26; id++) third.network.receive(puback(id));
	lines.push(...third.sent());
	assert.deepEqual(
		lines.map((line) => line.replace(/ qos.*/, "")),
		[
			...Array.from({ length: 20 }, (_, i) => `PUBLISH old/${i} '${i}'`),
			...Array.from({ length: 5 }, (_, i) => `PUBLISH new/${i} 'new'`),
			"PUBLISH old/7 'again'",
		],
	);
	assert.equal(reset(third).journal.restored, 0);
});

test("topics of earlier lives take none of the 256 once their messages are delivered, and a life has 256", () => {
	let made = life(new MemoryStore(4096, 8), { outbox: 4096 });
	for (let round = 0; round < 4; round++) {
		for (let i = 0; i < 256; i++) {
			const topic = made.client.topic(`${round}/${i}`, { qos: 1 });
			if (i < 3) topic.publish(utf8("x"));
		}
		assert.throws(() => made.client.topic("one more"), /at most 256 topics/);
		const lines = sentAtOnce(made);
		assert.equal(lines.length, 3);
		for (const line of lines) made.network.receive(puback(Number(/id (\d+)/.exec(line)?.[1])));
		made = reset(made, { outbox: 4096 });
	}
});

test("a restored topic that nobody asks for is one of the 256", () => {
	const first = life(flash());
	first.client.topic("old", { qos: 1 }).publish(utf8("x"));
	const second = reset(first);
	for (let i = 0; i < 255; i++) second.client.topic(String(i));
	assert.throws(() => second.client.topic("one more"), /at most 256 topics/);
	assert.deepEqual(sentAtOnce(second), ["PUBLISH old 'x' qos 1 id 1"]);
});

test("a stream of the same name adopts nothing", () => {
	const first = life(flash());
	first.client.topic("t", { qos: 1 }).publish(utf8("hello"));
	const second = reset(first);
	const stream = new Stream(second.client, "t", { qos: 1 });
	stream.publish(1, letters);
	assert.deepEqual(texts(sentAtOnce(second)), ["hello", "A"]);
});

test("a name of 5,000 bytes is kept with its message", () => {
	const name = "x".repeat(5_000);
	const first = life(new MemoryStore(4096, 16), { outbox: 4096 });
	assert.equal(first.client.topic(name, { qos: 1 }).publish(utf8("y")), true);
	const second = reset(first, { outbox: 4096 });
	assert.equal(second.journal.restored, 1);
	assert.equal(second.client.topic(name, { qos: 1, whenFull: "latest" }).publish(utf8("z")), true);
	assert.equal(second.client.status.replaced, 1);
});

test("a name that has no room in the bank is refused, and does no harm", () => {
	const first = life(flash());
	assert.equal(first.client.topic("t", { qos: 1 }).publish(utf8("1")), true);
	assert.equal(first.client.topic("x".repeat(9_000), { qos: 1 }).publish(utf8("2")), false);
	assert.equal(first.client.topic("t", { qos: 1 }).publish(utf8("3")), true);
	assert.deepEqual([first.client.status.accepted, first.client.status.rejected], [2, 1]);
	assert.equal(first.journal.failures, 0);
	assert.deepEqual(texts(sentAtOnce(reset(first))), ["1", "3"]);
});

test("a topic that is new where the bank is nearly full has its name in the next one", () => {
	const options = { outbox: 128, exactlyOnce: undefined };
	for (let published = 0; published < 60; published++) {
		const first = life(new MemoryStore(64, 16), options);
		sentAtOnce(first, false);
		const topic = first.client.topic("t", { qos: 1 });
		for (let id = 1; id <= published; id++) {
			topic.publish(new Uint8Array(0));
			first.network.receive(puback(id));
		}
		assert.equal(first.client.topic("x".repeat(100), { qos: 1 }).publish(utf8("1")), true);
		assert.equal(topic.publish(utf8("2")), true);
		assert.deepEqual(texts(sentAtOnce(reset(first, options))), ["1", "2"], `after ${published}`);
	}
});

// What cannot be

test("a store that is too small says how large it has to be, and that is enough", () => {
	for (const [pageSize, outbox, identifiers] of [
		[4096, 1024, 32],
		[4096, 16_384, 1],
		[64, 64, 100],
		[4, 64, 1],
		[1024, 504, 1],
		[1024, 508, 1],
	]) {
		const options = { outbox, exactlyOnce: new ExactlyOnce(identifiers) };
		for (const pages of [0, 1]) {
			let said = 0;
			assert.throws(
				() => life(new MemoryStore(pageSize, pages), options),
				(error: Error) => {
					const words = /^mqtt-mote: the store has (\d+) pages of (\d+) bytes; for this outbox it needs (\d+)$/;
					const found = words.exec(error.message);
					assert.ok(found, error.message);
					assert.deepEqual([+found[1], +found[2]], [pages, pageSize]);
					said = Number(found[3]);
					return true;
				},
			);
			assert.throws(() => life(new MemoryStore(pageSize, said - 1), options), /it needs/);
			const made = life(new MemoryStore(pageSize, said), options);
			const topic = made.client.topic("t", { qos: 1 });
			while (topic.publish(new Uint8Array(1))) {}
			if (outbox > 500) assert.ok(outbox - made.client.status.outbox.used < 7, "all of the outbox can be used");
			assert.equal(reset(made, options).journal.restored, made.client.status.accepted);
		}
	}
});

test("with a journal an outbox has at most 262,144 bytes", () => {
	const store = new MemoryStore(4096, 1_000);
	assert.throws(
		() => life(store, { outbox: 262_148 }),
		/^Error: mqtt-mote: with a journal, outbox is 262144 bytes at most$/,
	);
	life(store, { outbox: 262_144 });
});

test("messages that do not fit the outbox are complained of, and nothing is lost", () => {
	const first = life(flash(), { outbox: 1_024 });
	const topic = first.client.topic("t", { qos: 1 });
	for (let i = 0; i < 20; i++) topic.publish(utf8(String(i).padEnd(32)));
	const { store } = first;
	assert.throws(
		() => life(store, { outbox: 512 }),
		/^Error: mqtt-mote: the store holds more messages than fit into an outbox of 512 bytes$/,
	);
	assert.throws(() => life(store, { outbox: 64 }), /an outbox of 64 bytes/);
	assert.equal(life(store, { outbox: 1_024 }).journal.restored, 20);
	assert.equal(life(store, { outbox: 760 }).journal.restored, 20);
	assert.deepEqual(store.complaints, []);
});

for (const [before, after] of [
	[1_024, 2_040],
	[1_024, 4_096],
	[2_040, 1_024],
	[4_096, 1_024],
	[512, 4_000],
]) {
	test(`an outbox that was ${before} bytes and is ${after} now finds what was kept, wherever that stands`, () => {
		for (let published = 1; published < 400; published += 7) {
			const first = life(new MemoryStore(2_048, 10), { outbox: before });
			sentAtOnce(first, false);
			const topic = first.client.topic("t", { qos: 1 });
			for (let id = 1; id < published; id++) {
				topic.publish(new Uint8Array(32));
				first.network.receive(puback(id));
			}
			topic.publish(utf8("last"));
			const second = reset(first, { outbox: after });
			assert.equal(second.journal.restored, 1, `after ${published} messages`);
			assert.deepEqual(sentAtOnce(second), [`PUBLISH t 'last' qos 1 id ${published} dup`]);
		}
	});
}

test("identifiers that were taken do not stop a firmware without QoS 2", () => {
	const first = life(flash());
	first.client.subscribe("#", 2, () => {});
	sentAtOnce(first, false);
	first.network.receive(suback(1, 2));
	first.network.receive(publish("a", "x", { qos: 2, id: 5 }));
	first.network.receive(publish("a", "x", { qos: 2, id: 6 }));
	first.network.receive(pubrel(5));
	const second = reset(first, { exactlyOnce: undefined });
	second.client.topic("t", { qos: 1 }).publish(utf8("y"));
	assert.deepEqual(texts(sentAtOnce(reset(second))), ["y"]);
});

test("a store that holds messages at QoS 2 needs exactlyOnce, and keeps them until it is there", () => {
	const first = life(flash());
	first.client.topic("t", { qos: 2 }).publish(utf8("x"));
	const { store } = first;
	assert.throws(
		() => life(store, { exactlyOnce: undefined }),
		/^Error: mqtt-mote: the store holds messages at QoS 2: exactlyOnce is missing$/,
	);
	assert.deepEqual(sentAtOnce(life(store)), ["PUBLISH t 'x' qos 2 id 1"]);
});

test("a store that holds more identifiers than exactlyOnce has places for keeps them", () => {
	const first = life(flash());
	first.client.subscribe("#", 2, () => {});
	sentAtOnce(first, false);
	first.network.receive(suback(1, 2));
	for (let id = 1; id <= 5; id++) first.network.receive(publish("a", "x", { qos: 2, id }));
	const { store } = first;
	assert.throws(
		() => life(store, { exactlyOnce: new ExactlyOnce(4) }),
		/^Error: mqtt-mote: the store holds more identifiers than exactlyOnce has places$/,
	);
	const second = life(store, { exactlyOnce: new ExactlyOnce(5) });
	second.client.subscribe("#", 2, () => assert.fail("it was handed over before"));
	sentAtOnce(second);
	for (let id = 1; id <= 5; id++) second.network.receive(publish("a", "x", { qos: 2, id, dup: true }));
});

test("asleep must be a number of seconds", () => {
	for (const asleep of [-1, 2_147_484, Number.NaN, "1", null]) {
		assert.throws(
			() => new Journal(flash(), asleep as number),
			/^Error: mqtt-mote: asleep \(seconds\) must be a number/,
		);
	}
});

// A store that is not what it should be

const FOREIGN: [string, (bytes: Uint8Array) => void][] = [
	["zeros", (bytes) => bytes.fill(0)],
	["one byte in the first page", (bytes) => bytes.fill(0x55, 5, 6)],
	["text", (bytes) => bytes.set(utf8("hello, I am another program's file".repeat(400)))],
	["noise", (bytes) => bytes.set(bytes.map((_, i) => (i * 7919) >> 3))],
	["a header without its check", (bytes) => bytes.set([0, 8, 14, 1, 0, 0, 0x6d, 0x6f, 0x74, 0x65, 0, 0, 0, 9, 1, 2])],
];

for (const [what, put] of FOREIGN) {
	test(`a store that holds ${what} counts as empty, and is used`, () => {
		const store = flash();
		put(store.bytes);
		const first = life(store);
		assert.equal(first.journal.restored, 0);
		assert.ok(first.journal.damaged >= 1);
		sentAtOnce(first, false);
		const topic = first.client.topic("t", { qos: 1 });
		for (let id = 1; id < 1_000; id++) {
			assert.equal(topic.publish(utf8("x".repeat(32))), true);
			first.network.receive(puback(id));
		}
		topic.publish(utf8("last"));
		const second = reset(first);
		assert.deepEqual(sentAtOnce(second), ["PUBLISH t 'last' qos 1 id 1000 dup"]);
		assert.equal(second.journal.damaged, 0, "all banks are ours by now");
	});
}

for (const [what, at, value] of [
	["another version", 3, 2],
	["no header", 2, 0],
	["a header of another length", 1, 7],
] as const) {
	test(`what begins with ${what}, though its check is right, is not read`, () => {
		const first = life(flash());
		first.client.topic("t", { qos: 1 }).publish(utf8("x"));
		const { bytes } = first.store;
		const header = bytes.subarray(bytes.findIndex((byte) => byte !== 255));
		assert.deepEqual([...header.subarray(0, 4)], [0, 8, 14, 1]);
		header[at] = value;
		const check = checksumOf(header, 0, 14, 1); // from the bank's number
		header[14] = check >> 8;
		header[15] = check & 127;
		const second = reset(first);
		assert.deepEqual([second.journal.restored, second.journal.damaged], [0, 1]);
		assert.equal(second.client.topic("t", { qos: 1 }).publish(utf8("y")), true);
		assert.deepEqual(texts(sentAtOnce(reset(second))), ["y"]);
	});
}

test("whatever bit flips: the journal reads up to there, and goes on", () => {
	const first = life(flash());
	sentAtOnce(first, false);
	const topic = first.client.topic("t", { qos: 1 });
	const exactly = first.client.topic("e", { qos: 2 });
	for (let id = 1; id <= 10; id++) (id % 2 === 0 ? topic : exactly).publish(utf8(`message ${id}`.padEnd(id * 5)));
	first.network.receive(pubrec(1));
	first.network.receive(puback(4));
	const { store } = first;
	const begin = store.bytes.findIndex((byte) => byte !== 255);
	const end = store.bytes.findLastIndex((byte) => byte !== 255);
	const known = new Set(Array.from({ length: 10 }, (_, i) => `message ${i + 1}`));
	let least = Number.POSITIVE_INFINITY;
	for (let at = begin; at <= end; at++) {
		for (let bit = 0; bit < 8; bit++) {
			const damaged = store.restarted();
			damaged.bytes[at] ^= 1 << bit;
			const second = life(damaged);
			const where = `bit ${bit} of byte ${at - begin}`;
			assert.equal(second.journal.damaged, 1, where);
			assert.ok(second.journal.restored <= 10, where);
			least = Math.min(least, second.journal.restored);
			assert.equal(second.client.topic("t", { qos: 1 }).publish(utf8("new")), true);
			const lines = texts(sentAtOnce(reset(second)));
			assert.equal(lines.length, second.journal.restored + 1, where);
			assert.equal(lines.pop(), "new");
			for (const line of lines) assert.ok(line === "PUBREL id 1" || known.has(line.trimEnd()), `${where}: ${line}`);
		}
	}
	assert.equal(least, 0);
});

// A store that fails

test("where the store throws publish says false, the journal counts it, and the client goes on", () => {
	const errors: unknown[] = [];
	const first = life(flash(), { onError: (error) => errors.push(error) });
	sentAtOnce(first, false);
	const topic = first.client.topic("t", { qos: 1 });
	topic.publish(utf8("1"));
	const failure = new Error("worn out");
	first.store.failure = failure;
	assert.equal(topic.publish(utf8("2")), false);
	assert.equal(topic.publish(utf8("3")), false);
	assert.equal(first.journal.failures, 2);
	assert.equal(first.journal.error, failure);
	assert.deepEqual([first.client.status.accepted, first.client.status.rejected], [1, 2]);
	assert.deepEqual(first.sent(), ["PUBLISH t '1' qos 1 id 1"]);
	first.client.topic("q0").publish(utf8("still"));
	assert.deepEqual(first.sent(), ["PUBLISH q0 'still'"]);
	first.store.failure = undefined;
	assert.equal(topic.publish(utf8("4")), true);
	assert.equal(first.sent().length, 1);
	const second = reset(first);
	assert.deepEqual(texts(sentAtOnce(second)), ["1", "4"]);
	assert.equal(second.journal.failures, 0);
});

test("acknowledgements while the store throws are in the next bank", () => {
	const first = life(flash());
	const heard: string[] = [];
	first.client.subscribe("#", 2, (message) => heard.push(textOf(message.payload)));
	sentAtOnce(first, false);
	first.network.receive(suback(1, 2));
	const topic = first.client.topic("t", { qos: 1 });
	const exactly = first.client.topic("e", { qos: 2 });
	for (const one of [topic, exactly, exactly, topic]) one.publish(utf8("x")); // 2, 3, 4, 5
	first.store.failure = new Error("not now");
	first.network.receive(puback(2));
	first.network.receive(pubrec(3));
	first.network.receive(pubrec(4));
	first.network.receive(pubcomp(4));
	first.network.receive(publish("a", "in", { qos: 2, id: 9 }));
	assert.equal(first.client.status.delivered, 2);
	assert.equal(first.client.status.state, State.CONNECTED);
	const amid = reset(first);
	assert.equal(amid.journal.restored, 4, "nothing of it is known yet");
	first.store.failure = undefined;
	topic.publish(utf8("y"));
	const second = reset(first);
	second.client.subscribe("#", 2, (message) => heard.push(textOf(message.payload)));
	assert.deepEqual(sentAtOnce(second).slice(1), [
		"PUBREL id 3",
		"PUBLISH t 'x' qos 1 id 5 dup",
		"PUBLISH t 'y' qos 1 id 6 dup",
	]);
	second.network.receive(publish("a", "in", { qos: 2, id: 9, dup: true }));
	assert.deepEqual(heard, ["in"]);
});

test("a store that fails once, at any call: what publish said true for is there after a reset", () => {
	for (let nth = 1; nth < 400; nth++) {
		const options = { outbox: 128, exactlyOnce: undefined };
		const made = life(new MemoryStore(64, 60), options);
		sentAtOnce(made, false);
		const { store, network, client } = made;
		let calls = 0;
		for (const name of ["write", "erase"] as const) {
			const original = store[name].bind(store) as (...what: unknown[]) => void;
			store[name] = (...what: unknown[]) => {
				if (++calls === nth) throw new Error("this once");
				original(...what);
			};
		}
		const topic = client.topic("t", { qos: 1 });
		const live = new Map<number, string>();
		for (let i = 0; i < 80; i++) {
			const text = `${i}`.padEnd(i % 30, ".");
			if (topic.publish(utf8(text))) live.set(Number(/id (\d+)/.exec(made.sent()[0])?.[1]), text);
			else assert.ok(made.journal.failures === 1 || client.status.outbox.used > 90);
			const [oldest] = live.keys();
			if (live.size < 1 + (i % 4)) continue;
			network.receive(puback(oldest));
			live.delete(oldest);
		}
		assert.equal(made.journal.failures, calls >= nth ? 1 : 0);
		const lines = texts(sentAtOnce(reset(made, options)));
		assert.deepEqual(
			[...live.values()].filter((text) => !lines.includes(text)),
			[],
			`call ${nth}`,
		);
	}
});

test("an erase that throws leaves the bank before it as it is", () => {
	const first = life(new MemoryStore(64, 40), { outbox: 64, exactlyOnce: undefined });
	sentAtOnce(first, false);
	const topic = first.client.topic("t", { qos: 1 });
	topic.publish(utf8("stays"));
	const { store } = first;
	const erase = store.erase.bind(store);
	let refusals = 0;
	store.erase = (page) => {
		if (refusals++ % 5 < 2) throw new Error("try again");
		erase(page);
	};
	let taken = 0;
	for (let i = 0; i < 200; i++) {
		if (topic.publish(utf8("goes"))) taken++;
		for (const line of first.sent().slice(-1)) first.network.receive(puback(Number(/id (\d+)/.exec(line)?.[1])));
		const amid = reset(first, { outbox: 64, exactlyOnce: undefined });
		assert.ok(texts(sentAtOnce(amid)).includes("stays"), `message ${i}`);
	}
	assert.ok(taken > 20 && first.journal.failures > 5);
});

test("a store that cannot be read fails the constructor", () => {
	const store = flash();
	store.read = () => {
		throw new Error("no bus");
	};
	assert.throws(() => life(store), /no bus/);
});

test("publishing from callbacks of the client goes through the journal in order", () => {
	const made = life(flash());
	const topic = made.client.topic("t", { qos: 1 });
	made.client.subscribe("a", 1, () => {
		topic.publish(utf8("2"));
		throw new Error("and then");
	});
	sentAtOnce(made, false);
	made.network.receive(suback(1, 1));
	topic.publish(utf8("1"));
	made.network.receive(publish("a", "", { qos: 1, id: 1 }));
	topic.publish(utf8("3"));
	assert.deepEqual(texts(sentAtOnce(reset(made))), ["1", "2", "3"]);
});

// Time

test("expiry and age begin anew with each life, where nothing is known of the time between", () => {
	const first = life(flash(), { time: 5_000_000 });
	const age = new Age(",", "", 1);
	first.client.topic("a", { qos: 1, age }).publish(utf8("1"));
	first.network.clock.advance(4_500);
	first.client.topic("a", { qos: 1, age }).publish(utf8("2"));
	first.client.topic("e", { qos: 1, expiry: 2 }).publish(utf8("3"));
	first.network.clock.advance(100_000);
	const second = reset(first, { time: 77 });
	second.client.topic("e", { qos: 1, expiry: 2 });
	second.client.topic("a", { qos: 1, age: new Age(",", "", 1) });
	second.client.topic("a", { qos: 1, age: new Age(",", "", 1) });
	second.network.clock.advance(1_999);
	assert.deepEqual(texts(sentAtOnce(second)), ["1,6.4", "2,1.9", "3"]);
});

test("with asleep the time between counts", () => {
	const first = life(flash(), { time: 5_000_000 });
	first.client.topic("a", { qos: 1, age: new Age() }).publish(utf8("1"));
	first.client.topic("e", { qos: 1, expiry: 3_600 }).publish(utf8("2"));
	first.network.clock.advance(1_000);
	first.client.topic("e", { qos: 1, expiry: 3_601 }).publish(utf8("3"));
	const second = reset(first, { asleep: 3_600 });
	second.client.topic("a", { qos: 1, age: new Age() });
	second.client.topic("e", { qos: 1, expiry: 3_600 });
	second.client.topic("e", { qos: 1, expiry: 3_601 });
	assert.deepEqual(texts(sentAtOnce(second)), ["1,3601", "3"]);
	assert.equal(second.client.status.expired, 1);
});

test("a board that wakes every hour and reaches nobody: its readings are as old as they are", () => {
	let made = life(flash());
	for (let wake = 0; wake < 5; wake++) {
		const topic = made.client.topic("t", { qos: 1, age: new Age() });
		topic.publish(utf8(String(wake)));
		made.network.clock.advance(5_000);
		made = reset(made, { asleep: 3_600 });
	}
	made.client.topic("t", { qos: 1, age: new Age() });
	assert.deepEqual(texts(sentAtOnce(made)), ["0,18000", "1,14400", "2,10800", "3,7200", "4,3600"]);
});

test("the time asleep adds up over lives in which nothing was published", () => {
	let made = life(flash());
	made.client.topic("t", { qos: 1, age: new Age() }).publish(utf8("x"));
	for (let wake = 0; wake < 5; wake++) {
		made = reset(made, { asleep: 3_600, time: 1_000_000_007 * wake });
		made.network.clock.advance(5_000);
	}
	made.client.topic("t", { qos: 1, age: new Age() });
	const age = Number(/,(\d+)/.exec(sentAtOnce(made)[0])?.[1]);
	assert.ok(age >= 18_000 && age <= 18_030, `${age} s`);
});

test("a bank that turns says what time it is: what passed up to then counts, though nothing with a time was published", () => {
	const first = life(new MemoryStore(64, 20), { outbox: 128, exactlyOnce: undefined, time: 77_000 });
	sentAtOnce(first, false);
	first.client.topic("t", { qos: 1, age: new Age() }).publish(utf8("x"));
	const plain = first.client.topic("p", { qos: 1 });
	let turned = 0;
	for (let id = 2; id < 200; id++) {
		const { pagesErased } = first.store;
		first.network.clock.advance(50);
		plain.publish(utf8("y"));
		first.network.receive(puback(id));
		if (first.store.pagesErased > pagesErased) turned = first.network.clock.now;
	}
	const second = reset(first, { outbox: 128, exactlyOnce: undefined, asleep: 10 });
	second.client.topic("t", { qos: 1, age: new Age() });
	assert.ok(turned > 80_000);
	assert.deepEqual(texts(sentAtOnce(second)), [`x,${Math.floor((turned - 77_000) / 1_000) + 10}`]);
});

test("a topic that gets an age, an expiry, or loses them, is another one: what was published before stays as it was", () => {
	const first = life(flash());
	first.client.topic("t", { qos: 1 }).publish(utf8("old text"));
	const second = reset(first);
	const topic = second.client.topic("t", { qos: 1, age: new Age(), expiry: 60 });
	assert.equal(topic.publish(utf8("new")), true);
	assert.equal(second.client.status.outbox.used, 14 + 13);
	const third = reset(second, { asleep: 30 });
	third.client.topic("t", { qos: 1 }).publish(utf8("newer"));
	third.client.topic("t", { qos: 1, age: new Age() });
	assert.deepEqual(texts(sentAtOnce(third)), ["old text", "new,30", "newer"]);
});

test("a message without the topic that it was published to goes out without its age", () => {
	const first = life(flash());
	first.client.topic("t", { qos: 1, age: new Age() }).publish(utf8("x"));
	for (const options of [undefined, { whenFull: "latest" } as const]) {
		const second = reset(first);
		if (options) second.client.topic("t", { qos: 1, ...options });
		assert.deepEqual(sentAtOnce(second), ["PUBLISH t 'x' qos 1 id 1"]);
	}
});

test("a topic that is asked for while its restored message goes out in pieces does not change that message", () => {
	const first = life(flash());
	const text = "0123456789".repeat(20);
	for (const name of ["a", "b"]) first.client.topic(name, { qos: 1, age: new Age() }).publish(utf8(text));
	for (let pieces = 0; pieces < 20; pieces++) {
		const second = reset(first, { output: 32 });
		const age = new Age();
		second.client.topic("a", { qos: 1, age });
		second.client.start();
		second.network.open(32);
		second.network.receive(connack(0, true));
		for (let i = 0; i < pieces; i++) second.network.writable(32);
		second.client.topic("b", { qos: 1, age });
		for (let i = 0; i < 20; i++) second.network.writable(32);
		const [, one, two] = texts(second.sent());
		assert.equal(one, `${text},0`);
		assert.ok(two === text || two === `${text},0`, `after ${pieces} pieces: ${two}`);
	}
});

test("an expiry in place of an age, or the other way round, applies to what was restored", () => {
	const first = life(flash());
	first.client.topic("a", { qos: 1, age: new Age() }).publish(utf8("1"));
	first.client.topic("e", { qos: 1, expiry: 1 }).publish(utf8("2"));
	const second = reset(first, { asleep: 100 });
	second.client.topic("a", { qos: 1, expiry: 100 });
	second.client.topic("e", { qos: 1, age: new Age() });
	assert.deepEqual(texts(sentAtOnce(second)), ["2,100"]);
	assert.equal(second.client.status.expired, 1);
});

for (const time of [2 ** 32 - 1_000, 2 ** 31 - 1_000, 1]) {
	test(`times outlive a reset where the clock stands at ${time}`, () => {
		for (const next of [0, 2 ** 32 - 500, 2 ** 31]) {
			const first = life(flash(), { time });
			first.client.topic("a", { qos: 1, age: new Age() }).publish(utf8("1"));
			first.network.clock.advance(10_000);
			first.client.topic("a", { qos: 1, age: new Age() }).publish(utf8("2"));
			const second = reset(first, { time: next, asleep: 5 });
			for (let i = 0; i < 2; i++) second.client.topic("a", { qos: 1, age: new Age() });
			second.network.clock.advance(1_000);
			assert.deepEqual(texts(sentAtOnce(second)), ["1,16", "2,6"]);
		}
	});
}

test("expiry outlives many lives, banks and messages", () => {
	let made = life(new MemoryStore(64, 40), { outbox: 128, exactlyOnce: undefined });
	for (let wake = 0; wake < 100; wake++) {
		const topic = made.client.topic("t", { qos: 1, expiry: 30, whenFull: "drop-oldest" });
		topic.publish(utf8(String(wake)));
		made = reset(made, { outbox: 128, exactlyOnce: undefined, asleep: 10, time: wake * 1_000_003 });
	}
	made.client.topic("t", { qos: 1, expiry: 30 });
	assert.deepEqual(texts(sentAtOnce(made)), ["98", "99"]);
});

// A broker that takes nothing in front of its CONNACK

test("that a broker is slow to take messages is remembered over resets and banks, and forgotten in the same way", () => {
	const options = { outbox: 64, exactlyOnce: undefined };
	let made = life(new MemoryStore(64, 40), options);
	const { client, network } = made;
	client.topic("t", { qos: 1 }).publish(utf8("1"));
	client.flush(60, () => {});
	network.open();
	assert.deepEqual(made.sent(), ["CONNECT", "PUBLISH t '1' qos 1 id 1"]);
	network.break();
	network.clock.advance(3_000);
	network.open();
	assert.deepEqual(made.sent(), ["CONNECT"]);
	network.receive(connack(0, true));
	network.receive(puback(1));
	for (let round = 0; round < 40; round++) {
		made = reset(made, options);
		const topic = made.client.topic("t", { qos: 1 });
		topic.publish(utf8("2"));
		made.client.flush(60, () => {});
		made.network.open();
		const lines = made.sent();
		assert.deepEqual(lines, ["CONNECT"], `round ${round}`);
		made.network.receive(connack(0, true));
		for (const line of made.sent()) made.network.receive(puback(Number(/id (\d+)/.exec(line)?.[1])));
	}
	// One that had waited is lost in front of CONNACK, too: then it was the link.
	made = reset(made, options);
	made.client.topic("t", { qos: 1 }).publish(utf8("3"));
	made.client.flush(60, () => {});
	made.network.open();
	made.network.break();
	for (let round = 0; round < 40; round++) {
		made = reset(made, options);
		made.client.flush(60, () => {});
		made.network.open();
		assert.match(made.sent()[1], /^PUBLISH t '3' qos 1 id \d+/);
		made.network.receive(connack(0, true));
		made.client.topic("u", { qos: 1 }).publish(utf8("x"));
		for (const line of made.sent()) {
			const id = Number(/id (\d+)/.exec(line)?.[1]);
			if (line.includes("u")) made.network.receive(puback(id));
		}
	}
});

// All together

test("a board that sleeps: what it could not deliver goes out in the first wake that reaches the broker, in one go", () => {
	let made = life(flash());
	let alarm = 0;
	for (let wake = 0; wake < 5; wake++) {
		const topic = made.client.topic("air", { qos: 1, age: new Age(" ") });
		topic.publish(utf8(String(wake)));
		made.client.flush(5, (delivered, left) => {
			assert.deepEqual([delivered, left], [0, wake + 1]);
			alarm++;
		});
		if (wake === 3) {
			made.network.open();
			assert.equal(made.sent().length, 5);
		}
		made.network.clock.advance(5_000);
		made = reset(made, { asleep: 595 });
	}
	assert.equal(alarm, 5);
	made.client.topic("air", { qos: 1, age: new Age(" ") }).publish(utf8("5"));
	made.client.flush(5, (delivered, left) => assert.deepEqual([delivered, left], [6, 0]));
	made.network.open();
	assert.deepEqual(made.sent().slice(1), [
		// As old as is known: the seconds awake behind the last publish of a life are not.
		"PUBLISH air '0 2975' qos 1 id 1 dup",
		"PUBLISH air '1 2380' qos 1 id 2 dup",
		"PUBLISH air '2 1785' qos 1 id 3 dup",
		"PUBLISH air '3 1190' qos 1 id 4 dup",
		"PUBLISH air '4 595' qos 1 id 5",
		"PUBLISH air '5 0' qos 1 id 6",
	]);
	made.network.receive(connack(0, true));
	for (let id = 1; id <= 6; id++) made.network.receive(puback(id));
	assert.equal(made.client.status.state, State.STOPPED);
	assert.equal(reset(made).journal.restored, 0);
});

test("a message that is held when the board is reset is handed over again, at QoS 2 too", () => {
	let count = 0;
	let made = life(flash(), { deferral: new Deferral() });
	for (let round = 0; round < 3; round++) {
		const deferral = new Deferral();
		made = reset(made, { deferral });
		let ticket = -1;
		made.client.subscribe("#", 2, (message) => {
			count++;
			ticket = deferral.hold(message);
		});
		const [subscribe] = sentAtOnce(made, round > 0);
		made.network.receive(suback(Number(/id (\d+)/.exec(subscribe)?.[1]), 2));
		made.network.receive(publish("a", "x", { qos: 2, id: 7, dup: round > 0 }));
		assert.equal(count, Math.min(round + 1, 2));
		if (round === 1) assert.equal(deferral.acknowledge(ticket), true);
		assert.deepEqual(made.sent(), round === 0 ? [] : ["PUBREC id 7"]);
	}
});

// Figures, for the documentation

/** Bytes written and pages erased for so many messages of 32 bytes to a topic of 27, each acknowledged before the next one. */
function wear(qos: 1 | 2, count: number): { bytes: number; pages: number } {
	const made = life(flash(), { outbox: 1_024 });
	sentAtOnce(made, false);
	const topic = made.client.topic("sensors/kitchen/temperature", { qos });
	const payload = new Uint8Array(32);
	for (let i = 0; i < count; i++) {
		assert.equal(topic.publish(payload), true);
		const id = (i % 65_535) + 1;
		if (qos === 1) made.network.receive(puback(id));
		else for (const answer of [pubrec, pubcomp]) made.network.receive(answer(id));
	}
	assert.equal(made.client.status.delivered, count);
	assert.deepEqual(made.store.complaints, []);
	return { bytes: made.store.bytesWritten, pages: made.store.pagesErased };
}

for (const [qos, bytes, pages] of [
	[1, 483_840, 120],
	[2, 564_416, 138],
] as const) {
	test(`what the journal writes for 10,000 messages at QoS ${qos} is exact`, (t) => {
		const figures = wear(qos, 10_000);
		t.diagnostic(
			`QoS ${qos}: ${figures.bytes / 10_000} bytes a message, an erase of 4 kB every ${10_000 / figures.pages} messages; ` +
				`with 4 pages of 100,000 erases: ${Math.round((4 * 100_000 * 10_000) / figures.pages)} messages`,
		);
		assert.deepEqual(figures, { bytes, pages });
	});
}

test("an outbox of a kilobyte holds 26 readings of the budget workload, in flight or waiting, with a journal or without", (t) => {
	for (const journal of [undefined, () => new Journal(flash())]) {
		for (const isConnected of [false, true]) {
			const options = { journal: journal?.(), outbox: 1_024, window: 32_767 };
			const { client } = isConnected ? connected(options) : scene(options);
			const topic = client.topic("sensors/kitchen/temperature", { qos: 1 });
			let count = 0;
			while (topic.publish(new Uint8Array(32))) count++;
			t.diagnostic(`${count} readings ${isConnected ? "in flight" : "wait"}, journal ${journal !== undefined}`);
			assert.equal(count, 26);
		}
	}
});

test("with a time there are 24", () => {
	const { client } = scene({ outbox: 1_024 });
	const topic = client.topic("sensors/kitchen/temperature", { qos: 1, age: new Age(), expiry: 60 });
	let count = 0;
	while (topic.publish(new Uint8Array(32))) count++;
	assert.equal(count, 24);
});
