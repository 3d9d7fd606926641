/**
 * A board whose power is cut: a process with a journal in a file, killed at random moments, that starts again with what is in the
 * file. A part of the kills come amid a write to the store, of which only the first bytes are done then. Now and then its link
 * breaks as well. Mosquitto, and a subscriber with a session that is kept, stay.
 *
 * Each message has a name of its own, life:number, which no later life uses again, and which the board writes down as soon as
 * `publish` has said true. What it has written down must arrive. Of what it has not, at most one message in each life can:
 * the one in whose `publish` it was killed, or right behind it. So whatever comes twice was published once.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { buildSync } from "esbuild";
import { Cutter } from "../support/cutter.js";
import { peer, watch } from "../support/peers.js";
import { folder, Program, until } from "../support/programs.js";
import { seeded } from "../support/random.js";
import { mosquitto } from "./brokers.js";
import { CUTS, TIMEOUT } from "./figures.js";
import { Mortal } from "./mortal.js";
import { nameOf, qosOf, repeats, spoilt, without } from "./names.js";
import type { Life } from "./power-cut-board.js";

/** Milliseconds that a life lasts from its start, at most; or calls that change the store. */
const LIFETIME = 200;
const CALLS = 1000;

/** Bytes that a connection carries at most, where it breaks. */
const LONGEST = 3000;

/** By which messages of one QoS are in order. */
function place(name: string): number {
	const [, life, number] = name.split(":").map(Number);
	return life * 1_000_000 + number;
}

test(`a board is killed ${CUTS} times: what publish said true for is not lost, and does not come twice at QoS 2`, {
	skip: mosquitto.skip,
	timeout: TIMEOUT,
}, async (context) => {
	const random = seeded((message) => context.diagnostic(message));
	const broker = await Mortal.mosquitto(context, false);
	const subscriber = await peer(context, broker.port, 4, { clean: false });
	const seen = await watch(subscriber, "out/#", 2);
	const cutter = await Cutter.open(context, broker.port);
	const published = new Set<string>();
	/** Sent for the second time, without DUP. */
	const unmarked: string[] = [];
	let resent = 0;
	cutter.breaksAt = (packet, isOurs) => {
		if (!isOurs || packet.cmd !== "publish") return false;
		const name = nameOf(packet.payload.toString());
		if (packet.dup) resent++;
		else if (published.has(name)) unmarked.push(name);
		published.add(name);
		return false;
	};

	const path = folder(context);
	const script = join(path, "board.mjs");
	buildSync({
		entryPoints: [fileURLToPath(new URL("power-cut-board.ts", import.meta.url))],
		outfile: script,
		bundle: true,
		platform: "node",
		format: "esm",
	});
	let board: Program | undefined;
	context.after(() => board?.end("SIGKILL"));
	const accepted = join(path, "accepted");
	const live = async (life: number, fatal: number, isLast: boolean) => {
		const seed = random.below(2 ** 31);
		const task: Life = { port: cutter.port, store: join(path, "store"), accepted, life, seed, fatal, isLast };
		cutter.limit = () => (random.chance(0.3) ? 1 + random.below(LONGEST) : Number.POSITIVE_INFINITY);
		const program = new Program(process.execPath, [script, JSON.stringify(task)]);
		board = program;
		const begun = () => program.exited || program.output.includes("restored");
		if (isLast) await until("the last board is done", () => program.exited, 30_000);
		else if (fatal > 0) await until("the board has killed itself", () => program.exited, 30_000);
		else if (random.chance(0.2)) await sleep(random.below(LIFETIME));
		else await until("the board has started", begun).then(() => sleep(random.below(LIFETIME)));
		assert.doesNotMatch(program.output, /Error/);
		assert.ok(isLast || fatal > 0 || !program.exited, program.output);
		await program.end("SIGKILL");
		return program.output;
	};

	let restored = 0;
	let damaged = 0;
	const kills = { any: 0, writing: 0 };
	for (let life = 1; life <= CUTS + 1; life++) {
		const isLast = life > CUTS;
		const fatal = !isLast && random.chance(0.5) ? 1 + Math.floor(CALLS ** random.next()) : 0;
		if (fatal > 0) kills.writing++;
		else if (!isLast) kills.any++;
		const output = await live(life, fatal, isLast);
		const [, messages, places] = output.match(/restored (\d+) damaged (\d+)/) ?? [];
		restored += Number(messages ?? 0);
		damaged += Number(places ?? 0);
		if (isLast) assert.match(output, /done, failures 0/);
	}

	const book = readFileSync(accepted, "latin1").split("\n").slice(0, -1);
	const came = () => seen.map(({ payload }) => nameOf(payload));
	const last = book[book.length - 1];
	await until("the last one has come", () => came().includes(last));
	const names = came();
	const twice = repeats(names);
	const unwritten = without(new Set(names), book);
	context.diagnostic(
		`${kills.any} kills at any time and ${kills.writing} amid a write; ${cutter.cuts} links broken; ${book.length} messages, ${restored} restored, ${resent} sent again; ${twice.length} came twice at QoS 1; ${unwritten.length} were not written down; ${damaged} records cut short`,
	);
	assert.deepEqual(without(book, names), [], "lost");
	assert.deepEqual(
		twice.filter((name) => qosOf(name) === 2),
		[],
		"twice at QoS 2",
	);
	const lives = unwritten.map((name) => name.split(":")[1]);
	assert.deepEqual(repeats(lives), [], "more than one in a life that was not written down");
	assert.deepEqual(spoilt(seen), []);
	assert.deepEqual(unmarked, []);
	for (const qos of [1, 2]) {
		const firsts = [...new Set(names)].filter((name) => qosOf(name) === qos);
		assert.deepEqual(
			firsts,
			[...firsts].sort((a, b) => place(a) - place(b)),
		);
	}
	assert.ok(restored > 0 && resent > 0);
});
