/**
 * Reads along at the client's end of the link, where it is certain what the client has said and heard: that it sends
 * again only after a reconnect, with DUP, in order and under the same identifier, that no identifier has two uses, and
 * that its window holds.
 */
import type { Ledger, Sent } from "./ledger.js";
import { readPublish, Splitter, Type, uint16 } from "./packets.js";
import { numberOf } from "./payload.js";

export class Watch {
	/** Counts connections. */
	connection = 0;
	private up = new Splitter();
	private down = new Splitter();
	private hasConnected = false;
	/** The broker still has the session, or at level 3 may have it. */
	private kept = false;
	/** Messages that are not acknowledged, by identifier. */
	private readonly busy = new Map<number, Sent>();
	/** Identifiers of SUBSCRIBE and UNSUBSCRIBE that were said on this connection and are not answered. */
	private readonly requests = new Set<number>();
	/** Said on this connection and not acknowledged. */
	private readonly inFlight = new Set<Sent>();
	/** What is being heard: it certainly was once the client has taken all of it, and may not be if it closes before. */
	private hearing: { done: () => void; undo: () => void }[] = [];

	constructor(
		private readonly ledger: Ledger,
		private readonly window: number,
		private readonly cleanSession: boolean,
		private readonly level: () => number,
		private readonly fail: (complaint: string) => void,
		/** The client acknowledges a message of the broker. */
		private readonly acknowledges: (packet: "PUBACK" | "PUBREC", identifier: number) => void,
	) {}

	begin(): void {
		this.connection++;
		this.up = new Splitter();
		this.down = new Splitter();
		this.hasConnected = false;
		this.requests.clear();
		this.inFlight.clear();
		for (const { undo } of this.hearing) undo();
		this.hearing = [];
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
			this.fail("CONNECT is not the first packet, or not the only one");
		this.hasConnected = true;
		if (type === Type.PUBLISH) {
			this.publishes(packet, body);
			return;
		}
		const identifier = uint16(packet, body);
		switch (type) {
			case Type.PUBACK:
			case Type.PUBREC:
				this.acknowledges(type === Type.PUBACK ? "PUBACK" : "PUBREC", identifier);
				break;
			case Type.PUBREL:
				if (!this.busy.get(identifier)?.mayBeReceived) this.fail(`PUBREL ${identifier} without a PUBREC`);
				break;
			case Type.SUBSCRIBE:
			case Type.UNSUBSCRIBE:
				this.mustBeFree(identifier);
				this.requests.add(identifier);
		}
	}

	private publishes(packet: Uint8Array, body: number): void {
		const { topic, qos, isRepeated, identifier, payload } = readPublish(packet, body);
		const publication = this.ledger.find(topic);
		const sent = publication?.sent[numberOf(payload) - 1];
		if (publication === undefined || sent === undefined) {
			this.fail(`PUBLISH to '${topic}' of what nobody asked for`);
			return;
		}
		const { connection } = this;
		const name = `PUBLISH ${identifier}, message ${sent.number} of ${topic} (QoS ${qos}),`;
		if (publication.saidLastOn === connection && sent.number <= publication.saidLast) {
			const isTwice = sent.saidOn === connection;
			this.fail(isTwice ? `${name} again on a live link` : `${name} behind message ${publication.saidLast}`);
		}
		publication.saidLastOn = connection;
		publication.saidLast = sent.number;
		if (sent.isAcknowledged) this.fail(`${name} though it is acknowledged`);
		if (sent.isGivenUp) this.fail(`${name} though it was given up`);
		if (sent.saidOn > 0 && !isRepeated) this.fail(`${name} again without DUP`);
		if (isRepeated && sent.acceptedOn === connection) this.fail(`${name} has DUP though it is new`);
		if (qos > 0) {
			if (this.requests.has(identifier)) this.mustBeFree(identifier);
			if ((this.busy.get(identifier) ?? sent) !== sent) this.mustBeFree(identifier);
			if (sent.saidOn > 0 && this.kept && sent.identifier !== identifier) {
				this.fail(`${name} was ${sent.identifier} before`);
			}
			if (sent.isReceived && this.kept) this.fail(`${name} again though PUBREC has come`);
			this.busy.set(identifier, sent);
			this.inFlight.add(sent);
			if (this.inFlight.size > this.window) this.fail(`${this.inFlight.size} messages are in flight`);
		}
		sent.saidOn = connection;
		sent.identifier = identifier;
	}

	private mustBeFree(identifier: number): void {
		if (this.requests.has(identifier) || this.busy.has(identifier)) {
			this.fail(`packet identifier ${identifier} is used for two things at a time`);
		}
	}

	private hear(packet: Uint8Array, body: number): void {
		const identifier = uint16(packet, body);
		const sent = this.busy.get(identifier);
		switch (packet[0] >> 4) {
			case Type.CONNACK:
				if (packet[body + 1] !== 0) break;
				this.kept = this.level() === 4 ? (packet[body] & 1) === 1 : !this.cleanSession;
				if (!this.kept) for (const lost of this.busy.values()) lost.isReceived = lost.mayBeReceived = false;
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
