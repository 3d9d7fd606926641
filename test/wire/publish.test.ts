/** PUBLISH and the packets that answer it, against bytes written out by hand (sections 3.3 to 3.7). The two
 * protocol levels write them the same way. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { field, publishHeader, writePublish, writeReply } from "../../src/wire/encode.js";
import { Packet, PublishFlag } from "../../src/wire/packet.js";
import { hex, show, utf8 } from "../support/hex.js";

/** The PUBLISH with this first byte, as `writePublish` writes it in the midst of a memory. */
function publish(header: number, topic: string, identifier: number, payload: Uint8Array): string {
	const memory = new Uint8Array(64 + topic.length + payload.length).fill(0xee);
	const start = writePublish(memory, 5, header, field(utf8(topic)), identifier, payload.length);
	assert.equal(show(memory.subarray(0, 5)), "ee ee ee ee ee", "nothing is written in front");
	assert.equal(memory[start], 0xee, "nothing is written where the payload goes");
	memory.set(payload, start);
	return show(memory.subarray(5, start + payload.length));
}

test("a PUBLISH at QoS 0 is topic and payload, without an identifier", () => {
	assert.equal(
		publish(publishHeader(0, false), "a/b", 0, utf8("hi")),
		show(
			hex(
				"30", // PUBLISH, QoS 0
				"07", // 7 bytes follow
				"00 03 61 2f 62", // topic "a/b"
				"68 69", // payload "hi"
			),
		),
	);
});

test("a PUBLISH at QoS 1 has its identifier between topic and payload", () => {
	assert.equal(
		publish(publishHeader(1, false), "a/b", 10, utf8("hi")),
		show(
			hex(
				"32", // PUBLISH, QoS 1
				"09", // 9 bytes follow
				"00 03 61 2f 62", // topic "a/b"
				"00 0a", // identifier 10
				"68 69", // payload "hi"
			),
		),
	);
});

test("a PUBLISH at QoS 2 differs in its first byte only", () => {
	assert.equal(
		publish(publishHeader(2, false), "a/b", 0xfffe, utf8("hi")),
		show(
			hex(
				"34", // PUBLISH, QoS 2
				"09", // 9 bytes follow
				"00 03 61 2f 62", // topic "a/b"
				"ff fe", // identifier 65,534
				"68 69", // payload "hi"
			),
		),
	);
});

test("RETAIN is bit 0 and DUP is bit 3 of the first byte", () => {
	assert.equal(publish(publishHeader(0, true), "t", 0, utf8("")), "31 03 00 01 74");
	assert.equal(publish(publishHeader(1, true), "t", 1, utf8("")), "33 05 00 01 74 00 01");
	assert.equal(publish(publishHeader(1, false) | PublishFlag.DUP, "t", 1, utf8("")), "3a 05 00 01 74 00 01");
	assert.equal(publish(publishHeader(2, true) | PublishFlag.DUP, "t", 1, utf8("")), "3d 05 00 01 74 00 01");
});

test("an empty payload takes no bytes", () => {
	assert.equal(
		publish(publishHeader(1, false), "a", 256, utf8("")),
		show(
			hex(
				"32 05", // PUBLISH, QoS 1, 5 bytes follow
				"00 01 61", // topic "a"
				"01 00", // identifier 256
			),
		),
	);
});

test("a PUBLISH of 127 bytes has one length byte, of 128 bytes two", () => {
	const payload = new Uint8Array(125).fill(0x2a);
	assert.equal(publish(0x30, "", 0, payload), `30 7f 00 00 ${show(payload)}`);
	assert.equal(publish(0x30, "a", 0, payload), `30 80 01 00 01 61 ${show(payload)}`);
	assert.equal(publish(0x32, "", 9, payload), `32 81 01 00 00 00 09 ${show(payload)}`);
});

test("a topic may be UTF-8 of any length up to 65,535 bytes", () => {
	assert.equal(publish(0x30, "°", 0, utf8("")), "30 04 00 02 c2 b0");
	const longest = "x".repeat(65_535);
	const packet = publish(0x30, longest, 0, utf8("y"));
	assert.equal(packet.slice(0, 3 * 6), "30 82 80 04 ff ff "); // 65,538 = 2 + 4 * 16,384
	assert.equal(packet.slice(-6), " 78 79");
});

test("PUBACK, PUBREC, PUBREL and PUBCOMP are four bytes, and PUBREL has bit 1 set", () => {
	const memory = new Uint8Array(6);
	const packets = [
		[Packet.PUBACK, "40 02 12 34"],
		[Packet.PUBREC, "50 02 12 34"],
		[Packet.PUBREL, "62 02 12 34"],
		[Packet.PUBCOMP, "70 02 12 34"],
	] as const;
	for (const [packet, expected] of packets) {
		assert.equal(writeReply(memory, 1, packet, 0x1234), 5);
		assert.equal(show(memory), `00 ${expected} 00`);
	}
	writeReply(memory, 1, Packet.PUBACK, 65_535);
	assert.equal(show(memory), "00 40 02 ff ff 00");
});
