/**
 * The protocol as a state machine: what a connection is told (writable, received, closed, a timer has run
 * out) and what the application asks for go in; bytes for the link come out. It reads no clock and no
 * random number of its own: the link and its clock are given.
 *
 *     STOPPED -> OPENING -> CONNECTING -> CONNECTED
 *        ^          |  ^        |             |
 *        |          v  '---- WAITING <--------'
 *        '---------- stop() from anywhere
 */

import type { Alarm, Link, LinkOwner } from "../host.js";
import { Outbox, RECORD_HEADER } from "../memory/outbox.js";
import { DECIMAL_SIZE } from "../wire/decimal.js";
import { Decoded, Decoder, type PacketReceiver } from "../wire/decode.js";
import { lengthSize, setIdentifier, writeEmpty, writeLength, writePublish, writeReply } from "../wire/encode.js";
import type { Message } from "../wire/message.js";
import { type Level, Limit, Packet, PublishFlag, SUBSCRIPTION_FAILED } from "../wire/packet.js";
import { wellFormed } from "../wire/topic.js";
import { Reason } from "./reason.js";
import { type Subscription, WILDCARD } from "./subscription.js";
import type { Topic } from "./topic.js";

export const enum State {
	STOPPED = 0,
	/** Between connections. */
	WAITING = 1,
	/** The link is being opened. */
	OPENING = 2,
	/** CONNECT went out, CONNACK has not come. */
	CONNECTING = 3,
	CONNECTED = 4,
}

/** Replies (PUBACK) that wait while nothing can be sent. */
export const REPLIES = 32;

export interface SessionOptions {
	level: Level;
	cleanSession: boolean;
	/** Seconds; 0 is off. */
	keepAlive: number;
	/** Bytes. */
	outbox: number;
	/** Bytes. */
	output: number;
	/** Bytes. */
	inbox: number;
	/** QoS 1 messages sent and not acknowledged at a time. */
	window: number;
	/** Milliseconds for the link to open, and then for CONNACK. */
	timeout: number;
	/** Milliseconds: the shortest and the longest wait before a reconnect. */
	retryBase: number;
	retryCap: number;
	/** The CONNECT packet, whole. */
	connect: Uint8Array;
	onConnect?: ((sessionPresent: boolean) => void) | undefined;
	onDisconnect?: ((reason: number) => void) | undefined;
}

export class Session implements LinkOwner, PacketReceiver {
	state: State = State.STOPPED;
	/** Why the link was closed last. */
	reason: Reason = Reason.NONE;
	/** Messages that `publish` said true for. */
	accepted = 0;
	/** Messages at QoS 1 that the broker has acknowledged. */
	delivered = 0;
	/** PUBLISH packets sent, resends included. */
	sent = 0;
	/** PUBLISH packets sent again, with DUP. */
	resent = 0;
	/** Messages that were not taken because the outbox had no room for them. */
	rejected = 0;
	/** Messages that were not taken because they are larger than the outbox. */
	oversized = 0;
	/** Messages handed to handlers. */
	received = 0;
	/** Messages that came in and were not handed over: no filter matched, or the topic did not fit the inbox. */
	unhandled = 0;
	/** Callbacks that threw. A message is not acknowledged then. */
	failures = 0;
	/** Acknowledgements for nothing that was in flight. */
	stray = 0;
	/** Connections that the broker accepted. */
	connections = 0;
	/** Links closed because the broker broke the protocol. */
	violations = 0;
	readonly outbox: Outbox;

