/** What the bundles leave out of the client: methods whose name nothing says, and what only they use. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { rollup } from "rollup";
import { declareFirst, freeSetUp, shakeMethods, unwrapClasses } from "../rollup.plugins.js";

/** A module of the client, as far as the plugin can tell, and one of a firmware. */
const CLIENT = fileURLToPath(new URL("../src/a.js", import.meta.url));
const FIRMWARE = "firmware.js";

/** The bundle of these two. */
async function bundled(client: string, firmware: string, plugins = [shakeMethods]): Promise<string> {
	const texts: Record<string, string> = { [CLIENT]: client, [FIRMWARE]: `import { A } from "client";\n${firmware}` };
	const build = await rollup({
		input: FIRMWARE,
		plugins: [
			{ name: "texts", resolveId: (id) => (id === "client" ? CLIENT : id), load: (id) => texts[id] },
			...plugins,
		],
	});
	const { output } = await build.generate({ format: "es" });
	return output[0].code;
}

/** Which of these words stand in the bundle. */
function found(code: string, ...words: string[]): string[] {
	return words.filter((word) => new RegExp(`\\b${word}\\b`).test(code));
}

const CLASS = `
	function helper() { return "helped"; }
	class Part { used() {} }
	export class A {
		constructor() { this.part = undefined; }
		first() { return this.second(); }
		second() { return 2; }
		third() { return helper() + new Part().used(); }
		get fourth() { return 4; }
		static fifth() {}
	}`;

test("a method that nothing calls is left out, with the functions and classes that only it uses", async () => {
	const code = await bundled(CLASS, "console.log(new A().first());");
	assert.deepEqual(
		found(code, "first", "second", "third", "fourth", "fifth", "helper", "Part", "used", "constructor"),
		["first", "second", "fifth", "constructor"],
	);
	const firmware = new Function("console", code);
	const said: unknown[] = [];
	firmware({ log: (value: unknown) => said.push(value) });
	assert.deepEqual(said, [2]);
});

test("a method stays where its name is said: called, taken apart, in a string, by another class", async () => {
	for (const use of [
		"new A().third();",
		"const { third } = new A(); third();",
		'new A()["third"]();',
		"class B { go(a) { a.third(); } } new B().go(new A());",
		"export const a = new A(); export const call = (a) => a.third;",
	]) {
		assert.deepEqual(found(await bundled(CLASS, use), "third", "helper", "Part", "used"), [
			"third",
			"helper",
			"Part",
			"used",
		]);
	}
});

test("a firmware's own classes keep all their methods: a runtime may call them", async () => {
	const code = await bundled(
		CLASS,
		"class Screen { onDisplaying() {} } export const screen = new Screen(); export const a = new A();",
	);
	assert.deepEqual(found(code, "onDisplaying", "third"), ["onDisplaying"]);
});

test("in ES5 the same methods go, getters too", async () => {
	const es5 = `
		var A = /*#__PURE__*/ (function () {
			function A() {}
			A.prototype.first = function () { return 1; };
			A.prototype.third = function () { return 3; };
			Object.defineProperty(A.prototype, "fourth", { get: function () { return 4; }, enumerable: false });
			return A;
		}());
		export { A };`;
	const code = await bundled(es5, "console.log(new A().first());", [unwrapClasses, shakeMethods]);
	assert.deepEqual(found(code, "first", "third", "fourth"), ["first"]);
	const all = await bundled(es5, "console.log(new A().fourth);", [unwrapClasses, shakeMethods]);
	assert.deepEqual(found(all, "first", "third", "fourth"), ["fourth"]);
});

test("what is only for options that nobody gives goes, and what it would make with it", async () => {
	const client = `
		class Extra { keep() { return 1; } }
		export class A {
			constructor(options) {
				this.part = undefined;
				if (options.more !== undefined || options.most !== undefined) this.part = new Extra(options.more);
				if (options.other) this.part = 2;
			}
			keep() { return 3; }
		}`;
	assert.deepEqual(found(await bundled(client, "new A({}).keep();"), "Extra", "more", "other", "keep"), [
		"other",
		"keep",
	]);
	for (const options of ["{ more: 1 }", "{ most: () => 1 }", "options", '{ ["more"]: 1 }']) {
		const code = await bundled(client, `const options = {}; options.most = 1; new A(${options}).keep();`);
		assert.deepEqual(found(code, "Extra", "more"), ["Extra", "more"], options);
	}
});

const SET_UP = `
	function check(value) { if (!value) throw new Error("no value"); return value; }
	function twice(value) { return 2 * value; }
	function A(value) { this.value = check(value); }
	A.prototype.first = function () { return twice(this.value); };
	A.prototype.second = function () { return this.third(); };
	A.prototype.third = function () { return 3; };
	export { A };`;

/** Runs a bundle, then what the firmware has left in `later`; and says what of it can still be called. */
function afterwards(code: string): { said: unknown; left: string[] } {
	const names = "check twice A".split(" ").map((name) => `if (typeof ${name} === "function") left.push("${name}");`);
	const methods = 'for (const name of ["first", "second", "third"]) if (one[name]) left.push(name);';
	return new Function(
		`var later, one; ${code}; const left = []; ${names.join("")} ${methods} return { said: later(), left };`,
	)();
}

test("what only the set-up calls is let go behind it, and what may be called later stays", async () => {
	const plugins = [shakeMethods, freeSetUp];
	const cases: [firmware: string, said: unknown, left: string[]][] = [
		["one = new A(4); var now = one.first(), too = one.second(); later = function () { return now + too; };", 11, []],
		["one = new A(4); var too = one.second(); later = function () { return one.first(); };", 8, ["twice", "first"]],
		["one = new A(4); var too = one.first(); later = function () { return one.second(); };", 3, ["second", "third"]],
		[
			"one = new A(1); var bound = one.first.bind(one); later = function () { return bound(); };",
			2,
			["twice", "first"],
		],
		["one = new A(1); later = function () { return new A(3).value; };", 3, ["check", "A"]],
	];
	for (const [firmware, said, left] of cases) {
		const code = await bundled(SET_UP, firmware, plugins);
		assert.deepEqual(afterwards(code), { said, left }, code);
	}
});

test("a variable is declared first where it is used in front of its var, or beside it: Espruino hoists nothing", async () => {
	const cases = {
		"function f(b) { if (b) { v = 1; return v; } var v = 2; return v; }": "var v;",
		"function f(b) { if (b) var v = 2; else v = 1; return v; }": "var v;",
		"function f(b) { switch (b) { case 1: var v = 1; return v; default: v = 2; } return v; }": "var v;",
		"function f(b) { for (var i = 0; i < b; i++) for (var v = 0, w = 1; v < b; v++) ; return w; }": "var w;",
		"function f(b) { var v = b && 1; if (v) { var w = v; return w; } return v; }": "",
		"function f(b) { for (var v = 0; v < b; v++) { var w = v; b = w; } return function () { return v; }; }": "",
		"function f(b) { return function () { console.log(v); var v = b; return v; }; }": "var v;",
	};
	for (const [text, added] of Object.entries(cases)) {
		const code = await bundled("export class A {}", `${text} console.log(f);`, [declareFirst]);
		const [, found] = /\{(var [vw];)/.exec(code) ?? [];
		assert.equal(found ?? "", added, code);
	}
});
