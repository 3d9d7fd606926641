/**
 * The public face: checks what the application asks for, encodes it once, and hands it to the session.
 * After `start` nothing here allocates.
 */
import { fail, number, whole } from "./check.js";
import type { Link } from "./host.js";
import { Session } from "./session/session.js";
import { type Handler, Subscription } from "./session/subscription.js";
import { Topic } from "./session/topic.js";
import { connectPacket, field } from "./wire/encode.js";
import { type Level, Limit, type QoS } from "./wire/packet.js";
import { filterError, nameError, wellFormed } from "./wire/topic.js";

export type { Alarm, Clock, Link, LinkOwner } from "./host.js";
export { describe, Reason } from "./session/reason.js";
export { State } from "./session/session.js";
export type { Handler, Subscription } from "./session/subscription.js";
export type { Topic } from "./session/topic.js";
export type { Message } from "./wire/message.js";
export type { Level, QoS } from "./wire/packet.js";

export interface ClientOptions {
	/** The byte pipe to the broker, from `mqtt-mote/moddable`, `mqtt-mote/espruino` or `mqtt-mote/node`. */
	link: Link;
	/** 1 to 23 letters and digits suit every broker; empty only with `cleanSession` at level 4 (section 3.1.3.1). */
	clientId: string;
	/** Protocol level: 4 is MQTT 3.1.1 (the default), 3 is MQTT 3.1. */
	level?: Level;
	/** Seconds between packets at most, 0 to 65,535; 0 is off. Default 60. A lost link is noticed within 1.35 times this. */
	keepAlive?: number;
	/** True (the default): the broker forgets this client with the link. False: it keeps its subscriptions and messages. */
	cleanSession?: boolean;
	/** What the broker publishes when it loses us (section 3.1.2.5). */
	will?: { topic: string; payload: string | Uint8Array; qos?: QoS; retain?: boolean };
	userName?: string;
	/** Only with a user name ([MQTT-3.1.2-22]). */
	password?: string | Uint8Array;
	/** Bytes for what is published and not yet acknowledged: 6 and the payload for each message. Default 1024. */
	outbox?: number;
	/** Bytes for packets on their way into the link. A larger packet goes out in pieces. Default 256. */
	output?: number;
	/** Bytes for a packet that comes in pieces. A larger message is handed over in parts. Default 256. */
	inbox?: number;
	/** QoS 1 messages sent and not acknowledged at a time, 1 to 32,767. Default 16. */
	window?: number;
	/** Seconds for the link to open, and again for CONNACK. Default 10. */
	timeout?: number;
	/** Seconds: the shortest wait before a reconnect. Default 1. */
	retryBase?: number;
	/** Seconds: the longest wait before a reconnect, and about the usual one after a refusal. Default 60. */
	retryCap?: number;
	/** The broker has accepted us; `sessionPresent` if it had kept our session (section 3.2.2.2; always false at level 3). */
	onConnect?: (sessionPresent: boolean) => void;
	/** A connection, or an attempt at one, has ended; `describe(reason)` says why in words. */
	onDisconnect?: (reason: number) => void;
}

export interface TopicOptions {
	/** 0 (the default): sent once and forgotten. 1: kept until the broker has acknowledged it. */
	qos?: 0 | 1;
	/** The broker keeps the last message for later subscribers (section 3.3.1.3). Default false. */
	retain?: boolean;
}

/** What a client is doing, to read: numbers in fixed places, so reading them costs nothing. */
export type Status = Readonly<
	Pick<
		Session,
		| "state"
		| "reason"
		| "accepted"
		| "delivered"
		| "sent"
		| "resent"
		| "rejected"
		| "oversized"
		| "received"
		| "unhandled"
		| "failures"
		| "stray"
		| "connections"
		| "violations"
	>
> & {
	/** `used` of `size` bytes are taken. */
	readonly outbox: { readonly used: number; readonly size: number };
};

export class Client {
	/** What the client is doing, and what it has counted. */
	readonly status: Status;
	private readonly session: Session;
	private readonly link: Link;
	private topics = 0;

