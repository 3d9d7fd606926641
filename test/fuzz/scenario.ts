/**
 * A byte string becomes a scenario: the client's options, what the broker says and in which pieces, what the link and
 * the clock do, what the application does in between and within its callbacks. In the end the broker behaves, and the
 * client has to come to rest. Any bytes are a scenario, and the same bytes are the same one.
 */
import type { Client, Message, Reason, Stream, Subscription, Topic } from "../../src/client.js";
import type { Clock, Link, LinkOwner } from "../../src/host.js";
import { show } from "../support/hex.js";
import { ScriptedNetwork } from "../support/scripted.js";
import { type Flow, type Known, Oracle, type Setup } from "./invariants.js";

/** The client to try: src itself, or src with counters in it. */
export type Library = Pick<
	typeof import("../../src/client.js"),
	"Client" | "Deferral" | "ExactlyOnce" | "Fallback" | "Stream"
>;

/** What stands at the beginning of a step, by its number; anything else is taken modulo COUNT. */
export enum Step {
	/** `count`, bytes: the broker says this. */
	RECEIVE,
	/** `flags name identifier size`: the broker says a PUBLISH. */
	MESSAGE,
	/** `how`: the broker answers something, as it should or about so. */
	ANSWER,
	/** `what how`: the application acts. */
	ACT,
	/** `count`, then `what how` as often: what it will do in its next callbacks. */
	CALLBACKS,
	/** `how`: the link takes this many bytes; from 128 on without a word. */
	ROOM,
	BREAK,
	ALARM,
	/** `how`: the link opens, with room for this much. */
	OPEN,
	/** `flags code`: CONNACK. */
	CONNACK,
	/** `size lag`: from now on bytes come in pieces of this size, and the last ones later. */
	PIECES,
	COUNT,
}

/** What an application does; from 128 on, something else follows in the same callback. */
export enum Act {
	NOTHING,
	/** Topic and length. */
	PUBLISH,
	SUBSCRIBE,
	SUBSCRIBE_ALL,
	UNSUBSCRIBE,
	STOP,
	START,
	THROW,
	HOLD,
	ACKNOWLEDGE,
	STREAM,
	RESUME,
	/** What the source of a stream answers next. */
	SOURCE,
	/** As many messages have been sent since the start that identifiers begin anew soon. */
	WRAP,
	COUNT,
}

const LENGTHS = [0, 1, 2, 5, 10, 17, 30, 58, 100, 127, 200, 500];
const ROOMS = [0, 1, 2, 3, 4, 7, 13, 40, 100, 1_000_000];
const NAMES = [
	...["a", "a/b", "b", "$s", "longer/than/some/inboxes/are", "longer/than/sOme/inboxes/are", "", "a/+", "a\0"],
	...["\xc3\xbc", "\xe2\x82\xac", "\xf0\x9f\x8c\xa1", "\xff", "\xed\xa0\x80", "\xe0\x80\xaf", "\xf4\x90\x80\x80"],
].map(bytesOf);
const FILTERS = ["a", "a/+", "#", "b", "+", "longer/than/some/inboxes/are", "$s", "a/b"];
const TOPICS = ["t", "u", "long/".repeat(9)];

/** A handler throws this on purpose. */
const INTENDED = new Error("intended");

const NOTHING: Uint8Array = new Uint8Array(0);

/** The bytes around a memory that nobody may touch. */
const CANARY = 0xa5;
const MARGIN = 32;

function bytesOf(text: string): Uint8Array {
	const bytes = new Uint8Array(text.length);
	for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(i);
	return bytes;
}

/** A scripted link with canaries around its memories that tells the oracle what is sent. */
class GuardedLink implements Link {
	readonly clock: Clock;
	private readonly inner: Link & { outgoing: Uint8Array; incoming: Uint8Array; output: number; sent: Uint8Array[] };

	constructor(
		link: Link,
		private readonly oracle: Oracle,
		private readonly trial: Trial,
	) {
		this.inner = link as typeof this.inner;
		this.clock = link.clock;
	}

