/** The telemetry profile: publishes at QoS 0 and 1, keeps an outbox, reconnects. benchmarks/sizes.ts weighs it. */
import { Client, type Link, type Topic } from "../../src/client.js";

export function firmware(link: Link): Topic {
	const client = new Client({ link, clientId: "board" });
	client.start();
	return client.topic("board/temperature", { qos: 1 });
}
