/**
 * One board: the client under test on its simulated link, with everything that looks at it. What its application does
 * stands in application.ts.
 */

import { matches } from "../../simulator/broker/core/topics.js";
import type { Client, ClientOptions, Message } from "../../src/client.js";
import { describe, State } from "../../src/client.js";
import { Application, Deliberate, type Hold } from "./application.js";
import { Fate } from "./fate.js";
import { Inbound, type Known } from "./inbound.js";
import { Ledger } from "./ledger.js";
import { insides, type Library } from "./library.js";
import { type LinkUser, SimulatedLink } from "./link.js";
import { Connection } from "./network.js";
import type { DeviceOptions, RunOptions } from "./options.js";
import { Pace } from "./pace.js";
import { Splitter, text, words } from "./packets.js";
import type { Server } from "./server.js";
import { Watch } from "./watch.js";
import type { World } from "./world.js";

/** Milliseconds by which something may be late: looks are this far apart. */
export const LOOKS = 2_000;

/** Milliseconds that a slow reader may take for what is in the output. */
const SLOW = 30_000;

export class Device implements LinkUser {
	readonly name: string;
	readonly client: Client;
	readonly link: SimulatedLink;
	readonly ledger = new Ledger();
	readonly inbound: Inbound;
	readonly application: Application;
	/** A rogue broker was accepted: what the client believes since may be wrong. */
	isConfused = false;
	knownSession = 0;
	private readonly watch: Watch;
	private readonly pace: Pace;
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
	private endings = 0;
	private heardAt = 0;
	/** Since when the client has been in its state, on its connection. */
	private since = 0;
	private state: State = State.STOPPED;
	/** Counts connections and their ends. */
	private phase = 0;
	private connections: Connection[] = [];

	constructor(
		readonly world: World,
		readonly library: Library,
		readonly server: Server,
		readonly options: DeviceOptions,
		private readonly run: RunOptions,
	) {
		const { clientId, level, cleanSession, keepAlive, retryBase, retryCap, timeout, hasWill, hasPassword } = options;
		const { outbox, output, inbox, window, identifiers, deferral } = options;
		this.name = clientId;
		server.register(this);
		const fail = (complaint: string) => this.fail(complaint);
		this.watch = new Watch(
			this.ledger,
			window,
			cleanSession,
			() => this.client.status.level,
			fail,
			(packet, identifier) => this.acknowledges(packet, identifier),
		);
		const patience = 1000 * 0.4 * (keepAlive > 0 ? keepAlive : timeout);
		this.pace = new Pace(world, clientId, 1000 * retryBase, 1000 * retryCap, patience, level === "fallback");
		this.inbound = new Inbound(world, clientId, deferral > 0);
		this.link = new SimulatedLink(world, this, options.chunk);
		const held = deferral > 0 ? new library.Deferral(deferral) : undefined;
		const settings: ClientOptions = {
			link: this.link,
			clientId,
			level: level === "fallback" ? new library.Fallback() : level,
			cleanSession,
			keepAlive,
			outbox,
			output,
			inbox,
			window,
			timeout,
			retryBase,
			retryCap,
			exactlyOnce: identifiers > 0 ? new library.ExactlyOnce(identifiers) : undefined,
			deferral: held,
			will: hasWill ? { topic: `will/${clientId}`, payload: "gone", qos: 1 } : undefined,
			userName: hasPassword ? "someone" : undefined,
			password: hasPassword ? "secret" : undefined,
			onConnect: (isPresent) => this.connected(isPresent),
			onDisconnect: (reason) => this.disconnected(reason),
			onError: (error) => {
				if (!(error instanceof Deliberate)) this.fail(`threw ${(error as Error)?.stack ?? error}`);
			},
		};
		this.client = new library.Client(settings);
		insides(this.client).identifier = options.age;
		this.application = new Application(this, held);
	}

	fail(complaint: string): void {
		this.world.fail(this.name, complaint);
	}

	get isConnected(): boolean {
		return this.client.status.state === State.CONNECTED;
	}

	/** What a message's `acceptedOn` is now. */
	get connection(): number {
		return this.watch.connection;
	}

	start(): void {
		if (this.client.status.state !== State.STOPPED) return;
		this.world.trace(this.name, "start()");
		this.pace.started();
		this.client.start();
	}

	stop(): void {
		this.world.trace(this.name, "stop()");
		this.client.stop();
	}

	sleep(milliseconds: number): void {
		if (this.asleep) return;
		milliseconds = Math.min(milliseconds, 1000 * this.run.duration - this.world.time.now);
		this.world.fault("slept", this.name, `${(milliseconds / 1000).toFixed(1)} s`);
		this.asleep = [];
		this.world.time.after(milliseconds, () => {
			const acts = this.asleep as (() => void)[];
			this.asleep = undefined;
			this.wokenAt = this.world.time.now;
			for (const act of acts) act();
		});
	}

