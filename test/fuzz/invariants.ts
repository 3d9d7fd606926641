/**
 * What must hold whatever comes in: a model of both sides of a session, written from the specification and the public
 * face, which is told of all that the client is told and sees all that it does. It keeps the first complaint.
 *
 * A packet counts as said once it stands in the client's output, where the broker may not have seen it yet: the model looks
 * there. It has one blind spot: where replies overflow it cannot know at which message. From then on it `isUnsure`, and only
 * the rest counts: the form of the packets, reasons, and that the client comes to rest in the end.
 */
import { type Client, type Message, Reason, State, type Subscription } from "../../src/client.js";
import type { Link } from "../../src/host.js";
import { type Arrival, fits, Incoming, latin1, Splitter, sameBytes } from "./wire.js";

export interface Setup {
	level: 3 | 4 | "fallback";
	cleanSession: boolean;
	keepAlive: number;
	/** The longest body that is handed over whole. */
	limit: number;
	window: number;
	/** Places of ExactlyOnce and of Deferral; 0 without one. */
	identifiers: number;
	held: number;
}

/** A subscription. */
export interface Known {
	filter: string;
	qos: number;
	isEnded: boolean;
	granted: number;
	/** As the client calls it, once `subscribe` has returned. */
	handle?: Subscription;
}

/** A SUBSCRIBE or an UNSUBSCRIBE. */
interface Request {
	header: 0x82 | 0xa2;
	members: Known[];
	isTold: boolean;
	/** 0 unless it was sent and not answered. */
	identifier: number;
	/** A link was lost while a part of it was in the output. */
	isRisked: boolean;
}

/** A message of ours. */
export interface Sending {
	topic: string;
	/** QoS and RETAIN, as in the first byte. */
	flags: number;
	payload: Uint8Array;
	identifier: number;
	/** PUBREC has come. */
	isReceived: boolean;
	/** The last connection on which it was said; 0 if it was not. */
	saidOn: number;
	flow?: Flow;
}

/** A stream, and what is due to the source of its message. */
export interface Flow {
	/** The broker has acknowledged the message. */
	isDone: boolean;
	/** Its source threw or answered nonsense. */
	hasFailed: boolean;
	isBusy: boolean;
}

const enum Phase {
	CLOSED,
	OPENING,
	OPEN,
	CONNECTED,
}

/** In place of a QoS: a message at QoS 2 that was handed over before. */
const REPEATED = 3;

/** Replies that wait for room. */
const REPLIES = 32;

const reply = (header: number, identifier: number) => (header << 16) | identifier;

export class Oracle {
	complaint: Error | undefined;
	isUnsure = false;
	/** What the broker has to answer on this connection, and where it ends among the bytes of it. */
	private asked: { header: number; identifier: number; count: number; end: number }[] = [];
	/** What happens to the link or the clock just now: only that excuses some reasons. */
	excuse: "" | "break" | "alarm" | "stop" = "";
	/** Callbacks of the application that run. */
	depth = 0;
	/** A source has said that its bytes are not there yet. */
	isStarving = false;
	failures = 0;
	readonly incoming: Incoming;
	/** Of three streams. */
	readonly flows: Flow[] = Array.from({ length: 3 }, () => ({ isDone: false, hasFailed: false, isBusy: false }));

	private phase = Phase.CLOSED;
	private connection = 0;
	private level: 3 | 4;
	/** Closes without CONNACK in a row. */
	private closes = 0;
	/** Reasons of which one must end this connection now. */
	private mustEnd: Reason[] = [];

	private client!: Client;
	/** Of the client's inner life the model knows one number: where the output ends. */
	private session!: { readonly end: number };
	private link!: Link;
	/** Where the output begins. */
	private output = 0;
	private readonly outgoing = new Splitter((whole) => whole && this.packet());
	/** What stood in the output and was not looked at. */
	private readonly unread: Uint8Array[] = [];
	/** A copy of what stands in the output; bytes of it that are known, and bytes sent on this connection. */
	private readonly copy = new Uint8Array(256);
	private copied = 0;
	private sentBytes = 0;
	private saidConnect = false;
	private saidDisconnect = false;

	private readonly known: Known[] = [];
	private requests: Request[] = [];
	private mine: Sending[] = [];
	/** Replies that are due, in their order: PUBACK and PUBREC, PUBREL, PUBCOMP. */
	private due: number[] = [];
	private released: number[] = [];
	private completed: number[] = [];
	/** Acknowledgements that wait for the application; ticket 0 waits only behind others. */
	private waiting: { ticket: number; qos: number; identifier: number }[] = [];
	private readonly table = new Set<number>();
	/** Those of earlier connections, which give way where the broker may have lost the session. */
	private stale = new Set<number>();

