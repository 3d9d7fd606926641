/** From `publish` to the wire: what is taken, what is refused, and which bytes go out however narrow the link is. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { accept, connected, reconnect, scene } from "../support/client.js";
import { joined, show, textOf, utf8 } from "../support/hex.js";
import { PacketReader, packets, puback, publish, readable } from "../support/packets.js";
import { seeded } from "../support/random.js";

for (const level of [3, 4] as const) {
	test(`level ${level}: messages at QoS 0 and 1, retained or not, go out as the specification writes them`, () => {
		const { client, network } = connected({ level });
		const payload = utf8("21");
		client.topic("a/b").publish(payload);
		assert.equal(show(network.taken()), "30 07 00 03 61 2f 62 32 31");
		client.topic("a/b", { retain: true }).publish(payload);
		assert.equal(show(network.taken()), "31 07 00 03 61 2f 62 32 31");
		client.topic("a/b", { qos: 1 }).publish(payload);
		assert.equal(show(network.taken()), "32 09 00 03 61 2f 62 00 01 32 31");
		client.topic("a/b", { qos: 1, retain: true }).publish(payload);
		assert.equal(show(network.taken()), "33 09 00 03 61 2f 62 00 02 32 31");
		client.topic("a/b").publish(new Uint8Array(0));
		assert.equal(show(network.taken()), "30 05 00 03 61 2f 62");
	});
}

test("publish sends the first bytes of an array, as many as it is told", () => {
	const { client, sent } = connected();
	const bytes = utf8("hello");
	for (const topic of [client.topic("t"), client.topic("t", { qos: 1 })]) {
		topic.publish(bytes, 2);
		topic.publish(bytes, 0);
		topic.publish(bytes);
	}
	assert.deepEqual(sent(), [
		"PUBLISH t 'he'",
		"PUBLISH t ''",
		"PUBLISH t 'hello'",
		"PUBLISH t 'he' qos 1 id 1",
		"PUBLISH t '' qos 1 id 2",
		"PUBLISH t 'hello' qos 1 id 3",
	]);
});

for (const qos of [0, 1] as const) {
	for (const length of [3, 300, 70_000, -1, 1.5, Number.NaN]) {
		test(`at QoS ${qos} a length of ${length} for an array of 2 bytes does no harm`, () => {
			const made = connected();
			const { client, network, sent } = made;
			const topic = client.topic("t", { qos });
			client.topic("secret").publish(utf8("x".repeat(200)));
			network.taken();
			const taken = topic.publish(utf8("hi"), length);
			const first = sent();
			assert.equal(first.length, taken ? 1 : 0);
			if (taken) assert.match(first[0], /^PUBLISH t '(hi|h|)'/);
			assert.equal(topic.publish(utf8("next"), 4), true);
			assert.match(sent()[0], /'next'/);
			reconnect(made);
			for (const line of sent()) assert.match(line, /^PUBLISH t '(hi|h||next)' qos 1/);
		});
	}
}

test("publishNumber sends decimal text, and refuses what is no number", () => {
	const { client, sent } = connected();
	const topic = client.topic("t");
	assert.equal(topic.publishNumber(21.5678, 2), true);
	assert.equal(topic.publishNumber(-0.004, 2), true);
	assert.equal(topic.publishNumber(Number.NaN, 2), false);
	assert.equal(topic.publishNumber(Number.POSITIVE_INFINITY, 2), false);
	assert.equal(topic.publishNumber(1e20, 0), false);
	assert.deepEqual(sent(), ["PUBLISH t '21.57'", "PUBLISH t '0.00'"]);
	assert.equal(client.status.accepted, 2);
});

test("what is published before start goes out in order once the broker has accepted", () => {
	const made = scene();
	const atMostOnce = made.client.topic("a");
	const atLeastOnce = made.client.topic("b", { qos: 1 });
	assert.equal(atLeastOnce.publish(utf8("1")), true);
	assert.equal(atMostOnce.publish(utf8("2")), true);
	assert.equal(atLeastOnce.publish(utf8("3")), true);
	assert.equal(made.client.status.accepted, 3);
	made.client.start();
	made.network.open();
	assert.deepEqual(made.sent(), ["CONNECT"]);
	made.network.receive(new Uint8Array([0x20, 2, 0, 0]));
	assert.deepEqual(made.sent(), ["PUBLISH b '1' qos 1 id 1", "PUBLISH a '2'", "PUBLISH b '3' qos 1 id 2"]);
	assert.equal(made.client.status.sent, 3);
	made.network.receive(puback(1));
	made.network.receive(puback(2));
	assert.equal(made.client.status.outbox.used, 0);
});

test("a full outbox refuses, counts what it refused, and takes again once there is room", () => {
	const { client, network } = connected({ outbox: 64 });
	network.room = 0;
	const topic = client.topic("t", { qos: 1 });
	let taken = 0;
	while (topic.publish(new Uint8Array(10))) taken++;
	assert.ok(taken >= 3 && taken * 10 <= 64, `${taken} messages of 10 bytes in 64`);
	assert.equal(client.status.accepted, taken);
	assert.equal(client.status.rejected, 1);
	assert.equal(client.status.oversized, 0);
	network.writable(1000);
	network.receive(puback(1));
	assert.equal(topic.publish(new Uint8Array(10)), true);
	assert.equal(client.status.rejected, 1);
	assert.equal(readable(network.taken()).length, taken + 1);
});

test("a message larger than the outbox is refused for good, connected or not", () => {
	const made = scene({ outbox: 64 });
	const topic = made.client.topic("t", { qos: 1 });
	assert.equal(topic.publish(new Uint8Array(65)), false);
	made.client.start();
	accept(made);
	assert.equal(topic.publish(new Uint8Array(65)), false);
	assert.equal(topic.publish(new Uint8Array(1000)), false);
	assert.equal(made.client.status.oversized, 3);
	assert.equal(made.client.status.rejected, 0);
	assert.equal(made.client.status.accepted, 0);
	assert.deepEqual(made.sent(), []);
});

test("the largest message that the outbox holds is taken", () => {
	const { client, sent } = connected({ outbox: 64, output: 256 });
	assert.equal(client.topic("t", { qos: 1 }).publish(utf8("x".repeat(57))), true);
	assert.deepEqual(sent(), [`PUBLISH t '${"x".repeat(57)}' qos 1 id 1`]);
});

for (const room of [1, 2, 3, 5, 17]) {
	test(`a link that takes ${room} byte${room > 1 ? "s" : ""} at a time gets the same packets in the same order`, (t) => {
		const random = seeded((message) => t.diagnostic(message));
		const { client, network } = connected({ outbox: 2048, output: 64 });
		const topics = [client.topic("a"), client.topic("b/c", { qos: 1 }), client.topic("d".repeat(90), { qos: 1 })];
		const reader = new PacketReader();
		const expected: string[] = [];
		const arrived: string[] = [];
		/** The link takes bytes so often, and the broker acknowledges what has come whole. */
		const pass = (times: number) => {
			for (let i = 0; i < times; i++) {
				network.writable(room);
				for (const packet of reader.read(network.taken())) {
					assert.ok(packet.cmd === "publish");
					arrived.push(`${packet.topic} ${packet.payload}`);
					assert.equal(packet.dup, false);
					if (packet.qos === 1) network.receive(puback(packet.messageId ?? 0));
				}
			}
		};
		network.room = 0;
		for (let i = 0; i < 100; i++) {
			const topic = random.pick(topics);
			const text = String(i).repeat(random.below(60));
			if (topic.publish(utf8(text))) expected.push(`${textOf(topic.name.subarray(2))} ${text}`);
			pass(random.below(200 / room));
		}
		pass(20_000 / room);
		assert.deepEqual(arrived, expected);
		assert.equal(reader.incomplete, false);
		assert.ok(expected.length > 30, `only ${expected.length} were taken`);
		assert.equal(client.status.outbox.used, 0);
		assert.equal(client.status.stray, 0);
	});
}

