/** What is well-formed UTF-8 to MQTT: RFC 3629 without U+0000 (section 1.5.3, [MQTT-1.5.3-1] to [MQTT-1.5.3-3]). */
import assert from "node:assert/strict";
import { test } from "node:test";
import { wellFormed } from "../../src/wire/topic.js";
import { hex, utf8 } from "../support/hex.js";
import { seeded } from "../support/random.js";

/** As the whole of a memory, and in the midst of one whose neighbours would make it well-formed or not. */
function isWellFormed(bytes: Uint8Array): boolean {
	const alone = wellFormed(bytes, 0, bytes.length, false);
	for (const neighbour of [0x00, 0x80, 0x61]) {
		const memory = new Uint8Array(bytes.length + 8).fill(neighbour);
		memory.set(bytes, 4);
		assert.equal(wellFormed(memory, 4, 4 + bytes.length, false), alone, `between bytes ${neighbour}`);
	}
	return alone;
}

const GOOD: [string, string][] = [
	["nothing", ""],
	["U+0001, a control character", "01"],
	["U+007F, the last of one byte", "7f"],
	["U+0080, the first of two bytes", "c2 80"],
	["U+009F, a control character of two bytes", "c2 9f"],
	["U+07FF, the last of two bytes", "df bf"],
	["U+0800, the first of three bytes", "e0 a0 80"],
	["U+D7FF, the last in front of the surrogates", "ed 9f bf"],
	["U+E000, the first behind the surrogates", "ee 80 80"],
	["U+FEFF, which is data and no byte order mark", "ef bb bf"],
	["U+FFFE, a non-character", "ef bf be"],
	["U+FFFF, the last of three bytes", "ef bf bf"],
	["U+10000, the first of four bytes", "f0 90 80 80"],
	["U+2A6D4, the example of the specification behind A", "41 f0 aa 9b 94"],
	["U+FFFFF", "f3 bf bf bf"],
	["U+10FFFF, the last of all", "f4 8f bf bf"],
];

const BAD: [string, string][] = [
	["U+0000", "00"],
	["U+0000 behind other characters", "61 62 00"],
	["U+0000 as modified UTF-8 writes it", "c0 80"],
	["a continuation byte alone", "80"],
	["the last continuation byte alone", "bf"],
	["a continuation byte too many", "c2 80 80"],
	["an overlong form of two bytes", "c1 bf"],
	["an overlong form of three bytes", "e0 9f bf"],
	["an overlong U+0000 of three bytes", "e0 80 80"],
	["an overlong form of four bytes", "f0 8f bf bf"],
	["U+D800, the first high surrogate", "ed a0 80"],
	["U+DBFF, the last high surrogate", "ed af bf"],
	["U+DC00, the first low surrogate", "ed b0 80"],
	["U+DFFF, the last low surrogate", "ed bf bf"],
	["a pair of surrogates, three bytes each", "ed a0 bd ed b8 80"],
	["U+110000, beyond the last of all", "f4 90 80 80"],
	["a first byte beyond F4", "f5 80 80 80"],
	["a form of five bytes", "f8 88 80 80 80"],
	["a form of six bytes", "fc 84 80 80 80 80"],
	["FE", "fe"],
	["FF", "ff"],
	["two bytes cut off after one", "c2"],
	["three bytes cut off after one", "e2"],
	["three bytes cut off after two", "e2 82"],
	["four bytes cut off after one", "f0"],
	["four bytes cut off after two", "f0 90"],
	["four bytes cut off after three", "f0 90 80"],
	["a letter in place of the second byte", "e2 61 ac"],
	["a letter in place of the third byte", "e2 82 61"],
	["a letter in place of the fourth byte", "f0 90 80 61"],
	["a first byte in place of a continuation", "c2 c2"],
];

for (const [what, bytes] of GOOD) {
	test(`${what} is well-formed`, () => assert.equal(isWellFormed(hex(bytes)), true));
}
for (const [what, bytes] of BAD) {
	test(`${what} is not well-formed`, () => assert.equal(isWellFormed(hex(bytes)), false));
}

test("random bytes are well-formed exactly when Node's decoder says so and there is no U+0000", (t) => {
	const random = seeded((message) => t.diagnostic(message));
	const decoder = new TextDecoder("utf-8", { fatal: true });
	const opinion = (bytes: Uint8Array): boolean => {
		try {
			decoder.decode(bytes);
			return !bytes.includes(0);
		} catch {
			return false;
		}
	};
	const parts = [...GOOD, ...BAD].map(([, bytes]) => hex(bytes));
	for (let round = 0; round < 20_000; round++) {
		const bytes = [...random.pick(parts), ...random.pick(parts), ...random.pick(parts)];
		if (random.chance(0.3)) bytes[random.below(bytes.length + 1)] = random.below(256);
		const sample = Uint8Array.from(bytes);
		assert.equal(wellFormed(sample, 0, sample.length, false), opinion(sample), `${bytes}`);
	}
});

test("as a topic name a text must not be empty nor hold a wildcard", () => {
	const isName = (text: string) => wellFormed(utf8(text), 0, utf8(text).length, true);
	assert.equal(isName("a/b"), true);
	assert.equal(isName("/"), true);
	assert.equal(isName("$SYS/uptime"), true);
	assert.equal(isName("\u{feff}"), true);
	for (const text of ["", "+", "#", "a/+/b", "a/#", "a+", "a#b"]) assert.equal(isName(text), false, text);
});
