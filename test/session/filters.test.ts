/** SUBSCRIBE and UNSUBSCRIBE as they go out, against bytes written out by hand and against npm's `mqtt-packet`
 * (sections 3.8, 3.10). The two protocol levels write them the same way. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as codec from "mqtt-packet";
import { ExactlyOnce, type QoS } from "../../src/client.js";
import { connected, type Scene } from "../support/client.js";
import { hex, joined, show, utf8 } from "../support/hex.js";
import { PacketReader, puback, publish, readable } from "../support/packets.js";
import { type Random, seeded } from "../support/random.js";

const handler = () => {};

/** The filters as subscribeAll takes them, each with its QoS. */
function filtersOf(...pairs: [filter: string | Uint8Array, qos: QoS][]) {
	return pairs.map(([filter, qos]) => ({ filter, qos, handler }));
}

/** Publishes, and has acknowledged, until the next packet gets this identifier. */
function useUp({ client, network }: Scene, identifier: number): void {
	const topic = client.topic("t", { qos: 1 });
	for (let id = 1; id < identifier; id++) {
		topic.publish(new Uint8Array(0));
		network.receive(puback(id));
	}
	network.taken();
}

for (const level of [3, 4] as const) {
	test(`level ${level}: a SUBSCRIBE for one filter is identifier, filter and the QoS asked for`, () => {
		const made = connected({ level });
		useUp(made, 10);
		made.client.subscribe("a/+", 1, handler);
		assert.equal(
			show(made.network.taken()),
			show(
				hex(
					"82", // SUBSCRIBE, reserved bits 0010
					"08", // 8 bytes follow
					"00 0a", // identifier 10
					"00 03 61 2f 2b", // filter "a/+"
					"01", // QoS 1
				),
			),
		);
	});

	test(`level ${level}: a SUBSCRIBE for several filters keeps their order, each with its QoS`, () => {
		const made = connected({ level, exactlyOnce: new ExactlyOnce() });
		useUp(made, 0xabcd);
		made.client.subscribeAll(filtersOf(["a/b", 1], ["#", 0], ["c/d", 2]));
		assert.equal(
			show(made.network.taken()),
			show(
				hex(
					"82 12", // SUBSCRIBE, 18 bytes follow
					"ab cd", // identifier 43,981
					"00 03 61 2f 62 01", // "a/b", QoS 1
					"00 01 23 00", // "#", QoS 0
					"00 03 63 2f 64 02", // "c/d", QoS 2
				),
			),
		);
	});

	test(`level ${level}: an UNSUBSCRIBE for one filter is identifier and filter`, () => {
		const made = connected({ level });
		useUp(made, 9);
		const subscription = made.client.subscribe("a/+", 1, handler);
		made.network.taken();
		made.client.unsubscribe(subscription);
		assert.equal(
			show(made.network.taken()),
			show(
				hex(
					"a2", // UNSUBSCRIBE, reserved bits 0010
					"07", // 7 bytes follow
					"00 0a", // identifier 10
					"00 03 61 2f 2b", // filter "a/+"
				),
			),
		);
	});

	test(`level ${level}: an UNSUBSCRIBE for several filters keeps their order`, () => {
		const made = connected({ level });
		const subscriptions = made.client.subscribeAll(filtersOf(["a/b", 1], ["c/d", 0]));
		made.network.taken();
		made.client.unsubscribe(subscriptions);
		assert.equal(
			show(made.network.taken()),
			show(
				hex(
					"a2 0c", // UNSUBSCRIBE, 12 bytes follow
					"00 02", // identifier 2
					"00 03 61 2f 62", // "a/b"
					"00 03 63 2f 64", // "c/d"
				),
			),
		);
	});
}

for (const output of [32, 256]) {
	test(`output ${output}: the identifier finds its place behind a remaining length of one, two and three bytes`, () => {
		const made = connected({ output });
		useUp(made, 0x1234);
		for (const [size, subscribe, unsubscribe] of [
			[122, "82 7f 12 34 00 7a", "a2 7e 12 35 00 7a"], // 127 bytes follow
			[123, "82 80 01 12 36 00 7b", "a2 7f 12 37 00 7b"], // 128 bytes follow
			[65_535, "82 84 80 04 12 38 ff ff", "a2 83 80 04 12 39 ff ff"], // 65,540 = 4 + 4 * 16,384
		] as const) {
			const subscription = made.client.subscribe(new Uint8Array(size).fill(0x61), 0, handler);
			const asked = made.network.taken();
			assert.equal(show(asked.subarray(0, hex(subscribe).length)), subscribe);
			assert.equal(show(asked.subarray(-2)), "61 00");
			assert.equal(asked.length, hex(subscribe).length + size + 1);
			made.client.unsubscribe(subscription);
			const ended = made.network.taken();
			assert.equal(show(ended.subarray(0, hex(unsubscribe).length)), unsubscribe);
			assert.equal(show(ended.subarray(-2)), "61 61");
			assert.equal(ended.length, hex(unsubscribe).length + size);
		}
	});
}

