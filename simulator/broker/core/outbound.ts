/**
 * What the broker has to deliver at QoS 1 and 2 in one session: a window of messages in flight, and behind it those
 * that wait (sections 4.3, 4.4 and 4.6). Called by the session.
 */
import type { Level } from "./check.js";
import type { Packet } from "./codec.js";
import type { Message } from "./topics.js";
import { demand, type Report } from "./violation.js";

interface Delivery {
	identifier: number;
	/** Undefined once PUBREC has come: from then on only PUBREL is sent. */
	message: Message | undefined;
	qos: number;
	/** When its PUBLISH was sent on this connection, counted in messages. */
	order: number;
}

/** `isRepeatedPubrel`: with DUP, at level 3. */
export type Send = (packet: Packet, isRepeatedPubrel?: boolean) => void;

const IDENTIFIERS = 65_535;

export class Outbound {
	/** Oldest first. */
	readonly #inFlight = new Map<number, Delivery>();
	readonly #waiting: Message[] = [];
	readonly #window: number;
	readonly #limit: number;
	#lastIdentifier = 0;
	#order = 0;
	/** On this connection: the orders of the last PUBACK and the last PUBREC. */
	#lastPuback = 0;
	#lastPubrec = 0;
	/** Messages that were dropped since the queue was full. */
	dropped = 0;

	/** At most `window` messages in flight, and `limit` that wait. */
	constructor(window: number, limit: number) {
		this.#window = Math.min(window, IDENTIFIERS);
		this.#limit = limit;
	}

	get inFlight(): number {
		return this.#inFlight.size;
	}

	get waiting(): number {
		return this.#waiting.length;
	}

	/** Takes a message of QoS 1 or 2. It is on its way with the next `pump`. */
	push(message: Message): void {
		this.#waiting.push(message);
	}

	/** The oldest message that is too much, or undefined. Asked for after `pump`. */
	dropOldest(): Message | undefined {
		if (this.#waiting.length <= this.#limit) return undefined;
		this.dropped++;
		return this.#waiting.shift();
	}

	/** Sends what waits, as far as the window allows. */
	pump(send: Send): void {
		while (this.#inFlight.size < this.#window) {
			const message = this.#waiting.shift();
			if (message === undefined) return;
			const identifier = this.#freeIdentifier();
			const delivery = { identifier, message, qos: message.qos, order: ++this.#order };
			this.#inFlight.set(identifier, delivery);
			send(publish(message, identifier, false));
		}
	}

	/** A connection of this session begins: sends again what is in flight, in its order [MQTT-4.4.0-1]. */
	resume(level: Level, send: Send): void {
		this.#lastPuback = 0;
		this.#lastPubrec = 0;
		for (const delivery of this.#inFlight.values()) {
			const { identifier, message } = delivery;
			delivery.order = ++this.#order;
			if (message !== undefined) send(publish(message, identifier, true));
			else send({ cmd: "pubrel", messageId: identifier }, level === 3);
		}
		this.pump(send);
	}

	puback(identifier: number, send: Send, report: Report): void {
		const delivery = this.#find(identifier, "PUBACK", report);
		if (delivery === undefined) return;
		demand(delivery.qos === 1, "MQTT-3.3.4-1", `PUBACK ${identifier} answers a message of QoS 2`);
		if (delivery.order < this.#lastPuback) report("MQTT-4.6.0-2", `PUBACK ${identifier} is out of order`);
		this.#lastPuback = Math.max(this.#lastPuback, delivery.order);
		this.#inFlight.delete(identifier);
		this.pump(send);
	}

	pubrec(identifier: number, send: Send, report: Report): void {
		const delivery = this.#find(identifier, "PUBREC", report);
		if (delivery === undefined) return;
		demand(delivery.qos === 2, "MQTT-3.3.4-1", `PUBREC ${identifier} answers a message of QoS 1`);
		if (delivery.message === undefined) report("MQTT-4.3.3-2", `PUBREC ${identifier} comes again, without a PUBLISH`);
		else if (delivery.order < this.#lastPubrec) report("MQTT-4.6.0-3", `PUBREC ${identifier} is out of order`);
		this.#lastPubrec = Math.max(this.#lastPubrec, delivery.order);
		delivery.message = undefined;
		send({ cmd: "pubrel", messageId: identifier });
	}

	pubcomp(identifier: number, send: Send, report: Report): void {
		const delivery = this.#find(identifier, "PUBCOMP", report);
		if (delivery === undefined) return;
		demand(delivery.qos === 2, "MQTT-3.3.4-1", `PUBCOMP ${identifier} answers a message of QoS 1`);
		demand(delivery.message === undefined, "MQTT-4.3.3-2", `PUBCOMP ${identifier} comes before PUBREC`);
		this.#inFlight.delete(identifier);
		this.pump(send);
	}

	#find(identifier: number, name: string, report: Report): Delivery | undefined {
		const delivery = this.#inFlight.get(identifier);
		if (delivery === undefined) report("MQTT-2.3.1-6", `${name} ${identifier} is for nothing in flight`);
		return delivery;
	}

	/** The window is smaller than the identifiers are many, so there is one. */
	#freeIdentifier(): number {
		do {
			this.#lastIdentifier = (this.#lastIdentifier % IDENTIFIERS) + 1;
		} while (this.#inFlight.has(this.#lastIdentifier));
		return this.#lastIdentifier;
	}
}

function publish({ topic, payload, qos, retain }: Message, messageId: number, dup: boolean): Packet {
	return { cmd: "publish", topic, payload, qos, retain, dup, messageId };
}
