/** One wake of a board that sleeps: what waits goes out, is acknowledged, and the client stops. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
	type Client,
	type ClientOptions,
	ExactlyOnce,
	Fallback,
	Reason,
	State,
	Stream,
	type Topic,
} from "../../src/client.js";
import { connected, type Scene, scene } from "../support/client.js";
import { joined, utf8 } from "../support/hex.js";
import { connack, puback, pubcomp, publish, pubrec, readable, suback } from "../support/packets.js";

interface Wake extends Scene {
	/** What `done` was told, each time. */
	dones: [delivered: number, left: number][];
	/** Begins a flush; false if one is going on. */
	flush: (budget?: number) => boolean;
	topic: (qos?: 0 | 1 | 2, name?: string) => Topic;
}

function watched(made: Scene): Wake {
	const dones: [number, number][] = [];
	return {
		...made,
		dones,
		flush: (budget = 30) => made.client.flush(budget, (delivered, left) => dones.push([delivered, left])),
		topic: (qos = 1, name = "t") => made.client.topic(name, { qos }),
	};
}

/** A client that has not started, and keeps its session. */
const asleep = (options: Partial<ClientOptions> = {}) =>
	watched(scene({ cleanSession: false, exactlyOnce: new ExactlyOnce(), keepAlive: 0, ...options }));

const awake = (options: Partial<ClientOptions> = {}) =>
	watched(connected({ cleanSession: false, exactlyOnce: new ExactlyOnce(), keepAlive: 0, ...options }));

function publishAll(topic: Topic, ...texts: string[]): void {
	for (const text of texts) assert.equal(topic.publish(utf8(text)), true);
}

/** The link opens; what the client says at once, in front of CONNACK. */
function early({ network, sent }: Scene, room?: number): string[] {
	network.open(room);
	const lines = sent();
	assert.equal(lines[0], "CONNECT");
	return lines.slice(1);
}

/** PUBACKs these. */
function acknowledge({ network }: Scene, ...ids: number[]): void {
	for (const id of ids) network.receive(puback(id));
}

// What it does

test("CONNECT and the messages leave in one go, and when all are acknowledged the client says DISCONNECT and stops", () => {
	const made = asleep();
	publishAll(made.topic(), "1", "2", "3");
	assert.equal(made.flush(), true);
	assert.deepEqual(early(made), ["PUBLISH t '1' qos 1 id 1", "PUBLISH t '2' qos 1 id 2", "PUBLISH t '3' qos 1 id 3"]);
	made.network.receive(connack());
	acknowledge(made, 1, 2);
	assert.deepEqual([made.sent(), made.dones], [[], []]);
	acknowledge(made, 3);
	assert.deepEqual(made.sent(), ["DISCONNECT"]);
	assert.deepEqual(made.dones, [[3, 0]]);
	assert.equal(made.client.status.state, State.STOPPED);
	assert.deepEqual(made.reasons, [Reason.STOPPED]);
	assert.equal(made.network.clock.untilNext, undefined, "no alarm is left");
	assert.equal(made.network.closed, 1);
});

test("the acknowledgements may come in one piece with CONNACK", () => {
	const made = asleep();
	publishAll(made.topic(), "1", "2");
	made.flush();
	early(made);
	made.network.receive(joined([connack(0, true), puback(1), puback(2)]));
	assert.deepEqual(made.dones, [[2, 0]]);
	assert.deepEqual(made.sent(), ["DISCONNECT"]);
});

test("with nothing to publish it connects, and stops", () => {
	const made = asleep();
	made.flush();
	assert.deepEqual(early(made), []);
	made.network.receive(connack());
	assert.deepEqual([made.dones, made.sent()], [[[0, 0]], ["DISCONNECT"]]);
});

test("QoS 0 only: the messages leave at once, and the end comes with CONNACK", () => {
	const made = asleep();
	publishAll(made.topic(0), "1", "2");
	made.flush();
	assert.deepEqual(early(made), ["PUBLISH t '1'", "PUBLISH t '2'"]);
	assert.deepEqual(made.dones, []);
	made.network.receive(connack());
	assert.deepEqual([made.dones, made.sent()], [[[0, 0]], ["DISCONNECT"]]);
});

test("QoS 0 over a narrow link: it waits until all has left", () => {
	const made = asleep({ output: 32, outbox: 1024 });
	publishAll(made.topic(0), "x".repeat(100));
	made.flush();
	const pieces: Uint8Array[] = [];
	made.network.open(20);
	for (let i = 0; i < 3; i++) {
		made.network.writable(10);
		pieces.push(made.network.taken());
	}
	made.network.receive(connack());
	for (let i = 0; i < 20 && made.network.isOpen; i++) {
		assert.deepEqual(made.dones, []);
		made.network.writable(10);
		pieces.push(made.network.taken());
	}
	assert.deepEqual(made.dones, [[0, 0]]);
	const lines = readable(joined(pieces));
	assert.deepEqual(lines.slice(0, 2), ["CONNECT", `PUBLISH t '${"x".repeat(100)}'`]);
});

