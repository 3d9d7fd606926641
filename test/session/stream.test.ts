/** Payloads that do not stand in the outbox but are asked for as they go out. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import {
	Client,
	type ClientOptions,
	Deferral,
	ExactlyOnce,
	Reason,
	type Source,
	State,
	Stream,
} from "../../src/client.js";
import type { Alarm, Clock, Link, LinkOwner } from "../../src/host.js";
import { accept, connected, reconnect, type Scene, scene } from "../support/client.js";
import { joined, show, utf8 } from "../support/hex.js";
import { connack, packets, puback, pubcomp, publish, pubrec, readable, suback } from "../support/packets.js";
import { ManualClock, type ScriptedNetwork } from "../support/scripted.js";

/** A payload that is asked for in order, as much as fits or as `portion` says; tells what it was asked. */
class Payload implements Source {
	/** Offsets at which it began. */
	begun = 0;
	reads = 0;
	readonly ended: boolean[] = [];
	/** Runs within each read, in front of what it gives; may say how much that is. */
	meanwhile: (offset: number, count: number) => number | undefined = () => undefined;
	/** Runs within done. */
	afterwards: (delivered: boolean) => void = () => {};
	private next = 0;

	constructor(
		readonly bytes: Uint8Array,
		private readonly portion = Number.POSITIVE_INFINITY,
	) {}

	read(bytes: Uint8Array, at: number, offset: number, count: number): number {
		assert.equal(this.ended.length, 0, "it was done already");
		if (offset === 0 && this.next !== 0) this.next = 0;
		if (offset === 0) this.begun++;
		this.reads++;
		assert.equal(offset, this.next, "an offset out of order");
		assert.ok(count >= 1 && offset + count <= this.bytes.length, `${count} bytes from ${offset} on`);
		assert.ok(at + count <= bytes.length);
		const given = this.meanwhile(offset, count) ?? Math.min(count, this.portion);
		if (!(given > 0 && given <= count)) return given;
		for (let i = 0; i < given; i++) bytes[at + i] = this.bytes[offset + i];
		this.next = offset + given;
		return given;
	}

	done(delivered: boolean): void {
		this.ended.push(delivered);
		this.afterwards(delivered);
	}
}

/** A payload that can be told from a shifted one. */
function payload(length: number): Uint8Array {
	return Uint8Array.from({ length }, (_, i) => (i * 7 + (i >> 8) * 13) & 255);
}

function made(options: Partial<ClientOptions> = {}, network?: ScriptedNetwork): Scene {
	return connected({ cleanSession: false, exactlyOnce: new ExactlyOnce(), ...options }, network);
}

/** Lets the link take bytes, so many at a time, until nothing more comes; returns them. */
function drain({ network }: Scene, room = 100_000): Uint8Array {
	const pieces: Uint8Array[] = [];
	do {
		network.writable(room);
		pieces.push(network.taken());
	} while (pieces[pieces.length - 1].length > 0);
	return joined(pieces);
}

/** The broker's answers to a message at this QoS. */
const ANSWERS = {
	0: () => [],
	1: (id: number) => [puback(id)],
	2: (id: number) => [pubrec(id), pubcomp(id)],
} as const;

const QOS = [0, 1, 2] as const;

/** One PUBLISH of `bytes`, the only packet in `sent`. */
function isPublish(sent: Uint8Array, bytes: Uint8Array, expected: { qos: number; dup?: boolean; id?: number }): void {
	const [packet, ...more] = packets(sent);
	assert.deepEqual(more, []);
	assert.ok(packet.cmd === "publish");
	assert.equal(packet.topic, "s");
	assert.equal(show(packet.payload as Buffer), show(bytes));
	assert.deepEqual([packet.qos, packet.dup], [expected.qos, expected.dup ?? false]);
	if (expected.id !== undefined) assert.equal(packet.messageId, expected.id);
}

for (const qos of QOS) {
	test(`QoS ${qos}: payloads of every size around the output's, for every output from 32 to 80 bytes, arrive whole`, () => {
		for (let output = 32; output <= 80; output++) {
			const scene = made({ output, outbox: 64 });
			const stream = new Stream(scene.client, "s", { qos });
			let id = 0;
			const sizes = [0, 1, 2, 121, 122, 123, 124, 125, 1_000];
			for (let size = output - 16; size <= output + 8; size++) sizes.push(size);
			for (const size of sizes) {
				const source = new Payload(payload(size));
				assert.equal(stream.publish(size, source), true);
				const sent = scene.network.taken();
				isPublish(sent, source.bytes, { qos });
				if (qos > 0) {
					assert.equal(stream.busy, true);
					assert.deepEqual(source.ended, []);
					id++;
				}
				for (const answer of ANSWERS[qos](id)) scene.network.receive(answer);
				scene.network.taken();
				assert.deepEqual(source.ended, [true]);
				assert.equal(stream.busy, false);
			}
			const { status } = scene.client;
			assert.equal(status.outbox.used, 0);
			assert.equal(status.accepted, sizes.length);
			assert.equal(status.sent, sizes.length);
			assert.equal(status.delivered, qos === 0 ? 0 : sizes.length);
			assert.equal(status.stray, 0);
			assert.equal(status.failures, 0);
		}
	});

	test(`QoS ${qos}: 100,000 bytes arrive whole, however narrow the link and however little the source gives`, () => {
		for (const [output, room, portion] of [
			[32, 1_000_000, Number.POSITIVE_INFINITY],
			[32, 17, Number.POSITIVE_INFINITY],
			[80, 1_000_000, 1],
			[256, 3, 7],
			[65_536, 1_000_000, Number.POSITIVE_INFINITY],
		]) {
			const scene = made({ output, outbox: 64 });
			const stream = new Stream(scene.client, "s", { qos });
			const source = new Payload(payload(100_000), portion);
			scene.network.room = 0;
			stream.publish(100_000, source);
			isPublish(drain(scene, room), source.bytes, { qos, id: qos === 0 ? undefined : 1 });
			for (const answer of ANSWERS[qos](1)) scene.network.receive(answer);
			assert.deepEqual(source.ended, [true]);
			assert.equal(source.begun, 1);
		}
	});
}

