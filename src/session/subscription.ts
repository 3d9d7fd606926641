/**
 * Topic filters with their handlers, and what the broker has to be told of them: SUBSCRIBE and UNSUBSCRIBE.
 * The session dispatches messages over `list` and sends what `next` gives it.
 */
import { Decoded } from "../wire/decode.js";
import type { Message } from "../wire/message.js";
import { Packet, type QoS, SUBSCRIPTION_FAILED } from "../wire/packet.js";
import { hasWildcard } from "../wire/topic.js";

export type Handler = (message: Message) => void;

/** In place of a length: the filter has a wildcard, */
export const WILDCARD = -1;
/** or the subscription has ended. */
const ENDED = -2;

export class Subscription {
	/** @internal As SUBSCRIBE holds it: the filter with its length in front, and the QoS behind it. */
	readonly entry: Uint8Array;
	/** The filter, UTF-8. */
	readonly filter: Uint8Array;
	readonly handler: Handler;
	/** The QoS that the broker granted, 128 if it refused the filter, -1 as long as it has not answered. */
	granted = -1;
	/** @internal Bytes of the only topic name that matches, or WILDCARD, or ENDED. */
	length: number = WILDCARD;
	/** Without wildcards: the filter in words of four bytes, */
	private readonly words!: Uint32Array;
	/** and which bits of the last one count. */
	private readonly mask: number = 0;