test("QoS 2: PUBLISH waits for CONNACK, and the end comes with PUBCOMP", () => {
	const made = asleep();
	publishAll(made.topic(2), "1");
	made.flush();
	assert.deepEqual(early(made), []);
	made.network.receive(connack());
	assert.deepEqual(made.sent(), ["PUBLISH t '1' qos 2 id 1"]);
	made.network.receive(pubrec(1));
	assert.deepEqual([made.sent(), made.dones], [["PUBREL id 1"], []]);
	made.network.receive(pubcomp(1));
	assert.deepEqual([made.sent(), made.dones], [["DISCONNECT"], [[1, 0]]]);
});

test("it waits for SUBACK and UNSUBACK too, and says neither SUBSCRIBE nor UNSUBSCRIBE in front of CONNACK", () => {
	const made = asleep();
	made.client.subscribe("a", 1, () => {});
	publishAll(made.topic(), "1");
	made.flush();
	assert.deepEqual(early(made), ["PUBLISH t '1' qos 1 id 1"]);
	made.network.receive(connack());
	assert.deepEqual(made.sent(), ["SUBSCRIBE id 2 a qos 1"]);
	acknowledge(made, 1);
	assert.deepEqual(made.dones, []);
	made.network.receive(suback(2, 1));
	assert.deepEqual([made.dones, made.sent()], [[[1, 0]], ["DISCONNECT"]]);
});

test("what the broker sends meanwhile is handed over and acknowledged in front of DISCONNECT", () => {
	const made = asleep();
	let heard = 0;
	made.client.subscribe("a", 1, () => heard++);
	made.flush();
	early(made);
	made.network.receive(connack(0, true));
	assert.deepEqual(made.sent(), ["SUBSCRIBE id 1 a qos 1"]);
	made.network.receive(joined([publish("a", "x", { qos: 1, id: 7 }), suback(1, 1)]));
	assert.equal(heard, 1);
	assert.deepEqual(made.sent(), ["PUBACK id 7", "DISCONNECT"]);
	assert.deepEqual(made.dones, [[0, 0]]);
});

test("what is published meanwhile is waited for, too", () => {
	const made = asleep();
	publishAll(made.topic(), "1");
	made.flush();
	early(made);
	made.network.receive(connack());
	publishAll(made.topic(), "2");
	acknowledge(made, 1);
	assert.deepEqual(made.dones, []);
	acknowledge(made, 2);
	assert.deepEqual(made.dones, [[2, 0]]);
});

test("a stream is waited for", () => {
	const made = asleep();
	const stream = new Stream(made.client, "s", { qos: 1 });
	let ready = 0;
	stream.publish(4, {
		read(bytes, at, _offset, count) {
			const given = Math.min(ready, count);
			bytes.fill(65, at, at + given);
			return given;
		},
	});
	made.flush();
	made.network.open();
	made.network.receive(connack());
	assert.deepEqual(made.dones, []);
	ready = 4;
	stream.resume();
	assert.deepEqual(made.sent(), ["CONNECT", "PUBLISH s 'AAAA' qos 1 id 1"]);
	acknowledge(made, 1);
	assert.deepEqual(made.dones, [[1, 0]]);
});

test("delivered counts from the call on, at QoS 1 and 2", () => {
	const made = awake();
	publishAll(made.topic(), "1", "2", "3");
	acknowledge(made, 1);
	publishAll(made.topic(0), "0");
	publishAll(made.topic(2), "4");
	assert.equal(made.flush(), true);
	acknowledge(made, 2, 3);
	for (const answer of [pubrec, pubcomp]) made.network.receive(answer(4));
	assert.deepEqual(made.dones, [[3, 0]]);
	assert.equal(made.client.status.delivered, 4);
});

// From any state

test("while connected with nothing to do it ends in the next turn, not from within the call", () => {
	const made = awake();
	made.flush();
	assert.deepEqual(made.dones, []);
	assert.equal(made.client.status.state, State.CONNECTED);
	made.network.clock.advance(0);
	assert.deepEqual([made.dones, made.sent()], [[[0, 0]], ["DISCONNECT"]]);
	assert.equal(made.client.status.state, State.STOPPED);
});

test("while connected it waits for what is in flight, and publishes what waits", () => {
	const made = awake({ window: 1 });
	publishAll(made.topic(), "1", "2");
	made.sent();
	made.flush();
	made.network.clock.advance(0);
	acknowledge(made, 1);
	assert.deepEqual([made.sent(), made.dones], [["PUBLISH t '2' qos 1 id 2"], []]);
	acknowledge(made, 2);
	assert.deepEqual(made.dones, [[2, 0]]);
});

