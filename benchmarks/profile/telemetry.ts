/** The telemetry profile: publishes at QoS 0 and 1, keeps an outbox, reconnects. benchmarks/sizes.ts weighs it. */
import { Client, type Link } from "../../src/client.js";

export function firmware(link: Link): (reading: Uint8Array) => boolean {
	const client = new Client({ link, clientId: "board" });
	const temperature = client.topic("board/temperature", { qos: 1 });
	client.start();
	return (reading) => temperature.publish(reading);
}
