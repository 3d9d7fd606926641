/** What a device has published, and what of it has reached the broker: at which QoS, how often, in which order. */
import { byteAt, numberOf } from "./payload.js";
import type { World } from "./world.js";

/** A message that `publish` has said true for. */
export interface Sent {
	readonly topic: Publication;
	/** Counts from 1 per topic. */
	readonly number: number;
	/** Bytes of its payload. */
	readonly length: number;
	/** The connection on which it was accepted, or the last one before. */
	readonly acceptedOn: number;
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
	/** Its source failed. */
	isGivenUp: boolean;
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
	) {}

	/** To be taken back with `withdraw` if `publish` says false. The client may send it before it says true. */
	add(length: number, acceptedOn: number): Sent {
		const sent = {
			topic: this,
			number: this.sent.length + 1,
			length,
			acceptedOn,
			arrivals: 0,
			session: 0,
			saidOn: 0,
			identifier: 0,
			mayBeReceived: false,
			isReceived: false,
			isAcknowledged: false,
			isGivenUp: false,
		};
		this.sent.push(sent);
		return sent;
	}

	withdraw(sent: Sent): void {
		if (this.sent[this.sent.length - 1] === sent) this.sent.pop();
	}

	/** It has reached the broker, whose session for this client is the so-manieth. Returns what is wrong with that. */
	arrived(payload: Uint8Array, qos: number, session: number): string | undefined {
		const sent = this.sent[numberOf(payload) - 1];
		if (sent === undefined) return `the broker got '${Buffer.from(payload)}', which nobody published`;
		const name = `message ${sent.number} of ${this.name} (QoS ${this.qos})`;
		if (qos !== this.qos) return `${name} came at QoS ${qos}`;
		if (payload.length !== sent.length) return `${name} came with ${payload.length} bytes, not ${sent.length}`;
		for (let at = 0; at < payload.length; at++) {
			if (payload[at] !== byteAt(sent.number, this.salt, at)) return `${name} came damaged at byte ${at}`;
		}
		sent.arrivals++;
		if (sent.arrivals === 1) {
			for (let number = this.first + 1; number < sent.number && qos > 0; number++) {
				if (!this.sent[number - 1].isGivenUp) return `${name} came before message ${number}`;
			}
			if (sent.number < this.first) return `${name} came after message ${this.first}`;
			this.first = sent.number;
		} else if (qos === 0) return `${name} came twice`;
		else if (qos === 2 && sent.session === session) return `${name} came twice in one session`;
		sent.session = session;
		return undefined;
	}
}

export class Ledger {
	readonly topics: Publication[] = [];
	/** What `publish` said: true, also at QoS 1 and 2 alone; false. */
	accepted = 0;
	kept = 0;
	refused = 0;
	givenUp = 0;

	find(topic: string): Publication | undefined {
		return this.topics.find(({ name }) => name === topic);
	}

	/** Messages at QoS 2 that were given up after they had reached the broker. */
	get abandoned(): number {
		let count = 0;
		for (const { qos, sent } of this.topics) {
			if (qos === 2) for (const { isGivenUp, arrivals } of sent) if (isGivenUp && arrivals > 0) count++;
		}
		return count;
	}

	/** Everything is settled: nothing is missing, and each duplicate was announced. */
	close(world: World, who: string, mayRepeat: number): void {
		let repeated = 0;
		for (const { name, qos, sent } of this.topics) {
			for (const { number, arrivals, isGivenUp } of sent) {
				if (qos > 0 && arrivals === 0 && !isGivenUp) {
					world.fail(who, `message ${number} of ${name} (QoS ${qos}) never reached the broker`);
				}
				repeated += Math.max(0, arrivals - 1);
			}
		}
		if (repeated > mayRepeat) world.fail(who, `${repeated} duplicates came, and status.mayRepeat is ${mayRepeat}`);
	}
}
