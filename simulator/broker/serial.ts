/**
 * The companion broker's end of a serial line: each opening of the line is a stream for the engine. The device stays open all the
 * while, since opening it resets many boards; where it is unplugged, it is looked for until it is there again.
 */
import { FramedLink, SerialLink } from "../../hosts/node/index.js";
import type { Link, LinkOwner } from "../../src/host.js";
import { Complaint } from "../complaint.js";
import type { BrokerEngine } from "./engine.js";
import { LinkStream } from "./link-stream.js";

export interface SerialDevice {
	/** Such as /dev/ttyUSB0 or COM3. */
	path: string;
	/** Bits per second. */
	baudRate: number;
	/** The bytes as they are, in place of frames. */
	raw: boolean;
}

/** Bytes that we may leave unread: a desk reads at once, and its driver keeps more. */
const BUFFER = 1024;

/** Bytes that the engine hands to the line at a time. */
const OUTPUT = 1024;

/** Milliseconds between two looks for a device that is gone. */
const LOOK = 500;

/** Milliseconds for the last frames of a stream that the engine has closed, before the line opens again. */
const LINGER = 500;

/** A SerialLink that also tells whether its device is there. */
class Device extends SerialLink {
	onPresent: (isPresent: boolean) => void = () => {};

	override attach(owner: LinkOwner, outbox: number, output: number, inbox: number): void {
		const watched: LinkOwner = {
			onWritable: () => {
				this.onPresent(true);
				owner.onWritable();
			},
			onReceived: (length) => owner.onReceived(length),
			onClosed: () => {
				this.onPresent(false);
				owner.onClosed();
			},
		};
		super.attach(watched, outbox, output, inbox);
	}
}

export class SerialEndpoint implements LinkOwner {
	readonly #device: SerialDevice;
	readonly #engine: BrokerEngine;
	readonly #line: Device;
	/** What the streams run over: the line, or frames on it. */
	readonly #link: Link;
	#stream: LinkStream | undefined;
	#timer: NodeJS.Timeout | undefined;
	#isPresent = true;
	#isClosing = false;

	/**
	 * Resolves when the device is open; `say` is told in words when it goes, and when it is back. Rejects with a Complaint where it
	 * cannot be opened.
	 */
	static async open(engine: BrokerEngine, device: SerialDevice, say: (text: string) => void): Promise<SerialEndpoint> {
		let endpoint: SerialEndpoint;
		try {
			endpoint = new SerialEndpoint(engine, device);
		} catch (error) {
			throw new Complaint((error as Error).message.replace(/^mqtt-mote: /, "")); // serialport is not installed
		}
		const line = endpoint.#line;
		const isPresent = await new Promise<boolean>((resolve) => {
			line.onPresent = resolve;
			endpoint.#link.open();
		});
		line.onPresent = (isPresent) => {
			if (isPresent !== endpoint.#isPresent) {
				say(isPresent ? `${device.path} is back` : `${device.path} is gone (${line.error}); waiting for it`);
			}
			endpoint.#isPresent = isPresent;
		};
		if (isPresent) return endpoint;
		endpoint.close();
		throw new Complaint(
			`the serial device ${device.path} cannot be opened (${line.error}); is it plugged in, and free?`,
		);
	}

	private constructor(engine: BrokerEngine, device: SerialDevice) {
		const { path, baudRate, raw } = device;
		this.#device = device;
		this.#engine = engine;
		this.#line = new Device({ path, baudRate, hold: true });
		this.#link = raw ? this.#line : new FramedLink(this.#line, { buffer: BUFFER });
		this.#link.attach(this, 0, OUTPUT, 0);
	}

	/** @internal */
	onWritable(): void {
		if (this.#stream) this.#stream.proceed();
		// On a raw line there is somebody as soon as something has come.
		else if (!this.#device.raw) this.#begin();
	}

	/** @internal */
	onReceived(length: number): void {
		(this.#stream ?? this.#begin()).received(length);
	}

	/** @internal The other end has closed, or has reset; or the device is gone. */
	onClosed(): void {
		const stream = this.#stream;
		this.#stream = undefined;
		stream?.destroy();
		this.#openIn(this.#isPresent ? 0 : LOOK);
	}

	#begin(): LinkStream {
		const stream = new LinkStream(this.#link);
		this.#stream = stream;
		stream.on("error", () => {}); // "close" follows
		stream.on("close", () => {
			if (this.#stream !== stream) return;
			this.#stream = undefined;
			this.#link.close();
			// On a raw line the next CONNECT may be on its way.
			if (this.#device.raw && !this.#isClosing) this.#link.open();
			else this.#openIn(LINGER);
		});
		this.#engine.handle(stream);
		return stream;
	}

	#openIn(milliseconds: number): void {
		clearTimeout(this.#timer);
		if (!this.#isClosing) this.#timer = setTimeout(() => this.#link.open(), milliseconds);
	}

	/** Ends the stream, and gives the device back. */
	close(): void {
		this.#isClosing = true;
		clearTimeout(this.#timer);
		this.#stream?.destroy();
		this.#link.close();
		this.#line.release();
	}
}
