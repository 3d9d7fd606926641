/**
 * Prints how large the example's bundles are: `npm run build` ends with it. With MODDABLE set to the SDK's
 * folder, also what XS makes of it: the CODE of `xsc` without debug information.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { minify } from "terser";

const root = fileURLToPath(new URL("..", import.meta.url));

/** Bytes of each part of the byte code of an ES module: CODE, SYMB and so on, headers of 8 bytes included. */
function byteCode(moddable: string, file: string): Map<string, number> {
	const folder = mkdtempSync(join(tmpdir(), "mqtt-mote-"));
	try {
		const platform = process.platform === "darwin" ? "mac" : "lin";
		const xsc = join(moddable, `build/bin/${platform}/release/xsc`);
		execFileSync(xsc, [file, "-c", "-e", "-o", folder, "-r", "bundle"]);
		const binary = readFileSync(join(folder, "bundle.xsb"));
		const atoms = new Map<string, number>();
		for (let at = 8; at < binary.length; at += binary.readUInt32BE(at)) {
			atoms.set(binary.toString("latin1", at + 4, at + 8), binary.readUInt32BE(at));
		}
		return atoms;
	} finally {
		rmSync(folder, { recursive: true });
	}
}

async function minified(path: string, ecma: 5 | 2020): Promise<number> {
	const { code } = await minify(readFileSync(root + path, "utf8"), { module: true, ecma });
	return Buffer.byteLength(code ?? "");
}

const moddable = process.env.MODDABLE;
const hosts = { moddable: 2020, espruino: 5, node: 2020 } as const;
console.log("bundle      bytes minified   XS CODE bytes");
for (const [host, ecma] of Object.entries(hosts)) {
	const path = `dist/firmware/${host}/telemetry.js`;
	const size = await minified(path, ecma);
	const code =
		host !== "moddable"
			? ""
			: moddable
				? byteCode(moddable, root + path).get("CODE")
				: "(needs MODDABLE, the SDK's folder)";
	console.log(`${host.padEnd(10)} ${String(size).padStart(15)}   ${code}`);
}
