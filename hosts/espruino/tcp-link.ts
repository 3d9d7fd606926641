/**
 * A Link over Espruino's `net`, or its `tls`. Their sockets take and give strings of bytes, and queue without a limit: so
 * the output is sent as a part of one string that is the same memory, and never while bytes still wait.
 */
import { fail, number, portNumber } from "../../src/check.js";
import type { Clock, Link, LinkOwner } from "../../src/host.js";
import { clock } from "./clock.js";

/** How long what was sent last may take to leave, in milliseconds. */
const LINGER = 1000;

export interface TcpLinkOptions {
	/** The broker's name or address. */
	host: string;
	/** Default 1883, or 8883 with `tls`. */
	port?: number;
	/** Bytes that the client sees at a time, default 128. */
	receive?: number;
	/**
	 * With this, TLS through Espruino's `tls`, which ESP32 and Linux builds have: `ca`, `cert` and `key` are what stands in a DER
	 * file, as a text of bytes; `{}` for none of them. Espruino encrypts, and shows its own certificate; it does not check the
	 * broker's, not even with `ca`.
	 */
	tls?: { ca?: string; cert?: string; key?: string };
}

export class TcpLink implements Link {
	readonly clock: Clock = clock;
	room = 0;
	outgoing!: Uint8Array;
	incoming!: Uint8Array;
	/** @internal */
	readonly receive: number;
	/** @internal */
	owner!: LinkOwner;
	/** @internal */
	socket: EspruinoSocket | undefined;
	/** @internal Where the output begins, and where what was received does. */
	outbox = 0;
	/** @internal */
	inbox = 0;
	private readonly options: EspruinoAddress;
	private readonly library: "net" | "tls" = "net";
	/** The same memory as `outgoing`. */
	private text!: string;

	/** Throws an Error if the host is not a name or the port is not a port. */
	constructor(options: TcpLinkOptions) {
		const { host, port } = options;
		if (typeof host !== "string" || host === "") fail("host must be the broker's name or address");
		this.options = { host, port: portNumber(port) };
		if (options.tls !== undefined) {
			const { ca, cert, key } = options.tls;
			this.library = "tls";
			this.options = { host, port: port === undefined ? 8883 : this.options.port, ca, cert, key };
		}
		this.receive = number(options.receive, 128, 16, 65_536, "receive (bytes)") & ~3;
	}

	attach(owner: LinkOwner, outbox: number, output: number, inbox: number): void {
		this.owner = owner;
		this.outbox = outbox;
		this.inbox = inbox;
		this.outgoing = new Uint8Array(outbox + output);
		this.incoming = new Uint8Array(inbox + this.receive);
		this.text = E.toString(this.outgoing);
	}

	open(): void {
		try {
			// Some builds connect before this returns, which may take long, and throw where there is nobody.
			const socket = require(this.library).connect(this.options, onWritable);
			this.socket = socket;
			socket.link = this;
			socket.on("data", onData);
			socket.on("drain", onWritable);
			// It comes behind `end` and `error`, and always.
			socket.on("close", onClose);
		} catch {
			setTimeout(broken, 0, this, undefined);
		}
	}

	send(length: number): void {
		this.room = 0;
		try {
			this.socket?.write(this.text.substr(this.outbox, length));
		} catch {
			// It has died, and its `close` still waits its turn.
		}
	}

	close(): void {
		const { socket } = this;
		this.socket = undefined;
		this.room = 0;
		if (!socket) return;
		socket.end();
		// What a dead link does not take would keep the socket for ever.
		if (socket.dSnd) setTimeout(broken, LINGER, this, socket);
	}

	encode(text: string): Uint8Array {
		return text === "" ? new Uint8Array(0) : E.toUint8Array(text);
	}
}

// Called with the socket as `this`; one set for all connections, without a cycle to be collected.

function onWritable(this: EspruinoSocket): void {
	const link = this.link as TcpLink;
	if (link.socket !== this || this.dSnd) return;
	link.room = link.outgoing.length - link.outbox;
	link.owner.onWritable();
}

function onData(this: EspruinoSocket, text: string): void {
	const link = this.link as TcpLink;
	const { receive } = link;
	// The data of a reply comes before the drain of its request.
	if (link.socket === this && !this.dSnd) link.room = link.outgoing.length - link.outbox;
	for (let at = 0; at < text.length && link.socket === this; at += receive) {
		const piece = text.substr(at, receive);
		link.incoming.set(piece as never, link.inbox);
		link.owner.onReceived(piece.length);
	}
}

/** No connection came about; or one that was closed has not gone yet. */
function broken(link: TcpLink, socket: EspruinoSocket | undefined): void {
	if (socket) socket.dSnd = "";
	else if (!link.socket) link.owner.onClosed();
}

function onClose(this: EspruinoSocket): void {
	const link = this.link as TcpLink;
	if (link.socket !== this) return;
	link.socket = undefined;
	link.room = 0;
	link.owner.onClosed();
}
