/** A plain client that does all it must and nothing else, over a link that delays, splits and breaks. Called by exactly-once.test.ts. */
import { generate, type IPublishPacket, type Packet, type Parser, parser } from "mqtt-packet";
import type { Connection } from "../../simulator/broker/core/broker.js";
import type { Random } from "../support/random.js";
import { connect, type Level, publish, subscribe } from "./peer.js";

interface Outgoing {
	packet: IPublishPacket;
	isSent: boolean;
	isReleased: boolean;
}

export interface Received {
	payload: string;
	qos: number;
}

/** What the world does for a client. */
export interface Network {
	open(model: Model): Connection;
	receive(connection: Connection, bytes: Uint8Array): void;
	closed(connection: Connection): void;
}

export class Model {
	readonly name: string;
	readonly peer: string;
	readonly received: Received[] = [];
	/** How many messages it published at each QoS. */
	readonly published = [0, 0, 0];
	isSubscribed = false;
	connection: Connection | undefined;
	readonly #random: Random;
	readonly #network: Network;
	readonly #level: Level;
	#parser!: Parser;
	#isConnected = false;
	/** Bytes on their way. */
	#toBroker = Buffer.alloc(0);
	#toClient = Buffer.alloc(0);
	#lastIdentifier = 0;
	readonly #outgoing = new Map<number, Outgoing>();
	/** QoS 2 messages that were taken and whose PUBREL has not come. */
	readonly #taken = new Set<number>();

	constructor(name: string, peer: string, level: Level, random: Random, network: Network) {
		this.name = name;
		this.peer = peer;
		this.#level = level;
		this.#random = random;
		this.#network = network;
	}

	/** Its identifiers are few, so that they are used again soon. */
	get canPublish(): boolean {
		return this.#outgoing.size < 40;
	}

	get isIdle(): boolean {
		return this.#isConnected && this.#outgoing.size + this.#toBroker.length + this.#toClient.length === 0;
	}

	open(): void {
		this.#parser = parser({ protocolVersion: this.#level });
		this.#parser.on("packet", (packet) => this.#handle(packet));
		this.connection = this.#network.open(this);
		this.#send(connect(this.name, { clean: false, level: this.#level }));
		if (this.#level === 4 && this.#random.chance(0.3)) this.#begin(); // not waiting for CONNACK
	}

	/** The link breaks, and what was on its way is lost. The broker notices now. */
	cut(): void {
		if (this.connection === undefined) return;
		this.#network.closed(this.connection);
		this.lost();
	}

	/** The broker has closed the link. */
	lost(): void {
		this.connection = undefined;
		this.#isConnected = false;
		this.#toBroker = Buffer.alloc(0);
		this.#toClient = Buffer.alloc(0);
	}

	/** One packet. The codec refuses the DUP that a PUBREL has at level 3 when it is sent again. */
	take(bytes: Buffer): void {
		const isRepeatedPubrel = bytes[0] === 0x6a;
		this.#toClient = Buffer.concat([
			this.#toClient,
			isRepeatedPubrel ? Buffer.of(0x62) : bytes.subarray(0, 1),
			bytes.subarray(1),
		]);
	}

	/** Some of the bytes get on, in one direction. */
	move(): void {
		const isUp = this.#random.chance(0.5);
		const waiting = isUp ? this.#toBroker : this.#toClient;
		if (waiting.length === 0 || this.connection === undefined) return;
		const length = 1 + this.#random.below(waiting.length);
		if (isUp) {
			this.#toBroker = waiting.subarray(length);
			this.#network.receive(this.connection, waiting.subarray(0, length));
		} else {
			this.#toClient = waiting.subarray(length);
			this.#parser.parse(waiting.subarray(0, length));
		}
	}

	publish(qos: 0 | 1 | 2): void {
		const payload = `${this.published[qos]++}`;
		const topic = `${this.name}/${qos}`;
		if (qos === 0) {
			if (this.#isConnected) this.#send(publish(topic, payload));
			return;
		}
		const identifier = this.#identifier();
		const packet = publish(topic, payload, qos, identifier) as IPublishPacket;
		this.#outgoing.set(identifier, { packet, isSent: this.#isConnected, isReleased: false });
		if (this.#isConnected) this.#send(packet);
	}

	/** What stands at the start of a connection: what is not acknowledged, in its order, and the subscription. */
	#begin(): void {
		this.#isConnected = true;
		for (const [messageId, entry] of this.#outgoing) {
			if (entry.isReleased) this.#send({ cmd: "pubrel", messageId }, this.#level === 3);
			else this.#send({ ...entry.packet, dup: entry.isSent });
			entry.isSent = true;
		}
		if (!this.isSubscribed) this.#send(subscribe(this.#identifier(), [`${this.peer}/#`, 2]));
	}

	#handle(packet: Packet): void {
		const { messageId = 0 } = packet;
		const outgoing = this.#outgoing.get(messageId);
		switch (packet.cmd) {
			case "connack":
				if (!this.#isConnected) this.#begin();
				break;
			case "suback":
				this.isSubscribed = true;
				break;
			case "publish":
				if (packet.qos < 2 || !this.#taken.has(messageId)) {
					this.received.push({ payload: packet.payload.toString(), qos: packet.qos });
				}
				if (packet.qos === 2) this.#taken.add(messageId);
				if (packet.qos > 0) this.#send({ cmd: packet.qos === 1 ? "puback" : "pubrec", messageId });
				break;
			case "pubrel":
				this.#taken.delete(messageId);
				this.#send({ cmd: "pubcomp", messageId });
				break;
			case "pubrec":
				if (outgoing !== undefined) outgoing.isReleased = true;
				this.#send({ cmd: "pubrel", messageId });
				break;
			case "puback":
			case "pubcomp":
				this.#outgoing.delete(messageId);
		}
	}

	#send(packet: Packet, isRepeatedPubrel = false): void {
		const bytes = generate(packet);
		if (isRepeatedPubrel) bytes[0] |= 0b1000;
		this.#toBroker = Buffer.concat([this.#toBroker, bytes]);
	}

	#identifier(): number {
		do this.#lastIdentifier = (this.#lastIdentifier % 50) + 1;
		while (this.#outgoing.has(this.#lastIdentifier));
		return this.#lastIdentifier;
	}
}
