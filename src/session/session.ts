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

import { number, whole } from "../check.js";
import type { Alarm, Link, LinkOwner } from "../host.js";
import { LONGEST_PAYLOAD, Outbox, RECORD_HEADER, RecordState } from "../memory/outbox.js";
import { DECIMAL_SIZE } from "../wire/decimal.js";
import { Decoded, Decoder, type PacketReceiver } from "../wire/decode.js";
import { writeEmpty, writeLength, writeReply } from "../wire/encode.js";
import type { Message } from "../wire/message.js";
import { type Level, Limit, Packet, PublishFlag } from "../wire/packet.js";
import { wellFormed } from "../wire/topic.js";
import { Answer } from "./answer.js";
import type { Deferral } from "./deferral.js";
import type { ExactlyOnce } from "./exactly-once.js";
import type { Fallback } from "./fallback.js";
import type { Flush } from "./flush.js";
import { type Journal, Kind } from "./journal.js";
import type { ClientOptions } from "./options.js";
import { REASONS, Reason } from "./reason.js";
import type { Rules } from "./rules.js";
import type { Request, Subscriptions } from "./subscription.js";
import type { Streamed, Topic } from "./topic.js";

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

/** What is so or not so of a session, a bit each. */
export const enum Flag {
	/** The broker takes nothing in front of its CONNACK. */
	PATIENT = 1 << 0,
	/** What waits may be sent on this connection. */
	SENDING = 1 << 1,
	/** A callback of a stream runs while the output is being filled. */
	READING = 1 << 2,
	/** Something with the flag of `repeatFlag` was sent on this connection, and is not answered. */
	REPEATING = 1 << 3,
	/** There is a keep alive. */
	KEEP_ALIVE = 1 << 4,
	/** The broker may have lost our session since it last said that it had it. */
	DOUBT = 1 << 5,
	/** All of CONNECT is out, or in the output. */
	GREETED = 1 << 6,
	/** The first part of the wait for CONNACK is over. */
	LATE = 1 << 7,
	/** `retry` has cut this wait short, */
	HURRIED = 1 << 8,
	/** or one since a link was up for a while. */
	HINTED = 1 << 9,
	/** Nothing was sent since the last look at the keep alive, */
	QUIET = 1 << 10,
	/** or nothing was received. */
	UNHEARD = 1 << 11,
	PINGED = 1 << 12,
	/** A handler has thrown on the message that is coming in. */
	THREW = 1 << 13,
	CLEAN_SESSION = 1 << 14,
}

/** The most replies (PUBACK, PUBREC, PUBREL, PUBCOMP) that wait while nothing can be sent. */
const WAITING_REPLIES = 32;

/** What is counted, by its place among the words of the receive memory; the getters of Session say what each is. */
export const enum Count {
	RESENT,
	MAY_REPEAT,
	REJECTED,
	OVERSIZED,
	EXPIRED,
	DROPPED,
	REPLACED,
	UNHANDLED,
	SKIPPED,
	FAILURES,
	STRAY,
	VIOLATIONS,
	/** From here on, how often each Reason ended a connection. */
	ENDINGS,
}

/** Where parts of the receive memory begin; the counts stand in front of them. */
export const enum Start {
	REPLIES = 4 * (Count.ENDINGS + REASONS),
	SCRATCH = REPLIES + 4 * WAITING_REPLIES,
	INBOX = SCRATCH + DECIMAL_SIZE,
}

export class Session implements LinkOwner, PacketReceiver {
	state: State = State.STOPPED;
	/** The protocol level of this connection, or of the next one. */
	level: Level;
	/** Why the link was closed last, */
	reason: Reason = Reason.NONE;
	/** and how often for each Reason. */
	readonly endings: Uint32Array;
	/** Messages that `publish` said true for. */
	accepted = 0;
	/** Messages at QoS 1 and 2 that the broker has acknowledged. */
	delivered = 0;
	/** PUBLISH packets sent, resends included. */
	sent = 0;
	/** Messages handed to handlers. */
	received = 0;
	/** Connections that the broker accepted. */
	connections = 0;
	/** Milliseconds from the last CONNECT to its CONNACK, or from the last PINGREQ to its PINGRESP; -1 before the first. */
	roundTrip = -1;
	readonly outbox: Outbox;

