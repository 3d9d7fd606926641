/**
 * A Mosquitto that keeps its sessions on the disk is ended and started again at random moments, while a board publishes numbered
 * messages and a subscriber, MQTT.js with a session that is kept at QoS 2, collects them: nothing may be lost, nothing may
 * come twice at QoS 2.
 *
 * At QoS 1 a message may come twice for two reasons. The board has sent it again: then the witness has seen it with DUP. Or
 * Mosquitto has sent it to the subscriber again: then what the subscriber gets has DUP. So of several copies all but
 * one have DUP, or the board has sent it again after a link broke.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ExactlyOnce, Reason } from "../../src/client.js";
import { board, peer, type Seen } from "../support/peers.js";
import { until } from "../support/programs.js";
import { seeded } from "../support/random.js";
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
	const subscriber = await peer(context, broker.port, 4, { clean: false, reconnectPeriod: 30 });
	const seen: Seen[] = [];
	/** Of the messages that came without DUP. */
	const firsts: string[] = [];
	subscriber.on("error", () => {}); // it tries again
	subscriber.on("message", (topic, message, { qos, retain, dup }) => {
		const payload = message.toString("latin1");
		seen.push({ topic, payload, qos, retain });
		if (!dup) firsts.push(nameOf(payload));
	});
	await subscriber.subscribeAsync("out/#", { qos: 2 });

	const link = new Witness({ host: "127.0.0.1", port: broker.port });
	const { ledger } = link;
	const presents: boolean[] = [];
	const client = board(context, broker.port, {
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
	// What comes twice comes in front of this.
	assert.ok(publisher.publish("2:last"));
	const came = () => seen.map(({ payload }) => nameOf(payload));
	await until("the last one has come", () => came().includes("2:last"));
	await until("all have come", () => without(publisher.accepted, came()).length === 0).catch(() => {});

	const { endings, resent, mayRepeat, connections, delivered, accepted, violations } = client.status;
	const twice = repeats(came());
	context.diagnostic(
		`${connections} connections, ${resent} sent again, ${mayRepeat} of them may have come twice, ${twice.length} did`,
	);
	assert.deepEqual(without(publisher.accepted, came()), [], "lost");
	assert.deepEqual(without(came(), publisher.accepted), [], "invented");
	assert.deepEqual(spoilt(seen), []);
	assert.deepEqual(
		twice.filter((name) => qosOf(name) === 2),
		[],
		"twice at QoS 2",
	);
	assert.deepEqual(without(repeats(firsts), ledger.again), [], "twice at QoS 1, though sent once");
	assert.deepEqual([ledger.hasty, ledger.unmarked], [[], []]);
	assert.deepEqual([ledger.resent, ledger.repeats(2)], [resent, 0]);
	assert.deepEqual([accepted, delivered, violations], [names.length + 1, names.length + 1, 0]);
	assert.ok(repeats(firsts).length <= ledger.repeats(1) && ledger.repeats(1) <= mayRepeat);
	assert.deepEqual(presents, [false, ...new Array(connections - 1).fill(true)]);
	assert.ok(endings[Reason.LINK_LOST] > 0);
	assert.equal(
		endings[Reason.LINK_LOST] + endings[Reason.UNREACHABLE],
		endings.reduce((sum, count) => sum + count),
	);
});