test("while the link opens, and while CONNACK is due", () => {
	for (const isOpen of [false, true]) {
		const made = asleep();
		publishAll(made.topic(), "1");
		made.client.start();
		if (isOpen) early(made);
		made.flush();
		made.network.clock.advance(0);
		if (!isOpen) assert.deepEqual(early(made), ["PUBLISH t '1' qos 1 id 1"]);
		made.network.receive(connack());
		assert.deepEqual(made.sent(), isOpen ? ["PUBLISH t '1' qos 1 id 1"] : []);
		acknowledge(made, 1);
		assert.deepEqual(made.dones, [[1, 0]]);
	}
});

test("while the client waits to reconnect it tries at once", () => {
	const made = awake({ retryBase: 20 });
	publishAll(made.topic(), "1");
	made.network.break();
	made.sent();
	made.flush(5);
	made.network.clock.advance(0);
	assert.deepEqual(early(made), ["PUBLISH t '1' qos 1 id 1 dup"]);
	made.network.receive(connack(0, true));
	acknowledge(made, 1);
	assert.deepEqual(made.dones, [[1, 0]]);
});

test("while the client waits after a refusal it waits on, and ends at once if that is longer than the budget", () => {
	for (const [budget, isLong] of [
		[10, false],
		[50, true],
	] as const) {
		const made = asleep();
		publishAll(made.topic(), "1");
		made.client.start();
		early(made);
		made.network.receive(connack(5));
		assert.equal(made.network.clock.untilNext, 45_000);
		made.flush(budget);
		assert.deepEqual(made.dones, []);
		made.network.clock.advance(0);
		assert.deepEqual(made.dones, isLong ? [] : [[0, 1]]);
		assert.equal(made.client.status.state, isLong ? State.WAITING : State.STOPPED);
		made.network.clock.advance(45_000);
		assert.equal(made.network.isOpening, isLong);
	}
});

// The end of the budget

test("when the budget is over it stops wherever it is, to the millisecond, and says how many are left", () => {
	const places: [string, (made: Wake) => void, State][] = [
		["opening", () => {}, State.OPENING],
		["connecting", (made) => early(made), State.CONNECTING],
		[
			"connected",
			(made) => {
				early(made);
				made.network.receive(connack());
				acknowledge(made, 2);
			},
			State.CONNECTED,
		],
	];
	for (const [what, go, state] of places) {
		const made = asleep({ timeout: 3_600, window: 2 });
		publishAll(made.topic(), "1", "2", "3");
		made.flush(0.5);
		made.network.clock.advance(100);
		go(made);
		made.sent();
		made.network.clock.advance(399);
		assert.equal(made.client.status.state, state, what);
		assert.deepEqual(made.dones, []);
		made.network.clock.advance(1);
		assert.deepEqual(made.dones, [state === State.CONNECTED ? [1, 2] : [0, 3]], what);
		assert.deepEqual(made.sent(), state === State.CONNECTED ? ["DISCONNECT"] : []);
		assert.equal(made.client.status.state, State.STOPPED);
		assert.deepEqual(made.reasons, [Reason.STOPPED]);
		assert.equal(made.network.clock.untilNext, undefined);
	}
});

test("what is left goes out in the next flush, with DUP where it may have arrived", () => {
	const made = asleep({ window: 1 });
	publishAll(made.topic(), "1", "2");
	made.flush(1);
	assert.deepEqual(early(made), ["PUBLISH t '1' qos 1 id 1"]);
	made.network.clock.advance(1_000);
	assert.deepEqual(made.dones, [[0, 2]]);
	made.flush();
	assert.deepEqual(early(made), ["PUBLISH t '1' qos 1 id 1 dup"]);
	made.network.receive(connack(0, true));
	acknowledge(made, 1, 2);
	assert.deepEqual(made.dones, [
		[0, 2],
		[2, 0],
	]);
});

test("an attempt that fails is followed by the next one while the budget allows it", () => {
	const made = asleep();
	made.network.clock.randomness = 0;
	publishAll(made.topic(), "1");
	made.flush(4);
	for (let i = 0; i < 3; i++) {
		made.network.break();
		assert.deepEqual(made.dones, []);
		made.network.clock.advance(1_000);
		assert.equal(made.network.isOpening, true);
	}
	made.network.break();
	assert.deepEqual(made.dones, [], "not from within an event of the link");
	made.network.clock.advance(0);
	assert.deepEqual(made.dones, [[0, 1]], "the next one would come with the end of the budget");
	assert.equal(made.client.status.state, State.STOPPED);
});