test("retained or not, with and without an identifier: as the specification writes it", () => {
	const { client, network } = made();
	const source = () => new Payload(utf8("21"));
	for (const [options, bytes] of [
		[{}, "30 07 00 03 61 2f 62 32 31"],
		[{ retain: true }, "31 07 00 03 61 2f 62 32 31"],
		[{ qos: 1 }, "32 09 00 03 61 2f 62 00 01 32 31"],
		[{ qos: 2, retain: true }, "35 09 00 03 61 2f 62 00 02 32 31"],
	] as const) {
		new Stream(client, "a/b", options).publish(2, source());
		assert.equal(show(network.taken()), bytes);
	}
	new Stream(client, utf8("°")).publish(0, source());
	assert.equal(show(network.taken()), "30 04 00 02 c2 b0");
});

test("a stream is busy until its source is done, and refuses another one that long", () => {
	for (const qos of QOS) {
		const scene = made();
		const stream = new Stream(scene.client, "s", { qos });
		assert.equal(stream.busy, false);
		scene.network.room = 0;
		const source = new Payload(payload(1_000));
		assert.equal(stream.publish(1_000, source), true);
		assert.equal(stream.busy, true);
		assert.equal(stream.publish(1, new Payload(payload(1))), false);
		scene.network.writable(10_000);
		if (qos > 0) assert.equal(stream.publish(1, new Payload(payload(1))), false);
		for (const answer of ANSWERS[qos](1)) scene.network.receive(answer);
		assert.equal(stream.busy, false);
		assert.deepEqual(source.ended, [true]);
		assert.equal(stream.publish(1, new Payload(payload(1))), true);
		assert.equal(scene.client.status.accepted, 2);
		assert.equal(scene.client.status.rejected, 0);
		assert.equal(scene.client.status.oversized, 0);
	}
});

test("a length that is no whole number, or more than a PUBLISH holds, is refused for good", () => {
	const { client, sent } = made();
	const stream = new Stream(client, "s", { qos: 1 });
	const source: Source = { read: () => assert.fail("it was asked") };
	// 268,435,455 less the topic with its length, and the identifier
	const bad = [
		268_435_455 - 3 - 2 + 1,
		268_435_455,
		2 ** 32,
		Number.POSITIVE_INFINITY,
		-1,
		0.5,
		Number.NaN,
		"1",
		undefined,
	];
	for (const length of bad) assert.equal(stream.publish(length as number, source), false, `${length}`);
	assert.equal(client.status.oversized, bad.length);
	assert.equal(client.status.rejected, 0);
	assert.equal(stream.busy, false);
	assert.deepEqual(sent(), []);
});

test("a full outbox refuses a stream, which takes 6 bytes of it, and takes it once there is room", () => {
	const { client, network } = made({ outbox: 64 });
	network.room = 0;
	const topic = client.topic("t", { qos: 1 });
	assert.equal(topic.publish(new Uint8Array(53)), true); // 59 of 64
	const stream = new Stream(client, "s", { qos: 1 });
	const source = new Payload(payload(1_000));
	assert.equal(stream.publish(1_000, source), false);
	assert.equal(stream.busy, false);
	assert.equal(client.status.rejected, 1);
	network.writable(1_000);
	network.receive(puback(1));
	assert.equal(topic.publish(new Uint8Array(52)), true); // 58 of 64
	assert.equal(stream.publish(1_000, source), true);
	assert.equal(client.status.outbox.used, 64);
	assert.equal(client.status.accepted, 3);
});

test("what is published before start goes out in order once the broker has accepted", () => {
	const before = scene({ output: 32 });
	const topic = before.client.topic("t", { qos: 1 });
	const stream = new Stream(before.client, "s");
	const source = new Payload(utf8("x".repeat(100)));
	topic.publish(utf8("1"));
	assert.equal(stream.publish(100, source), true);
	topic.publish(utf8("2"));
	assert.equal(source.reads, 0);
	before.client.start();
	accept(before);
	const lines = ["PUBLISH t '1' qos 1 id 1", `PUBLISH s '${"x".repeat(100)}'`, "PUBLISH t '2' qos 1 id 2"];
	assert.deepEqual(before.sent(), lines);
});

