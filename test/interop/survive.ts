/**
 * What survives the end of a broker and of a board, at length: the tests with the figures that take minutes.
 *
 *     npm run survive
 *     npm run survive -- --restarts 50 --qos1 5000 --qos2 1000 --cuts 200 --seed 7
 *     npm run survive -- --only power-cut
 *     npm run survive -- --only serial --pulls 50 --serial-qos1 2000 --serial-qos2 500
 *
 * These figures are the defaults. With a seed, what is published and when something ends is drawn again as it was; how far
 * the processes get by then is not.
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const TESTS = ["persistence", "killed", "power-cut", "serial"];

const { values } = parseArgs({
	options: {
		restarts: { type: "string", default: "50" },
		qos1: { type: "string", default: "5000" },
		qos2: { type: "string", default: "1000" },
		cuts: { type: "string", default: "200" },
		pulls: { type: "string", default: "50" },
		"serial-qos1": { type: "string", default: "2000" },
		"serial-qos2": { type: "string", default: "500" },
		seed: { type: "string" },
		only: { type: "string", multiple: true, default: TESTS },
	},
});
const files = values.only.map((name) => fileURLToPath(new URL(`${name}.test.ts`, import.meta.url)));
const parameters = ["--import", "tsx", "--test", "--test-reporter", "spec", "--test-concurrency", "1", ...files];
const env: NodeJS.ProcessEnv = {
	...process.env,
	SURVIVE_RESTARTS: values.restarts,
	SURVIVE_QOS_1: values.qos1,
	SURVIVE_QOS_2: values.qos2,
	SURVIVE_CUTS: values.cuts,
	SURVIVE_PULLS: values.pulls,
	SURVIVE_SERIAL_QOS_1: values["serial-qos1"],
	SURVIVE_SERIAL_QOS_2: values["serial-qos2"],
};
if (values.seed !== undefined) env.SEED = values.seed;
process.exitCode = spawnSync(process.execPath, parameters, { env, stdio: "inherit" }).status ?? 1;