	private readonly options: SessionOptions;
	private readonly link: Link;
	private readonly alarm: Alarm;
	private readonly decoder: Decoder;
	private readonly topics: Topic[] = [];
	private readonly subscriptions: Subscription[] = [];
	/** @internal The send memory: the outbox, then the output. */
	readonly bytes: Uint8Array;
	/** The receive memory in words. */
	private readonly words: Uint32Array;
	private readonly incoming: Uint8Array;
	/** @internal For a number's digits, and for the header of a PUBLISH that goes out in pieces. */
	readonly scratch = new Uint8Array(DECIMAL_SIZE);
	private readonly replies = new Uint8Array(4 * REPLIES);
	/** @internal */
	readonly window: number;
	private readonly inbox: number;
	/**
	 * @internal Connected, nothing waits to be put into the output, and the window is open: what is published may
	 * go there at once.
	 */
	clear = false;
	/** Where the output begins in `bytes`, and where the next packet goes. */
	private readonly output: number;
	/** @internal */
	end: number;
	/** Bytes of the packet in hand that are in the output already; 0 between packets. */
	private progress = 0;
	/** Bytes still to pass over while a piece is written. */
	private skip = 0;
	/** The whole packet in hand, if it is not a record of the outbox. */
	private packetInHand: Uint8Array | undefined;
	/** Bytes in `replies`. */
	private replyBytes = 0;
	private identifier = 0;
	/** Subscriptions with a wildcard. */
	private wildcards = 0;
	/** Subscriptions that the broker has to be told of. */
	private untold = 0;
	/** Subscriptions whose SUBACK has not come. */
	private asked = 0;
	/** Nothing was sent since the last look at the keep alive, */
	private quiet = false;
	/** or nothing was received. */
	private unheard = false;
	/** What the last look at the keep alive found missing: a Reason, or NONE. */
	private missing: Reason = Reason.NONE;
	private pinged = false;
	/** A handler has thrown on the message that is coming in. */
	private threw = false;
	/** The last wait before a reconnect, in milliseconds. */
	private wait: number;

	constructor(link: Link, options: SessionOptions) {
		link.attach(this, options.outbox, options.output, options.inbox);
		const { incoming } = link;
		this.incoming = incoming;
		this.options = options;
		this.link = link;
		this.alarm = link.clock.alarm(() => this.onAlarm());
		this.bytes = link.outgoing;
		this.outbox = new Outbox(link.outgoing, options.outbox);
		this.output = this.end = options.outbox;
		this.window = options.window;
		this.inbox = options.inbox;
		this.decoder = new Decoder(this, incoming, options.inbox, options.level);
		this.words = new Uint32Array(incoming.buffer, 0, incoming.length >> 2);
		this.wait = options.retryBase;
	}

	// What the application asks for

	addTopic(topic: Topic): void {
		this.topics.push(topic);
	}

	addSubscription(subscription: Subscription): void {
		this.subscriptions.push(subscription);
		if (subscription.length === WILDCARD) this.wildcards++;
		this.untold++;
		this.clear = false;
		this.pump();
	}

	start(): void {
		if (this.state !== State.STOPPED) return;
		this.wait = this.options.retryBase;
		this.open();
	}

	/** Says DISCONNECT if it can, and closes. The outbox stays as it is. */
	stop(): void {
		if (this.state === State.CONNECTED && this.progress === 0 && this.end + 2 <= this.bytes.length) {
			this.end = writeEmpty(this.bytes, this.end, Packet.DISCONNECT);
			this.flush();
		}
		this.disconnect(Reason.STOPPED);
	}

	/** Puts a message into the outbox, behind what waits there. */
	keep(topic: Topic, payload: Uint8Array, length: number): boolean {
		if (!this.outbox.append(payload, length, topic.index, 0)) return this.refuse(length);
		this.accepted++;
		this.clear = false;
		this.pump();
		return true;
	}

	refuse(length: number): boolean {
		if (length > this.outbox.capacity) this.oversized++;
		else this.rejected++;
		return false;
	}

	// What the link and the clock tell

	onWritable(): void {
		if (this.state === State.OPENING) {
			this.state = State.CONNECTING;
			this.alarm.set(this.options.timeout);
			this.packetInHand = this.options.connect;
		}
		this.pump();
	}