	/** @internal */
	readonly link: Link;
	private readonly alarm: Alarm;
	private readonly decoder: Decoder;
	readonly topics: Topic[] = [];
	/** @internal Made with the first of them, */
	subscriptions: Subscriptions | undefined;
	/** and how many of its requests the broker has not answered, or has not been told of. */
	unanswered = 0;
	/** @internal The streams, each with the next one. */
	streams: Streamed | undefined;
	/** @internal The send memory: the outbox, then the output. */
	readonly bytes: Uint8Array;
	/** The receive memory, */
	private readonly incoming: Uint8Array;
	/** @internal and the same in words: the counts, the replies that wait, the inbox, what was received last. */
	readonly words: Uint32Array;
	private readonly fallback: Fallback | undefined;
	readonly deferral: Deferral | undefined;
	readonly exactlyOnce: ExactlyOnce | undefined;
	/** @internal */
	readonly journal: Journal | undefined;
	/** @internal Those of any topic, if one has some. */
	rules: Rules | undefined;
	/** @internal The wake that is going on. */
	flushing: Flush | undefined;
	/** The CONNECT packet. */
	private connect: Uint8Array;
	/** @internal For a number's digits, and for the header of a PUBLISH that goes out in pieces. */
	readonly scratch: Uint8Array;
	/** @internal Messages at QoS 1 and 2 sent and not acknowledged at a time. */
	readonly window: number;
	/** @internal Where the inbox ends in the receive memory. */
	readonly inbox: number;
	/**
	 * @internal Connected, nothing waits to be put into the output, and the window is open: what is published may
	 * go there at once.
	 */
	clear = false;
	/** @internal */
	flags: number;
	/** Where the output begins in `bytes`, and where the next packet goes. */
	private readonly output: number;
	/** @internal */
	end: number;
	/** @internal Bytes of the packet in hand that are in the output already; 0 between packets. */
	progress = 0;
	/** @internal Bytes still to pass over while a piece is written. */
	skip = 0;
	/** Bytes that go behind the payload of the record in hand. */
	private behind = 0;
	/** The packet in hand, if it is not a record of the outbox. */
	private request: Request | undefined;
	/** Bytes of replies that wait. */
	private replyBytes = 0;
	/** @internal The packet identifier that was used last. */
	identifier = 0;
	/** Connections in a row that ended with Flag.REPEATING. */
	private unheeded = 0;
	/** CONNECTs in a row without a CONNACK: the broker may have begun a session that we have not been told of. */
	private asked = 0;
	/** When the last CONNECT or PINGREQ went out, or the last connection ended, by the clock. */
	private askedAt = 0;
	/** The wait that goes on, in milliseconds from then. */
	private pause = 0;
	/** What the last look at the keep alive found missing: a Reason, or NONE. */
	private missing: Reason = Reason.NONE;
	/** The last wait before a reconnect, in milliseconds; the shortest, and the longest. */
	private wait: number;
	private readonly retryBase: number;
	private readonly retryCap: number;
	/** Milliseconds for the link to open, and then for CONNACK. */
	private readonly timeout: number;
	/**
	 * Milliseconds from one look at the keep alive to the next: half of nine tenths of it. PINGREQ goes out after 0.45 to
	 * 0.9 of it without a packet from us or without one from the broker, and 0.45 later a missing PINGRESP closes
	 * the link (section 3.1.2.10). So a broker that has gone silent is noticed while we go on sending, too.
	 */
	private readonly interval: number;
	private readonly onConnect: ((sessionPresent: boolean) => void) | undefined;
	private readonly onDisconnect: ((reason: number) => void) | undefined;
	private readonly onError: ((error: unknown) => void) | undefined;

