/**
 * The packet identifiers that a client uses in one session: takes a QoS 2 message once (section 4.3.3), and tells what
 * the client does with identifiers that it must not. Called by the connection.
 */
import { createHash } from "node:crypto";
import type { Level } from "./check.js";
import type { IPublishPacket } from "./codec.js";
import type { Report } from "./violation.js";

interface Held {
	digest: string;
	/** When it came first, counted in messages: a client repeats in this order. */
	arrival: number;
	/** The connection on which it came last, and when PUBREC was sent there. */
	connection: number;
	answer: number;
}

export class Inbound {
	/** QoS 2 messages whose PUBREL has not come, by identifier. */
	readonly #held = new Map<number, Held>();
	/** The connection on which PUBREL came last, by identifiers that no PUBLISH has used since. */
	readonly #released = new Map<number, number>();
	/** What each identifier was last used for on this connection. */
	#seen = new Map<number, string>();
	/**
	 * Identifiers of what came in the same piece of bytes. The client sent all of it before it could see an answer, so
	 * for the client these are certainly in use. (What came earlier may have been answered.)
	 */
	readonly #unanswered = new Set<number>();
	/** Counters: connections of this session, messages, PUBRECs. */
	#connection = 0;
	#arrivals = 0;
	#answers = 0;
	/** On this connection: the arrival of the last message that was repeated, and the answer that PUBREL came for last. */
	#repeated = 0;
	#followed = 0;

	/** QoS 2 messages that wait for PUBREL. */
	get size(): number {
		return this.#held.size;
	}

	/** A connection of this session begins. */
	resume(): void {
		this.#connection++;
		this.#seen = new Map();
		this.#unanswered.clear();
		this.#repeated = 0;
		this.#followed = 0;
	}

	/** A piece of bytes begins. */
	nextPiece(): void {
		this.#unanswered.clear();
	}

	/** A PUBLISH at QoS 1 or 2. True if the message is to be delivered, false if it was already. */
	publish(packet: IPublishPacket, level: Level, report: Report): boolean {
		const { messageId: identifier = 0, qos, dup } = packet;
		const digest = digestOf(packet);
		const held = this.#held.get(identifier);
		const isNew = held === undefined || qos === 1;
		if (held !== undefined) this.#again(held, digest, packet, level, report);
		else if (dup) this.#repeatedAlive(digest, packet, level, report);
		else this.#mustBeFree(identifier, report);
		if (qos === 2) {
			const connection = this.#connection;
			const answer = ++this.#answers;
			if (held === undefined) this.#held.set(identifier, { digest, arrival: ++this.#arrivals, connection, answer });
			else Object.assign(held, { connection, answer });
		}
		if (isNew) this.#released.delete(identifier);
		this.#seen.set(identifier, digest);
		this.#unanswered.add(identifier);
		return isNew;
	}

	/** PUBREL. It is answered with PUBCOMP in any case [MQTT-4.3.3-2]. */
	release(identifier: number, level: Level, report: Report): void {
		const held = this.#held.get(identifier);
		const before = this.#released.get(identifier);
		if (held === undefined && before === undefined) {
			report("MQTT-2.3.1-6", `PUBREL ${identifier} is for no message`);
		} else if (held === undefined && before === this.#connection && level === 4) {
			report("MQTT-4.4.0-1", `PUBREL ${identifier} comes again on one connection`);
		} else if (held !== undefined && held.connection === this.#connection) {
			if (this.#unanswered.has(identifier)) {
				report("MQTT-4.3.3-1", `PUBREL ${identifier} was sent before PUBREC could have come`);
			}
			if (held.answer < this.#followed)
				report("MQTT-4.6.0-4", `PUBREL ${identifier} does not follow the order of PUBREC`);
			this.#followed = Math.max(this.#followed, held.answer);
		}
		this.#held.delete(identifier);
		if (held !== undefined || before !== undefined) this.#released.set(identifier, this.#connection);
		this.#unanswered.add(identifier);
	}

	/** SUBSCRIBE or UNSUBSCRIBE. */
	use(identifier: number, report: Report): void {
		this.#mustBeFree(identifier, report);
		this.#unanswered.add(identifier);
	}

	/** Its identifier is that of a QoS 2 message whose PUBREL has not come. */
	#again(held: Held, digest: string, { messageId, qos, dup }: IPublishPacket, level: Level, report: Report): void {
		if (qos !== 2 || held.digest !== digest) {
			report("MQTT-2.3.1-2", `packet identifier ${messageId} is used again before PUBREL`);
		} else if (!dup) {
			report("MQTT-3.3.1-1", `PUBLISH ${messageId} comes again without DUP`);
		} else if (held.connection === this.#connection) {
			if (level === 4) report("MQTT-4.3.3-1", `PUBLISH ${messageId} comes again after PUBREC`);
		} else {
			const isLate = held.arrival < this.#repeated;
			if (isLate) report("MQTT-4.6.0-1", `PUBLISH ${messageId} is repeated out of its order`);
			this.#repeated = Math.max(this.#repeated, held.arrival);
		}
	}

	/** With DUP and an identifier that no message holds: right only if the first attempt was on an earlier connection. */
	#repeatedAlive(digest: string, { messageId = 0, qos }: IPublishPacket, level: Level, report: Report): void {
		const seen = this.#seen.get(messageId);
		if (seen === undefined || level === 3) return;
		if (seen !== digest) {
			report(qos === 1 ? "MQTT-4.3.2-1" : "MQTT-4.3.3-1", `PUBLISH ${messageId} has DUP though it is new`);
		} else if (qos === 1) {
			report("MQTT-4.4.0-1", `PUBLISH ${messageId} comes again on one connection`);
		} else report("MQTT-4.3.3-1", `PUBLISH ${messageId} comes again after PUBREL`);
	}

	#mustBeFree(identifier: number, report: Report): void {
		if (this.#held.has(identifier) || this.#unanswered.has(identifier)) {
			report("MQTT-2.3.1-2", `packet identifier ${identifier} is used again before its answer`);
		}
	}
}

/** What makes two PUBLISH packets the same one. */
function digestOf({ topic, payload, qos, retain }: IPublishPacket): string {
	return createHash("sha1").update(`${qos} ${retain} ${topic}\0`).update(payload).digest("base64");
}