	onReceived(length: number): void {
		const at = this.inbox;
		this.unheard = false;
		const outcome = this.decoder.decode(at, at + length);
		if (outcome === Decoded.MALFORMED) this.disconnect(Reason.MALFORMED_PACKET);
		if (!this.clear) this.pump();
		else if (this.end !== this.output) this.flush();
	}

	onClosed(): void {
		this.disconnect(this.state === State.OPENING ? Reason.UNREACHABLE : Reason.LINK_LOST);
	}

	private onAlarm(): void {
		switch (this.state) {
			case State.WAITING:
				this.open();
				break;
			case State.OPENING:
				this.disconnect(Reason.OPEN_TIMEOUT);
				break;
			case State.CONNECTING:
				this.disconnect(Reason.CONNACK_TIMEOUT);
				break;
			case State.CONNECTED:
				this.checkAlive();
		}
	}

	// The connection

	private open(): void {
		this.state = State.OPENING;
		this.alarm.set(this.options.timeout);
		this.link.open();
	}

	/** Ends this connection, or the attempt at one, and waits for the next one. */
	private disconnect(reason: Reason): void {
		const state = this.state;
		if (state === State.STOPPED || (state === State.WAITING && reason !== Reason.STOPPED)) return;
		const options = this.options;
		this.reason = reason;
		if (reason === Reason.MALFORMED_PACKET || reason === Reason.UNEXPECTED_PACKET) this.violations++;
		this.state = State.STOPPED;
		this.clear = false;
		this.end = this.output;
		this.progress = this.replyBytes = 0;
		this.packetInHand = undefined;
		this.decoder.reset();
		this.link.close();
		if (reason === Reason.STOPPED) this.alarm.set(-1);
		else {
			this.state = State.WAITING;
			const random = this.link.clock.random();
			const { retryBase, retryCap } = options;
			if (reason <= Reason.NOT_AUTHORIZED) {
				// A refusal will not pass by itself: slowly, and not all boards at once.
				this.wait = retryCap;
				this.alarm.set(retryCap * (0.5 + random / 2));
			} else {
				const wait = retryBase + random * (this.wait * 3 - retryBase); // decorrelated jitter
				this.wait = wait < retryCap ? wait : retryCap;
				this.alarm.set(this.wait);
			}
		}
		try {
			if (options.onDisconnect) options.onDisconnect(reason);
		} catch {
			this.failures++;
		}
	}

	/**
	 * Half of nine tenths of the keep alive: PINGREQ goes out after 0.45 to 0.9 of it without a packet from us
	 * or without one from the broker, and 0.45 later a missing PINGRESP closes the link (section 3.1.2.10). So a
	 * broker that has gone silent is noticed while we go on sending, too.
	 */
	private checkInterval(): number {
		return this.options.keepAlive > 0 ? this.options.keepAlive * 450 : this.options.timeout;
	}

	/** What was missing at the last look and still is ends the connection. */
	private checkAlive(): void {
		let missing: Reason = Reason.NONE;
		if (this.pinged) missing = Reason.PINGRESP_TIMEOUT;
		else if (this.quiet && this.end !== this.output) missing = Reason.WRITE_TIMEOUT;
		else if (this.asked !== 0) missing = Reason.SUBACK_TIMEOUT;
		if (missing !== Reason.NONE && missing === this.missing) {
			this.disconnect(missing);
			return;
		}
		this.missing = missing;
		this.wait = this.options.retryBase; // the link has been up for a while
		this.alarm.set(this.checkInterval());
		const silent = this.quiet || this.unheard;
		if (silent && missing === Reason.NONE && this.end === this.output && this.options.keepAlive !== 0) {
			this.pinged = true;
			this.missing = Reason.PINGRESP_TIMEOUT;
			this.end = writeEmpty(this.bytes, this.end, Packet.PINGREQ);
			this.flush();
		}
		this.quiet = this.unheard = true;
	}

	// What comes in