	/** The client has checked the options so far, and encoded the CONNECT packet. `keepAlive` is in seconds; 0 is off. */
	constructor(options: ClientOptions, level: Level, keepAlive: number, connect: Uint8Array, fallback?: Fallback) {
		const { link, cleanSession = true } = options;
		const outbox = (whole(options.outbox, 1024, 64, 16_777_215, "outbox (bytes)") + 3) & ~3;
		const output = (whole(options.output, 256, 32, 65_536, "output (bytes)") + 3) & ~3;
		const inbox = Start.INBOX + ((whole(options.inbox, 256, 16, 65_536, "inbox (bytes)") + 2 + 3) & ~3);
		this.window = whole(options.window, 16, 1, 32_767, "window (messages)");
		this.timeout = 1000 * number(options.timeout, 10, 1, 3600, "timeout (seconds)");
		this.retryBase = this.wait = 1000 * number(options.retryBase, 1, 0.01, 3600, "retryBase (seconds)");
		this.retryCap = 1000 * number(options.retryCap, 60, 0.01, 86_400, "retryCap (seconds)");
		this.interval = keepAlive > 0 ? keepAlive * 450 : this.timeout;
		this.flags = cleanSession ? Flag.CLEAN_SESSION : 0;
		if (keepAlive > 0) this.flags |= Flag.KEEP_ALIVE;
		this.level = level;
		this.connect = connect;
		this.fallback = fallback;
		this.exactlyOnce = options.exactlyOnce;
		this.deferral = options.deferral;
		this.journal = options.journal;
		this.onConnect = options.onConnect;
		this.onDisconnect = options.onDisconnect;
		this.onError = options.onError;
		link.attach(this, outbox, output, inbox);
		const { incoming, outgoing } = link;
		this.link = link;
		this.alarm = link.clock.alarm(alarmOf(this));
		this.bytes = outgoing;
		this.outbox = new Outbox(outgoing, outbox);
		this.output = this.end = outbox;
		this.incoming = incoming;
		this.inbox = inbox;
		this.words = new Uint32Array(incoming.buffer, 0, incoming.length >> 2);
		this.scratch = incoming.subarray(Start.SCRATCH, Start.INBOX);
		this.words.fill(0, 0, Count.ENDINGS + REASONS);
		this.endings = this.words.subarray(Count.ENDINGS, Count.ENDINGS + REASONS);
		this.decoder = new Decoder(this, incoming, inbox, Start.INBOX);
		if (this.deferral) this.deferral.attach(this);
		// What a broker has answered to the life before is not known.
		if (this.journal?.attach(this)) this.asked = 1;
	}

	// What is counted, and is not needed often

	/** PUBLISH packets sent again, with DUP. */
	get resent(): number {
		return this.words[Count.RESENT];
	}
	/** Of those, the ones that may reach a subscriber twice: at QoS 2, only where the broker has lost the session. */
	get mayRepeat(): number {
		return this.words[Count.MAY_REPEAT];
	}
	/** Messages that were not taken because the outbox had no room for them. */
	get rejected(): number {
		return this.words[Count.REJECTED];
	}
	/** Messages that were not taken because they are larger than the outbox. */
	get oversized(): number {
		return this.words[Count.OVERSIZED];
	}
	/** Messages that were never sent, and were dropped: too old, */
	get expired(): number {
		return this.words[Count.EXPIRED];
	}
	/** in favour of a newer one, for want of room, */
	get dropped(): number {
		return this.words[Count.DROPPED];
	}
	/** or because only the latest one counts. */
	get replaced(): number {
		return this.words[Count.REPLACED];
	}
	/** Messages that came in and were not handed over, since no filter matched, */
	get unhandled(): number {
		return this.words[Count.UNHANDLED];
	}
	/** or since their topic did not fit the inbox. */
	get skipped(): number {
		return this.words[Count.SKIPPED];
	}
	/** Callbacks that threw. A message is not acknowledged then. */
	get failures(): number {
		return this.words[Count.FAILURES];
	}
	/** Acknowledgements for nothing that was in flight. */
	get stray(): number {
		return this.words[Count.STRAY];
	}
	/** Links closed because the broker broke the protocol. */
	get violations(): number {
		return this.words[Count.VIOLATIONS];
	}

	// What the application asks for

	/** There is something new to be sent: sends it, or lets it wait its turn. */
	wake(): void {
		this.clear = false;
		this.pump();
	}

	start(): void {
		if (this.state !== State.STOPPED) return;
		this.wait = this.retryBase;
		this.open();
	}

	/** Says DISCONNECT if it can, and closes. The outbox stays as it is. */
	stop(): void {
		if (this.state === State.CONNECTED && this.progress === 0 && this.end + 2 <= this.bytes.length) {
			this.end = writeEmpty(this.bytes, this.end, Packet.DISCONNECT);
			this.transmit();
		}
		this.disconnect(Reason.STOPPED);
	}

	/** The network is back: tries now, and not only when the wait is over; for a second time after the shortest wait. */
	retry(): void {
		const { retryBase, flags } = this;
		if (this.state !== State.WAITING || (flags & Flag.HURRIED) !== 0 || this.reason <= Reason.NOT_AUTHORIZED) return;
		if ((flags & Flag.HINTED) === 0) this.pause = 0;
		else if (retryBase < this.pause) this.pause = retryBase;
		this.flags |= Flag.HURRIED | Flag.HINTED;
		this.alarm.set(this.untilAttempt());
	}

	/** Milliseconds until the next attempt to connect; 0 if the client does not wait for one. */
	untilAttempt(): number {
		const left = this.pause - this.since(this.askedAt);
		return this.state === State.WAITING && left > 0 ? left : 0;
	}

	/** Milliseconds since this time of the clock. */
	private since(time: number): number {
		const passed = (this.link.clock.time() - time) | 0;
		return passed > 0 ? passed : 0;
	}

