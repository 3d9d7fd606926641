/** The worker that holds one XS engine: its calls, its counters, its end. */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { promisify } from "node:util";
import { XsWorker } from "../../simulator/board/xs-worker.js";
import { needsXs, until } from "./support.js";

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();

async function withWorker(use: (worker: XsWorker) => Promise<void>): Promise<void> {
	const worker = new XsWorker();
	try {
		await use(worker);
	} finally {
		await worker.close();
	}
}

test("a script answers its ArrayBuffer and what it cost; an exception rejects with its text", needsXs, () =>
	withWorker(async (worker) => {
		const { reply, meter } = await worker.evaluate("new TextEncoder().encode('é'.repeat(3)).buffer");
		assert.equal(text(reply), "ééé");
		assert.ok(meter.compute > 0 && meter.currentHeapCount > 0);
		assert.equal((await worker.evaluate("5")).reply.length, 0);
		await assert.rejects(worker.evaluate("throw new RangeError('too far')"), /RangeError: too far/);
		assert.equal((await worker.evaluate("new ArrayBuffer(3)")).reply.length, 3);
	}),
);

test("bytes go in by command and out by the engine's own question; calls are answered in order", needsXs, async () => {
	const asked: string[] = [];
	const worker = new XsWorker({
		onCommand: (bytes) => {
			asked.push(text(bytes));
			return Buffer.from("answer");
		},
	});
	await worker.evaluate(`
		globalThis.handleCommand = (bytes) => new Uint8Array(bytes)[0] === 0 ? issueCommand(new Uint8Array([104, 105]).buffer) : bytes`);
	const [question, ...echoes] = await Promise.all([
		worker.command(Buffer.of(0)),
		worker.command(Buffer.of(1, 2)),
		worker.command(Buffer.alloc(200_000, 3)),
	]);
	assert.equal(text(question.reply), "answer");
	assert.deepEqual(asked, ["hi"]);
	assert.deepEqual(
		echoes.map(({ reply }) => reply.length),
		[2, 200_000],
	);
	await worker.close();
});

test("live counts what a collection leaves, and nothing else", needsXs, () =>
	withWorker(async (worker) => {
		await worker.evaluate("globalThis.kept = undefined");
		const before = await worker.live();
		await worker.evaluate("for (let count = 0; count < 1000; count++) new Uint8Array(100)");
		assert.deepEqual(await worker.live(), before);
		await worker.evaluate("kept = new Uint8Array(1000)");
		const after = await worker.live();
		assert.deepEqual([after.slots - before.slots, after.chunkBytes - before.chunkBytes], [7, 1016]);
	}),
);

test("an engine starts from the snapshot of another", needsXs, () =>
	withWorker(async (worker) => {
		await worker.evaluate("globalThis.remembered = new Uint8Array([7]).buffer");
		const copy = new XsWorker({ snapshot: await worker.snapshot() });
		assert.deepEqual([...(await copy.evaluate("remembered")).reply], [7]);
		await copy.close();
	}),
);

test("a worker that dies rejects what was asked and all that is asked later, and says why", needsXs, async () => {
	const deaths: string[] = [];
	const worker = new XsWorker({ stepLimit: 1_000_000, onDeath: (message) => deaths.push(message) });
	const reason = /the XS worker died: too much computation/;
	await Promise.all([
		assert.rejects(worker.evaluate("for (;;);"), reason),
		assert.rejects(worker.evaluate("1"), reason),
	]);
	await assert.rejects(worker.command(new Uint8Array(1)), reason);
	assert.equal(deaths.length, 1);
	await worker.close();
});

test("a closed worker refuses calls, and closing in the middle of one rejects it", needsXs, async () => {
	const worker = new XsWorker();
	await worker.evaluate("1");
	const endless = assert.rejects(worker.evaluate("for (;;);"), /closed/);
	await worker.close();
	await endless;
	await assert.rejects(worker.evaluate("1"), /closed/);
	await worker.close();
});

test("no worker outlives the process that started it", needsXs, async () => {
	const script = `
		const { XsWorker } = await import(${JSON.stringify(new URL("../../simulator/board/xs-worker.ts", import.meta.url).href)});
		const worker = new XsWorker();
		await worker.evaluate("1");
		worker.evaluate("for (;;);").catch(() => {});
		console.log(worker.processId);
		setTimeout(() => process.exit(0), 20);`;
	const { stdout } = await promisify(execFile)(process.execPath, [
		"--import",
		"tsx",
		"--input-type=module",
		"-e",
		script,
	]);
	const processId = Number(stdout);
	assert.ok(processId > 0);
	await until(() => {
		try {
			process.kill(processId, 0);
			return false;
		} catch {
			return true;
		}
	});
});