test("publishing without any room keeps the message and sends it once there is", () => {
	const { client, network, sent } = connected();
	network.room = 0;
	assert.equal(client.topic("a").publish(utf8("1")), true);
	assert.equal(client.topic("b", { qos: 1 }).publish(utf8("2")), true);
	assert.deepEqual(sent(), []);
	network.writable(1000);
	assert.deepEqual(sent(), ["PUBLISH a '1'", "PUBLISH b '2' qos 1 id 1"]);
});

test("a message larger than the output goes out in pieces, and no reply comes in between", () => {
	const { client, network } = connected({ outbox: 2048, output: 32 });
	network.room = 0;
	const large = utf8("0123456789".repeat(50));
	client.topic("large", { qos: 1 }).publish(large);
	const pieces: Uint8Array[] = [];
	for (let id = 1; id <= 20; id++) {
		network.writable(7);
		network.receive(publish("nobody/asked", "x", { qos: 1, id }));
		pieces.push(network.taken());
	}
	for (let step = 0; step < 200; step++) {
		network.writable(7);
		pieces.push(network.taken());
	}
	const lines = readable(joined(pieces));
	const pubacks = Array.from({ length: 20 }, (_, i) => `PUBACK id ${i + 1}`);
	assert.deepEqual(lines, [`PUBLISH large '${textOf(large)}' qos 1 id 1`, ...pubacks]);
});