test("a link that is lost amid it is opened again, and what is left goes out", () => {
	const made = asleep();
	publishAll(made.topic(), "1", "2");
	made.flush();
	early(made);
	made.network.receive(connack());
	acknowledge(made, 1);
	made.network.break();
	made.network.clock.advance(2_000);
	assert.deepEqual(early(made), ["PUBLISH t '2' qos 1 id 2 dup"]);
	made.network.receive(connack(0, true));
	acknowledge(made, 2);
	assert.deepEqual(made.dones, [[2, 0]]);
	assert.deepEqual(made.reasons, [Reason.LINK_LOST, Reason.STOPPED]);
});

for (let code = 1; code <= 5; code++) {
	test(`refused with return code ${code}: it ends at once, since the next attempt would come too late`, () => {
		const made = asleep();
		publishAll(made.topic(), "1");
		publishAll(made.topic(2), "2");
		made.flush();
		early(made);
		made.network.receive(connack(code));
		made.network.clock.advance(0);
		assert.deepEqual(made.dones, [[0, 2]]);
		assert.equal(made.client.status.outbox.used, 14);
		assert.deepEqual(made.reasons, [code, Reason.STOPPED]);
	});
}

test("a clock that is set makes no budget longer", () => {
	for (const by of [-1_000, -100_000_000, 1_000, 100_000_000, 2 ** 31]) {
		for (const amid of [false, true]) {
			const made = asleep();
			const { clock } = made.network;
			let set = 0;
			clock.time = () => (200_000_000 + clock.now + set) >>> 0;
			publishAll(made.topic(), "1");
			made.flush(5);
			if (amid) {
				clock.advance(1_000);
				made.network.break();
			}
			set = by;
			clock.advance(0);
			clock.advance(5_000);
			assert.deepEqual(made.dones, [[0, 1]], `by ${by} ms`);
		}
	}
});

// What may go wrong around it

test("an error in done is reported, and the client has stopped all the same", () => {
	const errors: unknown[] = [];
	const { client, network } = scene({ onError: (error) => errors.push(error) });
	const failure = new Error("mine");
	client.flush(5, () => {
		throw failure;
	});
	network.open();
	network.receive(connack());
	assert.deepEqual(errors, [failure]);
	assert.equal(client.status.failures, 1);
	assert.equal(client.status.state, State.STOPPED);
	assert.equal(
		client.flush(5, () => {}),
		true,
	);
});

test("there is one flush at a time; the next one may begin in done", () => {
	const made = asleep();
	assert.equal(made.flush(), true);
	assert.equal(made.flush(), false);
	early(made);
	assert.equal(made.flush(), false);
	const { client, network } = scene();
	const ends: string[] = [];
	client.flush(5, () => {
		ends.push("first");
		assert.equal(
			client.flush(5, () => ends.push("second")),
			true,
		);
		assert.equal(client.status.state, State.OPENING);
	});
	for (const expected of [["first"], ["first", "second"]]) {
		network.open();
		network.receive(connack());
		assert.deepEqual(ends, expected);
	}
	network.clock.advance(100_000);
	assert.equal(client.status.state, State.STOPPED);
	assert.equal(ends.length, 2);
});

test("stop ends it: done is told once, and what is started then goes on", () => {
	for (const state of [State.OPENING, State.CONNECTING, State.CONNECTED, State.WAITING]) {
		const made = asleep();
		publishAll(made.topic(), "1");
		made.flush(5);
		if (state !== State.OPENING) early(made);
		if (state >= State.CONNECTED || state === State.WAITING) made.network.receive(connack());
		if (state === State.WAITING) made.network.break();
		assert.equal(made.client.status.state, state);
		made.client.stop();
		made.client.start();
		assert.deepEqual(made.dones, [[0, 1]]);
		made.network.clock.advance(0);
		assert.equal(made.client.status.state, State.OPENING);
		made.sent();
		assert.deepEqual(early(made), [], "this is no flush");
		made.network.receive(connack(0, true));
		acknowledge(made, 1);
		made.network.clock.advance(100_000);
		assert.equal(made.client.status.state, State.CONNECTED);
		assert.equal(made.dones.length, 1);
	}
});

test("start during a flush changes nothing", () => {
	const made = asleep();
	publishAll(made.topic(), "1");
	made.flush();
	made.client.start();
	early(made);
	made.client.start();
	made.network.receive(connack());
	acknowledge(made, 1);
	assert.deepEqual(made.dones, [[1, 0]]);
	assert.equal(made.client.status.state, State.STOPPED);
});

test("a flush that begins in onDisconnect, after stop, goes its way", () => {
	let client: Client | undefined;
	const dones: number[] = [];
	const made = connected({
		onDisconnect(reason) {
			if (reason !== Reason.STOPPED || dones.length > 0) return;
			assert.equal(
				client?.flush(5, (delivered) => dones.push(delivered)),
				true,
			);
		},
	});
	client = made.client;
	const topic = client.topic("t", { qos: 1 });
	publishAll(topic, "1");
	client.stop();
	assert.deepEqual(dones, []);
	made.sent();
	early(made);
	made.network.receive(connack());
	acknowledge(made, 1);
	assert.deepEqual(dones, [1]);
	assert.equal(client.status.state, State.STOPPED);
});