	/** The filter is legal: the client has checked it. */
	constructor(filter: Uint8Array, qos: QoS, handler: Handler) {
		const { length } = filter;
		const entry = new Uint8Array(length + 3);
		entry[0] = length >> 8;
		entry[1] = length & 255;
		entry.set(filter, 2);
		entry[length + 2] = qos;
		this.entry = entry;
		this.filter = entry.subarray(2, length + 2);
		this.handler = handler;
		if (hasWildcard(filter)) return;
		this.length = length;
		const size = (length + 3) & ~3;
		const padded = new Uint8Array(size);
		padded.set(filter, 0);
		this.words = new Uint32Array(padded.buffer);
		const last = new Uint8Array(4);
		for (let i = 0; i < length - size + 4; i++) last[i] = 255;
		this.mask = new Uint32Array(last.buffer)[0];
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

/** Are these the bytes from `at` on? */
function sameBytes(filter: Uint8Array, bytes: Uint8Array, at: number): boolean {
	for (let i = 0; i < filter.length; i++) if (bytes[at + i] !== filter[i]) return false;
	return true;
}

/** A SUBSCRIBE or an UNSUBSCRIBE that the broker has to be told of, or was. */
export interface Request {
	readonly packet: Packet;
	/** The subscriptions whose filters it holds, in order. */
	readonly members: Subscription[];
	/** It went out on this connection, or the broker's session has it. */
	told: boolean;
	/** Of the packet that was sent, or begun, and is not answered; 0 if there is none. */
	identifier: number;
	/** It was sent, or begun, on an earlier connection of the same session. */
	again: boolean;
}

/** Has one of these the same filter? */
function has(subscriptions: readonly Subscription[], { filter }: Subscription): boolean {
	for (let i = 0; i < subscriptions.length; i++) {
		const other = subscriptions[i].filter;
		if (other.length === filter.length && sameBytes(other, filter, 0)) return true;
	}
	return false;
}

/** Removes the members that have ended; false if none is left. */
function purge(members: Subscription[]): boolean {
	let count = 0;
	for (let i = 0; i < members.length; i++) if (members[i].length !== ENDED) members[count++] = members[i];
	while (members.length > count) members.pop();
	return count > 0;
}

export class Subscriptions {
	/** In the order of subscribing. Where some end it becomes another array, so that a loop over it goes on safely. */
	list: Subscription[] = [];
	/** How many of them have a wildcard. */
	wildcards = 0;
	/** How many requests the broker has not answered, or has not been told of. */
	unanswered = 0;
	private requests: Request[] = [];

	/** Adds these, for one SUBSCRIBE. */
	add(members: Subscription[]): void {
		for (let i = 0; i < members.length; i++) {
			this.list.push(members[i]);
			if (members[i].length === WILDCARD) this.wildcards++;
		}
		this.request(Packet.SUBSCRIBE, members);
	}

	private request(packet: Packet, members: Subscription[]): void {
		this.requests.push({ packet, members, told: false, identifier: 0, again: false });
		this.unanswered++;
	}

	/** Ends these: their handlers are not called any more, and the broker is told with one UNSUBSCRIBE. */
	cancel(members: readonly Subscription[]): void {
		const { requests } = this;
		const gone: Subscription[] = [];
		for (let i = 0; i < members.length; i++) {
			if (members[i].length === WILDCARD) this.wildcards--;
			if (members[i].length !== ENDED && !has(gone, members[i])) gone.push(members[i]);
			members[i].length = ENDED;
		}
		this.list = this.list.slice();
		purge(this.list);
		this.requests = [];
		for (let i = 0; i < requests.length; i++) {
			const request = requests[i];
			const { packet, told, identifier } = request;
			// One that is on its way stays as it is until it is answered.
			if (packet === Packet.UNSUBSCRIBE || identifier !== 0 || purge(request.members)) this.requests.push(request);
			else if (!told) this.unanswered--;
			const waits = packet === Packet.UNSUBSCRIBE && !told && identifier === 0;
			for (let j = gone.length - 1; waits && j >= 0; j--) if (has(request.members, gone[j])) gone.splice(j, 1);
		}
		// A filter that another subscription has goes on: the broker knows no difference between the two.
		for (let j = gone.length - 1; j >= 0; j--) if (has(this.list, gone[j])) gone.splice(j, 1);
		if (gone.length > 0) this.request(Packet.UNSUBSCRIBE, gone);
	}

	/** The first request that the broker has to be told of. */
	next(): Request | undefined {
		for (let i = 0; i < this.requests.length; i++) if (!this.requests[i].told) return this.requests[i];
		return undefined;
	}

	/** Does a request that is not answered have this identifier? */
	uses(identifier: number): boolean {
		for (let i = 0; i < this.requests.length; i++) if (this.requests[i].identifier === identifier) return true;
		return false;
	}

	/**
	 * A connection begins. `kept`: the broker may still have our session; `present`: it says so. What it has not
	 * answered goes out again under the same identifier ([MQTT-2.3.1-3]); in a new session all filters go out
	 * anew, and what has ended is forgotten.
	 */
	renew(kept: boolean, present: boolean): void {
		const { requests } = this;
		let count = 0;
		this.unanswered = 0;
		for (let i = 0; i < requests.length; i++) {
			const request = requests[i];
			if (!kept) request.identifier = 0;
			request.again = request.identifier !== 0;
			if (!present || request.again) request.told = false;
			if (!request.told) {
				if (request.packet === Packet.UNSUBSCRIBE) {
					if (!kept) continue;
				} else if (!request.again) {
					if (!purge(request.members)) continue;
					for (let j = 0; j < request.members.length; j++) request.members[j].granted = -1;
				}
				this.unanswered++;
			}
			requests[count++] = request;
		}
		while (requests.length > count) requests.pop();
	}

	/**
	 * The broker's answer, a SUBACK or an UNSUBACK: a SUBACK has a code for each filter from `bytes[at]` up to `bytes[end]`. MORE, or what is
	 * wrong with it; CLOSED if it answers nothing.
	 */
	answer(subscribed: boolean, identifier: number, bytes: Uint8Array, at: number, end: number): Decoded {
		const { requests } = this;
		const packet = subscribed ? Packet.SUBSCRIBE : Packet.UNSUBSCRIBE;
		for (let i = 0; i < requests.length; i++) {
			const request = requests[i];
			const { members } = request;
			if (request.packet !== packet || request.identifier !== identifier || !request.told || identifier === 0) continue;
			if (subscribed) {
				if (end - at !== members.length) return Decoded.MALFORMED_CODE;
				for (let j = at; j < end; j++) {
					if (bytes[j] > 2 && bytes[j] !== SUBSCRIPTION_FAILED) return Decoded.MALFORMED_CODE; // [MQTT-3.9.3-2]
				}
				for (let j = 0; j < members.length; j++) members[j].granted = bytes[at + j];
			} else requests.splice(i, 1);
			request.identifier = 0;
			this.unanswered--;
			return Decoded.MORE;
		}
		return Decoded.CLOSED;
	}
}
