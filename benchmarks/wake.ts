/**
 * From a wake to the acknowledgement of what was measured, over a link with a long round trip: our `flush`, our client
 * when it waits for CONNACK, and MQTT.js, which does. Two round trips are the least: one to open a TCP connection, one for all
 * of MQTT. In real time, with the strict broker in the same process.
 */
import { Duplex } from "node:stream";
import { MqttClient } from "mqtt";
import { clock } from "../hosts/node/clock.js";
import { strictEngine } from "../simulator/broker/strict.js";
import { Client, type Link, type LinkOwner } from "../src/client.js";

/** Milliseconds. */
const ROUND_TRIP = 200;

const MESSAGES = 5;
const PAYLOAD = new Uint8Array(32).fill(0x21);
const TOPIC = "sensors/kitchen/temperature";

/** One end of a connection: what is written comes out of the other end half a round trip later. */
class End extends Duplex {
	other!: End;

	override _read(): void {}

	override _write(chunk: Buffer, _encoding: string, done: () => void): void {
		setTimeout(() => this.other.push(chunk), ROUND_TRIP / 2);
		done();
	}

	override _final(done: () => void): void {
		setTimeout(() => this.other.push(null), ROUND_TRIP / 2);
		done();
	}
}

/** A connection to the broker, once its TCP handshake is over. */
async function opened(accept: (stream: Duplex) => void): Promise<Duplex> {
	const [near, far] = [new End(), new End()];
	near.other = far;
	far.other = near;
	await new Promise((resolve) => setTimeout(resolve, ROUND_TRIP));
	accept(far);
	return near;
}

class DistantLink implements Link {
	readonly clock = clock;
	room = 0;
	outgoing = new Uint8Array(0);
	incoming = new Uint8Array(0);
	private owner!: LinkOwner;
	private outbox = 0;
	private inbox = 0;
	private stream: Duplex | undefined;

	constructor(private readonly accept: (stream: Duplex) => void) {}

	attach(owner: LinkOwner, outbox: number, output: number, inbox: number): void {
		this.owner = owner;
		this.outbox = outbox;
		this.inbox = inbox;
		this.outgoing = new Uint8Array(outbox + output);
		this.incoming = new Uint8Array(inbox + 4096);
	}

	async open(): Promise<void> {
		const stream = await opened(this.accept);
		this.stream = stream;
		stream.on("data", (bytes: Buffer) => {
			this.incoming.set(bytes, this.inbox);
			if (this.stream === stream) this.owner.onReceived(bytes.length);
		});
		this.room = this.outgoing.length - this.outbox;
		this.owner.onWritable();
	}

	send(length: number): void {
		this.stream?.write(this.outgoing.slice(this.outbox, this.outbox + length));
	}

	close(): void {
		this.stream?.end();
		this.stream = undefined;
		this.room = 0;
	}

	encode(text: string): Uint8Array {
		return new TextEncoder().encode(text);
	}
}

/** How long it took until all was acknowledged, in milliseconds. */
type Wake = (accept: (stream: Duplex) => void) => Promise<number>;

function board(accept: (stream: Duplex) => void): Client {
	const client = new Client({ link: new DistantLink(accept), clientId: "board", cleanSession: false });
	const topic = client.topic(TOPIC, { qos: 1 });
	for (let i = 0; i < MESSAGES; i++) topic.publish(PAYLOAD);
	return client;
}

const flushes: Wake = async (accept) => {
	const client = board(accept);
	const began = performance.now();
	return new Promise((resolve, reject) => {
		client.flush(10, (delivered) => {
			if (delivered !== MESSAGES) reject(new Error(`${delivered} messages were delivered`));
			resolve(performance.now() - began);
		});
	});
};

const starts: Wake = async (accept) => {
	const client = board(accept);
	const began = performance.now();
	client.start();
	while (client.status.delivered < MESSAGES) await new Promise((resolve) => setTimeout(resolve, 1));
	client.stop();
	return performance.now() - began;
};

const mqttJs: Wake = async (accept) => {
	const began = performance.now();
	const stream = await opened(accept);
	const client = new MqttClient(() => stream, { clientId: "peer", clean: false, reconnectPeriod: 0 });
	const payload = Buffer.from(PAYLOAD);
	await Promise.all(Array.from({ length: MESSAGES }, () => client.publishAsync(TOPIC, payload, { qos: 1 })));
	const took = performance.now() - began;
	client.end(true);
	return took;
};

export const WAKES: [string, Wake][] = [
	["mqtt-mote, flush", flushes],
	["mqtt-mote, start", starts],
	["MQTT.js", mqttJs],
];

/** Each is timed so often, and the shortest time counts: what is more is the machine's. */
const RUNS = 3;

/** Prints a line for each of them. */
export async function benchWakes(): Promise<void> {
	console.log(
		`\nWake to ${MESSAGES} messages at QoS 1 acknowledged, round trip ${ROUND_TRIP} ms (real time, least 2):\n`,
	);
	for (const [name, wake] of WAKES) {
		let took = Number.POSITIVE_INFINITY;
		for (let run = 0; run < RUNS; run++) {
			const engine = strictEngine({ message() {} });
			took = Math.min(took, await wake((stream) => engine.handle(stream)));
			await engine.close();
		}
		console.log(`${name.padEnd(20)}${took.toFixed(0).padStart(6)} ms  ${(took / ROUND_TRIP).toFixed(2)} round trips`);
	}
}
