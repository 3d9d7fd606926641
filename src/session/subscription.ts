/** A topic filter, its handler, and how far the broker has been told of it. */
import { filtersPacket } from "../wire/encode.js";
import type { Message } from "../wire/message.js";
import type { QoS } from "../wire/packet.js";
import { hasWildcard } from "../wire/topic.js";

export type Handler = (message: Message) => void;

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
	/** @internal Without wildcards: the filter in words, for a comparison four bytes at a time. */
	readonly words: Uint32Array | undefined;

	/** The filter is legal: the client has checked it. */
	constructor(filter: Uint8Array, qos: QoS, handler: Handler) {
		this.filter = filter;
		this.handler = handler;
		this.packet = filtersPacket([filter], [qos]);
		if (!hasWildcard(filter)) {
			const padded = new Uint8Array((filter.length + 3) & ~3);
			padded.set(filter, 0);
			this.words = new Uint32Array(padded.buffer);
		}
	}
}
