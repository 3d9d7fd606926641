/** Topic names and topic filters: which are legal, and which match (section 4.7). */
import assert from "node:assert/strict";
import { test } from "node:test";
import { TcpLink } from "../../hosts/node/tcp-link.js";
import { filterError, hasWildcard, matches, nameError } from "../../src/wire/topic.js";
import { hex, show, utf8 } from "../support/hex.js";
import { seeded } from "../support/random.js";

const LEGAL_NAMES = [
	"a",
	"/",
	"//",
	"/a",
	"a/",
	"a//b",
	" ",
	"a b/c d",
	"$SYS/broker/uptime",
	"größe/°C",
	"\u{1f321}/x",
	"\u{1}control",
];

for (const name of LEGAL_NAMES) {
	test(`${JSON.stringify(name)} is a legal topic name, and a filter without wildcards`, () => {
		assert.equal(nameError(utf8(name)), undefined);
		assert.equal(filterError(utf8(name)), undefined);
		assert.equal(hasWildcard(utf8(name)), false);
	});
}

for (const filter of ["+", "#", "/+", "+/", "/#", "+/+", "+/#", "a/+", "a/+/b", "+/b", "a/b/#", "a/+/+/#", "$SYS/#"]) {
	test(`"${filter}" is a legal filter, and no topic name`, () => {
		assert.equal(filterError(utf8(filter)), undefined);
		assert.equal(hasWildcard(utf8(filter)), true);
		assert.match(nameError(utf8(filter)) ?? "", /wildcard/);
	});
}

for (const filter of ["a+", "+a", "a/b+", "a/+b/c", "++", "+#", "a/++/b"]) {
	test(`"${filter}" is no filter: a + is a whole level ([MQTT-4.7.1-3])`, () => {
		assert.notEqual(filterError(utf8(filter)), undefined);
	});
}

