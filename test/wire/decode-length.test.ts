/** How the remaining length is read, up to the largest message there is (section 2.2.3). */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Decoded, Decoder } from "../../src/wire/decode.js";
import type { Message } from "../../src/wire/message.js";
import { hex, joined } from "../support/hex.js";
import { LENGTHS } from "../support/lengths.js";

const INBOX = 65_536;

/** Counts what comes, and keeps nothing. */
function counter() {
	const memory = new Uint8Array(2 * INBOX);
	const seen = { bytes: 0, messages: 0, pings: 0, gaps: 0 };
	const decoder = new Decoder(
		{
			level: 4,
			acknowledged: () => assert.fail("a PUBACK"),
			packet() {
				seen.pings++;
				return Decoded.MORE;
			},
			message(message: Message) {
				if (message.offset !== seen.bytes) seen.gaps++;
				seen.bytes += message.payloadEnd - message.payloadStart;
				if (message.remaining === 0) seen.messages++;
				return Decoded.MORE;
			},
			passBy: () => assert.fail("a message passed by"),
		},
		memory,
		INBOX,
	);
	const feed = (bytes: Uint8Array) => {
		memory.set(bytes, INBOX);
		return decoder.decode(INBOX, INBOX + bytes.length);
	};
	return { seen, feed };
}

for (const [length, encoded] of LENGTHS) {
	if (length < 3) continue; // no room for a topic: see malformed.test.ts
	test(`a PUBLISH of ${length.toLocaleString("en")} bytes (${encoded}) arrives whole, and the packet behind it is found`, () => {
		const { seen, feed } = counter();
		assert.equal(feed(joined([hex("30", encoded), hex("00 01 61")])), Decoded.MORE);
		const chunk = new Uint8Array(INBOX);
		for (let left = length - 3; left > 0; left -= chunk.length) {
			assert.equal(feed(chunk.subarray(0, Math.min(left, chunk.length))), Decoded.MORE);
		}
		assert.equal(feed(hex("d0 00")), Decoded.MORE);
		assert.deepEqual(seen, { bytes: length - 3, messages: 1, pings: 1, gaps: 0 });
	});
}

test("a SUBACK of 130 bytes has a remaining length of two bytes, 82 01", () => {
	const { seen, feed } = counter();
	assert.equal(feed(joined([hex("90 82 01"), new Uint8Array(130), hex("d0 00")])), Decoded.MORE);
	assert.equal(seen.pings, 2);
});
