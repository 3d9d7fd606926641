/** `retry`, the host's hint that the network is back; and the round trip that is measured on the way. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Client, State } from "../../src/client.js";
import { accept, connected, reconnect, type Scene, scene } from "../support/client.js";
import { connack, pingresp } from "../support/packets.js";
import { ScriptedNetwork } from "../support/scripted.js";

/** A client that waits to reconnect; the next attempt is 30 seconds away, the shortest wait is a second. */
function waiting(): Scene {
	const network = new ScriptedNetwork();
	const made = connected({ retryBase: 1, keepAlive: 60 }, network);
	// The wait grows to 30 s: a factor of up to 3 each time.
	network.clock.randomness = 0.999_999;
	for (let i = 0; i < 4; i++) {
		network.break();
		network.clock.toNext();
	}
	network.break();
	assert.ok(Number(network.clock.untilNext) > 30_000);
	return made;
}

test("a hint cuts the wait short: the link opens in the next turn", () => {
	const { client, network } = waiting();
	const { opened } = network;
	client.retry();
	assert.equal(network.isOpening, false, "not from within the call");
	network.clock.advance(0);
	assert.equal(network.isOpening, true);
	assert.equal(network.opened, opened + 1);
});

test("a second hint, before a link was up for a while, waits for the shortest wait from the end of the last attempt", () => {
	const { client, network } = waiting();
	client.retry();
	network.clock.advance(0);
	network.break();
	client.retry();
	assert.equal(network.clock.untilNext, 1_000);
	network.clock.advance(999);
	assert.equal(network.isOpening, false);
	network.clock.advance(1);
	assert.equal(network.isOpening, true);
	network.break();
	network.clock.advance(700);
	client.retry();
	assert.equal(network.clock.untilNext, 300);
	network.clock.advance(300);
	network.break();
	network.clock.advance(5_000);
	client.retry();
	network.clock.advance(0);
	assert.equal(network.isOpening, true, "the shortest wait is over");
});

test("a hint never makes a wait longer", () => {
	const network = new ScriptedNetwork();
	network.clock.randomness = 0;
	const { client } = connected({ retryBase: 1, retryCap: 60 }, network);
	for (let round = 0; round < 5; round++) {
		network.break();
		assert.equal(network.clock.untilNext, 1_000);
		network.clock.advance(round * 240);
		client.retry();
		assert.ok(Number(network.clock.untilNext) <= 1_000 - round * 240);
		network.clock.toNext();
		assert.equal(network.isOpening, true);
	}
});

test("a hint never makes a wait longer, neither where retryCap is below retryBase", () => {
	const { client, network } = connected({ retryBase: 1, retryCap: 0.5 });
	network.break();
	client.retry();
	network.clock.toNext();
	network.break();
	assert.equal(network.clock.untilNext, 500);
	client.retry();
	assert.equal(network.clock.untilNext, 500);
});

test("hints that come in swarms count once in a wait", () => {
	const { client, network } = waiting();
	const { opened } = network;
	for (let i = 0; i < 100; i++) client.retry();
	network.clock.advance(0);
	network.break();
	for (let i = 0; i < 100; i++) {
		client.retry();
		network.clock.advance(9);
	}
	assert.equal(network.opened, opened + 1);
	network.clock.advance(100);
	assert.equal(network.opened, opened + 2);
});

test("hints that come all the time, without a network, try no more often than the shortest wait allows", () => {
	const { client, network } = waiting();
	const { opened } = network;
	for (let ms = 0; ms < 60_000; ms += 10) {
		client.retry();
		network.clock.advance(10);
		if (network.isOpening) network.break();
	}
	assert.ok(network.opened - opened <= 61, `${network.opened - opened} attempts in a minute`);
	assert.ok(network.opened - opened >= 55);
});