	attach(owner: LinkOwner, outbox: number, output: number, inbox: number): void {
		const { inner } = this;
		inner.attach(owner, outbox, output, inbox);
		inner.outgoing = guarded(inner.outgoing.length, MARGIN);
		inner.incoming = guarded(inner.incoming.length, 0); // it has to begin at byte 0
	}

	get room(): number {
		return this.inner.room;
	}

	get outgoing(): Uint8Array {
		return this.inner.outgoing;
	}

	get incoming(): Uint8Array {
		return this.inner.incoming;
	}

	open(): void {
		this.inner.open();
		this.trial.tap?.(NOTHING);
		this.oracle.opening();
	}

	send(length: number): void {
		this.oracle.sends(length);
		this.inner.send(length);
		const bytes = this.inner.sent.pop()!;
		this.trial.trace?.(`    client: ${show(bytes)}`);
		this.trial.tap?.(bytes);
	}

	close(): void {
		this.inner.close();
	}

	encode(text: string): Uint8Array {
		return bytesOf(text);
	}

	/** Nothing was written around the memories. */
	check(): void {
		for (const bytes of [this.outgoing, this.incoming]) {
			const all = new Uint8Array(bytes.buffer);
			const end = bytes.byteOffset + bytes.length;
			for (let i = 0; i < bytes.byteOffset; i++) if (all[i] !== CANARY) this.oracle.complain("written before a buffer");
			for (let i = end; i < all.length; i++) if (all[i] !== CANARY) this.oracle.complain("written behind a buffer");
		}
	}
}

function guarded(length: number, before: number): Uint8Array {
	const all = new Uint8Array(before + length + MARGIN).fill(CANARY);
	return all.subarray(before, before + length).fill(0);
}

export interface Outcome {
	/** What is wrong; undefined if nothing. */
	complaint: Error | undefined;
	/** Where the steps begin in the input. */
	steps: number[];
	isUnsure: boolean;
}

export interface Trial {
	/** What becomes of the bytes in the output before the oracle reads them: a test makes a broken client with it. */
	alter?: (bytes: Uint8Array) => Uint8Array;
	/** Called at the end with the client's memories. */
	spoil?: (link: Link) => void;
	/** Sees the bytes that are sent; none where a link opens. */
	tap?: (bytes: Uint8Array) => void;
	/** Is told what happens, a line each. */
	trace?: (line: string) => void;
	/** Also looks whether the client's own arrays have grown, which takes longer than all the rest. */
	weigh?: boolean;
}

export function run(library: Library, input: Uint8Array, trial: Trial = {}): Outcome {
	const scenario = new Scenario(library, input, trial);
	try {
		scenario.play();
	} catch (error) {
		scenario.oracle.complaint ??= error as Error;
	}
	const { complaint, isUnsure } = scenario.oracle;
	return { complaint, steps: scenario.steps, isUnsure };
}

class Scenario {
	readonly oracle: Oracle;
	readonly steps: number[] = [];
	private at = 0;
	private readonly setup: Setup;
	private readonly inboxSize: number;
	private readonly network: ScriptedNetwork;
	private readonly link: GuardedLink;
	private readonly client: Client;
	private readonly deferral: InstanceType<Library["Deferral"]> | undefined;
	private readonly topics: (Topic | undefined)[] = [];
	private readonly streams: (Stream | undefined)[] = [];
	private readonly known: Known[] = [];
	private readonly tickets: number[] = [];
	/** What the application will do in its callbacks. */
	private acts: number[] = [];
	/** Of the broker's bytes, what has not been handed over. */
	private wire = NOTHING;
	private readonly chunk: number;
	private pieceSize = 0;
	private lag = 0;
	private serial = 0;
	/** The link has got room without a word, or the broker behaves. */
	private isQuiet = false;
	private behaves = false;
	/** The message that a handler has in hand. */
	private message: Message | undefined;
	private weight = 0;

