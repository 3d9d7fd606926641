/** The stores for Moddable over fakes of its storage: what a Store promises, and a session that outlives power cuts at any byte. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { FileStore } from "../../hosts/moddable/file-store.js";
import { FlashStore } from "../../hosts/moddable/flash-store.js";
import { KeyValueStore } from "../../hosts/moddable/key-value-store.js";
import { Journal, type Store, type Topic } from "../../src/client.js";
import { scene } from "../support/client.js";
import { utf8 } from "../support/hex.js";
import { seeded } from "../support/random.js";
import { Folder, Partition, Power, PowerCut, Sectors, Values } from "./fakes.js";

/** Storage of each kind: `make` makes its store, anew after each reset. */
const KINDS: { name: string; storage: (power: Power) => () => Store }[] = [
	{
		name: "FlashStore, ECMA-419",
		storage: (power) => {
			const flash = new Partition(power, 9, 240);
			return () => new FlashStore({ flash, first: 2, pages: 6 });
		},
	},
	{
		name: 'FlashStore, module "flash"',
		storage: (power) => {
			const flash = new Sectors(power, 6, 240);
			return () => new FlashStore({ flash, pages: 6 });
		},
	},
	{
		name: "KeyValueStore, boards",
		storage: (power) => {
			const storage = new Values(power, true);
			return () => new KeyValueStore({ storage, pages: 6, pageSize: 240 });
		},
	},
	{
		name: "KeyValueStore, macOS",
		storage: (power) => {
			const storage = new Values(power, false);
			return () => new KeyValueStore({ storage, pages: 6, pageSize: 240 });
		},
	},
	{
		name: "FileStore",
		storage: (power) => {
			const files = new Folder(power);
			return () => new FileStore({ files, path: "session", pages: 6, pageSize: 240 });
		},
	},
];

for (const { name, storage } of KINDS) {
	test(`${name}: bytes are written once, read in any pieces, and erased by the page`, (context) => {
		const random = seeded((message) => context.diagnostic(message));
		const power = new Power();
		const make = storage(power);
		let store = make();
		const model = new Uint8Array(store.pages * store.pageSize).fill(255);
		for (let page = 0; page < store.pages; page++) store.erase(page);
		/** Where the next byte of each page goes. */
		const ends = new Array<number>(store.pages).fill(0);
		for (let round = 0; round < 2000; round++) {
			const page = random.below(store.pages);
			const rest = store.pageSize - ends[page];
			if (rest === 0 || random.chance(0.02)) {
				store.erase(page);
				model.fill(255, page * store.pageSize, (page + 1) * store.pageSize);
				ends[page] = 0;
			} else {
				const length = Math.min(rest, 4 * (1 + random.below(20)));
				const at = page * store.pageSize + ends[page];
				const bytes = Uint8Array.from({ length: length + 8 }, () => random.below(255));
				store.write(at, bytes, 3, length);
				model.set(bytes.subarray(3, 3 + length), at);
				ends[page] += length;
			}
			if (random.chance(0.1)) store = make();
			const from = 4 * random.below(model.length / 4);
			const length = 4 * (1 + random.below(Math.min(60, (model.length - from) / 4)));
			const into = new Uint8Array(length + 2);
			store.read(from, into, 1, length);
			assert.deepEqual(into.subarray(1, 1 + length), model.subarray(from, from + length), `${length} bytes at ${from}`);
			assert.deepEqual([into[0], into[length + 1]], [0, 0]);
		}
		assert.deepEqual(power.complaints, []);
	});

	test(`${name}: wherever the power is cut, all that publish said true for is there`, (context) => {
		/** Lives until the power is cut: publishes, connects now and then, and all is acknowledged. What was taken, and what is left. */
		const live = (make: () => Store, taken: string[], acknowledged: Set<string>, from: number) => {
			const journal = new Journal(make());
			const made = scene({ cleanSession: false, keepAlive: 0, outbox: 256, journal });
			const topic: Topic = made.client.topic("t", { qos: 1 });
			for (let i = from; i < from + 40; i++) {
				const text = `${i}`.padEnd(1 + ((i * 13) % 40), "_");
				if (topic.publish(utf8(text))) taken.push(text);
				if (i % 5 !== 4) continue;
				made.client.start();
				if (!made.network.isOpening) made.network.clock.toNext();
				made.network.open();
				const packets = made.sent();
				if (packets[0] !== "CONNECT") break;
				made.network.receive(Uint8Array.of(0x20, 2, 0, 0));
				for (let waves = 0; waves < 5; waves++) {
					for (const line of made.sent()) {
						const [, text, identifier] = /^PUBLISH t '(\d+_*)'.* id (\d+)/.exec(line) ?? [];
						if (identifier === undefined) continue;
						acknowledged.add(text);
						made.network.receive(Uint8Array.of(0x40, 2, Number(identifier) >> 8, Number(identifier) & 255));
					}
				}
				made.client.stop();
				made.sent();
			}
			return { made, journal };
		};
		const whole = new Power();
		const all: string[] = [];
		live(storage(whole), all, new Set(), 0);
		assert.ok(all.length >= 35, `${all.length} messages were taken`);
		let cuts = 0;
		for (let steps = 0; steps < whole.used; steps += 1 + (steps % 3)) {
			const power = new Power();
			const make = storage(power);
			const taken: string[] = [];
			const acknowledged = new Set<string>();
			power.left = steps;
			try {
				live(make, taken, acknowledged, 0);
			} catch (error) {
				assert.ok(error instanceof PowerCut, String(error)); // amid the making of a store
			}
			assert.ok(power.isCut);
			power.left = Number.POSITIVE_INFINITY;
			live(make, taken, acknowledged, 1000);
			const lost = taken.filter((text) => !acknowledged.has(text));
			assert.deepEqual(lost, [], `power for ${steps} steps`);
			assert.deepEqual(power.complaints, []);
			cuts++;
		}
		context.diagnostic(`${cuts} cuts`);
	});
}

