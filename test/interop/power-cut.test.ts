/**
 * A board whose power is cut: a process with a journal in a file, killed at random moments, that starts again with what is in the
 * file. A part of the kills come amid a write to the store, of which only the first bytes are done then. Now and then its link
 * breaks as well. Mosquitto, and a subscriber with a session that is kept, stay.
 *
 * Each message has a name of its own, life:number, which no later life uses again, and which the board writes down as soon as
 * `publish` has said true. What it has written down must arrive. Of what it has not, at most one message in each life can:
 * the one in whose `publish` it was killed, or right behind it. So whatever comes twice was published once.
 *
 * What the board receives at QoS 2 it writes down in the handler. A message may be handed over once more to the next life only if
 * the board was killed between this and the journal's note of it: then it is the last one that the life before wrote down.
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
import { Random, seeded } from "../support/random.js";
import { mosquitto } from "./brokers.js";
import { CUTS, TIMEOUT } from "./figures.js";
import { Mortal } from "./mortal.js";
import { nameOf, payloadOf, qosOf, repeats, spoilt, without } from "./names.js";
import type { Life } from "./power-cut-board.js";

/** As in power-cut-board.ts, which cannot be imported without being run. */
const LAST = "2:in:last";

/** Milliseconds that a life lasts from its start, at most; or calls that change the store. */
const LIFETIME = 200;
const CALLS = 1000;

/** Messages that are published for the board in each life, on an average. */
const INBOUND = 5;

/** Bytes that a connection carries, where it breaks; for why no less, see broken-links.test.ts. */
const SHORTEST = 300;
const LONGEST = 3000;

/** By which messages of one QoS are in order. */
function place(name: string): number {
	const [, life, number] = name.split(":").map(Number);
	return life * 1_000_000 + number;
}

/** Of lines "life name". */
const byLife = (line: string | undefined) => line?.split(" ")[0];
const byName = (line: string) => line.split(" ")[1];

/** The lines of messages that were handed over again, though the board had gone on to something else in that life. */
function tooOften(lines: string[]): string[] {
	const names = lines.map(byName);
	return lines.filter((line, i) => names.lastIndexOf(names[i]) !== i && byLife(lines[i + 1]) === byLife(line));
}

test(`a board is killed ${CUTS} times: what publish said true for is not lost, and nothing comes twice at QoS 2, either way`, {
	skip: mosquitto.skip,
	timeout: TIMEOUT,
}, async (context) => {
	const random = seeded((message) => context.diagnostic(message));
	// Each for itself, so that the lives are the same ones again.
	const [randomLink, randomInbound] = [new Random(random.seed + 1), new Random(random.seed + 2)];
	const broker = await Mortal.mosquitto(context, false);
	const subscriber = await peer(context, broker.port, 4, { clean: false });
	const seen = await watch(subscriber, "out/#", 2);
	const cutter = await Cutter.open(context, broker.port);
	cutter.limit = () =>
		randomLink.chance(0.3) ? SHORTEST + randomLink.below(LONGEST - SHORTEST) : Number.POSITIVE_INFINITY;
	const published = new Set<string>();
	/** Sent with DUP; and sent for the second time without it. */
	const again = new Set<string>();
	const unmarked: string[] = [];
	cutter.breaksAt = (packet, isOurs) => {
		if (!isOurs || packet.cmd !== "publish") return false;
		const name = nameOf(packet.payload.toString());
		if (packet.dup) again.add(name);
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
	const [store, accepted, handed] = ["store", "accepted", "handed"].map((name) => join(path, name));
	const sent: string[] = [];
	const send = async (name: string) => {
		sent.push(name);
		await subscriber.publishAsync("in/2", payloadOf(name), { qos: 2 });
		await sleep(randomInbound.below(LIFETIME / INBOUND));
	};
	const live = async (life: number, fatal: number, isLast: boolean) => {
		const seed = random.below(2 ** 31);
		const task: Life = { port: cutter.port, store, accepted, handed, life, seed, fatal, isLast };
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
		const inbound = async () => {
			for (let i = isLast ? 0 : randomInbound.below(2 * INBOUND); i > 0; i--) await send(`2:in:${sent.length}`);
			if (isLast) await send(LAST);
		};
		const [output] = await Promise.all([live(life, fatal, isLast), inbound()]);
		const [, messages, places] = output.match(/restored (\d+) damaged (\d+)/) ?? [];
		restored += Number(messages ?? 0);
		damaged += Number(places ?? 0);
		if (isLast) assert.match(output, /done, failures 0/);
	}

	const lines = (file: string) => readFileSync(file, "latin1").split("\n").slice(0, -1);
	const [book, received] = [lines(accepted), lines(handed)];
	const came = () => seen.map(({ payload }) => nameOf(payload));
	const last = book[book.length - 1];
	await until("the last one has come", () => came().includes(last));
	const names = came();
	const twice = repeats(names);
	const unwritten = without(new Set(names), book);
	context.diagnostic(
		`${kills.any} kills at any time and ${kills.writing} amid a write; ${cutter.cuts} links broken; ${book.length} messages, ${restored} restored, ${again.size} sent again; ${twice.length} came twice at QoS 1; ${unwritten.length} were not written down; ${damaged} records cut short; ${received.length} handed over, of ${sent.length}`,
	);
	assert.deepEqual(without(book, names), [], "lost");
	assert.deepEqual(
		twice.filter((name) => qosOf(name) === 2),
		[],
		"twice at QoS 2",
	);
	const lives = unwritten.map((name) => name.split(":")[1]);
	assert.deepEqual(repeats(lives), [], "more than one in a life that was not written down");
	assert.deepEqual(without(twice, again), [], "twice, though sent once");
	assert.deepEqual(spoilt(seen), []);
	assert.deepEqual(unmarked, []);
	for (const qos of [1, 2]) {
		const firsts = [...new Set(names)].filter((name) => qosOf(name) === qos);
		assert.deepEqual(
			firsts,
			[...firsts].sort((a, b) => place(a) - place(b)),
		);
	}
	assert.deepEqual(without(sent, received.map(byName)), [], "lost on the way in");
	assert.deepEqual(tooOften(received), [], "handed over twice");
	assert.ok(CUTS < 10 || (restored > 0 && again.size > 0));
});
