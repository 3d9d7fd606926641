/**
 * A strict MQTT 3.1 and 3.1.1 broker as a state machine without I/O: time and bytes come in as arguments, bytes go out
 * through callbacks. So a bench (../strict.ts) and a deterministic simulation run the same one.
 *
 * @example
 * const broker = new Broker({ send: (connection, bytes) => {}, close: (connection, reason) => {} });
 * const connection = broker.connect(0);
 * broker.receive(connection, bytes, 12);
 * broker.tick(broker.nextDeadline);
 */
import type { BrokerWatcher } from "../engine.js";
import type { ConnectRequest } from "./connect.js";
import { Connection, REFUSED, type Switchboard } from "./connection.js";
import { Session } from "./session.js";
import { type Message, Retained, Subscriptions } from "./topics.js";
import { Refused } from "./violation.js";

export type { ConnectRequest } from "./connect.js";
export type { Connection } from "./connection.js";

/** Where the core's output goes. Both are called after the core has changed its state, so they may call it again. */
export interface Output {
	/** The bytes are the receiver's to keep, and not to change. */
	send(connection: Connection, bytes: Buffer): void;
	/** The broker ends this connection, after what it has sent; it never names it again. `closed` need not be called. */
	close(connection: Connection, reason: string): void;
}

export interface BrokerOptions {
	watcher?: BrokerWatcher;
	/** The most messages of QoS 1 and 2 in flight to one client, 1 to 65,535; 20 if left out. */
	window?: number;
	/** The most messages that wait behind them, for a client that is away too; 1,000 if left out. The oldest goes. */
	queue?: number;
	/** The longest remaining length that is taken, in bytes; 268,435,455, the longest there is, if left out. */
	longest?: number;
	/** Milliseconds that a client may take to send CONNECT; 10,000 if left out. */
	connectWithin?: number;
	/** The return code of CONNACK: 0 lets the client in, 3 to 5 do not. All are let in if left out. */
	authenticate?(request: ConnectRequest): number;
	/** Whether a client may have what a filter matches. All may if left out. */
	maySubscribe?(clientId: string, filter: string): boolean;
}

/** How a session is doing, for a bench to look at. */
export interface SessionState {
	isConnected: boolean;
	/** Messages to the client: in flight, waiting, and dropped so far since too many waited. */
	inFlight: number;
	waiting: number;
	dropped: number;
	/** QoS 2 messages from the client whose PUBREL has not come. */
	unreleased: number;
	subscriptions: ReadonlyMap<string, number>;
}

const REFUSALS = ["", "", "", "the broker is not available", "bad user name or password", "not authorized"];

export class Broker {
	readonly #output: Output;
	readonly #options: BrokerOptions;
	readonly #watcher: BrokerWatcher | undefined;
	readonly #switchboard: Switchboard;
	readonly #connections = new Set<Connection>();
	/** Those that were let in, by client identifier. */
	readonly #clients = new Map<string, Connection>();
	readonly #sessions = new Map<string, Session>();
	readonly #subscriptions = new Subscriptions<Session>();
	readonly #retained = new Retained();
	#assigned = 0;
	/** No connection's deadline is earlier. */
	#deadline = Number.POSITIVE_INFINITY;
	/** Output that waits for the state to be complete. */
	#actions: (() => void)[] = [];
	#isActing = false;

