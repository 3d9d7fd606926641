/** The memory gauge of a virtual board counts the firmware's slots exactly, and nothing else. */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Gauge } from "../../simulator/board/board.js";
import { needsXs, pause, type TestBoard, until, withBoard, withServer } from "./support.js";

/** Firmware that uses all of its board in callbacks, and allocates only what `allocate` does. */
const FIRMWARE = `
import TCP from "embedded:io/socket/tcp";
import Timer from "timer";
import Time from "time";
const view = new Uint8Array(64);
const resizable = new ArrayBuffer(64, { maxByteLength: 64 });
const tracking = new Uint8Array(resizable);
const options = { address: "127.0.0.1", port: 0, target: undefined, onReadable, onWritable, onError };
const state = { readable: 0, writable: 0, errors: 0, ticks: 0, sum: 0 };
let allocations = 0, kept = undefined, socket, timer;
export { state };
function allocate() {
	for (let count = 0; count < allocations; count++) ({});
}
function onReadable(count) {
	state.readable += 1;
	while (count > 0) {
		const length = Math.min(count, 64);
		resizable.resize(length);
		state.sum += this.read(tracking);
		count -= length;
	}
	allocate();
}
function onWritable() {
	state.writable += 1;
	if (state.writable % 2 === 1) this.write(view);
	allocate();
}
function onError() {
	state.errors += 1;
	this.close();
	allocate();
}
function onTimer(id) {
	state.ticks += 1;
	state.sum += Time.ticks + Time.delta(3);
	if (state.ticks % 2) { Timer.schedule(id, 1, 1); }
	allocate();
}
export function start(port) { options.port = port; socket = new TCP(options); timer = Timer.repeat(onTimer, 2); Timer.schedule(timer); }
export function go() { Timer.schedule(timer, 1, 2); }
export function setAllocations(count) { allocations = count; }
export function stop() { Timer.clear(timer); }
export function keep(bytes) { kept = new Uint8Array(bytes); }
/** Runs an action in a callback, and then, in another, what follows. */
export function once(action, then) { Timer.set(() => action(TCP, Timer, options), 1); Timer.set(then, 5); }
`;

async function reading({ board }: TestBoard): Promise<Gauge> {
	const gauge = await board.gauge();
	assert.ok(gauge !== undefined);
	return gauge;
}

/** Runs `body` with firmware that is connected and whose timer runs. */
function withRunning(body: (running: TestBoard, send: (bytes: Buffer) => void, end: () => void) => Promise<void>) {
	return withServer((server) =>
		withBoard("xs", FIRMWARE, async (running) => {
			await running.evaluate(`firmware.start(${server.port})`);
			await until(async () => ((await running.evaluate("firmware.state.writable")) as number) >= 2);
			const peer = server.connections[0];
			await body(
				running,
				(bytes) => peer?.write(bytes),
				() => peer?.end(),
			);
		}),
	);
}

/** Events of all kinds, then none: readable and writable, timers, a remote close. Answers how many. */
async function cause(running: TestBoard, send: (bytes: Buffer) => void, end: () => void): Promise<number> {
	const before = await eventCount(running);
	await running.evaluate("firmware.go()");
	for (let round = 1; round <= 5; round++) {
		const readable = (await running.evaluate("firmware.state.readable")) as number;
		send(Buffer.alloc(300, round));
		await until(async () => ((await running.evaluate("firmware.state.readable")) as number) > readable);
	}
	const ticks = (await running.evaluate("firmware.state.ticks")) as number;
	await until(async () => ((await running.evaluate("firmware.state.ticks")) as number) > ticks + 20);
	end();
	await until(async () => (await running.evaluate("firmware.state.errors")) === 1);
	await running.evaluate("firmware.stop()");
	return (await eventCount(running)) - before;
}

async function eventCount(running: TestBoard): Promise<number> {
	return (await running.evaluate(
		"firmware.state.readable + firmware.state.writable + firmware.state.errors + firmware.state.ticks",
	)) as number;
}