test("once a link was up for a while a hint works at once again", () => {
	const made = waiting();
	const { client, network } = made;
	client.retry();
	network.clock.advance(0);
	accept(made);
	network.break();
	client.retry();
	assert.equal(network.clock.untilNext, 1_000, "that one was up for a moment");
	network.clock.advance(1_000);
	accept(made);
	network.clock.advance(27_000);
	assert.deepEqual(made.sent(), ["PINGREQ"]);
	network.break();
	client.retry();
	assert.equal(network.clock.untilNext, 0);
});

test("after a refusal a hint changes nothing: who is back is not the broker's permission", () => {
	for (let code = 1; code <= 5; code++) {
		const { client, network } = scene();
		client.start();
		network.open();
		network.receive(connack(code));
		assert.equal(client.status.reason, code);
		const wait = network.clock.untilNext;
		client.retry();
		assert.equal(network.clock.untilNext, wait);
	}
});

test("a hint in any other state changes nothing", () => {
	const { client, network, reasons, sent } = scene();
	const { clock } = network;
	const hint = () => {
		const before = [client.status.state, clock.untilNext, network.opened, network.closed];
		client.retry();
		assert.deepEqual([client.status.state, clock.untilNext, network.opened, network.closed], before);
	};
	hint();
	client.start();
	hint();
	network.open();
	hint();
	network.receive(connack());
	hint();
	client.stop();
	hint();
	assert.deepEqual([sent(), reasons.length], [["CONNECT", "DISCONNECT"], 1]);
});

test("the waits after a hint grow as they would without it", () => {
	const waits = (hints: boolean) => {
		const { client, network } = connected();
		network.clock.randomness = 0.5;
		const seen: (number | undefined)[] = [];
		for (let i = 0; i < 8; i++) {
			network.break();
			seen.push(network.clock.untilNext);
			if (hints) client.retry();
			network.clock.toNext();
		}
		return seen;
	};
	assert.deepEqual(waits(true), waits(false));
});

test("a hint from within onDisconnect works", () => {
	let client: Client | undefined;
	const made = connected({ onDisconnect: () => client?.retry() });
	client = made.client;
	made.network.break();
	assert.equal(made.network.clock.untilNext, 0);
	made.network.clock.advance(0);
	assert.equal(made.client.status.state, State.OPENING);
	made.network.break();
	assert.equal(made.network.clock.untilNext, 1_000);
});

// The round trip

test("roundTrip is the time from CONNECT to CONNACK, and then from PINGREQ to PINGRESP", () => {
	const made = scene({ keepAlive: 10 });
	const { client, network } = made;
	assert.equal(client.status.roundTrip, -1);
	client.start();
	network.clock.advance(500);
	network.open();
	network.clock.advance(123);
	assert.equal(client.status.roundTrip, -1);
	network.receive(connack());
	assert.equal(client.status.roundTrip, 123);
	network.clock.advance(4_500);
	assert.equal(made.sent().at(-1), "PINGREQ");
	network.clock.advance(77);
	network.receive(pingresp());
	assert.equal(client.status.roundTrip, 77);
	network.clock.advance(1_000);
	network.receive(pingresp());
	assert.equal(client.status.roundTrip, 77, "nobody asked for that one");
	network.break();
	assert.equal(client.status.roundTrip, 77, "it stays");
	reconnect(made);
	assert.equal(client.status.roundTrip, 0);
});

test("a refusal is no round trip", () => {
	const { client, network } = scene();
	client.start();
	network.open();
	network.clock.advance(50);
	network.receive(connack(3));
	assert.equal(client.status.roundTrip, -1);
});

test("the round trip over 2^32 on the clock is right, and 0 where the clock was set back", () => {
	for (const [begin, end, expected] of [
		[2 ** 32 - 10, 2 ** 32 + 20, 30],
		[2 ** 31 - 10, 2 ** 31 + 20, 30],
		[10_000, 9_000, 0],
		[5, 2 ** 32 - 5, 0],
	]) {
		const network = new ScriptedNetwork();
		const { client } = scene({}, network);
		network.clock.now = begin;
		client.start();
		network.open();
		network.clock.now = end;
		network.receive(connack());
		assert.equal(client.status.roundTrip, expected);
	}
});
