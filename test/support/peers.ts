/** Who talks to whom in these tests: our client on Node, and MQTT.js as a client that others have written. */
import type { Socket } from "node:net";
import type { TestContext } from "node:test";
import { connectAsync, type IClientOptions, type MqttClient } from "mqtt";
import { TcpLink } from "../../hosts/node/index.js";
import { Client, type ClientOptions, type Level, State, type Subscription } from "../../src/client.js";
import { until } from "./programs.js";

/** A message as the one who got it saw it. */
export interface Seen {
	topic: string;
	payload: string;
	qos: number;
	retain: boolean;
}

/** Our client, ended with the test; not started. It comes back quickly after a lost link. */
export function board(context: TestContext, port: number, options: Partial<ClientOptions> = {}): Client {
	const client = new Client({
		link: new TcpLink({ host: "127.0.0.1", port }),
		clientId: "board",
		retryBase: 0.02,
		retryCap: 0.1,
		...options,
	});
	context.after(() => client.stop());
	return client;
}

/** Starts our client and waits until the broker has accepted it and has answered its subscriptions. */
export async function started(client: Client, ...subscriptions: Subscription[]): Promise<void> {
	client.start();
	await until("the client is connected", () => client.status.state === State.CONNECTED);
	await answered(...subscriptions);
}

export function answered(...subscriptions: Subscription[]): Promise<void> {
	return until("the filters are answered", () => subscriptions.every(({ granted }) => granted !== -1));
}

/** Subscribes our client; what comes is added to the list, whole. */
export function collect(client: Client, filter: string, qos: 0 | 1 | 2): [Seen[], Subscription] {
	const seen: Seen[] = [];
	let parts = "";
	const subscription = client.subscribe(filter, qos, (message) => {
		parts += Buffer.from(message.payload).toString("latin1");
		if (message.remaining !== 0) return;
		const topic = Buffer.from(message.topic).toString();
		seen.push({ topic, payload: parts, qos: message.qos, retain: message.retain });
		parts = "";
	});
	return [seen, subscription];
}

/** MQTT.js, connected and ended with the test. */
export async function peer(
	context: TestContext,
	port: number,
	level: Level,
	options: IClientOptions = {},
): Promise<MqttClient> {
	const client = await connectAsync({
		host: "127.0.0.1",
		port,
		clientId: "peer",
		protocolVersion: level,
		protocolId: level === 3 ? "MQIsdp" : "MQTT",
		reconnectPeriod: 0,
		...options,
	});
	(client.stream as Socket).setNoDelay(true);
	context.after(() => client.endAsync(true));
	return client;
}

/** Subscribes MQTT.js; what comes is added to the list. */
export async function watch(client: MqttClient, filter: string, qos: 0 | 1 | 2): Promise<Seen[]> {
	const seen: Seen[] = [];
	client.on("message", (topic, payload, packet) => {
		const { qos, retain } = packet;
		if (matches(filter, topic)) seen.push({ topic, payload: payload.toString("latin1"), qos, retain });
	});
	await client.subscribeAsync(filter, { qos });
	return seen;
}

/** Does a filter without `+` match? */
function matches(filter: string, topic: string): boolean {
	return filter.endsWith("#") ? topic.startsWith(filter.slice(0, -1)) : topic === filter;
}

export function bytes(text: string): Uint8Array {
	return Buffer.from(text, "latin1");
}
