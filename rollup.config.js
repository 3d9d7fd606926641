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

/** TypeScript's mark on each ES5 class, in a form that Rollup knows: a class that is not used can go. */
const pureClasses = {
	name: "pure-classes",
	transform: (code) => code.replaceAll("/** @class */", "/*#__PURE__*/"),
};

/**
 * TypeScript wraps each ES5 class in a function that is called once. On Espruino that costs memory for every
 * method: the class's statements go to the top level instead.
 */
const unwrapClasses = {
	name: "unwrap-classes",
	renderChunk(code) {
		let result = "";
		let from = 0;
		for (const { type, start, end, declarations } of this.parse(code).body) {
			const call = type === "VariableDeclaration" && declarations[0].init;
			if (call?.type !== "CallExpression" || call.callee.type !== "FunctionExpression") continue;
			const { body } = call.callee.body;
			if (call.arguments.length > 0 || body.at(-1).argument?.name !== declarations[0].id.name) continue;
			result += code.slice(from, start) + code.slice(body[0].start, body.at(-1).start);
			from = end;
		}
		return result + code.slice(from);
	},
};

/**
 * Names on Espruino cost memory by the letter, so all properties get short ones but these, which belong to
 * the language, to Espruino, or to the settings file.
 */
const kept = [
	...["length", "prototype", "get", "enumerable", "configurable", "defineProperty", "call", "concat", "push"],
	...["pop", "slice", "fill", "indexOf", "set", "subarray", "copyWithin", "buffer", "floor", "random", "stringify", "toString", "substr"],
	...["toUint8Array", "readJSON", "connect", "host", "port", "name", "on", "write", "end", "dSnd"],
];

export default [
	bundle("moddable", {
		external: (id) => /^(embedded:|mc\/|timer$)/.test(id),
	}),
	bundle("espruino", {
		plugins: [
			pureClasses,
			unwrapClasses,
			terser({
				ecma: 5,
				toplevel: true,
				compress: { ecma: 5, passes: 3, hoist_funs: false },
				mangle: { toplevel: true, reserved: ["of", "static"], properties: { builtins: true, reserved: kept } },
				format: { ecma: 5, ascii_only: true, comments: false },
			}),
		],
	}),
	bundle("node", { external: (id) => id.startsWith("node:") }),
];
