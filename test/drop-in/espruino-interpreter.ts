/** Programs that say require("MQTT") in a real Espruino interpreter, with the module in its Storage. */
import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { TestContext } from "node:test";
import { assertFine } from "../engines/espruino.js";
import { folder, Program, until } from "../support/programs.js";

/** Characters of the module that one script writes into Storage: few enough for a board's memory. */
const PIECE = 3000;

/** Runs `script` with `code` as the module. */
export async function interpreter(context: TestContext, code: string, script: string): Promise<Program> {
	let program: Program | undefined;
	// It ends before its folder goes: the module's functions are read where they stand.
	context.after(() => program?.end("SIGKILL"));
	const cwd = folder(context);
	const run = (text: string) => {
		writeFileSync(join(cwd, "script.js"), text);
		return new Program(resolve(process.env.ESPRUINO ?? ""), ["script.js"], { cwd });
	};
	for (let at = 0; at < code.length; at += PIECE) {
		const piece = JSON.stringify(code.slice(at, at + PIECE));
		const writer = run(`require("Storage").write("MQTT",${piece},${at},${code.length});`);
		await until("the Storage is written", () => writer.exited);
		assertFine(writer);
	}
	program = run(script);
	return program;
}

/**
 * For in front of a program: it reaches the broker on `port` whatever broker it names, and the JsVars in use are printed all the
 * time.
 */
export function here(port: number): string {
	return `
		require("net").connect = function (connect) {
			return function (options, callback) { return connect({ host: "127.0.0.1", port: ${port} }, callback); };
		}(require("net").connect);
		setInterval(function () { print("JsVars", process.memory().usage); }, 100);
	`;
}