	constructor(
		private readonly library: Library,
		private readonly input: Uint8Array,
		private readonly trial: Trial,
	) {
		const [first, inbox, outbox, output, pace, places] = input.length < 6 ? [0, 0, 0, 0, 0, 0] : input;
		this.at = 6;
		const inboxSize = (first & 0x80) !== 0 ? 256 : 16 + (inbox & 63);
		this.inboxSize = inboxSize;
		this.setup = {
			level: (["fallback", 3, 4, 4] as const)[(first & 3) ^ 3],
			cleanSession: (first & 4) === 0,
			keepAlive: (first & 0x20) === 0 ? 0 : (output & 128) === 0 ? 60 : 10,
			limit: ((inboxSize + 5) & ~3) - 2,
			window: 1 + (pace & 7),
			identifiers: (first & 8) !== 0 ? 1 + (places & 3) : 0,
			held: (first & 0x10) !== 0 ? 1 + ((places >> 2) & 3) : 0,
		};
		const { setup } = this;
		trial.trace?.(JSON.stringify(setup));
		this.oracle = new Oracle(setup, trial.alter);
		this.chunk = 4 * (1 + (pace >> 3));
		this.network = new ScriptedNetwork(this.chunk);
		this.link = new GuardedLink(this.network.link, this.oracle, trial);
		this.deferral = setup.held > 0 ? new library.Deferral(setup.held) : undefined;
		this.client = new library.Client({
			link: this.link,
			clientId: "c",
			level: setup.level === "fallback" ? new library.Fallback() : setup.level,
			cleanSession: setup.cleanSession,
			keepAlive: setup.keepAlive,
			will: inbox >= 0xc0 ? { topic: "w", payload: new Uint8Array(50), qos: 1 } : undefined,
			inbox: inboxSize,
			outbox: 64 + 4 * outbox,
			output: 32 + (output & 127),
			window: setup.window,
			exactlyOnce: setup.identifiers > 0 ? new library.ExactlyOnce(setup.identifiers) : undefined,
			deferral: this.deferral,
			onConnect: (present) => this.callback(() => this.oracle.connected(present)),
			onDisconnect: (reason) => this.callback(() => this.disconnected(reason)),
			onError: (error) => this.failed(error),
		});
		this.oracle.watch(this.client, this.link, 64 + 4 * outbox);
	}

	private byte(): number {
		return this.input[this.at++] ?? 0;
	}

	play(): void {
		const { oracle, client, trial } = this;
		const places = this.input[5];
		if (trial.weigh) this.weight = weigh(client);
		if ((places & 0x20) !== 0) this.subscribe([{ filter: "#", qos: 1 }]);
		if ((places & 0x40) !== 0) this.subscribe([{ filter: "a", qos: 0 }]);
		if ((places & 0x80) === 0) {
			this.event(() => client.start());
			this.event(() => this.open(1_000_000));
			this.say(Uint8Array.of(0x20, 2, 0, 0));
		}
		while (this.at < this.input.length && !oracle.complaint) {
			this.steps.push(this.at);
			this.step(this.byte() % Step.COUNT);
		}
		if (!oracle.complaint) this.behave();
		if (!oracle.complaint) oracle.rest();
		trial.spoil?.(this.link);
		this.link.check();
		if (trial.weigh && weigh(client) > this.weight) oracle.complain("the client's memory has grown");
	}

	/** Sets something up, which may take memory. */
	private setUp<T>(action: () => T): T {
		if (!this.trial.weigh) return action();
		const before = weigh(this.client);
		const result = action();
		this.weight += Math.max(0, weigh(this.client) - before);
		return result;
	}

