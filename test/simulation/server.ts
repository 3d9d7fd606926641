/** The strict broker behind the virtual network, at the virtual time; and whoever else answers there. */
import { generate } from "mqtt-packet";
import { Broker, type Connection as BrokerConnection } from "../../simulator/broker/core/broker.js";
import { Gate, type Impatience } from "./gate.js";
import type { Delivery } from "./inbound.js";
import type { Connection, End } from "./network.js";
import { readPublish, Type, words } from "./packets.js";
import { hostileBytes } from "./rogue.js";
import type { World } from "./world.js";

/** A device, as the broker's side tells it. */
export interface Customer {
	readonly name: string;
	/** A rogue broker has confused it. */
	readonly isConfused: boolean;
	/** Its store has failed in an earlier life. */
	readonly isExcused: boolean;
	/** The last of the broker's sessions of which it was told that it is new. */
	readonly knownSession: number;
	/** The payloads of some of its topics have the age behind them; a packet without that. */
	readonly hasAges: boolean;
	plain(packet: Uint8Array): Uint8Array;
	/** A message of it has reached the broker. */
	arrived(topic: string, payload: Uint8Array, qos: number, session: number): void;
}

/** What is known of a client beside its broker's session. */
class Account {
	/** Counts the broker's sessions for it. */
	session = 0;
	/** The messages to it, by the identifier that each has or had last. */
	deliveries = new Map<number, Delivery>();
	delivered = 0;

	constructor(readonly customer: Customer) {}
}

/** A connection that the strict broker has accepted from the network. */
export class Line implements End {
	account: Account | undefined;
	/** Acknowledgements that the broker has sent. */
	acknowledgements = 0;
	/** Messages that were sent on it. */
	readonly deliveries = new Map<number, Delivery>();

	constructor(
		private readonly server: Server,
		readonly connection: Connection,
		readonly inner: BrokerConnection,
	) {}

	received(bytes: Uint8Array): void {
		this.server.receive(this, bytes);
	}

	closed(): void {
		this.server.lost(this);
	}
}

export class Server {
	readonly broker: Broker;
	/** It accepts connections. */
	isUp = true;
	/** It accepts connections, and closes them. */
	isStormy = false;
	/** What it does with what comes in front of its CONNACK, if it does not take that. */
	gate: Impatience | undefined;
	/** Messages that have reached it. */
	messages = 0;
	private readonly accounts = new Map<string, Account>();
	private readonly lines = new Map<BrokerConnection, Line>();
	/** Also those that have ended: their bytes may still be under way. */
	private readonly byConnection = new WeakMap<Connection, Line>();
	/** Whose bytes it is reading. */
	private reading: Line | undefined;
	private tickAt = Number.POSITIVE_INFINITY;
	private peer: BrokerConnection | undefined;
	private peerIdentifier = 0;

	constructor(
		private readonly world: World,
		window: number,
	) {
		this.broker = new Broker(
			{ send: (inner, bytes) => this.send(inner, bytes), close: (inner, reason) => this.close(inner, reason) },
			{
				window,
				queue: 1_000_000,
				authenticate: (request) => this.authenticate(request.clientId, request.cleanSession),
				watcher: {
					message: ({ clientId = "", topic, payload, qos }) => {
						this.messages++;
						const account = this.accounts.get(clientId);
						account?.customer.arrived(topic, payload, qos, account.session);
					},
					violation: ({ clientId, statement, sentence }) => this.violation(clientId, statement, sentence),
				},
			},
		);
	}

	register(customer: Customer): void {
		this.accounts.set(customer.name, new Account(customer));
	}

	/** How often the broker has begun a session for this client. */
	sessions(clientId: string): number {
		return this.accounts.get(clientId)?.session ?? 0;
	}

	/** A connection has opened. */
	accept(connection: Connection): void {
		if (connection.fate.server === "strict") {
			const inner = this.broker.connect(this.world.time.now);
			const line = new Line(this, connection, inner);
			const customer = this.accounts.get(connection.name)?.customer;
			connection.server = line;
			if (customer && (this.gate !== undefined || customer.hasAges)) {
				connection.server = new Gate(this.world, line, this.gate, (packet) => customer.plain(packet));
			}
			this.lines.set(inner, line);
			this.byConnection.set(connection, line);
			this.watchDeadline();
		} else if (connection.fate.server === "silent") {
			this.world.fault("no CONNACK", connection.name);
			connection.server = { received: () => {}, closed: () => {} };
		} else {
			connection.server = {
				received: () => {
					if (!this.world.isFaulty) return;
					const bytes = hostileBytes(this.world.random);
					this.world.fault("hostile bytes", connection.name, this.world.isTold ? words(bytes) : "");
					connection.answer(bytes);
				},
				closed: () => {},
			};
		}
	}

	receive(line: Line, bytes: Uint8Array): void {
		this.reading = line;
		this.broker.receive(line.inner, bytes, this.world.time.now);
		this.reading = undefined;
		this.watchDeadline();
	}

	lost({ inner }: Line): void {
		this.lines.delete(inner);
		this.broker.closed(inner);
	}

	/** All messages to this client that the broker's session may still know. */
	deliveries(clientId: string): Iterable<Delivery> {
		return this.accounts.get(clientId)?.deliveries.values() ?? [];
	}

	/** The message that has this identifier on this connection. */
	delivery(connection: Connection | undefined, identifier: number): Delivery | undefined {
		return connection && this.byConnection.get(connection)?.deliveries.get(identifier);
	}

