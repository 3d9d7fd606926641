/** The client on Node against Mosquitto, at both protocol levels. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { TcpLink } from "../../hosts/node/index.js";
import { Client, type ClientOptions, State } from "../../src/client.js";
import { Mosquitto, missing, until } from "../support/programs.js";

const skip = missing("mosquitto", "mosquitto_sub", "mosquitto_pub");

function clientOf(port: number, options: Partial<ClientOptions>): Client {
	return new Client({
		link: new TcpLink({ host: "127.0.0.1", port }),
		clientId: "board",
		retryBase: 0.1,
		retryCap: 0.3,
		...options,
	});
}

for (const level of [3, 4] as const) {
	test(`Mosquitto, level ${level}: what is published at QoS 0 and 1 reaches mosquitto_sub`, {
		skip,
	}, async (context) => {
		const broker = await Mosquitto.start(context);
		const subscriber = await broker.subscriber("#");
		const client = clientOf(broker.port, { level });
		context.after(() => client.stop());
		const once = client.topic("board/once");
		const kept = client.topic("board/kept", { qos: 1 });
		client.start();
		await until("the client is connected", () => client.status.state === State.CONNECTED);
		assert.ok(once.publishNumber(21.57, 2));
		assert.ok(kept.publish(new TextEncoder().encode("grün"), 5));
		await until("both came", () => subscriber.output.split("\n").length > 2);
		assert.deepEqual(subscriber.output.trim().split("\n"), ["board/once 21.57", "board/kept gr\u00c3\u00bcn"]);
		await until("PUBACK came", () => client.status.delivered === 1);
	});

	test(`Mosquitto, level ${level}: what mosquitto_pub publishes reaches the handlers`, { skip }, async (context) => {
		const broker = await Mosquitto.start(context);
		const client = clientOf(broker.port, { level });
		context.after(() => client.stop());
		const received: string[] = [];
		const subscription = client.subscribe("valve/+", 1, (message) => {
			received.push(`${Buffer.from(message.topic)} ${Buffer.from(message.payload)} ${message.qos}`);
		});
		client.start();
		await until("the broker has granted the filter", () => subscription.granted === 1);
		await broker.publish("valve/1", "open", 0);
		await broker.publish("valve/2", "x".repeat(200), 1);
		await broker.publish("other/2", "closed", 1);
		await until("both came", () => received.length === 2);
		assert.deepEqual(received, ["valve/1 open 0", `valve/2 ${"x".repeat(200)} 1`]);
	});

	for (const cleanSession of [true, false]) {
		const session = cleanSession ? "clean session" : "kept session";
		test(`Mosquitto, level ${level}, ${session}: killed and restarted, no QoS 1 message is lost`, {
			skip,
		}, async (context) => {
			const broker = await Mosquitto.start(context);
			const client = clientOf(broker.port, { level, cleanSession, outbox: 4096 });
			context.after(() => client.stop());
			const topic = client.topic("board/count", { qos: 1 });
			client.start();
			let count = 0;
			const publish = (until: number) => {
				while (count < until) assert.ok(topic.publishNumber(count++, 0));
			};
			publish(20);
			await until("these are acknowledged", () => client.status.delivered === 20);
			for (let round = 1; round <= 3; round++) {
				publish(count + 10); // on their way
				await broker.kill();
				publish(count + 40); // while there is nobody
				await broker.restart();
				const subscriber = await broker.subscriber("board/count");
				publish(count + 10);
				await until("all are acknowledged", () => client.status.delivered === count);
				await until("the last one came", () => subscriber.output.includes(`board/count ${count - 1}\n`));
				const numbers = subscriber.output
					.trim()
					.split("\n")
					.map((line) => Number(line.split(" ")[1]));
				// What was published while the broker was dead, and after, is there, in order. Where mosquitto_sub came
				// after the client, the first ones went out before it: they are among the acknowledged ones.
				const inOrder = numbers.filter((number, i) => i === 0 || number > numbers[i - 1]);
				assert.deepEqual(numbers, inOrder);
				assert.deepEqual(
					numbers,
					Array.from({ length: numbers.length }, (_, i) => count - numbers.length + i),
				);
			}
			assert.equal(client.status.rejected, 0);
			assert.equal(client.status.outbox.used, 0);
		});
	}
}

test("Mosquitto: the will is published when the client is lost, and not after stop", { skip }, async (context) => {
	const broker = await Mosquitto.start(context);
	const subscriber = await broker.subscriber("will/#");
	const will = { topic: "will/board", payload: "lost", qos: 1 as const };
	const link = new TcpLink({ host: "127.0.0.1", port: broker.port });
	const client = new Client({ link, clientId: "board", will });
	context.after(() => client.stop());
	client.start();
	await until("the client is connected", () => client.status.state === State.CONNECTED);
	client.stop();
	await broker.publish("will/mark", "1", 1);
	await until("the mark came", () => subscriber.output.includes("will/mark 1"));
	assert.ok(!subscriber.output.includes("lost"));
	client.start();
	await until("the client is connected", () => client.status.state === State.CONNECTED);
	link.close(); // without DISCONNECT
	await until("the will came", () => subscriber.output.includes("will/board lost"));
});