	/** Puts a message into the outbox, behind what waits there. */
	keep(topic: Topic, payload: Uint8Array, length: number): boolean {
		const { outbox, journal } = this;
		const { trail } = topic;
		const isJournaled = journal && topic.qos !== 0 && !topic.stream;
		if (isJournaled && !journal.fits(topic, length + trail)) return this.refuse(length + trail);
		const isTaken = this.rules
			? this.rules.keep(this, topic, payload, length)
			: outbox.append(payload, length, topic.index, 0, RecordState.WAITING);
		if (!isTaken) return this.refuse(length + trail);
		if (isJournaled && !journal.keep(outbox.tail - RECORD_HEADER - length - trail)) return this.refuse(length);
		this.accepted++;
		this.wake();
		return true;
	}

	refuse(length: number): boolean {
		const isTooLarge = RECORD_HEADER + length > this.outbox.size || length > LONGEST_PAYLOAD;
		this.words[isTooLarge ? Count.OVERSIZED : Count.REJECTED]++;
		return false;
	}

	// What the link and the clock tell

	onWritable(): void {
		if (this.state === State.OPENING) {
			this.state = State.CONNECTING;
			this.flags &= ~(Flag.QUIET | Flag.LATE);
			this.asked++;
			this.askedAt = this.link.clock.time();
			this.outbox.rewind();
			if (this.flushing?.opened()) this.send();
			this.alarm.set(this.interval < this.timeout ? this.interval : this.timeout);
		}
		this.pump();
		if (this.flushing) this.flushing.look();
	}

	onReceived(length: number): void {
		const at = this.inbox;
		this.flags &= ~Flag.UNHEARD;
		const outcome = this.decoder.decode(at, at + length);
		if (outcome >= Decoded.MALFORMED) this.disconnect(outcome as number);
		if (!this.clear) this.pump();
		else if (this.end !== this.output) this.transmit();
		if (this.flushing) this.flushing.look();
	}

	onClosed(): void {
		this.disconnect(this.state === State.OPENING ? Reason.UNREACHABLE : Reason.LINK_LOST);
	}

	/** @internal */
	onAlarm(): void {
		switch (this.state) {
			case State.WAITING:
				this.open();
				break;
			case State.OPENING:
				this.disconnect(Reason.OPEN_TIMEOUT);
				break;
			case State.CONNECTING:
				// The keep alive runs from CONNECT, and CONNACK may take more than half of it.
				if (this.interval < this.timeout && (this.flags & Flag.LATE) === 0) {
					this.flags |= Flag.LATE | Flag.QUIET;
					this.alarm.set(this.timeout - this.interval);
				} else this.disconnect(Reason.CONNACK_TIMEOUT);
				break;
			case State.CONNECTED:
				this.checkAlive();
		}
	}

	// The connection

	private open(): void {
		this.state = State.OPENING;
		this.alarm.set(this.timeout);
		this.link.open();
	}

	/** Ends this connection, or the attempt at one, and waits for the next one. Returns CLOSED. */
	disconnect(reason: Reason): Decoded {
		const state = this.state;
		if (state === State.STOPPED || (state === State.WAITING && reason !== Reason.STOPPED)) return Decoded.CLOSED;
		const { fallback, flushing, onDisconnect, retryBase, retryCap } = this;
		this.reason = reason;
		this.endings[reason]++;
		if (reason >= Reason.UNEXPECTED_PACKET) this.words[Count.VIOLATIONS]++;
		this.state = State.STOPPED;
		this.clear = false;
		this.end = this.output;
		this.progress = this.replyBytes = 0;
		if ((this.flags & Flag.REPEATING) !== 0) this.unheeded++;
		this.flags &= ~(Flag.GREETED | Flag.SENDING | Flag.HURRIED | Flag.REPEATING);
		this.request = undefined;
		this.decoder.reset();
		if (this.deferral) this.deferral.reset();
		this.link.close();
		let refused = reason <= Reason.NOT_AUTHORIZED;
		if (fallback && fallback.changes(reason, state === State.CONNECTING && reason === Reason.LINK_LOST)) {
			this.level = fallback.level;
			this.connect = fallback.exchange(this.connect);
			refused = refused && !fallback.isFirst();
		}
		let wait = -1;
		if (reason !== Reason.STOPPED) {
			this.state = State.WAITING;
			const random = this.link.clock.random();
			// Decorrelated jitter. But a refusal will not pass by itself: slowly, and not all boards at once.
			wait = refused ? retryCap * (0.5 + random / 2) : retryBase + random * (this.wait * 3 - retryBase);
			if (wait > retryCap) wait = retryCap;
			this.wait = refused ? retryCap : wait;
		}
		this.pause = wait;
		this.askedAt = this.link.clock.time();
		this.alarm.set(wait);
		try {
			if (onDisconnect) onDisconnect(reason);
		} catch (error) {
			this.report(error);
		}
		if (flushing) flushing.ended(state, reason);
		return Decoded.CLOSED;
	}

