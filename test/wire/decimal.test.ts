/** Numbers as decimal text. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { DECIMAL_SIZE, writeDecimal } from "../../src/wire/decimal.js";
import { textOf } from "../support/hex.js";
import { seeded } from "../support/random.js";

/** What `writeDecimal` writes; "refused" if it says -1. Nothing may be written around it. */
function decimal(value: number, decimals: number): string {
	const memory = new Uint8Array(DECIMAL_SIZE + 8).fill(0xee);
	const end = writeDecimal(memory, 4, value, decimals);
	for (let at = 0; at < memory.length; at++) {
		if (at < 4 || at >= (end === -1 ? 4 : end)) assert.equal(memory[at], 0xee, `byte ${at - 4} was written`);
	}
	return end === -1 ? "refused" : textOf(memory.subarray(4, end));
}

const TABLE: [number, number, string][] = [
	[0, 0, "0"],
	[0, 2, "0.00"],
	[-0, 2, "0.00"],
	[7, 0, "7"],
	[21.5678, 2, "21.57"],
	[21.5678, 0, "22"],
	[-3.1, 2, "-3.10"],
	[0.05, 2, "0.05"],
	[0.05, 1, "0.1"],
	[9.99, 1, "10.0"],
	[99.95, 0, "100"],
	[-99.5, 0, "-100"],
	[0.5, 0, "1"],
	[-0.5, 0, "-1"],
	[0.4, 0, "0"],
	[-0.4, 0, "0"],
	[-0.004, 2, "0.00"],
	[-0.006, 2, "-0.01"],
	[100, 0, "100"],
	[1000, 3, "1000.000"],
	[1e-10, 5, "0.00000"],
	[5e-324, 15, "0.000000000000000"],
	[0.1, 15, "0.100000000000000"],
	[1.5, 15, "1.500000000000000"],
	[-1.5, 15, "-1.500000000000000"],
	[9, 15, "9.000000000000000"],
	[4_294_967_296, 0, "4294967296"],
	[-2_147_483_648, 0, "-2147483648"],
	[1e15, 0, "1000000000000000"],
	[999_999_999_999.999, 3, "999999999999.999"],
];

for (const [value, decimals, expected] of TABLE) {
	test(`${Object.is(value, -0) ? "-0" : value} with ${decimals} decimals is ${expected}`, () => {
		assert.equal(decimal(value, decimals), expected);
	});
}

for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
	test(`${value} is refused`, () => {
		for (const decimals of [0, 2, 15]) assert.equal(decimal(value, decimals), "refused");
	});
}

test("a number with more digits than a double holds is refused", () => {
	assert.equal(decimal(2 ** 53, 0), "refused");
	assert.equal(decimal(-(2 ** 53), 0), "refused");
	assert.equal(decimal(1e16, 0), "refused");
	assert.equal(decimal(1e14, 2), "refused");
	assert.equal(decimal(10, 15), "refused");
	assert.equal(decimal(Number.MAX_VALUE, 15), "refused");
});

test("more than 15 decimals, or fewer than none, are refused", () => {
	assert.equal(decimal(1, 16), "refused");
	assert.equal(decimal(1, 1e9), "refused");
	assert.equal(decimal(1, -1), "refused");
});

test("every whole number up to 2 ** 53 - 1 is written as it is", (t) => {
	const random = seeded((message) => t.diagnostic(message));
	const samples = [2 ** 31, 2 ** 32, 2 ** 52 - 1, 2 ** 52, 2 ** 52 + 1, 2 ** 53 - 3, 2 ** 53 - 2, 2 ** 53 - 1];
	for (let round = 0; round < 5_000; round++) samples.push(Math.floor(2 ** (53 * random.next())));
	for (const value of samples) {
		assert.equal(decimal(value, 0), String(value));
		assert.equal(decimal(-value, 0), String(-value).replace(/^-0$/, "0"));
	}
});

test("the largest number below one half rounds to 0", () => {
	assert.equal(decimal(0.49999999999999994, 0), "0");
});

/**
 * `toFixed` rounds the exact value. Where this lies nearer to a tie than a double can tell once it is
 * multiplied, its neighbour is right too.
 */
function isRight(text: string, value: number, decimals: number): boolean {
	const fixed = value.toFixed(decimals);
	if (text === fixed || (text === fixed.slice(1) && /^-[0.]+$/.test(fixed))) return true;
	const units = (digits: string) => BigInt(digits.replace(".", ""));
	const scaled = Math.abs(value) * 10 ** decimals;
	const fromTie = Math.abs(scaled - Math.floor(scaled) - 0.5);
	const distance = units(text) - units(fixed);
	return (distance === 1n || distance === -1n) && fromTie <= scaled * Number.EPSILON;
}

test("random values are written as toFixed writes them, ties aside", (t) => {
	const random = seeded((message) => t.diagnostic(message));
	let ties = 0;
	for (let round = 0; round < 50_000; round++) {
		const decimals = random.below(16);
		// Up to 2 ** 52 units: above it, the product itself has no place for a half.
		const magnitude = 2 ** (52 * random.next()) / 10 ** decimals;
		let value = (random.next() - 0.5) * 2 * magnitude;
		// As often, a value such as a sensor gives: few decimals, and now and then a tie.
		if (random.chance(0.5)) value = Number(value.toFixed(Math.min(100, decimals + random.below(2))));
		const text = decimal(value, decimals);
		assert.ok(isRight(text, value, decimals), `${value} with ${decimals} decimals became ${text}`);
		if (text !== value.toFixed(decimals)) ties++;
	}
	assert.ok(ties < 5_000, `${ties} differ`);
});

test("no number takes more than DECIMAL_SIZE bytes", () => {
	for (let decimals = 0; decimals <= 15; decimals++) {
		const longest = decimal(-(2 ** 52 - 2) / 10 ** decimals, decimals);
		assert.equal(longest.length, decimals === 0 ? 17 : 18);
		assert.ok(longest.length <= DECIMAL_SIZE);
		assert.ok(decimal(-1e-9, decimals).length <= DECIMAL_SIZE);
	}
});
