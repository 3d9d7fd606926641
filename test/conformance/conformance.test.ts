/** Every scenario at every level, on Node; and that scenarios, statements and docs/conformance.md fit together. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { scenarios } from "./all.js";
import { nameOf } from "./scenario.js";
import { STATEMENTS } from "./statements.js";
import { path, table } from "./table.js";

for (const scenario of scenarios) {
	for (const level of scenario.levels) test(nameOf(scenario, level), () => scenario.run(level));
}

test("every statement that can be tested has a scenario at each of its levels", () => {
	const missing = STATEMENTS.filter(({ untestable }) => untestable === undefined).flatMap(({ id, levels }) =>
		levels
			.filter((level) => !scenarios.some(({ statements, levels }) => statements.includes(id) && levels.includes(level)))
			.map((level) => `${id} at level ${level}`),
	);
	assert.deepEqual(missing, []);
});

test("every scenario names statements that there are, can be tested, and hold at its levels", () => {
	for (const { says, statements, levels } of scenarios) {
		assert.ok(statements.length > 0, `"${says}" names none`);
		for (const id of statements) {
			const statement = STATEMENTS.find((one) => one.id === id);
			assert.ok(statement, `"${says}" names ${id}`);
			assert.equal(statement.untestable, undefined, `"${says}" names ${id}`);
			assert.ok(
				levels.some((level) => statement.levels.includes(level)),
				`"${says}" names ${id}, not of its levels`,
			);
		}
	}
});

test("no statement is listed twice, and no two scenarios have one name", () => {
	for (const names of [STATEMENTS.map(({ id }) => id), scenarios.map(({ says }) => says)]) {
		assert.deepEqual(
			names.filter((name, at) => names.indexOf(name) !== at),
			[],
		);
	}
});

test("docs/conformance.md is what test/conformance/table.ts makes of them", () => {
	const written = existsSync(path) ? readFileSync(path, "utf8") : "";
	assert.ok(written === table(), "run: node --import tsx test/conformance/table.ts");
});
