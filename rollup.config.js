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

/** What JavaScript itself has properties of. */
const LANGUAGE = [
	Object,
	Function,
	Array,
	String,
	Number,
	Boolean,
	Date,
	RegExp,
	Promise,
	Error,
	ArrayBuffer,
	DataView,
];
const TYPED = [Uint8Array, Object.getPrototypeOf(Uint8Array)];

/**
 * Names on Espruino cost memory by the letter, so all properties get short ones but these, which belong to the language, to
 * Espruino, or to the settings file. A firmware that calls more of Espruino's objects adds their names here.
 */
const kept = [
	...[...LANGUAGE, ...TYPED].flatMap((one) => [one, one.prototype].flatMap(Object.getOwnPropertyNames)),
	...[Math, JSON].flatMap(Object.getOwnPropertyNames),
	...["get", "enumerable", "configurable", "toUint8Array", "readJSON", "writeJSON", "read", "write", "erase"],
	...["connect", "host", "port", "name", "on", "end", "dSnd"],
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
	{
		// In place of Moddable's own client.
		input: "hosts/moddable/mqtt-client.ts",
		output: { file: "dist/firmware/moddable/mqtt-client.js", format: "es" },
		external: ["time", "timer"],
		plugins: [typescript({ tsconfig: "hosts/moddable/tsconfig.bundle.json" })],
	},
];
