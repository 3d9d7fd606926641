/**
 * A device over all its lives: what it has promised, what its store holds, and what is watched at its end of the
 * network. One life is a Board. When the power is cut the board is dead at once, and another one starts on the same
 * store after a while.
 */
import { Board } from "./board.js";
import { Inbound } from "./inbound.js";
import { Ledger, nameOf, Publication, type Sent, type TopicRules } from "./ledger.js";
import type { Library } from "./library.js";
import type { Connection } from "./network.js";
import { type DeviceOptions, pagesPerBank, type RunOptions } from "./options.js";
import { readPublish, Type, withoutEnd } from "./packets.js";
import { numberOf } from "./payload.js";
import { Pipelining } from "./pipelining.js";
import type { Customer, Server } from "./server.js";
import { Flash } from "./store.js";
import { Watch } from "./watch.js";
import type { World } from "./world.js";

/** A topic that the firmware declares. */
export interface Planned {
	readonly publication: Publication;
	readonly retain: boolean;
}

export class Device implements Customer {
	readonly name: string;
	readonly ledger = new Ledger();
	readonly inbound: Inbound;
	readonly watch: Watch;
	readonly pipelining: Pipelining;
	readonly plan: Planned[] = [];
	readonly flash: Flash | undefined;
	/** The board that lives, or lived last. */
	board: Board;
	/** A rogue broker was accepted: what the client believes since may be wrong. */
	isConfused = false;
	knownSession = 0;
	/** The store has failed in an earlier life: what it was told of may have been lost. */
	isExcused = false;
	/** Filters that earlier lives may have left in the broker's session. */
	readonly former = new Set<string>();
	connections: Connection[] = [];
	/** What the clock of the last life showed at its end; and whether it can be reckoned with. */
	private diedAt = 0;
	private isClockSure = true;
	/** A clock of this device was set once: times of before are no use since. */
	wasSet = false;
	/** Of the lives that are over. */
	private mayRepeat = 0;
	private outbox: number;

	constructor(
		readonly world: World,
		readonly library: Library,
		readonly server: Server,
		readonly options: DeviceOptions,
		readonly run: RunOptions,
	) {
		const { clientId, window, cleanSession, deferral, identifiers, store, cuts, jumps } = options;
		const { random, time } = world;
		this.name = clientId;
		this.outbox = options.outbox;
		server.register(this);
		this.inbound = new Inbound(world, clientId, deferral > 0);
		this.pipelining = new Pipelining(world, clientId);
		this.flash = store && new Flash(world, clientId, store, () => this.board.die());
		const self = this;
		this.watch = new Watch(
			{
				ledger: this.ledger,
				pipelining: this.pipelining,
				get level() {
					return self.board.client.status.level;
				},
				get isFlushing() {
					return self.board.isFlushing;
				},
				get isExcused() {
					return self.isExcused;
				},
				fail: (complaint) => this.fail(complaint),
				acknowledges: (packet, identifier) => this.board.acknowledges(packet, identifier),
				ages: (sent, text) => this.board.ages(sent, text),
			},
			window,
			cleanSession,
		);
		for (let i = random.below(4); i >= 0; i--) this.drawTopic(i, identifiers > 0);
		this.board = new Board(this, { outbox: this.outbox, asleep: undefined, clock: options.clock, isFirst: true });
		const end = 1000 * run.duration;
		if (store) for (let i = 0; i < cuts; i++) time.after(random.next() * end, () => this.cut());
		for (let i = 0; i < jumps; i++) time.after(random.next() * end, () => this.board.jump());
	}

	private drawTopic(index: number, hasExactlyOnce: boolean): void {
		const { random } = this.world;
		const isStream = random.chance(0.25);
		const qos = random.pick(hasExactlyOnce ? [0, 1, 1, 2, 2] : [0, 1, 1]) as 0 | 1 | 2;
		const name = `${this.name}/${isStream ? "s" : qos}/${index}`;
		let rules: TopicRules | undefined;
		if (!isStream && !this.run.isHostile && random.chance(0.4)) {
			rules = {
				whenFull: random.pick(["reject", "drop-oldest", "drop-oldest", "latest"]),
				expiry: random.pick([0, 0, 200, 2_000, 10_000]),
				age:
					qos < 2 && random.chance(0.4)
						? { before: random.pick([";", ";a="]), after: random.pick(["", "s"]), decimals: random.below(4) }
						: undefined,
			};
		}
		const publication = new Publication(name, qos, index, isStream, rules);
		this.ledger.topics.push(publication);
		this.plan.push({ publication, retain: random.chance(0.1) });
	}

	fail(complaint: string): void {
		this.world.fail(this.name, complaint);
	}

