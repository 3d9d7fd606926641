/**
 * One life of a device: the client under test on its simulated link, with everything that looks at it. What its
 * application does stands in application.ts.
 */

import { matches } from "../../simulator/broker/core/topics.js";
import type { Client, ClientOptions, Journal, Message } from "../../src/client.js";
import { describe, State } from "../../src/client.js";
import { Application, Deliberate, type Hold } from "./application.js";
import type { Device } from "./device.js";
import { Drops } from "./drops.js";
import { Fate } from "./fate.js";
import type { Known } from "./inbound.js";
import { type Ledger, nameOf, type Publication, type Sent } from "./ledger.js";
import { insides, type Library, type OutboxRecord } from "./library.js";
import { type LinkUser, SimulatedLink } from "./link.js";
import { Connection } from "./network.js";
import type { DeviceOptions } from "./options.js";
import { Pace } from "./pace.js";
import { Splitter, text, words } from "./packets.js";
import type { World } from "./world.js";

/** Milliseconds by which something may be late: looks are this far apart. */
export const LOOKS = 2_000;

/** Milliseconds that a slow reader may take for what is in the output. */
const SLOW = 30_000;

/** Milliseconds by which an alarm may be late, with what follows from it. */
const LATE = 10;

/** What is different from life to life. */
export interface LifeOptions {
	outbox: number;
	/** Seconds between two lives, if the board knows them. */
	asleep: number | undefined;
	/** What its clock shows beside the virtual time. */
	clock: number;
	isFirst: boolean;
}

/** A flush that is going on. */
interface Flushing {
	begunAt: number;
	deadline: number;
	/** `status.delivered` when it began. */
	before: number;
	/** Something else may end it early: the application has stopped the client, or its clock was set. */
	mayEnd: boolean;
}

export class Board implements LinkUser {
	readonly name: string;
	readonly world: World;
	readonly library: Library;
	readonly options: DeviceOptions;
	readonly ledger: Ledger;
	readonly client!: Client;
	private readonly insides!: ReturnType<typeof insides>;
	readonly link: SimulatedLink;
	readonly application!: Application;
	readonly drops = new Drops(this);
	isDead = false;
	/** Connections, or attempts at one, that have ended. */
	endings = 0;
	/** What `publish` said: true, also at QoS 1 and 2 alone; false. */
	accepted = 0;
	kept = 0;
	refused = 0;
	givenUp = 0;
	private readonly journal: Journal | undefined;
	private readonly pace: Pace;
	private declared = new Set<Publication>();
	/** What happens once the board is awake; undefined if it is. */
	private asleep: (() => void)[] | undefined;
	private wokenAt = 0;
	/** What it says, for whoever reads along. */
	private spoken = new Splitter();
	/** Messages that handlers got to the end, and those during which one of them ended the connection. */
	private handed = 0;
	private interrupted = 0;
	/** Who gets the message in hand next. */
	private calls: Known[] = [];
	private connects = 0;
	private heardAt = 0;
	/** Since when the client has been in its state, on its connection. */
	private since = 0;
	private state: State = State.STOPPED;
	/** Counts connections and their ends. */
	private phase = 0;
	/** The link has opened, the broker has accepted, and what waits might have been sent on this connection. */
	private isOpen = false;
	private isAccepted = false;
	private wasSending = false;
	private deliveredAtOpen = 0;
	/** What its outbox held when the last connection ended; when the application started it last. */
	private leftAtEnd = 0;
	private startedAt = -1;
	private flushing: Flushing | undefined;
	private wasIdle = false;
	/** The clock: what it is ahead of the virtual time, how often it has wrapped, when it was set last. */
	private ahead: number;
	private wraps: number;
	private jumpedAt = Number.NEGATIVE_INFINITY;
	/** Since when the bytes that leave may have stood in the output. */
	private putSince = 0;
	/** Of the store, before this life. */
	private readonly failuresBefore: number;
	/** Topics with rules are declared. */
	private hasRules = false;