for (const output of [32, 48, 256]) {
	test(`output ${output}: messages and streams go out in the order of publishing, replies and requests between them`, () => {
		const scene = made({ output, outbox: 2048 });
		const { client, network } = scene;
		const topic = client.topic("t", { qos: 1 });
		const streams = QOS.map((qos) => new Stream(client, `s${qos}`, { qos }));
		const sources = QOS.map((qos) => new Payload(utf8(String(qos).repeat(100 * qos + 10))));
		network.room = 0;
		topic.publish(utf8("1"));
		for (const qos of QOS) {
			streams[qos].publish(100 * qos + 10, sources[qos]);
			topic.publish(utf8("x".repeat(qos * 30)));
		}
		network.writable(20);
		network.receive(publish("nobody/asked", "", { qos: 1, id: 77 }));
		client.subscribe("a", 0, () => {});
		const lines = readable(joined([network.taken(), drain(scene, 5)]));
		const places = lines.filter((line) => line.startsWith("PUBLISH")).map((line) => line.replace(/ id.*/, ""));
		assert.deepEqual(places, [
			"PUBLISH t '1' qos 1",
			`PUBLISH s0 '${"0".repeat(10)}'`,
			"PUBLISH t '' qos 1",
			`PUBLISH s1 '${"1".repeat(110)}' qos 1`,
			`PUBLISH t '${"x".repeat(30)}' qos 1`,
			`PUBLISH s2 '${"2".repeat(210)}' qos 2`,
			`PUBLISH t '${"x".repeat(60)}' qos 1`,
		]);
		assert.ok(lines.includes("PUBACK id 77"));
		assert.ok(lines.some((line) => line.startsWith("SUBSCRIBE")));
		for (const line of lines) {
			const id = Number(/id (\d+)/.exec(line)?.[1]);
			if (line.includes("qos 1 id")) network.receive(puback(id));
			if (line.includes("qos 2 id")) network.receive(joined([pubrec(id), pubcomp(id)]));
		}
		assert.equal(client.status.outbox.used, 0);
		for (const { ended } of sources) assert.deepEqual(ended, [true]);
	});
}

test("a stream waits for the window as any message does", () => {
	const { client, network, sent } = made({ window: 1 });
	client.topic("t", { qos: 1 }).publish(utf8("1"));
	const source = new Payload(utf8("2"));
	new Stream(client, "s", { qos: 1 }).publish(1, source);
	assert.deepEqual(sent(), ["PUBLISH t '1' qos 1 id 1"]);
	assert.equal(source.reads, 0);
	network.receive(puback(1));
	assert.deepEqual(sent(), ["PUBLISH s '2' qos 1 id 2"]);
});

test("the outbox may be tidied up while a stream goes out", () => {
	const scene = made({ outbox: 64, output: 32 });
	const { client, network } = scene;
	const topic = client.topic("t", { qos: 1 });
	topic.publish(utf8("1".repeat(10)));
	topic.publish(utf8("2".repeat(10)));
	const stream = new Stream(client, "s", { qos: 1 });
	const source = new Payload(utf8("s".repeat(1_000)));
	network.room = 300;
	stream.publish(1_000, source);
	network.receive(puback(1));
	assert.equal(topic.publish(utf8("3".repeat(20))), true, "where the first one was");
	network.receive(puback(2));
	assert.equal(topic.publish(utf8("4".repeat(10))), true);
	const sent = packets(joined([network.taken(), drain(scene)]));
	assert.deepEqual(
		sent.map((packet) => packet.cmd === "publish" && packet.payload.toString()),
		["1".repeat(10), "2".repeat(10), "s".repeat(1_000), "3".repeat(20), "4".repeat(10)],
	);
	for (const { messageId } of sent.slice(2)) network.receive(puback(messageId ?? 0));
	assert.deepEqual(source.ended, [true]);
	assert.equal(client.status.outbox.used, 0);
	assert.equal(client.status.stray, 0);
	assert.equal(client.status.delivered, 5);
});

// Sources that make difficulties

test("a source that has nothing yet is asked again after resume; until then nothing else goes out", () => {
	for (const stalled of [0, 1, 50, 99]) {
		const scene = made({ output: 32 });
		const { client, network } = scene;
		const source = new Payload(utf8("x".repeat(100)), 10);
		let ready = false;
		source.meanwhile = (offset, count) => {
			if (offset < stalled || ready) return offset < stalled ? Math.min(count, stalled - offset) : undefined;
			return 0;
		};
		const stream = new Stream(client, "s");
		stream.publish(100, source);
		client.topic("t").publish(utf8("2"));
		const first = network.taken();
		assert.ok(first.length >= 3, "what there is goes out");
		const { reads } = source;
		network.clock.advance(1_000);
		assert.equal(source.reads, reads, "it is not asked all the time");
		assert.equal(network.taken().length, 0);
		ready = true;
		stream.resume();
		const lines = readable(joined([first, network.taken()]));
		assert.deepEqual(lines, [`PUBLISH s '${"x".repeat(100)}'`, "PUBLISH t '2'"]);
		assert.equal(source.begun > 0, true);
	}
});

