/**
 * A Mosquitto that keeps its sessions on the disk is ended and started again at random moments, while a board publishes numbered
 * messages over a link that breaks: nothing may be lost, nothing may come twice at QoS 2, and at QoS 1 only what the board has sent again.
 *
 * The subscriber, MQTT.js at QoS 2 with a session that is kept, is away meanwhile and gets it all at the end. If it were there,
 * Mosquitto 2.0.11 would publish to it again what it had sent PUBREL for when it ended, and one could not tell what comes twice.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ExactlyOnce, Reason } from "../../src/client.js";
import { board, peer, watch } from "../support/peers.js";
import { until } from "../support/programs.js";
import { Random, seeded } from "../support/random.js";
import { badLink } from "./bad-link.js";
import { mosquitto } from "./brokers.js";
import { QOS_1, QOS_2, RESTARTS, TIMEOUT } from "./figures.js";
import { Mortal, restartAtRandom } from "./mortal.js";
import { mixed, nameOf, qosOf, repeats, spoilt, without } from "./names.js";
import { Publisher } from "./publisher.js";
import { Witness } from "./witness.js";

test(`Mosquitto keeps its sessions over ${RESTARTS} restarts: of ${QOS_1} messages at QoS 1 and ${QOS_2} at QoS 2 none is lost, and none comes twice at QoS 2`, {
	skip: mosquitto.skip,
	timeout: TIMEOUT,
}, async (context) => {
	const random = seeded((message) => context.diagnostic(message));
	const broker = await Mortal.mosquitto(context, true);
	const subscriber = await peer(context, broker.port, 4, { clean: false });
	const seen = await watch(subscriber, "out/#", 2);
	await subscriber.endAsync();

	const cutter = await badLink(context, new Random(random.seed + 1), broker.port);
	const link = new Witness({ host: "127.0.0.1", port: cutter.port });
	const { ledger } = link;
	const presents: boolean[] = [];
	const client = board(context, cutter.port, {
		link,
		cleanSession: false,
		exactlyOnce: new ExactlyOnce(),
		retryBase: 0.01,
		retryCap: 0.05,
		onConnect: (present) => presents.push(present),
	});
	const publisher = new Publisher(context, client);
	const names = mixed(random, QOS_1, QOS_2);
	client.start();
	await Promise.all([
		publisher.publishAll(names),
		restartAtRandom(broker, "SIGTERM", publisher, random, RESTARTS, names.length),
	]);
	await until("all have gone out", () => client.status.outbox.used === 0);
	// All others, and what comes twice, come in front of this.
	assert.ok(publisher.publish("2:last"));
	await until("it has gone out", () => client.status.outbox.used === 0);
	subscriber.reconnect();
	await until("the last one has come", () => seen.some(({ payload }) => nameOf(payload) === "2:last"), TIMEOUT);

	const { endings, resent, mayRepeat, connections, delivered, accepted, violations } = client.status;
	const came = seen.map(({ payload }) => nameOf(payload));
	const twice = repeats(came);
	context.diagnostic(
		`${connections} connections, ${cutter.cuts} broken, ${resent} sent again, ${mayRepeat} of them may have come twice, ${twice.length} did`,
	);
	assert.deepEqual(without(publisher.accepted, came), [], "lost");
	assert.deepEqual(without(came, publisher.accepted), [], "invented");
	assert.deepEqual(spoilt(seen), []);
	assert.deepEqual(
		twice.filter((name) => qosOf(name) === 2),
		[],
		"twice at QoS 2",
	);
	assert.deepEqual(without(twice, ledger.again), [], "twice at QoS 1, though sent once");
	assert.deepEqual([ledger.hasty, ledger.unmarked], [[], []]);
	assert.deepEqual([ledger.resent, ledger.repeats(2)], [resent, 0]);
	assert.deepEqual([accepted, delivered, violations], [names.length + 1, names.length + 1, 0]);
	assert.ok(twice.length <= ledger.repeats(1) && ledger.repeats(1) <= mayRepeat);
	assert.ok(!presents.includes(false, 1));
	assert.equal(
		endings[Reason.LINK_LOST],
		endings.reduce((sum, count) => sum + count),
	);
});
