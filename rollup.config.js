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

/** The Espruino drop-in for `require("MQTT")`: what applications call, read and set, and what stands on the pipes that they give. */
const dropIn = [
	...["create", "publish", "subscribe", "unsubscribe", "disconnect", "ping", "emit", "_mqt"],
	...["client", "connected", "refused", "server", "client_id", "keep_alive", "clean_session", "username", "password"],
	...["protocol_name", "protocol_level", "outbox", "inbox", "qos", "retain", "dup", "topic", "message", "pid"],
	...["isUTF8", "fromUTF8", "memory", "total"],
];

/** What makes code small on Espruino; these names of properties stay besides `kept`, and booleans unless they may be numbers. */
function short(names, booleans_as_integers) {
	return terser({
		ecma: 5,
		toplevel: true,
		compress: { ecma: 5, passes: 3, hoist_funs: false, booleans_as_integers },
		mangle: {
			toplevel: true,
			reserved: ["of", "static"],
			properties: { builtins: true, reserved: [...kept, ...names] },
		},
		format: { ecma: 5, ascii_only: true, comments: false },
	});
}

export default [
	bundle("moddable", {
		external: (id) => /^(embedded:|mc\/|time$|timer$)/.test(id),
		plugins: [shakeMethods],
	}),
	bundle("espruino", {
		plugins: [pureClasses, unwrapClasses, shakeMethods, freeSetUp, short([], true), declareFirst],
	}),
	bundle("node", { external: (id) => id.startsWith("node:") }),
	{
		input: "hosts/espruino/mqtt.ts",
		output: { file: "dist/espruino/MQTT.js", format: "cjs", strict: false, esModule: false },
		plugins: [
			typescript({ tsconfig: "hosts/espruino/tsconfig.bundle.json", compilerOptions: { outDir: "dist/espruino" } }),
			pureClasses,
			unwrapClasses,
			short(dropIn, false),
			declareFirst,
		],
	},
];