	/** The message at the head of `incoming`: who gets this part, and who is next. */
	private handlers: Known[] | undefined;
	private turn = 0;
	private calls = 0;
	private isFresh = true;
	private hasThrown = false;
	private ticket = 0;

	/** As in the client's status. */
	private readonly counts = {
		accepted: 0,
		delivered: 0,
		received: 0,
		unhandled: 0,
		skipped: 0,
		stray: 0,
		connections: 0,
	};
	private readonly endings: number[] = Array(32).fill(0);

	/** `alter`: what becomes of the bytes of the output before the model reads them; a test makes a broken client with it. */
	constructor(
		private readonly setup: Setup,
		private readonly alter: ((bytes: Uint8Array) => Uint8Array) | undefined,
	) {
		this.incoming = new Incoming(setup.limit);
		this.level = setup.level === 3 ? 3 : 4;
	}

	/** The client to watch; its output begins behind `outbox` bytes of the link's memory. */
	watch(client: Client, link: Link, outbox: number): void {
		this.client = client;
		this.session = (client as unknown as { session: { end: number } }).session;
		this.link = link;
		this.output = outbox;
	}

	complain(what: string): void {
		this.complaint ??= new Error(what);
	}

	private must(holds: boolean, what: string): void {
		if (!holds) this.complain(what);
	}

	// The link

	opening(): void {
		this.must(this.phase === Phase.CLOSED, "a second link was opened");
		this.phase = Phase.OPENING;
		this.connection++;
		this.saidConnect = this.saidDisconnect = false;
		this.sentBytes = 0;
		this.incoming.reset(this.level);
		this.outgoing.reset();
	}

	opened(): void {
		this.phase = Phase.OPEN;
		this.attempts++;
	}

	/** The link is about to send so many bytes of the output. */
	sends(length: number): void {
		this.peek();
		const { outgoing } = this.link;
		for (let i = 0; i < length; i++)
			this.must(outgoing[this.output + i] === this.copy[i], "bytes in the output have changed");
		this.copy.copyWithin(0, length, this.copied);
		this.copied -= length;
		this.sentBytes += length;
	}

	/** Takes what is new in the output. */
	private peek(): void {
		if (this.phase === Phase.CLOSED) return;
		const filled = this.session.end - this.output;
		if (filled <= this.copied) return;
		const bytes = this.link.outgoing.slice(this.output + this.copied, this.output + filled);
		this.copy.set(bytes, this.copied);
		this.copied = filled;
		this.unread.push(this.alter ? this.alter(bytes) : bytes);
	}

	/** Looks at what the client says; it must be right as things stand now. */
	look(): void {
		this.peek();
		if (this.unread.length === 0) return;
		for (const bytes of this.unread.splice(0)) this.outgoing.take(bytes);
		this.must(!this.outgoing.isBroken, "a remaining length of five bytes was sent");
	}

	/** What has reached the broker and needs an answer. */
	get unanswered(): { header: number; identifier: number; count: number }[] {
		return this.asked.filter(({ end }) => end <= this.sentBytes);
	}

	/** The broker is about to answer this one. */
	answers(one: object): void {
		this.asked.splice(this.asked.indexOf(one as (typeof this.asked)[0]), 1);
	}

	/** An event is over. `isOpen`: the link is; `room`: the client has seen that the link takes more. */
	settle(isOpen: boolean, room: boolean): void {
		const due = this.next();
		this.look();
		if (due) this.complain(`a message was not handed to ${due.filter}`);
		if (this.isUnsure) this.mustEnd = [];
		if (this.mustEnd.length > 0) this.complain(`the link must be closed for one of ${this.mustEnd}, and is not`);
		this.must(isOpen === this.phase > Phase.CLOSED, "a link ended without a word");
		this.compare();
		if (!room || this.isUnsure) return;
		this.must(this.copied === 0, "there is room, and the output is not sent");
		if (this.isStarving) return;
		if (this.phase === Phase.OPEN) this.must(this.saidConnect, "there is room, and CONNECT does not go out");
		if (this.phase !== Phase.CONNECTED) return;
		const replies = this.due.length + this.released.length + this.completed.length;
		this.must(replies === 0, "there is room, and a reply that is due does not go out");
		this.must(!this.requests.some(({ isTold }) => !isTold), "there is room, and a SUBSCRIBE or so does not go out");
		const unsent = this.nextSending();
		if (unsent && (unsent.isReceived || (unsent.flags & 6) === 0 || this.inFlight < this.setup.window)) {
			this.complain("there is room, and a message does not go out");
		}
	}

