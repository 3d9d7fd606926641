/** `timer`, `time`, `mc/config` and the globals of a virtual board, in both engines. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { ENGINES, pause, until, withBoard } from "./support.js";

const FIRMWARE = `
import Timer from "timer";
import Time from "time";
import config from "mc/config";
export { Timer, Time, config };
export const log = [];
export let timer;
export function caught(action) {
	try { return action(); } catch (error) { return "throws " + error.message; }
}
export function set(delay) {
	const start = Time.ticks;
	timer = Timer.set((id) => { log.push([id === timer, Time.delta(start)]); }, delay);
}
export function repeat(interval) {
	timer = Timer.repeat((id) => { log.push(id === timer); }, interval);
}
`;

for (const { engine, options } of ENGINES) {
	const rule = (sentence: string, body: () => Promise<void>) => test(`${engine}: ${sentence}`, options, body);

	rule("a one-shot timer fires once, not early, with itself as argument", () =>
		withBoard(engine, FIRMWARE, async ({ evaluate }) => {
			await evaluate("firmware.set(40)");
			await until(async () => (await evaluate("firmware.log.length")) === 1);
			await pause(60);
			const log = (await evaluate("firmware.log")) as [boolean, number][];
			assert.equal(log.length, 1);
			assert.equal(log[0]?.[0], true);
			assert.ok((log[0]?.[1] ?? 0) >= 40 && (log[0]?.[1] ?? 0) < 1_000);
			const late = await evaluate("firmware.caught(() => firmware.Timer.schedule(firmware.timer, 1))");
			assert.match(String(late), /throws .*invalid host data/);
		}),
	);

	rule("a one-shot timer that is re-armed in its own callback is lost", () =>
		withBoard(engine, FIRMWARE, async ({ evaluate }) => {
			await evaluate("firmware.Timer.set((id) => { firmware.log.push(1); firmware.Timer.schedule(id, 1, 1); }, 1); 0");
			await until(async () => (await evaluate("firmware.log.length")) === 1);
			await pause(40);
			assert.deepEqual(await evaluate("firmware.log"), [1]);
		}),
	);

	rule("a repeating timer repeats, pauses, is re-armed and cleared", () =>
		withBoard(engine, FIRMWARE, async ({ evaluate }) => {
			await evaluate("firmware.repeat(5)");
			await until(async () => ((await evaluate("firmware.log.length")) as number) >= 3);
			const paused = await evaluate("firmware.Timer.schedule(firmware.timer); firmware.log.length");
			await pause(30);
			assert.equal(await evaluate("firmware.log.length"), paused);
			await evaluate("firmware.Timer.schedule(firmware.timer, 1, 5)");
			await until(async () => ((await evaluate("firmware.log.length")) as number) >= (paused as number) + 2);
			const cleared = await evaluate("firmware.Timer.clear(firmware.timer); firmware.log.length");
			await pause(30);
			assert.equal(await evaluate("firmware.log.length"), cleared);
			assert.deepEqual(
				((await evaluate("firmware.log")) as boolean[]).filter((same) => !same),
				[],
			);
			assert.equal(await evaluate("firmware.Timer.clear(undefined)"), undefined);
		}),
	);

	rule("a repeating timer that pauses in its own callback can be re-armed later", () =>
		withBoard(engine, FIRMWARE, async ({ evaluate }) => {
			await evaluate(
				"globalThis.kept = firmware.Timer.repeat((id) => { firmware.log.push(1); firmware.Timer.schedule(id); }, 1); 0",
			);
			await until(async () => (await evaluate("firmware.log.length")) === 1);
			await pause(20);
			assert.equal(await evaluate("firmware.log.length"), 1);
			await evaluate("firmware.Timer.schedule(kept, 1, 1)");
			await until(async () => (await evaluate("firmware.log.length")) === 2);
		}),
	);

	rule("time goes forward within an event and between events, in milliseconds", () =>
		withBoard(engine, FIRMWARE, async ({ evaluate }) => {
			const [start, spun] = (await evaluate(`
				const start = firmware.Time.ticks;
				let now = start, rounds = 0;
				while (now < start + 20 && rounds < 5_000_000) { now = firmware.Time.ticks; rounds += 1; }
				[start, firmware.Time.delta(start)]`)) as [number, number];
			assert.ok(Number.isInteger(start) && spun >= 20 && spun < 500);
			const before = performance.now();
			await pause(50);
			const elapsed = (await evaluate(`firmware.Time.delta(${start + spun})`)) as number;
			assert.ok(elapsed >= 49 && elapsed <= performance.now() - before + 50);
			assert.equal(await evaluate("firmware.Time.delta(10, 25)"), 15);
		}),
	);

	rule("mc/config is the desk's, trace writes lines, and Moddable's text conversions are there", () =>
		withBoard(
			engine,
			FIRMWARE,
			async ({ evaluate, traced }) => {
				assert.deepEqual(await evaluate("firmware.config"), { broker: "127.0.0.1", port: 1883 });
				await evaluate(`trace("one "); trace(2, " ", true, "\\nzwei: ü\\nunfinished")`);
				assert.deepEqual(traced, ["one 2 true", "zwei: ü"]);
				assert.deepEqual(
					await evaluate(`Array.from(new Uint8Array(ArrayBuffer.fromString("aü")))`),
					[0x61, 0xc3, 0xbc],
				);
				assert.equal(await evaluate(`String.fromArrayBuffer(ArrayBuffer.fromString("aü"))`), "aü");
				assert.equal(await evaluate("ArrayBuffer.fromString('a') instanceof ArrayBuffer"), true);
				assert.deepEqual(await evaluate("[typeof process, typeof TextEncoder, typeof setTimeout, typeof console]"), [
					"undefined",
					"undefined",
					"undefined",
					"undefined",
				]);
			},
			{ broker: "127.0.0.1", port: 1883 },
		),
	);
}
