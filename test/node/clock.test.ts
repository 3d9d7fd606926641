/** Node's clock as the client's. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { clock } from "../../hosts/node/index.js";

test("the time goes on in whole milliseconds", async () => {
	const before = clock.time();
	await new Promise((resolve) => setTimeout(resolve, 20));
	const passed = clock.time() - before;
	assert.ok(Number.isInteger(before));
	assert.ok(passed >= 19 && passed < 2000, `${passed} ms`);
});

test("the time begins again at 2^32", (context) => {
	context.mock.method(performance, "now", () => 2 ** 32 - 0.1);
	assert.equal(clock.time(), 2 ** 32 - 1);
	context.mock.method(performance, "now", () => 2 ** 32 + 5.7);
	assert.equal(clock.time(), 5);
});