	private compare(): void {
		const { counts } = this;
		const { status } = this.client;
		this.must(status.accepted === counts.accepted, "status.accepted is wrong");
		this.must(status.connections === counts.connections, "status.connections is wrong");
		this.must(status.failures === this.failures, "status.failures is wrong");
		if (this.isUnsure) return;
		this.must(status.received === counts.received, "status.received is wrong");
		this.must(status.unhandled === counts.unhandled, "status.unhandled is wrong");
		this.must(status.skipped === counts.skipped, "status.skipped is wrong");
		this.must(status.delivered === counts.delivered, "status.delivered is wrong");
		this.must(status.stray === counts.stray, "status.stray is wrong");
		for (const { handle, isEnded, granted } of this.known) {
			if (handle !== undefined && !isEnded && handle.granted !== granted) {
				this.complain(`granted is ${handle.granted}, not ${granted}`);
			}
		}
		for (const { flow } of this.mine) if (flow) this.must(flow.isBusy, "a source is done before its message is");
		for (const { isDone } of this.flows) this.must(!isDone, "a message is done, and its source was not told");
	}

	// What the application does

	subscribed(members: Known[]): void {
		this.look();
		this.known.push(...members);
		this.requests.push({ header: 0x82, members, isTold: false, identifier: 0, isRisked: false });
	}

	unsubscribed(members: Known[]): void {
		this.look();
		const gone = new Map<string, Known>();
		for (const one of members) if (!one.isEnded && !gone.has(one.filter)) gone.set(one.filter, one);
		for (const one of members) one.isEnded = true;
		const next = this.requests.find(({ isTold }) => !isTold);
		for (const request of this.requests) {
			const { header, isTold, identifier } = request;
			// One that is on its way stays as it is.
			if (identifier !== 0 || request.isRisked || (request === next && this.isAmidRequest)) continue;
			if (header === 0x82) request.members = request.members.filter(({ isEnded }) => !isEnded);
			else if (!isTold) for (const { filter } of request.members) gone.delete(filter);
		}
		this.requests = this.requests.filter((request) => request.members.length > 0);
		for (const { filter, isEnded } of this.known) if (!isEnded) gone.delete(filter);
		if (gone.size === 0) return;
		this.requests.push({ header: 0xa2, members: [...gone.values()], isTold: false, identifier: 0, isRisked: false });
	}

	/** Before `publish`: what it may send at once is to be known. */
	publishes(topic: string, flags: number, payload: Uint8Array, flow?: Flow): Sending {
		const sending: Sending = {
			topic,
			flags,
			payload,
			identifier: 0,
			isReceived: false,
			saidOn: 0,
			flow,
		};
		this.counts.accepted++;
		this.mine.push(sending);
		return sending;
	}

	refused(sending: Sending): void {
		this.counts.accepted--;
		this.must(this.mine.pop() === sending, "a message was refused after it had been sent");
	}

	/** Before `acknowledge`; returns what it has to answer. */
	acknowledges(ticket: number): boolean {
		this.look();
		if (ticket > 0 && ticket === this.ticket) {
			this.ticket = 0; // it is in hand still
			return true;
		}
		const entry = ticket > 0 ? this.waiting.find((one) => one.ticket === ticket) : undefined;
		if (!entry || this.phase !== Phase.CONNECTED) return false;
		entry.ticket = 0;
		while (this.waiting.length > 0 && this.waiting[0].ticket === 0) {
			const { qos, identifier } = this.waiting.shift()!;
			this.accept(qos, identifier);
		}
		return true;
	}

	held(ticket: number): void {
		this.must(this.isUnsure || this.ticket === 0 || this.ticket === ticket, "one message has two tickets");
		if (this.phase === Phase.CONNECTED) this.ticket = ticket;
	}

	// What the client calls

	/** A handler is called. */
	enter(known: Known, message: Message): void {
		const due = this.next();
		this.look();
		this.depth++;
		if (this.isUnsure) return;
		if (due !== known) {
			this.complain(`a handler of ${known.filter} was called; due was ${due ? due.filter : "none"}`);
			return;
		}
		const { header, body, topic, identifier, offset, remaining } = this.incoming.arrivals[0];
		this.turn++;
		this.calls++;
		this.must(latin1(message.topic) === topic, `topic ${latin1(message.topic)} instead of ${topic}`);
		this.must(sameBytes(message.payload, body), "a payload was handed over that did not come in");
		this.must(message.offset === offset && message.remaining === remaining, "a part is in the wrong place");
		this.must(message.header === header, "flags were handed over that did not come in");
		this.must((header & 6) === 0 || message.identifier === identifier, "the identifier of a message is wrong");
	}

