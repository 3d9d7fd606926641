/**
 * Each QoS of a publisher with each QoS of a subscriber: the lower one of the two is delivered (section 3.8.4), every
 * message once and in order.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ExactlyOnce } from "../../src/client.js";
import { board, bytes, collect, peer, type Seen, started, watch } from "../support/peers.js";
import { until } from "../support/programs.js";
import { BROKERS, LEVELS } from "./brokers.js";

const QOS = [0, 1, 2] as const;

/** Messages of each pair. */
const COUNT = 20;

for (const { name, skip, start } of BROKERS) {
	for (const level of LEVELS) {
		test(`${name}, level ${level}: the nine pairs of QoS, to and from MQTT.js and among us`, {
			skip,
		}, async (context) => {
			const port = await start(context);
			const options = { level, outbox: 16_384 };
			const publisher = board(context, port, { ...options, clientId: "from", exactlyOnce: new ExactlyOnce() });
			const subscriber = board(context, port, { ...options, clientId: "to", exactlyOnce: new ExactlyOnce() });
			const other = await peer(context, port, level);
			const expected: [qos: number, seen: Seen[]][] = [];
			const subscriptions = [];
			const publishers: ((payload: string) => unknown)[] = [];
			for (const sent of QOS) {
				for (const asked of QOS) {
					const lower = Math.min(sent, asked);
					const pair = `${sent}/${asked}`;
					expected.push([lower, await watch(other, `there/${pair}`, asked)]);
					for (const way of ["here", "among"]) {
						const [seen, subscription] = collect(subscriber, `${way}/${pair}`, asked);
						expected.push([lower, seen]);
						subscriptions.push(subscription);
					}
					for (const way of ["there", "among"]) {
						const topic = publisher.topic(`${way}/${pair}`, { qos: sent });
						publishers.push((payload) => assert.ok(topic.publish(bytes(payload))));
					}
					// One at a time: MQTT.js has no window, and Mosquitto 2.0.11 drops what is above its own of 20.
					publishers.push((payload) => other.publishAsync(`here/${pair}`, payload, { qos: sent }));
				}
			}
			await started(publisher);
			await started(subscriber, ...subscriptions);
			const payloads = Array.from({ length: COUNT }, (_, i) => `message ${i}`);
			const publishAll = async (publish: (payload: string) => unknown) => {
				for (const payload of payloads) await publish(payload);
			};
			await Promise.all(publishers.map(publishAll));
			await until("all have come", () => expected.every(([, seen]) => seen.length >= COUNT));
			await until("all are completed", () => publisher.status.outbox.used === 0);
			// What came twice is here by now: an echo goes the same ways behind it.
			const [echo, subscription] = collect(subscriber, "echo", 2);
			const echoThere = await watch(other, "echo", 2);
			await started(subscriber, subscription);
			assert.ok(publisher.topic("echo", { qos: 2 }).publish(bytes("")));
			await until("the echo is here", () => echo.length + echoThere.length === 2);
			await until("the echo is completed, too", () => publisher.status.outbox.used === 0);
			for (const [qos, seen] of expected) {
				assert.deepEqual(
					seen,
					payloads.map((payload) => ({ topic: seen[0].topic, payload, qos, retain: false })),
				);
			}
			const { delivered, resent, stray } = publisher.status;
			assert.deepEqual({ delivered, resent, stray }, { delivered: 12 * COUNT + 1, resent: 0, stray: 0 });
			assert.deepEqual([publisher.status.connections, subscriber.status.connections], [1, 1]);
		});
	}
}
