/** Who may know whom: the import rules of the house, and that the client reaches no runtime's API. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

/** What each room may import, by the first folder or file that fits: other rooms, or packages. */
const RULES: [room: string, ...allowed: string[]][] = [
	["src/wire", "src/wire"],
	["src/memory", "src/memory", "src/wire"],
	["src/session", "src/session", "src/memory", "src/wire", "src/host.ts", "src/check.ts"],
	["src/serial", "src/wire", "src/host.ts", "src/check.ts"],
	["src/host.ts"],
	["src/check.ts"],
	["src/client.ts", "src/session", "src/wire", "src/host.ts", "src/check.ts"],
	["hosts/moddable", "hosts/moddable", "src", "embedded:", "mc/", "timer", "time"],
	["hosts/espruino", "hosts/espruino", "src"],
	["hosts/node", "hosts/node", "src", "node:", "serialport"],
	["examples", "mqtt-mote"],
];

interface Import {
	file: string;
	target: string;
}

function sources(folder: string): string[] {
	return readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
		.filter((name) => name.endsWith(".ts"))
		.map((name) => join(folder, name));
}

/** What a text imports, files as paths from the root. */
function imports(file: string, text: string): Import[] {
	const specifiers = text.matchAll(
		/(?:^|[\s;}])(?:import|export)\s[^"';]*?from\s*["']([^"']+)["']|\bimport\s*\(?\s*["']([^"']+)["']/g,
	);
	return [...specifiers].map(([, from, bare]) => {
		const specifier = from ?? bare;
		if (!specifier.startsWith(".")) return { file, target: specifier };
		return { file, target: relative(root, join(root, dirname(file), specifier)).replace(/\.js$/, ".ts") };
	});
}

function isAllowed({ file, target }: Import): boolean {
	const rule = RULES.find(([room]) => file === room || file.startsWith(`${room}/`));
	if (!rule) return false;
	const [, ...allowed] = rule;
	return allowed.some(
		(one) => target === one || target.startsWith(one.endsWith(":") || one.endsWith("/") ? one : `${one}/`),
	);
}

/** Names of Node, the DOM, Moddable and Espruino that `src` must not use. */
const FOREIGN =
	/(?<![.\w])(process|Buffer|require|setTimeout|setInterval|clearTimeout|console|TextEncoder|TextDecoder|globalThis|window|document|fetch|trace|Timer|Time|E|Date)\b[.(]/;

function withoutComments(text: string): string {
	return text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/\/\/.*$/gm, "");
}

test("each room imports only what it may know", () => {
	const all = ["src", "hosts", "examples"].flatMap(sources);
	assert.ok(all.length > 20);
	const wrong = all
		.flatMap((file) => imports(file, readFileSync(join(root, file), "utf8")))
		.filter((one) => !isAllowed(one));
	assert.deepEqual(wrong, []);
});

test("the client uses no name of Node, the DOM, Moddable or Espruino", () => {
	const wrong = sources("src").filter((file) => FOREIGN.test(withoutComments(readFileSync(join(root, file), "utf8"))));
	assert.deepEqual(wrong, []);
});

test("these checks see a violation", () => {
	const seen = (file: string, text: string) => imports(file, text).filter((one) => !isAllowed(one)).length;
	assert.equal(seen("src/wire/encode.ts", `import { Outbox } from "../memory/outbox.js";`), 1);
	assert.equal(seen("src/client.ts", `import type { Socket } from "node:net";`), 1);
	assert.equal(seen("hosts/node/index.ts", `export { clock } from "../moddable/clock.js";`), 1);
	assert.equal(seen("hosts/node/index.ts", `import "../../src/client.js";`), 0);
	assert.ok(FOREIGN.test(withoutComments("setTimeout(() => {}, 1); // Buffer.from")));
	assert.ok(!FOREIGN.test(withoutComments("a(); // Buffer.from")));
});
