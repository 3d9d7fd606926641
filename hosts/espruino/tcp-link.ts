/**
 * A Link over Espruino's `net`. Its sockets take and give strings of bytes, and queue without a limit: so
 * the output is sent as a part of one string that is the same memory, and never while bytes still wait.
 */
import { fail, number, portNumber } from "../../src/check.js";
import type { Clock, Link, LinkOwner } from "../../src/host.js";
import { clock } from "./clock.js";

export interface TcpLinkOptions {
	/** The broker's name or address. */
	host: string;
	/** Default 1883. */
	port?: number;
	/** Bytes that the client sees at a time, default 128. */
	receive?: number;
}

export class TcpLink implements Link {
	readonly clock: Clock = clock;
	room = 0;
	outgoing!: Uint8Array;
	incoming!: Uint8Array;
	private readonly options: { host: string; port: number };
	private readonly receive: number;
	private owner!: LinkOwner;
	private socket: EspruinoSocket | undefined;
	/** The same memory as `outgoing`. */
	private text!: string;
	private outbox = 0;
	private inbox = 0;

	/** Throws an Error if the host is not a name or the port is not a port. */
	constructor(options: TcpLinkOptions) {
		if (typeof options.host !== "string" || options.host === "") fail("host must be the broker's name or address");
		this.options = { host: options.host, port: portNumber(options.port) };
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
			// Some builds connect before this returns, and throw where there is nobody.
			const socket = require("net").connect(this.options, onWritable);
			this.socket = socket;
			socket.link = this;
			socket.on("data", onData);
			socket.on("drain", onWritable);
			socket.on("end", onClose);
			socket.on("error", onClose);
			socket.on("close", onClose);
		} catch {
			setTimeout(() => this.broken(undefined), 0);
		}
	}

	send(length: number): void {
		this.room = 0;
		const { socket } = this;
		try {
			socket?.write(this.text.substr(this.outbox, length));
		} catch {
			// It has died, and its event still waits its turn.
			setTimeout(() => this.broken(socket), 0);
		}
	}

	close(): void {
		const socket = this.socket;
		this.socket = undefined;
		this.room = 0;
		if (socket) socket.end();
	}

	encode(text: string): Uint8Array {
		return text === "" ? new Uint8Array(0) : E.toUint8Array(text);
	}

	/** @internal */
	writable(socket: EspruinoSocket): void {
		if (this.socket !== socket || socket.dSnd) return;
		this.room = this.outgoing.length - this.outbox;
		this.owner.onWritable();
	}

	/** @internal */
	received(socket: EspruinoSocket, text: string): void {
		// The data of a reply comes before the drain of its request.
		if (this.socket === socket && !socket.dSnd) this.room = this.outgoing.length - this.outbox;
		const size = this.receive;
		for (let at = 0; at < text.length && this.socket === socket; at += size) {
			const piece = text.substr(at, size);
			this.incoming.set(piece as never, this.inbox);
			this.owner.onReceived(piece.length);
		}
	}

	/** @internal */
	broken(socket: EspruinoSocket | undefined): void {
		if (this.socket !== socket) return;
		this.socket = undefined;
		this.room = 0;
		this.owner.onClosed();
	}
}

// Called with the socket as `this`; one set for all connections, without a cycle to be collected.

function onData(this: EspruinoSocket, text: string): void {
	(this.link as TcpLink).received(this, text);
}

function onWritable(this: EspruinoSocket): void {
	(this.link as TcpLink).writable(this);
}

function onClose(this: EspruinoSocket): void {
	(this.link as TcpLink).broken(this);
}
