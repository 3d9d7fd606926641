/** A Link over Node's `net`: the client on a desk, a gateway, or in a test. */
import { Socket } from "node:net";
import { fail, portNumber } from "../../src/check.js";
import type { Clock, Link, LinkOwner } from "../../src/host.js";
import { clock } from "./clock.js";

export interface TcpLinkOptions {
	/** Name or address of the broker. */
	host: string;
	/** Default 1883. */
	port?: number;
	/** Another clock than Node's, for a test. */
	clock?: Clock;
}

/** Bytes of a chunk from the socket that the client sees at a time. */
const RECEIVE = 4096;

/** How long a closed socket may take to get rid of its last bytes, in milliseconds. */
const LINGER = 1000;

export class TcpLink implements Link {
	readonly clock: Clock;
	room = 0;
	outgoing = new Uint8Array(0);
	incoming = new Uint8Array(0);
	/** What the operating system said when the link broke last, to show to a person. */
	error = "";
	private readonly host: string;
	private readonly port: number;
	private owner!: LinkOwner;
	private outbox = 0;
	private inbox = 0;
	private socket: Socket | undefined;

	/** Throws an Error if the host is not a name or the port is not a port. */
	constructor(options: TcpLinkOptions) {
		if (typeof options.host !== "string" || options.host === "") fail("host must be the broker's name or address");
		this.host = options.host;
		this.port = portNumber(options.port);
		this.clock = options.clock ?? clock;
	}

	attach(owner: LinkOwner, outbox: number, output: number, inbox: number): void {
		this.owner = owner;
		this.outbox = outbox;
		this.inbox = inbox;
		this.outgoing = new Uint8Array(outbox + output);
		this.incoming = new Uint8Array(inbox + RECEIVE);
	}

	open(): void {
		const socket = new Socket();
		this.socket = socket;
		this.error = "";
		socket.setNoDelay(true);
		const writable = () => {
			this.room = this.outgoing.length - this.outbox;
			this.owner.onWritable();
		};
		socket.on("connect", writable);
		socket.on("drain", writable);
		socket.on("data", (chunk: Buffer) => this.receive(socket, chunk));
		socket.on("error", (error) => {
			this.error = error.message;
		});
		socket.on("end", () => socket.destroy());
		socket.on("close", () => {
			if (this.socket !== socket) return;
			this.room = 0;
			this.owner.onClosed();
		});
		socket.connect(this.port, this.host);
	}

	private receive(socket: Socket, chunk: Uint8Array): void {
		for (let at = 0; at < chunk.length && this.socket === socket; at += RECEIVE) {
			const piece = chunk.subarray(at, at + RECEIVE);
			this.incoming.set(piece, this.inbox);
			this.owner.onReceived(piece.length);
		}
	}

	send(length: number): void {
		// A copy: Node holds on to what it is given until the kernel has taken it.
		if (!this.socket?.write(this.outgoing.slice(this.outbox, this.outbox + length))) this.room = 0;
	}

	close(): void {
		const socket = this.socket;
		if (!socket) return;
		this.socket = undefined;
		this.room = 0;
		socket.removeAllListeners("data").removeAllListeners("drain").removeAllListeners("connect");
		socket.resume();
		if (socket.connecting) socket.destroy();
		else {
			socket.destroySoon();
			setTimeout(() => socket.destroy(), LINGER).unref();
		}
	}

	encode(text: string): Uint8Array {
		if (/\p{Surrogate}/u.test(text)) fail(`a text holds half of a surrogate pair: ${JSON.stringify(text)}`);
		return new TextEncoder().encode(text);
	}
}
