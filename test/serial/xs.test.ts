/** FramedLink in the real XS engine: it allocates nothing, and its steps do not grow unseen. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { bundle } from "../../benchmarks/bundle.js";
import { Engine } from "../engines/measure.js";

const skip = Engine.available() ? false : "the XS engine of @agoric/xsnap was not compiled on this machine";

/** Both ends and the line of the test taken together; exact, so a change that lowers one lowers it here, too. */
const MOST_STEPS = { send: 11_080, reopen: 28_000 };

test("XS: sending, acknowledging, giving up and opening again allocate 0 slots and 0 chunk bytes", {
	skip,
}, async (context) => {
	const engine = await Engine.open(await bundle("benchmarks/workload/serial.ts"));
	try {
		for (const [operation, most] of Object.entries(MOST_STEPS)) {
			const { slots, chunkBytes, steps } = await engine.measure(operation);
			context.diagnostic(`${operation}: ${slots} slots, ${chunkBytes} chunk bytes, ${steps} steps`);
			assert.deepEqual({ slots, chunkBytes }, { slots: 0, chunkBytes: 0 }, operation);
			assert.ok(steps <= most, `${operation}: ${steps} steps`);
		}
	} finally {
		await engine.close();
	}
});
