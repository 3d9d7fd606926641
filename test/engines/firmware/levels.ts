/**
 * A board that publishes and receives at each QoS, to be judged by what its broker sees. It counts to NAME/0, NAME/1 and NAME/2, each
 * at that QoS; the next number only once `publish` has taken the one before, but at QoS 0. The numbers that come to NAME/in it
 * publishes to NAME/echo, at the QoS that they came with.
 */
import { Client, ExactlyOnce } from "mqtt-mote";
import { clock, settings, TcpLink } from "mqtt-mote/host";

/** Milliseconds from one number to the next. */
const INTERVAL = 50;

const { host, port, name } = settings;

export const client = new Client({
	link: new TcpLink({ host, port }),
	clientId: name,
	keepAlive: 30,
	outbox: 1024,
	inbox: 128,
	retryBase: 0.05,
	retryCap: 0.1,
	exactlyOnce: new ExactlyOnce(),
});

const counters = [
	client.topic(`${name}/0`),
	client.topic(`${name}/1`, { qos: 1 }),
	client.topic(`${name}/2`, { qos: 2 }),
];
const echoes = [
	client.topic(`${name}/echo`),
	client.topic(`${name}/echo`, { qos: 1 }),
	client.topic(`${name}/echo`, { qos: 2 }),
];

client.subscribe(`${name}/in`, 2, (message) => {
	let number = 0;
	for (let i = message.payloadStart; i < message.payloadEnd; i++) number = 10 * number + message.bytes[i] - 48;
	echoes[message.qos].publishNumber(number, 0);
});

const next = [0, 0, 0];

const alarm = clock.alarm(() => {
	// Half of the outbox is for the answers.
	const isRoom = client.status.outbox.used < 512;
	for (let qos = 0; qos < 3; qos++) {
		if (isRoom && counters[qos].publishNumber(next[qos], 0)) next[qos]++;
	}
	alarm.set(INTERVAL);
});

client.start();
alarm.set(INTERVAL);