	arrived(topic: string, payload: Uint8Array, qos: number, session: number): void {
		if (topic.startsWith("will/")) return;
		// A pipelined attempt may overtake the one before it, and a broker that does not look at it loses what came
		// first.
		const isOrderly = !this.options.isSleeper || (qos > 0 && this.server.gate !== "ignores");
		const complaint = this.ledger.find(topic)?.arrived(payload, qos, session, this.isExcused, isOrderly);
		if (complaint && !this.isConfused) this.fail(complaint);
	}

	get hasAges(): boolean {
		return this.ledger.topics.some(({ rules }) => rules?.age);
	}

	plain(packet: Uint8Array): Uint8Array {
		if (packet[0] >> 4 !== Type.PUBLISH) return packet;
		let body = 1;
		while (packet[body++] >= 128);
		const { topic, payload } = readPublish(packet, body);
		const publication = this.ledger.find(topic);
		const sent = publication?.rules?.age && publication.sent[numberOf(payload) - 1];
		return sent ? withoutEnd(packet, body, payload.length - sent.length) : packet;
	}

	/** The power is cut: now, or while the store is being written. */
	cut(): void {
		const { world, board, flash, name } = this;
		if (!flash || !world.isFaulty || board.isDead) return;
		const { random } = world;
		const choice = random.below(10);
		if (choice < 3) flash.cutAfter = 1 + random.below(random.pick([40, 300, 3_000]));
		else if (choice < 6) flash.cutAfterErase = 1 + random.below(random.pick([40, 300]));
		else {
			world.fault("power cut", name);
			board.die();
		}
	}

	/** The board is dead. */
	died(connection: Connection | undefined, mayRepeat: number, wasSending: boolean): void {
		const { world, watch, ledger, inbound, server, name, flash } = this;
		const { random, time } = world;
		world.trace(name, "dies");
		this.diedAt = this.board.clock();
		this.mayRepeat += mayRepeat;
		watch.end();
		if (wasSending) ledger.ended();
		ledger.open((sent) => {
			if (sent.topic.isStream || sent.topic.qos === 0) sent.gone = "lost with the power";
		});
		inbound.forget(server.deliveries(name));
		for (const filter of this.board.application?.filters ?? []) this.former.add(filter);
		if (flash) flash.isOff = true;
		if (connection) {
			// The broker is told soon, or only by its keep alive or the next connection.
			if (random.chance(0.5)) connection.break();
			else connection.leave();
		}
		const off = Math.min(10_000, world.about(random.pick([50, 1_000, 5_000])));
		time.after(off, () => this.boot(random.chance(0.5) ? Math.round(off / 1000) : undefined));
	}

	private boot(asleep: number | undefined): void {
		const { world, flash, watch, inbound, pipelining, name } = this;
		const { random } = world;
		if (!flash) return;
		flash.isOff = false;
		flash.calm();
		if (world.strikes(0.1)) flash.cutAfter = 1 + random.below(60);
		this.isExcused = inbound.isExcused = flash.failures > 0;
		pipelining.forget(this.isExcused);
		const clock = random.pick([-world.time.now, this.board.clock() - world.time.now, 2 ** 32 - random.next() * 20_000]);
		const before = this.outbox;
		if (random.chance(0.5)) this.outbox = random.pick(this.otherOutboxes);
		world.trace(name, `starts again, outbox ${this.outbox}`);
		try {
			this.board = new Board(this, { outbox: this.outbox, asleep, clock, isFirst: false });
		} catch (error) {
			// Nothing is lost where what is stored does not fit.
			if (!/the store holds/.test(String(error)) || this.outbox === before) throw error;
			this.outbox = before;
			this.board = new Board(this, { outbox: before, asleep, clock, isFirst: false });
		}
		const { board } = this;
		if (board.isDead) {
			this.isClockSure = false;
			return;
		}
		this.reconcile(board, 1000 * (asleep ?? 0));
		watch.restart();
		if (!world.isFaulty) board.settle();
	}

	/** Sizes for which the store has room. */
	private get otherOutboxes(): number[] {
		const { store, outbox, identifiers } = this.options;
		if (!store) return [outbox];
		const { pageSize, pages } = store;
		const sizes = [64, 100, outbox, outbox + 40, 2 * outbox];
		return sizes.filter((size) => 2 * pagesPerBank(pageSize, size, identifiers) <= pages);
	}

