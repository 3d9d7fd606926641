/** A failure, for a person: the seed, the options, and what happened last. */
import { type Outcome, run, type Trial } from "./simulation.js";

/** Events that are shown. */
const LAST = 40;

/** Pings, which are left out. */
const PEACE = /(PINGREQ|PINGRESP| 2 bytes (leave|arrive))$/;

/** Runs the seed again to see what happened. */
export function report({ seed, options, failure }: Outcome, trial: Trial = {}): string {
	const lines: string[] = [];
	const tell = (line: string) => {
		if (!PEACE.test(line)) lines.push(line);
	};
	run(seed, { ...trial, tell });
	const { devices, ...world } = options;
	return [
		`seed ${seed}: ${failure}`,
		`  ${JSON.stringify(world)}`,
		...devices.map((device) => `  ${JSON.stringify(device)}`),
		`the last of ${lines.length} events; all: npm run simulate -- --seeds 1 --from ${seed} --verbose`,
		...lines.slice(-LAST),
	].join("\n");
}
