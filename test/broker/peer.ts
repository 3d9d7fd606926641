/** The broker's core under a virtual clock, and clients that are scripted packet by packet. Called by the tests beside it. */
import { generate, type Packet, type Parser, parser } from "mqtt-packet";
import { Broker, type BrokerOptions, type Connection } from "../../simulator/broker/core/broker.js";
import type { SeenMessage, Violation } from "../../simulator/broker/engine.js";

export type Level = 3 | 4;
export const LEVELS = [3, 4] as const;

export class Desk {
	/** Milliseconds. */
	now = 0;
	readonly broker: Broker;
	readonly messages: SeenMessage[] = [];
	readonly violations: Violation[] = [];
	/** "a +" for a client that was let in, "a -: why" for one that is gone. */
	readonly log: string[] = [];
	readonly #peers = new Map<Connection, Peer>();

	constructor(options: BrokerOptions = {}) {
		const output = {
			send: (connection: Connection, bytes: Buffer) => this.#peers.get(connection)?.take(bytes),
			close: (connection: Connection, reason: string) => this.#peers.get(connection)?.end(reason),
		};
		const watcher = {
			message: (message: SeenMessage) => this.messages.push(message),
			connected: (clientId: string) => this.log.push(`${clientId} +`),
			disconnected: (clientId: string, problem: string) => this.log.push(`${clientId} -: ${problem}`),
			violation: (violation: Violation) => this.violations.push(violation),
		};
		this.broker = new Broker(output, { watcher, ...options });
	}

	/** The numbers of the statements that were violated. */
	get statements(): string[] {
		return this.violations.map(({ statement }) => statement);
	}

	/** A link that says nothing yet. */
	open(level: Level = 4): Peer {
		const connection = this.broker.connect(this.now);
		const peer = new Peer(this, connection, level);
		this.#peers.set(connection, peer);
		return peer;
	}

	/** A client that was let in; it has read its CONNACK. */
	client(clientId: string, options: ConnectOptions = {}): Peer {
		const peer = this.open(options.level);
		peer.send(connect(clientId, options));
		const connack = peer.next("connack");
		if (connack.returnCode !== 0) throw new Error(`refused with ${connack.returnCode}`);
		peer.sessionPresent = connack.sessionPresent;
		return peer;
	}

	/** Time goes by, and the broker is told no earlier than it wants. */
	pass(milliseconds: number): void {
		const end = this.now + milliseconds;
		while (this.broker.nextDeadline <= end) {
			this.now = Math.max(this.now, this.broker.nextDeadline);
			this.broker.tick(this.now);
		}
		this.now = end;
	}
}

export class Peer {
	readonly #desk: Desk;
	readonly #connection: Connection;
	readonly #parser: Parser;
	/** What the broker sent and no one has read. */
	readonly inbox: Packet[] = [];
	readonly #taken: Buffer[] = [];
	sessionPresent = false;
	/** Why the broker closed the link; undefined while it is open. */
	closed: string | undefined;

	constructor(desk: Desk, connection: Connection, level: Level) {
		this.#desk = desk;
		this.#connection = connection;
		this.#parser = parser({ protocolVersion: level });
		this.#parser.on("packet", (packet) => this.inbox.push(packet));
		this.#parser.on("error", (error) => {
			throw error;
		});
	}

	/** Packets, or hexadecimal text, in one piece. */
	send(...parts: (Packet | string)[]): this {
		return this.write(Buffer.concat(parts.map(bytesOf)));
	}

	write(bytes: Uint8Array): this {
		this.#desk.broker.receive(this.#connection, bytes, this.#desk.now);
		return this;
	}

	/** The link breaks. */
	cut(): void {
		this.#desk.broker.closed(this.#connection);
	}

	/** All bytes that the broker sent. */
	get bytes(): Buffer {
		return Buffer.concat(this.#taken);
	}

	take(bytes: Buffer): void {
		this.#taken.push(bytes);
		// The codec refuses what level 3 sets on a PUBREL that is sent again.
		const copy = Buffer.from(bytes);
		if (copy[0] === 0x6a) copy[0] = 0x62;
		this.#parser.parse(copy);
	}

	end(reason: string): void {
		this.closed = reason;
	}

	/** The next packet, which must be of this type. */
	next<Name extends Packet["cmd"]>(name: Name): Extract<Packet, { cmd: Name }> {
		const packet = this.inbox.shift();
		if (packet?.cmd !== name)
			throw new Error(`${packet?.cmd ?? "nothing"} has come, not ${name} (${this.closed ?? ""})`);
		return packet as Extract<Packet, { cmd: Name }>;
	}

	/** What is unread, in short: "publish 1 dup a/b=text" and so on. */
	read(): string[] {
		return this.inbox.splice(0).map(short);
	}
}

export function bytesOf(part: Packet | string): Buffer {
	return typeof part === "string" ? Buffer.from(part.replaceAll(" ", ""), "hex") : generate(part);
}

function short(packet: Packet): string {
	if (packet.cmd !== "publish")
		return packet.messageId === undefined ? packet.cmd : `${packet.cmd} ${packet.messageId}`;
	const { topic, payload, qos, retain, dup, messageId } = packet;
	const parts = ["publish", qos > 0 ? `${messageId}` : "", `qos ${qos}`, retain ? "retain" : "", dup ? "dup" : ""];
	return `${parts.filter((part) => part !== "").join(" ")} ${topic}=${payload}`;
}

export interface ConnectOptions {
	level?: Level;
	clean?: boolean;
	/** Seconds. */
	keepAlive?: number;
	will?: { topic: string; payload: Buffer; qos?: 0 | 1 | 2; retain?: boolean };
	username?: string;
	password?: string;
}

export function connect(clientId: string, options: ConnectOptions = {}): Packet {
	const { level = 4, clean = true, keepAlive = 0, will, username, password } = options;
	return {
		cmd: "connect",
		protocolId: level === 4 ? "MQTT" : "MQIsdp",
		protocolVersion: level,
		clean,
		clientId,
		keepalive: keepAlive,
		will,
		username,
		password: password === undefined ? undefined : Buffer.from(password),
	};
}

export interface PublishOptions {
	dup?: boolean;
	retain?: boolean;
}

/** At QoS 0 the identifier is ignored. */
export function publish(
	topic: string,
	payload: string,
	qos: 0 | 1 | 2 = 0,
	messageId = 1,
	options: PublishOptions = {},
): Packet {
	return { cmd: "publish", topic, payload, qos, messageId, dup: false, retain: false, ...options };
}

export function subscribe(messageId: number, ...pairs: [topic: string, qos: 0 | 1 | 2][]): Packet {
	return { cmd: "subscribe", messageId, subscriptions: pairs.map(([topic, qos]) => ({ topic, qos })) };
}

export function unsubscribe(messageId: number, ...unsubscriptions: string[]): Packet {
	return { cmd: "unsubscribe", messageId, unsubscriptions };
}

/** PUBACK, PUBREC, PUBREL or PUBCOMP. */
export function ack(cmd: "puback" | "pubrec" | "pubrel" | "pubcomp", messageId: number): Packet {
	return { cmd, messageId };
}

export const PINGREQ: Packet = { cmd: "pingreq" };
export const DISCONNECT: Packet = { cmd: "disconnect" };
