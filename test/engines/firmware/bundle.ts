/** A firmware source, bundled for a host with the settings of rollup.config.js. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Plugin, rollup } from "rollup";
import { loadConfigFile } from "rollup/loadConfigFile";
import ts from "typescript";

const root = fileURLToPath(new URL("../../..", import.meta.url));

/** With "module" as its source, what `require("mqtt-mote")` gives. */
export async function bundle(host: "espruino" | "moddable", source: string): Promise<string> {
	const { options } = await loadConfigFile(join(root, "rollup.config.js"), { silent: true });
	const isModule = source === "module";
	const file = isModule ? "espruino/mqtt-mote.js" : `firmware/${host}/`;
	const settings = options.find(({ output }) => output[0].file?.includes(file));
	if (!settings) throw new Error(`rollup.config.js has no bundle for ${host}`);
	const input = isModule ? settings.input : join(root, source);
	const target = host === "espruino" ? ts.ScriptTarget.ES5 : ts.ScriptTarget.ES2022;
	// The TypeScript plugin compiles what its tsconfig includes, and that is no file from here.
	const compile: Plugin = {
		name: "firmware",
		load: async (id) =>
			id === input && !isModule && !source.startsWith("examples/")
				? ts.transpileModule(await readFile(id, "utf8"), {
						compilerOptions: { target, module: ts.ModuleKind.ESNext, ignoreDeprecations: "6.0" },
					}).outputText
				: null,
	};
	const build = await rollup({ ...settings, input, plugins: [compile, settings.plugins], logLevel: "silent" });
	const { output } = await build.generate(settings.output[0]);
	await build.close();
	return output[0].code;
}
