/** SUBSCRIBE, UNSUBSCRIBE, PINGREQ and DISCONNECT against bytes written out by hand (sections 3.8, 3.10,
 * 3.12, 3.14). The two protocol levels write them the same way. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { filtersPacket, setIdentifier, writeEmpty } from "../../src/wire/encode.js";
import { Packet } from "../../src/wire/packet.js";
import { hex, show, utf8 } from "../support/hex.js";

test("a SUBSCRIBE for one filter is identifier, filter and the QoS asked for", () => {
	const packet = filtersPacket([utf8("a/+")], [1]);
	setIdentifier(packet, 10);
	assert.equal(
		show(packet),
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

test("a SUBSCRIBE for several filters keeps their order, each with its QoS", () => {
	const packet = filtersPacket([utf8("a/b"), utf8("#"), utf8("c/d")], [1, 0, 2]);
	setIdentifier(packet, 0xabcd);
	assert.equal(
		show(packet),
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

test("an UNSUBSCRIBE for one filter is identifier and filter", () => {
	const packet = filtersPacket([utf8("a/+")]);
	setIdentifier(packet, 10);
	assert.equal(
		show(packet),
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

test("an UNSUBSCRIBE for several filters keeps their order", () => {
	const packet = filtersPacket([utf8("a/b"), utf8("c/d")]);
	setIdentifier(packet, 1);
	assert.equal(
		show(packet),
		show(
			hex(
				"a2 0c", // UNSUBSCRIBE, 12 bytes follow
				"00 01", // identifier 1
				"00 03 61 2f 62", // "a/b"
				"00 03 63 2f 64", // "c/d"
			),
		),
	);
});

test("the identifier finds its place behind a remaining length of one, two and three bytes", () => {
	for (const [size, head] of [
		[122, "82 7f 12 34 00 7a"], // 127 bytes follow
		[123, "82 80 01 12 34 00 7b"], // 128 bytes follow
		[65_535, "82 84 80 04 12 34 ff ff"], // 65,540 = 4 + 4 * 16,384
	] as const) {
		const packet = filtersPacket([new Uint8Array(size).fill(0x61)], [0]);
		setIdentifier(packet, 0xffff);
		setIdentifier(packet, 0x1234);
		assert.equal(show(packet.subarray(0, hex(head).length)), head);
		assert.equal(show(packet.subarray(-2)), "61 00");
	}
});

test("filters beyond the largest remaining length are refused", () => {
	const filters = new Array<Uint8Array>(4096).fill(new Uint8Array(65_535));
	assert.throws(() => filtersPacket(filters), /too many filters/);
});

test("PINGREQ and DISCONNECT are two bytes", () => {
	const memory = new Uint8Array(4);
	assert.equal(writeEmpty(memory, 1, Packet.PINGREQ), 3);
	assert.equal(show(memory), "00 c0 00 00");
	assert.equal(writeEmpty(memory, 1, Packet.DISCONNECT), 3);
	assert.equal(show(memory), "00 e0 00 00");
});
