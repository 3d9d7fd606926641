/** The protocol level by itself: level 4 where the broker speaks it, level 3 where it does not. */
import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { test } from "node:test";
import { ExactlyOnce, Fallback, Reason } from "../../src/client.js";
import { Cutter } from "../support/cutter.js";
import { board, bytes, collect, started } from "../support/peers.js";
import { until } from "../support/programs.js";
import { BROKERS } from "./brokers.js";

const REFUSALS = [
	{
		what: "answers level 4 with return code 1",
		refuse: (board: Socket) => board.end(Buffer.of(0x20, 2, 0, 1)),
		attempts: [4, 3],
		reason: Reason.UNACCEPTABLE_PROTOCOL_VERSION,
	},
	{
		what: "closes on level 4",
		refuse: (board: Socket) => board.end(),
		attempts: [4, 4, 3],
		reason: Reason.LINK_LOST,
	},
	{
		what: "breaks the connection on level 4",
		refuse: (board: Socket) => board.resetAndDestroy(),
		attempts: [4, 4, 3],
		reason: Reason.LINK_LOST,
	},
];

for (const { name, skip, start } of BROKERS) {
	test(`Fallback: ${name} accepts level 4 at once`, { skip }, async (context) => {
		const client = board(context, await start(context), { level: new Fallback() });
		await started(client);
		client.stop();
		await started(client);
		assert.deepEqual([client.status.level, client.status.connections], [4, 2]);
		assert.equal(client.status.endings[Reason.STOPPED], 1);
	});

	for (const { what, refuse, attempts, reason } of REFUSALS) {
		test(`Fallback: where ${name} ${what}, level 3 it is, from then on`, { skip }, async (context) => {
			const old = await Cutter.open(context, await start(context));
			old.refuse = refuse;
			const client = board(context, old.port, {
				level: new Fallback(),
				cleanSession: false,
				exactlyOnce: new ExactlyOnce(),
				will: { topic: "will", payload: "lost" },
				userName: "ann",
				password: "opensesame",
			});
			const [seen, subscription] = collect(client, "echo", 2);
			const topic = client.topic("echo", { qos: 2 });
			assert.ok(topic.publish(bytes("before")));
			await started(client, subscription);
			await until("it has come back", () => seen.length === 1 && client.status.outbox.used === 0);
			assert.equal(client.status.level, 3);
			assert.deepEqual(old.levels, attempts);
			assert.equal(client.status.endings[reason], attempts.length - 1);
			old.cut();
			assert.ok(topic.publish(bytes("after")));
			await until("it is there again", () => client.status.connections === 2);
			await until("that has come back, too", () => seen.length === 2);
			assert.deepEqual(old.levels, [...attempts, 3]);
			assert.deepEqual(
				seen.map(({ payload }) => payload),
				["before", "after"],
			);
		});
	}
}