	/** A callback threw. */
	report(error: unknown): void {
		const { onError, words } = this;
		words[Count.FAILURES]++;
		try {
			if (onError) onError(error);
		} catch {
			words[Count.FAILURES]++;
		}
	}

	/** A look at the keep alive. What was missing at the last one and still is ends the connection. */
	private checkAlive(): void {
		const { flags } = this;
		if ((flags & Flag.PINGED) !== 0) {
			this.disconnect(Reason.PINGRESP_TIMEOUT);
			return;
		}
		const between = this.end === this.output && this.progress === 0;
		let missing: Reason = Reason.NONE;
		if (!between) missing = (flags & Flag.QUIET) !== 0 ? Reason.WRITE_TIMEOUT : Reason.NONE;
		else if (this.unanswered !== 0) missing = Reason.SUBACK_TIMEOUT;
		if (missing !== Reason.NONE && missing === this.missing) {
			this.disconnect(missing);
			return;
		}
		this.missing = missing;
		this.wait = this.retryBase; // the link has been up for a while
		this.flags &= ~Flag.HINTED;
		this.alarm.set(this.interval);
		if (between && (flags & (Flag.QUIET | Flag.UNHEARD)) !== 0) this.ping();
		this.flags |= Flag.QUIET | Flag.UNHEARD;
	}

	/** PINGREQ, between packets; its answer is due at the next look. */
	private ping(): void {
		if ((this.flags & Flag.KEEP_ALIVE) === 0) return;
		this.flags |= Flag.PINGED;
		this.askedAt = this.link.clock.time();
		this.end = writeEmpty(this.bytes, this.end, Packet.PINGREQ);
		this.transmit();
	}

	// What comes in

	/** PUBACK. */
	acknowledged(identifier: number): Decoded {
		if (this.state !== State.CONNECTED) return this.disconnect(Reason.UNEXPECTED_PACKET);
		if (!this.outbox.acknowledge(identifier, RecordState.SENT_QOS_1)) {
			this.words[Count.STRAY]++;
			return Decoded.MORE;
		}
		return this.settled(identifier);
	}

	/** A message at QoS 1 or 2 is done with. */
	settled(identifier: number): Decoded {
		this.delivered++;
		if (this.journal) this.journal.note(Kind.RELEASED, identifier);
		return this.streams ? this.streams.released(identifier) : Decoded.MORE;
	}

	packet(header: number, at: number, end: number): Decoded {
		const bytes = this.incoming;
		const code = bytes[at + 1];
		const identifier = (bytes[at] << 8) | code;
		const packet = header & 0xf0;
		const { exactlyOnce, subscriptions } = this;
		if (this.state !== State.CONNECTED) return this.answered(packet, bytes[at], code);
		switch (packet) {
			case Packet.PUBACK: // with flags, which level 3 leaves open
				return this.acknowledged(identifier);
			case Packet.PINGRESP:
				if ((this.flags & Flag.PINGED) !== 0) this.roundTrip = this.since(this.askedAt);
				this.flags &= ~Flag.PINGED;
				return Decoded.MORE;
			case Packet.SUBACK:
			case Packet.UNSUBACK: {
				if (!subscriptions) break;
				const outcome = subscriptions.answer(packet === Packet.SUBACK, identifier, bytes, at + 2, end);
				if (outcome !== Decoded.CLOSED) {
					this.heeded();
					this.missing = Reason.NONE;
					return outcome;
				}
				break;
			}
			case Packet.CONNACK:
				return this.disconnect(Reason.UNEXPECTED_PACKET);
			default:
				// An answer to PUBREL would have this identifier.
				if (packet === (Packet.PUBREL & 0xf0) && identifier === 0) return Decoded.MALFORMED_IDENTIFIER;
				if (exactlyOnce) return exactlyOnce.packet(this, packet, identifier);
		}
		this.words[Count.STRAY]++;
		return packet === (Packet.PUBREL & 0xf0) ? this.reply(Packet.PUBCOMP, identifier) : Decoded.MORE;
	}

