/**
 * One client's conversation with the broker, from CONNECT to the end (chapter 3). Made and called by the broker; to
 * everybody else it is a handle.
 */
import { checkBody, checkFirstByte, checkLength, type Level, Type } from "./check.js";
import {
	decode,
	encode,
	type IPublishPacket,
	type ISubscribePacket,
	type IUnsubscribePacket,
	type Packet,
} from "./codec.js";
import { type ConnectRequest, readConnect } from "./connect.js";
import { type Frame, Frames } from "./frames.js";
import type { Send } from "./outbound.js";
import type { Session } from "./session.js";
import type { Message } from "./topics.js";
import { demand, Refused, Violated } from "./violation.js";

/** What a connection needs of its broker. */
export interface Switchboard {
	/** The longest remaining length that is taken, in bytes. */
	readonly longest: number;
	send(connection: Connection, bytes: Buffer): void;
	/** Throws a Refused where the client is not let in; else the session, and whether it was there before. */
	admit(connection: Connection, request: ConnectRequest): { session: Session; isPresent: boolean };
	publish(clientId: string, message: Message): void;
	/** The return code for SUBACK. */
	subscribe(session: Session, filter: string, qos: 0 | 1 | 2): number;
	sendRetained(session: Session, filter: string, qos: number): void;
	unsubscribe(session: Session, filter: string): void;
	violation(connection: Connection, statement: string, sentence: string, closes: boolean): void;
	/** The connection is over; `problem` is empty after DISCONNECT. */
	end(connection: Connection, problem: string): void;
}

export class Connection {
	/** Empty until CONNECT is read. */
	clientId = "";
	session: Session | undefined;
	will: Message | undefined;
	/** Milliseconds on the broker's clock, at which it ends if nothing comes. */
	deadline: number;
	isOpen = true;
	/** Milliseconds; 0 is no limit. */
	#patience = 0;
	#level: Level | undefined;
	readonly #switchboard: Switchboard;
	readonly #frames = new Frames();

	constructor(switchboard: Switchboard, deadline: number) {
		this.#switchboard = switchboard;
		this.deadline = deadline;
	}

	/** What is wrong if the deadline passes. */
	get lateness(): string {
		if (this.#level === undefined) return "no CONNECT came in time";
		return `MQTT-3.1.2-24: nothing came for ${this.#patience / 1000} s, 1.5 times its keep alive`;
	}

	receive(bytes: Uint8Array, now: number): void {
		this.session?.inbound.nextPiece();
		this.#frames.append(bytes);
		try {
			for (;;) {
				const frame = this.#frames.next(this.#checks);
				if (frame === undefined) break;
				this.#take(frame, now);
				if (!this.isOpen) return;
			}
			// A long PUBLISH may take longer than the keep alive, and no other packet can be sent meanwhile.
			if (this.#level !== undefined && this.#frames.isWithin(Type.PUBLISH)) this.#heard(now);
		} catch (error) {
			this.#fail(error);
		}
	}

	send(packet: Packet, isRepeatedPubrel = false): void {
		if (this.isOpen) this.#switchboard.send(this, encode(packet, isRepeatedPubrel));
	}

	readonly #checks = {
		firstByte: (first: number) => checkFirstByte(first, this.#level),
		length: (first: number, remaining: number) => {
			checkLength(first, remaining);
			demand(
				remaining <= this.#switchboard.longest,
				"",
				`a packet of ${remaining} bytes is longer than this broker takes`,
			);
		},
	};

	readonly #report = (statement: string, sentence: string) => {
		this.#switchboard.violation(this, statement, sentence, false);
	};

	readonly #send: Send = (packet, isRepeatedPubrel) => this.send(packet, isRepeatedPubrel);

	#heard(now: number): void {
		if (this.#patience > 0) this.deadline = now + this.#patience;
	}

	#fail(error: unknown): void {
		if (error instanceof Refused) this.send({ cmd: "connack", returnCode: error.returnCode, sessionPresent: false });
		else if (!(error instanceof Violated)) throw error;
		const { statement, message } = error;
		if (statement !== "") this.#switchboard.violation(this, statement, message, true);
		this.#switchboard.end(this, statement === "" ? message : `${statement}: ${message}`);
	}