	private step(step: Step): void {
		const { network } = this;
		switch (step) {
			case Step.RECEIVE: {
				const count = this.byte() & 63;
				this.say(this.input.subarray(this.at, this.at + count));
				this.at += count;
				break;
			}
			case Step.MESSAGE:
				this.say(this.publish(this.byte(), this.byte(), this.byte(), this.byte()));
				break;
			case Step.ANSWER:
				this.answer(this.byte());
				break;
			case Step.ACT: {
				const [what, how] = [this.byte(), this.byte()];
				this.event(() => this.act(what, how));
				break;
			}
			case Step.CALLBACKS:
				for (let count = this.byte() & 7; count >= 0; count--) this.acts.push(this.byte(), this.byte());
				break;
			case Step.ROOM: {
				const how = this.byte();
				const room = ROOMS[how % ROOMS.length];
				if (!network.isOpen) break;
				if (how > 127) {
					network.room = room;
					this.isQuiet = true;
				} else {
					this.isQuiet = false;
					this.event(() => network.writable(room));
				}
				this.trial.trace?.(`  room for ${room}${how > 127 ? ", without a word" : ""}`);
				break;
			}
			case Step.BREAK:
				if (network.isOpen || network.isOpening) this.event(() => this.excused("break", () => network.break()));
				break;
			case Step.ALARM:
				if (network.clock.untilNext === undefined) break;
				this.event(() => this.excused("alarm", () => network.clock.toNext()));
				break;
			case Step.OPEN: {
				const room = ROOMS[this.byte() % ROOMS.length];
				if (network.isOpening) this.event(() => this.open(room));
				break;
			}
			case Step.CONNACK:
				this.say(Uint8Array.of(0x20, 2, this.byte() & 3, this.byte() & 7));
				break;
			case Step.PIECES:
				this.pieceSize = this.byte() & 31;
				this.lag = this.byte() & 7;
		}
	}

	// What happens

	/** Something happens to the client; what it does about it is looked at. */
	private event(happens: () => void): void {
		const { network, oracle } = this;
		happens();
		const isOpen = network.isOpen || network.isOpening;
		oracle.settle(isOpen, network.isOpen && network.room > 0 && !this.isQuiet);
	}

	private excused(excuse: Oracle["excuse"], action: () => void): void {
		this.trial.trace?.(`  ${excuse}`);
		const before = this.oracle.excuse;
		this.oracle.excuse = excuse;
		action();
		this.oracle.excuse = before;
	}

	private open(room: number): void {
		this.trial.trace?.(`  link opens with room for ${room}`);
		this.isQuiet = false;
		this.oracle.opened();
		this.network.open(room);
	}

	/** The broker says these bytes. */
	private say(bytes: Uint8Array): void {
		const { network, oracle } = this;
		if (!network.isOpen) return;
		const wire = new Uint8Array(this.wire.length + bytes.length);
		wire.set(this.wire);
		wire.set(bytes, this.wire.length);
		const end = wire.length - this.lag;
		const { opened } = network;
		const size = Math.min(this.pieceSize || this.chunk, this.chunk);
		let at = 0;
		while (at < end && network.isOpen && network.opened === opened && !oracle.complaint) {
			const piece = wire.subarray(at, Math.min(at + size, end));
			at += piece.length;
			this.event(() => {
				this.trial.trace?.(`broker: ${show(piece)}`);
				this.isQuiet = false;
				oracle.incoming.take(piece);
				network.receive(piece);
			});
		}
		this.wire = network.isOpen && network.opened === opened ? wire.slice(at) : NOTHING;
	}

	private publish(flags: number, name: number, identifier: number, size: number): Uint8Array {
		const topic = NAMES[name % NAMES.length];
		const qos = flags & 3;
		const length = LENGTHS[size % LENGTHS.length];
		const remaining = 2 + topic.length + (qos > 0 ? 2 : 0) + length;
		const bytes = [0x30 | (qos << 1) | ((flags & 4) << 1) | ((flags & 8) >> 3)];
		if (remaining > 127) bytes.push((remaining & 127) | 128, remaining >> 7);
		else bytes.push(remaining);
		bytes.push(0, topic.length, ...topic);
		if (qos > 0) bytes.push(identifier >> 7, identifier & 15);
		for (let i = 0; i < length; i++) bytes.push((this.serial + i) & 255);
		this.serial += 7;
		return Uint8Array.from(bytes);
	}