	/** The first packet of a connection: CONNACK, or something that must not be (section 3.2). */
	private answered(packet: number, answer: number, code: number): Decoded {
		const { level, onConnect, fallback, subscriptions, exactlyOnce, flags } = this;
		if (packet !== Packet.CONNACK) return this.disconnect(Reason.UNEXPECTED_PACKET);
		if (code > Reason.NOT_AUTHORIZED || (level === 4 && answer > 1)) return Decoded.MALFORMED_CODE;
		if (code !== 0) {
			this.asked--;
			return this.disconnect(code);
		}
		const present = level === 4 && answer === 1;
		// [MQTT-3.2.2-1]; and nobody accepts a CONNECT that is not out yet.
		if ((present && (flags & Flag.CLEAN_SESSION) !== 0) || (flags & Flag.GREETED) === 0)
			return this.disconnect(Reason.UNEXPECTED_PACKET);
		this.roundTrip = this.since(this.askedAt);
		const isKept = level === 4 ? present : (flags & Flag.CLEAN_SESSION) === 0;
		const isInDoubt = present ? this.asked > 1 || (flags & Flag.DOUBT) !== 0 : level === 3;
		const certain = present && !isInDoubt;
		this.flags = (flags & ~(Flag.DOUBT | Flag.PINGED | Flag.THREW)) | Flag.QUIET | (isInDoubt ? Flag.DOUBT : 0);
		this.asked = 0;
		this.state = State.CONNECTED;
		this.connections++;
		this.missing = Reason.NONE;
		this.alarm.set(this.interval);
		// CONNECT is long ago.
		if ((flags & Flag.QUIET) !== 0 && this.end === this.output && this.progress === 0) this.ping();
		if (subscriptions) subscriptions.renew(isKept, certain);
		if (exactlyOnce && !certain) this.words[Count.MAY_REPEAT] += exactlyOnce.renew(this, isKept);
		this.send();
		if (this.flushing) this.flushing.connected();
		if (this.deferral) this.deferral.reset();
		if (fallback) fallback.accepted();
		try {
			if (onConnect) onConnect(present);
		} catch (error) {
			this.report(error);
		}
		return this.goesOn();
	}

	/** What waits may be sent from now on. */
	private send(): void {
		this.flags |= Flag.SENDING;
		if (this.journal) this.journal.sending();
	}

	/** Does the broker take nothing in front of its CONNACK? A reset does not forget it. */
	setPatient(patient: boolean): void {
		if (patient === ((this.flags & Flag.PATIENT) !== 0)) return;
		this.flags ^= Flag.PATIENT;
		if (this.journal) this.journal.note(Kind.PATIENT, patient ? 1 : 0);
	}

	/** To every handler whose filter matches; acknowledged once they have returned (section 4.3). */
	message(message: Message): Decoded {
		const qos = message.header & 6;
		if (this.state !== State.CONNECTED) return this.disconnect(Reason.UNEXPECTED_PACKET);
		if (qos === 4) {
			if (!this.exactlyOnce) return this.disconnect(Reason.UNEXPECTED_PACKET); // nobody asked for it
			if (!this.exactlyOnce.admits(this, message)) {
				if (this.state !== State.CONNECTED) return Decoded.CLOSED;
				return this.nameIsLegal(message) ? Decoded.MORE : Decoded.MALFORMED_TOPIC;
			}
		}
		const { subscriptions } = this;
		let handled = 0;
		if (subscriptions) {
			// A filter without wildcards is legal itself, and so is what equals it.
			if (subscriptions.wildcards !== 0 && !this.nameIsLegal(message)) return Decoded.MALFORMED_TOPIC;
			handled = subscriptions.dispatch(message);
			if (this.state !== State.CONNECTED) return Decoded.CLOSED;
		}
		if (handled === 0 && !this.nameIsLegal(message)) return Decoded.MALFORMED_TOPIC;
		if (message.remaining !== 0) return Decoded.MORE;
		if (handled !== 0) this.received++;
		else this.words[Count.UNHANDLED]++;
		if ((this.flags & Flag.THREW) !== 0) {
			this.flags &= ~Flag.THREW;
			if (this.deferral) this.deferral.release();
			return Decoded.MORE;
		}
		if (qos === 0) return Decoded.MORE;
		if (this.deferral) return this.deferral.answer(qos >> 1, message.identifier);
		return qos === 2 ? this.reply(Packet.PUBACK, message.identifier) : this.answer(Answer.ACCEPT, message.identifier);
	}

	/** MORE, or CLOSED if a callback or a violation has ended the connection. */
	goesOn(): Decoded {
		return this.state === State.CONNECTED ? Decoded.MORE : Decoded.CLOSED;
	}

	private nameIsLegal(message: Message): boolean {
		return wellFormed(message.bytes, message.topicStart, message.topicEnd, true);
	}

