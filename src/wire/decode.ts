/**
 * The streaming decoder: bytes in pieces of any size come in, control packets go out to a receiver.
 *
 * It works within one memory, the inbox followed by what was received last. A packet that has arrived whole
 * is handed over where it stands. Of one that has not, what is there moves into the inbox, to be completed
 * there. A PUBLISH larger than the inbox is handed over in parts of one size, however the bytes were split.
 */
import { Message } from "./message.js";
import { type Level, Packet } from "./packet.js";
import { wellFormed } from "./topic.js";

/** What a receiver answers, and the decoder passes on: 0 to go on, anything else to stop. */
export const enum Decoded {
	MORE = 0,
	/** The receiver closed the link: what follows is void. */
	CLOSED = 1,
	/** From here on: the bytes break the format, and the link must be closed ([MQTT-4.8.0-1]). */
	MALFORMED = 18,
	/** A packet type that no broker sends. */
	MALFORMED_TYPE = MALFORMED,
	/** Reserved bits of the first byte ([MQTT-2.2.2-2]). */
	MALFORMED_FLAGS = 19,
	/** A remaining length of more than four bytes, or one that does not fit what the packet holds. */
	MALFORMED_LENGTH = 20,
	/** QoS 3, or DUP at QoS 0 ([MQTT-3.3.1-4], [MQTT-3.3.1-2]). */
	MALFORMED_QOS = 21,
	/** Packet identifier 0 ([MQTT-2.3.1-1]). */
	MALFORMED_IDENTIFIER = 22,
	/** A topic name that is empty, ill-formed UTF-8, or holds U+0000 or a wildcard. */
	MALFORMED_TOPIC = 23,
	/** A return code that there is not, or not as many as were asked for ([MQTT-3.9.3-2]). */
	MALFORMED_CODE = 24,
}

export interface PacketReceiver {
	readonly level: Level;
	/** A PUBACK. */
	acknowledged(identifier: number): Decoded;
	/** A whole packet other than PUBLISH and PUBACK; its body is `bytes[at]` up to `bytes[end]` of the decoder's memory. */
	packet(header: number, at: number, end: number): Decoded;
	/** A PUBLISH, or a part of one. Its topic name has not been checked yet. */
	message(message: Message): Decoded;
	/** A PUBLISH whose topic name does not fit the inbox has passed by; of the message only header and identifier are set. */
	passBy(message: Message): Decoded;
}

export class Decoder {
	private readonly message: Message;
	private readonly receiver: PacketReceiver;
	private readonly bytes: Uint8Array;
	/** Where a body is assembled: two bytes into the inbox, so that a topic name lies on a word boundary. */
	private readonly start: number;
	/** Where the inbox ends. */
	private readonly inbox: number;
	/** The largest body that may be handed over where it was received, if one byte tells its length. */
	private readonly short: number;
	/** First byte of the packet that is coming in piece by piece; 0 if there is none. */
	private header = 0;
	/** What the next length byte weighs; 0 once the fixed header is complete. */
	private weight = 0;
	/** Bytes of the body that are still to come; while the length is coming in, what it says so far. */
	private left = 0;
	/** Where the inbox is filled to. */
	private filled = 0;
	/** Bytes of the payload handed over in earlier parts; SKIPPING while a message is passed by. */
	private offset = 0;
	/** Where the body stands that `assemble` completed. */
	private body = 0;
	/** Where the body ends that is handed over. */
	private next = 0;

	/** The inbox is `bytes[from]` up to `bytes[inbox]`, at least 16 bytes; both are multiples of four. */
	constructor(receiver: PacketReceiver, bytes: Uint8Array, inbox: number, from = 0) {
		this.receiver = receiver;
		this.bytes = bytes;
		this.start = from + 2;
		this.inbox = inbox;
		this.short = inbox - this.start < 127 ? inbox - this.start : 127;
		this.message = new Message(bytes);
	}

	/** Forgets a packet that was coming in: a new connection begins. */
	reset(): void {
		this.header = this.offset = 0;
	}

	/** Takes `bytes[at]` up to `bytes[end]`. */
	decode(at: number, end: number): Decoded {
		const bytes = this.bytes;
		const message = this.message;
		let header: number;
		let body: number;
		let next: number;
		let outcome: Decoded;
		while (at < end) {
			body = at + 2;
			next = bytes[at + 1];
			if (this.header === 0 && next <= this.short && body + next <= end) {
				// The two-byte path: a short packet that has arrived whole.
				header = bytes[at];
				at = next += body;
			} else {
				at = this.assemble(at, end);
				if (at < 0) return -at;
				body = this.body;
				if (body === -1) return Decoded.MORE;
				header = this.header;
				next = this.next;
				if ((header & 0xf0) !== Packet.PUBLISH) this.header = 0;
			}
			if ((header & 0xf0) === Packet.PUBLISH) {
				message.header = header;
				message.topicStart = body + 2;
				body += 2 + ((bytes[body] << 8) | bytes[body + 1]);
				message.topicEnd = body;
				if ((header & 14) !== 0) body = this.identify(header, body, next);
				message.payloadStart = body;
				message.payloadEnd = next;
				if (this.header === 0 && body <= next && body >= 0) outcome = this.receiver.message(message);
				else outcome = this.part(body, next);
			} else if (header === Packet.PUBACK && next - body === 2) {
				outcome = this.receiver.acknowledged((bytes[body] << 8) | bytes[body + 1]);
			} else {
				outcome = fault(header, next - body, this.receiver.level);
				if (outcome === Decoded.MORE) outcome = this.receiver.packet(header, body, next);
			}
			if (outcome !== Decoded.MORE) return outcome;
		}
		return Decoded.MORE;
	}