for (const filter of ["a#", "#a", "a/b#", "#/", "#/a", "a/#/b", "a/#/", "##", "#+", "#/#"]) {
	test(`"${filter}" is no filter: a # is the whole last level ([MQTT-4.7.1-2])`, () => {
		assert.match(filterError(utf8(filter)) ?? "", /#/);
	});
}

test("a name and a filter need at least one character ([MQTT-4.7.3-1])", () => {
	assert.match(nameError(utf8("")) ?? "", /empty/);
	assert.match(filterError(utf8("")) ?? "", /empty/);
});

test("U+0000 is in no name and in no filter ([MQTT-4.7.3-2])", () => {
	assert.match(nameError(utf8("a\0")) ?? "", /U\+0000/);
	assert.match(filterError(utf8("\0/#")) ?? "", /U\+0000/);
});

test("ill-formed UTF-8 is in no name and in no filter ([MQTT-1.5.3-1])", () => {
	assert.notEqual(nameError(hex("61 ed a0 80")), undefined);
	assert.notEqual(filterError(hex("ff 2f 23")), undefined);
});

test("65,535 bytes are a legal name and filter, 65,536 are not ([MQTT-4.7.3-3])", () => {
	const longest = utf8("x".repeat(65_535));
	const longer = utf8("x".repeat(65_536));
	assert.equal(nameError(longest), undefined);
	assert.equal(filterError(longest), undefined);
	assert.match(nameError(longer) ?? "", /65,535/);
	assert.match(filterError(longer) ?? "", /65,535/);
	assert.equal(filterError(utf8(`${"x".repeat(65_533)}/#`)), undefined);
	assert.match(filterError(utf8(`${"x".repeat(65_534)}/#`)) ?? "", /65,535/);
});

test("the Node link encodes text as UTF-8, keeps U+FEFF, and refuses half of a surrogate pair", () => {
	const link = new TcpLink({ host: "localhost" });
	assert.equal(show(link.encode("a/°")), "61 2f c2 b0");
	assert.equal(show(link.encode("\u{feff}a")), "ef bb bf 61");
	assert.equal(show(link.encode("\u{1f600}")), "f0 9f 98 80");
	assert.equal(show(link.encode("")), "");
	for (const text of ["\ud83d", "\ude00", "a\ud83db", "\ude00\ud83d", "\u{1f600}\ud83d"]) {
		assert.throws(() => link.encode(text), /surrogate/);
	}
});

/** Filter, the names that it matches, the names that it does not. */
const MATCHING: [string, string[], string[]][] = [
	["a", ["a"], ["b", "A", "a/", "/a", "aa", "a/b"]],
	["a/b", ["a/b"], ["a", "a/", "a/bb", "a/b/", "a/b/c", "a//b", "/a/b"]],
	["/", ["/"], ["a", "//", "/a", "a/"]],
	["+", ["a", "sensor", " "], ["/", "a/b", "/a", "a/", "$SYS", "$"]],
	["/+", ["/a", "/", "/$SYS"], ["a", "a/b", "//", "/a/b"]],
	["+/", ["a/", "/"], ["a", "a/b", "$SYS/"]],
	["+/+", ["a/b", "/a", "a/", "/", "a/$b"], ["a", "a/b/c", "//", "$SYS/a"]],
	["a/+", ["a/b", "a/", "a/$b"], ["a", "ab", "a/b/c", "b/a", "a//"]],
	["a/+/c", ["a/b/c", "a//c"], ["a/c", "a/b", "a/b/d", "a/b/c/d", "a/b/cc"]],
	["+/b", ["a/b", "/b"], ["b", "a/b/c", "$SYS/b"]],
	["#", ["a", "/", "a/b/c", "//", "a/$SYS"], ["$SYS", "$SYS/uptime", "$"]],
	["/#", ["/", "/a", "/a/b", "//"], ["a", "a/b", "$SYS"]],
	["a/#", ["a", "a/", "a/b", "a/b/c", "a//"], ["ab", "b", "b/a", "/a", "A/b", "aa/b"]],
	["a/b/#", ["a/b", "a/b/", "a/b/c/d"], ["a", "a/", "a/bc", "a/c/b"]],
	["+/#", ["a", "a/b", "/", "/a", "a/b/c"], ["$SYS", "$SYS/a"]],
	["a/+/#", ["a/b", "a/", "a/b/c", "a/b/c/d"], ["a", "b/a"]],
	["+/b/#", ["a/b", "/b", "a/b/c"], ["a", "a/c", "a/bb", "$SYS/b"]],
	["$SYS/#", ["$SYS", "$SYS/uptime", "$SYS/a/b"], ["SYS/a", "a", "$SY", "$SYSA"]],
	["$SYS/+", ["$SYS/uptime", "$SYS/"], ["$SYS", "$SYS/a/b", "a/uptime"]],
	[
		"sport/tennis/player1/#",
		["sport/tennis/player1", "sport/tennis/player1/score/wimbledon"],
		["sport/tennis/player2"],
	],
	["sport/tennis/+", ["sport/tennis/player1"], ["sport/tennis/player1/ranking", "sport/tennis"]],
	["°/+", ["°/°", "°/"], ["°", "c/°"]],
];

function matchesText(filter: string, name: string): boolean {
	const bytes = utf8(name);
	const memory = new Uint8Array(bytes.length + 8).fill(0x2f);
	memory.set(bytes, 4);
	return matches(utf8(filter), memory, 4, 4 + bytes.length);
}

for (const [filter, names, others] of MATCHING) {
	for (const name of names) {
		test(`"${filter}" matches "${name}"`, () => assert.equal(matchesText(filter, name), true));
	}
	for (const name of others) {
		test(`"${filter}" does not match "${name}"`, () => assert.equal(matchesText(filter, name), false));
	}
}

/** Section 4.7 level by level, as slow as it is plain. */
function opinion(filter: string, name: string): boolean {
	const levels = filter.split("/");
	const parts = name.split("/");
	if (name.startsWith("$") && (levels[0] === "+" || levels[0] === "#")) return false;
	for (const [i, level] of levels.entries()) {
		if (level === "#") return true;
		if (i >= parts.length || (level !== "+" && level !== parts[i])) return false;
	}
	return levels.length === parts.length;
}

test("random filters match random names as comparing them level by level says", (t) => {
	const random = seeded((message) => t.diagnostic(message));
	const words = ["", "a", "b", "ab", "$", "$a"];
	const list = (from: readonly string[], count: number) => Array.from({ length: count }, () => random.pick(from));
	let matching = 0;
	for (let round = 0; round < 50_000; round++) {
		const levels = list([...words, "+", "+"], 1 + random.below(4));
		if (random.chance(0.3)) levels.push("#");
		const filter = levels.join("/");
		const name = list(words, 1 + random.below(4)).join("/");
		if (filter === "" || name === "") continue;
		assert.equal(filterError(utf8(filter)), undefined);
		const expected = opinion(filter, name);
		if (expected) matching++;
		assert.equal(matchesText(filter, name), expected, `"${filter}" and "${name}"`);
	}
	assert.ok(matching > 1_000, `only ${matching} matched`);
});
