/**
 * Reads along at the client's end of the link, where it is certain what the client has said and heard: that it sends
 * again only after a reconnect, with DUP, in order and under the same identifier, that no identifier has two uses, and
 * that its window holds.
 */
import type { Ledger, Sent } from "./ledger.js";
import { readPublish, Splitter, Type, text, uint16 } from "./packets.js";
import { numberOf } from "./payload.js";
import type { Pipelining } from "./pipelining.js";

/** Who is watched. */
export interface Watched {
	readonly ledger: Ledger;
	readonly pipelining: Pipelining;
	/** The client's. */
	readonly level: number;
	readonly isFlushing: boolean;
	/** The store has failed in an earlier life: what it was told of may have been lost. */
	readonly isExcused: boolean;
	fail(complaint: string): void;
	/** The client acknowledges a message of the broker. */
	acknowledges(packet: "PUBACK" | "PUBREC", identifier: number): void;
	/** A message of a topic that has rules leaves, with this behind its payload. */
	ages(sent: Sent, text: string): void;
}

export class Watch {
	/** Counts connections. */
	connection = 0;
	/** Messages that were said as new ones for a second time: the store had lost that they were said. */
	unaware = 0;
	private up = new Splitter();
	private down = new Splitter();
	private hasConnected = false;
	private isAccepted = false;
	/** The broker still has the session, or at level 3 may have it. */
	private kept = false;
	/** Messages that are not acknowledged, by identifier. */
	private readonly busy = new Map<number, Sent>();
	/** Identifiers of SUBSCRIBE and UNSUBSCRIBE that were said on this connection and are not answered. */
	private readonly requests = new Set<number>();
	/** Said on this connection and not acknowledged. */
	private readonly inFlight = new Set<Sent>();
	/** What is being heard: it certainly was once the client has taken all of it, and may not be if it closes before. */
	private hearing: { sent?: Sent; done: () => void; undo: () => void }[] = [];

	constructor(
		private readonly user: Watched,
		private readonly window: number,
		private readonly cleanSession: boolean,
	) {}

	/** Messages said on this connection wait for an acknowledgement. */
	get isAwaiting(): boolean {
		return this.inFlight.size > 0;
	}

	/** The connection, or the board, is at its end: the client may have taken what it was hearing, or not. */
	end(): void {
		for (const { sent, undo } of this.hearing) {
			if (sent) sent.isUncertain = true;
			undo();
		}
		this.hearing = [];
	}

	/**
	 * A new life begins: identifiers of what it does not know of are free, except where the broker may still know
	 * them.
	 */
	restart(): void {
		for (const [identifier, { gone, isAcknowledged, topic }] of this.busy) {
			const isAbandoned = topic.isStream && topic.qos === 2 && !this.user.isExcused;
			if (isAcknowledged || (gone && !isAbandoned)) this.busy.delete(identifier);
		}
	}

	/** What was acknowledged is to be sent again: the store has lost the acknowledgement. */
	comesBack(sent: Sent): void {
		if (sent.saidOn > 0) this.busy.set(sent.identifier, sent);
	}

	begin(): void {
		this.connection++;
		this.up = new Splitter();
		this.down = new Splitter();
		this.hasConnected = this.isAccepted = false;
		this.requests.clear();
		this.inFlight.clear();
		this.end();
	}

	said(bytes: Uint8Array): void {
		this.up.feed(bytes, (packet, body) => this.says(packet, body));
	}

	hears(bytes: Uint8Array): void {
		this.hearing = [];
		this.down.feed(bytes, (packet, body) => this.hear(packet, body));
	}

	heard(): void {
		for (const { done } of this.hearing) done();
		this.hearing = [];
	}

	private says(packet: Uint8Array, body: number): void {
		const type = packet[0] >> 4;
		if (this.hasConnected === (type === Type.CONNECT))
			this.user.fail("CONNECT is not the first packet, or not the only one");
		this.hasConnected = true;
		if (type !== Type.CONNECT && !this.isAccepted) {
			const mayLeave = type === Type.PUBLISH && (packet[0] & 6) !== 4;
			this.user.pipelining.says(mayLeave, this.user.isFlushing);
		}
		if (type === Type.PUBLISH) {
			this.publishes(packet, body);
			return;
		}
		const identifier = uint16(packet, body);
		switch (type) {
			case Type.PUBACK:
			case Type.PUBREC:
				this.user.acknowledges(type === Type.PUBACK ? "PUBACK" : "PUBREC", identifier);
				break;
			case Type.PUBREL:
				if (!this.busy.get(identifier)?.mayBeReceived && !this.user.isExcused)
					this.user.fail(`PUBREL ${identifier} without a PUBREC`);
				break;
			case Type.SUBSCRIBE:
			case Type.UNSUBSCRIBE:
				this.mustBeFree(identifier);
				this.requests.add(identifier);
		}
	}