	acknowledged(identifier: number): Decoded {
		if (this.state !== State.CONNECTED) return this.violation(Reason.UNEXPECTED_PACKET);
		if (this.outbox.acknowledge(identifier)) this.delivered++;
		else this.stray++;
		return Decoded.MORE;
	}

	packet(header: number, at: number, end: number): Decoded {
		const bytes = this.incoming;
		const code = bytes[at + 1];
		const identifier = (bytes[at] << 8) | code;
		if (this.state !== State.CONNECTED) return this.answered(header, bytes[at], code);
		switch (header & 0xf0) {
			case Packet.PUBACK: // with flags, which level 3 leaves open
				return this.acknowledged(identifier);
			case Packet.PINGRESP:
				this.pinged = false;
				return Decoded.MORE;
			case Packet.SUBACK:
				return this.subscribed(identifier, bytes[at + 2], end - at);
			case Packet.CONNACK:
				return this.violation(Reason.UNEXPECTED_PACKET);
			case Packet.PUBREL & 0xf0:
				this.stray++;
				return this.reply(Packet.PUBCOMP, identifier);
			default:
				this.stray++;
				return Decoded.MORE;
		}
	}

	/** The first packet of a connection: CONNACK, or something that must not be (section 3.2). */
	private answered(header: number, flags: number, code: number): Decoded {
		const { level, cleanSession, onConnect } = this.options;
		if ((header & 0xf0) !== Packet.CONNACK) return this.violation(Reason.UNEXPECTED_PACKET);
		if (code > Reason.NOT_AUTHORIZED || (level === 4 && flags > 1)) return Decoded.MALFORMED;
		if (code !== 0) return this.violation(code);
		const sessionPresent = level === 4 && flags === 1;
		if (sessionPresent && cleanSession) return this.violation(Reason.UNEXPECTED_PACKET); // [MQTT-3.2.2-1]
		this.state = State.CONNECTED;
		this.connections++;
		this.pinged = this.threw = false;
		this.quiet = true; // since CONNECT
		this.missing = Reason.NONE;
		this.alarm.set(this.checkInterval());
		this.outbox.rewind();
		this.untold = this.asked = 0;
		const { subscriptions } = this;
		for (let i = 0; i < subscriptions.length; i++) {
			const subscription = subscriptions[i];
			subscription.identifier = 0;
			subscription.told = sessionPresent && subscription.granted !== -1;
			if (subscription.told) continue;
			subscription.granted = -1;
			this.untold++;
		}
		try {
			if (onConnect) onConnect(sessionPresent);
		} catch {
			this.failures++;
		}
		return this.state === State.CONNECTED ? Decoded.MORE : Decoded.CLOSED;
	}

	private violation(reason: Reason): Decoded {
		this.disconnect(reason);
		return Decoded.CLOSED;
	}

	private subscribed(identifier: number, code: number, length: number): Decoded {
		const subscriptions = this.subscriptions;
		for (let i = 0; i < subscriptions.length; i++) {
			const subscription = subscriptions[i];
			if (identifier === 0 || subscription.identifier !== identifier) continue;
			if (length !== 3 || (code > 2 && code !== SUBSCRIPTION_FAILED)) return Decoded.MALFORMED;
			subscription.identifier = 0;
			subscription.granted = code;
			this.missing = Reason.NONE;
			this.asked--;
			return Decoded.MORE;
		}
		this.stray++;
		return Decoded.MORE;
	}