test("resume is nothing when there is nothing to resume", () => {
	const before = scene();
	const stream = new Stream(before.client, "s");
	stream.resume();
	before.client.start();
	stream.resume();
	accept(before);
	stream.resume();
	before.client.topic("t").publish(utf8("1"));
	stream.resume();
	assert.deepEqual(before.sent(), ["PUBLISH t '1'"]);
	before.client.stop();
	stream.resume();
	assert.deepEqual(before.sent(), ["DISCONNECT"]);
});

for (const keepAlive of [0, 10]) {
	for (const at of [0, 40]) {
		test(`keep alive ${keepAlive}: a source that stalls at byte ${at} for too long closes the link, and is asked from 0 on the next one`, () => {
			const scene = made({ keepAlive, timeout: 10, output: 32 });
			const { client, network, reasons } = scene;
			const source = new Payload(utf8("x".repeat(100)), 10);
			let stalls = true;
			source.meanwhile = (offset, count) => (stalls ? Math.min(count, at - offset) : undefined);
			new Stream(client, "s", { qos: 1 }).publish(100, source);
			network.taken();
			network.clock.advance(keepAlive === 0 ? 30_000 : 15_000);
			assert.equal(reasons[0], Reason.WRITE_TIMEOUT);
			assert.deepEqual(source.ended, []);
			stalls = false;
			reconnect(scene, true);
			const sent = network.taken();
			isPublish(sent, source.bytes, { qos: 1 });
			network.receive(puback(packets(sent)[0].messageId ?? 0));
			assert.deepEqual(source.ended, [true]);
		});
	}
}

test("a source that goes on a little at a time keeps the link", () => {
	const scene = made({ keepAlive: 10, output: 32 });
	const { client, network, reasons } = scene;
	const source = new Payload(utf8("x".repeat(60)));
	let allowed = 0;
	source.meanwhile = (offset) => (offset < allowed ? 1 : 0);
	const stream = new Stream(client, "s");
	stream.publish(60, source);
	for (allowed = 1; allowed <= 60; allowed++) {
		network.clock.advance(3_000);
		assert.deepEqual(reasons, []);
		stream.resume();
		network.receive(Uint8Array.of(0xd0, 0));
	}
	assert.deepEqual(source.ended, [true]);
	assert.deepEqual(readable(network.taken()), [`PUBLISH s '${"x".repeat(60)}'`]);
});

const NONSENSE: [string, unknown][] = [
	["-1", -1],
	["0.5", 0.5],
	["NaN", Number.NaN],
	["Infinity", Number.POSITIVE_INFINITY],
	["undefined", undefined],
	["null", null],
	['"1"', "1"],
	["a BigInt", 1n],
	["true", true],
	["an object", {}],
	["more than it was asked for", 1e6],
];

for (const [what, answer] of [["an Error, thrown", undefined] as [string, unknown], ...NONSENSE]) {
	const throws = what.endsWith("thrown");
	test(`a source that answers ${what}: the link is closed, the message given up, and what is behind it goes out`, () => {
		for (const qos of QOS) {
			for (const failing of [0, 50]) {
				const errors: unknown[] = [];
				const scene = made({ output: 32, onError: (error) => errors.push(error) });
				const { client, network, reasons } = scene;
				const stream = new Stream(client, "s", { qos });
				const error = new Error("no");
				let wrong = true;
				const source: Source & { ended: boolean[] } = {
					ended: [],
					read(bytes, at, offset, count) {
						if (offset < failing) {
							bytes[at] = 0x78;
							return Math.min(1, count);
						}
						assert.ok(wrong);
						if (throws) throw error;
						return answer as number;
					},
					done(delivered) {
						this.ended.push(delivered);
					},
				};
				network.room = 0;
				stream.publish(100, source);
				client.topic("t", { qos: 1 }).publish(utf8("2"));
				if (network.isOpen) network.writable(1_000);
				assert.deepEqual(reasons, [Reason.SOURCE_FAILED]);
				assert.equal(client.status.endings[Reason.SOURCE_FAILED], 1);
				assert.equal(client.status.violations, 0, "the broker did nothing wrong");
				assert.equal(client.status.failures, 1);
				assert.equal(errors.length, 1);
				if (throws) assert.equal(errors[0], error);
				else
					assert.match((errors[0] as Error).message, typeof answer === "bigint" ? /BigInt/ : /^mqtt-mote: .* returned/);
				assert.deepEqual(source.ended, [false]);
				assert.equal(stream.busy, false);
				assert.equal(network.isOpen, false);
				wrong = false;
				reconnect(scene, true);
				const [line, ...more] = scene.sent();
				assert.match(line, /^PUBLISH t '2' qos 1 id [12]$/);
				assert.deepEqual(more, []);
				network.receive(puback(Number(/id (\d)/.exec(line)?.[1])));
				assert.equal(client.status.outbox.used, 0);
				const next = new Payload(payload(10));
				assert.equal(stream.publish(10, next), true);
				isPublish(network.taken(), next.bytes, { qos });
			}
		}
	});
}

