/** The options of a run and of its devices, drawn from the seed: plain values, so that they can be shown. */
import type { Random } from "../support/random.js";
import type { Impatience } from "./gate.js";
import type { StoreOptions } from "./store.js";

export interface DeviceOptions {
	clientId: string;
	/** "fallback": a Fallback. */
	level: 3 | 4 | "fallback";
	cleanSession: boolean;
	keepAlive: number;
	outbox: number;
	output: number;
	inbox: number;
	window: number;
	timeout: number;
	retryBase: number;
	retryCap: number;
	/** Places of ExactlyOnce and Deferral; 0 without one. */
	identifiers: number;
	deferral: number;
	hasWill: boolean;
	hasPassword: boolean;
	/** Bytes that the link hands over at a time. */
	chunk: number;
	/** How many messages the client has sent before this run: where its packet identifiers are. */
	age: number;
	/** Milliseconds between what its application does. */
	pace: number;
	/** It has a journal over such a store. */
	store: StoreOptions | undefined;
	/** How often the power is cut, about. */
	cuts: number;
	/** It wakes now and then to flush, and does not stay connected. */
	isSleeper: boolean;
	/** What its clock shows at first. */
	clock: number;
	/** How often its clock is set, about. */
	jumps: number;
	/** It is told now and then that the network is back. */
	hints: boolean;
}

export interface RunOptions {
	/** Seconds until faults stop. */
	duration: number;
	/** Of the network: 0 to 1. */
	wildness: number;
	/** Messages in flight from the broker to one client. */
	brokerWindow: number;
	/** One of its connections may end at a rogue broker. */
	isHostile: boolean;
	/** The broker may restart, and may then have forgotten everything. */
	restarts: boolean;
	forgets: boolean;
	/** For a while the broker accepts connections only to close them. */
	isStormy: boolean;
	/** What the broker does with what comes before its CONNACK, if it does not take that. */
	gate: Impatience | undefined;
	devices: DeviceOptions[];
}

export function drawOptions(random: Random): RunOptions {
	const brokerWindow = random.pick([1, 4, 20]);
	const isHostile = random.chance(0.08);
	return {
		duration: random.pick([5, 10, 15, 30, 60]),
		wildness: random.pick([0.1, 0.4, 0.7, 1]),
		brokerWindow,
		isHostile,
		restarts: random.chance(0.4),
		forgets: random.chance(0.5),
		isStormy: random.chance(0.05),
		gate: random.pick([undefined, undefined, undefined, "closes", "ignores"]),
		devices: Array.from({ length: random.pick([1, 1, 1, 2, 2, 3]) }, (_, index) =>
			drawDevice(random, `d${index}`, brokerWindow, isHostile),
		),
	};
}

function drawDevice(random: Random, clientId: string, brokerWindow: number, isHostile: boolean): DeviceOptions {
	const retryBase = random.pick([0.05, 0.5, 1]);
	const outbox = random.pick([64, 100, 200, 400, 1024]);
	const identifiers = random.chance(0.7) ? brokerWindow + random.pick([0, 2, 12]) : 0;
	return {
		clientId,
		level: random.pick([4, 4, 4, 3, "fallback"]),
		cleanSession: random.chance(0.35),
		keepAlive: random.pick([0, 1, 3, 5, 10, 30, 60]),
		outbox,
		output: random.pick([32, 40, 64, 256]),
		inbox: random.pick([16, 24, 64, 256]),
		window: random.pick([1, 2, 4, 16, 100]),
		timeout: random.pick([1, 2, 5, 10]),
		retryBase,
		retryCap: retryBase * random.pick([1, 4, 20, 60]),
		identifiers,
		deferral: random.chance(0.4) ? brokerWindow + random.pick([0, 2, 12]) : 0,
		hasWill: random.chance(0.3),
		hasPassword: random.chance(0.2),
		chunk: random.pick([16, 64, 1024]),
		age: random.pick([0, 0, 65_520]),
		pace: random.pick([150, 600, 2_000]),
		store: !isHostile && random.chance(0.5) ? drawStore(random, outbox, identifiers) : undefined,
		cuts: random.pick([0, 1, 3]),
		isSleeper: random.chance(0.25),
		clock: random.chance(0.5) ? 2 ** 32 - random.next() * 30_000 : 0,
		jumps: random.pick([0, 0, 0, 2]),
		hints: random.chance(0.3),
	};
}

function drawStore(random: Random, outbox: number, identifiers: number): StoreOptions {
	const pageSize = random.pick([64, 256, 1024]);
	const perBank = pagesPerBank(pageSize, outbox, identifiers);
	const pages = 2 * perBank + random.pick([0, 1, 2, 2 * perBank]);
	return { pageSize, pages, failing: random.chance(0.2) ? 0.02 : 0, isForeign: random.chance(0.15) };
}

/** Of the journal of a client with this outbox. */
export function pagesPerBank(pageSize: number, outbox: number, identifiers: number): number {
	return Math.ceil((64 + 2 * ((outbox + 3) & ~3) + 8 * identifiers) / pageSize);
}
