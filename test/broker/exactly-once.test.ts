/**
 * Two clients send each other messages over links that delay, split and break, while the broker restarts now and then:
 * QoS 2 comes exactly once, QoS 1 at least once, both in order; and the broker finds no fault with them.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Broker, type Connection } from "../../simulator/broker/core/broker.js";
import type { Violation } from "../../simulator/broker/engine.js";
import { Random, seeded } from "../support/random.js";
import { Model, type Network } from "./model.js";
import { LEVELS } from "./peer.js";

const ROUNDS = 40;
const STEPS = 1_500;

function play(random: Random): void {
	const violations: Violation[] = [];
	const models = new Map<Connection, Model>();
	let now = 0;
	const broker = new Broker(
		{
			send: (connection, bytes) => models.get(connection)?.take(bytes),
			close: (connection) => models.get(connection)?.lost(),
		},
		{ watcher: { message() {}, violation: (violation) => violations.push(violation) }, window: 1 + random.below(10) },
	);
	const network: Network = {
		open(model) {
			const connection = broker.connect(now);
			models.set(connection, model);
			return connection;
		},
		receive: (connection, bytes) => broker.receive(connection, bytes, now),
		closed: (connection) => broker.closed(connection),
	};
	const [a, b] = [
		new Model("a", "b", random.pick(LEVELS), random, network),
		new Model("b", "a", random.pick(LEVELS), random, network),
	];
	const clients = [a, b];
	const step = () => {
		now++;
		for (const client of clients) {
			if (client.connection === undefined) client.open();
			client.move();
		}
	};
	while (!clients.every(({ isSubscribed }) => isSubscribed)) step();
	for (let count = 0; count < STEPS; count++) {
		step();
		const client = random.pick(clients);
		if (random.chance(0.2) && client.canPublish && count < STEPS * 0.9) client.publish(random.pick([0, 1, 2, 1, 2]));
		if (random.chance(0.02)) client.cut();
		if (random.chance(0.002)) broker.restart(true);
	}
	for (let count = 0; count < 100_000 && !clients.every(({ isIdle }) => isIdle); count++) step();

	assert.deepEqual(violations, []);
	for (const [from, to] of [
		[a, b],
		[b, a],
	] as const) {
		const numbers = (qos: number) => to.received.filter((one) => one.qos === qos).map(({ payload }) => Number(payload));
		const all = (qos: number) => Array.from({ length: from.published[qos] }, (_, index) => index);
		assert.deepEqual(numbers(2), all(2), "QoS 2");
		assert.deepEqual([...new Set(numbers(1))], all(1), "QoS 1");
		const atMostOnce = numbers(0);
		assert.deepEqual(
			atMostOnce,
			[...new Set(atMostOnce)].sort((one, other) => one - other),
			"QoS 0",
		);
		const state = broker.session(to.name);
		assert.deepEqual([state?.inFlight, state?.waiting, state?.dropped, state?.unreleased], [0, 0, 0, 0]);
	}
}

test("two clients over links that break: QoS 2 exactly once, QoS 1 at least once, in order", (context) => {
	const random = seeded((message) => context.diagnostic(message));
	for (let round = 0; round < ROUNDS; round++) play(new Random(random.below(2 ** 31)));
});