	/** The topic name did not fit the inbox: nobody gets the message, but the broker gets its answer ([MQTT-4.5.0-2]). */
	passBy(message: Message): Decoded {
		if (this.state !== State.CONNECTED) return this.disconnect(Reason.UNEXPECTED_PACKET);
		const answer = (message.header & 6) >> 1;
		if (answer === Answer.ACCEPT) {
			if (!this.exactlyOnce) return this.disconnect(Reason.UNEXPECTED_PACKET);
			if (!this.exactlyOnce.admits(this, message)) return this.goesOn();
		}
		this.words[Count.SKIPPED]++;
		if (answer === 0) return Decoded.MORE;
		return this.deferral ? this.deferral.answer(answer, message.identifier) : this.answer(answer, message.identifier);
	}

	/** Acknowledges a message. */
	answer(answer: Answer, identifier: number): Decoded {
		if (answer === Answer.ACCEPT && this.exactlyOnce) return this.exactlyOnce.accept(this, identifier);
		return this.reply(answer === Answer.ACKNOWLEDGE ? Packet.PUBACK : Packet.PUBREC, identifier);
	}

	// What goes out

	/** Fills the output and sends it, for as long as there is something to send and room for it. */
	pump(): void {
		if (this.state < State.CONNECTING || (this.flags & Flag.READING) !== 0) return;
		do this.clear = this.fill();
		while (this.transmit() && !this.clear);
	}

	/** Sends what is in the output, as far as the link has room; false if nothing went. */
	transmit(): boolean {
		let count = this.end - this.output;
		if (count > this.link.room) count = this.link.room;
		if (count === 0) return false;
		this.link.send(count);
		this.end -= count;
		if (this.end !== this.output) this.bytes.copyWithin(this.output, this.output + count, this.end + count);
		this.flags &= ~Flag.QUIET;
		return true;
	}

	/**
	 * Puts into the output what is to be sent next: CONNECT; then replies, SUBSCRIBE and UNSUBSCRIBE, records of the
	 * outbox. True if nothing is left.
	 */
	private fill(): boolean {
		const { outbox } = this;
		if ((this.flags & Flag.GREETED) === 0) {
			this.skip = this.progress;
			this.put(this.connect, 0, this.connect.length);
			if (this.progress < this.connect.length) return false;
			this.progress = 0;
			this.flags |= Flag.GREETED;
		}
		while ((this.flags & Flag.SENDING) !== 0) {
			const { subscriptions } = this; // a callback may have subscribed meanwhile
			if (this.progress === 0) {
				if (this.state === State.CONNECTED) {
					if (this.replyBytes !== 0 && !this.putReplies()) return false;
					this.request = subscriptions && this.unanswered !== 0 ? subscriptions.next() : undefined;
					if (!this.request && !outbox.look()) return outbox.inFlight < this.window;
				} else if (!outbox.look() || !this.flushing?.admits()) return false;
			}
			const { request } = this;
			if (!(subscriptions && request ? subscriptions.putRequest(request) : this.putRecord())) return false;
		}
		return false;
	}

	/** Is a record of the outbox, the one at its cursor, partly in the output? */
	hasRecordInHand(): boolean {
		return (this.flags & Flag.GREETED) !== 0 && this.progress !== 0 && !this.request;
	}

	/** Is there nothing to be sent, and nothing to be acknowledged? */
	isIdle(): boolean {
		const isWritten = this.end === this.output && this.progress === 0 && this.replyBytes === 0;
		return this.state === State.CONNECTED && isWritten && this.outbox.used === 0 && this.unanswered === 0;
	}

	/**
	 * DUP for a PUBREL, SUBSCRIBE or UNSUBSCRIBE that is sent again, where it has that: at level 3 (3.1, section 2.1); level 4
	 * forbids it ([MQTT-2.2.2-1]). Some brokers close on it (Mosquitto from 2.0.12 on, aedes): after five connections
	 * that ended before an answer came it is left out.
	 */
	repeatFlag(): number {
		if (this.level !== 3 || this.unheeded >= 5) return 0;
		this.flags |= Flag.REPEATING;
		return PublishFlag.DUP;
	}

	/** What was sent again is answered. */
	heeded(): void {
		if ((this.flags & Flag.REPEATING) !== 0) this.unheeded = 0;
		this.flags &= ~Flag.REPEATING;
	}