	restart(keepsSessions: boolean): void {
		this.world.fault(keepsSessions ? "broker restarted" : "broker lost its sessions", "broker");
		this.broker.restart(keepsSessions);
	}

	/** Somebody whose link is good publishes. */
	publish(topic: string, qos: 0 | 1 | 2, payload: Uint8Array, retain: boolean): void {
		const { broker, world } = this;
		const { now } = world.time;
		if (this.peer === undefined) {
			this.peer = broker.connect(now);
			const packet = { cmd: "connect", clientId: "peer", protocolVersion: 4, clean: true, keepalive: 0 } as const;
			broker.receive(this.peer, generate(packet), now);
		}
		this.peerIdentifier = (this.peerIdentifier % 65_535) + 1;
		const messageId = this.peerIdentifier;
		const packet = {
			cmd: "publish",
			topic,
			qos,
			payload: Buffer.from(payload),
			retain,
			dup: false,
			messageId,
		} as const;
		broker.receive(this.peer, generate(packet), now);
		if (qos === 2) broker.receive(this.peer, generate({ cmd: "pubrel", messageId }), now);
		this.watchDeadline();
	}

	private authenticate(clientId: string, cleanSession: boolean): number {
		const line = this.reading;
		const account = this.accounts.get(clientId);
		if (line === undefined || account === undefined) return 0;
		const { fate } = line.connection;
		if (fate.code !== 0) {
			this.world.fault(`CONNACK code ${fate.code as 1}`, clientId);
			return fate.code;
		}
		if (cleanSession || this.broker.session(clientId) === undefined) {
			account.session++;
			account.deliveries = new Map();
		}
		line.account = account;
		return 0;
	}

	private send(inner: BrokerConnection, bytes: Buffer): void {
		const line = this.lines.get(inner);
		if (line === undefined) return; // the peer's
		const { world } = this;
		const { connection, account } = line;
		const { fate } = connection;
		connection.tell("broker", bytes);
		let body = 1;
		while (bytes[body++] >= 128);
		const type = bytes[0] >> 4;
		if (type === Type.PUBLISH && account) this.deliver(line, account, bytes, body);
		if (ACKNOWLEDGEMENTS.includes(type) && ++line.acknowledgements === fate.loses && world.isFaulty) {
			world.fault("acknowledgement lost", connection.name);
			connection.break();
			return;
		}
		connection.answer(bytes);
		if (type === Type.CONNACK && bytes[body + 1] === 0 && (this.isStormy || fate.isDismissed)) {
			world.fault("accept, then close", connection.name);
			this.lost(line);
			connection.dismiss();
		}
	}

	private deliver(line: Line, account: Account, bytes: Uint8Array, body: number): void {
		const { topic, qos, isRepeated, identifier, payload } = readPublish(bytes, body);
		if (qos === 0) return;
		const { now } = this.world.time;
		let delivery = isRepeated ? account.deliveries.get(identifier) : undefined;
		if (delivery === undefined) {
			const { session } = account;
			const number = ++account.delivered;
			delivery = { number, session, topic, qos, identifier, payload, sentAt: now, isTaken: false, run: undefined };
			account.deliveries.set(identifier, delivery);
		} else if (qos === 1 && line.connection.client) delivery.sentAt = now; // not if the client has left
		line.deliveries.set(identifier, delivery);
	}

	private close(inner: BrokerConnection, reason: string): void {
		const line = this.lines.get(inner);
		if (inner === this.peer) this.peer = undefined;
		if (line === undefined) return;
		this.world.trace("broker", `closes ${line.connection.name}'s connection: ${reason || "DISCONNECT"}`);
		this.lines.delete(inner);
		line.connection.dismiss();
	}

	private violation(clientId: string, statement: string, sentence: string): void {
		const account = this.accounts.get(clientId);
		if (account?.customer.isConfused) return;
		// Level 3 does not tell a client that the broker has lost its session, and at level 4 the CONNACK that does
		// may get lost.
		const isUnaware = account && account.session > 1 && account.customer.knownSession !== account.session;
		if (isUnaware && statement === "MQTT-2.3.1-6" && sentence.startsWith("PUBREL")) return;
		// A broker that has not looked at the first messages gets them behind those that came later.
		if (this.gate === "ignores" && statement === "MQTT-4.6.0-1") return;
		// Nor does a client know of what its store has lost: that a message was sent, received, or which identifier was used.
		if (account?.customer.isExcused && FORGOTTEN.includes(statement)) return;
		this.world.fail(clientId || "someone", `[${statement}] ${sentence}`);
	}

	private watchDeadline(): void {
		const { world, broker } = this;
		const due = broker.nextDeadline;
		if (due >= this.tickAt || due === Number.POSITIVE_INFINITY) return;
		this.tickAt = due;
		world.time.after(due - world.time.now, () => {
			if (this.tickAt !== due) return;
			this.tickAt = Number.POSITIVE_INFINITY;
			broker.tick(world.time.now);
			this.watchDeadline();
		});
	}
}

const FORGOTTEN = ["MQTT-2.3.1-2", "MQTT-2.3.1-6", "MQTT-3.3.1-1", "MQTT-4.6.0-1"];
const ACKNOWLEDGEMENTS: number[] = [Type.PUBACK, Type.PUBREC, Type.PUBCOMP, Type.SUBACK, Type.UNSUBACK];
