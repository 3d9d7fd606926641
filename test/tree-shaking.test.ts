/** A firmware carries only what it uses: bundled as for a board, with the settings of rollup.config.js. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { bundled, LEAN } from "./support/bundled.js";

/** A firmware that has more than others, by the module that brings it. */
const OPTIONAL: Record<string, string> = {
	"src/session/exactly-once.ts": having("ExactlyOnce", "exactlyOnce: new ExactlyOnce()"),
	"src/session/deferral.ts": having("Deferral", "deferral: new Deferral()"),
	"src/session/fallback.ts": having("Fallback", "level: new Fallback()"),
	"src/session/stream.ts": `${having("Stream", "")}
		new Stream(client, name + "/s").publish(1, { read: function () { return 1; } });`,
	"src/session/journal.ts": having("Journal", "journal: new Journal({ pages: 4, pageSize: 4096 })"),
	"src/serial/framed-link.ts": LEAN.replace("TcpLink }", "FramedLink, TcpLink }").replace(
		"new TcpLink({ host, port })",
		"new FramedLink(new TcpLink({ host, port }))",
	),
	"src/session/diagnostics.ts": `${having("Diagnostics", "")}
		new Diagnostics(client.topic(name + "/d")).publish();`,
};

/** The same by the class that comes with a method, or with an option of one. */
const CALLED: Record<string, string> = {
	Rules: `${LEAN} client.topic(name + "/r", { whenFull: "latest" });`,
	Flush: `${LEAN} client.flush(20, function () {});`,
};

function having(name: string, option: string): string {
	return LEAN.replace("{ Client }", `{ Client, ${name} }`).replace("clientId: name", `clientId: name, ${option}`);
}

for (const board of ["moddable", "espruino"] as const) {
	test(`${board}: a firmware that publishes and subscribes carries nothing of what it does not use`, async () => {
		const { sizes, code } = await bundled(board, LEAN);
		assert.ok((sizes.get("src/session/session.ts") ?? 0) > 1_000, "sizes are told");
		for (const file of Object.keys(OPTIONAL)) assert.equal(sizes.get(file) ?? 0, 0, file);
		assert.doesNotMatch(code, /source of a stream|"identifiers"|"messages"|the link was lost/);
	});

	for (const [file, firmware] of Object.entries(OPTIONAL)) {
		test(`${board}: ${file} comes with a firmware that uses it, and nothing else comes along`, async () => {
			const { sizes } = await bundled(board, firmware);
			assert.ok((sizes.get(file) ?? 0) > 200, `${sizes.get(file)} bytes`);
			for (const other of Object.keys(OPTIONAL)) if (other !== file) assert.equal(sizes.get(other) ?? 0, 0, other);
		});
	}

	for (const [name, firmware] of Object.entries(CALLED)) {
		test(`${board}: ${name} comes with a firmware that asks for it, and only so`, async () => {
			const made = new RegExp(`(class|function) ${name}\\b`);
			assert.match((await bundled(board, firmware, false)).code, made);
			assert.doesNotMatch((await bundled(board, LEAN, false)).code, made);
		});
	}

	test(`${board}: the words of describe come with a firmware that asks for them`, async () => {
		const { code } = await bundled(board, `${having("describe", "")} console.log(describe(client.status.reason));`);
		assert.match(code, /the link was lost/);
	});
}
