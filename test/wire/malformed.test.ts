/** Bytes that break the format: the decoder says so, and tells nothing of them ([MQTT-4.8.0-1]). */
import assert from "node:assert/strict";
import { test } from "node:test";
import { hex, joined, show } from "../support/hex.js";
import { seeded } from "../support/random.js";
import { events, sliced } from "../support/recorder.js";

/** Malformed in the end and for this reason, whole and in pieces, behind another packet or not. */
function isMalformed(bytes: Uint8Array, level: 3 | 4, reason: string): void {
	const what = `level ${level}: ${show(bytes)}`;
	const fault = `MALFORMED ${reason}`;
	const ping = hex("d0 00");
	assert.deepEqual(events([bytes], { level }), [fault], what);
	assert.deepEqual(events(sliced(bytes, 1), { level }), [fault], `${what}, byte by byte`);
	assert.deepEqual(events([joined([ping, bytes, ping])], { level }), ["d0", fault], `${what}, amid others`);
	for (let at = 1; at < bytes.length; at++) {
		const pieces = [bytes.subarray(0, at), bytes.subarray(at)];
		assert.deepEqual(events(pieces, { level }), [fault], `${what}, split at ${at}`);
	}
}

/** A packet with this first byte and a body of this many bytes, all 1. */
function packet(header: number, length: number): Uint8Array {
	return Uint8Array.of(header, length, ...new Array<number>(length).fill(1));
}

for (const level of [3, 4] as const) {
	for (const [name, type] of [
		["reserved type 0", 0],
		["CONNECT", 1],
		["SUBSCRIBE", 8],
		["UNSUBSCRIBE", 10],
		["PINGREQ", 12],
		["DISCONNECT", 14],
		["reserved type 15", 15],
	] as const) {
		test(`level ${level}: ${name}, which no client may receive, is malformed with any flags and length`, () => {
			for (let flags = 0; flags < 16; flags++) {
				for (const length of [0, 1, 2, 3, 5]) isMalformed(packet((type << 4) | flags, length), level, "type");
			}
		});
	}

	for (const [name, header, allowed] of [
		["CONNACK", 0x20, [2]],
		["PUBACK", 0x40, [2]],
		["PUBREC", 0x50, [2]],
		["PUBREL", 0x62, [2]],
		["PUBCOMP", 0x70, [2]],
		["SUBACK", 0x90, [3, 4, 5, 6, 7, 8]],
		["UNSUBACK", 0xb0, [2]],
		["PINGRESP", 0xd0, [0]],
	] as const) {
		test(`level ${level}: ${name} of a wrong length is malformed`, () => {
			for (let length = 0; length <= 8; length++) {
				if (!(allowed as readonly number[]).includes(length)) isMalformed(packet(header, length), level, "length");
			}
		});
	}

	for (const [what, reason, ...bytes] of [
		["QoS 3", "qos", "36 05", "00 01 61 00 01"],
		["QoS 3 and RETAIN", "qos", "37 05", "00 01 61 00 01"],
		["QoS 3 and DUP", "qos", "3e 05", "00 01 61 00 01"],
		["QoS 3, DUP and RETAIN", "qos", "3f 05", "00 01 61 00 01"],
		["identifier 0 at QoS 1", "identifier", "32 05", "00 01 61 00 00"],
		["identifier 0 at QoS 1, with a payload", "identifier", "32 07", "00 01 61 00 00 68 69"],
		["identifier 0 at QoS 2", "identifier", "34 05", "00 01 61 00 00"],
		["no body", "length", "30 00"],
		["half of a topic length", "length", "30 01", "00"],
		["a topic longer than the body", "length", "30 04", "00 03 61 62"],
		["a topic much longer than the body", "length", "30 04", "ff ff 61 62"],
		["no identifier at QoS 1", "length", "32 03", "00 01 61"],
		["half of an identifier at QoS 1", "length", "32 04", "00 01 61 01"],
		["no identifier at QoS 2", "length", "34 03", "00 01 61"],
		["a topic that leaves no place for the identifier", "length", "32 05", "00 03 61 62 63"],
	]) {
		test(`level ${level}: a PUBLISH with ${what} is malformed`, () => isMalformed(hex(...bytes), level, reason));
	}

	test(`level ${level}: a remaining length of five bytes is malformed`, () => {
		for (const header of ["20", "30", "40", "90", "d0"]) {
			for (const length of ["80 80 80 80 00", "ff ff ff ff 7f", "82 80 80 80 01", "ff ff ff ff ff"]) {
				const recorded = events([hex(header, length)], { level });
				assert.deepEqual(recorded, ["MALFORMED length"], `${header} ${length}`);
				assert.deepEqual(events(sliced(hex(header, length), 1), { level }), ["MALFORMED length"]);
			}
		}
	});

	test(`level ${level}: a packet other than PUBLISH that is larger than the inbox is malformed as soon as its length is known`, () => {
		for (const header of ["20", "40", "50", "62", "70", "90", "b0", "d0"]) {
			for (const length of ["80 01", "80 80 01", "ff ff ff 7f"]) {
				assert.deepEqual(events([hex(header, length)], { level, inbox: 64 }), ["MALFORMED length"]);
			}
		}
	});
}

