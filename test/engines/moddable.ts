/**
 * Firmware on a real Moddable SDK: built with mcconfig, run in its simulator without a window, or from the command line. All of it
 * happens in a folder of its own that goes away with the test.
 */
import { cpSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename, dirname, join, relative, resolve } from "node:path";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { rollup } from "rollup";
import { loadConfigFile } from "rollup/loadConfigFile";
import ts from "typescript";
import { folder, missing, Program, until } from "../support/programs.js";

export const MODDABLE = process.env.MODDABLE ? resolve(process.env.MODDABLE) : "";

/** For `test`: false, or why a test is skipped. */
export const skip = MODDABLE
	? missing("mosquitto", "mosquitto_sub", "mosquitto_pub", "xvfb-run", "stdbuf", "make", "gcc")
	: "needs MODDABLE, the folder of a Moddable SDK built for Linux";

/** Milliseconds that one build may take. */
const BUILD = 300_000;

const root = fileURLToPath(new URL("../..", import.meta.url));
const tools = join(MODDABLE, "build/bin/lin/release");

/** What a firmware that is one bundle includes. */
export const BUNDLE = ["$(MODDABLE)/examples/manifest_base.json", "$(MODDABLE)/modules/io/manifest.json"];

export interface Manifest {
	include?: string[];
	build?: Record<string, string>;
	config?: Record<string, unknown>;
	creation?: Record<string, unknown>;
	modules: Record<string, string | string[]>;
	preload?: string[];
	strip?: string;
}

/** The published package, as far as Moddable's tools see it, made anew from the sources; the folder it is in. */
export async function packaged(context: TestContext): Promise<string> {
	const place = join(folder(context), "mqtt-mote");
	const { options } = await loadConfigFile(join(root, "rollup.config.js"), { silent: true });
	for (const settings of options) {
		const file = settings.output[0].file ?? "";
		if (!file.startsWith("dist/moddable/")) continue;
		const build = await rollup({ ...settings, logLevel: "silent" });
		const { output } = await build.generate(settings.output[0]);
		await build.close();
		mkdirSync(join(place, dirname(file)), { recursive: true });
		writeFileSync(join(place, file), output[0].code);
	}
	for (const name of ["package.json", "manifest.json", "examples/moddable"]) {
		cpSync(join(root, name), join(place, name), { recursive: true });
	}
	return place;
}

/** A firmware source as JavaScript that imports the package. */
export async function onPackage(source: string): Promise<string> {
	const text = (await readFile(join(root, source), "utf8")).replace('"mqtt-mote/host"', '"mqtt-mote/moddable"');
	const compilerOptions = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext };
	return ts.transpileModule(text, { compilerOptions }).outputText;
}

/** Runs one of the SDK's tools in `cwd`; its output once it has ended. */
export async function tool(context: TestContext, cwd: string, ...command: string[]): Promise<string> {
	const variables = [`MODDABLE=${MODDABLE}`, `PATH=${tools}:${process.env.PATH}`];
	const program = new Program("env", [...variables, ...command], { cwd });
	context.after(() => program.end());
	await until(`${command[0]} has ended`, () => program.exited, BUILD);
	return program.output;
}

/** Builds a manifest in a folder with these files, for a platform; the path of what came of it. */
export async function build(
	context: TestContext,
	manifest: Manifest,
	files: Record<string, string> = {},
	platform: "lin" | "x-cli-lin" = "lin",
): Promise<string> {
	const app = folder(context);
	const name = basename(app);
	mkdirSync(join(app, "out"));
	writeFileSync(join(app, "manifest.json"), JSON.stringify(manifest));
	for (const [file, text] of Object.entries(files)) writeFileSync(join(app, file), text);
	// With -i a command line prints nothing of its own; with -d the simulator prints what XS says of itself.
	const kind = platform === "lin" ? "-d" : "-i";
	const output = await tool(
		context,
		app,
		"mcconfig",
		kind,
		"-m",
		"-p",
		platform,
		"-t",
		"build",
		"-o",
		join(app, "out"),
	);
	const result = join(app, "out/bin/lin", platform === "lin" ? `mc/debug/${name}/mc.so` : `instrument/${name}`);
	if (!existsSync(result)) throw new Error(`${relative(app, result)} was not made: ${output.slice(-2000)}`);
	return result;
}