	#take(frame: Frame, now: number): void {
		if (this.#level === undefined) {
			this.#connect(frame, now);
			return;
		}
		this.#heard(now);
		checkBody(frame);
		const { bytes } = frame;
		const type = bytes[0] >> 4;
		const isRepeated = (bytes[0] & 0b1000) !== 0;
		// The flags were checked; those that level 3 does not use would trouble the codec.
		if (type !== Type.PUBLISH) bytes[0] = (bytes[0] & 0b1111_0000) | (CODEC_FLAGS.includes(type) ? 0b0010 : 0);
		const packet = decode(bytes);
		const session = this.session as Session;
		const usesIdentifier = packet.cmd === "subscribe" || packet.cmd === "unsubscribe";
		if (usesIdentifier && !isRepeated) session.inbound.use(packet.messageId ?? 0, this.#report);
		this.#handle(packet, session, this.#level);
	}

	#connect(frame: Frame, now: number): void {
		const request = readConnect(frame);
		this.clientId = request.clientId;
		const { session, isPresent } = this.#switchboard.admit(this, request);
		this.clientId = session.clientId;
		this.session = session;
		this.will = request.will;
		this.#level = request.level;
		this.#patience = 1500 * request.keepAlive;
		this.deadline = this.#patience > 0 ? now + this.#patience : Number.POSITIVE_INFINITY;
		// Level 3 knows no session present: the byte is reserved.
		this.send({ cmd: "connack", returnCode: 0, sessionPresent: isPresent && request.level === 4 });
		session.resume(request.level, this.#send);
	}

	#handle(packet: Packet, session: Session, level: Level): void {
		const { messageId: identifier = 0 } = packet;
		switch (packet.cmd) {
			case "publish":
				this.#publish(packet, session, level);
				break;
			case "puback":
				session.outbound.puback(identifier, this.#send, this.#report);
				break;
			case "pubrec":
				session.outbound.pubrec(identifier, this.#send, this.#report);
				break;
			case "pubcomp":
				session.outbound.pubcomp(identifier, this.#send, this.#report);
				break;
			case "pubrel":
				session.inbound.release(identifier, level, this.#report);
				this.send({ cmd: "pubcomp", messageId: identifier });
				break;
			case "subscribe":
				this.#subscribe(packet, session, level);
				break;
			case "unsubscribe":
				this.#unsubscribe(packet, session);
				break;
			case "pingreq":
				this.send({ cmd: "pingresp" });
				break;
			case "disconnect":
				this.will = undefined;
				if (!this.#frames.isEmpty) this.#report("MQTT-3.14.4-2", "bytes come after DISCONNECT");
				this.#switchboard.end(this, "");
		}
	}

	/** A QoS 2 message goes on its way with PUBLISH, not with PUBREL (section 4.3.3, method B). */
	#publish(packet: IPublishPacket, session: Session, level: Level): void {
		const { topic, qos, retain, messageId } = packet;
		const isNew = qos === 0 || session.inbound.publish(packet, level, this.#report);
		if (isNew) this.#switchboard.publish(session.clientId, { topic, payload: packet.payload as Buffer, qos, retain });
		if (qos > 0) this.send({ cmd: qos === 1 ? "puback" : "pubrec", messageId });
	}

	#subscribe({ messageId = 0, subscriptions }: ISubscribePacket, session: Session, level: Level): void {
		const codes = subscriptions.map(({ topic, qos }) => this.#switchboard.subscribe(session, topic, qos));
		// Level 3 cannot tell that a filter was refused (3.1, section 3.8).
		const granted = codes.map((code, index) => (code === REFUSED && level === 3 ? subscriptions[index].qos : code));
		this.send({ cmd: "suback", messageId, granted });
		subscriptions.forEach(({ topic }, index) => {
			if (codes[index] !== REFUSED) this.#switchboard.sendRetained(session, topic, codes[index]);
		});
	}

	#unsubscribe({ messageId = 0, unsubscriptions }: IUnsubscribePacket, session: Session): void {
		for (const filter of unsubscriptions) this.#switchboard.unsubscribe(session, filter);
		this.send({ cmd: "unsuback", messageId, granted: [] });
	}
}

/** What SUBACK says of a filter that was refused. */
export const REFUSED = 0x80;

/** The types to which the codec wants the flags 0010. */
const CODEC_FLAGS: number[] = [Type.PUBREL, Type.SUBSCRIBE, Type.UNSUBSCRIBE];
