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

export function firmware(link: Link, store: Store, tell: (text: string) => void): void {
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
	const commands = client.subscribe("board/+", 1, (message) => {
		const ticket = deferral.hold(message);
		temperature.publishNumber(message.payload.length, 2);
		tell(String(message.topic) + message.qos + message.retain + message.duplicate);
		diagnostics.publish();
		deferral.acknowledge(ticket);
		client.unsubscribe(commands);
	});
	client.subscribeAll([{ filter: "all", qos: 2, handler: () => client.retry() }]);
	client.flush(20, () => client.start());
	const picture = new Stream(client, "board/picture");
	picture.publish(70_000, { read: () => 0 });
	picture.resume();
}
