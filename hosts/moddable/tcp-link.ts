/** A Link over an ECMA-419 TCP socket. Once it is set up, opening a connection makes one socket object, and nothing else allocates. */
import TCP from "embedded:io/socket/tcp";
import { fail, number, portNumber } from "../../src/check.js";
import { setTimer } from "./clock.js";
import { DeviceLink, grow, shrink } from "./device-link.js";
import { type DnsOptions, Lookup } from "./dns.js";
import { type AnySocketOptions, adapted } from "./socket.js";

/** What is used of an ECMA-419 socket. The published typings miss `target` and the result of `write`. */
export interface Socket {
	readonly target: TcpLink;
	read(into: Uint8Array): number | undefined;
	write(bytes: Uint8Array): number | undefined;
	close(): void;
}

export interface SocketOptions {
	address: string;
	/** The broker's name, for a socket that has to know it, as TLS does. */
	host: string;
	port: number;
	nodelay: boolean;
	target: TcpLink;
	onReadable(this: Socket, count: number): void;
	onWritable(this: Socket, count: number): void;
	onError(this: Socket): void;
}

export type SocketClass = new (options: SocketOptions) => Socket;

export interface TcpLinkOptions {
	/** The broker's IPv4 address, such as "192.168.1.10"; with `dns` also its name. */
	host: string;
	/** Default 1883. */
	port?: number;
	/** Bytes that are read at a time, default 256: larger is faster, smaller saves memory. */
	receive?: number;
	/**
	 * Finds the address of a name: `systemDns`, or a resolver of ECMA-419 with what it wants to know, such as
	 * `device.network.mqtt.dns`. It is asked whenever a connection is opened.
	 */
	dns?: DnsOptions;
	/**
	 * Another class of ECMA-419 sockets, `io`, with what it wants to know beside address and port: so
	 * `{ io: TLSSocket, TCP: { io: TCP }, secure: {} }`, or `device.network.mqtts.socket`.
	 */
	socket?: AnySocketOptions;
}

export class TcpLink extends DeviceLink {
	private readonly options: SocketOptions;
	private readonly Socket: SocketClass;
	/** Where the address of a name comes from. */
	private readonly lookup: Lookup | undefined;
	private socket: Socket | undefined;

	/** Throws an Error if the host is not an IPv4 address, nor a name with `dns` beside it, or another option is wrong. */
	constructor(options: TcpLinkOptions) {
		super(number(options.receive, 256, 16, 65_536, "receive (bytes)") & ~3);
		const { host } = options;
		const isName = typeof host === "string" && !/^\d{1,3}(\.\d{1,3}){3}$/.test(host) && host !== "";
		if (typeof host !== "string" || host === "" || (isName && options.dns === undefined)) {
			fail(
				`host must be an IPv4 address such as "192.168.1.10", not ${JSON.stringify(host)}; for a name add dns: systemDns`,
			);
		}
		this.Socket = TCP as unknown as SocketClass;
		this.options = {
			address: host,
			host,
			port: portNumber(options.port),
			nodelay: true,
			target: this,
			onReadable,
			onWritable,
			onError,
		};
		if (options.socket !== undefined) this.Socket = adapted(options.socket);
		if (options.dns !== undefined) this.lookup = isName ? new Lookup(this, host, options.dns) : undefined;
	}

	open(): void {
		if (this.lookup) this.lookup.begin();
		else this.connect();
	}

	/** @internal Connects to the address that is known by now. */
	connect(): void {
		try {
			this.socket = new this.Socket(this.options);
		} catch {
			this.fail(); // such as for want of memory
		}
	}

	/** @internal A name has this address; undefined: nobody knows. */
	resolved(address: string | undefined): void {
		if (address === undefined) this.fail();
		else {
			this.options.address = address;
			this.connect();
		}
	}

	send(length: number): void {
		const bytes = this.head(length);
		try {
			const room = this.socket?.write(bytes);
			if (room === undefined)
				this.fail(); // no event would follow
			else this.room = room;
		} catch {
			this.fail();
		}
		grow(this.outgoingTail);
	}

	private fail(): void {
		this.close();
		setTimer(this.later, 0);
	}

	close(): void {
		setTimer(this.later, -1);
		if (this.lookup) this.lookup.end();
		const socket = this.socket;
		if (!socket) return;
		this.socket = undefined;
		this.room = 0;
		socket.close();
	}

	/** @internal */
	onTimer(): void {
		this.owner.onClosed();
	}

	/** @internal */
	writable(socket: Socket, count: number): void {
		if (this.socket !== socket) return;
		this.room = count;
		this.owner.onWritable();
	}

	/** @internal Reads all that is there: it will not be told of again. */
	readable(socket: Socket, count: number): void {
		const tail = this.incomingTail;
		const { receive } = this;
		while (count > 0 && this.socket === socket) {
			const length = count < receive ? count : receive;
			shrink(tail, length);
			let got: number | undefined;
			try {
				got = socket.read(tail);
			} catch {
				// It broke meanwhile: nothing was read.
			}
			grow(tail);
			if (got !== length) {
				this.broken(socket);
				return;
			}
			count -= length;
			this.owner.onReceived(length);
		}
	}

	/** @internal */
	broken(socket: Socket): void {
		if (this.socket !== socket) return;
		this.close();
		this.owner.onClosed();
	}
}

// Called with the socket as `this`; one set for all links, so that a connection makes no functions.

function onReadable(this: Socket, count: number): void {
	this.target.readable(this, count);
}

function onWritable(this: Socket, count: number): void {
	this.target.writable(this, count);
}

function onError(this: Socket): void {
	this.target.broken(this);
}
