/**
 * A board that may be killed: it publishes NAME/1 at QoS 1 and NAME/2 at QoS 2, each message "life:number", and traces those
 * that `publish` has taken. It runs in Moddable's simulator, where files keep its journal and count its lives.
 */
import files from "embedded:storage/files";
import { Client, ExactlyOnce, Journal } from "mqtt-mote";
import { clock, FileStore, settings, TcpLink } from "mqtt-mote/host";

declare function trace(...values: unknown[]): void;

/** Milliseconds from one message to the next. */
const INTERVAL = 10;

const { host, port, name } = settings;

// A byte for each life.
const path = "lives";
const lives = files.openFile({ path, mode: files.status(path).mode === 0 ? "w+" : "r+" });
const life = lives.status().size + 1;
lives.write(new Uint8Array(1), life - 1);
lives.close();

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
	journal: new Journal(new FileStore({ files, path: "session", pages: 3, pageSize: 1280 })),
});

const topics = [client.topic(`${name}/1`, { qos: 1 }), client.topic(`${name}/2`, { qos: 2 })];
const bytes = new Uint8Array(16);

let number = 0;

const alarm = clock.alarm(() => {
	const text = `${life}:${number}`;
	for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
	if (topics[number & 1].publish(bytes, text.length)) trace(`taken ${text}\n`);
	number++;
	alarm.set(INTERVAL);
});

client.start();
alarm.set(INTERVAL);
