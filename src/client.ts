/**
 * The public face: checks what the application asks for, encodes it once, and hands it to the session.
 * After `start` nothing here allocates.
 */
import { fail, whole } from "./check.js";
import type { Link } from "./host.js";
import type { Fallback } from "./session/fallback.js";
import { Flush, type Flushed } from "./session/flush.js";
import type { ClientOptions } from "./session/options.js";
import { Rules } from "./session/rules.js";
import { Session, Start } from "./session/session.js";
import type { Publisher } from "./session/stream.js";
import { type Handler, Subscription, Subscriptions } from "./session/subscription.js";
import { Topic, type TopicOptions } from "./session/topic.js";
import { type ConnectFields, connectPacket, field, publishHeader } from "./wire/encode.js";
import { type Level, Limit, type QoS } from "./wire/packet.js";
import { filterError, nameError, wellFormed } from "./wire/topic.js";

export type { Alarm, Clock, Link, LinkOwner, Store } from "./host.js";
export { Deferral } from "./session/deferral.js";
export { Diagnostics } from "./session/diagnostics.js";
export { ExactlyOnce } from "./session/exactly-once.js";
export { Fallback } from "./session/fallback.js";
export type { Flushed } from "./session/flush.js";
export { Journal } from "./session/journal.js";
export type { ClientOptions } from "./session/options.js";
export { describe, Reason } from "./session/reason.js";
export { Age, type WhenFull } from "./session/rules.js";
export { State } from "./session/session.js";
export { type Source, Stream } from "./session/stream.js";
export type { Handler, Subscription } from "./session/subscription.js";
export type { Topic, TopicOptions } from "./session/topic.js";
export type { Message } from "./wire/message.js";
export type { Level, QoS } from "./wire/packet.js";

/** One of the filters for `subscribeAll`. */
export interface Filter {
	filter: string | Uint8Array;
	qos: QoS;
	handler: Handler;
}

/** What a client is doing, to read: numbers in fixed places, so reading them costs nothing. */
export type Status = Readonly<
	Pick<
		Session,
		| "state"
		| "level"
		| "reason"
		| "endings"
		| "accepted"
		| "delivered"
		| "sent"
		| "resent"
		| "mayRepeat"
		| "rejected"
		| "oversized"
		| "expired"
		| "dropped"
		| "replaced"
		| "received"
		| "unhandled"
		| "skipped"
		| "failures"
		| "stray"
		| "connections"
		| "violations"
		| "roundTrip"
	>
> & {
	/** `used` of `size` bytes are taken; `peak` is the most that were. */
	readonly outbox: Readonly<Pick<Session["outbox"], "used" | "size" | "peak">>;
};

export class Client implements Publisher {
	/** What the client is doing, and what it has counted. */
	readonly status: Status;
	private readonly session: Session;
	/** The lowest protocol level, and the highest QoS. */
	private readonly lowest: Level;
	private readonly highest: QoS;
	private flushing: Flush | undefined;

	/** Throws an Error that says what is wrong with the options. Allocates all memory that the client will use. */
	constructor(options: ClientOptions) {
		const { link, clientId, will, userName, password, cleanSession = true } = options;
		const fallback = (options.level as Fallback | undefined)?.attach ? (options.level as Fallback) : undefined;
		const level = fallback || options.level === undefined ? 4 : options.level;
		const lowest = fallback ? 3 : (level as Level);
		const keepAlive = whole(options.keepAlive, 60, 0, 65_535, "keepAlive (seconds)");
		if (!link) fail("link is missing: new TcpLink({ host, port }) makes one");
		if (level !== 3 && level !== 4) fail("level must be 3 (MQTT 3.1), 4 (MQTT 3.1.1) or a new Fallback()");
		if (password !== undefined && userName === undefined) fail("password needs a userName");
		const id = text(link, clientId, "clientId");
		if (id.length === 0 && (lowest === 3 || !cleanSession)) {
			fail("clientId may be empty only with cleanSession and level 4");
		}
		if (lowest === 3 && characters(id) > 23) fail("clientId is longer than the 23 characters of MQTT 3.1");
		this.lowest = lowest;
		this.highest = options.exactlyOnce ? 2 : 1;
		const fields: ConnectFields = {
			level,
			cleanSession,
			keepAlive,
			clientId: id,
			will: will && {
				topic: topicName(link, lowest, will.topic, "will.topic"),
				payload: bytesOf(link, will.payload, "will.payload"),
				qos: qosOf(will.qos, 2),
				retain: will.retain === true,
			},
			userName: userName === undefined ? undefined : text(link, userName, "userName"),
			password: password === undefined ? undefined : bytesOf(link, password, "password"),
		};
		const connect = connectPacket(fields);
		if (fallback) {
			fields.level = 3;
			fallback.attach(connectPacket(fields));
		}
		this.status = this.session = new Session(options, level, keepAlive, connect, fallback);
	}

