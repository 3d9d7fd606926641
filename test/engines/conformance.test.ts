/** Every conformance scenario inside the real XS engine: the same source as on Node, bundled as for a board. */
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import typescript from "@rollup/plugin-typescript";
import { rollup } from "rollup";
import { scenarios } from "../conformance/all.js";
import { nameOf } from "../conformance/scenario.js";
import { Engine } from "./measure.js";

const folder = fileURLToPath(new URL("../conformance/", import.meta.url));

/** The scenarios as one module. Their tsconfig has the types of the language alone, so Node's names do not compile. */
async function bundle(): Promise<string> {
	const plugin = typescript as unknown as typeof typescript.default;
	const build = await rollup({
		input: `${folder}all.ts`,
		plugins: [plugin({ tsconfig: `${folder}tsconfig.bundle.json` })],
		onwarn(warning) {
			throw new Error(warning.message);
		},
	});
	const { output } = await build.generate({ format: "es" });
	await build.close();
	return output[0].code;
}

if (!Engine.available()) {
	test("XS: the conformance scenarios", { skip: "the XS engine of @agoric/xsnap was not compiled on this machine" });
} else {
	const opened = bundle().then((source) => Engine.open(source));
	after(async () => (await opened).close());

	for (const [index, scenario] of scenarios.entries()) {
		for (const level of scenario.levels) {
			test(`XS: ${nameOf(scenario, level)}`, async () => {
				const engine = await opened;
				await engine.evaluate(`firmware.scenarios[${index}].run(${level})`);
			});
		}
	}
}
