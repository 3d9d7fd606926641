/** Retained messages and wills, as others see them and as we see those of others. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { ExactlyOnce } from "../../src/client.js";
import { Cutter } from "../support/cutter.js";
import { board, bytes, collect, peer, type Seen, started, watch } from "../support/peers.js";
import { until } from "../support/programs.js";
import { BROKERS, LEVELS } from "./brokers.js";

const QOS = [0, 1, 2] as const;

/** No text in any encoding. */
const BYTES = "\x00\xff\x80\xc0";

for (const { name, skip, start } of BROKERS) {
	for (const level of LEVELS) {
		test(`${name}, level ${level}: a retained message waits for late subscribers, until an empty one clears it`, {
			skip,
		}, async (context) => {
			const port = await start(context);
			const publisher = board(context, port, { level, clientId: "from", exactlyOnce: new ExactlyOnce() });
			const others = await peer(context, port, level);
			const topics = QOS.map((qos) => publisher.topic(`kept/${qos}`, { qos, retain: true }));
			const live = await watch(others, "kept/#", 2);
			await started(publisher);
			const publish = async (payload: string) => {
				const already = live.length;
				for (const topic of topics) assert.ok(topic.publish(bytes(payload)));
				await until("all are completed", () => publisher.status.outbox.used === 0);
				await until("who is there has them", () => live.length === already + 3);
				return live.slice(already);
			};
			/** What is there for one who subscribes now, with `mark` behind it: ours, and MQTT.js. */
			const late = async (clientId: string) => {
				const client = board(context, port, { level, clientId, exactlyOnce: new ExactlyOnce() });
				const lists = QOS.map((qos) => collect(client, `kept/${qos}`, 2));
				const [marks, marking] = collect(client, "mark", 2);
				await started(client, marking, ...lists.map(([, subscription]) => subscription));
				const other = await peer(context, port, level, { clientId: `${clientId}-js` });
				const theirs = await Promise.all(QOS.map((qos) => watch(other, `kept/${qos}`, 2)));
				const theirMarks = await watch(other, "mark", 2);
				await others.publishAsync("mark", "", { qos: 2 });
				await until("the mark is there", () => marks.length + theirMarks.length === 2);
				return [lists.flatMap(([seen]) => seen), theirs.flat()];
			};
			const messages = (payload: string, retain: boolean) =>
				QOS.map((qos) => ({ topic: `kept/${qos}`, payload, qos, retain }));

			assert.deepEqual(await publish("first"), messages("first", false));
			assert.deepEqual(await publish("second"), messages("second", false));
			const kept = messages("second", true);
			assert.deepEqual(await late("late"), [kept, kept]);
			assert.deepEqual(await publish(""), messages("", false));
			assert.deepEqual(await late("later"), [[], []]);
		});

		test(`${name}, level ${level}: a will is published when the link is lost, at its QoS, retained or not`, {
			skip,
		}, async (context) => {
			const port = await start(context);
			const cutter = await Cutter.open(context, port);
			const other = await peer(context, port, level);
			const live = await watch(other, "will/#", 2);
			const wills = [false, true].flatMap((retain) =>
				QOS.map((qos) => ({ topic: `will/${qos}/${retain}`, qos, retain, payload: qos === 0 ? "lost" : bytes(BYTES) })),
			);
			const clients = wills.map((will) => board(context, cutter.port, { level, clientId: will.topic, will }));
			await Promise.all(clients.map((client) => started(client)));
			assert.deepEqual(live, []);
			cutter.cut();
			await until("all wills are there", () => live.length >= wills.length);
			const expected = wills.map(({ topic, qos, payload }) => ({
				topic,
				qos,
				payload: typeof payload === "string" ? payload : BYTES,
				retain: false,
			}));
			const byTopic = (a: Seen, b: Seen) => (a.topic < b.topic ? -1 : 1);
			assert.deepEqual(live.toSorted(byTopic), expected.toSorted(byTopic));

			// After DISCONNECT there is none.
			await until("all are back", () => clients.every(({ status }) => status.connections === 2));
			for (const client of clients) client.stop();
			const late = await peer(context, port, level, { clientId: "late" });
			const kept = await Promise.all(wills.map(({ topic }) => watch(late, topic, 2)));
			const mark = await watch(late, "mark", 1);
			await pause(50); // the brokers have seen them go
			await other.publishAsync("mark", "", { qos: 1 });
			await until("the mark is there", () => mark.length === 1);
			assert.equal(live.length, wills.length);
			assert.deepEqual(
				kept.flat().map(({ topic, retain }) => [topic, retain]),
				wills.filter(({ retain }) => retain).map(({ topic }) => [topic, true]),
			);
		});
	}
}
