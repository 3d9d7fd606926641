/**
 * The streaming decoder: bytes in pieces of any size come in, control packets go out to a receiver.
 *
 * It works within one memory, the inbox followed by what was received last. A packet that has arrived whole
 * is handed over where it stands. Of one that has not, what is there moves into the inbox, to be completed
 * there. A PUBLISH larger than the inbox is handed over in parts of one size, however the bytes were split.
 */
import { Message } from "./message.js";
import { type Level, Packet, PublishFlag } from "./packet.js";

/** What a receiver answers, and the decoder passes on: 0 to go on, anything else to stop. */
export const enum Decoded {
	MORE = 0,
	/** The bytes break the format: the link must be closed ([MQTT-4.8.0-1]). */
	MALFORMED = 1,
	/** The receiver closed the link: what follows is void. */
	CLOSED = 2,
}

export interface PacketReceiver {
	/** A PUBACK. */
	acknowledged(identifier: number): Decoded;
	/** A whole packet other than PUBLISH and PUBACK; its body is `bytes[at]` up to `bytes[end]` of the decoder's memory. */
	packet(header: number, at: number, end: number): Decoded;
	/** A PUBLISH, or a part of one. Its topic name has not been checked yet. */
	message(message: Message): Decoded;
	/** A PUBLISH whose topic name does not fit the inbox has passed by; of the message only header and identifier are set. */
	skipped(message: Message): Decoded;
}

export class Decoder {
	private readonly message: Message;
	private readonly receiver: PacketReceiver;
	private readonly bytes: Uint8Array;
	private readonly level: Level;
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

	/** The inbox is `bytes[0]` up to `bytes[inbox]`, at least 16 bytes. */
	constructor(receiver: PacketReceiver, bytes: Uint8Array, inbox: number, level: Level) {
		this.receiver = receiver;
		this.bytes = bytes;
		this.level = level;
		this.inbox = inbox;
		this.short = inbox - INBOX_START < 127 ? inbox - INBOX_START : 127;
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
		let outcome: Decoded;
		while (at < end) {
			body = at + 2;
			if (this.header === 0 && bytes[at + 1] <= this.short && body + bytes[at + 1] <= end) {
				// The two-byte path: a short packet that has arrived whole.
				header = bytes[at];
				at = body + bytes[at + 1];
				this.next = at;
			} else {
				at = this.assemble(at, end);
				if (at === -1) return Decoded.MALFORMED;
				body = this.body;
				if (body === -1) return Decoded.MORE;
				header = this.header;
			}
			if ((header & 0xf0) === Packet.PUBLISH) {
				message.header = header;
				message.topicStart = body + 2;
				body += 2 + ((bytes[body] << 8) | bytes[body + 1]);
				message.topicEnd = body;
				if ((header & 14) !== 0) body = this.identify(header, body);
				message.payloadStart = body;
				message.payloadEnd = this.next;
				if (this.header === 0 && body <= this.next && body !== -1) outcome = this.receiver.message(message);
				else outcome = this.part(body);
			} else if (header === Packet.PUBACK && this.next - body === 2) {
				this.header = 0;
				outcome = this.receiver.acknowledged((bytes[body] << 8) | bytes[body + 1]);
			} else {
				if (!admissible(header, this.next - body, this.level)) return Decoded.MALFORMED;
				this.header = 0;
				outcome = this.receiver.packet(header, body, this.next);
			}
			if (outcome !== Decoded.MORE) return outcome;
		}
		return Decoded.MORE;
	}

	/** Reads the identifier at `at`; returns where the payload begins, -1 if the header is not allowed. */
	private identify(header: number, at: number): number {
		const qos = header & 6;
		if (qos === 6 || (qos === 0 && (header & PublishFlag.DUP) !== 0)) return -1; // [MQTT-3.3.1-4], [MQTT-3.3.1-2]
		if (qos === 0) return at;
		const identifier = (this.bytes[at] << 8) | this.bytes[at + 1];
		this.message.identifier = identifier;
		at += 2;
		return identifier === 0 && at <= this.next ? -1 : at;
	}

	/**
	 * Takes bytes of a packet that has more than the two-byte header, or is not all here. Returns where it
	 * stopped, or -1 if the bytes break the format; `body` is where a body, or a part of one that fills the
	 * inbox, stands, and -1 if it takes more bytes.
	 */
	private assemble(at: number, end: number): number {
		const bytes = this.bytes;
		this.body = -1;
		if (this.header === 0) {
			this.header = bytes[at++];
			if (this.header < Packet.CONNACK) return -1;
			this.left = this.offset = 0;
			this.weight = 1;
			this.filled = INBOX_START;
		}
		while (this.weight !== 0) {
			if (at === end) return at;
			const byte = bytes[at++];
			this.left += (byte & 127) * this.weight;
			if (byte < 128) this.weight = 0;
			else if (this.weight === 2_097_152) return -1;
			else this.weight *= 128;
		}
		const left = this.left;
		const filled = this.filled;
		const limit = this.inbox;
		if (filled === INBOX_START) {
			const large = left > limit - INBOX_START;
			if (large && (this.header & 0xf0) !== Packet.PUBLISH) return -1;
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
			this.body = INBOX_START;
			this.next = this.filled;
		}
		return at + count;
	}

	/** A PUBLISH that came in pieces, or whose variable header is longer than what there is of it. */
	private part(payload: number): Decoded {
		if (payload === -1) return Decoded.MALFORMED;
		const message = this.message;
		const end = this.next;
		const left = this.header === 0 ? 0 : this.left;
		if (left === 0) this.header = 0;
		if (payload > end || (left !== 0 && payload === end)) {
			if (this.offset === 0 && payload - end > left) return Decoded.MALFORMED;
			return this.passTopic(end);
		}
		if (this.offset === SKIPPING) {
			this.filled = payload;
			if (left !== 0) return Decoded.MORE;
			this.offset = 0;
			return this.receiver.skipped(message);
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
	 * The topic name does not fit the inbox: what there is of it is dropped, and its length in the inbox lowered
	 * by as much, until the rest fits and shows the identifier.
	 */
	private passTopic(end: number): Decoded {
		const bytes = this.bytes;
		const start = INBOX_START + 2;
		const length = (bytes[INBOX_START] << 8) | bytes[INBOX_START + 1];
		const dropped = length < end - start ? length : end - start;
		bytes[INBOX_START] = (length - dropped) >> 8;
		bytes[INBOX_START + 1] = length - dropped;
		bytes.copyWithin(start, start + dropped, end);
		this.filled = end - dropped;
		this.offset = SKIPPING;
		return Decoded.MORE;
	}
}

/** In place of an offset: the message is passed by. */
const SKIPPING = -1;

/** A body is assembled two bytes into the inbox, so that a topic name lies on a word boundary. */
const INBOX_START = 2;

/** Bit n is set where a client may receive packet type n: CONNACK, PUBLISH to PUBCOMP, SUBACK, UNSUBACK, PINGRESP. */
const RECEIVABLE = 0b10_1010_1111_1100;

function admissible(header: number, length: number, level: Level): boolean {
	const type = header >> 4;
	if (((RECEIVABLE >> type) & 1) === 0) return false;
	if (level === 4 && (header & 15) !== (type === 6 ? 2 : 0)) return false;
	return type === 13 ? length === 0 : type === 9 ? length > 2 : length === 2;
}
