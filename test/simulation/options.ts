/** The options of a run and of its devices, drawn from the seed: plain values, so that they can be shown. */
import type { Random } from "../support/random.js";

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
	devices: DeviceOptions[];
}

export function drawOptions(random: Random): RunOptions {
	const brokerWindow = random.pick([1, 4, 20]);
	return {
		duration: random.pick([5, 10, 15, 30, 60]),
		wildness: random.pick([0.1, 0.4, 0.7, 1]),
		brokerWindow,
		isHostile: random.chance(0.08),
		restarts: random.chance(0.4),
		forgets: random.chance(0.5),
		isStormy: random.chance(0.05),
		devices: Array.from({ length: random.pick([1, 1, 1, 2, 2, 3]) }, (_, index) =>
			drawDevice(random, `d${index}`, brokerWindow),
		),
	};
}

function drawDevice(random: Random, clientId: string, brokerWindow: number): DeviceOptions {
	const retryBase = random.pick([0.05, 0.5, 1]);
	return {
		clientId,
		level: random.pick([4, 4, 4, 3, "fallback"]),
		cleanSession: random.chance(0.35),
		keepAlive: random.pick([0, 1, 3, 5, 10, 30, 60]),
		outbox: random.pick([64, 100, 200, 400, 1024]),
		output: random.pick([32, 40, 64, 256]),
		inbox: random.pick([16, 24, 64, 256]),
		window: random.pick([1, 2, 4, 16, 40]),
		timeout: random.pick([1, 2, 5, 10]),
		retryBase,
		retryCap: retryBase * random.pick([1, 4, 20, 60]),
		identifiers: random.chance(0.7) ? brokerWindow + random.pick([0, 2, 12]) : 0,
		deferral: random.chance(0.4) ? brokerWindow + random.pick([0, 2, 12]) : 0,
		hasWill: random.chance(0.3),
		hasPassword: random.chance(0.2),
		chunk: random.pick([16, 64, 1024]),
		age: random.pick([0, 0, 65_520]),
		pace: random.pick([150, 600, 2_000]),
	};
}