	constructor(output: Output, options: BrokerOptions = {}) {
		this.#output = output;
		this.#options = options;
		this.#watcher = options.watcher;
		this.#switchboard = {
			longest: options.longest ?? 268_435_455,
			send: (connection, bytes) => this.#actions.push(() => output.send(connection, bytes)),
			admit: (connection, request) => this.#admit(connection, request),
			publish: (clientId, message) => this.#publish(clientId, message),
			subscribe: (session, filter, qos) => this.#subscribe(session, filter, qos),
			sendRetained: (session, filter, granted) => this.#sendRetained(session, filter, granted),
			unsubscribe: (session, filter) => this.#unsubscribe(session, filter),
			violation: ({ clientId }, statement, sentence, closes) =>
				this.#watcher?.violation?.({ clientId, statement, sentence, closes }),
			end: (connection, problem) => this.#end(connection, problem),
		};
	}

	/** A link to a client has opened. All times are milliseconds on one clock that never runs backwards. */
	connect(now: number): Connection {
		const connection = new Connection(this.#switchboard, now + (this.#options.connectWithin ?? 10_000));
		this.#connections.add(connection);
		this.#deadline = Math.min(this.#deadline, connection.deadline);
		return connection;
	}

	/** Bytes have come, split anywhere. They are copied. After the connection's end they are ignored. */
	receive(connection: Connection, bytes: Uint8Array, now: number): void {
		if (!connection.isOpen) return;
		this.#run(() => connection.receive(bytes, now));
		this.#deadline = Math.min(this.#deadline, connection.deadline);
	}

	/** The link is gone, and not because the broker closed it. */
	closed(connection: Connection, problem = "it left without DISCONNECT"): void {
		this.#run(() => this.#end(connection, connection.session === undefined ? "" : problem));
	}

	/** When `tick` is to be called at the latest; Infinity if not at all. */
	get nextDeadline(): number {
		return this.#deadline;
	}

	/** Ends the connections that were silent for too long. */
	tick(now: number): void {
		if (now < this.#deadline) return;
		this.#run(() => {
			for (const connection of this.#connections) {
				if (connection.deadline <= now) this.#end(connection, connection.lateness);
			}
		});
		this.#deadline = Number.POSITIVE_INFINITY;
		for (const { deadline } of this.#connections) this.#deadline = Math.min(this.#deadline, deadline);
	}

	/**
	 * As after a crash: all connections end. With its sessions the broker keeps what is retained, too, and publishes
	 * the wills of those that were connected; without, it has forgotten everything.
	 */
	restart(keepSessions: boolean): void {
		this.#run(() => {
			if (!keepSessions) {
				for (const connection of this.#connections) connection.will = undefined;
			}
			for (const connection of this.#connections) this.#end(connection, "the broker restarted");
			if (keepSessions) return;
			for (const session of this.#sessions.values()) this.#discard(session);
			this.#retained.clear();
		});
	}

	/** Undefined if there is none for this client identifier. */
	session(clientId: string): SessionState | undefined {
		const session = this.#sessions.get(clientId);
		if (session === undefined) return undefined;
		const { inbound, outbound, subscriptions } = session;
		const { inFlight, waiting, dropped } = outbound;
		const isConnected = this.#clients.has(clientId);
		return { isConnected, inFlight, waiting, dropped, unreleased: inbound.size, subscriptions };
	}

	/** Output goes out once the state is complete, also when an output calls the broker again. */
	#run(work: () => void): void {
		try {
			work();
		} finally {
			if (!this.#isActing) this.#act();
		}
	}

	#act(): void {
		this.#isActing = true;
		try {
			while (this.#actions.length > 0) {
				const actions = this.#actions;
				this.#actions = [];
				for (const action of actions) action();
			}
		} finally {
			this.#isActing = false;
		}
	}

	#admit(connection: Connection, request: ConnectRequest): { session: Session; isPresent: boolean } {
		const code = this.#options.authenticate?.(request) ?? 0;
		if (code !== 0) throw new Refused(code, `refused: ${REFUSALS[code] ?? ""} (return code ${code})`);
		const clientId = request.clientId === "" ? this.#assign() : request.clientId;
		const previous = this.#clients.get(clientId);
		if (previous !== undefined) this.#end(previous, "MQTT-3.1.4-2: a new connection took its client identifier over");
		const kept = this.#sessions.get(clientId);
		const isPresent = kept !== undefined && !request.cleanSession;
		if (kept !== undefined && request.cleanSession) this.#discard(kept);
		const { window = 20, queue = 1_000 } = this.#options;
		const session = isPresent ? kept : new Session(clientId, request.cleanSession, window, queue);
		this.#sessions.set(clientId, session);
		this.#clients.set(clientId, connection);
		this.#watcher?.connected?.(clientId);
		return { session, isPresent };
	}

	/** A client identifier that nobody uses [MQTT-3.1.3-6]. */
	#assign(): string {
		do this.#assigned++;
		while (this.#sessions.has(`assigned-${this.#assigned}`));
		return `assigned-${this.#assigned}`;
	}

	#publish(clientId: string, message: Message): void {
		this.#watcher?.message({ clientId, ...message });
		if (message.retain) this.#retained.keep(message);
		for (const [session, granted] of this.#subscriptions.matching(message.topic)) {
			session.deliver({ ...message, qos: lower(message.qos, granted), retain: false });
		}
	}

	#subscribe(session: Session, filter: string, qos: 0 | 1 | 2): number {
		if (this.#options.maySubscribe?.(session.clientId, filter) === false) return REFUSED;
		session.subscriptions.set(filter, qos);
		this.#subscriptions.add(filter, session, qos);
		return qos;
	}

	#sendRetained(session: Session, filter: string, granted: number): void {
		for (const message of this.#retained.matching(filter)) {
			session.deliver({ ...message, qos: lower(message.qos, granted), retain: true });
		}
	}

	#unsubscribe(session: Session, filter: string): void {
		session.subscriptions.delete(filter);
		this.#subscriptions.remove(filter, session);
	}

	/** The will is published unless DISCONNECT has taken it away. */
	#end(connection: Connection, problem: string): void {
		if (!connection.isOpen) return;
		connection.isOpen = false;
		this.#connections.delete(connection);
		this.#actions.push(() => this.#output.close(connection, problem));
		const { clientId, session, will } = connection;
		if (session !== undefined) {
			this.#clients.delete(clientId);
			session.suspend();
			if (session.isClean) this.#discard(session);
		}
		if (clientId !== "" || problem !== "") this.#watcher?.disconnected?.(clientId, problem);
		if (will !== undefined) this.#publish(clientId, will);
	}

	#discard(session: Session): void {
		for (const filter of session.subscriptions.keys()) this.#subscriptions.remove(filter, session);
		this.#sessions.delete(session.clientId);
	}
}

function lower(qos: number, granted: number): 0 | 1 | 2 {
	return Math.min(qos, granted) as 0 | 1 | 2;
}
