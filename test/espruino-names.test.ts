/** On Espruino properties get short names (rollup.config.js): those of the language must not. */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { bundled, LEAN } from "./support/bundled.js";

const root = fileURLToPath(new URL("..", import.meta.url));

/** The names of properties that src and the host use and that neither of them declares: the language's, and Espruino's. */
function foreignNames(): Set<string> {
	const files = ["src", "hosts/espruino"].flatMap((folder) =>
		readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
			.filter((name) => name.endsWith(".ts"))
			.map((name) => join(root, folder, name)),
	);
	const program = ts.createProgram(files, {
		target: ts.ScriptTarget.ES2022,
		module: ts.ModuleKind.ESNext,
		moduleResolution: ts.ModuleResolutionKind.Bundler,
		lib: ["lib.es2022.d.ts"],
		types: [],
		strict: true,
	});
	const checker = program.getTypeChecker();
	const names = new Set<string>();
	const visit = (node: ts.Node): void => {
		if (ts.isPropertyAccessExpression(node)) {
			const declarations = checker.getSymbolAtLocation(node.name)?.declarations ?? [];
			if (declarations.some((one) => one.getSourceFile().isDeclarationFile)) names.add(node.name.text);
		}
		ts.forEachChild(node, visit);
	};
	for (const file of files) {
		const source = program.getSourceFile(file);
		assert.ok(source);
		if (!source.isDeclarationFile) visit(source);
	}
	return names;
}

/** A firmware that uses everything. */
const EVERYTHING = `
${LEAN.replace("{ Client }", "{ Age, Client, Deferral, describe, Diagnostics, ExactlyOnce, Fallback, Journal, Stream }")
	.replace(
		"clientId: name",
		"clientId: name, level: new Fallback(), exactlyOnce: new ExactlyOnce(), deferral: new Deferral(), journal",
	)
	.replace("export const client", "const journal = new Journal(new StorageStore({ name }));\nexport const client")
	.replace("settings, TcpLink", "settings, StorageStore, TcpLink")}
topic.publishNumber(1, 2);
client.topic(name + "/r", { whenFull: "latest", expiry: 60, age: new Age(), qos: 1 });
new Diagnostics(topic).publish();
client.flush(20, function () { client.retry(); });
client.unsubscribe(client.subscribeAll([{ filter: name, qos: 2, handler: function (message) {
	topic.publish(message.payload);
	topic.publish(message.topic, message.qos + +message.retain + +message.duplicate);
} }]));
const stream = new Stream(client, name + "/s");
stream.publish(1, { read: function () { return 1; } });
if (!stream.busy) stream.resume();
topic.publishNumber(describe(client.status.reason).length, 0);
topic.publishNumber(client.status.outbox.used, 0);
client.stop();
`;

/** The names behind a point in a text of code. */
const names = (code: string) => new Set([...code.matchAll(/\.([a-zA-Z_$][\w$]*)/g)].map(([, name]) => name));

test("every name of the language and of Espruino that the client uses is still there when others have become short", async () => {
	const foreign = foreignNames();
	assert.ok(foreign.has("copyWithin") && foreign.has("readJSON") && !foreign.has("granted"), "names are told apart");
	const before = names((await bundled("espruino", EVERYTHING, false)).code);
	const after = names((await bundled("espruino", EVERYTHING)).code);
	assert.ok(!after.has("granted"), "names have become short");
	foreign.delete("link"); // this host itself sets it on a socket
	const lost = [...foreign].filter((name) => before.has(name) && !after.has(name));
	assert.deepEqual(lost, []);
});
