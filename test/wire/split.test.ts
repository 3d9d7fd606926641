/** Streams of packets in pieces: however they are cut, the events are the same. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { hex, joined } from "../support/hex.js";
import { connack, pingresp, puback, pubcomp, publish, pubrec, pubrel, suback, unsuback } from "../support/packets.js";
import { seeded } from "../support/random.js";
import { events, sliced } from "../support/recorder.js";

const counting = (length: number) => Uint8Array.from({ length }, (_, i) => i & 255);

/** Every packet that a client receives, small and large messages, topics that fit the inbox and that do not. */
const PACKETS = [
	connack(),
	publish("a/b", "hi"),
	suback(1, 0, 1, 2, 0x80),
	publish("a", "", { qos: 1, id: 7 }),
	puback(1),
	publish("large", counting(40), { qos: 1, id: 8, retain: true }),
	pubrec(2),
	pubrel(2),
	pubcomp(0xffff),
	publish("larger", counting(150), { qos: 2, id: 9, dup: true }),
	pingresp(),
	unsuback(3),
	publish("a/topic/that/is/longer/than/the/inbox/of/sixteen/bytes", counting(30), { qos: 1, id: 0x100 }),
	publish("exactly/12by", counting(12)),
	publish("exactly/12by", new Uint8Array(40), { qos: 1, id: 1 }),
	publish("x", "last"),
];

const STREAM = joined(PACKETS);

for (const level of [3, 4] as const) {
	for (const inbox of [16, 17, 18, 19, 20, 24, 32, 64, 256]) {
		const name = `level ${level}, inbox ${inbox}`;
		const whole = events([STREAM], { level, inbox });

		test(`${name}: a stream split at every byte gives the same events`, () => {
			assert.equal(whole.join().includes("MALFORMED"), false);
			for (let at = 1; at < STREAM.length; at++) {
				const pieces = [STREAM.subarray(0, at), STREAM.subarray(at)];
				assert.deepEqual(events(pieces, { level, inbox }), whole, `split at ${at}`);
			}
		});

		test(`${name}: a stream in pieces of one size, byte by byte to many at once, gives the same events`, () => {
			for (let size = 1; size <= 100; size++) {
				assert.deepEqual(events(sliced(STREAM, size), { level, inbox }), whole, `pieces of ${size}`);
			}
		});

		test(`${name}: a packet for itself gives the same events`, () => {
			assert.deepEqual(events(PACKETS, { level, inbox }), whole);
		});
	}
}

test("streams of random packets in random pieces give the same events", (t) => {
	const random = seeded((message) => t.diagnostic(message));
	for (let round = 0; round < 500; round++) {
		const inbox = 16 + random.below(60);
		const packets = Array.from({ length: 1 + random.below(10) }, () => {
			if (random.chance(0.3)) return random.pick(PACKETS);
			const qos = random.pick([0, 1, 2] as const);
			return publish("t".repeat(1 + random.below(80)), new Uint8Array(random.below(200)), {
				qos,
				id: 1 + random.below(9),
			});
		});
		const stream = joined(packets);
		const whole = events([stream], { inbox });
		assert.equal(whole.join().includes("MALFORMED"), false);
		for (let cut = 0; cut < 10; cut++) {
			const pieces: Uint8Array[] = [];
			const longest = 1 + random.below(60);
			for (let at = 0; at < stream.length; ) {
				const end = at + 1 + random.below(longest);
				pieces.push(stream.subarray(at, end));
				at = end;
			}
			assert.deepEqual(events(pieces, { inbox }), whole);
		}
	}
});

test("a message that fits the inbox comes whole, however it is split", () => {
	const bytes = publish("topic", "0123456789", { qos: 1, id: 1 });
	for (let size = 1; size <= bytes.length; size++) {
		const seen = events(sliced(bytes, size), { inbox: 32 });
		assert.equal(seen.length, 1);
		assert.doesNotMatch(seen[0], /to come/);
	}
});

