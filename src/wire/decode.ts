/**
 * The streaming decoder: bytes in pieces of any size come in, control packets go out to a receiver.
 *
 * It works within one memory, the inbox followed by what was received last. A packet that has arrived whole
 * is handed over where it stands. Of one that has not, what is there moves into the inbox, to be completed
 * there. A PUBLISH larger than the inbox is handed over in parts of one size, however the bytes were split.
 */
import { Message } from "./message.js";
import { type Level, Packet } from "./packet.js";

/** What a receiver answers, and the decoder passes on: 0 to go on, anything else to stop. */
export const enum Decoded {
	MORE = 0,
	/** The bytes break the format: the link must be closed ([MQTT-4.8.0-1]). */
	MALFORMED = 1,
	/** The receiver closed the link: what follows is void. */
	CLOSED = 2,
}

export interface PacketReceiver {
	/** A whole packet other than PUBLISH; its body is `bytes[at]` up to `bytes[end]`. */
	packet(packet: number, bytes: Uint8Array, at: number, end: number): Decoded;
	/** A PUBLISH, or a part of one. Its topic name has not been checked yet. */
	message(message: Message): Decoded;
	/** A PUBLISH whose topic name is longer than the inbox has passed by. */
	skipped(): void;
}

/** Bit n is set where a client may receive the packet type n: CONNACK, PUBLISH to PUBCOMP, SUBACK, UNSUBACK, PINGRESP. */
const RECEIVABLE = 0b10_1010_1111_1100;

export class Decoder {
	readonly message: Message;
	private readonly receiver: PacketReceiver;
	private readonly bytes: Uint8Array;
	private readonly inbox: number;
	/** First byte of the packet that is coming in; 0 between packets. */
	private header = 0;
	/** What the next length byte weighs; 0 once the fixed header is complete. */
	private weight = 0;
	/** Bytes of the body that are still to come; while the length is coming in, what it says so far. */
	private left = 0;
	/** Where the inbox is filled to. */
	private filled = 0;
	/** Bytes of the payload handed over in earlier parts. */
	private offset = 0;

	/** The inbox is `bytes[0]` up to `bytes[inbox]`, at least 8 bytes. */
	constructor(receiver: PacketReceiver, bytes: Uint8Array, inbox: number) {
		this.receiver = receiver;
		this.bytes = bytes;
		this.inbox = inbox;
		this.message = new Message(bytes);
	}

	/** Forgets a packet that was coming in: a new connection begins. */
	reset(): void {
		this.header = 0;
	}

	/** Takes `bytes[at]` up to `bytes[end]`. Level 3 leaves the flags of most headers undefined. */
	decode(at: number, end: number, level: Level): Decoded {
		const bytes = this.bytes;
		let header = this.header;
		let left = this.left;
		let weight = this.weight;
		while (at < end) {
			if (header === 0) {
				header = bytes[at++];
				if (header < Packet.CONNACK) return Decoded.MALFORMED;
				left = 0;
				weight = 1;
				this.filled = INBOX_START;
				this.offset = 0;
				if (at === end) break;
			}
			while (weight !== 0 && at < end) {
				const byte = bytes[at++];
				left += (byte & 127) * weight;
				if (byte < 128) {
					weight = 0;
					if ((header & 0xf0) !== Packet.PUBLISH && !admissible(header, left, level)) return Decoded.MALFORMED;
				} else if (weight === 2_097_152) return Decoded.MALFORMED;
				else weight *= 128;
			}
			if (weight !== 0) break;

			const filled = this.filled;
			const limit = this.inbox;
			if (filled === INBOX_START && end - at >= left && left <= limit - INBOX_START) {
				const outcome = this.deliver(header, at, at + left, 0);
				if (outcome !== Decoded.MORE) return outcome;
				at += left;
				header = 0;
				continue;
			}
			let count = end - at;
			if (count > left) count = left;
			if (count > limit - filled) count = limit - filled;
			bytes.copyWithin(filled, at, at + count);
			at += count;
			left -= count;
			this.filled = filled + count;
			if (left !== 0 && this.filled < limit) break;
			const outcome = this.deliver(header, INBOX_START, this.filled, left);
			if (outcome !== Decoded.MORE) return outcome;
			if (left === 0) header = 0;
		}
		this.header = header;
		this.left = left;
		this.weight = weight;
		return Decoded.MORE;
	}

	/** Hands over a body, or a part of a PUBLISH that `left` more bytes follow. */
	private deliver(header: number, at: number, end: number, left: number): Decoded {
		const bytes = this.bytes;
		if ((header & 0xf0) !== Packet.PUBLISH) return this.receiver.packet(header, bytes, at, end);
		const message = this.message;
		const topicStart = at + 2;
		let payloadStart = topicStart + ((bytes[at] << 8) | bytes[at + 1]);
		message.header = header;
		message.topicStart = topicStart;
		message.topicEnd = payloadStart;
		message.identifier = 0;
		const qos = header & 6;
		if (qos !== 0) {
			payloadStart += 2;
			if (payloadStart <= end) {
				const identifier = (bytes[payloadStart - 2] << 8) | bytes[payloadStart - 1];
				if (identifier === 0) return Decoded.MALFORMED;
				message.identifier = identifier;
			}
			if (qos === 6) return Decoded.MALFORMED;
		} else if ((header & 8) !== 0) return Decoded.MALFORMED; // [MQTT-3.3.1-2]
		if (payloadStart > end || (left !== 0 && payloadStart === end)) return this.skip(payloadStart - end, left);
		message.payloadStart = payloadStart;
		message.payloadEnd = end;
		message.offset = this.offset;
		message.remaining = left;
		if (left !== 0) {
			// The next part follows the topic name in the inbox, whatever the handler does to the message.
			this.offset += end - payloadStart;
			this.filled = payloadStart;
		}
		return this.receiver.message(message);
	}

	/** A variable header longer than its packet breaks the format; one that fills the inbox passes by. */
	private skip(missing: number, left: number): Decoded {
		if (this.offset === 0 && missing > left) return Decoded.MALFORMED;
		// Passing by: the body's first two bytes, its topic's length, stay; the rest is overwritten.
		this.offset = 1;
		this.filled = INBOX_START + 2;
		if (left === 0) this.receiver.skipped();
		return Decoded.MORE;
	}
}

/** A body is assembled two bytes into the inbox, so that a topic name lies on a word boundary. */
const INBOX_START = 2;

function admissible(header: number, length: number, level: Level): boolean {
	const type = header >> 4;
	if (((RECEIVABLE >> type) & 1) === 0) return false;
	if (level === 4 && (header & 15) !== (type === 6 ? 2 : 0)) return false;
	return type === 13 ? length === 0 : type === 9 ? length > 2 : length === 2;
}