	awake(act: () => void): void {
		if (this.asleep) this.asleep.push(act);
		else act();
	}

	connect(opened: () => void): Connection {
		const { world, server, run } = this;
		this.watch.begin();
		this.spoken = new Splitter();
		const fate = new Fate(world, world.isFaulty ? run.wildness : 0, run.isHostile);
		const connection = new Connection(world, fate, this.name);
		this.connections.push(connection);
		if (!server.isUp) fate.opening = "is refused";
		world.trace(this.name, `connection ${this.watch.connection} ${fate.opening}`);
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

	said(bytes: Uint8Array): void {
		if (this.world.isTold) {
			this.world.trace(this.name, `  ${bytes.length} bytes leave`);
			this.spoken.feed(bytes, (packet) => this.world.trace(this.name, words(packet)));
		}
		if (this.link.connection?.fate.server === "strict" && !this.isConfused) this.watch.said(bytes);
	}

	hears(bytes: Uint8Array): void {
		this.heardAt = this.world.time.now;
		if (this.link.connection?.fate.server === "strict" && !this.isConfused) this.watch.hears(bytes);
	}

	heard(): void {
		this.watch.heard();
	}

	waits(milliseconds: number): void {
		const status = this.client?.status;
		if (status?.state !== State.WAITING) return;
		if (this.world.isTold) this.world.trace(this.name, `waits ${(milliseconds / 1000).toFixed(3)} s`);
		this.pace.waits(milliseconds, status.reason);
	}

	drew(random: number): void {
		this.pace.drawn = random;
	}

	arrived(topic: string, payload: Uint8Array, qos: number, session: number): void {
		if (topic.startsWith("will/")) return;
		const complaint = this.ledger.find(topic)?.arrived(payload, qos, session);
		if (complaint && !this.isConfused) this.fail(complaint);
	}

	/** A handler is called; `react` is what it does. */
	handle(known: Known, message: Message, react: (hold: Hold) => void): void {
		const { connection } = this.link;
		const { status } = this.client;
		const topic = text(message.bytes, message.topicStart, message.topicEnd);
		if (this.world.isTold) this.world.trace(this.name, `handler of ${known.filter} gets '${topic}'`);
		if (!known.isLive) this.fail(`the handler of ${known.filter} is called, which has ended`);
		if (!matches(known.filter, topic)) this.fail(`the handler of ${known.filter} gets '${topic}'`);
		if (this.isNext(known, topic) && message.remaining === 0) this.handed++;
		const delivery = message.qos > 0 ? this.server.delivery(connection, message.identifier) : undefined;
		const isKnown = connection?.fate.server === "strict" && !this.isConfused;
		if (message.qos > 0 && delivery?.topic !== topic && isKnown) this.fail(`a message to '${topic}' was never sent`);
		const run = delivery && isKnown ? this.inbound.handed(delivery, known, message, connection) : undefined;
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

	/** Looks whether anything takes too long, or does not add up. Called from outside of the client. */
	look(): void {
		const { client, world, link, options } = this;
		const { status } = client;
		const { now } = world.time;
		link.check();
		const { connection } = link;
		const phase = this.watch.connection + this.endings;
		if (status.state !== this.state || phase !== this.phase) {
			this.state = status.state;
			this.phase = phase;
			this.since = now;
		}
		if (!world.isFaulty) for (const one of this.connections) one.heal();
		this.connections = this.connections.filter((one) => one.server !== undefined || one === connection);
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
			const patience = 1350 * options.keepAlive + (connection.fate.room < options.output ? SLOW : 0);
			if (now > deaf + patience + LOOKS) {
				this.fail(`has not noticed for ${((now - deaf) / 1000).toFixed(1)} s that its link is half open`);
			}
		}
	}

	/** Faults have stopped. */
	settle(): void {
		this.application.settle();
		for (const connection of this.connections) {
			connection.heal();
			// What is still under way on one that the client has left might take its successor over.
			if (connection !== this.link.connection) connection.break();
			// Without a keep alive nothing but the link tells that it is lost.
			if (this.options.keepAlive === 0 && connection.isHalfOpen) connection.break();
			if (connection.fate.server === "hostile") connection.dismiss();
		}
	}

	/** What a handler threw on comes again after a reconnect. */
	reconnect(): void {
		this.link.connection?.break();
	}

	/** What is still to be done; undefined if all is. */
	get unsettled(): string | undefined {
		const { client, server, name } = this;
		if (!this.isConnected) return `it is not connected: ${describe(client.status.reason)}`;
		if (client.status.outbox.used > 0) return `its outbox holds ${client.status.outbox.used} bytes`;
		if (insides(client).subscriptions.unanswered > 0) return "a SUBSCRIBE or UNSUBSCRIBE is not answered";
		const session = server.broker.session(name);
		if (session === undefined) return "the broker does not know it";
		const { inFlight, waiting, unreleased } = session;
		if (inFlight + waiting > 0) return `the broker has ${inFlight} messages in flight to it, and ${waiting} wait`;
		// A message at QoS 2 whose source failed after it had reached the broker stays there for good.
		if (unreleased > this.ledger.abandoned) return `the broker waits for PUBREL of ${unreleased} messages`;
		return undefined;
	}

	/** Everything is settled. */
	close(): void {
		if (this.isConfused) return;
		const { client, ledger, server, name, world } = this;
		this.look();
		ledger.close(world, name, client.status.mayRepeat);
		const wanted = [...new Set(this.application.subscriptions.map(({ filter }) => filter))].sort();
		const known = [...(server.broker.session(name)?.subscriptions.keys() ?? [])].sort();
		if (wanted.join(" ") !== known.join(" ")) {
			this.fail(`is subscribed to ${known.join(" ") || "nothing"}, not to ${wanted.join(" ") || "nothing"}`);
		}
		this.application.close();
	}

	get ended(): number {
		return this.endings;
	}

	private connected(isPresent: boolean): void {
		const { connection } = this.link;
		this.world.trace(this.name, `connected, session present ${isPresent}`);
		this.connects++;
		this.pace.connected();
		if (this.client.status.level === 4 && !isPresent) this.knownSession = this.server.sessions(this.name);
		if (connection?.fate.server !== "strict") this.isConfused = true;
		this.application.connected();
	}

	private disconnected(reason: number): void {
		const { status } = this.client;
		this.endings++;
		this.world.trace(this.name, `disconnected: ${describe(reason)}`);
		if (reason === 16) this.world.faults["source failed"]++;
		if (reason >= 17 && !this.run.isHostile) this.fail(`found the broker at fault: ${describe(reason)}`);
		if (status.reason !== reason) this.fail(`status.reason is ${status.reason}, and onDisconnect was told ${reason}`);
		this.application.disconnected();
	}

	/** The client says PUBACK or PUBREC. */
	private acknowledges(packet: "PUBACK" | "PUBREC", identifier: number): void {
		const { connection } = this.link;
		const delivery = this.server.delivery(connection, identifier);
		if (connection === undefined || delivery === undefined) {
			this.fail(`${packet} ${identifier} for nothing`);
			return;
		}
		const { topic } = delivery;
		// One whose topic name does not fit the inbox is passed by.
		const isSkipped = topic.length + 4 > this.options.inbox;
		const wanted = isSkipped ? [] : this.application.subscriptions.filter(({ filter }) => matches(filter, topic));
		// An identifier may be left from a session whose loss the client was not told of.
		const isStale = delivery.qos === 2 && delivery.session > 1 && this.knownSession !== delivery.session;
		const complaint = this.inbound.acknowledged(delivery, connection, isStale ? [] : wanted, packet);
		if (complaint) this.fail(complaint);
	}

	private checkCounters(): void {
		const { client, ledger, application } = this;
		const { status } = client;
		const { accepted, delivered, rejected, oversized, received, connections, failures, outbox } = status;
		const { kept, givenUp } = ledger;
		let endings = 0;
		for (const count of status.endings) endings += count;
		this.must(outbox.used, outbox.used >= 0 && outbox.used <= outbox.size ? outbox.used : outbox.size, "outbox.used");
		this.must(accepted, ledger.accepted, "accepted");
		this.must(rejected + oversized, ledger.refused, "rejected + oversized");
		this.must(failures, application.thrown, "failures");
		this.must(connections, this.connects, "connections");
		this.must(endings, this.endings, "the sum of endings");
		this.must(received, this.handed - this.interrupted, "received");
		this.must(delivered, kept - givenUp - insides(client).kept, "delivered");
	}

	private must(actual: number, expected: number, what: string): void {
		if (actual !== expected) this.fail(`status: ${what} is ${actual}, not ${expected}`);
	}
}

/** Seconds that a client may be in a state. */
const LIMITS: Record<number, ((options: DeviceOptions) => number) | undefined> = {
	[State.WAITING]: ({ retryCap }) => retryCap,
	[State.OPENING]: ({ timeout }) => timeout,
	[State.CONNECTING]: ({ timeout }) => timeout,
};