test("a source that fails when it is asked again: its message is given up, with its identifier", () => {
	for (const qos of [1, 2] as const) {
		const scene = made({ window: 1 });
		const { client, network } = scene;
		const stream = new Stream(client, "s", { qos });
		const source = new Payload(utf8("x"));
		stream.publish(1, source);
		client.topic("t", { qos: 1 }).publish(utf8("2"));
		source.meanwhile = () => {
			throw new Error("gone");
		};
		network.break();
		network.clock.toNext();
		network.open();
		network.receive(connack(0, true));
		assert.deepEqual(scene.reasons, [Reason.LINK_LOST, Reason.SOURCE_FAILED]);
		assert.deepEqual(source.ended, [false]);
		network.taken();
		network.clock.toNext();
		accept(scene, true);
		assert.deepEqual(scene.sent(), ["PUBLISH t '2' qos 1 id 2"]);
		network.receive(puback(2));
		assert.equal(client.status.outbox.used, 0);
	}
});

test("a source needs no done; one that throws in it does no harm, and is told of", () => {
	const errors: unknown[] = [];
	const scene = made({ onError: (error) => errors.push(error) });
	const { client, network } = scene;
	const stream = new Stream(client, "s");
	const read: Source["read"] = (bytes, at) => {
		bytes[at] = 0x78;
		return 1;
	};
	assert.equal(stream.publish(1, { read }), true);
	assert.equal(stream.busy, false);
	const error = new Error("no");
	const done = () => {
		throw error;
	};
	stream.publish(1, { read, done });
	assert.deepEqual(errors, [error]);
	const acknowledged = new Stream(client, "q", { qos: 1 });
	acknowledged.publish(1, { read, done });
	network.receive(puback(1));
	assert.deepEqual(errors, [error, error]);
	assert.equal(client.status.failures, 2);
	assert.equal(client.status.state, State.CONNECTED);
	assert.deepEqual(scene.sent(), ["PUBLISH s 'x'", "PUBLISH s 'x'", "PUBLISH q 'x' qos 1 id 1"]);
});

// A link that breaks

for (const qos of QOS) {
	test(`QoS ${qos}: the link breaks at every byte: the source is asked from 0, and the message arrives whole; DUP says that it went out before`, () => {
		const bytes = payload(90);
		const size = 90 + 5 + (qos === 0 ? 0 : 2);
		for (const output of [32, 256]) {
			for (let cut = 0; cut <= size; cut++) {
				const scene = made({ output, outbox: 64 });
				const { client, network } = scene;
				const source = new Payload(bytes);
				const stream = new Stream(client, "s", { qos });
				network.room = cut;
				stream.publish(bytes.length, source);
				assert.equal(network.taken().length, Math.min(cut, size));
				// All of it may be in the output, and count as sent, while the link has only part of it.
				const isSent = client.status.sent === 1;
				if (cut === size) assert.equal(isSent, true);
				reconnect(scene, true);
				if (qos === 0 && isSent) {
					assert.deepEqual(scene.sent(), []);
					assert.deepEqual(source.ended, [true]);
					continue;
				}
				const sent = network.taken();
				isPublish(sent, bytes, { qos, dup: isSent });
				assert.equal(client.status.resent, isSent ? 1 : 0);
				const id = packets(sent)[0].messageId ?? 0;
				for (const answer of ANSWERS[qos](id)) network.receive(answer);
				assert.deepEqual(source.ended, [true]);
				assert.equal(stream.busy, false);
				assert.equal(client.status.outbox.used, 0);
				assert.equal(client.status.stray, 0);
			}
		}
	});
}

test("a stream at QoS 1 or 2 is asked again at every reconnect until it is acknowledged", () => {
	for (const qos of [1, 2] as const) {
		const scene = made({ output: 32 });
		const source = new Payload(payload(100));
		new Stream(scene.client, "s", { qos }).publish(100, source);
		isPublish(scene.network.taken(), source.bytes, { qos, id: 1 });
		for (let round = 1; round <= 3; round++) {
			reconnect(scene, true);
			isPublish(scene.network.taken(), source.bytes, { qos, id: 1, dup: true });
			assert.equal(source.begun, 1 + round);
		}
		for (const answer of ANSWERS[qos](1)) scene.network.receive(answer);
		assert.deepEqual(source.ended, [true]);
		reconnect(scene, true);
		assert.equal(source.begun, 4);
	}
});

test("QoS 2: after PUBREC the source is asked again only if the broker has lost the session; it is done with PUBCOMP", () => {
	for (const present of [true, false]) {
		const scene = made();
		const source = new Payload(utf8("x"));
		const stream = new Stream(scene.client, "s", { qos: 2 });
		stream.publish(1, source);
		scene.network.receive(pubrec(1));
		assert.deepEqual(scene.sent(), ["PUBLISH s 'x' qos 2 id 1", "PUBREL id 1"]);
		assert.equal(stream.busy, true);
		reconnect(scene, present);
		assert.deepEqual(scene.sent(), [present ? "PUBREL id 1" : "PUBLISH s 'x' qos 2 id 1 dup"]);
		assert.equal(source.begun, present ? 1 : 2);
		if (!present) scene.network.receive(pubrec(1));
		assert.deepEqual(source.ended, []);
		scene.network.receive(pubcomp(1));
		assert.deepEqual(source.ended, [true]);
	}
});

