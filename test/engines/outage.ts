/** What both real runtimes go through in the same way: a broker that is killed under a board that counts. */
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { Mosquitto, type Program, until } from "../support/programs.js";
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
