/**
 * Prints what the client weighs by itself, and how large the example's bundles are: `npm run build` ends with it. With
 * MODDABLE set to the SDK's folder, also what XS makes of it: the CODE of `xsc` without debug information.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { minify } from "terser";
import { bundle } from "./bundle.js";

const root = fileURLToPath(new URL("..", import.meta.url));

/** Bytes of CODE in what `xsc` makes of an ES module, its header of 8 bytes included. */
function byteCode(moddable: string, code: string): number {
	const folder = mkdtempSync(join(tmpdir(), "mqtt-mote-"));
	try {
		const platform = process.platform === "darwin" ? "mac" : "lin";
		const file = join(folder, "bundle.js");
		writeFileSync(file, code);
		execFileSync(join(moddable, `build/bin/${platform}/release/xsc`), [file, "-c", "-e", "-o", folder, "-r", "bundle"]);
		const binary = readFileSync(join(folder, "bundle.xsb"));
		for (let at = 8; at < binary.length; at += binary.readUInt32BE(at)) {
			if (binary.toString("latin1", at + 4, at + 8) === "CODE") return binary.readUInt32BE(at);
		}
		throw new Error("xsc wrote no CODE");
	} finally {
		rmSync(folder, { recursive: true });
	}
}

async function row(name: string, code: string, ecma: 5 | 2020, xs: boolean): Promise<void> {
	const moddable = process.env.MODDABLE ?? "";
	const minified = Buffer.byteLength((await minify(code, { module: true, ecma })).code ?? "");
	const bytes = !xs ? "" : moddable === "" ? "(needs MODDABLE, the SDK's folder)" : byteCode(moddable, code);
	console.log(`${name.padEnd(36)} ${String(minified).padStart(15)}   ${bytes}`.trimEnd());
}

console.log(`${"".padEnd(36)} ${"bytes minified".padStart(15)}   XS CODE bytes`);
await row("client, telemetry profile", await bundle("benchmarks/profile/telemetry.ts"), 2020, true);
await row("client, everything", await bundle("benchmarks/profile/everything.ts"), 2020, true);
for (const [host, ecma] of [
	["moddable", 2020],
	["espruino", 5],
	["node", 2020],
] as const) {
	const code = readFileSync(`${root}dist/firmware/${host}/telemetry.js`, "utf8");
	await row(`example with its host, ${host}`, code, ecma, host === "moddable");
}
