/** A firmware that hands in all that there is. benchmarks/sizes.ts weighs it. */
import {
	Age,
	Client,
	Deferral,
	Diagnostics,
	describe,
	ExactlyOnce,
	Fallback,
	Journal,
	type Link,
	type Store,
	Stream,
} from "../../src/client.js";

export function firmware(link: Link, store: Store, tell: (text: string) => void): unknown[] {
	const deferral = new Deferral();
	const client = new Client({
		link,
		clientId: "board",
		level: new Fallback(),
		exactlyOnce: new ExactlyOnce(),
		deferral,
		journal: new Journal(store),
		onDisconnect: (reason) => tell(describe(reason)),
	});
	const temperature = client.topic("board/temperature", {
		qos: 2,
		whenFull: "drop-oldest",
		expiry: 3600,
		age: new Age(),
	});
	const diagnostics = new Diagnostics(client.topic("board/diagnostics", { whenFull: "latest" }));
	client.flush(20, () => client.start());
	client.retry();
	return [temperature, diagnostics, new Stream(client, "board/picture"), deferral];
}