test("replies that had to wait go out once there is room, in a small output too", () => {
	const { network, sent, reasons } = connected({ output: 32 });
	network.room = 0;
	for (let id = 1; id <= 32; id++) network.receive(publish("nobody/asked", "x", { qos: 1, id }));
	for (let step = 0; step < 50; step++) network.writable(1000);
	assert.deepEqual(reasons, []);
	assert.deepEqual(
		sent(),
		Array.from({ length: 32 }, (_, i) => `PUBACK id ${i + 1}`),
	);
});

test("messages that come in one large piece are acknowledged, however many, as long as the link takes bytes", () => {
	const { network, sent, reasons } = connected();
	const packets = Array.from({ length: 400 }, (_, i) => publish("a", "x", { qos: 1, id: i + 1 }));
	network.receive(joined(packets));
	assert.deepEqual(reasons, []);
	assert.deepEqual(
		sent(),
		packets.map((_, i) => `PUBACK id ${i + 1}`),
	);
});

test("more replies than can wait close the link rather than get lost", () => {
	const { client, network, reasons } = connected({ output: 32 });
	network.room = 0;
	for (let id = 1; network.isOpen && id < 1000; id++) network.receive(publish("a", "x", { qos: 1, id }));
	assert.equal(reasons.length, 1);
	assert.equal(client.status.violations, 0);
});

for (const length of [110, 120, 121, 122, 123, 124, 125, 126, 127, 128, 129, 16_370, 16_380, 16_383, 16_384]) {
	test(`a payload of ${length} bytes arrives whole`, () => {
		const { client, network } = connected({ outbox: 32_768, output: 256 });
		const payload = Uint8Array.from({ length }, (_, i) => i & 255);
		assert.equal(client.topic("t", { qos: 1 }).publish(payload), true);
		const [packet] = packets(network.taken());
		assert.ok(packet.cmd === "publish");
		assert.equal(show(packet.payload as Buffer), show(payload));
	});
}

for (const [window, early] of [
	[1, 0],
	[1, 1],
	[1, 5],
	[3, 2],
	[3, 3],
	[3, 10],
	[16, 40],
]) {
	test(`window ${window}: with ${early} messages published before the connection, never more than ${window} are in flight`, () => {
		const made = scene({ window, outbox: 4096 });
		const topic = made.client.topic("t", { qos: 1 });
		for (let i = 0; i < early; i++) topic.publish(new Uint8Array(1));
		made.client.start();
		made.network.open();
		made.network.taken();
		made.network.receive(new Uint8Array([0x20, 2, 0, 0]));
		let unacknowledged = 0;
		let acknowledged = 0;
		for (let i = 0; i < 40; i++) {
			assert.equal(topic.publish(new Uint8Array(1)), true);
			unacknowledged += made.sent().length;
			assert.ok(unacknowledged <= window, `${unacknowledged} in flight`);
			if (i % 2 === 0 && unacknowledged > 0) {
				made.network.receive(puback(++acknowledged));
				unacknowledged += made.sent().length - 1;
				assert.ok(unacknowledged <= window, `${unacknowledged} in flight`);
			}
		}
		while (unacknowledged > 0) {
			made.network.receive(puback(++acknowledged));
			unacknowledged += made.sent().length - 1;
		}
		assert.equal(made.client.status.delivered, early + 40);
	});
}
