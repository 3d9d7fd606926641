/** What the firmware of a device does: publishes, streams, subscribes, and whatever a handler may do, or should not. */
import type { Deferral, Message, Source, Stream, Subscription, Topic, TopicOptions } from "../../src/client.js";
import type { Board } from "./board.js";
import type { Known, Run } from "./inbound.js";
import type { Publication, Sent } from "./ledger.js";
import { byteAt, payloadOf } from "./payload.js";

/** Thrown by handlers and sources, so that what the client throws can be told from it. */
export class Deliberate extends Error {}

const DELIBERATE = new Deliberate("thrown on purpose");

/** A handler holds the message that it got; returns what is known of that. */
export type Hold = (ticket: number) => Run | undefined;

interface Subscribed extends Known {
	readonly qos: 0 | 1 | 2;
	handle: Subscription | undefined;
}

interface Channel {
	readonly publication: Publication;
	readonly topic: Topic | undefined;
	readonly stream: Stream | undefined;
}

/** Names of the topics on which the peer of server.ts publishes. The last one fits no small inbox. */
export const PEER_TOPICS = ["peer/0", "peer/1", `peer/${"long/".repeat(8)}name`];

const FILTERS = ["#", "+/#", "d0/#", "d0/+/0", "+/1/+", "d1/1/0", "d0/2/0", "peer/+", "peer/0", "peer/#"];

export class Application {
	/** Those that have not ended, in the order of subscribing. */
	subscriptions: Subscribed[] = [];
	/** The filters of all there have been. */
	readonly filters = new Set<string>();
	/** How often a callback threw. */
	thrown = 0;
	private readonly channels: Channel[] = [];
	/** Messages that handlers may still publish: what is published may come back to them. */
	private budget = 10;
	private readonly highest: 1 | 2;
	/** What is held, to be acknowledged. */
	private held = new Set<() => void>();
	private paused = new Set<Stream>();

	constructor(
		private readonly board: Board,
		private readonly deferral: Deferral | undefined,
		isFirst: boolean,
	) {
		const { world, options, client, library, device } = board;
		const { random } = world;
		this.highest = options.identifiers > 0 ? 2 : 1;
		// Another life is another firmware: its topics come in another order, and some are missing.
		const plan = device.plan.filter(() => isFirst || random.chance(0.85));
		if (!isFirst) plan.sort(() => random.next() - 0.5);
		for (const { publication, retain } of plan) {
			const { name: topic, qos, rules, isStream } = publication;
			const settings: TopicOptions = { qos, retain };
			if (rules) {
				const { whenFull, expiry, age } = rules;
				settings.whenFull = whenFull;
				if (expiry > 0) settings.expiry = expiry / 1000;
				if (age) settings.age = new library.Age(age.before, age.after, age.decimals);
			}
			this.channels.push({
				publication,
				topic: isStream ? undefined : client.topic(topic, settings),
				stream: isStream ? new library.Stream(client, topic, settings) : undefined,
			});
		}
		for (let i = random.below(3); i > 0; i--) this.subscribe();
		world.time.after(world.about(500), () => board.awake(() => (options.isSleeper ? this.cycle() : board.start())));
		this.next();
	}

	get declared(): Publication[] {
		return this.channels.map(({ publication }) => publication);
	}

	connected(): void {
		const { board } = this;
		const { world } = board;
		if (world.strikes(0.1)) this.publish();
		if (world.strikes(0.02)) board.retry();
		if (world.strikes(0.02)) this.throw();
	}

	disconnected(): void {
		const { board } = this;
		const { world, options } = board;
		if (options.hints && world.strikes(0.3)) board.retry();
		if (world.strikes(0.1)) this.publish();
		if (world.strikes(0.02)) board.start();
		if (world.strikes(0.02)) this.throw();
	}

	/** Of a board that sleeps: publishes, flushes, and sleeps again. */
	private cycle(): void {
		const { board } = this;
		const { world, device } = board;
		const { random } = world;
		if (!world.isFaulty) return;
		if (random.chance(0.2)) for (let i = 0; i < 60; i++) this.publish(1);
		else for (let i = random.below(6); i >= 0; i--) this.publish();
		board.flush(random.pick([0.1, 1, 5, 20]), () => {
			if (!world.isFaulty) board.start();
			else if (device.flash && random.chance(0.2)) world.time.after(random.next() * 20, () => board.die());
			else world.time.after(world.about(3 * board.options.pace), () => board.awake(() => this.cycle()));
		});
	}

