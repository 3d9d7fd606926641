/**
 * Firmware for moddable-link.test.ts: a class of sockets around the device's own, as a TLS class is. It calls its callbacks with a
 * `this` of its own, keeps no `target`, takes the inner class from its options, throws when it is closed twice, and takes 100 bytes at
 * a time.
 */
import TCP from "embedded:io/socket/tcp";
import config from "mc/config";
import { type AnySocketOptions, TcpLink } from "../../../hosts/moddable/index.js";
import { Client } from "../../../src/client.js";

interface Options {
	TCP: { io: typeof TCP };
	secure: { serverName: string };
	host: string;
	address: string;
	port: number;
	onReadable(count: number): void;
	onWritable(count: number): void;
	onError(): void;
}

const MOST = 100;

export const given: unknown[] = [];

class WrappingSocket {
	private inner: TCP | undefined;

	constructor(options: Options) {
		const { onReadable, onWritable, onError, address, port } = options;
		const callbacks = { onReadable, onWritable, onError };
		given.push([options.host, address, options.secure.serverName]);
		this.inner = new options.TCP.io({
			address,
			port,
			onReadable: (count: number) => callbacks.onReadable(count),
			onWritable: (count: number) => callbacks.onWritable(Math.min(MOST, count - 32)),
			onError: () => callbacks.onError(),
		} as ConstructorParameters<typeof TCP>[0]);
	}

	read(into: Uint8Array): number | undefined {
		return this.inner?.read(into as never) as unknown as number | undefined;
	}

	write(bytes: Uint8Array): number | undefined {
		if (bytes.byteLength > MOST) throw new Error("would block");
		// As if the rest of the room had gone with it: the next event tells of more.
		return this.inner?.write(bytes) === undefined ? undefined : MOST - bytes.byteLength;
	}

	close(): void {
		if (!this.inner) throw new Error("closed already");
		this.inner.close();
		this.inner = undefined;
	}
}

/** As the options of `device.network.mqtts`. */
const mqtts = {
	io: Client,
	socket: {
		io: WrappingSocket as unknown as AnySocketOptions["io"],
		TCP: { io: TCP },
		secure: { serverName: "broker" },
	},
};

export const reasons: number[] = [];
export let answered = 0;
export const client = new Client({
	link: new TcpLink({ ...mqtts, host: "127.0.0.1", port: config.port }),
	clientId: "board",
	retryBase: 0.01,
	retryCap: 0.02,
	onDisconnect: (reason) => {
		reasons.push(reason);
	},
});
/** Messages of 60 bytes that came as they were published. */
export let intact = 0;
const payload = Uint8Array.from({ length: 60 }, (_, i) => i * 7);
client.subscribe("t", 1, (message) => {
	const { payload: came } = message;
	if (came.length === 60 && came.every((byte, i) => byte === payload[i])) intact++;
	else answered++;
	if (answered === 1) {
		client.stop(); // closes the socket within its own callback
		client.start();
	}
});
const topic = client.topic("t", { qos: 1 });
topic.publishNumber(1, 0);
/** More than the socket takes at a time. */
export const burst = () => {
	for (let i = 0; i < 15; i++) topic.publish(payload);
};
export const publish = () => topic.publishNumber(2, 0);
client.start();
