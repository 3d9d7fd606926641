/** A share of the simulation; `npm run simulate` runs as much of it as one likes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { seeded } from "../support/random.js";
import { report } from "./report.js";
import { run } from "./simulation.js";
import { Summary } from "./summary.js";

const SEEDS = 2_000;

test(`${SEEDS} seeds of the simulation`, (t) => {
	const from = seeded((message) => t.diagnostic(message)).seed;
	const summary = new Summary();
	for (let seed = from; seed < from + SEEDS; seed++) {
		const outcome = run(seed);
		summary.add(outcome);
		if (outcome.failure) assert.fail(report(outcome));
	}
	t.diagnostic(summary.line);
});

test("a seed gives the same run each time", () => {
	for (const seed of [4, 5, 7]) {
		const [first, second] = [0, 1].map(() => {
			const lines: string[] = [];
			run(seed, { tell: (line) => lines.push(line) });
			return lines;
		});
		assert.ok(first.length > 100);
		assert.deepEqual(second, first);
	}
});