test("an acknowledgement for another message ends no stream; several streams end each by its own", () => {
	const { client, network } = made();
	const sources = [1, 2, 3].map(() => new Payload(utf8("x")));
	const streams = sources.map((_, i) => new Stream(client, `s${i}`, { qos: 1 }));
	for (const [i, stream] of streams.entries()) stream.publish(1, sources[i]);
	client.topic("t", { qos: 1 }).publish(utf8("y"));
	const ended = () => sources.map((source) => source.ended.length);
	network.receive(puback(4));
	assert.deepEqual(ended(), [0, 0, 0]);
	network.receive(puback(2));
	assert.deepEqual(ended(), [0, 1, 0]);
	network.receive(puback(2));
	network.receive(puback(9));
	assert.deepEqual(ended(), [0, 1, 0]);
	network.receive(joined([puback(3), puback(1)]));
	assert.deepEqual(ended(), [1, 1, 1]);
	assert.equal(client.status.stray, 2);
});

test("stop amid a stream says no DISCONNECT within it; start begins it anew", () => {
	for (const room of [0, 1, 20, 60]) {
		const scene = made({ output: 32 });
		const { client, network } = scene;
		const source = new Payload(payload(100));
		network.room = room;
		new Stream(client, "s", { qos: 1 }).publish(100, source);
		client.stop();
		const sent = network.taken();
		assert.equal(sent.length, room);
		assert.deepEqual(source.ended, []);
		client.start();
		accept(scene, true);
		isPublish(network.taken(), source.bytes, { qos: 1 });
	}
});

// What a source does with the client, from within read and done

/** What an application may do at any time. Each makes its own topics and filters beforehand. */
const ACTIONS: Record<string, (scene: Scene) => () => void> = {
	"publishes at QoS 0": ({ client }) => {
		const topic = client.topic("t0");
		return () => topic.publish(utf8("0"));
	},
	"publishes at QoS 1": ({ client }) => {
		const topic = client.topic("t1", { qos: 1 });
		return () => topic.publish(utf8("1"));
	},
	"publishes at QoS 2": ({ client }) => {
		const topic = client.topic("t2", { qos: 2 });
		return () => topic.publish(utf8("2"));
	},
	"publishes a number": ({ client }) => {
		const topic = client.topic("n");
		return () => topic.publishNumber(21.5, 1);
	},
	"publishes a large message": ({ client }) => {
		const topic = client.topic("large", { qos: 1 });
		return () => topic.publish(new Uint8Array(100).fill(0x78));
	},
	subscribes:
		({ client }) =>
		() =>
			client.subscribe("f", 0, () => {}),
	"subscribes to a large filter":
		({ client }) =>
		() =>
			client.subscribe("f".repeat(100), 0, () => {}),
	unsubscribes: ({ client }) => {
		const subscription = client.subscribe("u", 0, () => {});
		return () => client.unsubscribe(subscription);
	},
	"publishes another stream": ({ client }) => {
		const stream = new Stream(client, "other", { qos: 1 });
		const source = new Payload(payload(50));
		return () => stream.publish(50, source);
	},
	"starts the client":
		({ client }) =>
		() =>
			client.start(),
};

for (const [what, prepare] of Object.entries(ACTIONS)) {
	for (const place of ["read", "done"] as const) {
		test(`a source that ${what} within ${place}: packets stay whole, and all go out`, () => {
			for (const qos of QOS) {
				for (const room of [1_000_000, 9]) {
					const scene = made({ output: 32 });
					const { client, network, reasons } = scene;
					const action = prepare(scene);
					const stream = new Stream(client, "s", { qos });
					const source = new Payload(payload(60));
					let times = 0;
					if (place === "read") {
						source.meanwhile = () => {
							if (times++ % 2 === 0) action();
							return undefined;
						};
					} else {
						source.afterwards = () => {
							times++;
							action();
						};
					}
					const pieces = [drain(scene)];
					network.room = 0;
					stream.publish(60, source);
					const answer = () => {
						for (const packet of packets(joined(pieces))) {
							const id = packet.messageId ?? 0;
							if (packet.cmd === "publish" && packet.topic === "s") {
								for (const one of ANSWERS[qos](id)) network.receive(one);
							}
						}
					};
					pieces.push(drain(scene, room));
					answer();
					pieces.push(drain(scene, room));
					assert.deepEqual(reasons, []);
					assert.ok(times > 0);
					assert.deepEqual(source.ended, [true]);
					assert.equal(client.status.failures, 0);
					const lines = readable(joined(pieces));
					assert.equal(lines.filter((line) => line.startsWith("PUBLISH s ")).length, 1);
					const { accepted, sent } = client.status;
					assert.equal(sent, accepted, "all that was taken went out");
					if (what !== "starts the client") assert.ok(lines.length > 1 + (qos === 2 ? 1 : 0), lines.join("\n"));
				}
			}
		});
	}
}