	constructor(
		readonly device: Device,
		life: LifeOptions,
	) {
		const { world, library, options, ledger, flash } = device;
		device.board = this;
		const { clientId, level, cleanSession, keepAlive, retryBase, retryCap, timeout, hasWill, hasPassword } = options;
		const { output, inbox, window, identifiers, deferral } = options;
		this.name = clientId;
		this.world = world;
		this.library = library;
		this.options = options;
		this.ledger = ledger;
		this.ahead = life.clock;
		this.wraps = Math.floor((world.time.now + this.ahead) / 2 ** 32);
		const patience = 1000 * 0.4 * (keepAlive > 0 ? keepAlive : timeout);
		this.pace = new Pace(world, clientId, 1000 * retryBase, 1000 * retryCap, patience, level === "fallback");
		this.failuresBefore = flash?.failures ?? 0;
		this.link = new SimulatedLink(world, this, options.chunk);
		this.journal = flash && new library.Journal(flash, life.asleep);
		const held = deferral > 0 ? new library.Deferral(deferral) : undefined;
		const settings: ClientOptions = {
			link: this.link,
			clientId,
			level: level === "fallback" ? new library.Fallback() : level,
			cleanSession,
			keepAlive,
			outbox: life.outbox,
			output,
			inbox,
			window,
			timeout,
			retryBase,
			retryCap,
			exactlyOnce: identifiers > 0 ? new library.ExactlyOnce(identifiers) : undefined,
			deferral: held,
			journal: this.journal,
			will: hasWill ? { topic: `will/${clientId}`, payload: "gone", qos: 1 } : undefined,
			userName: hasPassword ? "someone" : undefined,
			password: hasPassword ? "secret" : undefined,
			onConnect: (isPresent) => this.connected(isPresent),
			onDisconnect: (reason) => this.disconnected(reason),
			onError: (error) => this.caught(error),
		};
		this.client = new library.Client(settings);
		this.insides = insides(this.client);
		if (this.isDead) return;
		if (life.isFirst) {
			this.insides.identifier = options.age;
			if (this.journal?.restored) this.fail(`restored ${this.journal.restored} messages from a store that held none`);
		} else if (this.journal?.restored !== this.insides.left) this.fail("journal.restored is wrong");
		this.application = new Application(this, held, life.isFirst);
		this.declared = new Set(this.application.declared);
		this.hasRules = this.application.declared.some(({ rules }) => rules !== undefined);
	}

	fail(complaint: string): void {
		if (!this.isDead) this.device.fail(complaint);
	}

	get isConnected(): boolean {
		return this.client.status.state === State.CONNECTED;
	}

	get isConfused(): boolean {
		return this.device.isConfused;
	}

	/** Places in its store that it could not read. */
	get damaged(): number {
		return this.journal?.damaged ?? 0;
	}

	get isFlushing(): boolean {
		return this.flushing !== undefined;
	}

	/** The power is cut, now: nothing that the client still does has an effect. */
	die(): void {
		if (this.isDead) return;
		const { client } = this;
		const wasSending = this.wasSending || (this.insides?.isSending ?? false);
		this.isDead = true;
		// What has expired may be dropped already.
		this.ledger.open((sent) => {
			if (sent.saidOn === 0 && this.drops.isOver(sent)) sent.isUncertain = true;
		});
		this.device.died(this.link.die(), client?.status.mayRepeat ?? 0, wasSending);
	}

	// Its clock

	clock(): number {
		const time = this.world.time.now + this.ahead;
		const wraps = Math.floor(time / 2 ** 32);
		if (wraps !== this.wraps) this.world.fault("clock wrapped", this.name);
		this.wraps = wraps;
		return Math.floor(time) >>> 0;
	}

	/** The clock is set. */
	jump(): void {
		const { world } = this;
		if (this.isDead || !world.isFaulty) return;
		const by = Math.round(world.about(world.random.pick([500, 20_000])) * (world.random.chance(0.5) ? 1 : -1));
		world.fault("clock jumped", this.name, `by ${by} ms`);
		this.ahead += by;
		this.wraps = Math.floor((world.time.now + this.ahead) / 2 ** 32);
		this.jumpedAt = world.time.now;
		this.pace.isAstray = true;
		this.device.wasSet = true;
		if (this.flushing) this.flushing.mayEnd = true;
	}