	/** The broker answers one packet of ours: the low bits say which, the high ones how. */
	private answer(how: number): void {
		const { unanswered } = this.oracle;
		if (unanswered.length === 0) return;
		const one = unanswered[(how & 15) % unanswered.length];
		const { header, identifier, count } = one;
		// Amid another packet it is not one.
		if (this.oracle.incoming.isBetween && this.wire.length === 0) this.oracle.answers(one);
		const two = [identifier >> 8, identifier & 255];
		const codes = Array(how < 0xf0 ? count : count + 1).fill(how < 0xe0 ? (how >> 4) & 1 : 128);
		const answers: Record<number, number[]> = {
			1: [0x20, 2, how >> 7, 0],
			3: [(header & 6) === 2 ? 0x40 : 0x50, 2, ...two],
			5: [0x62, 2, ...two],
			6: [0x70, 2, ...two],
			8: [0x90, 2 + codes.length, ...two, ...codes],
			10: [0xb0, 2, ...two],
			12: [0xd0, 0],
		};
		this.say(Uint8Array.from(answers[header >> 4]));
	}

	// What the application does

	/** A callback of the application: first the oracle is told, then the application acts, and perhaps throws. */
	private callback(tell: () => void): void {
		const { oracle } = this;
		tell();
		oracle.depth++;
		try {
			this.react();
		} catch (error) {
			if (error === INTENDED) oracle.failures++;
			throw error;
		} finally {
			oracle.look();
			oracle.depth--;
		}
	}

	/** Does what is next in `acts`. */
	private react(): void {
		let more = !this.behaves;
		while (more && this.acts.length > 0) {
			const [what, how] = this.acts.splice(0, 2);
			more = what > 127;
			if ((what & 127) % Act.COUNT === Act.THROW) {
				this.trial.trace?.("  application: throws");
				throw INTENDED;
			}
			this.act(what & 127, how);
		}
	}

	/** What a callback threw: only what we meant to. */
	private failed(error: unknown): void {
		const isOurs = error === INTENDED || (error as Error).message.startsWith("mqtt-mote: the source of a stream");
		if (!isOurs) this.oracle.complaint ??= error as Error;
		this.callback(() => {});
	}

	private disconnected(reason: Reason): void {
		this.trial.trace?.(`  onDisconnect ${reason}`);
		this.wire = NOTHING;
		this.oracle.disconnected(reason);
	}

	/** Whatever the client throws at its application is a complaint. */
	private act(what: number, how: number): void {
		try {
			this.action(what % Act.COUNT, how);
			this.oracle.look();
		} catch (error) {
			this.oracle.complaint ??= error as Error;
		}
	}

	private action(what: Act, how: number): void {
		this.trial.trace?.(`  application: ${Act[what]} ${how}`);
		const { client, oracle } = this;
		switch (what) {
			case Act.PUBLISH: {
				const which = (how & 7) % 5;
				const { name, qos, retain } = this.named(which);
				this.topics[which] ??= this.setUp(() => client.topic(name, { qos, retain }));
				const length = LENGTHS[(how >> 3) % LENGTHS.length];
				const payload = this.payload(length + (this.serial & 1) * 40); // not all of it, now and then
				const sending = oracle.publishes(name, (qos << 1) | +retain, payload.slice(0, length));
				const part = payload.length === length ? undefined : length;
				if (!this.topics[which].publish(payload, part)) oracle.refused(sending);
				break;
			}
			case Act.SUBSCRIBE:
				this.subscribe([{ filter: FILTERS[how & 7], qos: this.qos(how >> 3) }]);
				break;
			case Act.SUBSCRIBE_ALL: {
				const filters = Array.from({ length: Math.min(1 + (how >> 3), this.inboxSize - 2) }, (_, i) => ({
					filter: FILTERS[(how + i) & 7],
					qos: this.qos(how + i),
				}));
				this.subscribe(filters);
				break;
			}
			case Act.UNSUBSCRIBE: {
				const { length } = this.known;
				if (length === 0) break;
				const members = Array.from({ length: 1 + (how >> 6) }, (_, i) => this.known[((how & 63) + i) % length]);
				if (members.some(({ handle }) => !handle)) break;
				oracle.unsubscribed(members);
				this.setUp(() =>
					client.unsubscribe(members.length === 1 ? members[0].handle! : members.map(({ handle }) => handle!)),
				);
				break;
			}
			case Act.STOP:
				this.excused("stop", () => client.stop());
				break;
			case Act.START:
				client.start();
				break;
			case Act.HOLD: {
				const { message, deferral } = this;
				if (!message || !deferral) break;
				const ticket = deferral.hold(message);
				if (ticket === -1) break;
				oracle.held(ticket);
				if (this.tickets.at(-1) !== ticket) this.tickets.push(ticket);
				break;
			}
			case Act.ACKNOWLEDGE:
				this.acknowledge(this.tickets[how % this.tickets.length]);
				break;
			case Act.STREAM:
				this.stream(how & 7, LENGTHS[(how >> 3) % LENGTHS.length]);
				break;
			case Act.RESUME:
				this.streams[how % 3]?.resume();
				break;
			case Act.WRAP:
				(client as unknown as { session: { identifier: number } }).session.identifier = 65_535 - (how & 3);
		}
	}