test("a flush that begins in onConnect, or in a handler, ends when all is done", () => {
	for (const where of ["onConnect", "handler"] as const) {
		let client: Client | undefined;
		let ends = 0;
		const begin = () => client?.flush(5, () => ends++);
		const made = scene({ onConnect: () => where === "onConnect" && begin() });
		client = made.client;
		const topic = client.topic("t", { qos: 1 });
		client.subscribe("a", 1, () => {
			topic.publish(utf8("1"));
			begin();
		});
		client.start();
		made.network.open();
		made.network.receive(connack());
		made.network.receive(suback(1, 1));
		if (where === "handler") {
			made.network.receive(publish("a", "x", { qos: 1, id: 9 }));
			acknowledge(made, 2);
		}
		assert.equal(ends, 1, where);
		assert.equal(made.sent().at(-1), "DISCONNECT");
		made.network.clock.advance(10_000);
		assert.equal(client.status.state, State.STOPPED);
	}
});

test("stop from within a callback of the flush's connection is an end like any other", () => {
	let client: Client | undefined;
	const dones: [number, number][] = [];
	const made = scene({ onConnect: () => client?.stop() });
	client = made.client;
	publishAll(client.topic("t", { qos: 1 }), "1");
	client.flush(5, (delivered, left) => dones.push([delivered, left]));
	made.network.open();
	made.network.receive(connack());
	assert.deepEqual(dones, [[0, 1]]);
	assert.equal(client.status.state, State.STOPPED);
	made.network.clock.advance(100_000);
	assert.deepEqual(dones.length, 1);
});

test("stop from within onDisconnect, when the flush's link is lost, is the end, told once", () => {
	for (const late of [0, 100_000]) {
		let client: Client | undefined;
		const dones: number[] = [];
		const made = scene({ onDisconnect: (reason) => reason === Reason.LINK_LOST && client?.stop() });
		client = made.client;
		client.flush(60, (_, left) => dones.push(left));
		made.network.open();
		made.network.clock.now += late;
		made.network.break();
		assert.deepEqual(dones, [0]);
		made.network.clock.advance(100_000);
		assert.deepEqual([dones, client.status.state, client.status.failures], [[0], State.STOPPED, 0]);
	}
});

test("after a flush start works as ever: nothing in front of CONNACK", () => {
	const made = asleep();
	made.flush();
	early(made);
	made.network.receive(connack());
	publishAll(made.topic(), "1");
	made.client.start();
	made.sent();
	assert.deepEqual(early(made), []);
	made.network.receive(connack(0, true));
	assert.deepEqual(made.sent(), ["PUBLISH t '1' qos 1 id 1"]);
	assert.equal(made.dones.length, 1);
});

test("budget and done are checked", () => {
	const { client } = scene();
	for (const budget of [0, 0.09, -1, 86_401, Number.NaN, Number.POSITIVE_INFINITY, "5", "soon", null]) {
		assert.throws(
			() => client.flush(budget as number, () => {}),
			/^Error: mqtt-mote: budget must be 0\.1 to 86,400 seconds, not /,
		);
	}
	for (const done of [undefined, null, 5, "done"]) {
		assert.throws(() => client.flush(5, done as never), /^Error: mqtt-mote: flush needs a callback$/);
	}
	assert.equal(client.status.state, State.STOPPED);
	for (const budget of [0.1, 86_400]) {
		const made = asleep();
		assert.equal(made.flush(budget), true);
		made.network.clock.advance(budget * 1000);
		assert.deepEqual(made.dones, [[0, 0]]);
	}
});

// In front of CONNACK

