/** PINGREQ and DISCONNECT against bytes written out by hand (sections 3.12, 3.14). The two protocol levels write them
 * the same way. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { writeEmpty } from "../../src/wire/encode.js";
import { Packet } from "../../src/wire/packet.js";
import { show } from "../support/hex.js";

test("PINGREQ and DISCONNECT are two bytes", () => {
	const memory = new Uint8Array(4);
	assert.equal(writeEmpty(memory, 1, Packet.PINGREQ), 3);
	assert.equal(show(memory), "00 c0 00 00");
	assert.equal(writeEmpty(memory, 1, Packet.DISCONNECT), 3);
	assert.equal(show(memory), "00 e0 00 00");
});