for (const place of ["read", "done"] as const) {
	for (const restart of [false, true]) {
		test(`a source that stops${restart ? " and starts" : ""} the client within ${place}: the link is closed cleanly, and the next one goes on`, () => {
			for (const qos of QOS) {
				for (const when of place === "read" ? [0, 30, 59] : [0]) {
					for (const output of [32, 256]) {
						const scene = made({ output });
						const { client, network, reasons } = scene;
						const stream = new Stream(client, "s", { qos });
						const source = new Payload(payload(60), 1);
						const whole = publish("s", source.bytes, { qos, id: 1 });
						let times = 0;
						const stop = () => {
							times++;
							client.stop();
							if (restart) client.start();
						};
						source.meanwhile = (offset) => {
							if (place === "read" && offset === when && times === 0) stop();
							return undefined;
						};
						if (place === "done") source.afterwards = stop;
						const topic = client.topic("t", { qos: 1 });
						if (place === "read") network.room = 0;
						stream.publish(60, source);
						topic.publish(utf8("behind"));
						if (network.isOpen) network.writable(1_000);
						if (place === "done") for (const answer of ANSWERS[qos](1)) if (network.isOpen) network.receive(answer);
						assert.equal(times, 1);
						assert.deepEqual(reasons, [Reason.STOPPED]);
						assert.equal(network.isOpen, false);
						const sent = network.taken();
						if (place === "done") assert.equal(show(sent.subarray(-2)), "e0 00", "DISCONNECT");
						else assert.ok(show(whole).startsWith(show(sent)), "no DISCONNECT within a packet");
						if (!restart) {
							assert.equal(client.status.state, State.STOPPED);
							network.clock.advance(1_000_000);
							assert.equal(network.opened, 1);
							client.start();
						}
						source.meanwhile = () => undefined;
						accept(scene, true);
						const lines = scene.sent();
						const isThere = lines.some((line) => line.startsWith("PUBLISH s "));
						assert.equal(isThere, place === "read");
						assert.ok(lines.some((line) => line.startsWith("PUBLISH t 'behind'")));
						assert.equal(source.begun, place === "read" ? 2 : 1);
						assert.equal(client.status.failures, 0);
					}
				}
			}
		});
	}
}

test("a source may publish the next payload of its own stream within done, and not within read", () => {
	for (const qos of QOS) {
		const { client, network, reasons } = made({ output: 32 });
		const stream = new Stream(client, "s", { qos });
		let left = 20;
		const ended: boolean[] = [];
		const source: Source = {
			read(bytes, at, _offset, count) {
				assert.equal(stream.busy, true);
				assert.equal(stream.publish(1, source), false);
				bytes.fill(0x78, at, at + count);
				return count;
			},
			done(delivered) {
				ended.push(delivered);
				assert.equal(stream.busy, false);
				if (--left > 0) assert.equal(stream.publish(40, source), true);
			},
		};
		stream.publish(40, source);
		for (let id = 1; id <= 20; id++) for (const answer of ANSWERS[qos](id)) network.receive(answer);
		assert.deepEqual(reasons, []);
		assert.deepEqual(ended, new Array(20).fill(true));
		assert.equal(client.status.sent, 20);
		assert.equal(client.status.outbox.used, 0);
		const lines = readable(network.taken()).filter((line) => line.startsWith("PUBLISH"));
		assert.equal(lines.length, 20);
		for (const line of lines) assert.ok(line.startsWith(`PUBLISH s '${"x".repeat(40)}'`));
	}
});

test("a source may give up its stream and publish the next one within done(false), on the connection to come", () => {
	const scene = made();
	const { client, network } = scene;
	const stream = new Stream(client, "s", { qos: 1 });
	const next = new Payload(utf8("better"));
	stream.publish(10, {
		read: () => -1,
		done(delivered) {
			assert.equal(delivered, false);
			assert.equal(stream.publish(6, next), true);
		},
	});
	assert.deepEqual(scene.reasons, [Reason.SOURCE_FAILED]);
	reconnect(scene, true);
	isPublish(network.taken(), next.bytes, { qos: 1 });
	assert.equal(client.status.outbox.used, 6);
});

test("a source that calls resume within read is not asked within itself", () => {
	const { client, sent } = made({ output: 32 });
	const stream = new Stream(client, "s");
	const source = new Payload(utf8("x".repeat(100)), 7);
	let depth = 0;
	source.meanwhile = () => {
		assert.equal(depth++, 0);
		stream.resume();
		depth--;
		return undefined;
	};
	stream.publish(100, source);
	assert.deepEqual(sent(), [`PUBLISH s '${"x".repeat(100)}'`]);
	assert.equal(client.status.failures, 0);
});