	/** Of a message, in milliseconds, by the board's clock: now, or when the virtual time was `at`. */
	ageOf({ stamp }: Sent, at = this.world.time.now): number {
		const age = (Math.floor(at + this.ahead) - stamp) | 0;
		return age < 0 ? 0 : age;
	}

	// What the application asks for

	start(): void {
		if (this.isDead || this.client.status.state !== State.STOPPED) return;
		this.world.trace(this.name, "start()");
		this.pace.started();
		this.startedAt = this.world.time.now;
		this.client.start();
	}

	stop(): void {
		if (this.isDead) return;
		this.world.trace(this.name, "stop()");
		if (this.flushing) this.flushing.mayEnd = true;
		this.client.stop();
	}

	/** The network is said to be back. */
	retry(): void {
		if (this.isDead) return;
		const { client, world, name } = this;
		const { state, reason } = client.status;
		world.fault("hint", name);
		this.pace.hint(state === State.WAITING ? reason : undefined, () => client.retry());
	}

	/** Publishes all that waits within `budget` seconds, and calls `done`. */
	flush(budget: number, done: () => void): void {
		if (this.isDead) return;
		const { client, world, name } = this;
		const flushing = {
			begunAt: world.time.now,
			deadline: world.time.now + 1000 * budget,
			before: client.status.delivered,
			mayEnd: false,
		};
		const isExpected = this.flushing === undefined;
		const { state, reason } = client.status;
		if (state === State.STOPPED) this.pace.started();
		if (isExpected) this.flushing = flushing;
		let begins = false;
		this.pace.hint(isExpected && state === State.WAITING ? reason : undefined, () => {
			begins = client.flush(budget, (delivered, left) => this.flushed(flushing, delivered, left, done));
		});
		world.trace(name, `flush(${budget}): ${begins}`);
		if (begins !== isExpected) this.fail(`flush says ${begins}`);
	}

	/**
	 * When a flush must be done. A board that slept before the first alarm, while its clock was set, knows no better than that
	 * the budget begins as it wakes.
	 */
	private mustEnd({ begunAt, deadline }: Flushing): number {
		const knowsBetter = this.jumpedAt < begunAt || this.wokenAt < begunAt;
		return Math.max(deadline, knowsBetter ? this.wokenAt : this.wokenAt + deadline - begunAt);
	}

	private flushed(flushing: Flushing, delivered: number, left: number, done: () => void): void {
		if (this.isDead) return;
		const { client, world, name, pace } = this;
		const { now } = world.time;
		world.fault(left > 0 ? "flush out of budget" : "flushed", name, `${delivered} delivered, ${left} left`);
		if (this.flushing !== flushing) this.fail("a flush is done twice");
		this.flushing = undefined;
		const { deadline, before, mayEnd } = flushing;
		const { status } = client;
		if (status.state !== State.STOPPED && this.startedAt < now) this.fail(`flush is done in state ${status.state}`);
		if (delivered !== status.delivered - before) this.fail(`flush says ${delivered} messages were delivered`);
		if (left !== this.insides.left) this.fail(`flush says ${left} messages are left`);
		const late = now - this.mustEnd(flushing);
		if (late > LATE) this.fail(`flush is done ${late.toFixed()} ms after its budget`);
		const isHopeless = pace.latest >= deadline - LATE || this.jumpedAt >= pace.setAt;
		if (this.leftAtEnd > 0 && now < deadline - LATE && !mayEnd && !isHopeless) {
			this.fail(`flush gives up ${(deadline - now).toFixed()} ms before its budget is over`);
		}
		done();
	}