for (const output of [64, 256, 8_192]) {
	test(`40 PUBLISHes leave in front of CONNACK and no more, in order, with an output of ${output}; the rest follows`, () => {
		const made = asleep({ outbox: 8_192, output, window: 100 });
		const topic = made.topic(1, "sensors/kitchen/temperature");
		for (let i = 1; i <= 60; i++) topic.publish(utf8(String(i).padEnd(32)));
		made.flush();
		const numbers = (lines: string[]) => lines.map((line) => Number(/'(\d+)/.exec(line)?.[1]));
		assert.deepEqual(
			numbers(early(made)),
			Array.from({ length: 40 }, (_, i) => i + 1),
		);
		made.network.receive(connack());
		assert.deepEqual(
			numbers(made.sent()),
			Array.from({ length: 20 }, (_, i) => i + 41),
		);
		for (let id = 1; id <= 60; id++) made.network.receive(puback(id));
		assert.deepEqual(made.dones, [[60, 0]]);
	});
}

test("QoS 0 counts for the 40, and what expires does not", () => {
	const made = asleep({ outbox: 8_192 });
	const expires = made.client.topic("e", { expiry: 1 });
	for (let i = 0; i < 30; i++) expires.publish(utf8("old"));
	made.network.clock.advance(1_000);
	const topic = made.topic(0);
	for (let i = 0; i < 60; i++) topic.publish(utf8("new"));
	made.flush();
	assert.equal(early(made).length, 40);
	made.network.receive(connack());
	assert.equal(made.sent().length, 21, "and DISCONNECT");
	assert.equal(made.client.status.expired, 30);
});

test("the window holds in front of CONNACK, too", () => {
	const made = asleep({ window: 2 });
	publishAll(made.topic(), "1", "2", "3");
	made.flush();
	assert.equal(early(made).length, 2);
	made.network.receive(connack());
	assert.equal(made.sent().length, 0);
	acknowledge(made, 1, 2, 3);
	assert.deepEqual(made.dones, [[3, 0]]);
});

/** A client that has published these in an earlier connection, without an answer; at QoS 2, with PUBREC where it is said so. */
function after(...messages: [qos: 1 | 2, text: string, received?: boolean][]): Wake {
	const made = awake();
	for (const [i, [qos, text, received]] of messages.entries()) {
		publishAll(made.topic(qos), text);
		if (received) made.network.receive(pubrec(i + 1));
	}
	made.client.stop();
	made.sent();
	return made;
}

test("QoS 1 may go out again in front of CONNACK: its DUP says all", () => {
	const made = after([1, "1"], [1, "2"]);
	made.flush();
	assert.deepEqual(early(made), ["PUBLISH t '1' qos 1 id 1 dup", "PUBLISH t '2' qos 1 id 2 dup"]);
});

test("nothing of QoS 2 goes out in front of CONNACK, again or for the first time, neither what stands behind it", () => {
	for (const present of [true, false]) {
		for (const received of [true, false]) {
			const made = after([1, "1"], [2, "2", received], [1, "3"]);
			publishAll(made.topic(2), "4");
			made.flush();
			assert.deepEqual(early(made), ["PUBLISH t '1' qos 1 id 1 dup"]);
			made.network.receive(connack(0, present));
			assert.deepEqual(made.sent(), [
				present && received ? "PUBREL id 2" : "PUBLISH t '2' qos 2 id 2 dup",
				"PUBLISH t '3' qos 1 id 3 dup",
				"PUBLISH t '4' qos 2 id 4",
			]);
		}
	}
});

for (const present of [true, false]) {
	test(`session present ${+present}: no message goes out twice on a connection`, () => {
		const made = asleep();
		for (const qos of [0, 1, 2] as const) publishAll(made.topic(qos), `q${qos}`);
		made.flush();
		assert.deepEqual(early(made), ["PUBLISH t 'q0'", "PUBLISH t 'q1' qos 1 id 1"]);
		made.network.receive(connack(0, present));
		assert.deepEqual(made.sent(), ["PUBLISH t 'q2' qos 2 id 2"]);
		made.network.receive(pubrec(2));
		assert.deepEqual(made.sent(), ["PUBREL id 2"]);
		acknowledge(made, 1);
		made.network.receive(pubcomp(2));
		assert.deepEqual(made.dones, [[2, 0]]);
		const { sent, resent, mayRepeat, stray } = made.client.status;
		assert.deepEqual({ sent, resent, mayRepeat, stray }, { sent: 3, resent: 0, mayRepeat: 0, stray: 0 });
	});
}

test("a broker that has lost the session, and messages of before: those at QoS 2 may repeat", () => {
	const made = after([2, "1"], [2, "2", true]);
	publishAll(made.topic(2), "3");
	made.flush();
	assert.deepEqual(early(made), []);
	made.network.receive(connack(0, false));
	assert.deepEqual(made.sent(), [
		"PUBLISH t '1' qos 2 id 1 dup",
		"PUBLISH t '2' qos 2 id 2 dup",
		"PUBLISH t '3' qos 2 id 3",
	]);
	assert.equal(made.client.status.mayRepeat, 2);
});

test("a message that is larger than the output goes on where it was when CONNACK comes amid it", () => {
	const made = asleep({ output: 32, outbox: 1_024 });
	const text = "0123456789".repeat(20);
	publishAll(made.topic(), text, "2");
	made.client.subscribe("a", 0, () => {});
	made.flush();
	made.network.open(0);
	const pieces: Uint8Array[] = [];
	const pass = (times: number) => {
		for (let i = 0; i < times; i++) {
			made.network.writable(7);
			pieces.push(made.network.taken());
		}
	};
	pass(10);
	made.network.receive(connack());
	pass(60);
	assert.deepEqual(readable(joined(pieces)), [
		"CONNECT",
		`PUBLISH t '${text}' qos 1 id 1`,
		"SUBSCRIBE id 2 a qos 0",
		"PUBLISH t '2' qos 1 id 3",
	]);
});

test("without a flush nothing but CONNECT goes out in front of CONNACK", () => {
	const made = asleep();
	publishAll(made.topic(), "1");
	made.client.start();
	assert.deepEqual(early(made), []);
});

test("an acknowledgement in front of CONNACK is out of place, early or not", () => {
	const made = asleep();
	publishAll(made.topic(), "1");
	made.flush();
	early(made);
	acknowledge(made, 1);
	assert.equal(made.client.status.reason, Reason.UNEXPECTED_PACKET);
	assert.equal(made.client.status.outbox.used, 7);
});

// A broker that takes nothing in front of its CONNACK

/** The link is lost, in front of CONNACK; the next one opens. */
function loseLink(made: Scene): void {
	made.network.break();
	made.network.clock.advance(10_000);
	assert.equal(made.network.isOpening, true);
}

/** A flush of one more message at a broker that takes it: did the message leave in front of CONNACK? */
function leavesEarly(made: Wake): boolean {
	publishAll(made.topic(), "more");
	made.flush(60);
	const lines = early(made);
	const isEarly = lines.length > 0;
	made.network.receive(connack(0, true));
	lines.push(...made.sent());
	for (const line of lines) acknowledge(made, Number(/id (\d+)/.exec(line)?.[1]));
	assert.deepEqual(made.sent(), ["DISCONNECT"]);
	return isEarly;
}

test("a broker that closes on it: the next attempt waits for CONNACK, and so do all flushes from then on", () => {
	const made = asleep();
	publishAll(made.topic(), "1");
	publishAll(made.topic(2), "2");
	made.flush(60);
	assert.equal(early(made).length, 1);
	loseLink(made);
	assert.deepEqual(early(made), []);
	made.network.receive(connack(0, true));
	assert.deepEqual(made.sent(), ["PUBLISH t '1' qos 1 id 1 dup", "PUBLISH t '2' qos 2 id 2"]);
	acknowledge(made, 1);
	for (const answer of [pubrec, pubcomp]) made.network.receive(answer(2));
	assert.deepEqual(made.dones, [[2, 0]]);
	assert.deepEqual(made.sent().slice(-1), ["DISCONNECT"]);
	for (let round = 0; round < 5; round++) assert.equal(leavesEarly(made), false);
});

test("a broker that answers nothing at all is given up after the timeout, and asked again in the other way", () => {
	const made = asleep();
	publishAll(made.topic(), "1");
	made.flush(60);
	assert.equal(early(made).length, 1);
	made.network.clock.advance(10_000);
	assert.equal(made.client.status.reason, Reason.CONNACK_TIMEOUT);
	made.network.clock.advance(10_000);
	assert.deepEqual(early(made), []);
	made.network.receive(connack());
	acknowledge(made, 1);
	made.sent();
	assert.equal(leavesEarly(made), false);
});

test("where one that waits is lost in front of CONNACK, too, it was the link: the next one does not wait", () => {
	const made = asleep();
	publishAll(made.topic(), "1");
	made.flush(300);
	assert.equal(early(made).length, 1);
	loseLink(made);
	assert.equal(early(made).length, 0);
	loseLink(made);
	assert.equal(early(made).length, 1);
	made.network.receive(connack());
	acknowledge(made, 1);
	made.sent();
	assert.equal(leavesEarly(made), true);
});

test("and so it is for a broker that was known to be slow", () => {
	const made = asleep();
	publishAll(made.topic(), "1");
	made.flush(60);
	early(made);
	loseLink(made);
	early(made);
	made.network.receive(connack());
	made.sent();
	acknowledge(made, 1);
	made.sent();
	assert.equal(leavesEarly(made), false);
	publishAll(made.topic(), "2");
	made.flush(300);
	assert.equal(early(made).length, 0);
	loseLink(made);
	assert.equal(early(made).length, 1, "another try");
	made.network.receive(connack());
	acknowledge(made, 3);
	made.sent();
	assert.equal(leavesEarly(made), true);
});

test("links that do not open, are refused or are lost behind CONNACK say nothing about it", () => {
	const made = asleep({ retryBase: 1, retryCap: 2 });
	publishAll(made.topic(), "1");
	made.flush(300);
	made.network.break();
	made.network.clock.advance(10_000);
	made.network.break();
	made.network.clock.advance(2_000);
	assert.equal(early(made).length, 1);
	made.network.receive(connack(3));
	made.network.clock.advance(2_000);
	assert.equal(early(made).length, 1);
	made.network.receive(connack());
	made.network.break();
	made.network.clock.advance(2_000);
	assert.equal(early(made).length, 1);
	made.network.receive(connack(0, true));
	acknowledge(made, 1);
	made.sent();
	assert.equal(leavesEarly(made), true);
});

test("a link that is lost in front of CONNACK before anything else has left says nothing about it", () => {
	for (const qos of [undefined, 2] as const) {
		const made = asleep();
		if (qos) publishAll(made.topic(qos), "1");
		made.flush(60);
		assert.deepEqual(early(made), []);
		loseLink(made);
		early(made);
		made.network.receive(connack());
		if (qos) for (const answer of [pubrec, pubcomp]) made.network.receive(answer(1));
		made.sent();
		assert.equal(leavesEarly(made), true);
	}
});

test("a budget that ends amid an attempt says nothing about it", () => {
	const made = asleep();
	publishAll(made.topic(), "1");
	for (let round = 0; round < 3; round++) {
		made.flush(5);
		assert.equal(early(made).length, 1);
		made.network.clock.advance(5_000);
	}
	assert.deepEqual(made.dones.length, 3);
});

test("a broker that accepts, and drops what came in front: a budget without an acknowledgement is the last of that kind", () => {
	const made = asleep();
	publishAll(made.topic(), "1");
	made.flush(5);
	assert.equal(early(made).length, 1);
	made.network.receive(connack());
	made.network.clock.advance(5_000);
	assert.deepEqual(made.dones, [[0, 1]]);
	made.sent();
	made.flush(5);
	assert.deepEqual(early(made), []);
	made.network.receive(connack(0, true));
	assert.deepEqual(made.sent(), ["PUBLISH t '1' qos 1 id 1 dup"]);
	acknowledge(made, 1);
	made.sent();
	assert.equal(leavesEarly(made), false);
});

test("what was acknowledged on an earlier connection says nothing about this one", () => {
	const made = asleep();
	publishAll(made.topic(), "1", "2");
	made.flush(20);
	assert.equal(early(made).length, 2);
	made.network.receive(connack());
	acknowledge(made, 1);
	loseLink(made);
	assert.deepEqual(early(made), ["PUBLISH t '2' qos 1 id 2 dup"]);
	made.network.receive(connack(0, true));
	made.network.clock.advance(20_000);
	assert.deepEqual(made.dones, [[1, 1]]);
	made.sent();
	made.flush(20);
	assert.deepEqual(early(made), []);
});

test("a budget that ends with some of the acknowledgements is only too short", () => {
	const made = asleep();
	publishAll(made.topic(), "1", "2");
	made.flush(5);
	assert.equal(early(made).length, 2);
	made.network.receive(connack());
	acknowledge(made, 1);
	made.network.clock.advance(5_000);
	made.sent();
	assert.equal(leavesEarly(made), true);
});

test("a budget that ends amid QoS 2 says nothing about what left in front of CONNACK", () => {
	for (const received of [false, true]) {
		const made = asleep();
		publishAll(made.topic(2), "1");
		made.flush(5);
		assert.equal(early(made).length, 0);
		made.network.receive(connack());
		if (received) made.network.receive(pubrec(1));
		made.network.clock.advance(5_000);
		made.sent();
		made.flush(60);
		early(made);
		made.network.receive(connack(0, true));
		for (const answer of [pubrec, pubcomp]) made.network.receive(answer(1));
		made.sent();
		assert.equal(leavesEarly(made), true);
	}
});

test("a budget that ends without an acknowledgement of what left behind CONNACK says nothing about it", () => {
	const made = asleep();
	made.client.subscribe("a", 0, () => {});
	made.flush(5);
	assert.equal(early(made).length, 0);
	made.network.receive(connack());
	publishAll(made.topic(), "1");
	made.network.clock.advance(5_000);
	made.sent();
	made.flush(5);
	assert.equal(early(made).length, 1);
});

test("Fallback: an attempt that was closed for what came in front of CONNACK is none against level 4", () => {
	const made = asleep({ level: new Fallback() });
	publishAll(made.topic(), "1");
	made.flush(60);
	early(made);
	loseLink(made);
	assert.equal(made.client.status.level, 4);
	early(made);
	made.network.receive(connack());
	acknowledge(made, 1);
	assert.equal(made.client.status.level, 4);
	assert.deepEqual(made.dones, [[1, 0]]);
});

test("Fallback: return code 1 to an early attempt leads to level 3 within the same flush", () => {
	const made = asleep({ level: new Fallback() });
	publishAll(made.topic(), "1");
	made.flush(60);
	early(made);
	made.network.receive(connack(1));
	made.network.clock.advance(10_000);
	assert.equal(made.client.status.level, 3);
	assert.equal(early(made).length, 1);
	made.network.receive(connack());
	acknowledge(made, 1);
	assert.deepEqual(made.dones, [[1, 0]]);
});
