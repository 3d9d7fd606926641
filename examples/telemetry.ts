/**
 * A sensor board: publishes temperature and humidity every second, and takes a new interval, in
 * milliseconds, as a message to NAME/interval. The same source runs on Moddable, Espruino and Node.
 */
import { Client } from "mqtt-mote";
import { clock, settings, TcpLink } from "mqtt-mote/host";

const { host, port, name } = settings;

export const client = new Client({
	link: new TcpLink({ host, port }),
	clientId: name,
	keepAlive: 30,
	will: { topic: `${name}/status`, payload: "lost", qos: 1, retain: true },
	onConnect: () => {
		isTold = status.publish(ONLINE);
	},
});

const status = client.topic(`${name}/status`, { qos: 1, retain: true });
const temperature = client.topic(`${name}/temperature`, { qos: 1 });
const humidity = client.topic(`${name}/humidity`, { qos: 1 });
const ONLINE = new Uint8Array([111, 110, 108, 105, 110, 101]); // "online"

let interval = 1000;
/** That it is online; not where an outage has filled the outbox. */
let isTold = true;

client.subscribe(`${name}/interval`, 1, (message) => {
	let value = 0;
	for (let i = message.payloadStart; i < message.payloadEnd; i++) {
		const digit = message.bytes[i] - 48;
		if (digit < 0 || digit > 9) return;
		value = value * 10 + digit;
	}
	if (value < 10 || value > 3_600_000) return;
	interval = value;
	alarm.set(interval);
});

// In place of a sensor: a slow walk around what a room is like.
let warmth = 21;
let damp = 45;

const alarm = clock.alarm(() => {
	if (!isTold) isTold = status.publish(ONLINE);
	warmth += (21 - warmth) / 50 + clock.random() - 0.5;
	damp += (45 - damp) / 50 + clock.random() - 0.5;
	temperature.publishNumber(warmth, 2);
	humidity.publishNumber(damp, 1);
	alarm.set(interval);
});

client.start();
alarm.set(interval);