	/** It returns, or throws. */
	leave(hasThrown: boolean): void {
		this.look();
		this.depth--;
		if (hasThrown && this.phase === Phase.CONNECTED) this.hasThrown = true;
	}

	connected(sessionPresent: boolean): void {
		this.next(() => this.phase === Phase.CONNECTED);
		this.look();
		if (this.isUnsure && this.phase !== Phase.CONNECTED) this.accepted(sessionPresent);
		this.must(this.phase === Phase.CONNECTED, "onConnect without a CONNACK");
		this.must(sessionPresent === this.present, "onConnect says another sessionPresent than CONNACK");
	}

	/** The source of a stream is asked for bytes: the output is being filled. */
	reads(flow: Flow): void {
		if (this.depth === 0) this.next();
		this.look();
		this.must(flow.isBusy && !flow.hasFailed, "a source that is done was asked");
		this.must(this.phase === Phase.CONNECTED, "a source was asked without a connection");
	}

	/** The source of a stream is let go. */
	done(flow: Flow, delivered: boolean): void {
		const isAcknowledged = this.mine.some((one) => one.flow === flow && (one.flags & 6) !== 0);
		if (this.depth === 0) this.next(isAcknowledged ? () => flow.isDone : undefined);
		this.look();
		this.must(flow.isBusy, "done was called twice");
		flow.isBusy = false;
		const at = this.mine.findIndex((one) => one.flow === flow);
		if (!delivered) {
			this.must(flow.hasFailed, "a source was let go, and it had not failed");
			if (at !== -1) this.mine.splice(at, 1);
		} else this.must(at === -1 || this.isUnsure, "a source was let go before its message was out, or acknowledged");
		flow.isDone = flow.hasFailed = false;
	}

	disconnected(reason: Reason): void {
		if (this.depth === 0 && this.excuse === "") {
			const due = this.next(() => this.tolerates(reason));
			if (due && reason !== Reason.REPLY_OVERFLOW) this.complain(`a message was not handed to ${due.filter}`);
		}
		this.look();
		if (!this.isExcused(reason))
			this.complain(`the link ended with reason ${reason}; in place was ${this.mustEnd || "none"}`);
		this.must(this.client.status.reason === reason, "status.reason is not what onDisconnect said");
		this.endings[reason]++;
		if (this.setup.level === "fallback") this.fallBack(reason);
		const request = this.requests.find(({ isTold }) => !isTold);
		if (request && this.isAmidRequest) request.isRisked = true;
		this.copied = 0;
		this.phase = Phase.CLOSED;
		this.incoming.reset(this.level);
		this.asked = [];
		this.due = [];
		this.released = [];
		this.completed = [];
		this.waiting = [];
		this.mustEnd = [];
		this.handlers = undefined;
		this.ticket = 0;
		this.isStarving = this.hasThrown = false;
	}

	private fallBack(reason: Reason): void {
		this.closes = this.phase === Phase.OPEN && reason === Reason.LINK_LOST ? this.closes + 1 : 0;
		if (reason !== Reason.UNACCEPTABLE_PROTOCOL_VERSION && this.closes < 2) return;
		this.closes = 0;
		this.level = this.level === 4 ? 3 : 4;
	}

	private isExcused(reason: Reason): boolean {
		const { phase, excuse } = this;
		if (this.isUnsure && (reason <= Reason.NOT_AUTHORIZED || reason >= Reason.REPLY_OVERFLOW)) return true;
		if (this.mustEnd.length > 0 && reason !== Reason.REPLY_OVERFLOW) return this.mustEnd.includes(reason);
		switch (reason) {
			case Reason.STOPPED:
				return excuse === "stop";
			case Reason.UNREACHABLE:
				return excuse === "break" && phase === Phase.OPENING;
			case Reason.LINK_LOST:
				return excuse === "break" && phase > Phase.OPENING;
			case Reason.OPEN_TIMEOUT:
				return excuse === "alarm" && phase === Phase.OPENING;
			case Reason.CONNACK_TIMEOUT:
				return excuse === "alarm" && phase === Phase.OPEN;
			case Reason.PINGRESP_TIMEOUT:
			case Reason.SUBACK_TIMEOUT:
			case Reason.WRITE_TIMEOUT:
				return excuse === "alarm" && phase === Phase.CONNECTED;
			case Reason.SOURCE_FAILED:
				return this.mine.some(({ flow }) => flow?.hasFailed);
			case Reason.REPLY_OVERFLOW: {
				if (this.mustEnd.includes(reason)) return true;
				const replies = this.due.length + this.released.length + this.completed.length;
				this.isUnsure = true; // of how many of the messages that came with it
				return replies > REPLIES;
			}
			default:
				return reason >= Reason.UNEXPECTED_PACKET && this.tolerates(reason);
		}
	}

