/** The core judges the client, and a simulation replays it: it shares no line with `src`, and reads no clock. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

const folder = new URL("../../simulator/broker/core/", import.meta.url);
const files = readdirSync(folder).map((name) => ({ name, text: readFileSync(new URL(name, folder), "utf8") }));

test("the core imports itself, the watcher's words, mqtt-packet, and two of Node's modules that do no I/O", () => {
	const allowed = /^(\.\/[a-z]+\.js|\.\.\/engine\.js|mqtt-packet|node:buffer|node:crypto)$/;
	assert.ok(files.length > 8);
	for (const { name, text } of files) {
		const imported = [...text.matchAll(/^(?:import|export|\}) .*?from "([^"]+)";$/gm)].map(
			([, specifier]) => specifier,
		);
		assert.deepEqual(
			imported.filter((specifier) => !allowed.test(specifier)),
			[],
			name,
		);
		assert.equal(imported.length, [...text.matchAll(/ from "/g)].length, name);
	}
});

test("the core has no timer, no clock and no chance", () => {
	for (const { name, text } of files) {
		assert.doesNotMatch(
			text,
			/\b(setTimeout|setInterval|setImmediate|nextTick|Date|performance|random\w*)\b[.(]/,
			name,
		);
	}
});
