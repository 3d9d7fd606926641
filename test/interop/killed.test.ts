/**
 * Brokers that are killed, and forget with that who had subscribed and what they had taken: a board publishes numbered messages all
 * the while. Nothing may be lost, and no more may come twice than `status.mayRepeat` says.
 *
 * A subscriber could not tell: it loses what the broker had in its memory, which is not the client's fault. So what counts is
 * what the broker took over:
 *
 * - Arrived is what it acknowledged: PUBACK, or at QoS 2 PUBREC and PUBCOMP within one and the same session: a PUBCOMP for a PUBREL
 *   that the broker knows nothing of is an answer, but no promise. The witness sits at the client's end of the
 *   link, where nothing can be seen that the broker has not said.
 * - A copy that may have come twice is, at the worst, each PUBLISH that left the client once more at QoS 1, and at QoS 2 each
 *   one that left it in a session of the broker that did not have it: whether a broker that was killed a moment later had passed it on or
 *   not. So it holds for every broker, at whatever moment it passes a message on.
 * - Aedes also writes down what it passes on, before it goes on with anything else. At QoS 2 that is before PUBREC: all must be
 *   there. At QoS 1 aedes 1.2 acknowledges first, and what it is killed in front of is its own loss.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { ExactlyOnce, Reason } from "../../src/client.js";
import { board } from "../support/peers.js";
import { folder, until } from "../support/programs.js";
import { seeded } from "../support/random.js";
import { mosquitto } from "./brokers.js";
import { QOS_1, QOS_2, RESTARTS, TIMEOUT } from "./figures.js";
import { Mortal, restartAtRandom } from "./mortal.js";
import { mixed, nameOf, payloadOf, qosOf, repeats, without } from "./names.js";
import { Publisher } from "./publisher.js";
import { Witness } from "./witness.js";

/** Kills the broker time and again while a board publishes; what became of the messages. */
async function survive(context: TestContext, broker: Mortal) {
	const random = seeded((message) => context.diagnostic(message));
	const link = new Witness({ host: "127.0.0.1", port: broker.port });
	const { ledger } = link;
	const client = board(context, broker.port, {
		link,
		cleanSession: false,
		exactlyOnce: new ExactlyOnce(),
		retryBase: 0.01,
		retryCap: 0.05,
	});
	const publisher = new Publisher(context, client);
	const names = mixed(random, QOS_1, QOS_2);
	client.start();
	await Promise.all([
		publisher.publishAll(names),
		restartAtRandom(broker, "SIGKILL", publisher, random, RESTARTS, names.length),
	]);
	await until("all have gone out", () => client.status.outbox.used === 0);

	const { endings, resent, mayRepeat, connections, delivered, accepted, violations } = client.status;
	context.diagnostic(
		`${connections} connections, ${resent} sent again, ${mayRepeat} may have come twice (${ledger.repeats(1)} at QoS 1, ${ledger.repeats(2)} at QoS 2)`,
	);
	assert.deepEqual(without(publisher.accepted, ledger.arrived), [], "lost");
	assert.ok(ledger.repeats(1) + ledger.repeats(2) <= mayRepeat);
	assert.deepEqual([ledger.hasty, ledger.unmarked], [[], []]);
	assert.equal(ledger.resent, resent);
	assert.deepEqual([accepted, delivered, violations], [names.length, names.length, 0]);
	assert.ok(endings[Reason.LINK_LOST] > 0);
	return { accepted: publisher.accepted, mayRepeat };
}

test(`Mosquitto is killed ${RESTARTS} times: of ${QOS_1} messages at QoS 1 and ${QOS_2} at QoS 2 none is lost, and mayRepeat counts all that may come twice`, {
	skip: mosquitto.skip,
	timeout: TIMEOUT,
}, async (context) => {
	await survive(context, await Mortal.mosquitto(context, false));
});

test(`aedes is killed ${RESTARTS} times: of ${QOS_1} messages at QoS 1 and ${QOS_2} at QoS 2 none is lost, and mayRepeat counts all that come twice`, {
	timeout: TIMEOUT,
}, async (context) => {
	const file = join(folder(context), "passed");
	const { accepted, mayRepeat } = await survive(context, await Mortal.aedes(context, file));
	const lines = readFileSync(file, "latin1").split("\n").slice(0, -1);
	const passed = lines.map(nameOf);
	const missing = without(accepted, passed);
	const twice = repeats(passed);
	context.diagnostic(`${twice.length} did come twice; aedes acknowledged ${missing.length} and did not pass them on`);
	assert.deepEqual(
		lines.filter((line) => line !== payloadOf(nameOf(line))),
		[],
	);
	assert.deepEqual(without(passed, accepted), [], "invented");
	assert.deepEqual(
		missing.filter((name) => qosOf(name) === 2),
		[],
		"lost at QoS 2",
	);
	assert.ok(twice.length <= mayRepeat);
});