	/** `publish` of a message to a topic: says what it says. */
	publish(message: Sent, act: () => boolean): boolean {
		const { drops, device } = this;
		const { topic } = message;
		const failures = this.journal?.failures ?? 0;
		const size = topic.isStream ? 0 : message.length;
		const forecast = this.hasRules ? drops.forecast(topic, size) : undefined;
		const dropped = this.hasRules ? drops.recent : [];
		for (const one of dropped) one.isUncertain = true;
		message.isUncertain = true;
		const isTaken = act();
		if (this.isDead) return false;
		message.isUncertain = false;
		const isKept = topic.qos > 0 && !topic.isStream && device.flash !== undefined;
		const hasFailed = (this.journal?.failures ?? 0) > failures;
		// Where the store fails it may still hold what went from the outbox; where the journal has no room nothing goes.
		for (const one of dropped) one.isUncertain = hasFailed;
		if (!isTaken && isKept && !hasFailed) drops.undo(dropped);
		// At QoS 0 a message may go straight into the output.
		const isRight = forecast === undefined || isTaken === forecast || (isTaken ? topic.qos === 0 : isKept);
		if (!isRight) this.fail(`publish to ${topic.name} says ${isTaken}`);
		if (!isTaken && hasFailed) {
			// A part of it, or all, may stand in the store.
			message.gone = "refused";
			message.isUncertain = true;
		} else if (!isTaken) topic.withdraw(message);
		if (isTaken) {
			this.accepted++;
			if (topic.qos > 0) this.kept++;
		} else this.refused++;
		return isTaken;
	}

	declares(topic: Publication): boolean {
		return this.declared.has(topic);
	}

	records(): OutboxRecord[] {
		return this.insides.records;
	}

	sleep(milliseconds: number): void {
		if (this.asleep) return;
		milliseconds = Math.min(milliseconds, 1000 * this.device.run.duration - this.world.time.now);
		this.world.fault("slept", this.name, `${(milliseconds / 1000).toFixed(1)} s`);
		this.asleep = [];
		this.world.time.after(milliseconds, () => {
			const acts = this.asleep as (() => void)[];
			this.asleep = undefined;
			this.wokenAt = this.world.time.now;
			for (const act of acts) this.awake(act);
		});
	}

	awake(act: () => void): void {
		if (this.isDead) return;
		if (this.asleep) {
			this.asleep.push(act);
			return;
		}
		// What leaves before the link had room again stood in the output already.
		if (this.link.room > 0 || !this.isOpen) this.putSince = this.world.time.now;
		act();
		if (!this.isDead && !this.isConfused) this.drops.look();
	}

	// What the client does, and is told

	connect(opened: () => void): Connection {
		const { world, device } = this;
		const { server, run, watch, pipelining } = device;
		watch.begin();
		pipelining.begin();
		this.isOpen = this.isAccepted = this.wasSending = false;
		this.spoken = new Splitter();
		const fate = new Fate(world, world.isFaulty ? run.wildness : 0, run.isHostile);
		const connection = new Connection(world, fate, this.name);
		device.connections.push(connection);
		if (!server.isUp) fate.opening = "is refused";
		world.trace(this.name, `connection ${watch.connection} ${fate.opening}`);
		if (fate.opening === "never opens") world.fault("never opened", this.name);
		else {
			world.time.after(fate.opensAfter, () => {
				if (connection.client === undefined) return;
				if (fate.opening === "is refused" || !server.isUp) {
					world.faults.refused++;
					connection.refuse();
					return;
				}
				server.accept(connection);
				this.awake(opened);
			});
		}
		return connection;
	}

	/** What waits may be sent, if the client has begun to. */
	sends(): boolean {
		const { isSending } = this.insides;
		if (isSending) this.wasSending = true;
		return isSending;
	}

	opened(): void {
		if (this.isDead) return;
		const isSending = this.sends();
		this.isOpen = true;
		this.deliveredAtOpen = this.client.status.delivered;
		this.device.pipelining.opened(this.isFlushing, isSending);
	}

