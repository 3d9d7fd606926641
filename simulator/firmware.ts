/** Builds the bundle that the boards run, if there is none or a source is newer. Called by start.ts. */
import { mkdir, readdir, rename, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { OutputOptions, RollupOptions } from "rollup";
import { Complaint } from "./complaint.js";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** What the bundle is made of. */
const SOURCES = ["src", "hosts/moddable", "examples", "rollup.config.js", "rollup.plugins.js"];

/** The path of the example's bundle for Moddable, up to date. `tell` hears of the build and its warnings. */
export async function upToDateBundle(tell: (line: string) => void): Promise<string> {
	const path = join(ROOT, `dist/firmware/moddable/${process.env.EXAMPLE ?? "telemetry"}.js`);
	const builtAt = await modifiedAt(path);
	const changedAt = Math.max(...(await Promise.all(SOURCES.map((source) => newest(join(ROOT, source))))));
	if (builtAt <= changedAt) {
		tell("Building the firmware...");
		await build(path, tell);
	}
	return path;
}

/** Milliseconds since 1970; 0 if there is no such file. */
async function modifiedAt(path: string): Promise<number> {
	return stat(path).then(
		(found) => found.mtimeMs,
		() => 0,
	);
}

/** When the last of the files at or below this path was changed. */
async function newest(path: string): Promise<number> {
	const below = await readdir(path, { recursive: true }).catch(() => undefined);
	if (below === undefined) return modifiedAt(path);
	const times = await Promise.all(below.map((name) => modifiedAt(join(path, name))));
	return Math.max(0, ...times);
}

/** Rollup as `npm run build` runs it, for this one bundle. The file is there whole, or as it was before. */
async function build(path: string, tell: (line: string) => void): Promise<void> {
	const folder = process.cwd();
	process.chdir(ROOT); // the paths in rollup.config.js begin there
	try {
		const { rollup } = await import("rollup");
		const { default: configs } = await import(pathToFileURL(join(ROOT, "rollup.config.js")).href);
		const config = (configs as RollupOptions[]).find(
			(candidate) => join(ROOT, (candidate.output as OutputOptions).file ?? "") === path,
		);
		if (config === undefined) throw new Error("rollup.config.js does not make it");
		const built = await rollup({ ...config, onLog: (_level, log) => tell(log.message) });
		const { output } = await built.generate(config.output as OutputOptions);
		await built.close();
		const temporary = `${path}.${process.pid}`;
		await mkdir(dirname(path), { recursive: true });
		await writeFile(temporary, output[0].code);
		await rename(temporary, path);
	} catch (error) {
		throw new Complaint(`the firmware could not be built: ${(error as Error).message}`);
	} finally {
		process.chdir(folder);
	}
}