	/** Throws an Error that says what is wrong with the options. Allocates all memory that the client will use. */
	constructor(options: ClientOptions) {
		const { link, clientId, will, userName, password } = options;
		const level = options.level === undefined ? 4 : options.level;
		const cleanSession = options.cleanSession === undefined ? true : options.cleanSession;
		const keepAlive = whole(options.keepAlive, 60, 0, 65_535, "keepAlive (seconds)");
		if (!link) fail("link is missing: new TcpLink({ host, port }) makes one");
		if (level !== 3 && level !== 4) fail("level must be 3 (MQTT 3.1) or 4 (MQTT 3.1.1)");
		if (password !== undefined && userName === undefined) fail("password needs a userName");
		const id = text(link, clientId, "clientId");
		if (id.length === 0 && (level === 3 || !cleanSession)) {
			fail("clientId may be empty only with cleanSession and level 4");
		}
		if (level === 3 && characters(id) > 23) fail("clientId is longer than the 23 characters of MQTT 3.1");
		this.link = link;
		this.session = new Session(link, {
			level,
			cleanSession,
			keepAlive,
			outbox: (whole(options.outbox, 1024, 64, 16_777_215, "outbox (bytes)") + 3) & ~3,
			output: (whole(options.output, 256, 32, 65_536, "output (bytes)") + 3) & ~3,
			inbox: (whole(options.inbox, 256, 16, 65_536, "inbox (bytes)") + 2 + 3) & ~3,
			window: whole(options.window, 16, 1, 32_767, "window (messages)"),
			timeout: 1000 * number(options.timeout, 10, 1, 3600, "timeout (seconds)"),
			retryBase: 1000 * number(options.retryBase, 1, 0.01, 3600, "retryBase (seconds)"),
			retryCap: 1000 * number(options.retryCap, 60, 0.01, 86_400, "retryCap (seconds)"),
			connect: connectPacket({
				level,
				cleanSession,
				keepAlive,
				clientId: id,
				will: will && {
					topic: checked(nameError, text(link, will.topic, "will.topic"), "will.topic", will.topic),
					payload: text(link, will.payload, "will.payload"),
					qos: qosOf(will.qos, 2),
					retain: will.retain === true,
				},
				userName: userName === undefined ? undefined : text(link, userName, "userName"),
				password: password === undefined ? undefined : text(link, password, "password"),
			}),
			onConnect: options.onConnect,
			onDisconnect: options.onDisconnect,
		});
		this.status = this.session;
	}

	/**
	 * A handle to publish to this topic name, for the life of the client; at most 256 of them.
	 * Throws an Error that says what is wrong with the name (section 4.7) or the options.
	 */
	topic(name: string, options: TopicOptions = {}): Topic {
		if (this.topics === 256) fail("a client has at most 256 topics; keep a handle and use it again");
		const bytes = checked(nameError, text(this.link, name, "topic"), "topic", name);
		const qos = qosOf(options.qos, 1);
		const topic = new Topic(this.session, this.topics, field(bytes), qos, options.retain === true);
		this.topics++;
		this.session.addTopic(topic);
		return topic;
	}

	/**
	 * Calls `handler` for each message whose topic matches `filter`, where `+` stands for one level and `#` for
	 * all that follow (section 4.7). The broker is asked for this QoS at most; `granted` tells its answer.
	 * A message at QoS 1 is acknowledged when its handlers have returned; not if one threw.
	 * Throws an Error that says what is wrong with the filter.
	 */
	subscribe(filter: string, qos: 0 | 1, handler: Handler): Subscription {
		const bytes = checked(filterError, text(this.link, filter, "filter"), "filter", filter);
		if (typeof handler !== "function") fail("subscribe needs a handler");
		const subscription = new Subscription(bytes, qosOf(qos, 1), handler);
		this.session.addSubscription(subscription);
		return subscription;
	}

	/** Connects, and from now on connects again whenever the link is lost. */
	start(): void {
		this.session.start();
	}

	/** Disconnects. What was not acknowledged stays in the outbox for the next `start`. */
	stop(): void {
		this.session.stop();
	}
}

function qosOf(qos: QoS | undefined, highest: QoS): QoS {
	if (qos === undefined) return 0;
	if ((qos !== 0 && qos !== 1 && qos !== 2) || qos > highest) fail(`qos must be 0 to ${highest}, not ${qos}`);
	return qos;
}

/** A field's bytes: a text in UTF-8, or bytes as they are. At most 65,535 of them. */
function text(link: Link, value: string | Uint8Array, name: string): Uint8Array {
	if (typeof value !== "string" && !(value instanceof Uint8Array)) fail(`${name} must be a text, not ${String(value)}`);
	const bytes = typeof value === "string" ? link.encode(value) : value;
	if (bytes.length > Limit.FIELD) fail(`${name} has ${bytes.length} bytes; 65,535 is the most`);
	if (typeof value === "string" && !wellFormed(bytes, 0, bytes.length, false)) {
		fail(`${name} holds U+0000 or half of a surrogate pair`);
	}
	return bytes;
}

function checked(
	error: (bytes: Uint8Array) => string | undefined,
	bytes: Uint8Array,
	name: string,
	value: string,
): Uint8Array {
	const problem = error(bytes);
	if (problem) fail(`${name} "${value}" ${problem}`);
	return bytes;
}

function characters(bytes: Uint8Array): number {
	let count = 0;
	for (let i = 0; i < bytes.length; i++) if ((bytes[i] & 0xc0) !== 0x80) count++;
	return count;
}
