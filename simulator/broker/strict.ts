/** The strict broker (core/) as an engine of the companion broker: Node's streams and one timer around it. */
import type { Duplex } from "node:stream";
import { Broker, type BrokerOptions, type Connection } from "./core/broker.js";
import type { BrokerEngine, BrokerWatcher } from "./engine.js";

/** Bytes that wait for a client that does not read. One with more is cut off. */
const MOST_UNREAD = 67_108_864;

/** Milliseconds that a client has to close its side once the broker has closed its own. */
const LINGER = 1_000;

export interface StrictEngine extends BrokerEngine {
	/** What runs inside; `restart` and `session` are for benches. */
	readonly broker: Broker;
}

export function strictEngine(watcher: BrokerWatcher, options: BrokerOptions = {}): StrictEngine {
	const streams = new Map<Connection, Duplex>();
	/** Every stream that is not closed yet, those that the broker has given up included. */
	const open = new Set<Duplex>();
	let timer: NodeJS.Timeout | undefined;
	let timerAt = Number.POSITIVE_INFINITY;
	let isClosing = false;

	const broker = new Broker(
		{
			send(connection, bytes) {
				const stream = streams.get(connection);
				if (stream === undefined || stream.destroyed) return;
				if (stream.writableLength > MOST_UNREAD) stream.destroy(new Error("it does not read what it is sent"));
				else write(stream, bytes);
			},
			close(connection) {
				const stream = streams.get(connection);
				streams.delete(connection);
				if (stream === undefined || stream.destroyed) return;
				stream.end();
				setTimeout(() => stream.destroy(), LINGER).unref();
			},
		},
		{ ...options, watcher: quietWhen(() => isClosing, watcher) },
	);

	/** One timer, set to what may be too early but never too late. */
	const wake = () => {
		if (isClosing || broker.nextDeadline >= timerAt) return;
		clearTimeout(timer);
		timerAt = broker.nextDeadline;
		timer = setTimeout(ring, Math.max(1, Math.ceil(timerAt - performance.now())));
		timer.unref();
	};
	const ring = () => {
		timerAt = Number.POSITIVE_INFINITY;
		broker.tick(performance.now());
		wake();
	};

	return {
		broker,
		handle(stream) {
			const connection = broker.connect(performance.now());
			let problem: string | undefined;
			streams.set(connection, stream);
			open.add(stream);
			stream.on("data", (bytes: Buffer) => {
				broker.receive(connection, bytes, performance.now());
				wake();
			});
			stream.on("error", (error) => {
				problem = error.message;
			});
			stream.on("end", () => stream.end());
			stream.on("close", () => {
				open.delete(stream);
				streams.delete(connection);
				broker.closed(connection, problem);
			});
			wake();
		},
		async close() {
			isClosing = true;
			clearTimeout(timer);
			await Promise.all([...open].map((stream) => new Promise((resolve) => stream.once("close", resolve).destroy())));
		},
	};
}

/** What the broker says at once leaves in as few segments as possible. */
function write(stream: Duplex, bytes: Buffer): void {
	if (stream.writableCorked === 0) {
		stream.cork();
		process.nextTick(() => stream.uncork());
	}
	stream.write(bytes);
}

/** Tells nothing of the connections that end since the engine does. */
function quietWhen(isQuiet: () => boolean, watcher: BrokerWatcher): BrokerWatcher {
	return {
		message: (message) => isQuiet() || watcher.message(message),
		connected: (clientId) => isQuiet() || watcher.connected?.(clientId),
		disconnected: (clientId, problem) => isQuiet() || watcher.disconnected?.(clientId, problem),
		violation: (violation) => isQuiet() || watcher.violation?.(violation),
	};
}
