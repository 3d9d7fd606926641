/**
 * Topic filters with their handlers, and what the broker has to be told of them: SUBSCRIBE and UNSUBSCRIBE.
 * The client makes Subscriptions with the first of them, so a firmware that only publishes does not carry this; the session
 * dispatches messages through them and sends what `next` gives it.
 */
import { Decoded } from "../wire/decode.js";
import { writeLength } from "../wire/encode.js";
import type { Message } from "../wire/message.js";
import { Packet, type QoS, SUBSCRIPTION_FAILED } from "../wire/packet.js";
import { hasWildcard, matches } from "../wire/topic.js";
import { Flag, type Session, State } from "./session.js";

export type Handler = (message: Message) => void;

/** In place of a length: the filter has a wildcard, */
const WILDCARD = -1;
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
	/** @internal Without wildcards: the filter in words of four bytes, */
	readonly words!: Uint32Array;
	/** @internal and which bits of the last one count. */
	readonly mask: number = 0;

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
	/** How many have a wildcard. */
	wildcards = 0;
	/** In the order of subscribing. Where some end it becomes another array, so that a loop over it goes on safely. */
	private list: Subscription[] = [];
	private requests: Request[] = [];
	private readonly session: Session;

	constructor(session: Session) {
		this.session = session;
	}

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
		this.session.unanswered++;
		this.session.wake();
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
			else if (!told) this.session.unanswered--;
			const waits = packet === Packet.UNSUBSCRIBE && !told && identifier === 0;
			for (let j = gone.length - 1; waits && j >= 0; j--) if (has(request.members, gone[j])) gone.splice(j, 1);
		}
		// A filter that another subscription has goes on: the broker knows no difference between the two.
		for (let j = gone.length - 1; j >= 0; j--) if (has(this.list, gone[j])) gone.splice(j, 1);
		if (gone.length > 0) this.request(Packet.UNSUBSCRIBE, gone);
	}

	/**
	 * Calls the handler of each filter that matches, and returns how many there were; ends early where one ends the connection.
	 * Where the topic name lies on a word boundary, as it does in a short packet at the start of what was received, it is
	 * compared four bytes at a time.
	 */
	dispatch(message: Message): number {
		const { list, session } = this;
		const { words } = session;
		const { bytes, topicStart, topicEnd } = message;
		const count = list.length; // a handler may subscribe
		const length = topicEnd - topicStart;
		const start = (topicStart & 3) === 0 ? topicStart >> 2 : -1;
		let handled = 0;
		let subscription: Subscription;
		let filter: Uint32Array;
		let at: number;
		for (let i = 0; i < count; i++) {
			subscription = list[i];
			if (subscription.length !== length) {
				if (subscription.length !== WILDCARD || !matches(subscription.filter, bytes, topicStart, topicEnd)) continue;
			} else if (start === -1) {
				if (!sameBytes(subscription.filter, bytes, topicStart)) continue;
			} else {
				filter = subscription.words;
				at = filter.length - 1;
				if (((words[start + at] ^ filter[at]) & subscription.mask) !== 0) continue;
				while (--at >= 0) if (words[start + at] !== filter[at]) break;
				if (at >= 0) continue;
			}
			handled++;
			try {
				subscription.handler(message);
			} catch (error) {
				session.flags |= Flag.THREW;
				session.report(error);
			}
			if (session.state !== State.CONNECTED) break;
		}
		return handled;
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
		const { requests, session } = this;
		let count = 0;
		session.unanswered = 0;
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
				session.unanswered++;
			}
			requests[count++] = request;
		}
		while (requests.length > count) requests.pop();
	}

	/** Puts a SUBSCRIBE or UNSUBSCRIBE into the output; false if it is not all there yet. */
	putRequest(request: Request): boolean {
		const { session } = this;
		const { scratch, bytes } = session;
		const { members, packet } = request;
		// An UNSUBSCRIBE has no QoS behind its filters.
		const trim = packet === Packet.SUBSCRIBE ? 0 : 1;
		let remaining = 2;
		for (let i = 0; i < members.length; i++) remaining += members[i].entry.length - trim;
		if (session.end === bytes.length) return false; // it has not begun
		if (request.identifier === 0) request.identifier = session.nextIdentifier();
		scratch[0] = request.again ? packet | session.repeatFlag() : packet;
		const head = writeLength(scratch, 1, remaining);
		scratch[head] = request.identifier >> 8;
		scratch[head + 1] = request.identifier;
		session.skip = session.progress;
		session.put(scratch, 0, head + 2);
		for (let i = 0; i < members.length; i++) session.put(members[i].entry, 0, members[i].entry.length - trim);
		if (session.progress < head + remaining) return false;
		session.progress = 0;
		request.told = true;
		return true;
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
			this.session.unanswered--;
			return Decoded.MORE;
		}
		return Decoded.CLOSED;
	}
}
