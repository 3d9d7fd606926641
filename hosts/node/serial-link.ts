/**
 * A Link over a serial line, with npm's `serialport`: a device such as /dev/ttyUSB0 or COM3, or a pty. The bytes as they are: put a
 * FramedLink around it where the other end has one, too.
 */
import { lstatSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import type { SerialPort } from "serialport";
import { fail, whole } from "../../src/check.js";
import type { Clock, Link, LinkOwner } from "../../src/host.js";
import { clock } from "./clock.js";

export interface SerialLinkOptions {
	/** The device: "/dev/ttyUSB0", "COM3", a pty. */
	path: string;
	/** Bits per second; default 115,200. */
	baudRate?: number;
	/** Hardware flow control by RTS and CTS; default false. */
	rtscts?: boolean;
	/**
	 * Keeps the device open from one opening of the link to the next, until `release`: opening it changes DTR and RTS, which
	 * resets many boards. Default false.
	 */
	hold?: boolean;
	/** Another clock than Node's, for a test. */
	clock?: Clock;
}

/** Bytes of a chunk from the device that the client sees at a time. */
const RECEIVE = 1024;

/** How long a device that is closed may take to get rid of its last bytes, in milliseconds. */
const LINGER = 1000;

/** Milliseconds between two looks whether the device is still there: `serialport` does not always notice that it is not. */
const LOOK = 500;

export class SerialLink implements Link {
	readonly clock: Clock;
	room = 0;
	outgoing = new Uint8Array(0);
	incoming = new Uint8Array(0);
	/** What the operating system said when the device could not be opened or has vanished, to show to a person. */
	error = "";
	private readonly options: SerialLinkOptions;
	private readonly Port: typeof SerialPort;
	private owner!: LinkOwner;
	private outbox = 0;
	private inbox = 0;
	/** Open, or being opened. */
	private port: SerialPort | undefined;
	/** The owner has opened the link, and is told of it. */
	private isOpen = false;
	/** Done when the device that was closed last is. */
	private closed: Promise<void> = Promise.resolve();

	/** Throws an Error if `serialport` is not installed, or an option is not what it must be. */
	constructor(options: SerialLinkOptions) {
		const { path } = options;
		if (typeof path !== "string" || path === "") fail('path must be a device such as "/dev/ttyUSB0" or "COM3"');
		const baudRate = whole(options.baudRate, 115_200, 1, 20_000_000, "baudRate (bits per second)");
		this.options = { ...options, baudRate };
		this.clock = options.clock ?? clock;
		this.Port = serialport();
	}

	attach(owner: LinkOwner, outbox: number, output: number, inbox: number): void {
		this.owner = owner;
		this.outbox = outbox;
		this.inbox = inbox;
		this.outgoing = new Uint8Array(outbox + output);
		this.incoming = new Uint8Array(inbox + RECEIVE);
	}

	open(): void {
		this.isOpen = true;
		const { port } = this;
		if (port !== undefined)
			setImmediate(() => this.writable(port)); // it was held
		else this.closed.then(() => this.openDevice());
	}

	private openDevice(): void {
		if (!this.isOpen || this.port !== undefined) return;
		const { path, baudRate = 0, rtscts = false } = this.options;
		const port = new this.Port({ path, baudRate, rtscts, autoOpen: false });
		this.port = port;
		this.error = "";
		const node = nodeOf(path);
		const broken = (error: Error | null) => {
			clearInterval(timer);
			if (error) this.error = error.message.replace(/^Error:? /, "");
			if (this.port !== port) return;
			this.port = undefined;
			this.room = 0;
			if (!this.isOpen) return;
			this.isOpen = false;
			this.owner.onClosed();
		};
		const timer = setInterval(() => {
			if (nodeOf(path) === node || !port.isOpen) return;
			this.error = "the device is gone";
			port.close();
		}, LOOK);
		timer.unref();
		port.on("data", (chunk: Buffer) => this.receive(port, chunk));
		port.on("close", broken);
		port.on("error", broken);
		port.open((error) => {
			if (error) broken(error);
			else if (this.port === port) this.writable(port);
			else this.closed = close(port); // nobody waits for it any more
		});
	}

	private writable(port: SerialPort): void {
		if (this.port !== port || !this.isOpen || !port.isOpen) return;
		this.room = this.outgoing.length - this.outbox;
		this.owner.onWritable();
	}

	private receive(port: SerialPort, chunk: Uint8Array): void {
		for (let at = 0; at < chunk.length && this.port === port && this.isOpen; at += RECEIVE) {
			const piece = chunk.subarray(at, at + RECEIVE);
			this.incoming.set(piece, this.inbox);
			this.owner.onReceived(piece.length);
		}
	}

	send(length: number): void {
		const { port } = this;
		if (port === undefined) return;
		this.room = 0;
		// A copy: it is held on to until the device has taken it.
		const bytes = Buffer.from(this.outgoing.subarray(this.outbox, this.outbox + length));
		port.write(bytes, undefined, (error) => {
			if (!error) this.writable(port); // where there is an error, "close" follows
		});
	}

	close(): void {
		this.isOpen = false;
		this.room = 0;
		if (!this.options.hold) this.release();
	}

	/** For a device that is held: closes it, and the link. */
	release(): void {
		const { port } = this;
		this.isOpen = false;
		this.room = 0;
		this.port = undefined;
		if (port?.isOpen) this.closed = close(port);
	}

	encode(text: string): Uint8Array {
		if (/\p{Surrogate}/u.test(text)) fail(`a text holds half of a surrogate pair: ${JSON.stringify(text)}`);
		return new TextEncoder().encode(text);
	}
}

/** What stands under this name in the file system: another one after a device was unplugged and has come back. */
function nodeOf(path: string): string {
	if (process.platform === "win32") return path;
	try {
		const entry = lstatSync(path);
		return `${entry.ino} ${entry.isSymbolicLink() ? entry.birthtimeMs : 0} ${statSync(path).rdev}`;
	} catch {
		return "";
	}
}

/** Closes a device, once what was written has left. */
async function close(port: SerialPort): Promise<void> {
	let timer: NodeJS.Timeout | undefined;
	await new Promise<void>((resolve) => {
		timer = setTimeout(resolve, LINGER);
		port.drain(() => resolve());
	});
	clearTimeout(timer);
	if (port.isOpen) await new Promise<void>((resolve) => port.close(() => resolve()));
}

/** The class of the package, which is loaded when the first link is made: most clients have none. */
function serialport(): typeof SerialPort {
	try {
		return createRequire(import.meta.url)("serialport").SerialPort;
	} catch (error) {
		return fail(
			`a serial link needs the package serialport; "npm install serialport" gets it (${(error as Error).message.split("\n", 1)[0]})`,
		);
	}
}
