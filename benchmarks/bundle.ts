/** Bundles a TypeScript entry into one ES module text, for an engine. Called by tests and benchmarks. */
import { fileURLToPath } from "node:url";
import typescript from "@rollup/plugin-typescript";
import { rollup } from "rollup";
import { minify } from "terser";
import { shakeMethods } from "../rollup.plugins.js";

const root = fileURLToPath(new URL("..", import.meta.url));

/** What a Moddable board provides stays outside. `replace` puts other files in the place of modules: from the end of a resolved path to a path from the root. */
export async function bundle(entry: string, replace: Record<string, string> = {}): Promise<string> {
	const build = await rollup({
		input: root + entry,
		external: (id) => /^(embedded:|mc\/|time$|timer$)/.test(id) && replace[id] === undefined,
		plugins: [
			{
				name: "replace",
				async resolveId(source, importer, options) {
					const resolved = await this.resolve(source, importer, { ...options, skipSelf: true });
					const from = Object.keys(replace).find((end) => (resolved?.id ?? source).endsWith(end));
					return from === undefined ? resolved : root + replace[from];
				},
			},
			(typescript as unknown as typeof typescript.default)({ tsconfig: `${root}benchmarks/tsconfig.bundle.json` }),
			shakeMethods,
		],
		onwarn(warning) {
			throw new Error(warning.message);
		},
	});
	const { output } = await build.generate({ format: "es" });
	await build.close();
	// Without line breaks, as `xsc` compiles a release: npm's engine counts a step for each line.
	const { code } = await minify(output[0].code, { module: true, compress: false, mangle: false });
	return code ?? "";
}
