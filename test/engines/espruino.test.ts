/** The firmware bundle in a real Espruino interpreter on Linux, against Mosquitto. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "acorn";
import { freePort, Mosquitto, Program, until } from "../support/programs.js";
import { seeded } from "../support/random.js";
import { allJsVars, assertFine, board, firmware, flashed, jsVars, NAME, see, skip } from "./espruino.js";
import { doesEverything } from "./everything.js";
import { missesNothing, numbers, range, survivesKills } from "./outage.js";

const example = () => firmware("examples/telemetry.ts");
const counter = () => firmware("test/engines/firmware/counter.ts");

test("Espruino: the bundle of the example is ES5", async () => {
	parse(await example(), { ecmaVersion: 5 });
	assert.throws(() => parse("let a = () => 1;", { ecmaVersion: 5 }));
});

test("Espruino: the example says that it is online, publishes at QoS 1, and obeys a new interval", {
	skip,
}, async (context) => {
	const broker = await Mosquitto.start(context);
	const place = ["-h", "127.0.0.1", "-p", String(broker.port)];
	const seen = new Program("mosquitto_sub", [...place, "-q", "1", "-t", `${NAME}/#`, "-F", "%t %p at QoS %q"]);
	context.after(() => seen.end());
	const program = await board(context, await example(), broker.port);
	await see(program, "it is online", () => seen.output.includes(`${NAME}/status online at QoS 1\n`));
	await see(program, "two readings came", () => numbers(seen, `${NAME}/temperature`).length >= 2);
	const before = Date.now();
	await broker.publish(`${NAME}/interval`, "50", 1);
	await see(program, "twenty more came", () => numbers(seen, `${NAME}/temperature`).length >= 22);
	assert.ok(Date.now() - before < 10_000, "at one a second it would have taken 20 s");
	for (const line of seen.output.trim().split("\n")) {
		assert.match(line, /^esp\/(status online|interval 50|temperature \d\d\.\d\d|humidity \d\d\.\d) at QoS 1$/);
	}
	assertFine(program);
	context.diagnostic(`JsVars in use: ${jsVars(program).at(-1)}`);
});

test("Espruino: killed for two seconds, the broker misses nothing", { skip }, async (context) => {
	await missesNothing(context, `${NAME}/count`, async (port) => {
		const program = await board(context, await counter(), port);
		return () => assertFine(program);
	});
});

test("Espruino: the broker killed 20 times loses nothing at QoS 1 and 2, and costs no memory", {
	skip,
}, async (context) => {
	const port = await freePort();
	const boot = await flashed(context, await firmware("test/engines/firmware/levels.ts"), port);
	let program: Program | undefined;
	await survivesKills(context, NAME, port, () => {
		program = boot();
	});
	assert.ok(program);
	assertFine(program);
	const used = jsVars(program);
	const half = used.length >> 1;
	const most = [Math.max(...used.slice(half >> 1, half)), Math.max(...used.slice(half))];
	context.diagnostic(`JsVars at most: ${most.join(", then ")}`);
	assert.ok(most[1] <= most[0] + 20, "what was made for a connection is let go");
});

test("Espruino: a message that is larger than the inbox comes in parts", { skip }, async (context) => {
	const broker = await Mosquitto.start(context);
	const answers = await broker.subscriber(`${NAME}/+`);
	const program = await board(context, await counter(), broker.port);
	await see(program, "it is connected", () => numbers(answers, `${NAME}/count`).length > 0);
	const text = "0123456789".repeat(100);
	await broker.publish(`${NAME}/in`, text, 1);
	await broker.publish(`${NAME}/ask`, "", 1);
	await see(program, "it has answered", () => numbers(answers, `${NAME}/sum`).length === 4);
	const [messages, calls, length, sum] = numbers(answers, `${NAME}/sum`);
	assert.deepEqual([messages, length, sum], [1, text.length, sumOf(text)]);
	assert.ok(calls > 1);
	assertFine(program);
});

for (const qos of [0, 1]) {
	test(`Espruino: of a burst of 300 messages at QoS ${qos} none is missed`, { skip }, async (context) => {
		const broker = await Mosquitto.start(context);
		const answers = await broker.subscriber(`${NAME}/+`);
		const program = await board(context, await counter(), broker.port);
		await see(program, "it is connected", () => numbers(answers, `${NAME}/count`).length > 0);
		const lines = range(1, 300).map(String);
		const publisher = `mosquitto_pub -h 127.0.0.1 -p ${broker.port} -q ${qos} -t ${NAME}/in -l`;
		const burst = new Program("sh", ["-c", `seq 300 | ${publisher}`]);
		await until("all are published", () => burst.exited);
		await broker.publish(`${NAME}/ask`, "", qos);
		await see(program, "it has answered", () => numbers(answers, `${NAME}/sum`).length === 4);
		const text = lines.join("");
		assert.deepEqual(numbers(answers, `${NAME}/sum`), [300, 300, text.length, sumOf(text)]);
		assertFine(program);
	});
}

function sumOf(text: string): number {
	return Buffer.from(text).reduce((sum, byte) => sum + byte, 0);
}

test("Espruino: where nobody listens, thirty attempts take no memory", { skip }, async (context) => {
	const program = await board(context, await counter(), await freePort());
	const failures = () => program.output.split("Connect failed").length - 1;
	await see(program, "five have failed", () => failures() >= 5);
	const settled = jsVars(program).length;
	await see(program, "thirty more have failed", () => failures() >= 35);
	// At times a callback is under way when the interpreter counts, so the least of some is what stays.
	const used = jsVars(program).slice(settled);
	const early = Math.min(...used.slice(0, 10));
	const late = Math.min(...used.slice(-10));
	assert.ok(used.length >= 20);
	assert.ok(late - early <= 3, `${early} JsVars became ${late}`);
	assertFine(program);
});

/** It has 2,400 in use on Linux, its journal's memory included, and an ESP8266 has 1,700 in all. */
const EVERYTHING = 2700;

