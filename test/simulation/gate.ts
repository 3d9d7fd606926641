/**
 * What stands between the network and the strict broker, packet by packet: one that needs a while for its CONNACK,
 * and does not take what comes before it, but closes or does not look at it; and whoever takes the ages out of the
 * payloads, since for the strict broker a message that comes again must be the same, byte for byte.
 */
import type { Connection, End } from "./network.js";
import { Splitter } from "./packets.js";
import type { Line } from "./server.js";
import type { World } from "./world.js";

export type Impatience = "closes" | "ignores";

/** In front of a connection to the strict broker. */
export class Gate implements End {
	private readonly splitter = new Splitter();
	private readonly connection: Connection;
	private isOpen = false;
	private hasAsked = false;
	private isShut = false;

	constructor(
		private readonly world: World,
		private readonly line: Line,
		private readonly impatience: Impatience | undefined,
		private readonly plain: (packet: Uint8Array) => Uint8Array,
	) {
		this.connection = line.connection;
	}

	received(bytes: Uint8Array): void {
		const { world, line } = this;
		// Whole packets, so that one of them can be left out.
		this.splitter.feed(bytes, (packet) => {
			if (this.isShut) return;
			if (this.isOpen || this.impatience === undefined) line.received(this.plain(packet));
			else if (this.hasAsked) this.refuse();
			else {
				this.hasAsked = true;
				const connect = packet.slice();
				world.time.after(1 + world.about(5), () => {
					if (this.isShut) return;
					this.isOpen = true;
					line.received(connect);
				});
			}
		});
	}

	closed(): void {
		this.isShut = true;
		this.line.closed();
	}

	private refuse(): void {
		const { world, line, connection, impatience } = this;
		if (impatience === "ignores") {
			world.fault("ignores pipelining", connection.name);
			return;
		}
		world.fault("closes on pipelining", connection.name);
		this.isShut = true;
		line.closed();
		connection.dismiss();
	}
}