	said(bytes: Uint8Array): void {
		if (this.world.isTold) {
			this.world.trace(this.name, `  ${bytes.length} bytes leave`);
			this.spoken.feed(bytes, (packet) => this.world.trace(this.name, words(packet)));
		}
		if (this.link.connection?.fate.server !== "hostile" && !this.isConfused) this.device.watch.said(bytes);
	}

	hears(bytes: Uint8Array): void {
		this.heardAt = this.world.time.now;
		if (this.link.connection?.fate.server === "strict" && !this.isConfused) this.device.watch.hears(bytes);
	}

	heard(): void {
		this.device.watch.heard();
	}

	waits(milliseconds: number): void {
		const status = this.client?.status;
		if (status?.state !== State.WAITING || this.isDead) return;
		if (this.world.isTold) this.world.trace(this.name, `waits ${(milliseconds / 1000).toFixed(3)} s`);
		this.pace.waits(milliseconds, status.reason);
	}

	drew(random: number): void {
		this.pace.drawn = random;
	}

	/** A handler is called; `react` is what it does. */
	handle(known: Known, message: Message, react: (hold: Hold) => void): void {
		if (this.isDead) return;
		const { device } = this;
		const { connection } = this.link;
		const { status } = this.client;
		const topic = text(message.bytes, message.topicStart, message.topicEnd);
		if (this.world.isTold) this.world.trace(this.name, `handler of ${known.filter} gets '${topic}'`);
		if (!known.isLive) this.fail(`the handler of ${known.filter} is called, which has ended`);
		if (!matches(known.filter, topic)) this.fail(`the handler of ${known.filter} gets '${topic}'`);
		if (this.isNext(known, topic) && message.remaining === 0) this.handed++;
		const delivery = message.qos > 0 ? device.server.delivery(connection, message.identifier) : undefined;
		const isKnown = connection?.fate.server === "strict" && !this.isConfused;
		if (message.qos > 0 && delivery?.topic !== topic && isKnown) this.fail(`a message to '${topic}' was never sent`);
		const run = delivery && isKnown ? device.inbound.handed(delivery, known, message, connection) : undefined;
		const { remaining } = message;
		try {
			react((ticket) => {
				if (run) run.ticket = ticket;
				return run;
			});
		} catch (error) {
			if (run) run.threw = true;
			throw error;
		} finally {
			if (this.link.connection !== connection || status.state !== State.CONNECTED) {
				this.calls = [];
				if (run) run.isInterrupted = true;
				if (remaining === 0) this.interrupted++;
			}
		}
	}

	/** Is this the first handler that is called with a message, or a part of one? The others follow in their order. */
	private isNext(known: Known, topic: string): boolean {
		const at = this.calls.indexOf(known);
		if (at !== -1) {
			this.calls = this.calls.slice(at + 1);
			return false;
		}
		this.calls = this.application.subscriptions.filter(({ filter }) => matches(filter, topic));
		this.calls.shift();
		return true;
	}

	private connected(isPresent: boolean): void {
		if (this.isDead) return;
		const { device } = this;
		const { connection } = this.link;
		this.world.trace(this.name, `connected, session present ${isPresent}`);
		this.connects++;
		this.isAccepted = this.wasSending = true;
		this.pace.connected();
		device.pipelining.accepted(this.isFlushing, device.watch.isAwaiting);
		if (this.client.status.level === 4 && !isPresent) device.knownSession = device.server.sessions(this.name);
		if (connection?.fate.server !== "strict") device.isConfused = true;
		this.application.connected();
	}