	/** Faults have stopped. */
	settle(): void {
		this.board.awake(() => {
			for (const acknowledge of this.held) acknowledge();
			for (const stream of this.paused) stream.resume();
			this.board.start();
		});
	}

	/** Everything is settled. */
	close(): void {
		for (const { filter, qos, handle } of this.subscriptions) {
			if (handle?.granted !== qos) this.board.fail(`${filter} was granted ${handle?.granted}, not ${qos}`);
		}
		for (const { stream, publication } of this.channels) {
			if (stream?.busy) this.board.fail(`the stream to ${publication.name} is still busy`);
		}
	}

	private next(): void {
		const { world, options } = this.board;
		world.time.after(world.about(options.pace), () =>
			this.board.awake(() => {
				if (!world.isFaulty) return;
				this.act();
				this.next();
			}),
		);
	}

	private act(): void {
		if (this.board.options.hints && this.board.world.random.chance(0.1)) this.board.retry();
		const { board } = this;
		const { world } = board;
		const { random } = world;
		const choice = random.below(100);
		if (choice < 70) this.publish();
		else if (choice < 76) for (let i = random.below(20); i >= 0; i--) this.publish();
		else if (choice < 86) this.subscribe();
		else if (choice < 93) this.unsubscribe();
		else if (choice < 96) this.stop();
		else if (choice < 98) board.sleep(world.about(random.pick([500, 5_000, 60_000])));
	}

	/** To any topic, a quarter of the outbox or `most` bytes at the most. */
	private publish(most = this.board.options.outbox / 4): void {
		const { board } = this;
		const { world } = board;
		const { random } = world;
		if (this.channels.length === 0 || board.isDead) return;
		const { publication, topic, stream } = random.pick(this.channels);
		if (stream) {
			this.publishStream(stream, publication);
			return;
		}
		const { salt, sent } = publication;
		const length = Math.floor(world.about(random.pick([1, Math.min(12, most), Math.min(12, most), most])));
		const payload = payloadOf(sent.length + 1, salt, length);
		const message = publication.add(payload.length, board.clock());
		const asNumber = payload.length === String(message.number).length;
		let padded = payload;
		if (random.chance(0.3)) {
			padded = new Uint8Array(payload.length + 5).fill(0x21);
			padded.set(payload);
		}
		const isTaken = board.publish(message, () =>
			asNumber ? (topic as Topic).publishNumber(message.number, 0) : (topic as Topic).publish(padded, payload.length),
		);
		this.published(message, isTaken);
		if (!isTaken) world.faults["outbox full"]++;
	}

	private published({ topic, number, length }: Sent, isTaken: boolean): void {
		const { world, name } = this.board;
		if (world.isTold) world.trace(name, `publish(${number}) to ${topic.name}, ${length} bytes: ${isTaken}`);
	}

	private publishStream(stream: Stream, publication: Publication): void {
		const { board } = this;
		const { world } = board;
		const { random } = world;
		const { salt, qos } = publication;
		if (stream.busy) return;
		const number = publication.sent.length + 1;
		const length = Math.max(String(number).length, Math.floor(world.about(random.pick([5, 100, 400]))));
		const message = publication.add(length, board.clock());
		let next = 0;
		let isDone = false;
		const source: Source = {
			read: (bytes, at, offset, count) => {
				if ((offset !== next && offset !== 0) || isDone)
					board.fail(`a source was asked for byte ${offset}, not ${next}`);
				if (!(count >= 1 && offset + count <= length && at + count <= bytes.length)) {
					board.fail(`a source was asked for ${count} bytes at ${offset} of ${length}`);
				}
				if (board.isDead) return 0;
				board.sends();
				if (world.strikes(0.003)) this.throw();
				if (world.strikes(0.05)) {
					this.paused.add(stream);
					world.time.after(world.about(300), () => board.awake(() => stream.resume()));
					return 0;
				}
				const put = 1 + random.below(count);
				for (let i = 0; i < put; i++) bytes[at + i] = byteAt(number, salt, offset + i);
				next = offset + put;
				return put;
			},
			done: (delivered) => {
				if (isDone) board.fail(`a source was done twice`);
				isDone = true;
				if (delivered || board.isDead) return;
				message.gone = "given up";
				if (qos > 0) board.givenUp++;
			},
		};
		this.published(
			message,
			board.publish(message, () => stream.publish(length, source)),
		);
	}

