/**
 * A board whose power is cut: a process with a journal in a file, killed at random moments, that starts again with what is in the
 * file. A part of the kills come amid a write to the store, of which only the first bytes are done then. Now and then its link
 * breaks as well.
 *
 * Each message has a name of its own, life:number, which no later life uses again, and which the board writes down as soon as
 * `publish` has said true. What it has written down must arrive. Of what it has not, at most one message in each life can:
 * the one in whose `publish` it was killed, or right behind it. So whatever comes twice was published once.
 *
 * What the board receives at QoS 2 it writes down in the handler. A message may be handed over once more to the next life only if
 * the board was killed between this and the journal's note of it: then it is the last one that the life before wrote down.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Cutter } from "../support/cutter.js";
import { peer, watch } from "../support/peers.js";
import { until } from "../support/programs.js";
import { Random, seeded } from "../support/random.js";
import { badLink } from "./bad-link.js";
import { mosquitto } from "./brokers.js";
import { CUTS, RESTARTS, TIMEOUT } from "./figures.js";
import { Ledger } from "./ledger.js";
import { Mortal } from "./mortal.js";
import { LIFETIME, MortalBoard } from "./mortal-board.js";
import { LAST, nameOf, payloadOf, qosOf, repeats, spoilt, without } from "./names.js";

/** Messages that are published for the board in each life, on an average. */
const INBOUND = 5;

/** Bytes that a connection carries, where it breaks, at least; for why no less, see broken-links.test.ts. */
const SHORTEST = 300;

/** A ledger of what goes through. */
function watched(cutter: Cutter): Ledger {
	const ledger = new Ledger();
	cutter.breaksAt = (packet, isOurs) => {
		if (isOurs) ledger.sent(packet);
		else ledger.received(packet);
		return false;
	};
	return ledger;
}

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
	// What is published before the board's first subscription is for nobody.
	const before = await peer(context, broker.port, 4, { clientId: "board", clean: false });
	await before.subscribeAsync("in/2", { qos: 2 });
	await before.endAsync();
	const cutter = await badLink(context, randomLink, broker.port, SHORTEST);
	const ledger = watched(cutter);
	const board = new MortalBoard(context, random, cutter.port, true);
	const sent: string[] = [];
	const send = async (name: string) => {
		sent.push(name);
		await subscriber.publishAsync("in/2", payloadOf(name), { qos: 2 });
	};
	const sendSome = async () => {
		for (let left = randomInbound.below(2 * INBOUND); left > 0; left--) {
			await send(`2:in:${sent.length}`);
			await sleep(randomInbound.below(LIFETIME / INBOUND));
		}
	};
	for (let cut = 0; cut < CUTS; cut++) await Promise.all([board.live(), sendSome()]);
	await Promise.all([board.finish(), send(LAST)]);

	const { accepted, handed, kills, restored, damaged } = board;
	const came = () => seen.map(({ payload }) => nameOf(payload));
	await until("the last one has come", () => came().includes(accepted[accepted.length - 1]));
	const names = came();
	const distinct = [...new Set(names)];
	const twice = repeats(names);
	const unwritten = without(distinct, accepted);
	for (const line of [
		`${kills.any} kills at any time and ${kills.writing} amid a write, ${damaged} records cut short; ${cutter.cuts} links broken`,
		`${accepted.length} messages, ${restored} restored, ${ledger.again.length} sent again, ${twice.length} came twice at QoS 1; ${unwritten.length} that were not written down`,
		`${sent.length} messages for the board, ${handed.length} handed over`,
	]) {
		context.diagnostic(line);
	}
	assert.deepEqual(without(accepted, names), [], "lost");
	assert.deepEqual(
		twice.filter((name) => qosOf(name) === 2),
		[],
		"twice at QoS 2",
	);
	assert.deepEqual(without(twice, ledger.again), [], "twice, though sent once");
	assert.deepEqual([ledger.hasty, ledger.unmarked], [[], []]);
	assert.deepEqual(repeats(unwritten.map((name) => name.split(":")[1])), [], "several in a life not written down");
	assert.deepEqual(spoilt(seen), []);
	for (const qos of [1, 2]) {
		const ordered = distinct.filter((name) => qosOf(name) === qos);
		assert.deepEqual(
			ordered,
			[...ordered].sort((a, b) => place(a) - place(b)),
		);
	}
	assert.deepEqual(without(sent, handed.map(byName)), [], "lost on the way in");
	assert.deepEqual(tooOften(handed), [], "handed over twice");
	assert.ok(CUTS < 10 || (restored > 0 && ledger.resent > 0));
});

test(`a board and its broker are killed in turn, ${RESTARTS} times each: nothing is lost, and mayRepeat counts all that may come twice`, {
	skip: mosquitto.skip,
	timeout: TIMEOUT,
}, async (context) => {
	// Judged as in killed.test.ts, at the link.
	const random = seeded((message) => context.diagnostic(message));
	const [randomLink, randomBroker] = [new Random(random.seed + 1), new Random(random.seed + 2)];
	const broker = await Mortal.mosquitto(context, false);
	const cutter = await badLink(context, randomLink, broker.port, SHORTEST);
	const ledger = watched(cutter);
	const board = new MortalBoard(context, random, cutter.port, false);
	const restart = async (wait: number) => {
		await sleep(wait);
		await broker.end("SIGKILL");
		await broker.start();
	};
	for (let cut = 0; cut < RESTARTS; cut++) {
		await Promise.all([board.live(), restart(randomBroker.below(2 * LIFETIME))]);
		// The board may have died in front of a CONNACK that says that there was no session. There is one from then on, and MQTT 3.1.1
		// has no way to tell that it is another one: the broker would answer PUBREL for a message that it has not.
		if (ledger.isConnecting) await restart(0);
	}
	await board.finish();

	const { accepted, kills, restored, mayRepeat } = board;
	for (const line of [
		`${kills.any} kills at any time and ${kills.writing} amid a write; ${cutter.cuts} links broken`,
		`${accepted.length} messages, ${restored} restored, ${ledger.resent} sent again; mayRepeat ${mayRepeat} (${ledger.repeats(1)} at QoS 1, ${ledger.repeats(2)} at QoS 2)`,
	]) {
		context.diagnostic(line);
	}
	assert.deepEqual(without(accepted, ledger.arrived), [], "lost");
	assert.ok(ledger.repeats(1) + ledger.repeats(2) <= mayRepeat);
	assert.deepEqual([ledger.hasty, ledger.unmarked], [[], []]);
});