	private disconnected(reason: number): void {
		if (this.isDead) return;
		const { device, flushing } = this;
		const { status } = this.client;
		const { pipelining, watch, run } = device;
		this.endings++;
		this.world.trace(this.name, `disconnected: ${describe(reason)}`);
		if (this.wasSending) this.ledger.ended();
		if (this.isOpen && !this.isAccepted && reason > STOPPED) pipelining.lost(this.isFlushing);
		const isUnanswered = status.delivered === this.deliveredAtOpen && watch.isAwaiting;
		if (reason === STOPPED && flushing && this.isAccepted && pipelining.wasEarly && isUnanswered && !flushing.mayEnd) {
			pipelining.learn();
		}
		this.isOpen = this.isAccepted = this.wasSending = false;
		this.leftAtEnd = this.insides.left;
		if (reason === STOPPED) this.pace.stopped();
		if (reason === SOURCE_FAILED) this.world.faults["source failed"]++;
		if (reason > SOURCE_FAILED && !run.isHostile) this.fail(`found the broker at fault: ${describe(reason)}`);
		if (status.reason !== reason) this.fail(`status.reason is ${status.reason}, and onDisconnect was told ${reason}`);
		this.application.disconnected();
	}

	private caught(error: unknown): void {
		if (this.isDead) return;
		if (!(error instanceof Deliberate)) this.fail(`threw ${(error as Error)?.stack ?? error}`);
	}

	/** The client says PUBACK or PUBREC. */
	acknowledges(packet: "PUBACK" | "PUBREC", identifier: number): void {
		const { device } = this;
		const { connection } = this.link;
		const delivery = device.server.delivery(connection, identifier);
		if (connection === undefined || delivery === undefined) {
			this.fail(`${packet} ${identifier} for nothing`);
			return;
		}
		const { topic } = delivery;
		// One whose topic name does not fit the inbox is passed by.
		const isSkipped = topic.length + 4 > this.options.inbox;
		const wanted = isSkipped ? [] : this.application.subscriptions.filter(({ filter }) => matches(filter, topic));
		// An identifier may be left from a session whose loss the client was not told of.
		const isStale = delivery.qos === 2 && delivery.session > 1 && device.knownSession !== delivery.session;
		// Until PUBREL comes it matters that this is remembered.
		if (packet === "PUBREC" && this.options.cuts > 0 && this.world.strikes(0.05)) {
			this.world.time.after(this.world.about(20), () => device.cut());
		}
		const complaint = device.inbound.acknowledged(delivery, connection, isStale ? [] : wanted, packet);
		if (complaint) this.fail(complaint);
	}

	/** A message of a topic with rules leaves, with this behind its payload. */
	ages(message: Sent, said: string): void {
		const age = message.topic.rules?.age;
		const name = nameOf(message);
		if (!age || !this.declares(message.topic)) {
			if (said !== "") this.fail(`${name} leaves with '${said}' behind it`);
			return;
		}
		const digits = said.slice(age.before.length, said.length - age.after.length);
		const isForm = said === age.before + digits + age.after && /^\d+(\.\d+)?$/.test(digits);
		const decimals = digits.includes(".") ? digits.length - digits.indexOf(".") - 1 : 0;
		if (!isForm || decimals !== age.decimals) this.fail(`${name} leaves with '${said}' behind it, which is no age`);
		if (this.jumpedAt >= this.putSince) return;
		const scale = 10 ** age.decimals;
		const told = Math.round(Number(digits) * scale);
		const [least, most] = [this.putSince, this.world.time.now].map((at) =>
			Math.floor((this.ageOf(message, at) * scale) / 1000),
		);
		if (told < least || told > most) this.fail(`${name} is told to be ${digits} s old, not ${least} to ${most}`);
		const { expiry } = message.topic.rules ?? { expiry: 0 };
		if (expiry > 0 && !message.mayBeSent && message.saidOn === 0 && (1000 * told) / scale >= expiry) {
			this.fail(`${name} is sent for the first time though it has expired`);
		}
	}

	// Looking at it

