/** One firmware source, three bundles: for Moddable, for Espruino, and for Node. */
import typescript from "@rollup/plugin-typescript";
import { fullNames, merge, shorten, small } from "./rollup.espruino.js";
import { declareFirst, freeSetUp, pureClasses, shakeMethods, unwrapClasses } from "./rollup.plugins.js";

/** The example that is built: `npm run build -- --environment EXAMPLE:name` for another one. */
const example = process.env.EXAMPLE ?? "telemetry";

function bundle(host, { compilerOptions, transformers, external = () => false, plugins = [] }) {
	return {
		input: `examples/${example}.ts`,
		output: { file: `dist/firmware/${host}/${example}.js`, format: "es" },
		external,
		// The simulator reads the example's exports; an Espruino script has none.
		preserveEntrySignatures: host === "espruino" ? false : "strict",
		plugins: [
			typescript({ tsconfig: `hosts/${host}/tsconfig.bundle.json`, compilerOptions, transformers }),
			...plugins,
		],
	};
}

export default [
	bundle("moddable", {
		external: (id) => /^(embedded:|mc\/|time$|timer$)/.test(id),
		plugins: [shakeMethods],
	}),
	bundle("espruino", {
		transformers: { before: [fullNames] },
		plugins: [pureClasses, unwrapClasses, small(), freeSetUp, merge, shorten(), declareFirst],
	}),
	bundle("node", { external: (id) => id.startsWith("node:") }),
];