test("level 4: a PUBLISH with DUP at QoS 0 is malformed ([MQTT-3.3.1-2])", () => {
	isMalformed(hex("38 04", "00 01 61 01"), 4, "qos");
	isMalformed(hex("39 04", "00 01 61 01"), 4, "qos");
});

test("a large PUBLISH whose topic is longer than all that follows is malformed", () => {
	const body = new Uint8Array(200).fill(0x61);
	for (const length of [199, 200, 1_000, 65_535]) {
		body[0] = length >> 8;
		body[1] = length & 255;
		for (const size of [1, 7, 300]) {
			const recorded = events(sliced(joined([hex("30 c8 01"), body]), size), { inbox: 32 });
			assert.deepEqual(recorded, ["MALFORMED length"], `a topic of ${length} bytes`);
		}
	}
});

test("whatever bytes come, however split, nothing throws, and the split changes nothing", (t) => {
	const random = seeded((message) => t.diagnostic(message));
	const beginnings = [
		"20 02",
		"30 05 00 01 61",
		"32 07 00 01 61",
		"40 02",
		"90 03",
		"d0 00",
		"30 c8 01 00 01 61",
		"3d",
	];
	let malformed = 0;
	for (let round = 0; round < 5_000; round++) {
		const parts: Uint8Array[] = [];
		for (let i = random.below(6); i >= 0; i--) {
			parts.push(hex(random.pick(beginnings)), random.bytes(random.below(4)));
			if (random.chance(0.2)) parts.push(new Uint8Array(random.below(200)));
		}
		// A topic name shown by the recorder has to be text: ASCII.
		const bytes = joined(parts).map((byte, i) => (i > 1 && byte >= 0x80 && random.chance(0.7) ? byte & 0x7f : byte));
		const level = random.pick([3, 4] as const);
		const inbox = random.pick([16, 20, 64]);
		const outcome = (pieces: Uint8Array[]) => {
			try {
				return events(pieces, { level, inbox });
			} catch (error) {
				if (error instanceof TypeError && /encoded data/.test(error.message)) return ["ill-formed topic"];
				throw error;
			}
		};
		const whole = outcome([bytes]);
		if (whole.at(-1)?.startsWith("MALFORMED")) malformed++;
		assert.deepEqual(outcome(sliced(bytes, 1)), whole, `${show(bytes)} inbox ${inbox} level ${level}`);
		assert.deepEqual(outcome(sliced(bytes, 1 + random.below(9))), whole);
	}
	assert.ok(malformed > 500);
});
