/**
 * QoS 2 (section 4.3.3), both ways: what a session has of it is handed in by the application, so that a
 * firmware without QoS 2 does not carry it. The session is its only caller.
 *
 * Out: a message stays in the outbox, with its payload, until PUBCOMP. In: a message is handed over with its PUBLISH;
 * its identifier is kept until PUBREL, and a PUBLISH that comes again until then is not handed over.
 */
import { fail, whole } from "../check.js";
import { Offset, type Outbox, RecordState } from "../memory/outbox.js";
import { Decoded } from "../wire/decode.js";
import { writeReply } from "../wire/encode.js";
import type { Message } from "../wire/message.js";
import { Packet, PublishFlag } from "../wire/packet.js";
import { Answer } from "./answer.js";
import { Kind } from "./journal.js";
import { Reason } from "./reason.js";
import { Count, Flag, type Session } from "./session.js";

/** For one client. */
export class ExactlyOnce {
	/** @internal Of messages that were handed over and whose PUBREL has not come, oldest first; 0 behind them. */
	readonly identifiers: Uint16Array;
	/** @internal How many of them are 0. */
	free: number;
	/** How many, at the front, are of earlier connections and may belong to a session that the broker has lost. */
	private stale = 0;
	/** The message that is coming in, in parts, is to be handed over. */
	private admitted = false;

	/**
	 * `identifiers`: how many messages at QoS 2 may be coming in at a time, two bytes each, 1 to 65,535. One more closes
	 * the link (Reason.EXACTLY_ONCE_OVERFLOW), and each connection goes a little further. The default of 32 is above the 20 that
	 * most brokers send at a time; Mosquitto before 2.0.13 sends more where many wait for a client that was away.
	 */
	constructor(identifiers?: number) {
		this.free = whole(identifiers, 32, 1, 65_535, "identifiers");
		this.identifiers = new Uint16Array(this.free);
	}

	/**
	 * @internal A connection begins on which it is not certain that the broker still has our session; `kept`: it may have.
	 * Returns how many messages it may publish a second time.
	 */
	renew(session: Session, kept: boolean): number {
		const { outbox, journal } = session;
		let count = 0;
		if (!kept && this.lose(outbox) && journal) journal.note(Kind.LOST, 0);
		this.stale = this.identifiers.length - this.free;
		for (let at = outbox.head; at < outbox.tail; at = outbox.next(at)) {
			if (outbox.bytes[at + Offset.STATE] === RecordState.SENT_QOS_2) count++;
		}
		return count;
	}

	/** @internal The broker has lost our session, and what it had received: that is to be published again. False if there is none. */
	lose(outbox: Outbox): boolean {
		const { identifiers } = this;
		let found = this.free < identifiers.length;
		identifiers.fill(0);
		this.free = identifiers.length;
		for (let at = outbox.head; at < outbox.tail; at = outbox.next(at)) {
			if (outbox.bytes[at + Offset.STATE] !== RecordState.RECEIVED) continue;
			outbox.bytes[at + Offset.STATE] = RecordState.SENT_QOS_2;
			found = true;
		}
		return found;
	}

	/** @internal An identifier was taken before a reset, or given up. */
	restore(identifier: number, taken: boolean): void {
		const at = this.identifiers.indexOf(identifier);
		if (at !== -1) this.remove(at);
		if (taken) {
			if (this.free === 0) fail("the store holds more identifiers than exactlyOnce has places");
			this.keep(identifier);
		}
	}

	/**
	 * @internal A message has come, or a part of one: is it to be handed over? Not if it was before: its identifier is
	 * taken until PUBREL has come. (But where it is in doubt whether the broker kept the session, as always at level 3, a
	 * message without DUP is a new one.) Nor if there would be no room for its identifier.
	 */
	admits(session: Session, message: Message): boolean {
		// What was said of its first part holds for all.
		if (message.offset === 0 || !this.admitted) this.admitted = this.admitsNow(session, message);
		return this.admitted;
	}

	private admitsNow(session: Session, message: Message): boolean {
		const { identifier } = message;
		const { deferral } = session;
		const isInDoubt = (session.flags & Flag.DOUBT) !== 0;
		const waiting = deferral ? deferral.waiting(identifier) : 0;
		if (waiting === -1) return false; // it is held
		if (this.identifiers.indexOf(identifier) !== -1) {
			if (isInDoubt && message.offset === 0 && (message.header & PublishFlag.DUP) === 0) return true;
			if (message.remaining !== 0) return false;
			this.keep(identifier);
			if (deferral) deferral.answer(Answer.REPEAT, identifier);
			else session.reply(Packet.PUBREC, identifier);
			return false;
		}
		if (this.free === waiting && isInDoubt && this.stale > 0) this.giveUp(session, 0);
		if (this.free > waiting) return true;
		session.transmit(); // what is answered need not come again
		session.disconnect(Reason.EXACTLY_ONCE_OVERFLOW);
		return false;
	}

	/** @internal A message was handed over: PUBREC. */
	accept(session: Session, identifier: number): Decoded {
		const { journal } = session;
		this.keep(identifier);
		if (journal) journal.note(Kind.TAKEN, identifier);
		return session.reply(Packet.PUBREC, identifier);
	}

	private giveUp({ journal }: Session, at: number): void {
		const identifier = this.identifiers[at];
		this.remove(at);
		if (journal) journal.note(Kind.GIVEN_UP, identifier);
	}

	/** The identifier is of this connection: it stands last. */
	private keep(identifier: number): void {
		const { identifiers } = this;
		const at = identifiers.indexOf(identifier);
		if (at !== -1) this.remove(at);
		identifiers[identifiers.length - this.free] = identifier;
		this.free--;
	}

	/** Those behind it move forward. */
	private remove(at: number): void {
		const { identifiers } = this;
		const last = identifiers.length - this.free - 1;
		for (let i = at; i < last; i++) identifiers[i] = identifiers[i + 1];
		identifiers[last] = 0;
		this.free++;
		if (at < this.stale) this.stale--;
	}

	/** @internal A PUBREC, PUBREL or PUBCOMP. */
	packet(session: Session, packet: Packet, identifier: number): Decoded {
		const { outbox, journal } = session;
		if (packet === Packet.PUBREC) {
			const at = outbox.find(identifier, outbox.cursor);
			const state = at === -1 ? RecordState.RELEASED : outbox.bytes[at + Offset.STATE];
			if (state === RecordState.SENT_QOS_2 || state === RecordState.RECEIVED) {
				outbox.bytes[at + Offset.STATE] = RecordState.RECEIVED;
				if (journal && state !== RecordState.RECEIVED) journal.note(Kind.RECEIVED, identifier);
				return session.reply(Packet.PUBREL, identifier);
			}
		} else if (packet === Packet.PUBCOMP) {
			if (outbox.acknowledge(identifier, RecordState.RECEIVED)) {
				session.heeded();
				return session.settled(identifier);
			}
		} else {
			const at = this.identifiers.indexOf(identifier);
			if (at === -1) session.words[Count.STRAY]++;
			else this.giveUp(session, at);
			return session.reply(Packet.PUBCOMP, identifier);
		}
		session.words[Count.STRAY]++;
		return Decoded.MORE;
	}

	/** @internal PUBREL again, for the record that the outbox looks at; false if the output has no room for it. */
	putRelease(session: Session): boolean {
		const { outbox, end, bytes } = session;
		if (end + 4 > bytes.length) return false;
		session.end = writeReply(bytes, end, Packet.PUBREL | session.repeatFlag(), outbox.identifier);
		outbox.sent(RecordState.RECEIVED);
		return true;
	}
}