	/** To every handler whose filter matches; acknowledged once they have returned (section 4.3.2). */
	message(message: Message): Decoded {
		const qos = message.header & 6;
		// QoS 2 was never asked for.
		if (this.state !== State.CONNECTED || qos === 4) return this.violation(Reason.UNEXPECTED_PACKET);
		// A filter without wildcards is legal itself, and so is what equals it.
		if (this.wildcards !== 0 && !this.nameIsLegal(message)) return Decoded.MALFORMED;
		const subscriptions = this.subscriptions;
		const count = subscriptions.length; // a handler may subscribe
		let handled = false;
		const length = message.topicEnd - message.topicStart;
		let subscription: Subscription;
		for (let i = 0; i < count; i++) {
			subscription = subscriptions[i];
			if (subscription.length === length) {
				if (!subscription.equals(message, this.words)) continue;
			} else if (subscription.length !== WILDCARD || !subscription.matches(message)) continue;
			handled = true;
			try {
				subscription.handler(message);
			} catch {
				this.threw = true;
			}
			if (this.state !== State.CONNECTED) return Decoded.CLOSED;
		}
		if (!handled && !this.nameIsLegal(message)) return Decoded.MALFORMED;
		if (message.remaining !== 0) return Decoded.MORE;
		if (handled) this.received++;
		else this.unhandled++;
		if (this.threw) {
			this.threw = false;
			this.failures++;
			return Decoded.MORE;
		}
		return qos === 0 ? Decoded.MORE : this.reply(Packet.PUBACK, message.identifier);
	}

	private nameIsLegal(message: Message): boolean {
		return wellFormed(message.bytes, message.topicStart, message.topicEnd, true);
	}

	/** The topic name did not fit the inbox: nobody gets the message, but the broker gets its answer ([MQTT-4.5.0-2]). */
	skipped(message: Message): Decoded {
		if (this.state !== State.CONNECTED || (message.header & 6) === 4) return this.violation(Reason.UNEXPECTED_PACKET);
		this.unhandled++;
		return (message.header & 6) === 0 ? Decoded.MORE : this.reply(Packet.PUBACK, message.identifier);
	}

	// What goes out

	/** Fills the output and sends it, for as long as there is something to send and room for it. */
	private pump(): void {
		if (this.state < State.CONNECTING) return;
		do this.clear = this.fill();
		while (this.flush() && !this.clear);
	}

	/** Sends what is in the output, as far as the link has room; false if nothing went. */
	flush(): boolean {
		let count = this.end - this.output;
		if (count > this.link.room) count = this.link.room;
		if (count === 0) return false;
		this.link.send(count);
		this.end -= count;
		if (this.end !== this.output) this.bytes.copyWithin(this.output, this.output + count, this.end + count);
		this.quiet = false;
		return true;
	}

	/**
	 * Puts into the output what is to be sent next: the packet in hand, replies, subscriptions, then
	 * records of the outbox. True if nothing is left.
	 */
	private fill(): boolean {
		const outbox = this.outbox;
		for (;;) {
			if (this.packetInHand) {
				this.skip = this.progress;
				this.put(this.packetInHand, 0, this.packetInHand.length);
				if (this.progress < this.packetInHand.length) return false;
				this.packetInHand = undefined;
				this.progress = 0;
			}
			if (this.state !== State.CONNECTED) return false;
			if (this.progress === 0) {
				if (this.replyBytes !== 0 && !this.putReplies()) return false;
				if (this.untold !== 0) {
					this.subscribe();
					continue;
				}
				if (!outbox.look()) return outbox.inFlight < this.window;
			}
			if (!this.putRecord()) return false;
		}
	}

	/** Takes a subscription in hand that the broker has to be told of. */
	private subscribe(): void {
		const subscriptions = this.subscriptions;
		for (let i = 0; i < subscriptions.length; i++) {
			const subscription = subscriptions[i];
			if (subscription.told) continue;
			subscription.told = true;
			subscription.identifier = this.nextIdentifier();
			setIdentifier(subscription.packet, subscription.identifier);
			this.packetInHand = subscription.packet;
			this.untold--;
			this.asked++;
			return;
		}
	}