	/** Looks whether anything takes too long, or does not add up. Called from outside of the client. */
	look(): void {
		const { client, world, link, options, flushing, pace } = this;
		const { status } = client;
		const { now } = world.time;
		link.check();
		const { connection } = link;
		const phase = this.device.watch.connection + this.endings;
		if (status.state !== this.state || phase !== this.phase) {
			this.state = status.state;
			this.phase = phase;
			this.since = now;
		}
		this.checkCounters();
		if (this.asleep) {
			this.since = now;
			return;
		}
		const since = Math.max(this.since, this.wokenAt);
		const limit = LIMITS[status.state]?.(options);
		if (limit !== undefined && now > since + 1000 * limit + LOOKS) {
			this.fail(`in state ${status.state} for ${((now - since) / 1000).toFixed(1)} s`);
		}
		if (connection && status.state === State.CONNECTED && options.keepAlive > 0) {
			const deaf = Math.max(connection.deafSince, this.heardAt, this.wokenAt);
			// PINGREQ waits until the packet in hand is out, and what is in the output.
			const patience = 1350 * options.keepAlive + (connection.fate.room < 2 * options.output ? SLOW : 0);
			if (now > deaf + patience + LOOKS) {
				this.fail(`has not noticed for ${((now - deaf) / 1000).toFixed(1)} s that its link is half open`);
			}
		}
		if (flushing && now > this.mustEnd(flushing) + LATE) this.fail("a flush does not end");
		if (flushing && !flushing.mayEnd && status.state === State.WAITING && !pace.isAstray) {
			const begunAt = Math.max(flushing.begunAt, pace.setAt, this.wokenAt);
			const isHopeless = pace.attemptAt > flushing.deadline + LATE;
			if (isHopeless && now > begunAt + LATE)
				this.fail("a flush goes on though its budget ends before the next attempt");
		}
		const isIdle = flushing !== undefined && this.insides.isIdle;
		if (isIdle && this.wasIdle) this.fail("a flush goes on though nothing is left to do");
		this.wasIdle = isIdle;
	}

	private checkCounters(): void {
		const { client, application, drops, device } = this;
		const { status } = client;
		const { accepted, delivered, rejected, oversized, received, connections, failures, outbox, roundTrip } = status;
		let endings = 0;
		for (const count of status.endings) endings += count;
		this.must(outbox.used, outbox.used >= 0 && outbox.used <= outbox.size ? outbox.used : outbox.size, "outbox.used");
		this.must(outbox.peak, Math.min(outbox.size, Math.max(outbox.peak, outbox.used)), "outbox.peak");
		this.must(accepted, this.accepted, "accepted");
		this.must(rejected + oversized, this.refused, "rejected + oversized");
		this.must(failures, application.thrown, "failures");
		if (this.journal && device.flash) {
			this.must(this.journal.failures, device.flash.failures - this.failuresBefore, "journal.failures");
		}
		this.must(connections, this.connects, "connections");
		this.must(endings, this.endings, "the sum of endings");
		this.must(received, this.handed - this.interrupted, "received");
		const restored = this.journal?.restored ?? 0;
		this.must(delivered, restored + this.kept - this.givenUp - drops.kept - this.insides.kept, "delivered");
		if (roundTrip >= 2 ** 31) this.fail(`status.roundTrip is ${roundTrip}`);
	}

	must(actual: number, expected: number, what: string): void {
		if (actual !== expected) this.fail(`status: ${what} is ${actual}, not ${expected}`);
	}

	/** Faults have stopped. */
	settle(): void {
		this.application.settle();
	}

	/** What the client has still to do; undefined if nothing. */
	get unsettled(): string | undefined {
		const { client } = this;
		if (this.flushing) return "it flushes";
		if (!this.isConnected) return `it is not connected: ${describe(client.status.reason)}`;
		if (client.status.outbox.used > 0) return `its outbox holds ${client.status.outbox.used} bytes`;
		if (this.insides.unanswered > 0) return "a SUBSCRIBE or UNSUBSCRIBE is not answered";
		return undefined;
	}
}

/** Reasons: the application has stopped the client, or a source has failed; the broker is at fault behind that. */
const STOPPED = 6;
const SOURCE_FAILED = 16;

/** Seconds that a client may be in a state. */
const LIMITS: Record<number, ((options: DeviceOptions) => number) | undefined> = {
	[State.WAITING]: ({ retryCap, retryBase }) => retryCap + retryBase,
	[State.OPENING]: ({ timeout }) => timeout,
	[State.CONNECTING]: ({ timeout }) => timeout,
};
