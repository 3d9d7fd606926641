/** One firmware source, three bundles: for Moddable, for Espruino, and for Node. */
import terser from "@rollup/plugin-terser";
import typescript from "@rollup/plugin-typescript";
import { declareFirst, freeSetUp, pureClasses, shakeMethods, unwrapClasses } from "./rollup.plugins.js";

/** The example that is built: `npm run build -- --environment EXAMPLE:name` for another one. */
const example = process.env.EXAMPLE ?? "telemetry";

function bundle(host, { compilerOptions, external = () => false, plugins = [] }) {
	return {
		input: `examples/${example}.ts`,
		output: { file: `dist/firmware/${host}/${example}.js`, format: "es" },
		external,
		// The simulator reads the example's exports; an Espruino script has none.
		preserveEntrySignatures: host === "espruino" ? false : "strict",
		plugins: [typescript({ tsconfig: `hosts/${host}/tsconfig.bundle.json`, compilerOptions }), ...plugins],
	};
}

/**
 * Names on Espruino cost memory by the letter, so all properties get short ones but these, which belong to
 * the language, to Espruino, or to the settings file.
 */
const kept = [
	...["length", "prototype", "get", "enumerable", "configurable", "defineProperty", "call", "concat"],
	...["push", "pop", "slice", "splice", "fill", "indexOf", "set", "subarray", "copyWithin", "buffer"],
	...["floor", "ceil", "random", "stringify", "toString", "substr", "toUint8Array", "readJSON"],
	...["connect", "host", "port", "name", "on", "write", "end", "dSnd"],
];

export default [
	bundle("moddable", {
		external: (id) => /^(embedded:|mc\/|time$|timer$)/.test(id),
		plugins: [shakeMethods],
	}),
	bundle("espruino", {
		plugins: [
			pureClasses,
			unwrapClasses,
			shakeMethods,
			freeSetUp,
			terser({
				ecma: 5,
				toplevel: true,
				compress: { ecma: 5, passes: 3, hoist_funs: false, booleans_as_integers: true },
				mangle: { toplevel: true, reserved: ["of", "static"], properties: { builtins: true, reserved: kept } },
				format: { ecma: 5, ascii_only: true, comments: false },
			}),
			declareFirst,
		],
	}),
	bundle("node", { external: (id) => id.startsWith("node:") }),
];