	/** Puts the record that the outbox has looked at into the output; false if it is not all there yet. */
	private putRecord(): boolean {
		const { outbox, bytes } = this;
		const { length, again } = outbox;
		const topic = this.topics[outbox.topic];
		const { name } = topic;
		const payload = outbox.cursor + RECORD_HEADER;
		const header = again ? topic.header | PublishFlag.DUP : topic.header; // [MQTT-3.3.1-1]
		let remaining = name.length + length;
		if (topic.qos !== 0) {
			if (this.progress === 0 && outbox.inFlight >= this.window) return false;
			remaining += 2;
			if (!again && this.progress === 0) outbox.identify(this.nextIdentifier());
		}
		const { identifier } = outbox;
		const size = 1 + lengthSize(remaining) + remaining;
		if (this.progress === 0 && this.end + size <= bytes.length) {
			const at = writePublish(bytes, this.end, header, name, identifier, length);
			bytes.copyWithin(at, payload, payload + length);
			this.end = at + length;
		} else {
			if (this.output + size <= bytes.length) return false;
			// Larger than the output: in pieces, of which this is one.
			const { scratch } = this;
			scratch[0] = header;
			const head = writeLength(scratch, 1, remaining);
			scratch[head] = identifier >> 8;
			scratch[head + 1] = identifier;
			this.skip = this.progress;
			this.put(scratch, 0, head);
			this.put(name, 0, name.length);
			if (identifier !== 0) this.put(scratch, head, 2);
			this.put(undefined, payload, length);
			if (this.progress < size) return false;
			this.progress = 0;
		}
		this.sent++;
		if (again) this.resent++;
		outbox.sent();
		return true;
	}

	/**
	 * Puts into the output what of `source`, or without one of the outbox, comes after the bytes to skip, as far
	 * as it fits.
	 */
	private put(source: Uint8Array | undefined, at: number, length: number): void {
		if (this.skip >= length) {
			this.skip -= length;
			return;
		}
		const bytes = this.bytes;
		const end = this.end;
		at += this.skip;
		let count = length - this.skip;
		if (count > bytes.length - end) count = bytes.length - end;
		if (source) for (let i = 0; i < count; i++) bytes[end + i] = source[at + i];
		else bytes.copyWithin(end, at, at + count);
		this.skip = 0;
		this.end = end + count;
		this.progress += count;
	}

	/** Answers a packet: at once, or as soon as the packet in hand is out. */
	private reply(packet: Packet, identifier: number): Decoded {
		if (this.progress === 0 && this.replyBytes === 0 && this.end + 4 <= this.bytes.length) {
			this.end = writeReply(this.bytes, this.end, packet, identifier);
		} else {
			if (this.replyBytes === this.replies.length) return this.violation(Reason.REPLY_OVERFLOW);
			this.replyBytes = writeReply(this.replies, this.replyBytes, packet, identifier);
			this.clear = false;
		}
		return Decoded.MORE;
	}

	/** Puts the replies that wait into the output, as many as fit; false if some are left. */
	private putReplies(): boolean {
		const { bytes, replies } = this;
		let at = 0;
		while (at < this.replyBytes && this.end + 4 <= bytes.length) {
			for (let i = 0; i < 4; i++) bytes[this.end++] = replies[at++];
		}
		replies.copyWithin(0, at, this.replyBytes);
		this.replyBytes -= at;
		return this.replyBytes === 0;
	}

	/** A packet identifier that is not in use, 1 to 65,535 (section 2.3.1). */
	nextIdentifier(): number {
		do this.identifier = this.identifier < Limit.IDENTIFIER ? this.identifier + 1 : 1;
		while (
			(this.outbox.tail !== 0 && this.outbox.find(this.identifier, this.outbox.tail) !== -1) ||
			(this.asked !== 0 && this.isAsked(this.identifier))
		);
		return this.identifier;
	}

	private isAsked(identifier: number): boolean {
		const subscriptions = this.subscriptions;
		for (let i = 0; i < subscriptions.length; i++) if (subscriptions[i].identifier === identifier) return true;
		return false;
	}
}