	/**
	 * A handle to publish to this topic name, for the life of the client; at most 256 of them.
	 * Throws an Error that says what is wrong with the name (section 4.7) or the options. `isStream` is for Stream alone.
	 */
	topic(name: string | Uint8Array, options: TopicOptions = {}, isStream = false): Topic {
		const { session } = this;
		const { topics, journal, link } = session;
		const bytes = field(topicName(link, this.lowest, name, "topic"));
		const qos = qosOf(options.qos, this.highest);
		const retain = options.retain === true;
		let rules: Rules | undefined;
		if (options.whenFull !== undefined || options.expiry !== undefined || options.age !== undefined) {
			rules = session.rules = new Rules(link, options);
		}
		const trail = rules ? rules.trail : 0;
		let topic = isStream ? undefined : journal?.adopt(bytes, publishHeader(qos, retain), trail);
		if (!topic) {
			let index = 0;
			while (topics[index]) index++;
			if (index === 256) fail("a client has at most 256 topics; keep a handle and use it again");
			topic = new Topic(session, index, bytes, qos, retain, trail);
			topics[index] = topic;
		}
		topic.rules = rules;
		return topic;
	}

	/**
	 * Calls `handler` for each message whose topic matches `filter`, where `+` stands for one level and `#` for
	 * all that follow (section 4.7); where several filters match, each handler once, in the order of subscribing. The
	 * broker is asked for this QoS at most; `granted` tells its answer.
	 *
	 * A message at QoS 1 or 2 is acknowledged when its handlers have returned; not if one threw: the broker then sends it
	 * again after a reconnect, if it kept the session. QoS 2 needs the option `exactlyOnce`.
	 * Throws an Error that says what is wrong with the filter.
	 */
	subscribe(filter: string | Uint8Array, qos: QoS, handler: Handler): Subscription {
		return this.subscribeAll([{ filter, qos, handler }])[0];
	}

	/** As `subscribe` for each of these, 1 or more; the broker is asked with one SUBSCRIBE (section 3.8). */
	subscribeAll(filters: readonly Filter[]): Subscription[] {
		if (filters.length === 0) fail("subscribeAll needs at least one filter");
		const { session } = this;
		const most = session.inbox - Start.INBOX - 4;
		if (filters.length > most) {
			fail(
				`the SUBACK for ${filters.length} filters does not fit the inbox, which takes ${most}; ask in several calls`,
			);
		}
		const made: Subscription[] = [];
		for (let i = 0; i < filters.length; i++) {
			const { filter, qos, handler } = filters[i];
			const bytes = text(session.link, filter, "filter");
			check(bytes, filterError(bytes), this.lowest, filter, "filter");
			if (typeof handler !== "function") fail("subscribe needs a handler");
			made.push(new Subscription(bytes, qosOf(qos, this.highest), handler));
		}
		if (!session.subscriptions) session.subscriptions = new Subscriptions(session);
		session.subscriptions.add(made);
		return made.slice();
	}

