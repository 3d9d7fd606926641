/**
 * Firmware for moddable-link.test.ts: a serial port as an ESP32's or an ESP8266's, and behind it a wire to a broker. It has a FIFO of 128
 * bytes each way, takes and fills views, throws where there is no room, and tells that there is room once 10 bytes or less are left in it.
 */
import TCP from "embedded:io/socket/tcp";
import config from "mc/config";
import Timer from "timer";
import { SerialLink } from "../../../hosts/moddable/index.js";
import { Client } from "../../../src/client.js";

const FIFO = 128;

interface Options {
	baud: number;
	port: number;
	transmit: number;
	receive: number;
	target: unknown;
	onReadable(this: unknown, count: number): void;
	onWritable(this: unknown, count: number): void;
}

/** As it is: the published typings miss the result of `write`. */
const Socket = TCP as unknown as new (
	options: object,
) => { read(count: number): ArrayBuffer; write(bytes: Uint8Array): void; close(): void };

export const ports: Uart[] = [];

class Uart {
	readonly target: unknown;
	readonly options: Options;
	private readonly coming: number[] = [];
	private going: number[] = [];
	/** Bytes that the wire takes. */
	room = 0;
	/** Connections to the broker so far. */
	connections = 0;
	private isTold = false;
	private socket: InstanceType<typeof Socket> | undefined;

	constructor(options: Options) {
		if (ports.length === 0) {
			ports.push(this);
			throw new Error("pin in use");
		}
		this.options = options;
		this.target = options.target;
		ports.push(this);
		this.connect();
		Timer.repeat(() => this.tick(), 2);
	}

	/** The wire leads to a broker, and to the next connection where the last one has ended. */
	private connect(): void {
		this.going = [];
		this.connections++;
		const waiting: number[] = [];
		const socket = new Socket({
			address: "127.0.0.1",
			port: config.port,
			onWritable: (count: number) => {
				this.room = count;
			},
			onReadable: (count: number) => {
				waiting.push(...new Uint8Array(socket.read(count)));
				this.coming.push(...waiting.splice(0));
			},
			onError: () => {
				socket.close();
				this.room = 0;
				this.connect();
			},
		});
		this.socket = socket;
	}

	/** What is on the wire for two milliseconds at 115,200 baud, more or less. */
	private tick(): void {
		if (this.room >= 32 && this.going.length > 0) {
			const bytes = Uint8Array.from(this.going.splice(0, 32));
			this.room -= bytes.length;
			this.socket?.write(bytes);
		}
		if (!this.isTold && this.going.length <= 10 && this.room >= 32) {
			this.isTold = true;
			this.options.onWritable.call(this, FIFO - this.going.length);
		}
		if (this.coming.length > 0) this.options.onReadable.call(this, Math.min(FIFO, this.coming.length));
	}

	read(into: Uint8Array): number | undefined {
		const available = Math.min(FIFO, this.coming.length);
		if (available === 0) return undefined;
		const count = Math.min(available, into.byteLength);
		into.set(this.coming.splice(0, count));
		return count;
	}

	write(bytes: Uint8Array): void {
		if (this.going.length + bytes.byteLength > FIFO) throw new Error("output full");
		this.going.push(...bytes);
		this.isTold = false;
	}

	close(): void {
		throw new Error("nobody closes it");
	}
}

export const reasons: number[] = [];
export let came = 0;
export const client = new Client({
	link: new SerialLink({ io: Uart as never, port: 2, transmit: 17, receive: 16 }),
	clientId: "board",
	output: 256,
	retryBase: 0.01,
	retryCap: 0.02,
	onDisconnect: (reason) => {
		reasons.push(reason);
	},
});
client.subscribe("t", 1, () => {
	came++;
});
const topic = client.topic("t", { qos: 1 });
const payload = new Uint8Array(60);
let published = 0;

/** Up to so many messages, as fast as the outbox takes them. */
export function publish(count: number): number {
	while (published < count && topic.publish(payload)) published++;
	return published;
}

export const stop = () => client.stop();
export const start = () => client.start();

export const state = () => client.status.state;
export const delivered = () => client.status.delivered;

/** What the constructor says to an option. */
export function complaint(options: object): string {
	try {
		new SerialLink(options as never);
		return "";
	} catch (error) {
		return (error as Error).message;
	}
}

client.start();
