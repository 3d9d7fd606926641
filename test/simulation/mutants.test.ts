/** The simulation finds what it is there to find. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { MUTANTS, mutated } from "./mutants.js";
import { run } from "./simulation.js";

/** A mutant must be found within so many seeds. */
const SEEDS = 2_000;

for (const mutant of MUTANTS) {
	test(`a client that ${mutant.name} is found`, async (t) => {
		const library = await mutated(mutant);
		for (let seed = 1; seed <= SEEDS; seed++) {
			const { failure } = run(seed, { library });
			if (failure === undefined || run(seed).failure !== undefined) continue;
			t.diagnostic(`seed ${seed}: ${failure.split("\n")[0]}`);
			return;
		}
		assert.fail(`not found within ${SEEDS} seeds`);
	});
}
