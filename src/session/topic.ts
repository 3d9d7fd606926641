/** A topic name to publish to, checked and encoded once: the topic handle. */
import type { RecordState } from "../memory/outbox.js";
import { writeDecimal } from "../wire/decimal.js";
import type { Decoded } from "../wire/decode.js";
import { publishHeader, writeLength } from "../wire/encode.js";
import type { QoS } from "../wire/packet.js";
import type { Age, Rules, WhenFull } from "./rules.js";
import type { Session } from "./session.js";

export interface TopicOptions {
	/**
	 * 0 (the default): sent once and forgotten. 1: kept until the broker has acknowledged it. 2: kept until the broker has
	 * completed it, which publishes it once; needs the client's option `exactlyOnce`.
	 */
	qos?: QoS;
	/** The broker keeps the last message for later subscribers; one of zero bytes clears it (section 3.3.1.3). Default false. */
	retain?: boolean;
	/**
	 * Where the outbox has no room: "reject" (the default), `publish` says false (`status.rejected`). "drop-oldest": messages of
	 * this topic that were never sent go, the oldest first, as few as needed (`status.dropped`); none, if that is not enough. "latest":
	 * of this topic one such message waits at most, and the next one takes its place, also where there is room (`status.replaced`).
	 */
	whenFull?: WhenFull;
	/**
	 * Seconds, 0.001 to 2,147,483: what was not sent in that time is dropped, when its turn has come or its room is needed
	 * (`status.expired`). Default: never. Each message takes 4 bytes more in the outbox.
	 */
	expiry?: number;
	/** At QoS 0 and 1, puts the age of each message behind its payload: `new Age()`. Each takes 4 bytes more in the outbox. */
	age?: Age;
}

/** In front of the payload of a topic that cannot go straight into the output. */
const NEVER_FITS = 0x40000000;

/** A topic whose payloads do not stand in the outbox: see stream.ts. */
export interface Streamed {
	readonly length: number;
	put(): void;
	sent(identifier: number): void;
	released(identifier: number): Decoded;
}

export class Topic {
	/** @internal The name with its length in front, as PUBLISH holds it. */
	readonly name: Uint8Array;
	readonly qos: QoS;
	/** @internal The first byte of its PUBLISH: QoS and RETAIN. */
	readonly header: number;
	/** @internal What a record of the outbox calls this topic. */
	readonly index: number;
	/** @internal Bytes that its records have behind their payload: the time of publishing, or nothing. */
	readonly trail: number;
	/** @internal */
	rules: Rules | undefined;
	/** The most bytes of its PUBLISH in front of the payload. */
	private readonly head: number;
	/** @internal */
	readonly session: Session;
	/** @internal Where its payloads come from, if not from the outbox. */
	stream: Streamed | undefined;

	constructor(session: Session, index: number, name: Uint8Array, qos: QoS, retain: boolean, trail: number) {
		this.session = session;
		this.index = index;
		this.name = name;
		this.trail = trail;
		// What is to be kept in the journal, or has a time, goes through the outbox.
		this.head = trail !== 0 || (qos !== 0 && session.journal) ? NEVER_FITS : 1 + 4 + name.length + 2;
		this.qos = qos;
		this.header = publishHeader(qos, retain);
	}

	/**
	 * Publishes the first `length` bytes of `payload`, or all of them; they are copied before this returns.
	 *
	 * True is a promise at QoS 1 and 2: the message stays in the outbox, and in the journal if there is one, until the broker has
	 * acknowledged it. At
	 * QoS 0 it means that the message was sent or waits to be. False: the outbox has no room for it, now
	 * (`status.rejected`) or ever (`status.oversized`), or `payload` is not that long. Never throws, and works
	 * without a connection.
	 */
	publish(payload: Uint8Array, length?: number): boolean {
		const session = this.session;
		if (length === undefined) length = payload.length;
		else if (length >>> 0 !== length || length > payload.length) return session.refuse(length);
		const bytes = session.bytes;
		let at = session.end;
		if (!session.clear || at + this.head + payload.length > bytes.length) return session.keep(this, payload, length);

		// Nothing waits in front of it, and it fits: straight into the output, and at QoS 1 into the outbox too. These
		// are the bytes of `writePublish`, whose call alone would take a tenth of the steps.
		let remaining = this.name.length + length;
		let identifier = 0;
		if (this.qos !== 0) {
			const outbox = session.outbox;
			identifier = session.nextIdentifier();
			if (!outbox.append(payload, length, this.index, identifier, this.qos as RecordState))
				return session.refuse(length);
			if (outbox.inFlight >= session.window) session.clear = false;
			remaining += 2;
		}
		bytes[at] = this.header;
		if (remaining < 128) {
			bytes[at + 1] = remaining;
			at += 2;
		} else at = writeLength(bytes, at + 1, remaining);
		bytes.set(this.name, at);
		at += this.name.length;
		if (identifier !== 0) {
			bytes[at] = identifier >> 8;
			bytes[at + 1] = identifier;
			at += 2;
		}
		bytes.set(payload, at);
		session.end = at + length;
		session.accepted++;
		session.sent++;
		session.transmit();
		return true;
	}

	/**
	 * Publishes a number as decimal text, rounded to `decimals` digits behind the point, 0 to 15: 21.5678 with 2
	 * is "21.57". False also for what is not a finite number, or has more digits than a double can hold.
	 */
	publishNumber(value: number, decimals: number): boolean {
		const scratch = this.session.scratch;
		const length = writeDecimal(scratch, 0, value, decimals);
		return length !== -1 && this.publish(scratch, length);
	}
}