	private publishes(packet: Uint8Array, body: number): void {
		const { topic, qos, isRepeated, identifier, payload } = readPublish(packet, body);
		const { user, connection } = this;
		const publication = user.ledger.find(topic);
		const sent = publication?.sent[numberOf(payload) - 1];
		if (publication === undefined || sent === undefined) {
			this.user.fail(`PUBLISH to '${topic}' of what nobody asked for`);
			return;
		}
		if (publication.rules) user.ages(sent, text(payload, sent.length, payload.length));
		const name = `PUBLISH ${identifier}, message ${sent.number} of ${topic} (QoS ${qos}),`;
		if (publication.saidLastOn === connection && sent.number <= publication.saidLast) {
			const isTwice = sent.saidOn === connection;
			this.user.fail(isTwice ? `${name} again on a live link` : `${name} behind message ${publication.saidLast}`);
		}
		publication.saidLastOn = connection;
		publication.saidLast = sent.number;
		if (sent.isAcknowledged && !user.isExcused) user.fail(`${name} though it is acknowledged`);
		if (sent.gone) user.fail(`${name} though it is ${sent.gone}`);
		if (sent.saidOn > 0 && !isRepeated) {
			if (user.isExcused) this.unaware++;
			else user.fail(`${name} again without DUP`);
		}
		if (isRepeated && !sent.mayBeSent) user.fail(`${name} has DUP though it was never sent`);
		if (qos > 0) {
			if (this.requests.has(identifier)) this.mustBeFree(identifier);
			if ((this.busy.get(identifier) ?? sent) !== sent) this.mustBeFree(identifier);
			if (sent.saidOn > 0 && this.kept && sent.identifier !== identifier && !user.isExcused) {
				user.fail(`${name} was ${sent.identifier} before`);
			}
			if (sent.isReceived && this.kept && !user.isExcused) user.fail(`${name} again though PUBREC has come`);
			this.busy.set(identifier, sent);
			this.inFlight.add(sent);
			if (this.inFlight.size > this.window) this.user.fail(`${this.inFlight.size} messages are in flight`);
		}
		sent.saidOn = connection;
		sent.identifier = identifier;
	}

	/** The broker has lost its session. If the power is cut while the client hears that it may not remember. */
	private lose(): void {
		const received = [...this.busy.values()].filter(({ mayBeReceived }) => mayBeReceived);
		this.hearing.push({
			done: () => {},
			undo: () => {
				for (const sent of received) sent.mayBeReceived = true;
			},
		});
		for (const [identifier, lost] of this.busy) {
			lost.isReceived = lost.mayBeReceived = false;
			if (lost.gone) this.busy.delete(identifier);
		}
	}

	private mustBeFree(identifier: number): void {
		if (this.requests.has(identifier) || this.busy.has(identifier)) {
			this.user.fail(`packet identifier ${identifier} is used for two things at a time`);
		}
	}

	private hear(packet: Uint8Array, body: number): void {
		const identifier = uint16(packet, body);
		const sent = this.busy.get(identifier);
		switch (packet[0] >> 4) {
			case Type.CONNACK:
				if (packet[body + 1] !== 0) break;
				this.isAccepted = true;
				this.kept = this.user.level === 4 ? (packet[body] & 1) === 1 : !this.cleanSession;
				if (!this.kept) this.lose();
				break;
			case Type.PUBREC:
				if (sent?.topic.qos !== 2) break;
				sent.mayBeReceived = true;
				this.hearing.push({ done: () => (sent.isReceived = true), undo: () => {} });
				break;
			case Type.PUBACK:
			case Type.PUBCOMP:
				if (!sent || (sent.topic.qos === 2 && !sent.mayBeReceived)) break;
				this.busy.delete(identifier);
				this.inFlight.delete(sent);
				this.hearing.push({
					sent,
					done: () => (sent.isAcknowledged = true),
					undo: () => this.busy.set(identifier, sent),
				});
				break;
			case Type.SUBACK:
			case Type.UNSUBACK:
				this.requests.delete(identifier);
		}
	}
}
