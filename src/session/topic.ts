/** A topic name to publish to, checked and encoded once: the topic handle. */
import { publishFlags } from "../wire/encode.js";
import type { QoS } from "../wire/packet.js";
import type { Session } from "./session.js";

export class Topic {
	/** @internal The name with its length in front, as PUBLISH holds it. */
	readonly name: Uint8Array;
	readonly qos: QoS;
	/** @internal QoS and RETAIN as the first byte of PUBLISH holds them. */
	readonly flags: number;
	/** @internal What a record of the outbox calls this topic. */
	readonly index: number;
	private readonly session: Session;

	constructor(session: Session, index: number, name: Uint8Array, qos: QoS, retain: boolean) {
		this.session = session;
		this.index = index;
		this.name = name;
		this.qos = qos;
		this.flags = publishFlags(qos, retain);
	}

	/**
	 * Publishes the first `length` bytes of `payload`, or all of them; they are copied before this returns.
	 *
	 * True is a promise at QoS 1: the message stays in the outbox until the broker has acknowledged it. At
	 * QoS 0 it means that the message was sent or waits to be. False: the outbox has no room for it, now
	 * (`status.rejected`) or ever (`status.oversized`). Never throws, and works without a connection.
	 */
	publish(payload: Uint8Array, length?: number): boolean {
		return this.session.publish(this, payload, length === undefined ? payload.length : length);
	}

	/**
	 * Publishes a number as decimal text, rounded to `decimals` digits behind the point, 0 to 15: 21.5678 with 2
	 * is "21.57". False also for what is not a finite number, or has more digits than a double can hold.
	 */
	publishNumber(value: number, decimals: number): boolean {
		return this.session.publishNumber(this, value, decimals);
	}
}
