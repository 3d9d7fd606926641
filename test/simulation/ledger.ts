/**
 * What a device has published in all its lives, and what of it has reached the broker: at which QoS, how often, in
 * which order; and what was allowed to be dropped.
 */
import { byteAt, numberOf } from "./payload.js";
import type { World } from "./world.js";

/** What a topic does with a full outbox, and with old messages. */
export interface TopicRules {
	whenFull: "reject" | "drop-oldest" | "latest";
	/** Milliseconds; 0 for none. */
	expiry: number;
	age: { before: string; after: string; decimals: number } | undefined;
}

/** Why a message need not arrive any more. */
export type Gone = "given up" | "expired" | "dropped" | "replaced" | "refused" | "lost with the power";

/** A message that `publish` has said true for. */
export interface Sent {
	readonly topic: Publication;
	/** Counts from 1 per topic. */
	readonly number: number;
	/** Bytes of its payload. */
	readonly length: number;
	/** When it was published, by the clock of the board that lives now. */
	stamp: number;
	/** How often it has reached the broker, and the broker's session when it did last. */
	arrivals: number;
	session: number;
	/** The last connection on which all of its PUBLISH was said; 0 before. Under which identifier, */
	saidOn: number;
	identifier: number;
	/** and what the client has heard of it since: PUBREC; PUBACK or PUBCOMP. */
	mayBeReceived: boolean;
	isReceived: boolean;
	isAcknowledged: boolean;
	/** A connection on which it might have been sent has ended. */
	mayBeSent: boolean;
	gone: Gone | undefined;
	/** The power was cut, or the store failed, within the call that decides about it: the next life shows how. */
	isUncertain: boolean;
	/** It was gone, and is back with a later life: what was published behind it may have come before. */
	isBack: boolean;
}

export class Publication {
	readonly sent: Sent[] = [];
	/** The number of the message that came first last: all before it have come. */
	private first = 0;
	/** The number that was said last, on this connection. */
	saidLast = 0;
	saidLastOn = 0;

	constructor(
		readonly name: string,
		readonly qos: 0 | 1 | 2,
		readonly salt: number,
		readonly isStream: boolean,
		readonly rules: TopicRules | undefined,
	) {}

	/** Its records hold the time of publishing. */
	get hasTime(): boolean {
		return this.rules !== undefined && (this.rules.expiry > 0 || this.rules.age !== undefined);
	}

	/** To be taken back with `withdraw` if `publish` says false. The client may send it before it says true. */
	add(length: number, stamp: number): Sent {
		const sent: Sent = {
			topic: this,
			number: this.sent.length + 1,
			length,
			stamp,
			arrivals: 0,
			session: 0,
			saidOn: 0,
			identifier: 0,
			mayBeReceived: false,
			isReceived: false,
			isAcknowledged: false,
			mayBeSent: false,
			gone: undefined,
			isUncertain: false,
			isBack: false,
		};
		this.sent.push(sent);
		return sent;
	}

	withdraw(sent: Sent): void {
		if (this.sent[this.sent.length - 1] === sent) this.sent.pop();
		else sent.gone = "refused";
	}

	/**
	 * It has reached the broker, whose session for this client is the so-manieth. Returns what is wrong with that.
	 * `mayRepeat`: the store has lost what the client knew. `isOrderly`: what comes first must come in order.
	 */
	arrived(
		payload: Uint8Array,
		qos: number,
		session: number,
		mayRepeat: boolean,
		isOrderly: boolean,
	): string | undefined {
		const sent = this.sent[numberOf(payload) - 1];
		if (sent === undefined) return `the broker got '${Buffer.from(payload)}', which nobody published`;
		const name = nameOf(sent);
		if (qos !== this.qos) return `${name} came at QoS ${qos}`;
		if (payload.length !== sent.length) return `${name} came with ${payload.length} bytes, not ${sent.length}`;
		for (let at = 0; at < payload.length; at++) {
			if (payload[at] !== byteAt(sent.number, this.salt, at)) return `${name} came damaged at byte ${at}`;
		}
		sent.arrivals++;
		if (sent.arrivals === 1) {
			for (let number = this.first + 1; number < sent.number && qos > 0 && isOrderly; number++) {
				const { gone, isBack, isUncertain } = this.sent[number - 1];
				if (!gone && !isBack && !isUncertain) return `${name} came before message ${number}`;
			}
			if (sent.number < this.first && isOrderly && !sent.gone && !sent.isBack)
				return `${name} came after message ${this.first}`;
			this.first = Math.max(this.first, sent.number);
		} else if (qos === 0) return `${name} came twice`;
		else if (qos === 2 && sent.session === session && !mayRepeat) return `${name} came twice in one session`;
		sent.session = session;
		return undefined;
	}
}

export class Ledger {
	readonly topics: Publication[] = [];

	find(topic: string): Publication | undefined {
		return this.topics.find(({ name }) => name === topic);
	}

	/** Calls `act` with each message that is neither acknowledged nor gone. */
	open(act: (sent: Sent) => void): void {
		for (const { sent } of this.topics) for (const one of sent) if (!one.isAcknowledged && !one.gone) act(one);
	}

	/** A connection on which what waits might have been sent has ended. */
	ended(): void {
		// One that is gone may come back, where the power is cut in that moment.
		for (const { sent } of this.topics) for (const one of sent) one.mayBeSent = true;
	}

	/** Messages at QoS 2 that were given up after they had reached the broker. */
	get abandoned(): number {
		let count = 0;
		for (const { qos, sent } of this.topics) {
			if (qos === 2) for (const { gone, arrivals } of sent) if (gone && arrivals > 0) count++;
		}
		return count;
	}

	/** Everything is settled: nothing is missing, and each duplicate was announced. */
	close(world: World, who: string, mayRepeat: number): void {
		let repeated = 0;
		for (const { qos, sent } of this.topics) {
			for (const message of sent) {
				const { arrivals, gone } = message;
				if (qos > 0 && arrivals === 0 && !gone) world.fail(who, `${nameOf(message)} never reached the broker`);
				repeated += Math.max(0, arrivals - 1);
			}
		}
		if (repeated > mayRepeat) world.fail(who, `${repeated} duplicates came, and status.mayRepeat is ${mayRepeat}`);
	}
}

export function nameOf({ number, topic }: Sent): string {
	return `message ${number} of ${topic.name} (QoS ${topic.qos})`;
}