	/** Compares what the new life has found in its store with what the lives before have promised. */
	private reconcile(board: Board, asleep: number): void {
		const { ledger, flash, world, watch } = this;
		const restored: Sent[] = [];
		for (const { topic, number } of board.records()) {
			const message = ledger.find(topic)?.sent[number - 1];
			if (message) restored.push(message);
			else this.fail(`restored message ${number} of ${topic}, which nobody published`);
		}
		world.faults.restored += restored.length;
		if (board.damaged > 0 && !flash?.isTorn && !this.options.store?.isForeign)
			this.fail("finds damage in a store that has none");
		const there = new Set(restored);
		if (there.size !== restored.length) this.fail("restored a message twice");
		const cameBack = (message: Sent) => {
			const isKnown = message.gone || message.isAcknowledged;
			if (isKnown && !message.isUncertain && !flash?.failures) {
				this.fail(`restored ${nameOf(message)}, which is ${message.gone ?? "acknowledged"}`);
			}
			if (message.isAcknowledged) watch.comesBack(message);
			if (message.gone) message.isBack = true;
			message.gone = undefined;
			message.isAcknowledged = false;
		};
		const stayedAway = (message: Sent) => {
			if (message.gone || message.isAcknowledged) return;
			if (!message.isUncertain) this.fail(`${nameOf(message)} is lost with the power`);
			if (message.arrivals > 0) message.isAcknowledged = true;
			else message.gone = "lost with the power";
		};
		for (const { qos, isStream, sent } of ledger.topics) {
			if (qos === 0 || isStream) continue;
			for (const message of sent) {
				if (there.has(message)) cameBack(message);
				else stayedAway(message);
				message.isUncertain = false;
			}
		}
		this.adjust(board, restored, asleep);
	}

	/**
	 * The new life has another clock: what it has restored is older by the time for which it was off, as far as it
	 * knows.
	 */
	private adjust(board: Board, restored: Sent[], asleep: number): void {
		const { isClockSure, diedAt, flash } = this;
		this.isClockSure = !this.wasSet;
		const stamps = board.records().map(({ stamp }) => stamp);
		let shift: number | undefined;
		let newest = 0;
		for (let i = 0; i < restored.length; i++) {
			const message = restored[i];
			const stamp = stamps[i];
			if (!message.topic.hasTime || stamp === undefined) continue;
			shift ??= (stamp - message.stamp) | 0;
			if (((stamp - message.stamp) | 0) !== shift)
				this.fail("what was restored is not as old as before, one to another");
			newest = message.stamp;
			message.stamp = stamp;
		}
		if (shift === undefined || !isClockSure || this.wasSet || flash?.failures) return;
		// The last time of the life before that the journal tells of.
		const last = board.clock() - asleep - shift;
		if (((last - newest) | 0) < 0) this.fail(`what was restored seems to be ${(newest - last) | 0} ms too old`);
		if (((diedAt - last) | 0) < 0) this.fail(`what was restored seems to be ${(last - diedAt) | 0} ms too young`);
	}

	look(): void {
		const { board, connections, world } = this;
		if (!world.isFaulty) for (const one of connections) one.heal();
		const { connection } = board.link;
		this.connections = connections.filter((one) => one.server !== undefined || one === connection);
		if (!board.isDead) board.look();
	}

	/** Faults have stopped. */
	settle(): void {
		const { board, flash, connections, options } = this;
		flash?.calm();
		if (!board.isDead) board.settle();
		for (const connection of connections) {
			connection.heal();
			// What is still under way on one that the client has left might take its successor over.
			if (connection !== board.link.connection) connection.break();
			// Without a keep alive nothing but the link tells that it is lost.
			if (options.keepAlive === 0 && connection.isHalfOpen) connection.break();
			if (connection.fate.server === "hostile") connection.dismiss();
		}
	}

	/** What a handler threw on comes again after a reconnect. */
	reconnect(): void {
		this.board.link.connection?.break();
	}

	/** What is still to be done; undefined if all is. */
	get unsettled(): string | undefined {
		const { board, server, name } = this;
		if (board.isDead) return "it is off";
		if (board.unsettled) return board.unsettled;
		const session = server.broker.session(name);
		if (session === undefined) return "the broker does not know it";
		const { inFlight, waiting, unreleased } = session;
		if (inFlight + waiting > 0) return `the broker has ${inFlight} messages in flight to it, and ${waiting} wait`;
		// A message at QoS 2 whose source failed after it had reached the broker stays there for good.
		if (unreleased > this.ledger.abandoned && !this.isExcused)
			return `the broker waits for PUBREL of ${unreleased} messages`;
		return undefined;
	}

	get ended(): number {
		return this.board.endings;
	}

	/** Everything is settled. */
	close(): void {
		if (this.isConfused) return;
		const { board, ledger, server, name, world } = this;
		this.look();
		ledger.close(world, name, this.mayRepeat + board.client.status.mayRepeat + this.watch.unaware);
		const wanted = [...new Set(board.application.subscriptions.map(({ filter }) => filter))].sort();
		const known = [...(server.broker.session(name)?.subscriptions.keys() ?? [])]
			.filter((filter) => wanted.includes(filter) || !this.former.has(filter))
			.sort();
		if (wanted.join(" ") !== known.join(" ")) {
			this.fail(`is subscribed to ${known.join(" ") || "nothing"}, not to ${wanted.join(" ") || "nothing"}`);
		}
		board.application.close();
	}
}
