/**
 * One firmware source, three bundles: for Moddable, for Espruino, and for Node. And for Moddable's own tools the client as a
 * library of two modules, which manifest.json preloads, with the example on top of it.
 */
import typescript from "@rollup/plugin-typescript";
import { fullNames, MODULE, merge, PARTS, publicNames, shorten, small } from "./rollup.espruino.js";
import { declareFirst, freeSetUp, pureClasses, shakeMethods, unwrapClasses } from "./rollup.plugins.js";

/** The example that is built: `EXAMPLE=name npm run build` for another one. */
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

const OF_MODDABLE = /^(embedded:|mc\/|time$|timer$)/;

/** One module in dist/moddable. */
function library(name, input, external) {
	return {
		input,
		output: { file: `dist/moddable/${name}.js`, format: "es", paths: { "mqtt-mote/host": "mqtt-mote/moddable" } },
		external: (id) => external.test(id),
		plugins: [
			typescript({ tsconfig: "hosts/moddable/tsconfig.bundle.json", compilerOptions: { outDir: "dist/moddable" } }),
		],
	};
}

/** The Espruino drop-in for `require("MQTT")`: what applications call, read and set, and what stands on the pipes that they give. */
const dropIn = [
	...["create", "publish", "subscribe", "unsubscribe", "disconnect", "ping", "emit", "_mqt"],
	...["client", "connected", "refused", "server", "client_id", "keep_alive", "clean_session", "username", "password"],
	...["protocol_name", "protocol_level", "outbox", "inbox", "qos", "retain", "dup", "topic", "message", "pid"],
	...["isUTF8", "fromUTF8", "memory", "total"],
];

/**
 * What `require("mqtt-mote")` gives on Espruino. For less of it, name what a program uses, and the methods and options that it
 * does without: `PARTS=Client+TcpLink WITHOUT=flush+retry+whenFull+expiry+age npm run build`.
 */
const parts = process.env.PARTS?.split("+") ?? PARTS;
const without = process.env.WITHOUT?.split("+") ?? [];
let names;
const outside = () => (names ??= publicNames(parts).filter((name) => !without.includes(name)));

export default [
	bundle("moddable", {
		external: (id) => OF_MODDABLE.test(id),
		plugins: [shakeMethods],
	}),
	library("mqtt-mote", "src/client.ts", OF_MODDABLE),
	library("moddable", "hosts/moddable/index.ts", OF_MODDABLE),
	library(example, `examples/${example}.ts`, /^mqtt-mote/),
	bundle("espruino", {
		transformers: { before: [fullNames] },
		plugins: [pureClasses, unwrapClasses, small(), freeSetUp, merge, shorten(), declareFirst],
	}),
	bundle("node", { external: (id) => id.startsWith("node:") }),
	{
		// In place of Moddable's own client.
		input: "hosts/moddable/mqtt-client.ts",
		output: { file: "dist/firmware/moddable/mqtt-client.js", format: "es" },
		external: ["time", "timer"],
		plugins: [typescript({ tsconfig: "hosts/moddable/tsconfig.bundle.json" })],
	},
	{
		input: "hosts/espruino/mqtt.ts",
		output: { file: "dist/espruino/MQTT.js", format: "cjs", strict: false, esModule: false },
		plugins: [
			typescript({ tsconfig: "hosts/espruino/tsconfig.bundle.json", compilerOptions: { outDir: "dist/espruino" } }),
			pureClasses,
			unwrapClasses,
			shorten(() => dropIn, false),
			declareFirst,
		],
	},
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