test("a SUBSCRIBE and an UNSUBSCRIBE larger than the output go out in pieces of any size, and nothing comes in between", () => {
	for (const room of [1, 2, 3, 7, 31, 32, 33, 1_000]) {
		const made = connected({ output: 32 });
		const { client, network } = made;
		network.room = 0;
		const names = ["a", "b".repeat(28), "c".repeat(29), "d".repeat(30), "e".repeat(31), "f".repeat(100), "g"];
		const subscriptions = client.subscribeAll(filtersOf(...names.map((name): [string, QoS] => [name, 1])));
		client.topic("t").publish(utf8("1"));
		client.unsubscribe(subscriptions);
		const pieces: Uint8Array[] = [];
		for (let step = 0; step < 1_000; step++) {
			network.writable(room);
			if (step === 3) network.receive(publish("nobody/asked", "x", { qos: 1, id: 7 }));
			pieces.push(network.taken());
		}
		const bytes = joined(pieces);
		assert.deepEqual(
			readable(bytes).sort(),
			[
				"PUBACK id 7",
				"PUBLISH t '1'",
				`SUBSCRIBE id 1 ${names.map((name) => `${name} qos 1`).join(" ")}`,
				`UNSUBSCRIBE id 2 ${names.join(" ")}`,
			].sort(),
			`with room for ${room}`,
		);
	}
});

const LETTERS = ["a", "b", "$", " ", "°", "€", "\u{1f321}", "\u{feff}", "0"];

/** A legal filter, as a text. */
function filterOf(random: Random): string {
	const levels = Array.from({ length: 1 + random.below(random.pick([2, 5, 40])) }, () =>
		random.chance(0.2) ? "+" : Array.from({ length: random.below(9) }, () => random.pick(LETTERS)).join(""),
	);
	if (random.chance(0.2)) levels.push("#");
	return levels.join("/") || "/";
}

test("mqtt-packet writes the same SUBSCRIBE and UNSUBSCRIBE for random filters, and reads them as they were meant", (t) => {
	const random = seeded((message) => t.diagnostic(message));
	for (let round = 0; round < 200; round++) {
		const level = random.pick([3, 4] as const);
		const output = 32 + random.below(random.pick([10, 300]));
		const { client, network } = connected({ level, output, exactlyOnce: new ExactlyOnce() });
		const reader = new PacketReader(level);
		const room = random.pick([1, 5, 50, 10_000]);
		const all = () => {
			const pieces: Uint8Array[] = [];
			do network.writable(room);
			while (pieces.push(network.taken()) && pieces.at(-1)?.length !== 0);
			return joined(pieces);
		};
		for (let messageId = 1; messageId < 9; messageId += 2) {
			const subscriptions = Array.from({ length: 1 + random.below(8) }, () => ({
				topic: filterOf(random),
				qos: random.pick([0, 1, 2] as const),
			}));
			// The same filter twice is one subscription for the broker: see unsubscribe.test.ts.
			const unique = subscriptions.filter(({ topic }, i) => subscriptions.findIndex((s) => s.topic === topic) === i);
			network.room = 0;
			const made = client.subscribeAll(
				unique.map(({ topic, qos }) => ({ filter: random.chance(0.5) ? topic : utf8(topic), qos, handler })),
			);
			assert.deepEqual(
				made.map(({ filter }) => show(filter)),
				unique.map(({ topic }) => show(utf8(topic))),
			);
			const subscribe = all();
			assert.equal(show(subscribe), show(codec.generate({ cmd: "subscribe", messageId, subscriptions: unique })));
			client.unsubscribe(made);
			const unsubscribe = all();
			const unsubscriptions = unique.map(({ topic }) => topic);
			const theirs = codec.generate({ cmd: "unsubscribe", messageId: messageId + 1, unsubscriptions });
			assert.equal(show(unsubscribe), show(theirs));
			const [asked, ended] = reader.read(joined([subscribe, unsubscribe]));
			assert.ok(asked.cmd === "subscribe" && ended.cmd === "unsubscribe");
			assert.equal(asked.messageId, messageId);
			assert.deepEqual(
				asked.subscriptions.map(({ qos }) => qos),
				unique.map(({ qos }) => qos),
			);
			assert.deepEqual(
				ended.unsubscriptions,
				asked.subscriptions.map(({ topic }) => topic),
			);
		}
	}
});
