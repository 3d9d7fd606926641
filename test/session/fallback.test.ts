/** The protocol level by itself: 4 first, 3 for a broker that does not speak it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type ClientOptions, ExactlyOnce, Fallback, Reason, State } from "../../src/client.js";
import { type Scene, scene } from "../support/client.js";
import { show, utf8 } from "../support/hex.js";
import { connack, pubrec, readable, suback } from "../support/packets.js";

/** A client that has asked for its first link. */
function started(options: Partial<ClientOptions> = {}): Scene {
	const made = scene({ level: new Fallback(), retryBase: 1, retryCap: 60, ...options });
	made.network.clock.randomness = 0.5;
	made.client.start();
	return made;
}

/** Lets the link open; returns the level that CONNECT speaks. */
function levelOf({ network }: Scene): 3 | 4 {
	network.taken();
	network.open();
	const bytes = network.taken();
	assert.equal(bytes[0], 0x10);
	const level = bytes[3] === 6 ? 3 : 4;
	assert.equal(show(bytes.subarray(4, 9)), level === 3 ? "4d 51 49 73 64" : "4d 51 54 54 04");
	return level;
}

/** The levels of so many attempts, each of which ends like this. */
function levels(made: Scene, attempts: number, end: (made: Scene) => void): number[] {
	return Array.from({ length: attempts }, () => {
		const level = levelOf(made);
		assert.equal(made.client.status.level, level);
		end(made);
		if (!made.network.isOpening) made.network.clock.toNext();
		return level;
	});
}

const refuse =
	(code: number) =>
	({ network }: Scene) =>
		network.receive(connack(code));
const close = ({ network }: Scene) => network.break();

test("a broker that speaks level 4 is spoken to in level 4, again and again", () => {
	const made = started();
	const seen = levels(made, 5, ({ network }) => {
		network.receive(connack());
		network.break();
	});
	assert.deepEqual(seen, [4, 4, 4, 4, 4]);
	assert.equal(made.client.status.connections, 5);
});

test("CONNECT is that of each level, whole, with will, user name and password", () => {
	const made = started({
		keepAlive: 10,
		will: { topic: "w", payload: "x", qos: 1 },
		userName: "u",
		password: Uint8Array.of(0xff),
	});
	const rest = "ce 00 0a 00 01 63 00 01 77 00 01 78 00 01 75 00 01 ff";
	made.network.open();
	assert.equal(show(made.network.taken()), `10 19 00 04 4d 51 54 54 04 ${rest}`);
	made.network.receive(connack(1));
	made.network.clock.toNext();
	made.network.open();
	assert.equal(show(made.network.taken()), `10 1b 00 06 4d 51 49 73 64 70 03 ${rest}`);
});

test("return code 1 brings the other level at the next attempt, which does not wait for long", () => {
	const made = started();
	assert.equal(levelOf(made), 4);
	made.network.receive(connack(1));
	assert.deepEqual(made.reasons, [Reason.UNACCEPTABLE_PROTOCOL_VERSION]);
	assert.equal(made.client.status.level, 3);
	assert.ok((made.network.clock.untilNext ?? 0) <= 3_000, `${made.network.clock.untilNext} ms`);
	made.network.clock.toNext();
	assert.equal(levelOf(made), 3);
	made.network.receive(connack());
	assert.equal(made.client.status.state, State.CONNECTED);
	assert.equal(made.client.status.level, 3);
});

test("a broker that refuses both levels is asked for them in turn, and not in haste", () => {
	const made = started();
	const waits: number[] = [];
	const seen = Array.from({ length: 6 }, () => {
		const level = levelOf(made);
		made.network.receive(connack(1));
		waits.push(made.network.clock.untilNext ?? 0);
		made.network.clock.toNext();
		return level;
	});
	assert.deepEqual(seen, [4, 3, 4, 3, 4, 3]);
	assert.ok(waits[0] <= 3_000);
	assert.deepEqual(waits.slice(1), [45_000, 45_000, 45_000, 45_000, 45_000]);
});

for (const code of [2, 3, 4, 5]) {
	test(`return code ${code} says nothing about the level`, () => {
		assert.deepEqual(levels(started(), 5, refuse(code)), [4, 4, 4, 4, 4]);
	});
}

test("two closes in a row in place of CONNACK bring the other level, and two more bring the first one back", () => {
	assert.deepEqual(levels(started(), 9, close), [4, 4, 3, 3, 4, 4, 3, 3, 4]);
});