	/** May the packet that comes next end the connection for this reason, though it need not, or not yet? */
	private tolerates(reason: Reason): boolean {
		const [arrival] = this.incoming.arrivals;
		if (arrival) {
			const { header, body, tolerated } = arrival;
			const isNext = this.client.status.stray === this.counts.stray;
			return isNext && tolerated.includes(reason) && !this.isAsked(header >> 4, body.length);
		}
		if (this.incoming.early().includes(reason)) return true;
		const { type, length } = this.incoming.pending;
		return reason === Reason.MALFORMED_LENGTH && type === 9 && length > this.setup.limit && !this.isAsked(type, length);
	}

	/** Is this a SUBACK that answers one of ours? */
	private isAsked(type: number, length: number): boolean {
		return type === 9 && this.requests.some((one) => one.identifier !== 0 && one.members.length === length - 2);
	}

	// What comes in

	/** Plays what has come in up to the next call of a handler that is due, or until something else is so. */
	private next(isThere?: () => boolean): Known | undefined {
		const { incoming } = this;
		while (incoming.arrivals.length > 0 && this.mustEnd.length === 0 && !this.isUnsure && !isThere?.()) {
			const [arrival] = incoming.arrivals;
			if (arrival.header >> 4 === 3 && this.phase === Phase.CONNECTED) {
				this.handlers ??= this.begin(arrival);
				if (this.mustEnd.length > 0) break;
				while (this.turn < this.handlers.length && this.handlers[this.turn].isEnded) this.turn++;
				if (this.turn < this.handlers.length) return this.handlers[this.turn];
				this.handlers = undefined;
				if (arrival.remaining === 0) this.finish(arrival);
			} else this.apply(arrival);
			incoming.arrivals.shift();
		}
		return undefined;
	}

	/** Who gets this part of a message? */
	private begin(arrival: Arrival): Known[] {
		const { header, identifier, topic } = arrival;
		const isExactlyOnce = (header & 6) === 4;
		this.turn = this.calls = 0;
		if (arrival.offset === 0) {
			const isKnown = this.table.has(identifier) && (!this.doubt || (header & 8) !== 0);
			this.isFresh = !isExactlyOnce || !(isKnown || this.isWaiting(identifier));
		}
		this.mustEnd = arrival.faults;
		const waits = this.waiting.filter((one) => one.qos === 2).length;
		const isNew =
			isExactlyOnce &&
			this.isFresh &&
			!this.table.has(identifier) &&
			arrival.faults.every((one) => one === Reason.MALFORMED_TOPIC);
		if (isNew && this.doubt && this.stale.size > 0 && this.table.size + waits === this.setup.identifiers) {
			this.forget([...this.table][0]);
		}
		if (isExactlyOnce && this.setup.identifiers === 0) this.mustEnd = [Reason.UNEXPECTED_PACKET, ...arrival.faults];
		else if (isNew && this.table.size + waits >= this.setup.identifiers) {
			this.mustEnd = [Reason.EXACTLY_ONCE_OVERFLOW, ...arrival.faults];
		} else if (!this.isFresh && arrival.faults.length > 0) this.mustEnd = [Reason.REPLY_OVERFLOW, ...arrival.faults];
		if (!this.isFresh || arrival.isPassedBy) return [];
		return this.known.filter(({ isEnded, filter }) => !isEnded && fits(filter, topic));
	}

	/** Its identifier is of this connection. */
	private keep(identifier: number): void {
		this.forget(identifier);
		this.table.add(identifier);
	}

	private forget(identifier: number): boolean {
		this.stale.delete(identifier);
		return this.table.delete(identifier);
	}

	private isWaiting(identifier: number): boolean {
		return this.waiting.some((one) => one.qos === 2 && one.identifier === identifier);
	}

