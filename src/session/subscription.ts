/** A topic filter, its handler, and how far the broker has been told of it. */
import { filtersPacket } from "../wire/encode.js";
import type { Message } from "../wire/message.js";
import type { QoS } from "../wire/packet.js";
import { hasWildcard, matches } from "../wire/topic.js";

export type Handler = (message: Message) => void;

/** In place of a length: the filter has a wildcard. */
export const WILDCARD = -1;

export class Subscription {
	/** The filter, UTF-8. */
	readonly filter: Uint8Array;
	readonly handler: Handler;
	/** The QoS that the broker granted, 128 if it refused the filter, -1 as long as it has not answered. */
	granted = -1;
	/** @internal SUBSCRIBE went out on this connection, or the broker's session has it. */
	told = false;
	/** @internal Of the SUBSCRIBE that is not answered yet; 0 if there is none. */
	identifier = 0;
	/** @internal The SUBSCRIBE, whole. */
	readonly packet: Uint8Array;
	/** @internal Bytes of the only topic name that matches, or WILDCARD. */
	readonly length: number = WILDCARD;
	/** Without wildcards: the filter in words of four bytes, */
	private readonly words!: Uint32Array;
	/** and which bits of the last one count. */
	private readonly mask: number = 0;

	/** The filter is legal: the client has checked it. */
	constructor(filter: Uint8Array, qos: QoS, handler: Handler) {
		this.filter = filter;
		this.handler = handler;
		this.packet = filtersPacket([filter], [qos]);
		if (hasWildcard(filter)) return;
		this.length = filter.length;
		const size = (filter.length + 3) & ~3;
		const padded = new Uint8Array(size);
		padded.set(filter, 0);
		this.words = new Uint32Array(padded.buffer);
		const last = new Uint8Array(4);
		for (let i = 0; i < filter.length - size + 4; i++) last[i] = 255;
		this.mask = new Uint32Array(last.buffer)[0];
	}

	/** @internal For a filter with wildcards: does it match the topic name of this message? */
	matches(message: Message): boolean {
		return matches(this.filter, message.bytes, message.topicStart, message.topicEnd);
	}

	/**
	 * @internal For a filter without wildcards: is it the topic name of this message, which is as long? `words`
	 * are the same memory as its bytes: where the name lies on a word boundary, as it does in a short packet at
	 * the start of what was received, four bytes are compared at a time.
	 */
	equals(message: Message, words: Uint32Array): boolean {
		let at = message.topicStart;
		if ((at & 3) !== 0) return sameBytes(this.filter, message.bytes, at);
		at >>= 2;
		const filterWords = this.words;
		let i = filterWords.length - 1;
		if (((words[at + i] ^ filterWords[i]) & this.mask) !== 0) return false;
		while (--i >= 0) if (words[at + i] !== filterWords[i]) return false;
		return true;
	}
}

function sameBytes(filter: Uint8Array, bytes: Uint8Array, at: number): boolean {
	for (let i = 0; i < filter.length; i++) if (bytes[at + i] !== filter[i]) return false;
	return true;
}