test("a FlashStore takes no more blocks than there are", () => {
	const flash = new Partition(new Power(), 4, 240);
	assert.equal(new FlashStore({ flash }).pages, 4);
	assert.throws(() => new FlashStore({ flash, first: 1 }), /the partition has 4 blocks of 240 bytes, and none after 4/);
	assert.throws(() => new FlashStore({ flash, pages: 1 }), /pages must be a number from 2/);
});

test("a KeyValueStore has whole cells, and at most 15,360 bytes", () => {
	const storage = new Values(new Power(), true);
	assert.deepEqual([new KeyValueStore({ storage }).pages, new KeyValueStore({ storage }).pageSize], [2, 2520]);
	assert.throws(() => new KeyValueStore({ storage, pageSize: 64 }), /pageSize must be a multiple of 60, not 64/);
	assert.throws(() => new KeyValueStore({ storage, pages: 7 }), /at most 15360 bytes, not 7 pages of 2520/);
});

test("a FileStore is made whole, flushes each write, and knows its own file", () => {
	const power = new Power();
	const files = new Folder(power);
	const options = { files, path: "session", pages: 2, pageSize: 100 };
	power.left = 150;
	assert.throws(() => new FileStore(options), PowerCut);
	power.left = Number.POSITIVE_INFINITY;
	const store = new FileStore(options);
	assert.deepEqual([...files.files.keys()], ["session"]);
	const { flushes } = files;
	store.write(0, new Uint8Array(100), 0, 100);
	store.erase(1);
	assert.equal(files.flushes, flushes + 2);
	store.close();
	assert.throws(() => store.write(0, new Uint8Array(4), 0, 4), /invalid host data/);
	assert.throws(() => new FileStore({ ...options, pages: 3 }), /session has 200 bytes, and not 3 pages of 100/);
	assert.throws(() => new FileStore({ ...options, pageSize: 102 }), /pageSize must be a multiple of 4, not 102/);
	assert.throws(() => new FileStore({ files, path: "" }), /path must be the name of a file/);
});