	/** All have got the message. */
	private finish({ header, identifier, isPassedBy }: Arrival): void {
		const qos = (header >> 1) & 3;
		const { hasThrown, ticket } = this;
		this.hasThrown = false;
		this.ticket = 0;
		if (!this.isFresh) {
			if (this.isWaiting(identifier)) return;
			this.keep(identifier);
			this.answer(REPEATED, identifier, 0);
			return;
		}
		if (isPassedBy) this.counts.skipped++;
		else if (this.calls > 0) this.counts.received++;
		else this.counts.unhandled++;
		if (!hasThrown && qos !== 0) this.answer(qos, identifier, ticket);
	}

	/** Acknowledges a message, or has it wait: in the order of messages. */
	private answer(qos: number, identifier: number, ticket: number): void {
		if (ticket === 0 && this.waiting.length === 0) this.accept(qos, identifier);
		else if (this.waiting.length === this.setup.held) this.mustEnd = [Reason.REPLY_OVERFLOW];
		else this.waiting.push({ ticket, qos, identifier });
	}

	private accept(qos: number, identifier: number): void {
		if (qos === 2) this.keep(identifier);
		this.due.push(reply(qos === 1 ? 0x40 : 0x50, identifier));
	}

	private apply({ header, body, identifier, faults }: Arrival): void {
		const type = header >> 4;
		if (this.phase !== Phase.CONNECTED && (type !== 2 || faults.length > 0)) {
			this.mustEnd = [Reason.UNEXPECTED_PACKET, ...faults];
			return;
		}
		if (faults.length > 0) this.mustEnd = faults;
		else if (type === 2) this.connack(body[0], body[1]);
		else if (type === 9 || type === 11) this.answered(type === 9 ? 0x82 : 0xa2, identifier, body.subarray(2));
		else if (type === 6) {
			if (!this.forget(identifier)) this.counts.stray++;
			if (identifier !== 0) this.completed.push(reply(0x70, identifier));
		} else if (type !== 13) this.acknowledged(type, identifier);
	}

	/** PUBACK, PUBREC, PUBCOMP. */
	private acknowledged(type: number, identifier: number): void {
		const at = this.mine.findIndex((one) => one.identifier === identifier && one.saidOn === this.connection);
		const sending = this.mine[at];
		if (!sending) this.counts.stray++;
		else if (type === 5 && (sending.flags & 6) === 4) {
			sending.isReceived = true;
			this.released.push(reply(0x62, identifier));
		} else if (type === 4 ? (sending.flags & 6) === 2 : sending.isReceived && type === 7) {
			this.mine.splice(at, 1);
			this.counts.delivered++;
			if (sending.flow) sending.flow.isDone = true;
		} else this.counts.stray++;
	}

	/** A SUBSCRIBE or UNSUBSCRIBE stands in the output in part. */
	private get isAmidRequest(): boolean {
		const type = this.outgoing.header >> 4;
		return type === 8 || type === 10;
	}

	private answered(header: number, identifier: number, codes: Uint8Array): void {
		const at = this.requests.findIndex(
			(one) => one.header === header && one.isTold && identifier !== 0 && one.identifier === identifier,
		);
		const request = this.requests[at];
		if (!request) {
			this.counts.stray++;
			return;
		}
		const { members } = request;
		if (header === 0xa2) this.requests.splice(at, 1);
		else if (codes.length !== members.length || codes.some((code) => code > 2 && code !== 128)) {
			this.mustEnd = [Reason.MALFORMED_CODE];
			return;
		} else for (let i = 0; i < members.length; i++) members[i].granted = codes[i];
		request.identifier = 0;
	}

	private connack(flags: number, code: number): void {
		if (!this.saidConnect)
			this.isUnsure = true; // it may stand in the output
		else if (this.phase === Phase.CONNECTED) this.mustEnd = [Reason.UNEXPECTED_PACKET];
		else if (code > 5 || (this.level === 4 && flags > 1)) this.mustEnd = [Reason.MALFORMED_CODE];
		else if (code > 0) {
			this.attempts--;
			this.mustEnd = [code];
		} else if (this.level === 4 && flags === 1 && this.setup.cleanSession) this.mustEnd = [Reason.UNEXPECTED_PACKET];
		else this.accepted(this.level === 4 && flags === 1);
	}

	/** What CONNACK said. */
	private present = false;
	/** CONNECTs in a row without a CONNACK. */
	private attempts = 0;
	/** The broker may have lost the session since it last said so: a CONNACK that said it may be lost. */
	private doubt = false;

