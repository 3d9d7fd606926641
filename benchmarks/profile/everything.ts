/** A firmware that hands in all that there is. benchmarks/sizes.ts weighs it. */
import { Client, Deferral, describe, ExactlyOnce, Fallback, type Link, Stream } from "../../src/client.js";

export function firmware(link: Link, tell: (text: string) => void): unknown[] {
	const deferral = new Deferral();
	const client = new Client({
		link,
		clientId: "board",
		level: new Fallback(),
		exactlyOnce: new ExactlyOnce(),
		deferral,
		onDisconnect: (reason) => tell(describe(reason)),
	});
	client.start();
	return [client.topic("board/temperature", { qos: 2 }), new Stream(client, "board/picture"), deferral];
}
