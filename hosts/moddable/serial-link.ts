/**
 * A Link over an ECMA-419 serial port: the bytes as they are. Put a FramedLink around it where the other end has one, too. On boards
 * nothing is allocated once the port is open; the simulators' ports want a buffer of its own for each piece.
 */
import { fail, whole } from "../../src/check.js";
import { setTimer } from "./clock.js";
import { DeviceLink, grow, shrink } from "./device-link.js";

/** What is used of a serial port. Boards take views; simulators (`device` among the options) take and give buffers. */
interface Port {
	readonly target: SerialLink;
	read(into: Uint8Array | number): number | ArrayBuffer | undefined;
	write(bytes: Uint8Array | ArrayBuffer): void;
	close(): void;
}

interface PortOptions {
	baud: number;
	target: SerialLink;
	onReadable(this: Port, count: number): void;
	onWritable(this: Port, count: number): void;
	onError(this: Port): void;
}

/**
 * The class of the port, `io`, with what it wants to know: on an ESP32 `port`, `transmit` and `receive` (pins), on an ESP8266 nothing, in
 * a simulator `device`. So `{ io: Serial, port: 2, transmit: 17, receive: 16 }`, or `device.Serial.default`.
 */
export interface SerialLinkOptions {
	/** The default export of Moddable's module "embedded:io/serial". */
	io: new (
		options: never,
	) => unknown;
	/** Bits per second; default 115,200. */
	baud?: number;
	[option: string]: unknown;
}

/** Bytes that are read at a time: what the UART of an ESP8266 or an ESP32 keeps. */
const RECEIVE = 128;

export class SerialLink extends DeviceLink {
	private readonly Port: new (
		options: PortOptions,
	) => Port;
	private readonly options: PortOptions;
	/** The port gives and takes buffers. */
	private readonly isSimulated: boolean;
	/** Open from the first opening of the link on: to open it anew would lose bytes. */
	private port: Port | undefined;
	/** The owner has opened the link, and is told of it. */
	private isOpen = false;
	/** Bytes that the port takes now. */
	private free = 0;

	/** Throws an Error if `io` is no class, or `baud` no number of bits per second. */
	constructor(options: SerialLinkOptions) {
		super(RECEIVE);
		if (typeof options.io !== "function") fail('io must be the class Serial, from "embedded:io/serial"');
		this.Port = options.io as unknown as new (options: PortOptions) => Port;
		this.isSimulated = options.device !== undefined;
		this.options = {
			...options,
			baud: whole(options.baud, 115_200, 1, 20_000_000, "baud (bits per second)"),
			target: this,
			onReadable,
			onWritable,
			onError,
		};
	}

	open(): void {
		this.isOpen = true;
		try {
			if (this.port === undefined) this.port = new this.Port(this.options);
			else setTimer(this.later, 0);
		} catch {
			setTimer(this.later, 0);
		}
	}

	send(length: number): void {
		const { port, outgoingTail } = this;
		try {
			if (this.isSimulated) {
				this.free = 0; // until it says that this is done
				port?.write(outgoingTail.slice(0, length).buffer);
			} else {
				this.free -= length;
				port?.write(this.head(length));
			}
		} catch {
			this.give();
		}
		grow(outgoingTail);
		this.room = Math.min(this.free, outgoingTail.length);
	}

	/** What was sent leaves all the same: the port stays open. */
	close(): void {
		this.isOpen = false;
		this.room = 0;
		setTimer(this.later, -1);
	}

	/** Gives a broken port back, and tells the owner a moment later. */
	private give(): void {
		const { port } = this;
		this.port = undefined;
		this.free = 0;
		setTimer(this.later, 0);
		try {
			port?.close();
		} catch {
			// It has closed itself already.
		}
	}

	/** @internal The port was there already, or is not there. */
	onTimer(): void {
		if (!this.isOpen) return;
		if (this.port === undefined) {
			this.isOpen = false;
			this.room = 0;
			this.owner.onClosed();
		} else if (this.free > 0) this.writable(this.port, this.free);
	}

	/** @internal */
	writable(port: Port, count: number): void {
		if (this.port !== port) return;
		this.free = count;
		if (!this.isOpen) return;
		this.room = Math.min(count, this.outgoingTail.length);
		this.owner.onWritable();
	}

	/** @internal Reads all that is there, and throws it away while nobody listens. */
	readable(port: Port, count: number): void {
		const tail = this.incomingTail;
		while (count > 0 && this.port === port) {
			let length = count < RECEIVE ? count : RECEIVE;
			try {
				if (this.isSimulated) {
					const bytes = new Uint8Array(port.read(length) as ArrayBuffer);
					tail.set(bytes);
					length = bytes.length;
				} else {
					shrink(tail, length);
					length = port.read(tail) as number;
				}
			} catch {
				length = 0;
			}
			grow(tail);
			if (!(length > 0)) return;
			count -= length;
			if (this.isOpen) this.owner.onReceived(length);
		}
	}

	/** @internal */
	broken(port: Port): void {
		if (this.port === port) this.give();
	}
}

// Called with the port as `this`.

function onReadable(this: Port, count: number): void {
	this.target.readable(this, count);
}

function onWritable(this: Port, count: number): void {
	this.target.writable(this, count);
}

function onError(this: Port): void {
	this.target.broken(this);
}