	/** A connection begins: what the broker may have forgotten is to be said again. */
	private accepted(present: boolean): void {
		const kept = this.level === 4 ? present : !this.setup.cleanSession;
		this.phase = Phase.CONNECTED;
		this.present = present;
		if (!present) this.doubt = this.level === 3;
		else if (this.attempts > 1) this.doubt = true;
		this.attempts = 0;
		const certain = present && !this.doubt;
		this.counts.connections++;
		this.closes = 0;
		if (!kept) {
			this.table.clear();
			this.stale.clear();
			for (const one of this.mine) one.isReceived = false;
		}
		if (!certain) this.stale = new Set(this.table);
		this.requests = this.requests.filter((request) => {
			const { members } = request;
			if (!kept) {
				request.identifier = 0;
				request.isRisked = false;
			}
			if (!certain || request.identifier !== 0) request.isTold = false;
			if (request.isTold || request.identifier !== 0) return true;
			if (request.header === 0xa2) return kept;
			if (kept && request.isRisked) return true;
			for (const one of members) one.granted = -1;
			request.members = members.filter(({ isEnded }) => !isEnded);
			return request.members.length > 0;
		});
	}

	// What goes out

	private get inFlight(): number {
		return this.mine.reduce((sum, one) => sum + (one.saidOn === this.connection ? 1 : 0), 0);
	}

	/** The message that has to go out next. */
	private nextSending(): Sending | undefined {
		return this.mine.find((one) => one.saidOn !== this.connection);
	}

	/** An identifier for something new is in use for nothing else. */
	private isFree(identifier: number): boolean {
		return (
			!this.mine.some((one) => one.identifier === identifier) &&
			!this.requests.some((one) => one.identifier === identifier)
		);
	}

	private packet(): void {
		const { header, length } = this.outgoing;
		const body = this.outgoing.body.subarray(0, length);
		const type = header >> 4;
		const identifier = (body[0] << 8) | body[1];
		this.must(!this.saidDisconnect, "something was sent behind DISCONNECT");
		this.must((type === 1) !== this.saidConnect, "CONNECT is not the first packet, or not the only one");
		if (type !== 1 && type !== 3 && type < 12) this.must(identifier !== 0, "identifier 0 was sent");
		if (type !== 1) this.must(this.phase === Phase.CONNECTED || this.isUnsure, "something was sent before CONNACK");
		switch (type) {
			case 1:
				this.saidConnect = true;
				this.sentConnect(header, body);
				this.ask(header, identifier);
				break;
			case 3:
				this.sentPublish(header, body);
				break;
			case 4:
			case 5:
			case 7:
				this.must((header & 15) === 0 && length === 2, "a reply is malformed");
				this.sentReply(reply(header, identifier), type === 7 ? this.completed : this.due);
				if (type === 5) this.ask(header, identifier);
				break;
			case 6:
				this.must(length === 2, "a PUBREL is malformed");
				if (this.released[0] === reply(header, identifier)) this.released.shift();
				else this.sentRelease(header, identifier);
				this.ask(header, identifier);
				break;
			case 8:
			case 10:
				this.ask(header, identifier, this.sentRequest(header, identifier, body));
				break;
			case 12:
				this.must(header === 0xc0 && length === 0 && this.setup.keepAlive > 0, "a PINGREQ is wrong");
				this.ask(header, identifier);
				break;
			case 14:
				this.must(header === 0xe0 && length === 0 && this.excuse === "stop", "a DISCONNECT is wrong");
				this.saidDisconnect = true;
				break;
			default:
				this.complain(`packet type ${type} was sent`);
		}
	}

	/** The broker has to answer this packet. */
	private ask(header: number, identifier: number, count = 0): void {
		this.asked.push({ header, identifier, count, end: this.outgoing.position });
	}

	private sentConnect(header: number, body: Uint8Array): void {
		const name = this.level === 3 ? "\0\x06MQIsdp\x03" : "\0\x04MQTT\x04";
		this.must(header === 0x10 && latin1(body, 0, name.length) === name, `a CONNECT is not one of level ${this.level}`);
		const flags = body[name.length];
		this.must(((flags & 2) !== 0) === this.setup.cleanSession && (flags & 1) === 0, "the flags of CONNECT are wrong");
		const keepAlive = (body[name.length + 1] << 8) | body[name.length + 2];
		this.must(keepAlive === this.setup.keepAlive, "the keep alive of CONNECT is wrong");
		let at = name.length + 3;
		const fields = 1 + ((flags & 4) >> 1) + ((flags & 128) >> 7) + ((flags & 64) >> 6);
		for (let i = 0; i < fields; i++) at += 2 + ((body[at] << 8) | body[at + 1]);
		this.must(at === body.length, "a CONNECT is not as long as its fields");
	}

