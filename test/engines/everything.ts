/** What both real runtimes go through with firmware/everything.ts: QoS 2, streams, deferral and the rest, over a bad link. */
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { Cutter } from "../support/cutter.js";
import { peer, type Seen, watch } from "../support/peers.js";
import { Mosquitto, until } from "../support/programs.js";
import { seeded } from "../support/random.js";
import { range } from "./outage.js";

/** Numbers that the board is sent over a link that breaks all the time. */
const COUNT = 60;

const numbers = (seen: Seen[]) => seen.map(({ payload }) => Number(payload));

/** `start` starts the board `name`, on a port of the test's choice or `port`, and gives back a check of its health. */
export async function doesEverything(
	context: TestContext,
	name: string,
	start: (port: number) => Promise<() => void>,
	port?: number,
): Promise<void> {
	const random = seeded((message) => context.diagnostic(message));
	const broker = await Mosquitto.start(context, "allow_anonymous true\nset_tcp_nodelay true");
	const cutter = await Cutter.open(context, broker.port, port);
	const other = await peer(context, broker.port, 4);
	const [state, level, count, echo, seen, big, ended] = await Promise.all(
		["state", "level", "count", "echo", "seen", "big", "ended"].map((topic) => watch(other, `${name}/${topic}`, 2)),
	);
	const publish = (topic: string, payload: string, qos: 1 | 2) =>
		other.publishAsync(`${name}/${topic}`, payload, { qos });
	const assertFine = await start(cutter.port);
	const see = (what: string, condition: () => boolean) =>
		until(what, () => {
			assertFine();
			return condition();
		});
	/** Cuts the link; when this returns, the broker has all that the board says when it comes back. */
	const cut = async () => {
		const before = level.length;
		cutter.cut();
		await see("the board is back", () => level.length > before);
	};
	// Its SUBSCRIBEs came in front of it.
	await see("the board is there, and counts", () => level.length > 0 && count.length > 5);

	cutter.limit = () => 100 + random.below(900);
	cutter.cut();
	for (let i = 0; i < COUNT; i++) {
		await see("its answers keep up", () => echo.length >= i - 5);
		await publish("in", String(i), 2);
	}
	await see("it has answered all", () => echo.length >= COUNT);
	context.diagnostic(`${cutter.cuts} cuts`);
	assert.ok(cutter.cuts >= 5);
	cutter.limit = () => 10_000; // in the midst of what is streamed
	await cut();
	assert.deepEqual(numbers(echo), range(0, COUNT));

	const { cuts } = cutter;
	await publish("ask", "", 1);
	await see("the link broke once more", () => cutter.cuts > cuts);
	cutter.limit = () => Number.POSITIVE_INFINITY;
	await see("the payload is there", () => big.length > 0);
	const expected = Buffer.from(range(0, 20_000).map((i) => i ^ (i >> 8)));
	assert.ok(expected.equals(Buffer.from(big[0].payload, "latin1")));

	await publish("held", "", 1);
	await see("it holds it", () => seen.length === 1);
	await cut();
	await see("it holds it again", () => seen.length === 2);
	await publish("release", "", 1);
	await publish("in", String(COUNT), 2);
	await see("it goes on", () => echo.length > COUNT);
	await cut();

	await publish("off", "", 1);
	await see("it has unsubscribed", () => ended.length === 1);
	await publish("in", String(COUNT + 1), 2);
	await publish("held", "", 1);

	assert.ok(level.every(({ payload }) => payload === "4"));
	cutter.refuse = (board) => board.end(Buffer.of(0x20, 2, 0, 1));
	await cut();
	assert.equal(level.at(-1)?.payload, "3");
	const { length } = count;
	await see("it counts on at level 3", () => count.length > length + 10);
	assert.deepEqual(numbers(count), range(0, count.length));
	assert.deepEqual(numbers(echo), range(0, COUNT + 1));
	assert.deepEqual([numbers(seen), big.length, ended.length], [[1, 2], 1, 1]);
	const [, counters, age] = /^(\{.*\})(\d+)$/.exec(state[0].payload) ?? assert.fail(state[0].payload);
	const { connections, delivered, endings } = JSON.parse(counters);
	context.diagnostic(counters);
	assert.equal(state.length, 1);
	assert.ok(connections >= 5 && delivered > COUNT && endings["8"] >= 5 && Number(age) < 60);
}
