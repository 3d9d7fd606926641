/** Every packet that a client receives, against bytes written out by hand (sections 3.2 to 3.13). */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Decoded } from "../../src/wire/decode.js";
import { hex } from "../support/hex.js";
import { events, Recorder, sliced } from "../support/recorder.js";

/** What it is, its bytes, and the event that the decoder makes of it. */
const PACKETS: [string, Uint8Array, string][] = [
	...[0, 1, 2, 3, 4, 5].map((code): [string, Uint8Array, string] => [
		`CONNACK with return code ${code}`,
		hex(
			"20 02", // CONNACK, 2 bytes follow
			"00", // no flags
			`0${code}`, // return code
		),
		`20 00 0${code}`,
	]),
	[
		"CONNACK with session present",
		hex(
			"20 02", // CONNACK, 2 bytes follow
			"01", // session present
			"00", // accepted
		),
		"20 01 00",
	],
	[
		"PUBLISH at QoS 0",
		hex(
			"30 07", // PUBLISH, QoS 0, 7 bytes follow
			"00 03 61 2f 62", // topic "a/b"
			"68 69", // payload "hi"
		),
		"PUBLISH 'a/b' 68 69",
	],
	[
		"PUBLISH at QoS 0, retained",
		hex(
			"31 04", // PUBLISH, RETAIN, 4 bytes follow
			"00 01 61", // topic "a"
			"00", // payload
		),
		"PUBLISH 'a' 00 retain",
	],
	[
		"PUBLISH at QoS 1",
		hex(
			"32 07", // PUBLISH, QoS 1, 7 bytes follow
			"00 01 61", // topic "a"
			"12 34", // identifier 4,660
			"68 69", // payload "hi"
		),
		"PUBLISH 'a' 68 69 qos 1 id 4660",
	],
	[
		"PUBLISH at QoS 1 with DUP and RETAIN",
		hex(
			"3b 06", // PUBLISH, DUP, QoS 1, RETAIN, 6 bytes follow
			"00 01 61", // topic "a"
			"ff ff", // identifier 65,535
			"21", // payload
		),
		"PUBLISH 'a' 21 qos 1 id 65535 retain dup",
	],
	[
		"PUBLISH at QoS 2",
		hex(
			"34 06", // PUBLISH, QoS 2, 6 bytes follow
			"00 01 61", // topic "a"
			"00 01", // identifier 1
			"21", // payload
		),
		"PUBLISH 'a' 21 qos 2 id 1",
	],
	[
		"PUBLISH at QoS 2 with DUP",
		hex(
			"3c 06", // PUBLISH, DUP, QoS 2, 6 bytes follow
			"00 01 61", // topic "a"
			"01 00", // identifier 256
			"21", // payload
		),
		"PUBLISH 'a' 21 qos 2 id 256 dup",
	],
	[
		"PUBLISH with an empty payload",
		hex(
			"30 03", // PUBLISH, 3 bytes follow
			"00 01 61", // topic "a"
		),
		"PUBLISH 'a' ",
	],
	[
		"PUBLISH at QoS 1 with an empty payload",
		hex(
			"32 05", // PUBLISH, QoS 1, 5 bytes follow
			"00 01 61", // topic "a"
			"00 07", // identifier 7
		),
		"PUBLISH 'a'  qos 1 id 7",
	],
	[
		"PUBLISH whose topic has U+FEFF, which is kept ([MQTT-1.5.3-3])",
		hex(
			"30 06", // PUBLISH, 6 bytes follow
			"00 04 ef bb bf 61", // topic U+FEFF "a"
		),
		"PUBLISH '\u{feff}a' ",
	],
	[
		"PUBLISH whose length has more bytes than it needs",
		hex(
			"30 83 80 00", // PUBLISH, 3 bytes follow
			"00 01 61", // topic "a"
		),
		"PUBLISH 'a' ",
	],
	["PUBACK", hex("40 02", "12 34"), "40 12 34"],
	["PUBREC", hex("50 02", "12 34"), "50 12 34"],
	["PUBREL", hex("62 02", "12 34"), "62 12 34"],
	["PUBCOMP", hex("70 02", "12 34"), "70 12 34"],
	[
		"SUBACK for one filter",
		hex(
			"90 03", // SUBACK, 3 bytes follow
			"00 0a", // identifier 10
			"01", // granted QoS 1
		),
		"90 00 0a 01",
	],
	[
		"SUBACK for several filters",
		hex(
			"90 06", // SUBACK, 6 bytes follow
			"00 0a", // identifier 10
			"00 01 02 80", // granted QoS 0, 1, 2, refused
		),
		"90 00 0a 00 01 02 80",
	],
	["UNSUBACK", hex("b0 02", "12 34"), "b0 12 34"],
	["PINGRESP", hex("d0 00"), "d0"],
];

for (const level of [3, 4] as const) {
	for (const [name, bytes, event] of PACKETS) {
		test(`level ${level}: ${name} is understood, whole, byte by byte, and split at any place`, () => {
			assert.deepEqual(events([bytes], { level }), [event]);
			assert.deepEqual(events(sliced(bytes, 1), { level }), [event]);
			for (let at = 1; at < bytes.length; at++) {
				assert.deepEqual(events([bytes.subarray(0, at), bytes.subarray(at)], { level }), [event], `split at ${at}`);
			}
		});
	}

	test(`level ${level}: reserved flags are ${level === 3 ? "ignored" : "malformed"}, all of them`, () => {
		for (const [name, bytes, event] of PACKETS) {
			if (name.startsWith("PUBLISH")) continue;
			for (let flags = 0; flags < 16; flags++) {
				if (flags === (bytes[0] & 15)) continue;
				const other = Uint8Array.from(bytes);
				other[0] = (bytes[0] & 0xf0) | flags;
				for (const pieces of [[other], sliced(other, 1)]) {
					const [seen, ...more] = events(pieces, { level });
					assert.deepEqual(more, []);
					if (level === 4) assert.equal(seen, "MALFORMED flags", `${name} with flags ${flags}`);
					else assert.equal(seen[0] + seen.slice(2), event[0] + event.slice(2), `${name} with flags ${flags}`);
				}
			}
		}
	});
}

test("nothing is told of a packet whose last byte has not come", () => {
	for (const [name, bytes] of PACKETS) {
		assert.deepEqual(events([bytes.subarray(0, -1)]), [], name);
		assert.deepEqual(events(sliced(bytes.subarray(0, -1), 1)), [], name);
	}
});

test("reset forgets the beginning of a packet, wherever it was cut off", () => {
	const [, bytes, event] = PACKETS.find(([name]) => name === "PUBLISH at QoS 1") ?? PACKETS[0];
	for (let cut = 1; cut < bytes.length; cut++) {
		const recorder = new Recorder();
		recorder.feed(bytes.subarray(0, cut));
		recorder.reset();
		recorder.feed(bytes);
		assert.deepEqual(recorder.events, [event], `cut off at ${cut}`);
	}
});

test("a receiver that answers CLOSED hears nothing more", () => {
	class Closing extends Recorder {
		override packet(header: number, at: number, end: number): Decoded {
			super.packet(header, at, end);
			return Decoded.CLOSED;
		}
	}
	const closing = new Closing();
	assert.equal(closing.feed(hex("40 02 00 01", "d0 00", "40 02 00 02")), Decoded.CLOSED);
	assert.deepEqual(closing.events, ["40 00 01", "d0"]);
});