	private sentReply(what: number, due: number[]): void {
		if (this.isUnsure) return;
		if (due[0] !== what)
			this.complain(`reply ${what.toString(16)} is not due; due is ${due[0]?.toString(16) ?? "none"}`);
		due.shift();
	}

	private sentPublish(header: number, body: Uint8Array): void {
		const qos = (header >> 1) & 3;
		const name = 2 + ((body[0] << 8) | body[1]);
		const head = name + (qos === 0 ? 0 : 2);
		this.must(qos < 3 && body.length >= head && (qos > 0 || (header & 8) === 0), "a PUBLISH is malformed");
		const identifier = qos === 0 ? 0 : (body[head - 2] << 8) | body[head - 1];
		this.must(qos === 0 || identifier !== 0, "a PUBLISH has identifier 0");
		if (qos > 0) this.ask(header, identifier);
		if (this.isUnsure) return;
		const topic = latin1(body, 2, name);
		const sending = this.nextSending();
		const isSame =
			sending?.topic === topic &&
			sending.flags === (header & 7) &&
			!sending.isReceived &&
			sameBytes(sending.payload, body.subarray(head));
		if (!sending || !isSame) {
			this.complain(`a PUBLISH to ${topic} was sent that is not the next one`);
			return;
		}
		const isAgain = sending.saidOn !== 0;
		this.must(isAgain === ((header & 8) !== 0), "DUP is wrong");
		if (isAgain) this.must(sending.identifier === identifier, "a message has another identifier than before");
		else if (qos > 0) this.must(this.isFree(identifier), "an identifier is in use already");
		sending.identifier = identifier;
		sending.saidOn = this.connection;
		if (qos === 0) this.mine.splice(this.mine.indexOf(sending), 1);
		this.must(this.inFlight <= this.setup.window, "more messages are in flight than the window allows");
	}

	private sentRelease(header: number, identifier: number): void {
		if (this.isUnsure) return;
		const sending = this.nextSending();
		const isDue = sending !== undefined && sending.isReceived && sending.identifier === identifier;
		// At level 3 DUP is left out where brokers close on it.
		this.must(isDue && (header === 0x62 || (this.level === 3 && header === 0x6a)), "a PUBREL was sent that is not due");
		if (sending) sending.saidOn = this.connection;
	}

	/** Returns how many filters it has. */
	private sentRequest(header: number, identifier: number, body: Uint8Array): number {
		let count = 0;
		let at = 2;
		for (; at < body.length; count++) at += 2 + ((body[at] << 8) | body[at + 1]) + (header >> 4 === 8 ? 1 : 0);
		this.must(at === body.length && count > 0, "a SUBSCRIBE or UNSUBSCRIBE is malformed");
		if (this.isUnsure) return count;
		const request = this.requests.find(({ isTold }) => !isTold);
		if (!request) {
			this.complain("a SUBSCRIBE or UNSUBSCRIBE is not due");
			return count;
		}
		const isAgain = request.identifier !== 0;
		const mayRepeat = this.level === 3 && (isAgain || request.isRisked);
		const isRight = header === request.header || (mayRepeat && header === (request.header | 8));
		this.must(isRight, "the first byte of a SUBSCRIBE or so is wrong");
		let entries = "";
		for (const { filter, qos } of request.members) {
			entries += String.fromCharCode(filter.length >> 8, filter.length & 255) + filter;
			if (request.header === 0x82) entries += String.fromCharCode(qos);
		}
		this.must(latin1(body, 2) === entries, "a SUBSCRIBE or UNSUBSCRIBE has other filters than were asked for");
		this.must(isAgain ? identifier === request.identifier : this.isFree(identifier), "an identifier is wrong");
		request.identifier = identifier;
		request.isTold = true;
		request.isRisked = false;
		return count;
	}

	/** The client has been given all that it waited for: nothing may be left. */
	rest(): void {
		const { status } = this.client;
		this.must(status.state === State.CONNECTED, `the client does not come to rest; its state is ${status.state}`);
		this.must(status.outbox.used === 0, "messages stay in the outbox for ever");
		for (let i = 0; i < status.endings.length; i++) {
			if (status.endings[i] !== this.endings[i]) this.complain(`status.endings[${i}] is ${status.endings[i]}`);
		}
		if (this.isUnsure) return;
		this.must(this.mine.length === 0, "a message got lost");
		for (const { isEnded, granted } of this.known) this.must(isEnded || granted !== -1, "a filter was never granted");
	}
}
