/**
 * A Link over a UART of Espruino: bytes as they are. Put a FramedLink around it where the other end has one, too. The UART stays
 * open once it is, as opening it again would lose what it has received.
 */
import { fail, number, whole } from "../../src/check.js";
import type { Clock, Link, LinkOwner } from "../../src/host.js";
import { clock } from "./clock.js";

export interface SerialLinkOptions {
	/**
	 * Espruino's object, such as `Serial1`. Espruino's console must not be on it: on an ESP8266 it is, and
	 * `LoopbackA.setConsole()` moves it away.
	 */
	port: EspruinoSerial;
	/** Bits per second; default 115,200. */
	baudRate?: number;
	/** What Espruino's `setup` of the UART takes besides: `{ tx: D4, rx: D5 }`, or on Linux `{ path: "/dev/ttyUSB0" }`. */
	setup?: object;
	/** Bytes that the client sees at a time, default 64, which is what Espruino hands over at most. */
	receive?: number;
}

export class SerialLink implements Link {
	readonly clock: Clock = clock;
	room = 0;
	outgoing!: Uint8Array;
	incoming!: Uint8Array;
	/** @internal */
	readonly receive: number;
	/** @internal */
	owner!: LinkOwner;
	/** @internal */
	inbox = 0;
	private readonly options: SerialLinkOptions;
	private readonly baudRate: number;
	private outbox = 0;
	/** The UART is set up. */
	private isSetUp = false;

	/** Throws an Error if an option is not what it must be. */
	constructor(options: SerialLinkOptions) {
		if (!options.port) fail("port must be a UART of Espruino, such as Serial1");
		this.options = options;
		this.baudRate = whole(options.baudRate, 115_200, 1, 20_000_000, "baudRate (bits per second)");
		this.receive = number(options.receive, 64, 16, 65_536, "receive (bytes)") & ~3;
	}

	attach(owner: LinkOwner, outbox: number, output: number, inbox: number): void {
		this.owner = owner;
		this.outbox = outbox;
		this.inbox = inbox;
		this.outgoing = new Uint8Array(outbox + output);
		this.incoming = new Uint8Array(inbox + this.receive);
	}

	open(): void {
		const { port, setup } = this.options;
		try {
			if (!this.isSetUp) {
				port.setup(this.baudRate, setup);
				port.link = this;
				port.on("data", onData);
				this.isSetUp = true;
			}
			this.room = this.outgoing.length - this.outbox;
		} catch {
			// There is no such device.
		}
		setTimeout(opened, 0, this);
	}

	/** Espruino waits for room itself. Allocates a view, and lets it go. */
	send(length: number): void {
		this.options.port.write(new Uint8Array(this.outgoing.buffer as ArrayBuffer, this.outbox, length));
	}

	close(): void {
		this.room = 0;
	}

	encode(text: string): Uint8Array {
		return text === "" ? new Uint8Array(0) : E.toUint8Array(text);
	}
}

function opened(link: SerialLink): void {
	if (link.room !== 0) link.owner.onWritable();
	else link.owner.onClosed();
}

/** Called with the UART as `this`. */
function onData(this: EspruinoSerial, text: string): void {
	const link = this.link as SerialLink;
	const { receive } = link;
	for (let at = 0; at < text.length && link.room !== 0; at += receive) {
		const piece = text.substr(at, receive);
		link.incoming.set(piece as never, link.inbox);
		link.owner.onReceived(piece.length);
	}
}
