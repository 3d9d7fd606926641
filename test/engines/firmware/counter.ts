/**
 * A board that can be judged by what its broker sees. It publishes 0, 1, 2 ... to NAME/count at QoS 1, the next
 * number only once `publish` has taken the one before. It adds up what comes to NAME/in, and answers a message
 * to NAME/ask with four numbers to NAME/sum: messages, calls of the handler, bytes, and the sum of the bytes.
 */
import { Client } from "mqtt-mote";
import { clock, settings, TcpLink } from "mqtt-mote/host";

/** Milliseconds from one number to the next. */
const INTERVAL = 50;

const { host, port, name } = settings;

const client = new Client({
	link: new TcpLink({ host, port }),
	clientId: name,
	keepAlive: 30,
	outbox: 512,
	inbox: 128,
	retryBase: 0.05,
	retryCap: 0.1,
});

const counter = client.topic(`${name}/count`, { qos: 1 });
const answer = client.topic(`${name}/sum`, { qos: 1 });

let messages = 0;
let calls = 0;
let length = 0;
let sum = 0;

client.subscribe(`${name}/in`, 1, (message) => {
	calls++;
	if (message.remaining === 0) messages++;
	length += message.payloadEnd - message.payloadStart;
	for (let i = message.payloadStart; i < message.payloadEnd; i++) sum += message.bytes[i];
});

client.subscribe(`${name}/ask`, 1, () => {
	answer.publishNumber(messages, 0);
	answer.publishNumber(calls, 0);
	answer.publishNumber(length, 0);
	answer.publishNumber(sum, 0);
});

let next = 0;

const alarm = clock.alarm(() => {
	if (counter.publishNumber(next, 0)) next++;
	alarm.set(INTERVAL);
});

client.start();
alarm.set(INTERVAL);