	/** Of a topic: 0 to 4, or 5 to 7 for streams. */
	private named(which: number): { name: string; qos: 0 | 1 | 2; retain: boolean } {
		return { name: TOPICS[which % 3], qos: this.qos(which & 3), retain: which === 4 || which === 5 };
	}

	private qos(how: number): 0 | 1 | 2 {
		return (how % (this.setup.identifiers > 0 ? 3 : 2)) as 0 | 1 | 2;
	}

	/** Bytes that are not those of the message before. */
	private payload(length: number): Uint8Array {
		const start = this.serial;
		this.serial += 13;
		return Uint8Array.from({ length }, (_, i) => start + i * 3);
	}

	private subscribe(filters: { filter: string; qos: 0 | 1 | 2 }[]): void {
		if (this.known.length > 40) return;
		const members: Known[] = filters.map(({ filter, qos }) => ({ filter, qos, isEnded: false, granted: -1 }));
		const asked = members.map((known) => ({
			filter: known.filter,
			qos: known.qos as 0 | 1 | 2,
			handler: (message: Message) => this.handle(known, message),
		}));
		this.known.push(...members);
		this.oracle.subscribed(members);
		const [one] = asked;
		const { client } = this;
		const handles: Subscription[] = this.setUp(() =>
			asked.length === 1 ? [client.subscribe(one.filter, one.qos, one.handler)] : client.subscribeAll(asked),
		);
		for (let i = 0; i < handles.length; i++) members[i].handle = handles[i];
	}

	private handle(known: Known, message: Message): void {
		const before = this.message;
		let hasThrown = true;
		this.trial.trace?.(`  message for ${known.filter}: ${show(message.payload)}`);
		this.oracle.enter(known, message);
		this.message = message;
		try {
			this.react();
			hasThrown = false;
		} finally {
			if (hasThrown) this.oracle.failures++;
			this.message = before;
			this.oracle.leave(hasThrown);
		}
	}

	private acknowledge(ticket: number): void {
		if (!this.deferral) return;
		const wanted = this.oracle.acknowledges(ticket);
		const answer = this.deferral.acknowledge(ticket);
		if (answer !== wanted && !this.oracle.isUnsure) this.oracle.complain(`acknowledge(${ticket}) returned ${answer}`);
	}

	private stream(which: number, length: number): void {
		const { oracle } = this;
		which %= 3;
		const { name, qos, retain } = this.named(5 + which);
		const { library, client } = this;
		const stream = this.streams[which] ?? this.setUp(() => new library.Stream(client, name, { qos, retain }));
		this.streams[which] = stream;
		const flow = oracle.flows[which];
		const payload = this.payload(length);
		const wasBusy = flow.isBusy;
		if (wasBusy !== stream.busy) oracle.complain(`a stream says busy: ${stream.busy}`);
		const source = {
			read: (bytes: Uint8Array, at: number, offset: number, count: number) =>
				this.read(flow, payload, bytes, at, offset, count),
			done: (delivered: boolean) => this.callback(() => oracle.done(flow, delivered)),
		};
		if (wasBusy) {
			if (stream.publish(length, source)) oracle.complain("a busy stream took another message");
			return;
		}
		flow.isBusy = true;
		const sending = oracle.publishes(name, (qos << 1) | +retain, payload, flow);
		if (stream.publish(length, source)) return;
		oracle.refused(sending);
		flow.isBusy = false;
	}