test("Espruino: QoS 2, a stream, a held message, unsubscribing and level 3 over a link that breaks", {
	skip,
}, async (context) => {
	const total = await allJsVars();
	if (total < EVERYTHING) return context.skip(`needs ${EVERYTHING} JsVars; this Espruino has ${total}`);
	const code = await firmware("test/engines/firmware/everything.ts");
	await doesEverything(context, NAME, async (port) => {
		const program = await board(context, code, port);
		context.after(() => context.diagnostic(`JsVars in use: ${jsVars(program).at(-1)}`));
		return () => assertFine(program);
	});
});

/** Of a board that is killed, how often, and the JsVars that it needs. */
const LIVES = 12;
const DURABLE = 2300;

test("Espruino: killed again and again, what it had taken is published, at QoS 2 once", { skip }, async (context) => {
	const total = await allJsVars();
	if (total < DURABLE) return context.skip(`needs ${DURABLE} JsVars; this Espruino has ${total}`);
	const random = seeded((message) => context.diagnostic(message));
	const broker = await Mosquitto.start(context);
	const seen = await broker.subscriber(`${NAME}/#`);
	const boot = await flashed(context, await firmware("test/engines/firmware/durable.ts"), broker.port);
	const taken: string[] = [];
	for (let life = 1; life <= LIVES; life++) {
		const program = boot();
		const inThisLife = () => [...program.output.matchAll(/taken (\d+:\d+)/g)].map(([, text]) => text);
		const count = 1 + random.below(60);
		await see(program, "it publishes", () => inThisLife().length >= count);
		if (life === LIVES) {
			const arrived = () =>
				[...taken, ...inThisLife().slice(0, count)].every((text) => seen.output.includes(` ${text}\n`));
			await see(program, "all has arrived", arrived);
			context.diagnostic(`JsVars in use: ${jsVars(program).at(-1)}`);
		}
		await program.end("SIGKILL");
		taken.push(...inThisLife());
	}
	const lines = seen.output.trim().split("\n");
	const once = lines.filter((line) => line.startsWith(`${NAME}/2 `));
	context.diagnostic(`${taken.length} taken in ${LIVES} lives; ${lines.length} arrived`);
	assert.deepEqual(once, [...new Set(once)]);
});
