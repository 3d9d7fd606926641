/**
 * QoS 2 (section 4.3.3), both ways: what a session has of it is handed in by the application, so that a
 * firmware without QoS 2 does not carry it. The session is its only caller.
 *
 * Out: a message stays in the outbox, with its payload, until PUBCOMP. In: a message is handed over with its PUBLISH;
 * its identifier is kept until PUBREL, and a PUBLISH that comes again until then is not handed over.
 */
import { whole } from "../check.js";
import { Offset, type Outbox, RECORD_HEADER, RecordState } from "../memory/outbox.js";
import { Decoded } from "../wire/decode.js";
import { writeReply } from "../wire/encode.js";
import type { Message } from "../wire/message.js";
import { Packet, PublishFlag } from "../wire/packet.js";
import { Answer } from "./answer.js";
import { Reason } from "./reason.js";
import type { Session } from "./session.js";

/** For one client. */
export class ExactlyOnce {
	/** Of messages that were handed over and whose PUBREL has not come; 0 where there is none. */
	private readonly identifiers: Uint16Array;
	/** The message that is coming in, in parts, is to be handed over. */
	private admitted = false;
	/** How many of them are 0. */
	private free: number;

	/**
	 * `identifiers`: how many messages at QoS 2 may be coming in at a time, two bytes each, 1 to 65,535. One more closes
	 * the link (Reason.EXACTLY_ONCE_OVERFLOW): the default of 32 is above what brokers send at a time (Mosquitto: 20).
	 */
	constructor(identifiers?: number) {
		this.free = whole(identifiers, 32, 1, 65_535, "identifiers");
		this.identifiers = new Uint16Array(this.free);
	}

	/** @internal A connection begins; `kept`: the broker still has our session, or at level 3 may have it. */
	renew(outbox: Outbox, kept: boolean): void {
		if (kept) return;
		this.identifiers.fill(0);
		this.free = this.identifiers.length;
		// The broker has lost what it had received: it is to be published again.
		const { bytes } = outbox;
		for (let at = outbox.head; at < outbox.tail; at += RECORD_HEADER + ((bytes[at] << 8) | bytes[at + 1])) {
			if (bytes[at + Offset.STATE] === RecordState.RECEIVED) bytes[at + Offset.STATE] = RecordState.SENT_QOS_2;
		}
	}

	/**
	 * @internal A message has come, or a part of one: is it to be handed over? Not if it was before: its identifier is
	 * taken until PUBREL has come. (But level 3 does not say whether the broker kept the session, and there a
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
		const waiting = deferral ? deferral.waiting(identifier) : 0;
		if (waiting === -1) return false; // it is held
		if (this.identifiers.indexOf(identifier) !== -1) {
			if (session.level === 3 && message.offset === 0 && (message.header & PublishFlag.DUP) === 0) return true;
			if (message.remaining !== 0) return false;
			if (deferral) deferral.answer(Answer.REPEAT, identifier);
			else session.reply(Packet.PUBREC, identifier);
			return false;
		}
		if (this.free > waiting) return true;
		session.disconnect(Reason.EXACTLY_ONCE_OVERFLOW);
		return false;
	}

	/** @internal A message was handed over: PUBREC. */
	accept(session: Session, identifier: number): Decoded {
		const { identifiers } = this;
		if (identifiers.indexOf(identifier) === -1) {
			identifiers[identifiers.indexOf(0)] = identifier;
			this.free--;
		}
		return session.reply(Packet.PUBREC, identifier);
	}

	/** @internal A PUBREC, PUBREL or PUBCOMP. */
	packet(session: Session, packet: Packet, identifier: number): Decoded {
		const { outbox } = session;
		if (packet === Packet.PUBREC) {
			const at = outbox.find(identifier, outbox.cursor);
			const state = at === -1 ? RecordState.RELEASED : outbox.bytes[at + Offset.STATE];
			if (state === RecordState.SENT_QOS_2 || state === RecordState.RECEIVED) {
				outbox.bytes[at + Offset.STATE] = RecordState.RECEIVED;
				return session.reply(Packet.PUBREL, identifier);
			}
		} else if (packet === Packet.PUBCOMP) {
			if (outbox.acknowledge(identifier, RecordState.RECEIVED)) {
				session.delivered++;
				return session.streams ? session.streams.released(identifier) : Decoded.MORE;
			}
		} else {
			const at = this.identifiers.indexOf(identifier);
			if (at === -1) session.stray++;
			else {
				this.identifiers[at] = 0;
				this.free++;
			}
			return session.reply(Packet.PUBCOMP, identifier);
		}
		session.stray++;
		return Decoded.MORE;
	}

	/** @internal PUBREL again, for the record that the outbox looks at; false if the output has no room for it. */
	putRelease(session: Session): boolean {
		const { outbox, level, end, bytes } = session;
		if (end + 4 > bytes.length) return false;
		// The level 3 calls it a redelivery, level 4 forbids the flag (3.1, section 3.1; [MQTT-3.6.1-1]).
		const packet = level === 3 ? Packet.PUBREL | PublishFlag.DUP : Packet.PUBREL;
		session.end = writeReply(bytes, end, packet, outbox.identifier);
		outbox.sent(RecordState.RECEIVED);
		return true;
	}
}
