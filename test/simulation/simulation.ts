/**
 * One run: devices, a network and the strict broker under one virtual clock, with faults, all drawn from one seed.
 * The power of a device with a journal is cut now and then, and it begins another life. Then faults stop, everything
 * has time to settle, and the ledgers must balance over all lives.
 *
 *     run(7).failure             // undefined, or what is wrong
 *     run(7, { tell: console.log })
 */
import * as source from "../../src/client.js";
import { PEER_TOPICS } from "./application.js";
import { LOOKS } from "./board.js";
import { Device } from "./device.js";
import type { Library } from "./library.js";
import { drawOptions, type RunOptions } from "./options.js";
import { payloadOf } from "./payload.js";
import { Server } from "./server.js";
import { type Fault, World } from "./world.js";

export interface Outcome {
	seed: number;
	options: RunOptions;
	failure: string | undefined;
	faults: Record<Fault, number>;
	/** Messages that reached the broker. */
	messages: number;
	/** Virtual milliseconds. */
	simulated: number;
	events: number;
}

export interface Trial {
	/** The client, if not that of src. */
	library?: Library;
	/** Is told each event. */
	tell?: (line: string) => void;
}

/** More events than any run needs: something goes round in circles. */
const MOST_EVENTS = 400_000;

export function run(seed: number, { library = source, tell }: Trial = {}): Outcome {
	const world = new World(seed, tell);
	const options = drawOptions(world.random);
	let simulation: Simulation | undefined;
	try {
		simulation = new Simulation(world, options, library);
		while (!world.failure && !simulation.isOver && world.time.step()) {
			if (world.time.count > MOST_EVENTS) world.fail("all", `more than ${MOST_EVENTS} events: a busy loop`);
		}
	} catch (error) {
		world.fail("someone", `threw ${(error as Error).stack}`);
	}
	const { failure, faults, time } = world;
	const messages = simulation?.server.messages ?? 0;
	return { seed, options, failure, faults, messages, simulated: time.now, events: time.count };
}

class Simulation {
	isOver = false;
	readonly server: Server;
	private readonly devices: Device[];
	/** When all must be settled at the latest. */
	private limit = Number.POSITIVE_INFINITY;
	/** How often each device had lost its connection when all was settled. */
	private ended: number[] | undefined;
	private numbers = PEER_TOPICS.map(() => 0);

	constructor(
		private readonly world: World,
		private readonly options: RunOptions,
		library: Library,
	) {
		const { time, random } = world;
		const { brokerWindow, duration, devices, restarts, isStormy, gate } = options;
		this.server = new Server(world, brokerWindow);
		this.server.gate = gate;
		this.devices = devices.map((device) => new Device(world, library, this.server, device, options));
		const end = 1000 * duration;
		if (restarts) for (let i = random.below(3); i >= 0; i--) time.after(random.next() * end, () => this.restart());
		if (isStormy) {
			time.after((random.next() * end) / 2, () => {
				this.server.isStormy = true;
			});
		}
		const peace = random.pick([200, 1_000, 5_000]);
		const peer = () => {
			if (!world.isFaulty) return;
			this.publish();
			time.after(world.about(peace), peer);
		};
		time.after(world.about(peace), peer);
		const look = () => {
			for (const device of this.devices) device.look();
			if (!world.isFaulty) this.lookWhetherSettled();
			time.after(LOOKS, look);
		};
		time.after(LOOKS, look);
		time.after(end, () => this.settle());
	}

	private restart(): void {
		const { world, server, options } = this;
		if (!world.isFaulty) return;
		server.isUp = false;
		server.restart(!(options.forgets && world.random.chance(0.6)));
		world.time.after(world.about(2_000), () => {
			server.isUp = true;
		});
	}

	private publish(): void {
		const { random } = this.world;
		const index = random.below(PEER_TOPICS.length);
		const number = ++this.numbers[index];
		const payload = payloadOf(number, 7, Math.floor(this.world.about(random.pick([3, 20, 150]))));
		this.server.publish(PEER_TOPICS[index], random.below(3) as 0 | 1 | 2, payload, random.chance(0.05));
	}

	private settle(): void {
		const { world, server, devices, options } = this;
		const { time } = world;
		world.trace("all", "faults stop");
		world.isFaulty = false;
		server.isUp = true;
		server.isStormy = false;
		let longest = 0;
		for (const { timeout, keepAlive, retryCap } of options.devices) {
			longest = Math.max(longest, 2 * timeout + 3 * keepAlive + 2 * retryCap);
		}
		this.limit = time.now + 1000 * (300 + longest);
		for (const device of devices) device.settle();
		time.after(5_000, () => {
			for (const device of devices) device.reconnect();
		});
		time.after(8_000, () => {
			this.mayClose = true;
		});
	}

	/** What handlers threw on has come again, or is under way. */
	private mayClose = false;

	private lookWhetherSettled(): void {
		const { world, devices, options } = this;
		if (!this.mayClose || this.ended !== undefined) return;
		for (const device of devices) {
			if (device.isConfused) continue;
			const { unsettled } = device;
			if (unsettled === undefined) continue;
			if (world.time.now > this.limit) device.fail(`does not settle: ${unsettled}`);
			return;
		}
		world.trace("all", "settled");
		this.ended = devices.map((device) => device.ended);
		// Now nothing happens but pings.
		const longest = Math.max(...options.devices.map(({ keepAlive }) => keepAlive));
		world.time.after(1000 * (5 + 1.6 * longest), () => this.close());
	}

	private close(): void {
		this.devices.forEach((device, index) => {
			if (!device.isConfused && device.ended !== this.ended?.[index]) device.fail("loses its link in peace");
			device.close();
		});
		this.isOver = true;
	}
}
