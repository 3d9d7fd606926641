/**
 * Every conformance scenario inside the real XS engine, the same source as on Node, bundled as for a board; and as Espruino's build
 * makes it, which changes much of the code, on Node.
 */
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import typescript from "@rollup/plugin-typescript";
import { type InputPluginOption, type OutputOptions, rollup } from "rollup";
import { fullNames, merge, PARTS, publicNames, shorten, small } from "../../rollup.espruino.js";
import { declareFirst, pureClasses, unwrapClasses } from "../../rollup.plugins.js";
import { scenarios } from "../conformance/all.js";
import { nameOf } from "../conformance/scenario.js";
import { Engine } from "./measure.js";

const folder = fileURLToPath(new URL("../conformance/", import.meta.url));

const compiler = typescript as unknown as typeof typescript.default;

/** The scenarios as one module. Their tsconfig has the types of the language alone, so Node's names do not compile. */
async function bundle(plugins: InputPluginOption, output: OutputOptions): Promise<string> {
	const build = await rollup({
		input: `${folder}all.ts`,
		plugins,
		onwarn(warning) {
			// ES5 knows no loop over a Uint8Array; as one over indices, which it becomes, it is right.
			if (!warning.message.includes("TS2802")) throw new Error(warning.message);
		},
	});
	const { output: chunks } = await build.generate(output);
	await build.close();
	return chunks[0].code;
}

const forXs = () => bundle(compiler({ tsconfig: `${folder}tsconfig.bundle.json` }), { format: "es" });

/** What is asked of the scenarios; their sentences name options, too. */
const OUTSIDE = ["scenarios", "run", "levels", "statements", "says"];

const forEspruino = () =>
	bundle(
		[
			compiler({ tsconfig: `${folder}tsconfig.espruino.json`, transformers: { before: [fullNames] } }),
			...[pureClasses, unwrapClasses, small(() => OUTSIDE), merge],
			...[shorten(() => [...OUTSIDE, ...publicNames(PARTS)], false), declareFirst],
		],
		{ format: "cjs", exports: "named", strict: false, esModule: false, generatedCode: { symbols: false } },
	);

let built: Promise<typeof scenarios> | undefined;

for (const [index, scenario] of scenarios.entries()) {
	for (const level of scenario.levels) {
		test(`Espruino's build: ${nameOf(scenario, level)}`, async () => {
			built ??= forEspruino().then((code) => {
				const exported: { scenarios?: typeof scenarios } = {};
				new Function("exports", code)(exported);
				return exported.scenarios ?? [];
			});
			(await built)[index].run(level);
		});
	}
}

if (!Engine.available()) {
	test("XS: the conformance scenarios", { skip: "the XS engine of @agoric/xsnap was not compiled on this machine" });
} else {
	const opened = forXs().then((source) => Engine.open(source));
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
