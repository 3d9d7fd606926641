/** A real Espruino interpreter on Linux as a board: its Storage, its output, its memory. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { TestContext } from "node:test";
import { folder, missing, Program, until } from "../support/programs.js";
import { bundle } from "./firmware/bundle.js";

const { ESPRUINO } = process.env;

/** False, or why these tests are skipped. */
export const skip = ESPRUINO
	? missing("mosquitto", "mosquitto_sub", "mosquitto_pub")
	: "needs ESPRUINO, the path of an Espruino binary for Linux";

export const NAME = "esp";

/** Characters of firmware that one script writes into Storage: small enough for a board's memory. */
const PIECE = 4000;

/** The module for `require`, bundled. */
export function module(): Promise<string> {
	const code = bundles.get("module") ?? bundle("espruino", "module");
	bundles.set("module", code);
	return code;
}

const bundles = new Map<string, Promise<string>>();

export function firmware(source: string): Promise<string> {
	const code = bundles.get(source) ?? bundle("espruino", source);
	bundles.set(source, code);
	return code;
}

/**
 * Puts `code` into the Storage of an interpreter as `name`; what is returned starts it, as often as one likes: `start` in place of
 * only loading it.
 */
export async function flashed(
	context: TestContext,
	code: string,
	port: number,
	{ start = 'require("firmware");', name = "firmware" } = {},
): Promise<() => Program> {
	const cwd = folder(context);
	const run = (script: string) => {
		writeFileSync(join(cwd, "script.js"), script);
		return new Program(resolve(ESPRUINO ?? ""), ["script.js"], { cwd });
	};
	const settings = JSON.stringify({ host: "127.0.0.1", port, name: NAME });
	const scripts = [`require("Storage").writeJSON("mqtt-mote.json",${settings});`];
	for (let at = 0; at < code.length; at += PIECE) {
		const piece = JSON.stringify(code.slice(at, at + PIECE));
		scripts.push(`require("Storage").write("${name}",${piece},${at},${code.length});`);
	}
	for (const script of scripts) {
		const writer = run(script);
		await until("the Storage is written", () => writer.exited);
		assertFine(writer);
	}
	return () => {
		const program = run(`
			setInterval(function(){print("JsVars",process.memory().usage);},100);
			setTimeout(function(){${start}},10);
		`);
		context.after(() => program.end("SIGKILL"));
		return program;
	};
}

/** An interpreter that runs `code` from its Storage, as on a board, and prints its memory in use all the time. */
export async function board(context: TestContext, code: string, port: number): Promise<Program> {
	const boot = await flashed(context, code, port);
	return boot();
}

/** The JsVars that the interpreter has. */
export async function allJsVars(): Promise<number> {
	const look = new Program(resolve(ESPRUINO ?? ""), ["-e", 'print("total",process.memory().total)']);
	await until("it has said how much memory it has", () => look.exited);
	return Number(/total (\d+)/.exec(look.output)?.[1]);
}

/** Fails with what the interpreter says where something went wrong that was not caught. */
export function assertFine({ output }: Program): void {
	const at = output.search(/Uncaught|OUT OF MEMORY|Interrupted|interpreter error/);
	if (at >= 0) assert.fail(output.slice(at, at + 2000).replace(/ {3,}/g, " "));
}

/** As `until`, and fails at once where the interpreter is in trouble. */
export function see(program: Program, what: string, condition: () => boolean): Promise<void> {
	return until(what, () => {
		assertFine(program);
		return condition();
	});
}

/** The JsVars in use, one number for each time that the interpreter printed them. */
export function jsVars({ output }: Program): number[] {
	return [...output.matchAll(/JsVars (\d+)/g)].map(([, used]) => Number(used));
}