	private subscribe(): void {
		const { board } = this;
		const { world, name, client } = board;
		const { random } = world;
		if (this.subscriptions.length > 5 || board.isDead) return;
		const count = random.pick([1, 1, 2, 3]);
		const made = Array.from({ length: count }, () => {
			const filter = random.chance(0.1) ? random.pick(PEER_TOPICS) : random.pick(FILTERS);
			const qos = random.below(this.highest + 1) as 0 | 1 | 2;
			this.filters.add(filter);
			const known: Subscribed = { filter, qos, since: world.time.now, isLive: true, handle: undefined };
			return known;
		});
		world.trace(name, `subscribe to ${made.map(({ filter, qos }) => `${filter} QoS ${qos}`).join(" and ")}`);
		const handles = client.subscribeAll(
			made.map((known) => ({
				filter: known.filter,
				qos: known.qos,
				handler: (message) => board.handle(known, message, (hold) => this.react(message, hold)),
			})),
		);
		for (let i = 0; i < count; i++) made[i].handle = handles[i];
		this.subscriptions.push(...made);
	}

	private unsubscribe(): void {
		const { board } = this;
		const { world, name, client } = board;
		const gone = this.subscriptions.filter(() => world.random.chance(0.4));
		if (gone.length === 0) return;
		world.trace(name, `unsubscribe from ${gone.map(({ filter }) => filter).join(" and ")}`);
		for (const known of gone) known.isLive = false;
		this.subscriptions = this.subscriptions.filter(({ isLive }) => isLive);
		client.unsubscribe(gone.map(({ handle }) => handle as Subscription));
	}

	/** Stops; starts again at once, or later. */
	private stop(): void {
		const { board } = this;
		const { world } = board;
		board.stop();
		if (world.random.chance(0.3)) board.start();
		else world.time.after(world.about(3_000), () => board.awake(() => board.start()));
	}

	/** What a handler does with a message. */
	private react(message: Message, hold: Hold): void {
		const { board, deferral } = this;
		const { world } = board;
		if (!world.isFaulty) return;
		const { random } = world;
		if (deferral && random.chance(0.3)) this.hold(deferral, message, hold);
		const choice = random.below(200);
		if (choice < 6) this.throw();
		else if (choice < 26 && this.budget-- > 0) this.publish();
		else if (choice < 30) this.subscribe();
		else if (choice < 34) this.unsubscribe();
		else if (choice < 37) this.stop();
		else if (choice < 40) this.board.retry();
	}

	private hold(deferral: Deferral, message: Message, hold: Hold): void {
		const { board } = this;
		const { world } = board;
		const ticket = deferral.hold(message);
		if (ticket === -1) return;
		const run = hold(ticket);
		world.trace(board.name, `holds it: ticket ${ticket}`);
		const acknowledge = () => {
			this.held.delete(acknowledge);
			const isAlive = run?.connection === board.link.connection && board.isConnected;
			const isDue = run?.ticket === ticket && isAlive && !run.threw && !run.isInterrupted && !board.isConfused;
			if (run?.ticket === ticket) run.ticket = 0;
			const isDone = deferral.acknowledge(ticket);
			world.trace(board.name, `acknowledge(${ticket}): ${isDone}`);
			if (isDue && !isDone) board.fail(`acknowledge(${ticket}) said false`);
		};
		this.held.add(acknowledge);
		world.time.after(world.about(world.random.pick([10, 500, 5_000])), () => {
			if (this.held.has(acknowledge)) board.awake(acknowledge);
		});
	}

	private throw(): void {
		const { world } = this.board;
		this.thrown++;
		world.faults["handler threw"]++;
		throw DELIBERATE;
	}
}
