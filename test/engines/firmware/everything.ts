/**
 * A board that uses all there is, to be judged by what its broker sees:
 *
 *     NAME/level    it publishes the protocol level of each connection,
 *     NAME/count    and 0, 1, 2 ... at QoS 2.
 *     NAME/in       The numbers that come here at QoS 2
 *     NAME/echo     it publishes here, at QoS 2.
 *     NAME/held     What comes here is held
 *     NAME/seen     and counted here,
 *     NAME/release  until something comes here.
 *     NAME/ask      Then it streams
 *     NAME/big      20,000 bytes, at QoS 2.
 *     NAME/off      Then it unsubscribes NAME/in and NAME/held,
 *     NAME/state    publishes its counters with their age,
 *     NAME/ended    and says so.
 */
import {
	Age,
	Client,
	Deferral,
	Diagnostics,
	ExactlyOnce,
	Fallback,
	Journal,
	type Message,
	type Store,
	Stream,
} from "mqtt-mote";
import { clock, settings, TcpLink } from "mqtt-mote/host";

/** Milliseconds from one number to the next. */
const INTERVAL = 50;

/** Bytes of the streamed payload. */
const BIG = 20_000;

const { host, port, name } = settings;

/** Two banks of memory that no reset survives: here the journal is only to work, and not to be in the way. */
class Memory implements Store {
	readonly pageSize = 1536;
	readonly pages = 2;
	private readonly bytes = new Uint8Array(3072).fill(255);

	read(at: number, bytes: Uint8Array, start: number, length: number): void {
		for (let i = 0; i < length; i++) bytes[start + i] = this.bytes[at + i];
	}

	write(at: number, bytes: Uint8Array, start: number, length: number): void {
		for (let i = 0; i < length; i++) this.bytes[at + i] = bytes[start + i];
	}

	erase(page: number): void {
		this.bytes.fill(255, page * this.pageSize, (page + 1) * this.pageSize);
	}
}

const deferral = new Deferral();

const client = new Client({
	link: new TcpLink({ host, port }),
	clientId: name,
	level: new Fallback(),
	cleanSession: false,
	keepAlive: 30,
	outbox: 512,
	output: 128,
	inbox: 128,
	retryBase: 0.05,
	retryCap: 0.1,
	exactlyOnce: new ExactlyOnce(),
	deferral,
	journal: new Journal(new Memory()),
	onConnect: () => level.publishNumber(client.status.level, 0),
});

const state = new Diagnostics(
	client.topic(`${name}/state`, { qos: 1, whenFull: "latest", expiry: 60, age: new Age("") }),
);

const level = client.topic(`${name}/level`, { qos: 1 });
const counter = client.topic(`${name}/count`, { qos: 2 });
const echo = client.topic(`${name}/echo`, { qos: 2 });
const seen = client.topic(`${name}/seen`, { qos: 1 });
const ended = client.topic(`${name}/ended`, { qos: 1 });
const big = new Stream(client, `${name}/big`, { qos: 2 });

function read(bytes: Uint8Array, at: number, offset: number, count: number): number {
	for (let i = offset; i < offset + count; i++) bytes[at++] = i ^ (i >> 8);
	return count;
}

function answer(message: Message): void {
	let number = 0;
	for (let i = message.payloadStart; i < message.payloadEnd; i++) number = 10 * number + message.bytes[i] - 48;
	echo.publishNumber(number, 0);
}

let held = 0;
let ticket = 0;

function hold(message: Message): void {
	ticket = deferral.hold(message);
	seen.publishNumber(++held, 0);
}

const some = client.subscribeAll([
	{ filter: `${name}/in`, qos: 2, handler: answer },
	{ filter: `${name}/held`, qos: 1, handler: hold },
	{ filter: `${name}/release`, qos: 1, handler: () => deferral.acknowledge(ticket) },
]);

client.subscribe(`${name}/ask`, 1, () => big.publish(BIG, { read }));

client.subscribe(`${name}/off`, 1, () => {
	client.unsubscribe([some[0], some[1]]);
	state.publish();
	ended.publishNumber(1, 0);
});

let next = 0;

const alarm = clock.alarm(() => {
	// The rest of the outbox is for the answers.
	if (client.status.outbox.used < 256 && counter.publishNumber(next, 0)) next++;
	alarm.set(INTERVAL);
});

client.start();
alarm.set(INTERVAL);
