/** The remaining length, seven bits a byte, lowest first (section 2.2.3). How it is read: decode-length.test.ts. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { lengthSize, writeLength } from "../../src/wire/encode.js";
import { show } from "../support/hex.js";
import { LENGTHS } from "../support/lengths.js";

for (const [length, expected] of LENGTHS) {
	test(`remaining length ${length.toLocaleString("en")} is written ${expected}`, () => {
		const memory = new Uint8Array(6).fill(0xee);
		const end = writeLength(memory, 1, length);
		assert.equal(show(memory.subarray(1, end)), expected);
		assert.equal(lengthSize(length), end - 1);
		assert.equal(memory[0], 0xee);
		assert.equal(memory[end], 0xee);
	});
}