	/** The source of a stream. */
	private read(flow: Flow, payload: Uint8Array, bytes: Uint8Array, at: number, offset: number, count: number): number {
		const { oracle } = this;
		oracle.reads(flow);
		if (count < 1 || offset + count > payload.length) oracle.complain("a source was asked for what there is not");
		if (at < 0 || at + count > bytes.length) oracle.complain("a source was asked to write where there is no room");
		const isSource = !this.behaves && this.acts.length > 0 && (this.acts[0] & 127) % Act.COUNT === Act.SOURCE;
		const how = isSource ? this.acts.splice(0, 2)[1] : 255;
		oracle.depth++;
		try {
			if (!isSource) this.react();
			if (how === 4) throw INTENDED;
			if (how < 4) {
				oracle.failures++;
				flow.hasFailed = true;
				return [count + 1, -1, Number.NaN, 0.5][how];
			}
		} catch (error) {
			oracle.failures++;
			flow.hasFailed = true;
			throw error;
		} finally {
			oracle.depth--;
		}
		this.trial.trace?.(`  read ${offset} ${count}: ${how}`);
		const given = how < 16 ? 0 : how < 128 ? Math.min(count, how & 7) : count;
		oracle.isStarving = given === 0;
		for (let i = 0; i < given; i++) bytes[at + i] = payload[offset + i];
		return given;
	}

	// The end

	/** From now on all goes well: in a connection or a few the client has to come to rest. */
	private behave(): void {
		const { network, oracle, client } = this;
		this.behaves = true;
		this.trial.trace?.("  the broker behaves");
		this.acts = [];
		this.lag = 0;
		this.pieceSize = 0;
		const kept = !this.setup.cleanSession && this.input.length % 2 === 1 ? 0x80 : 0;
		if (!oracle.incoming.isBetween || this.wire.length > 0) this.step(Step.BREAK);
		for (let round = 0; round < 200 && !oracle.complaint; round++) {
			if (network.isOpening) this.event(() => this.open(1_000_000));
			else if (!network.isOpen && network.clock.untilNext === undefined) this.event(() => client.start());
			else if (!network.isOpen) this.step(Step.ALARM);
			else {
				this.isQuiet = false;
				this.event(() => network.writable(1_000_000));
				for (const ticket of this.tickets.splice(0)) this.event(() => this.acknowledge(ticket));
				for (const stream of this.streams) if (stream?.busy) this.event(() => stream.resume());
				if (oracle.unanswered.length === 0) break;
				while (oracle.unanswered.length > 0 && network.isOpen && !oracle.complaint) this.answer(kept);
			}
		}
		for (const flow of oracle.flows) if (flow.isBusy && !oracle.isUnsure) oracle.complain("a stream stays busy");
	}
}

/**
 * How many elements all arrays have that can be reached from here, and how many properties all objects, apart from the
 * link and from the sources of streams, which are the application's.
 */
function weigh(from: object): number {
	const seen = new Set<unknown>();
	const rest: object[] = [from];
	let sum = 0;
	while (rest.length > 0) {
		const one = rest.pop()!;
		if (seen.has(one) || one instanceof GuardedLink || one instanceof ArrayBuffer || "read" in one) continue;
		seen.add(one);
		if (ArrayBuffer.isView(one)) {
			sum += one.byteLength;
			continue;
		}
		for (const value of Object.values(one)) {
			sum++;
			if (typeof value === "object" && value !== null) rest.push(value);
		}
	}
	return sum;
}

/** An input as it is printed, and back. */
export const hexOf = (input: Uint8Array) => Buffer.from(input).toString("hex");
export const inputOf = (hex: string) => new Uint8Array(Buffer.from(hex, "hex"));
