/** The measuring helper measures operations whose cost is known. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Engine } from "./measure.js";

const needsXs = Engine.available() ? {} : { skip: "the XS engine of @agoric/xsnap was not compiled on this machine" };

const OPERATIONS = `
import Time from "time";
const text = "sensors/kitchen/temperature";
const view = new Uint8Array(64);
let sum = 0;
let kept;
export function arithmetic(n) { for (let i = 0; i < n; i++) sum = (sum + i * 0.5) % 1000; }
export function bytes(n) { for (let i = 0; i < n; i++) { view[i & 63] = i; view.copyWithin(0, 8, 16); } }
export function time(n) { for (let i = 0; i < n; i++) sum = Time.delta(sum); }
export function object(n) { for (let i = 0; i < n; i++) kept = {}; }
export function property(n) { for (let i = 0; i < n; i++) kept = { a: 1 }; }
export function array(n) { for (let i = 0; i < n; i++) new Uint8Array(32); }
export function buffer(n) { for (let i = 0; i < n; i++) new ArrayBuffer(1000); }
export function boxed(n) { for (let i = 0; i < n; i++) sum = text.charCodeAt(i % 20); }
export function concatenated(n) { for (let i = 0; i < n; i++) kept = text + text; }
export function many(n) { for (let i = 0; i < n; i++) { for (let j = 0; j < 200; j++) ({}); new ArrayBuffer(32); } }
export function large(n) { for (let i = 0; i < n; i++) kept = new ArrayBuffer(100_000); }
export const constant = 5;
`;

test("operations of known cost read what they cost", needsXs, async () => {
	const engine = await Engine.open(OPERATIONS);
	try {
		const costs: [string, number, number][] = [
			["arithmetic", 0, 0],
			["bytes", 0, 0],
			["time", 0, 0],
			["object", 1, 0],
			["property", 2, 0],
			["array", 7, 48],
			["buffer", 3, 1016],
			["boxed", 2, 0],
			["concatenated", 0, 72],
			["many", 203, 48],
		];
		for (const [name, slots, chunkBytes] of costs) {
			const measured = await engine.measure(name);
			assert.deepEqual([measured.slots, measured.chunkBytes], [slots, chunkBytes], name);
			assert.ok(Number.isInteger(measured.steps) && measured.steps >= 10, name);
		}
		const large = await engine.measure("large");
		assert.equal(large.slots, 3);
		assert.ok(Math.abs(large.chunkBytes - 100_016) < 2_000, "few fit, so this is an estimate");
		assert.deepEqual((await engine.measure("array")).chunkBytes, 48, "and nothing of it stays behind");
	} finally {
		await engine.close();
	}
});

test("steps of an empty loop are the 10 of its own, and the same twice", needsXs, async () => {
	const engine = await Engine.open("export function empty(n) { for (let i = 0; i < n; i++) {} }");
	assert.equal((await engine.measure("empty")).steps, 10);
	assert.deepEqual(await engine.measure("empty"), await engine.measure("empty"));
	await engine.close();
});

test("a bundle that fails to load, and a name that is no function, reject with the reason", needsXs, async () => {
	await assert.rejects(Engine.open("null.field"), /TypeError/);
	await assert.rejects(Engine.open("export {"), /SyntaxError/);
	await assert.rejects(Engine.open(`import "fs";`), /no module "fs"/);
	const engine = await Engine.open("export const five = 5;");
	await assert.rejects(engine.measure("five"), /is not a function/);
	await assert.rejects(engine.measure("missing"), /is not a function/);
	await engine.close();
});