	/**
	 * Ends a subscription, or several with one UNSUBSCRIBE (section 3.10): from now on their handlers are not called, and
	 * messages that still come are acknowledged and counted as `unhandled`. One that has ended already is left alone.
	 */
	unsubscribe(subscriptions: Subscription | readonly Subscription[]): void {
		this.session.subscriptions?.cancel(subscriptions instanceof Subscription ? [subscriptions] : subscriptions);
	}

	/** Connects, and from now on connects again whenever the link is lost. */
	start(): void {
		this.session.start();
	}

	/**
	 * For a board that sleeps: connects if it is not connected, publishes what waits, and calls `done` as soon as all of it is
	 * acknowledged and the client has disconnected and stopped, or when `budget` seconds, 0.1 to 86,400, are over, or when the next
	 * attempt to connect would come after that. `delivered` messages at QoS 1 and 2 were acknowledged since it was called, and `left`
	 * messages stay in the outbox.
	 *
	 * If it is called before `start`, CONNECT and up to 40 PUBLISHes at QoS 0 and 1 leave at once, which saves a round trip; a broker that
	 * does not take that is noticed, and remembered in the journal. False if one is going on already. It allocates when it is called the
	 * first time.
	 */
	flush(budget: number, done: Flushed): boolean {
		const { session } = this;
		if (!(budget === +budget && budget >= 0.1 && budget <= 86_400))
			fail(`budget must be 0.1 to 86,400 seconds, not ${budget}`);
		if (!(done instanceof Function)) fail("flush needs a callback");
		if (!this.flushing) this.flushing = new Flush(session);
		return this.flushing.begin(1000 * budget, done);
	}

	/**
	 * A hint of the host, that the network is back: if the client waits before a reconnect it tries at once, and for a second
	 * time, before a link was up for a while, after `retryBase`. After a refusal it goes on to wait.
	 */
	retry(): void {
		this.session.retry();
	}

	/** Disconnects. What was not acknowledged stays in the outbox for the next `start`. */
	stop(): void {
		this.session.stop();
	}
}

function qosOf(qos: QoS | undefined, highest: QoS): QoS {
	if (qos === undefined) return 0;
	if (qos !== 0 && qos !== 1 && qos !== 2) fail(`qos must be 0, 1 or 2, not ${qos}`);
	if (qos > highest) fail("qos 2 needs the client's option exactlyOnce: new ExactlyOnce()");
	return qos;
}

/** A field's bytes: a text in UTF-8, or bytes as they are. At most 65,535 of them. */
function bytesOf(link: Link, value: string | Uint8Array, name: string): Uint8Array {
	if (typeof value !== "string") {
		if (!(value instanceof Uint8Array)) fail(`${name} must be a text, not ${String(value)}`);
		if (value.length > Limit.FIELD) fail(`${name} has ${value.length} bytes; 65,535 is the most`);
		return value;
	}
	return text(link, value, name);
}

/** The bytes of a text, which is given as such or in UTF-8. */
function text(link: Link, value: string | Uint8Array, name: string): Uint8Array {
	const bytes = bytesOf(link, typeof value === "string" ? link.encode(value) : value, name);
	if (!wellFormed(bytes, 0, bytes.length, false))
		fail(`${name} holds U+0000, half of a surrogate pair, or is not UTF-8`);
	return bytes;
}

/** The bytes of a topic name that may be published to. */
function topicName(link: Link, lowest: Level, value: string | Uint8Array, name: string): Uint8Array {
	const bytes = text(link, value, name);
	return check(bytes, nameError(bytes), lowest, value, name);
}

/** Fails if there is something wrong with a topic name or filter. */
function check(
	bytes: Uint8Array,
	problem: string | undefined,
	lowest: Level,
	value: unknown,
	name: string,
): Uint8Array {
	if (lowest === 3 && characters(bytes) > 32_767) fail(`${name} is longer than the 32,767 characters of MQTT 3.1`);
	if (problem) fail(`${name} "${typeof value === "string" ? value : ""}" ${problem}`);
	return bytes;
}

function characters(bytes: Uint8Array): number {
	let count = 0;
	for (let i = 0; i < bytes.length; i++) if ((bytes[i] & 0xc0) !== 0x80) count++;
	return count;
}
