/** One firmware source, three bundles: for Moddable, for Espruino, and for Node. */
import typescript from "@rollup/plugin-typescript";
import { fullNames, MODULE, merge, PARTS, publicNames, shorten, small } from "./rollup.espruino.js";
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

/**
 * What `require("mqtt-mote")` gives on Espruino. For less of it, name what a program uses, and the methods and options that it
 * does without: `npm run build -- --environment PARTS:Client+TcpLink,WITHOUT:flush+retry+whenFull+expiry+age`.
 */
const parts = process.env.PARTS?.split("+") ?? PARTS;
const without = process.env.WITHOUT?.split("+") ?? [];
let names;
const outside = () => (names ??= publicNames(parts).filter((name) => !without.includes(name)));

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
	{
		input: "mqtt-mote",
		output: {
			...{ file: "dist/espruino/mqtt-mote.js", format: "cjs", exports: "named" },
			...{
				strict: false,
				esModule: false,
				freeze: false,
				externalLiveBindings: false,
				generatedCode: { symbols: false },
			},
		},
		plugins: [
			{
				name: "parts",
				resolveId: (id) => (id === "mqtt-mote" ? id : null),
				load: (id) => (id === "mqtt-mote" ? `export { ${parts.join(", ")} } from ${JSON.stringify(MODULE)};` : null),
			},
			typescript({
				tsconfig: "hosts/espruino/tsconfig.bundle.json",
				compilerOptions: { outDir: "dist/espruino" },
				transformers: { before: [fullNames] },
			}),
			pureClasses,
			unwrapClasses,
			small(outside),
			merge,
			shorten(outside),
			declareFirst,
		],
	},
];