test("a message larger than the inbox comes in parts, all but the last of one size, that make up its payload", () => {
	const payload = counting(1_000);
	const bytes = publish("a/b", payload, { qos: 1, id: 0x1234 });
	for (const inbox of [16, 20, 64, 256]) {
		for (const size of [1, 5, 64, 4096]) {
			const seen = events(sliced(bytes, size), { inbox });
			const parts = seen.map((event) => {
				const match = /^PUBLISH 'a\/b' ([0-9a-f ]*) qos 1 id 4660 from (\d+), (\d+) to come$/.exec(event);
				assert.ok(match, event);
				return { payload: hex(match[1]), offset: Number(match[2]), remaining: Number(match[3]) };
			});
			let offset = 0;
			for (const part of parts) {
				assert.equal(part.offset, offset);
				offset += part.payload.length;
				assert.equal(part.remaining, payload.length - offset);
			}
			assert.deepEqual(joined(parts.map((part) => part.payload)), payload);
			assert.equal(new Set(parts.slice(0, -1).map((part) => part.payload.length)).size, 1);
			assert.ok(parts[0].payload.length <= inbox);
		}
	}
});

test("a message whose topic is longer than the inbox is passed by, and what follows is decoded", () => {
	for (const inbox of [16, 24, 64]) {
		for (const length of [inbox, inbox + 1, 2 * inbox, 1_000, 65_535]) {
			for (const payload of [0, 1, inbox, 500]) {
				for (const qos of [0, 1] as const) {
					const topic = "t".repeat(length);
					const stream = joined([publish(topic, new Uint8Array(payload), { qos, id: 7 }), publish("a", "1")]);
					const skipped = qos === 0 ? "SKIPPED qos 0" : "SKIPPED qos 1 id 7";
					assert.deepEqual(events(sliced(stream, 4096), { inbox }), [skipped, "PUBLISH 'a' 31"]);
					if (length <= 1_000) assert.deepEqual(events(sliced(stream, 1), { inbox }), [skipped, "PUBLISH 'a' 31"]);
				}
			}
		}
	}
});

for (const inbox of [16, 18, 20, 31, 32]) {
	test(`inbox ${inbox}: topics about as long as the inbox, with payloads about as long, come whole, in parts, or not at all`, () => {
		for (let length = inbox - 10; length <= inbox + 4; length++) {
			for (let size = 0; size <= 2 * inbox + 4; size++) {
				for (const qos of [0, 1, 2] as const) {
					const topic = "t".repeat(length);
					const payload = new Uint8Array(size); // zeros: an identifier read from it would be 0
					const stream = joined([publish(topic, payload, { qos, id: 7 }), pingresp()]);
					const whole = events([stream], { inbox });
					assert.deepEqual(events(sliced(stream, 1), { inbox }), whole);
					assert.deepEqual(events(sliced(stream, 5), { inbox }), whole);
					assert.equal(whole.at(-1), "d0");
					const parts = whole.slice(0, -1);
					if (parts[0].startsWith("SKIPPED")) {
						assert.deepEqual(parts, [qos === 0 ? "SKIPPED qos 0" : `SKIPPED qos ${qos} id 7`]);
						continue;
					}
					let bytes = 0;
					for (const part of parts) {
						const match = /^PUBLISH '(t+)' ((?:00 ?)*)/.exec(part);
						assert.ok(match, part);
						assert.equal(match[1], topic);
						bytes += match[2].split("00").length - 1;
						if (qos > 0) assert.match(part, new RegExp(`qos ${qos} id 7`));
					}
					assert.equal(bytes, size);
				}
			}
		}
	});
}

test("many packets in one piece are told one by one", () => {
	const stream = joined(Array.from({ length: 500 }, (_, i) => puback(i + 1)));
	assert.equal(events([stream]).length, 500);
	assert.equal(events([stream]).at(-1), "40 01 f4");
});