test("callbacks that allocate nothing read exactly 0, whatever they call", needsXs, () =>
	withRunning(async (running, send, end) => {
		await running.board.resetGauge();
		const events = await cause(running, send, end);
		const gauge = await reading(running);
		assert.ok(events > 25);
		assert.equal(gauge.firmwareSlots, 0);
		assert.equal(gauge.uncountedEvents, 0);
	}),
);

test("callbacks that allocate 3 slots each read exactly 3 an event, collections in between or not", needsXs, () =>
	withRunning(async (running, send, end) => {
		await running.evaluate("firmware.setAllocations(3)");
		await running.board.resetGauge();
		let ongoing = true;
		const collecting = (async () => {
			while (ongoing) {
				await running.board.gauge();
				await pause(5);
			}
		})();
		const events = await cause(running, send, end).finally(() => {
			ongoing = false;
		});
		await collecting;
		const gauge = await reading(running);
		assert.equal(gauge.firmwareSlots, 3 * events);
		assert.equal(gauge.uncountedEvents, 0);
	}),
);

test("what the board itself allocates is charged as on a device: socket 2, target 1, timer 2", needsXs, () =>
	withBoard("xs", FIRMWARE, async (running) => {
		const costs: [string, number][] = [
			["() => {}", 0],
			["(TCP, Timer, options) => { new TCP(options).close(); }", 2],
			["(TCP, Timer, options) => { options.target = options; new TCP(options); }", 3],
			["(TCP, Timer, options) => { const timer = Timer.set(options.onError, 10000); Timer.clear(timer); }", 2],
			["() => { trace('a line ', 5, '\\n'); }", 0],
			["() => { ArrayBuffer.fromString('text'); }", 3],
			["() => { ({ a: 1 }); }", 2],
			["() => { new Uint8Array(32); }", 7],
		];
		for (const [action, slots] of costs) {
			// The first call may allocate what is allocated once; the second is counted.
			for (let round = 1; round <= 2; round++) {
				await running.board.resetGauge();
				await running.evaluate(`globalThis.ran = false; firmware.once(
					(${action}), () => { globalThis.ran = true; })`);
				await until(() => running.evaluate("ran"));
			}
			assert.equal((await reading(running)).firmwareSlots, slots, action);
		}
	}),
);

test("retained chunk bytes are what the firmware keeps", needsXs, () =>
	withBoard("xs", FIRMWARE, async (running) => {
		await running.evaluate("firmware.keep(8)");
		await running.board.resetGauge();
		const before = await reading(running);
		assert.equal(before.retainedChunkBytes, 0);
		await running.evaluate("firmware.keep(8 + 4096)");
		const after = await reading(running);
		assert.equal(after.retainedChunkBytes, 4096);
		assert.equal(after.liveChunkBytes - before.liveChunkBytes, 4096);
		assert.equal(after.liveSlots, before.liveSlots);
	}),
);

test("thousands of events with garbage between them are counted exactly", needsXs, () =>
	withServer((server) =>
		withBoard(
			"xs",
			`import TCP from "embedded:io/socket/tcp";
			const view = new Uint8Array(1);
			export let events = 0;
			export const open = (port) => new TCP({ address: "127.0.0.1", port, onWritable() {
				if (events >= 3000) return;
				events += 1;
				for (let count = 0; count < 100; count++) ({});
				this.write(view);
			} });`,
			async (running) => {
				await running.evaluate(`firmware.open(${server.port}); 0`);
				await until(async () => (await running.evaluate("firmware.events")) === 3000);
				const gauge = await reading(running);
				assert.equal(gauge.firmwareSlots, 300_000);
				assert.equal(gauge.uncountedEvents, 0);
			},
		),
	),
);

test("Node's engine has no gauge and says so", async () => {
	await withBoard("node", "export {};", async ({ board }) => {
		assert.equal(await board.gauge(), undefined);
	});
});
