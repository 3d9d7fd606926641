/**
 * The simulation at the command line.
 *
 *     npm run simulate -- --seeds 100000 --from 1
 *     npm run simulate -- --seeds 1 --from 7 --verbose
 *
 * `--client FILE` takes the client from another copy of src/client.ts.
 * With `--all` it goes on after a failure, and ends with a line for each of them.
 */
import { parseArgs } from "node:util";
import { built } from "./library.js";
import { report } from "./report.js";
import { type Outcome, run } from "./simulation.js";
import { Summary } from "./summary.js";

const { values } = parseArgs({
	options: {
		seeds: { type: "string", default: "10000" },
		from: { type: "string" },
		all: { type: "boolean", default: false },
		client: { type: "string" },
		verbose: { type: "boolean", default: false },
	},
});
const seeds = Number(values.seeds);
const from = Number(values.from ?? Math.floor(Math.random() * 2 ** 31));
const library = values.client === undefined ? undefined : await built(values.client);
const failed: Outcome[] = [];
const summary = new Summary();
let next = Date.now() + 1_000;
console.log(`${seeds} seeds from ${from}`);
for (let seed = from; seed < from + seeds && (values.all || failed.length === 0); seed++) {
	const outcome = run(seed, { library, tell: values.verbose ? console.log : undefined });
	summary.add(outcome);
	if (outcome.failure) {
		failed.push(outcome);
		if (failed.length === 1) console.log(report(outcome, { library }));
		else console.log(`seed ${seed}: ${outcome.failure}`);
	}
	if (Date.now() < next) continue;
	next = Date.now() + 1_000;
	console.log(`${summary.line}, ${failed.length} failures`);
}
console.log(summary.table);
console.log(`${summary.line}, ${failed.length} failures`);
for (const { seed, failure } of failed) console.log(`seed ${seed}: ${failure?.split("\n")[0]}`);
process.exitCode = failed.length > 0 ? 1 : 0;
