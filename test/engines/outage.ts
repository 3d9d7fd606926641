/** What both real runtimes go through in the same way: a broker that is killed under a board that counts. */
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { Mosquitto, Program, until } from "../support/programs.js";
import { Gate } from "./gate.js";

/** The numbers that came for `topic` at a subscriber. */
export function numbers({ output }: Program, topic: string): number[] {
	const lines = output.split("\n").slice(0, -1);
	return lines.filter((line) => line.startsWith(`${topic} `)).map((line) => Number(line.split(" ")[1]));
}

/**
 * Kills the broker for two seconds under a board that publishes 0, 1, 2, ... to `topic`, one every 50 ms at most: none
 * may be missing. `start` starts the board, on a port of the test's choice or `port`, and gives back a check of
 * its health.
 */
export async function missesNothing(
	context: TestContext,
	topic: string,
	start: (port: number) => Promise<() => void>,
	port?: number,
): Promise<void> {
	const broker = await Mosquitto.start(context);
	const gate = await Gate.open(context, broker.port, port);
	const first = await broker.subscriber(topic);
	const assertFine = await start(gate.port);
	const see = (what: string, condition: () => boolean) =>
		until(what, () => {
			assertFine();
			return condition();
		});
	await see("twenty numbers came", () => numbers(first, topic).length >= 20);
	gate.shut();
	await pause(300); // some are sent, and lost on their way
	await broker.kill();
	await first.end();
	await pause(2000);
	await broker.restart();
	const second = await broker.subscriber(topic);
	await gate.open();
	const before = numbers(first, topic);
	// At least some of these were published after the board came back.
	await see("the board is back, and goes on", () => (numbers(second, topic).at(-1) ?? 0) > before.length + 50);
	const after = numbers(second, topic);
	assert.deepEqual(before, range(0, before.length));
	assert.deepEqual(after, range(after[0], after.length));
	assert.ok(after[0] <= before.length, `${before.length} to ${after[0] - 1} are lost`);
}

/** From `from`, `length` numbers. */
export function range(from: number, length: number): number[] {
	return Array.from({ length }, (_, i) => from + i);
}

/** What came to the topics of NAME at a subscriber that is told its QoS, too. */
export function watch(context: TestContext, port: number, name: string): Program {
	const place = ["-h", "127.0.0.1", "-p", String(port)];
	const seen = new Program("mosquitto_sub", [...place, "-q", "2", "-t", `${name}/#`, "-F", "%t %p at QoS %q"]);
	context.after(() => seen.end());
	return seen;
}

/** How often the broker is killed. */
const KILLS = 20;

/** Kills the broker time and again under firmware/levels.ts: at QoS 1 and 2 no number is lost, at each QoS some come both ways. */
export async function survivesKills(
	context: TestContext,
	name: string,
	port: number,
	start: () => void,
): Promise<void> {
	const broker = await Mosquitto.start(context);
	const gate = await Gate.open(context, broker.port, port);
	/** What came at each QoS, in all lives of the broker. */
	const came: Set<number>[] = [new Set(), new Set(), new Set()];
	let echoed = 0;
	let again = 0;
	start();
	for (let life = 0; life <= KILLS; life++) {
		const seen = watch(context, broker.port, name);
		if (life > 0) await gate.open();
		await until("it counts", () => [1, 2].every((qos) => numbers(seen, `${name}/${qos}`).length >= 10), 30_000);
		for (const qos of [0, 1, 2]) await broker.publish(`${name}/in`, String(qos), qos);
		await until("it answers", () => [0, 1, 2].every((qos) => seen.output.includes(`/echo ${qos} at QoS ${qos}\n`)));
		echoed++;
		gate.shut();
		await pause(100); // some are sent, and lost on their way
		await broker.kill();
		await seen.end();
		for (const qos of [0, 1, 2]) {
			const these = numbers(seen, `${name}/${qos}`);
			for (const one of these) {
				if (qos > 0 && came[qos].has(one)) again++;
				came[qos].add(one);
			}
		}
		if (life < KILLS) await broker.restart();
	}
	for (const qos of [1, 2]) {
		const highest = Math.max(...came[qos]);
		const lost = range(0, highest + 1).filter((one) => !came[qos].has(one));
		context.diagnostic(
			`QoS ${qos}: ${came[qos].size} numbers in ${KILLS + 1} lives of the broker, ${lost.length} lost`,
		);
		assert.deepEqual(lost, []);
	}
	context.diagnostic(`${again} came again, since the broker had forgotten them`);
	assert.ok(came[0].size > 10 * KILLS && echoed === KILLS + 1);
}
