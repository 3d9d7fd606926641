/** A file as a Store: its bytes, what outlives what, and the complaints. */
import assert from "node:assert/strict";
import fs, { existsSync, readFileSync, writeFileSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { FileStore, type FileStoreOptions } from "../../hosts/node/index.js";
import { folder } from "../support/programs.js";

const SMALL = { pages: 3, pageSize: 64 };

/** A store in a file that goes away with the test. */
function store(context: TestContext, options: Partial<FileStoreOptions> = {}): [FileStore, path: string] {
	const path = join(folder(context), "store");
	const made = new FileStore({ path, sync: false, ...SMALL, ...options });
	context.after(() => made.close());
	return [made, path];
}

/** Counts the calls of a function of node:fs until the test ends. */
function counted(context: TestContext, name: "fdatasyncSync" | "fsyncSync"): () => number {
	const { mock } = context.mock.method(fs, name);
	syncBuiltinESMExports();
	context.after(() => {
		mock.restore();
		syncBuiltinESMExports();
	});
	return () => mock.callCount();
}

function contents(store: FileStore): number[] {
	const bytes = new Uint8Array(store.pages * store.pageSize);
	store.read(0, bytes, 0, bytes.length);
	return [...bytes];
}

const erased = (count: number) => new Array<number>(count).fill(255);

test("a new one is erased", (context) => {
	const [made, path] = store(context);
	assert.deepEqual([made.pages, made.pageSize], [3, 64]);
	assert.deepEqual(contents(made), erased(192));
	assert.deepEqual([...readFileSync(path)], erased(192));
	assert.ok(!existsSync(`${path}.new`));
});

test("4 pages of 4096 bytes, if nothing else is said", (context) => {
	const path = join(folder(context), "store");
	const made = new FileStore({ path });
	assert.deepEqual([made.pages, made.pageSize], [4, 4096]);
	assert.equal(readFileSync(path).length, 16_384);
	made.close();
});

test("what is written is read, by the next one too", (context) => {
	const [made, path] = store(context);
	made.write(60, Uint8Array.of(9, 1, 2, 3, 4, 5, 6, 7, 8, 9), 1, 8);
	const expected = [...erased(60), 1, 2, 3, 4, 5, 6, 7, 8, ...erased(124)];
	assert.deepEqual(contents(made), expected);
	const part = new Uint8Array(8);
	made.read(64, part, 2, 4);
	assert.deepEqual([...part], [0, 0, 5, 6, 7, 8, 0, 0]);
	const next = new FileStore({ path, ...SMALL });
	assert.deepEqual(contents(next), expected);
	next.close();
});

test("a page is erased, and no other", (context) => {
	const [made] = store(context);
	made.write(0, new Uint8Array(192), 0, 192);
	made.erase(1);
	assert.deepEqual(contents(made), [...new Array(64).fill(0), ...erased(64), ...new Array(64).fill(0)]);
});

test("with sync, each write and each erasure waits for the disk", (context) => {
	const [data, everything] = [counted(context, "fdatasyncSync"), counted(context, "fsyncSync")];
	const [made] = store(context, { sync: true });
	const folders = process.platform === "win32" ? 0 : 1;
	assert.deepEqual([data(), everything()], [0, 1 + folders]);
	made.write(0, new Uint8Array(4), 0, 4);
	made.erase(0);
	assert.deepEqual([data(), everything()], [2, 1 + folders]);
});

test("without sync, nothing waits for the disk", (context) => {
	const [data, everything] = [counted(context, "fdatasyncSync"), counted(context, "fsyncSync")];
	const [made] = store(context);
	made.write(0, new Uint8Array(4), 0, 4);
	made.erase(0);
	assert.deepEqual([data(), everything()], [0, 0]);
});

test("a file that was being made when the power was cut is made again", (context) => {
	const path = join(folder(context), "store");
	writeFileSync(`${path}.new`, new Uint8Array(1000));
	const made = new FileStore({ path, ...SMALL });
	assert.deepEqual(contents(made), erased(192));
	made.close();
});

test("a file of another size is left alone, and complained about", (context) => {
	const path = join(folder(context), "store");
	writeFileSync(path, "mine");
	assert.throws(() => new FileStore({ path, ...SMALL }), {
		message: `mqtt-mote: ${path} has 4 bytes, and not 3 pages of 64: give the pages and the pageSize that it was made with, or remove it`,
	});
	assert.equal(readFileSync(path, "latin1"), "mine");
});

test("there is nothing outside of its pages", (context) => {
	const [made, path] = store(context);
	const bytes = new Uint8Array(8);
	for (const reach of [
		() => made.write(188, bytes, 0, 8),
		() => made.write(-4, bytes, 0, 4),
		() => made.read(188, bytes, 0, 8),
		() => made.erase(3),
	]) {
		assert.throws(reach, /the store has no \d+ bytes at -?\d+/);
	}
	assert.deepEqual([...readFileSync(path)], erased(192));
});

test("a file that is cut short by somebody else is noticed", (context) => {
	const [made, path] = store(context);
	writeFileSync(path, new Uint8Array(100));
	assert.throws(() => contents(made), /has become shorter/);
});

test("after close it takes nothing", (context) => {
	const path = join(folder(context), "store");
	const made = new FileStore({ path, ...SMALL });
	made.close();
	made.close();
	assert.throws(() => made.write(0, new Uint8Array(4), 0, 4), /the store is closed/);
});

test("what is wrong with the options is said", (context) => {
	const path = join(folder(context), "store");
	const wrong: [options: object, message: RegExp][] = [
		[{ path: "" }, /path must be the name of a file/],
		[{}, /path must be the name of a file/],
		[{ path, pages: 1 }, /pages must be a number from 2 to 65535, not 1/],
		[{ path, pages: 2.5 }, /pages must be a whole number, not 2.5/],
		[{ path, pageSize: 32 }, /pageSize \(bytes\) must be a number from 64 to 1048576, not 32/],
		[{ path, pageSize: 66 }, /pageSize must be a multiple of 4, not 66/],
		[{ path: join(path, "missing", "store") }, /mqtt-mote: the store cannot be opened: ENOENT/],
		[{ path: folder(context) }, /mqtt-mote: the store cannot be opened: EISDIR/],
	];
	for (const [options, message] of wrong) assert.throws(() => new FileStore(options as FileStoreOptions), message);
	assert.ok(!existsSync(path));
});