/** The simulator, without a window: what XS says of itself is in the output. `home` is the user's folder, and that of files. */
export function simulator(context: TestContext, firmware: string, home = folder(context)): Program {
	mkdirSync(join(home, ".config/tech.moddable.mcsim"), { recursive: true });
	const env = {
		...process.env,
		HOME: home,
		XDG_CONFIG_HOME: join(home, ".config"),
		XSBUG_HOST: "127.0.0.1",
		XSBUG_PORT: "1", // nobody: it goes on without a debugger
		NO_AT_BRIDGE: "1",
	};
	const mcsim = [join(tools, "mcsim"), join(MODDABLE, "build/simulators"), firmware];
	const program = new Program("xvfb-run", ["-a", "stdbuf", "-oL", ...mcsim], { env });
	context.after(() => program.end());
	return program;
}

/** What the instruments showed, once a second: a column of theirs. */
export function instrument({ output }: Program, name: string): number[] {
	const lines = output.split("\n").slice(0, -1);
	const key = lines.find((line) => line.startsWith("instruments key: "))?.slice(17);
	const column = key?.trim().split(",").indexOf(name) ?? -1;
	if (column < 0) return [];
	const rows = lines.filter((line) => line.startsWith("instruments: "));
	return rows.map((line) => Number(line.slice(13).split(",")[column]));
}

/** Every program for the command line needs a main in C; this one runs the module `main`, and lets it see its own memory. */
const DESK: Record<string, string> = {
	"desk.c": `
#include "xsAll.h"
#include "xs.h"
#include "mc.xs.h"
#include <glib.h>
#include <signal.h>

void fxAbort(xsMachine* the, int status) {
	fprintf(stderr, "aborted: %s\\n", fxAbortString(status));
	exit(2);
}
void desk_slots(xsMachine* the) { xsResult = xsInteger((int)the->currentHeapCount); }
void desk_chunks(xsMachine* the) { xsResult = xsInteger((int)the->currentChunksSize); }
void desk_collect(xsMachine* the) { xsCollectGarbage(); }
void desk_print(xsMachine* the) { puts(xsToString(xsArg(0))); fflush(stdout); }

int main(int argc, char* argv[]) {
	signal(SIGPIPE, SIG_IGN); // its sockets do not ask for that
	xsMachine* the = xsPrepareMachine(NULL, xsPreparation(), "firmware", NULL, NULL);
	xsBeginHost(the);
	xsImportNow("main");
	xsEndHost(the);
	g_main_loop_run(g_main_loop_new(NULL, FALSE));
	return 0;
}
`,
	"desk.js": `
export function slots() { return native("desk_slots").call(this); }
export function chunks() { return native("desk_chunks").call(this); }
export function collect() { native("desk_collect").call(this); }
export function print(text) { native("desk_print").call(this, text); }
`,
};

/** Builds `files["main.js"]` for the command line, on top of a package. It may import `desk`. */
export function commandLine(
	context: TestContext,
	place: string,
	config: Record<string, unknown>,
	files: Record<string, string>,
): Promise<string> {
	const io = "$(MODDABLE)/modules/io";
	const base = "$(MODDABLE)/modules/base";
	const library = {
		"mqtt-mote": join(place, "dist/moddable/mqtt-mote"),
		"mqtt-mote/moddable": join(place, "dist/moddable/moddable"),
	};
	const device = {
		"embedded:io/socket/tcp": `${io}/socket/lin/tcp`,
		"embedded:io/socket/listener": `${io}/socket/lin/listener`,
		"mc/config": "./config",
	};
	const native = ["time/*", "time/lin/*", "timer/*", "timer/lin/*", "instrumentation/modInstrumentation"];
	const modules = {
		"*": ["./desk", `${io}/common/builtinCommon`, ...native.map((name) => `${base}/${name}`)],
		...device,
		...library,
		main: "./main",
	};
	const manifest: Manifest = {
		build: { BUILD: "$(MODDABLE)/build", MODULES: "$(MODDABLE)/modules" },
		creation: {
			keys: { initial: 32, incremental: 32, name: 53, symbol: 3 },
			parser: { buffer: 1024, table: 17 },
			heap: { initial: 4096, incremental: 64 },
			chunk: { initial: 65_536, incremental: 1024 },
			stack: 256,
			main: "main",
		},
		strip: "*",
		modules,
		preload: ["desk", "time", "timer", ...Object.keys(device), ...Object.keys(library)],
	};
	const configured = `export default Object.freeze(${JSON.stringify(config)});`;
	return build(context, manifest, { ...DESK, "config.js": configured, ...files }, "x-cli-lin");
}

/** A program for the command line, without a debugger. */
export function run(context: TestContext, path: string): Program {
	const program = new Program(path, [], { env: { ...process.env, XSBUG_PORT: "1", XSBUG_HOST: "127.0.0.1" } });
	context.after(() => program.end());
	return program;
}