test("closes count only in a row, and only in place of CONNACK", () => {
	const made = started();
	const ends: ((made: Scene) => void)[] = [
		close,
		refuse(3), // not in a row
		close,
		({ network }) => {
			network.receive(connack());
			network.break(); // behind CONNACK
		},
		close,
		({ network }) => network.clock.advance(10_000), // no CONNACK in time
		close,
		({ network }) => network.receive(Uint8Array.of(0xf0, 0)), // malformed
		close,
	];
	const seen = ends.map((end) => levels(made, 1, end)[0]);
	assert.deepEqual(seen, new Array(ends.length).fill(4));
	// A link that did not come about says nothing either.
	made.network.break();
	made.network.clock.toNext();
	assert.deepEqual(levels(made, 1, close), [4]);
	assert.deepEqual(levels(made, 1, close), [4]);
	assert.deepEqual(levels(made, 1, close), [3]);
});

test("what a broker has accepted is tried first from then on, after stop and start, too", () => {
	const made = started();
	levels(made, 2, close);
	const accepted = ({ network }: Scene) => {
		network.receive(connack());
		network.break();
	};
	assert.deepEqual(levels(made, 3, accepted), [3, 3, 3]);
	assert.equal(levelOf(made), 3);
	made.network.receive(connack());
	made.client.stop();
	assert.equal(made.client.status.level, 3);
	made.client.start();
	assert.equal(levelOf(made), 3);
});

test("a broker that learns level 4 later is found out the same way", () => {
	const made = started();
	assert.deepEqual(levels(made, 1, refuse(1)), [4]);
	assert.deepEqual(
		levels(made, 1, ({ network }) => {
			network.receive(connack());
			network.break();
		}),
		[3],
	);
	assert.equal(levelOf(made), 3);
	made.network.receive(connack(1));
	assert.ok((made.network.clock.untilNext ?? 0) <= 9_000, "the first change since it was accepted is quick again");
	made.network.clock.toNext();
	assert.equal(levelOf(made), 4);
});

test("stop while the level is sought, and start: it goes on where it was", () => {
	const made = started();
	levels(made, 1, close);
	assert.equal(levelOf(made), 4);
	made.client.stop();
	made.client.start();
	assert.deepEqual(levels(made, 2, close), [4, 4], "stop is no close by the broker");
	assert.equal(levelOf(made), 3);
});

test("at level 3 the client behaves as if it had been told level 3", () => {
	const told: boolean[] = [];
	const made = started({
		cleanSession: false,
		exactlyOnce: new ExactlyOnce(),
		onConnect: (sessionPresent) => told.push(sessionPresent),
	});
	const { client, network } = made;
	client.subscribe("a", 1, () => {});
	client.topic("t", { qos: 2 }).publish(utf8("x"));
	levels(made, 1, refuse(1));
	assert.equal(levelOf(made), 3);
	network.receive(Uint8Array.of(0x20, 2, 0xff, 0)); // reserved at level 3
	network.receive(suback(1, 1));
	network.receive(pubrec(2));
	made.sent();
	network.break();
	network.clock.toNext();
	assert.equal(levelOf(made), 3);
	network.receive(connack(0, true)); // means nothing at level 3
	assert.deepEqual(told, [false, false]);
	assert.deepEqual(readable(network.taken(), 3), ["SUBSCRIBE id 3 a qos 1", "PUBREL id 2 dup"]);
	network.receive(Uint8Array.of(0x9f, 3, 0, 3, 1)); // flags that level 4 forbids
	assert.equal(client.status.state, State.CONNECTED);
});

test("at level 4 the client behaves as if it had been told level 4", () => {
	const made = started();
	levelOf(made);
	made.network.receive(connack());
	made.network.receive(Uint8Array.of(0xd1, 0));
	assert.deepEqual(made.reasons, [Reason.MALFORMED_FLAGS]);
	assert.equal(made.client.status.level, 4);
});

test("a Fallback that is handed to another client begins anew with it", () => {
	const level = new Fallback();
	const one = started({ level });
	levels(one, 1, refuse(1));
	one.client.stop();
	const two = started({ level });
	assert.equal(levelOf(two), 4);
	two.network.receive(connack(1));
	assert.ok((two.network.clock.untilNext ?? 0) <= 3_000, "its first change is quick");
	two.network.clock.toNext();
	assert.equal(levelOf(two), 3);
});

test("onDisconnect may stop and start the client while the level is sought", () => {
	const made: Scene = started({
		onDisconnect(reason) {
			if (reason === Reason.STOPPED) return;
			made.client.stop();
			made.client.start();
		},
	});
	assert.deepEqual(levels(made, 4, refuse(1)), [4, 3, 4, 3]);
});
