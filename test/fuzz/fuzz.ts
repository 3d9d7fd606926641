/**
 * The fuzzer at the command line.
 *
 *     npm run fuzz -- --inputs 10000000 --seed 7
 *     npm run fuzz -- --replay HEX
 *
 * With `--all` it goes on after a failure, and shows one of each kind.
 */
import { parseArgs } from "node:util";
import * as library from "../../src/client.js";
import { fuzz, kindOf, type Progress, spliced } from "./fuzzer.js";
import { hexOf, inputOf, run } from "./scenario.js";

/** The shortest input found, by leaving bytes out and making them 0, that fails in the same way. */
function shrunk(input: Uint8Array): Uint8Array {
	const kind = (candidate: Uint8Array) => kindOf(run(library, candidate).complaint?.message ?? "");
	const wanted = kind(input);
	let best = input;
	for (let size = 64; size > 0; size = size > 1 ? size >> 1 : 0) {
		for (let at = best.length - size; at >= 0; at--) {
			const shorter = spliced(best, at, size, []);
			if (kind(shorter) === wanted) best = shorter;
		}
	}
	for (let at = 0; at < best.length; at++) {
		const plainer = spliced(best, at, 1, [0]);
		if (kind(plainer) === wanted) best = plainer;
	}
	return best;
}

const { values } = parseArgs({
	options: {
		inputs: { type: "string" },
		seed: { type: "string" },
		all: { type: "boolean", default: false },
		replay: { type: "string" },
	},
});
if (values.replay === undefined) await search();
else {
	const { complaint } = run(library, inputOf(values.replay), { trace: console.log });
	console.log(complaint?.stack ?? "nothing is wrong");
	process.exitCode = complaint ? 1 : 0;
}

async function search(): Promise<void> {
	const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
	const began = Date.now();
	let next = began;
	function tell({ inputs, corpus, reached, branches, unsure, failures }: Progress): void {
		const rate = Math.round((1000 * inputs) / (Date.now() - began));
		console.log(
			`${inputs} inputs (${rate}/s), corpus ${corpus}, branches ${reached} of ${branches}, unsure ${unsure}, failures ${failures.length}`,
		);
	}
	console.log(`seed ${seed}`);
	const done = await fuzz(Number(values.inputs ?? 1_000_000), seed, !values.all, (progress) => {
		if (Date.now() < next) return;
		next = Date.now() + 10_000;
		tell(progress);
	});
	tell(done);
	for (const { number, input, message } of done.failures) {
		console.log(`FAILED with seed ${seed} at input ${number}: ${message}`);
		console.log(`  npm run fuzz -- --replay ${hexOf(input)}`);
		if (/timed out/.test(message)) continue;
		console.log(`  shorter:\n  npm run fuzz -- --replay ${hexOf(shrunk(input))}`);
	}
	if (done.failures.length > 0) process.exitCode = 1;
}