	/** For a header with QoS or DUP: reads the identifier at `at`; returns where the payload begins, or minus what is wrong with the header. */
	private identify(header: number, at: number, end: number): number {
		const qos = header & 6;
		if (qos === 0 || qos === 6) return -Decoded.MALFORMED_QOS; // DUP at QoS 0, QoS 3
		const identifier = (this.bytes[at] << 8) | this.bytes[at + 1];
		this.message.identifier = identifier;
		at += 2;
		return identifier === 0 && at <= end ? -Decoded.MALFORMED_IDENTIFIER : at;
	}

	/**
	 * Takes bytes of a packet that has more than the two-byte header, or is not all here. Returns where it
	 * stopped, or minus what is wrong; `body` is where a body, or a part of one that fills the
	 * inbox, stands, and -1 if it takes more bytes.
	 */
	private assemble(at: number, end: number): number {
		const bytes = this.bytes;
		this.body = -1;
		if (this.header === 0) {
			this.header = bytes[at++];
			if (this.header < Packet.CONNACK) return -Decoded.MALFORMED_TYPE;
			this.left = this.offset = 0;
			this.weight = 1;
			this.filled = this.start;
		}
		while (this.weight !== 0) {
			if (at === end) return at;
			const byte = bytes[at++];
			this.left += (byte & 127) * this.weight;
			if (byte < 128) this.weight = 0;
			else if (this.weight === 2_097_152) return -Decoded.MALFORMED_LENGTH;
			else this.weight *= 128;
		}
		const left = this.left;
		const filled = this.filled;
		const limit = this.inbox;
		if (filled === this.start) {
			const large = left > limit - filled;
			if (large && (this.header & 0xf0) !== Packet.PUBLISH) return -Decoded.MALFORMED_LENGTH;
			if (!large && left <= end - at) {
				this.left = 0;
				this.body = at;
				this.next = at + left;
				return this.next;
			}
		}
		let count = end - at;
		if (count > left) count = left;
		if (count > limit - filled) count = limit - filled;
		bytes.copyWithin(filled, at, at + count);
		this.left = left - count;
		this.filled = filled + count;
		if (this.left === 0 || this.filled === limit) {
			this.body = this.start;
			this.next = this.filled;
		}
		return at + count;
	}

	/** A PUBLISH that came in pieces, or whose variable header is longer than what there is of it. */
	private part(payload: number, end: number): Decoded {
		if (payload < 0) return -payload;
		const message = this.message;
		const left = this.header === 0 ? 0 : this.left;
		if (left === 0) this.header = 0;
		if (payload > end || (left !== 0 && payload === end)) {
			if (this.offset === 0 && payload - end > left) return Decoded.MALFORMED_LENGTH;
			return this.passTopic(end);
		}
		if (this.offset === SKIPPING) {
			const { topicStart, topicEnd } = message;
			if (topicEnd > topicStart && !wellFormed(this.bytes, topicStart, topicEnd, true)) return Decoded.MALFORMED_TOPIC;
			this.filled = payload;
			if (left !== 0) return Decoded.MORE;
			this.offset = 0;
			return this.receiver.passBy(message);
		}
		message.offset = this.offset;
		message.remaining = left;
		// The next part follows the topic name in the inbox.
		this.offset = left === 0 ? 0 : this.offset + end - payload;
		this.filled = payload;
		const outcome = this.receiver.message(message);
		message.offset = message.remaining = 0;
		return outcome;
	}

	/**
	 * The topic name does not fit the inbox: what there is of it, in whole characters, is checked and dropped, and
	 * its length in the inbox lowered by as much, until the rest fits and shows the identifier.
	 */
	private passTopic(end: number): Decoded {
		const { bytes } = this;
		const start = this.start + 2;
		const length = (bytes[start - 2] << 8) | bytes[start - 1];
		let cut = start + length;
		if (cut > end) {
			// A character that is not complete stays, up to three bytes of it.
			cut = end;
			for (let i = end - 1; i >= end - 3 && bytes[i] > 127; i--) if (bytes[i] > 0xbf) cut = i;
		}
		if (length > 0 && !wellFormed(bytes, start, cut, true)) return Decoded.MALFORMED_TOPIC;
		const dropped = cut - start;
		bytes[start - 2] = (length - dropped) >> 8;
		bytes[start - 1] = length - dropped;
		bytes.copyWithin(start, cut, end);
		this.filled = end - dropped;
		this.offset = SKIPPING;
		return Decoded.MORE;
	}
}

/** In place of an offset: the message is passed by. */
const SKIPPING = -1;

/** Bit n is set where a client may receive packet type n: CONNACK, PUBLISH to PUBCOMP, SUBACK, UNSUBACK, PINGRESP. */
const RECEIVABLE = 0b10_1010_1111_1100;

/** What is wrong with a packet other than PUBLISH; MORE if nothing. */
function fault(header: number, length: number, level: Level): Decoded {
	const type = header >> 4;
	if (((RECEIVABLE >> type) & 1) === 0) return Decoded.MALFORMED_TYPE;
	if (level === 4 && (header & 15) !== (type === 6 ? 2 : 0)) return Decoded.MALFORMED_FLAGS;
	if (type === 13 ? length === 0 : type === 9 ? length > 2 : length === 2) return Decoded.MORE;
	return Decoded.MALFORMED_LENGTH;
}
