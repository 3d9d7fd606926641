/**
 * A board that may be killed: it publishes NAME/1 at QoS 1 and NAME/2 at QoS 2, each message "life:number", and prints
 * those that `publish` has taken. It runs on Espruino, whose Storage keeps its journal and counts its lives.
 */
import { Client, ExactlyOnce, Journal } from "mqtt-mote";
import { clock, StorageStore, settings, TcpLink } from "mqtt-mote/host";

declare function print(...values: unknown[]): void;
declare function require(name: "Storage"): {
	readJSON(name: string, quiet: boolean): number | undefined;
	writeJSON(name: string, value: number): void;
};

/** Milliseconds from one message to the next. */
const INTERVAL = 10;

const { host, port, name } = settings;

const life = (require("Storage").readJSON("life", true) || 0) + 1;
require("Storage").writeJSON("life", life);

const client = new Client({
	link: new TcpLink({ host, port }),
	clientId: name,
	cleanSession: false,
	keepAlive: 30,
	outbox: 512,
	output: 128,
	inbox: 64,
	retryBase: 0.05,
	retryCap: 0.1,
	exactlyOnce: new ExactlyOnce(8),
	journal: new Journal(new StorageStore({ pages: 3, pageSize: 1280 })),
});

const topics = [client.topic(`${name}/1`, { qos: 1 }), client.topic(`${name}/2`, { qos: 2 })];
const bytes = new Uint8Array(16);

let number = 0;

const alarm = clock.alarm(() => {
	const text = `${life}:${number}`;
	for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
	if (topics[number & 1].publish(bytes, text.length)) print(`taken ${text}`);
	number++;
	alarm.set(INTERVAL);
});

client.start();
alarm.set(INTERVAL);
