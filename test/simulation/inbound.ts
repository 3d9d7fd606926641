/**
 * What the broker sends to a device at QoS 1 and 2: each message must be handed over before it is acknowledged, in
 * order, and at QoS 2 once.
 */
import type { Message } from "../../src/client.js";
import type { Connection } from "./network.js";
import type { World } from "./world.js";

/** A message of the broker, in one session. */
export interface Delivery {
	/** Counts the messages to this device, and the broker's sessions for it. */
	readonly number: number;
	readonly session: number;
	readonly topic: string;
	readonly qos: number;
	readonly identifier: number;
	readonly payload: Uint8Array;
	/** When it was sent, on the connection on which it was sent last. */
	sentAt: number;
	/** PUBREC was said. */
	isTaken: boolean;
	/** The last time that it was handed over. */
	run: Run | undefined;
}

/** A hand-over. */
export interface Run {
	readonly connection: Connection;
	/** Who got it, to the end. */
	readonly called: Set<Known>;
	/** A handler threw, */
	threw: boolean;
	/** or ended the connection. */
	isInterrupted: boolean;
	/** The power was cut since: nothing tells whether the client remembers it. */
	isForgotten: boolean;
	/** Of a handler that has asked to acknowledge it later; 0 if none has, or it has been acknowledged. */
	ticket: number;
}

/** A subscription. */
export interface Known {
	readonly filter: string;
	readonly since: number;
	isLive: boolean;
}

export class Inbound {
	/** The number of the delivery that was handed over last, on this connection. */
	private last = 0;
	private lastOn: Connection | undefined;
	/** The store has failed in an earlier life. */
	isExcused = false;

	constructor(
		private readonly world: World,
		private readonly who: string,
		private readonly hasDeferral: boolean,
	) {}

	/** A handler is called. */
	handed(delivery: Delivery, known: Known, message: Message, connection: Connection): Run {
		const { world, who } = this;
		const name = `'${delivery.topic}' QoS ${delivery.qos} id ${delivery.identifier}`;
		const { payload, run: before } = delivery;
		const { payloadStart, payloadEnd, offset, remaining, bytes } = message;
		if (offset + payloadEnd - payloadStart + remaining !== payload.length) {
			world.fail(who, `${name} was handed over with a wrong length`);
		}
		for (let at = payloadStart; at < payloadEnd; at++) {
			if (bytes[at] !== payload[offset + at - payloadStart]) {
				world.fail(who, `${name} was handed over damaged at byte ${offset + at - payloadStart}`);
				break;
			}
		}
		if (this.lastOn === connection && delivery.number < this.last)
			world.fail(who, `${name} was handed over out of order`);
		this.lastOn = connection;
		this.last = delivery.number;
		let run = before;
		if (run === undefined || run.connection !== connection) {
			if (this.isComplete(delivery) && !this.isExcused) world.fail(who, `${name} was handed over again`);
			run = { connection, called: new Set(), threw: false, isInterrupted: false, isForgotten: false, ticket: 0 };
			delivery.run = run;
		}
		if (run.called.has(known)) world.fail(who, `${name} was handed over twice on one connection`);
		if (remaining === 0) run.called.add(known);
		return run;
	}

	/** The power is cut. */
	forget(deliveries: Iterable<Delivery>): void {
		for (const { run } of deliveries) {
			if (run === undefined) continue;
			run.isForgotten = true;
			run.ticket = 0;
		}
	}

	/** The device says PUBACK or PUBREC; `live` are its subscriptions. Returns what is wrong with that. */
	acknowledged(delivery: Delivery, connection: Connection, wanted: Known[], packet: string): string | undefined {
		const { run, qos, identifier } = delivery;
		if ((qos === 2) !== (packet === "PUBREC")) return `${packet} ${identifier} for a message at QoS ${qos}`;
		const isRepeat = qos === 2 && (delivery.isTaken || (wasTaken(run) && run?.ticket === 0));
		if (qos === 2) delivery.isTaken = true;
		if (isRepeat) return undefined;
		for (const known of wanted) {
			if (known.since <= delivery.sentAt && !(run?.connection === connection && run.called.has(known))) {
				return `${packet} ${identifier} before the handler of ${known.filter} has returned`;
			}
		}
		if (run?.connection !== connection) return undefined;
		if (run.threw) return `${packet} ${identifier} though its handler threw`;
		if (run.ticket !== 0) return `${packet} ${identifier} though it is held`;
		return undefined;
	}

	/** At QoS 2: must it not be handed over any more? While others are held, a message is not taken yet. */
	private isComplete({ qos, isTaken, run }: Delivery): boolean {
		return qos === 2 && (this.hasDeferral || run?.isForgotten ? isTaken : wasTaken(run));
	}
}

/** All handlers have returned. */
function wasTaken(run: Run | undefined): boolean {
	return run !== undefined && run.called.size > 0 && !run.threw && !run.isInterrupted;
}
