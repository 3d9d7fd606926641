/** What the broker keeps for one client identifier (section 3.1.2.4). Called by the broker and the connection. */
import type { Level } from "./check.js";
import { Inbound } from "./inbound.js";
import { Outbound, type Send } from "./outbound.js";
import type { Message } from "./topics.js";

export class Session {
	readonly clientId: string;
	/** Ends with its connection. */
	readonly isClean: boolean;
	/** Topic filters, and the QoS that was granted for each. */
	readonly subscriptions = new Map<string, number>();
	readonly inbound = new Inbound();
	readonly outbound: Outbound;
	/** How to reach the client; undefined while it is away. */
	#send: Send | undefined;

	constructor(clientId: string, isClean: boolean, window: number, limit: number) {
		this.clientId = clientId;
		this.isClean = isClean;
		this.outbound = new Outbound(window, limit);
	}

	/** Sends again what is in flight, then what waited. */
	resume(level: Level, send: Send): void {
		this.#send = send;
		this.inbound.resume();
		this.outbound.resume(level, send);
	}

	/** The client is away. */
	suspend(): void {
		this.#send = undefined;
	}

	/** At QoS 0 a client that is away misses the message. The result was dropped for it: the queue was full. */
	deliver(message: Message): Message | undefined {
		if (message.qos === 0) {
			this.#send?.({ cmd: "publish", ...message, dup: false });
			return undefined;
		}
		this.outbound.push(message);
		if (this.#send !== undefined) this.outbound.pump(this.#send);
		return this.outbound.dropOldest();
	}
}
