/** One firmware source, three bundles: for Moddable, for Espruino, and for Node. */
import terser from "@rollup/plugin-terser";
import typescript from "@rollup/plugin-typescript";

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

/** Espruino's own names, and what a terser that knows browsers would not take for a name of the language. */
const espruinoNames = ["dSnd", "link", "connect", "readJSON", "toUint8Array", "substr", "of", "static"];

export default [
	bundle("moddable", {
		external: (id) => /^(embedded:|mc\/|timer$)/.test(id),
	}),
	bundle("espruino", {
		plugins: [
			terser({
				ecma: 5,
				toplevel: true,
				compress: { ecma: 5, passes: 3, hoist_funs: false },
				mangle: { toplevel: true, reserved: ["of", "static"], properties: { reserved: espruinoNames } },
				format: { ecma: 5, ascii_only: true, comments: false },
			}),
		],
	}),
	bundle("node", { external: (id) => id.startsWith("node:") }),
];