	/** Puts the record that the outbox has looked at into the output; false if it is not all there yet. */
	private putRecord(): boolean {
		const { outbox, scratch } = this;
		const { state } = outbox;
		if (state === RecordState.RECEIVED) return (this.exactlyOnce as ExactlyOnce).putRelease(this);
		const topic = this.topics[outbox.handle];
		const { name, qos, stream, rules } = topic;
		const again = state !== RecordState.WAITING;
		if (this.progress === 0) this.behind = rules ? rules.prepare(this) : 0;
		const { behind } = this;
		if (behind < 0) return true; // it has expired
		const length = stream ? stream.length : outbox.length - topic.trail + behind;
		const payload = outbox.cursor + RECORD_HEADER;
		const header = again ? topic.header | PublishFlag.DUP : topic.header; // [MQTT-3.3.1-1]
		let remaining = name.length + length;
		if (qos !== 0) {
			if (this.progress === 0 && outbox.inFlight >= this.window) return false;
			remaining += 2;
			if (outbox.identifier === 0) {
				outbox.identify(this.nextIdentifier());
				if (this.journal) this.journal.note(Kind.USED, outbox.identifier);
			}
		}
		const { identifier } = outbox;
		scratch[0] = header;
		const head = writeLength(scratch, 1, remaining);
		scratch[head] = identifier >> 8;
		scratch[head + 1] = identifier;
		this.skip = this.progress;
		this.put(scratch, 0, head);
		this.put(name, 0, name.length);
		if (identifier !== 0) this.put(scratch, head, 2);
		if (stream) stream.put();
		else this.put(undefined, payload, length - behind);
		if (rules && behind !== 0) rules.finish(this);
		if (this.progress < head + remaining) return false;
		this.progress = 0;
		this.sent++;
		if (again) this.words[Count.RESENT]++;
		if (again && qos === 1) this.words[Count.MAY_REPEAT]++;
		outbox.sent(qos === 0 ? RecordState.RELEASED : (qos as number));
		if (stream) stream.sent(identifier);
		return true;
	}

	/**
	 * Puts into the output what of `source`, or without one of the outbox, comes after the bytes to skip, as far
	 * as it fits.
	 */
	put(source: Uint8Array | undefined, at: number, length: number): void {
		if (this.skip >= length) {
			this.skip -= length;
			return;
		}
		const bytes = this.bytes;
		const end = this.end;
		at += this.skip;
		let count = length - this.skip;
		if (count > bytes.length - end) count = bytes.length - end;
		if (!source) bytes.copyWithin(end, at, at + count);
		else if (count === source.length) bytes.set(source, end);
		else for (let i = 0; i < count; i++) bytes[end + i] = source[at + i];
		this.skip = 0;
		this.end = end + count;
		this.progress += count;
	}

	/** Answers a packet: at once, or as soon as the packet in hand is out. */
	reply(packet: Packet, identifier: number): Decoded {
		if (this.progress === 0 && this.replyBytes === 0 && this.end + 4 <= this.bytes.length) {
			this.end = writeReply(this.bytes, this.end, packet, identifier);
		} else {
			// Within one piece of what comes in there may be more to answer than the output holds.
			if (this.replyBytes === 4 * WAITING_REPLIES) this.pump();
			if (this.state !== State.CONNECTED) return Decoded.CLOSED;
			if (this.replyBytes === 4 * WAITING_REPLIES) return this.disconnect(Reason.REPLY_OVERFLOW);
			writeReply(this.incoming, Start.REPLIES + this.replyBytes, packet, identifier);
			this.replyBytes += 4;
			this.clear = false;
		}
		return Decoded.MORE;
	}

	/** Puts the replies that wait into the output, as many as fit; false if some are left. */
	private putReplies(): boolean {
		const { bytes, incoming } = this;
		const start = Start.REPLIES;
		let at = 0;
		while (at < this.replyBytes && this.end + 4 <= bytes.length) {
			for (let i = 0; i < 4; i++) bytes[this.end++] = incoming[start + at++];
		}
		incoming.copyWithin(start, start + at, start + this.replyBytes);
		this.replyBytes -= at;
		return this.replyBytes === 0;
	}

	/** A packet identifier that is not in use, 1 to 65,535 (section 2.3.1). */
	nextIdentifier(): number {
		do this.identifier = this.identifier < Limit.IDENTIFIER ? this.identifier + 1 : 1;
		while (
			(this.outbox.tail !== 0 && this.outbox.find(this.identifier, this.outbox.tail) !== -1) ||
			(this.unanswered !== 0 && this.subscriptions?.uses(this.identifier))
		);
		return this.identifier;
	}
}

/** Made here, the function holds on to nothing but the session: on Espruino one keeps all that stands around it. */
function alarmOf(session: Session): () => void {
	return () => session.onAlarm();
}