test("a source may acknowledge a message that is held, within read and within done", () => {
	for (const place of ["read", "done"] as const) {
		const deferral = new Deferral();
		const { client, network, sent } = made({ deferral, output: 32 });
		let ticket = 0;
		client.subscribe("a", 1, (message) => {
			ticket = deferral.hold(message);
		});
		network.receive(suback(1, 1));
		network.receive(publish("a", "", { qos: 1, id: 7 }));
		sent();
		const source = new Payload(utf8("x".repeat(100)));
		const acknowledge = () => {
			if (ticket !== 0) assert.equal(deferral.acknowledge(ticket), true);
			ticket = 0;
		};
		source.meanwhile = () => {
			if (place === "read") acknowledge();
			return undefined;
		};
		source.afterwards = () => acknowledge();
		new Stream(client, "s").publish(100, source);
		assert.deepEqual(sent(), [`PUBLISH s '${"x".repeat(100)}'`, "PUBACK id 7"]);
		assert.equal(client.status.failures, 0);
	}
});

test("a source that stops the client while replies for what comes in wait behind it: what follows is void", () => {
	for (const restart of [false, true]) {
		const scene = made({ output: 32 });
		const { client, network, reasons } = scene;
		let calls = 0;
		let stops = false;
		client.subscribe("a", 1, () => calls++);
		network.receive(suback(1, 1));
		new Stream(client, "s").publish(100, {
			read() {
				if (stops) client.stop();
				if (stops && restart) client.start();
				return 0;
			},
		});
		stops = true;
		// 32 acknowledgements can wait; at the next one the client looks whether it can go on.
		const packets = Array.from({ length: 40 }, (_, i) => publish("a", "", { qos: 1, id: i + 1 }));
		network.receive(joined(packets));
		assert.equal(calls, 33);
		assert.deepEqual(reasons, [Reason.STOPPED]);
		stops = false;
		network.taken();
		client.start();
		accept(scene, true);
		assert.equal(client.status.failures, 0);
	}
});

// The largest there is

/** A link that takes everything, and keeps only a count and a digest of what is behind CONNECT. */
class CountingLink implements Link {
	readonly clock: Clock & { alarm(callback: () => void): Alarm } = new ManualClock();
	readonly room = 1_000_000;
	outgoing = new Uint8Array(0);
	incoming = new Uint8Array(0);
	owner!: LinkOwner;
	count = 0;
	/** What comes now is not looked at. */
	isFull = false;
	head: Uint8Array = new Uint8Array(0);
	readonly digest = createHash("md5");
	private output = 0;
	private inbox = 0;

	constructor(private readonly headSize: number) {}

	attach(owner: LinkOwner, outbox: number, output: number, inbox: number): void {
		this.owner = owner;
		this.output = outbox;
		this.inbox = inbox;
		this.outgoing = new Uint8Array(outbox + output);
		this.incoming = new Uint8Array(inbox + 256);
	}

	open(): void {}

	send(length: number): void {
		let bytes = this.outgoing.subarray(this.output, this.output + length);
		this.count += length;
		if (this.isFull) return;
		const missing = this.headSize - this.head.length;
		this.head = joined([this.head, bytes.subarray(0, missing)]);
		bytes = bytes.subarray(missing);
		if (bytes.length > 0) this.digest.update(bytes);
	}

	close(): void {}

	encode(text: string): Uint8Array {
		return utf8(text);
	}

	receive(bytes: Uint8Array): void {
		this.incoming.set(bytes, this.inbox);
		this.owner.onReceived(bytes.length);
	}
}

for (const [qos, most] of [
	[0, 268_435_455 - 3],
	[1, 268_435_455 - 3 - 2],
	[2, 268_435_455 - 3 - 2],
] as const) {
	test(`QoS ${qos}: the largest message there is, ${most.toLocaleString("en")} bytes to a topic of one, passes through; one byte more is refused`, () => {
		const connect = 15;
		const link = new CountingLink(connect + 5 + 3 + (qos === 0 ? 0 : 2));
		const client = new Client({ link, clientId: "c", output: 65_536, outbox: 64, exactlyOnce: new ExactlyOnce() });
		client.start();
		link.owner.onWritable();
		link.receive(connack());
		assert.equal(link.count, connect);
		const given = createHash("md5");
		let next = 0;
		let done = 0;
		const source: Source = {
			read(bytes, at, offset, count) {
				assert.equal(offset, next);
				bytes.fill(offset >> 12, at, at + count);
				bytes[at] = offset;
				given.update(bytes.subarray(at, at + count));
				next += count;
				return count;
			},
			done: () => done++,
		};
		const stream = new Stream(client, "s", { qos });
		assert.equal(stream.publish(most + 1, source), false);
		assert.equal(client.status.oversized, 1);
		assert.equal(stream.publish(most, source), true);
		assert.equal(next, most);
		assert.equal(link.count, connect + 5 + 268_435_455);
		const head = qos === 0 ? "30 ff ff ff 7f 00 01 73" : `${qos === 1 ? 32 : 34} ff ff ff 7f 00 01 73 00 01`;
		assert.equal(show(link.head.subarray(connect)), head);
		assert.equal(link.digest.digest("hex"), given.digest("hex"));
		link.isFull = true;
		for (const answer of ANSWERS[qos](1)) link.receive(answer);
		assert.equal(done, 1);
		assert.equal(client.status.outbox.used, 0);
	});
}
