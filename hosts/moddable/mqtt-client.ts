/**
 * In place of Moddable's `embedded:network/mqtt/client`: the MQTT Client of ECMA-419 (2nd edition, clause 25), with the
 * dictionaries and callbacks of the SDK's own. It is one connection: it doesn't reconnect and keeps no messages.
 *
 * A payload stays in the socket until the application reads it, so what it does not read holds the broker back. That is
 * why this is not a Session over a Link, which takes all in. Of `src` it uses what makes and checks packets.
 */
import Time from "time";
import Timer from "timer";
import { fail, number, whole } from "../../src/check.js";
import { describe, Reason } from "../../src/session/reason.js";
import {
	connectPacket,
	field,
	lengthSize,
	publishHeader,
	writeEmpty,
	writeLength,
	writePublish,
	writeReply,
} from "../../src/wire/encode.js";
import { Limit, Packet, PublishFlag, type QoS, SUBSCRIPTION_FAILED } from "../../src/wire/packet.js";
import { filterError, nameError, wellFormed } from "../../src/wire/topic.js";

declare global {
	interface StringConstructor {
		/** What UTF-8 bytes say; throws a TypeError if they are ill-formed. */
		fromArrayBuffer(buffer: ArrayBufferLike, byteOffset?: number, byteLength?: number): string;
	}
}

export type ByteBuffer = ArrayBufferLike | ArrayBufferView;

/** What is used of the socket class that an application hands in: TCP, TLS, or another of that shape. */
interface Socket {
	format: string;
	read(into: number | ByteBuffer): ArrayBuffer | number | undefined;
	/** A TLS socket collects what is written with `more`, `byteLength` bytes in all, and encrypts it at once. */
	write(bytes: ByteBuffer, options?: { more: boolean; byteLength: number }): number | undefined;
	close(): void;
}

interface Resolver {
	resolve(request: {
		host: string;
		onResolved(host: string, address: string): void;
		onError(host: string): void;
	}): void;
	close?(): void;
}

/** Comes with the first part of a message; with further parts there is `more` alone. */
export interface ReadableOptions {
	topic?: string;
	/** Of the whole payload. */
	byteLength?: number;
	QoS?: number;
	/** The broker had kept this message. */
	retain?: boolean;
	/** Further parts of this message follow. */
	more: boolean;
}

/** A control message from the broker. */
export interface ControlMessage {
	operation: number;
	/** Packet identifier, where the packet has one. */
	id?: number;
	/** Of a SUBACK: the granted QoS for each filter, 128 where the broker refused. */
	payload?: number[];
	/** Of a CONNACK: 0. Other codes come to `onError`. */
	returnCode?: number;
	/** Of a CONNACK: the broker kept the session of an earlier connection (only with `clean: false`). */
	sessionPresent?: boolean;
}

export interface MQTTClientOptions {
	/** Name or IPv4 address of the broker. */
	host: string;
	/** Default 1883. */
	port?: number;
	/** The dictionary of a resolver class, and the class as `io`. */
	dns: { io: new (options: never) => Resolver };
	/** The dictionary of a socket class, and the class as `io`; that of a TLS socket has its `TCP` too. */
	socket: { io: new (options: never) => Socket; TCP?: unknown };
	/** Client identifier, default "". */
	id?: string;
	user?: string;
	password?: string | ByteBuffer;
	/** Clean session, default true. */
	clean?: boolean;
	/** Milliseconds, rounded up to whole seconds; 0, the default, switches it off. At most 65,535,000. */
	keepAlive?: number;
	/** An older name of `keepAlive`. */
	keepalive?: number;
	will?: { topic: string; message?: string | ByteBuffer; QoS?: number; retain?: boolean } | null;
	/** Only "buffer". */
	format?: string;
	target?: unknown;
	/** `count` bytes of a message can be read. Nothing else comes in before they are. Without this callback messages are dropped. */
	onReadable?(this: MQTTClient, count: number, options: ReadableOptions): void;
	/** `count` bytes can be written. */
	onWritable?(this: MQTTClient, count: number): void;
	onControl?(this: MQTTClient, message: ControlMessage): void;
	/** The connection could not be made, was refused, or has ended, and the client has closed itself. */
	onError?(this: MQTTClient, error: Error): void;
}

export interface WriteOptions {
	/** Default PUBLISH. */
	operation?: number;
	/** 1 to 65,535. PUBLISH at QoS 1 and 2, SUBSCRIBE and UNSUBSCRIBE get one if it is left out; PUBACK to PUBCOMP need it. */
	id?: number;
	topic?: string | ByteBuffer;
	/** Default 0. */
	QoS?: number;
	retain?: boolean;
	duplicate?: boolean;
	/** Of the whole payload, if it is more than what is written with these options. */
	byteLength?: number;
	/** For SUBSCRIBE and UNSUBSCRIBE: one or more filters. */
	items?: { topic: string | ByteBuffer; QoS?: number }[];
}

/** The packet types, as ECMA-419 numbers them. */
const enum Operation {
	CONNECT = 1,
	CONNACK,
	PUBLISH,
	PUBACK,
	PUBREC,
	PUBREL,
	PUBCOMP,
	SUBSCRIBE,
	SUBACK,
	UNSUBSCRIBE,
	UNSUBACK,
	PINGREQ,
	PINGRESP,
	DISCONNECT,
}

const enum State {
	RESOLVING,
	/** The socket opens, or takes the CONNECT. */
	CONNECTING,
	/** Until the CONNACK. */
	LOGIN,
	CONNECTED,
	/** Within a PUBLISH that is written in parts. */
	PUBLISHING,
	/** A DISCONNECT was written: nothing may follow it ([MQTT-3.14.4-2]). */
	DISCONNECTED,
	CLOSED,
}

/** Milliseconds for each: to resolve the name, to open the socket and send CONNECT, to receive the CONNACK. */
const PATIENCE = 30_000;

/** Longer than any wait; the timer is paused before this is over. */
const NEVER = 0x7fffffff;

/** Bytes of the output that an application is not told of: for acknowledgements and pings. */
const RESERVE = 8;

/**
 * What the SDK's TLS socket says that can be written is 32 bytes less than TCP takes; but a record has up to 69 of its own, and
 * one that does not fit throws.
 */
const TLS_RECORD = 40;

/** Acknowledgements that can wait for room; while all do, nothing more is read. A power of two. */
const REPLIES = 32;

/** Identifiers of messages at QoS 2 that are kept to know a message that comes again. */
const RECEIVED = 64;

/** Sessions whose identifiers are kept over a reconnect; the one that came first is given up for another one. */
const SESSIONS = 8;

/** Bytes that are read or written at a time, unless a topic needs more. */
const SCRATCH = 128;

/** With all parts of a message but the first. */
const MORE: ReadableOptions = Object.freeze({ more: true });
const LAST: ReadableOptions = Object.freeze({ more: false });

/** The received QoS 2 identifiers of sessions that the broker keeps: a message comes again to the next connection. */
let sessions: Map<string, Uint16Array> | undefined;

/** What a client does, out of sight of the application, which may put properties of its own on the client. */
class Connection {
	/** Bytes that the socket takes. */
	private room = 0;
	private state = State.RESOLVING;
	private readonly client: MQTTClient;
	private readonly onReadable: MQTTClientOptions["onReadable"];
	private readonly onWritable: MQTTClientOptions["onWritable"];
	private readonly onControl: MQTTClientOptions["onControl"];
	private readonly onError: MQTTClientOptions["onError"];
	/** Bytes that the socket takes less than it says. */
	private readonly spare: number;
	private resolver: Resolver | undefined;
	private socket: Socket | undefined;
	/** What is left to send of the CONNECT. */
	private connect: Uint8Array | undefined;
	/** The key of a session that the broker keeps. */
	private readonly session: string | undefined;

	private readonly timer: Timer;
	/** Milliseconds, from `since`, after which the timer looks at what is overdue; 0 if nothing can be. */
	private wait = PATIENCE;
	private since = Time.ticks;
	/** The timer is to come at once, to go on with what cannot be done within a callback. */
	private soon = false;
	/** Milliseconds; 0 for none. */
	private readonly keepAlive: number;
	/** When the last bytes came, and when the last PINGREQ went. */
	private heard = 0;
	private pinged = 0;
	private ping = false;

	/** Where bytes stand for a moment that are written or were read: the view is as long as its buffer. */
	private scratch = resizable(SCRATCH);
	/** Tells a TLS socket of the payload behind a header. */
	private readonly announcement = { more: true, byteLength: 0 };
	/** The topic that was published to last, and its field. */
	private topic: unknown;
	private topicField: Uint8Array | undefined;
	/** Of the PUBLISH that is written in parts. */
	private remaining = 0;
	private lastIdentifier = 0;
	/** The most filters that a SUBSCRIBE had. */
	private filters = 0;

	/** Bytes that are in the socket. */
	private readable = 0;
	/** What came of a packet, up to its payload. */
	private bytes = new Uint8Array(SCRATCH / 2);
	private filled = 0;
	/** Within `receive`, which goes on after a callback. */
	private receiving = false;
	/** Bytes of the payload that the application can read now; those that come after them. */
	private payload = 0;
	private left = 0;
	/** The application is told of a message without a payload. */
	private empty = false;
	/** For the first part of the message. */
	private first: ReadableOptions | undefined;
	/** The message is not for the application. */
	private skipped = false;
	/** What acknowledges the message; 0 if nothing does. */
	private reply = 0;
	/** Acknowledgements that wait, as first byte and identifier, and the place of the first. */
	private replies: Uint32Array | undefined;
	private repliesAt = 0;
	private waiting = 0;
	/** Identifiers of QoS 2 messages that are not released yet, the oldest first; then zeros. */
	private received: Uint16Array | undefined;

	constructor(client: MQTTClient, options: MQTTClientOptions) {
		const { host, port, id = "", user, password, will } = options;
		if (!host) fail("host required");
		this.client = client;
		this.onReadable = options.onReadable;
		this.onWritable = options.onWritable;
		this.onControl = options.onControl;
		this.onError = options.onError;
		const milliseconds = Number(options.keepAlive ?? options.keepalive ?? 0);
		const keepAlive = Math.ceil(number(milliseconds, 0, 0, 65_535_000, "keepAlive (milliseconds)") / 1000);
		this.keepAlive = keepAlive * 1000;
		const cleanSession = options.clean ?? true;
		if (!cleanSession) this.session = `${host}:${port ?? 1883}/${id}`;
		this.connect = connectPacket({
			level: 4,
			cleanSession,
			keepAlive,
			clientId: fieldBytes(id, "id"),
			will: will
				? {
						topic: topicBytes(will.topic, nameError),
						payload: fieldBytes(will.message ?? "", "will.message"),
						qos: qualityOf(will.QoS),
						retain: Boolean(will.retain),
					}
				: undefined,
			// [MQTT-3.1.2-22]: no password without a user name, which may be empty.
			userName: user || password ? fieldBytes(user ?? "", "user") : undefined,
			password: password ? fieldBytes(password, "password") : undefined,
		});
		this.spare = options.socket.TCP ? TLS_RECORD : 0;
		const resolver = new options.dns.io(options.dns as never);
		this.resolver = resolver;
		this.timer = Timer.repeat(() => this.wake(), NEVER);
	}

	/** Resolves the name, and goes on from there. */
	start({ host, port, socket }: MQTTClientOptions): void {
		this.schedule();
		try {
			this.resolver?.resolve({
				host,
				onResolved: (name, address) => this.open(socket, name, address, port ?? 1883),
				onError: () => this.end(Reason.UNREACHABLE),
			});
		} catch (error) {
			this.close();
			throw error;
		}
	}

	private open(options: MQTTClientOptions["socket"], host: string, address: string, port: number): void {
		if (this.state !== State.RESOLVING) return;
		this.resolver = undefined;
		this.state = State.CONNECTING;
		this.allow(PATIENCE);
		try {
			this.socket = new options.io({
				...options,
				address,
				host,
				port,
				onReadable: (count: number) => this.arrived(count),
				onWritable: (count: number) => this.writable(count),
				onError: () => this.end(this.state < State.LOGIN ? Reason.UNREACHABLE : Reason.LINK_LOST),
			} as never);
			this.socket.format = "buffer";
		} catch {
			this.end(Reason.UNREACHABLE);
		}
	}

	close(): void {
		if (this.state === State.CLOSED) return;
		this.state = State.CLOSED;
		this.room = this.readable = this.payload = this.left = 0;
		Timer.clear(this.timer);
		this.resolver?.close?.();
		this.socket?.close();
		this.resolver = this.socket = undefined;
	}

	/** Closes, and says why; false, to stop with what comes in. */
	private end(reason: Reason): false {
		if (this.state !== State.CLOSED) {
			this.close();
			this.onError?.call(this.client, new Error(`mqtt-mote: ${describe(reason)}`));
		}
		return false;
	}

	// Time.

	/** From now on, something is overdue in `wait` milliseconds; with 0, nothing is. */
	private allow(wait: number): void {
		this.since = Time.ticks;
		this.wait = wait;
		this.schedule();
	}

	/** What waits is looked at once the stack is empty. */
	private later(): void {
		if (this.soon) return;
		this.soon = true;
		this.schedule();
	}

	private schedule(): void {
		const { timer } = this;
		if (this.state === State.CLOSED) return;
		if (this.soon) Timer.schedule(timer, 0, NEVER);
		else if (this.wait === 0) Timer.schedule(timer);
		else {
			const left = this.wait - elapsed(this.since);
			Timer.schedule(timer, left > 0 ? left : 0, NEVER);
		}
	}

	private wake(): void {
		const { soon } = this;
		this.soon = false;
		if (this.wait !== 0 && elapsed(this.since) >= this.wait) this.overdue();
		this.schedule();
		if (this.state === State.CONNECTED && (this.waiting > 0 || this.ping)) this.flush();
		if (soon) this.receive();
	}

	private overdue(): void {
		const { keepAlive } = this;
		if (this.state < State.LOGIN) this.end(Reason.OPEN_TIMEOUT);
		else if (this.state === State.LOGIN) this.end(Reason.CONNACK_TIMEOUT);
		else {
			this.allow(keepAlive / 4);
			// While there is something to read, the broker's silence says nothing.
			if (this.payload > 0) this.heard = Time.ticks;
			if (elapsed(this.heard) >= keepAlive * 1.5) this.end(Reason.PINGRESP_TIMEOUT);
			else if (elapsed(this.pinged) >= keepAlive * 0.625) this.ping = true; // at three quarters, as this looks each quarter
		}
	}

	// Output.

	private writable(count: number): void {
		if (this.state === State.CLOSED) return;
		this.room = count;
		if (this.state === State.CONNECTING) this.sendConnect();
		else {
			// A message in parts leaves no place for a ping: that it is taken must do.
			if (this.state === State.PUBLISHING) this.heard = Time.ticks;
			this.flush();
			this.receive(); // which may have stopped for want of room for acknowledgements
		}
	}

	private sendConnect(): void {
		const { connect, room } = this;
		if (!connect || room === 0) return;
		if (connect.length > room) {
			this.connect = connect.subarray(room);
			this.put(connect.subarray(0, room));
		} else {
			this.connect = undefined;
			this.state = State.LOGIN;
			this.put(connect);
			this.allow(PATIENCE);
		}
	}

	/** Sends what waits, and tells the application of the room that is left. */
	private flush(): void {
		if (this.state === State.CONNECTED) {
			if (this.waiting > 0) this.sendReplies();
			if (this.waiting > 0) return;
			if (this.ping && this.room >= 2) this.sendEmpty(Packet.PINGREQ);
		}
		this.tell();
	}

	private tell(): void {
		if (this.room > RESERVE && (this.state === State.CONNECTED || this.state === State.PUBLISHING)) {
			this.onWritable?.call(this.client, this.room - RESERVE);
		}
	}

	private sendReplies(): void {
		const replies = this.replies!;
		const out = this.output(REPLIES * 4);
		let end = 0;
		for (; this.waiting > 0 && end + 4 <= this.room; this.waiting--) {
			const reply = replies[this.repliesAt];
			end = writeReply(out, end, reply >> 16, reply & 0xffff);
			this.repliesAt = (this.repliesAt + 1) & (REPLIES - 1);
		}
		if (end > 0) this.send(end);
	}

	private sendEmpty(packet: Packet): void {
		if (packet === Packet.PINGREQ) {
			this.ping = false;
			this.pinged = Time.ticks;
		}
		this.send(writeEmpty(this.output(2), 0, packet));
	}

	/** An acknowledgement, once the stack is empty and there is room. */
	private answer(packet: Packet, identifier: number): void {
		this.replies ??= new Uint32Array(REPLIES);
		this.replies[(this.repliesAt + this.waiting++) & (REPLIES - 1)] = (packet << 16) | identifier;
		this.later();
	}

	/** Memory for `size` bytes that `send` sends. */
	private output(size: number): Uint8Array {
		const { maxByteLength } = this.scratch.buffer as ArrayBuffer;
		if (maxByteLength < size) this.scratch = resizable(size);
		else (this.scratch.buffer as ArrayBuffer).resize(maxByteLength);
		return this.scratch;
	}

	private send(length: number, options?: { more: boolean; byteLength: number }): void {
		(this.scratch.buffer as ArrayBuffer).resize(length);
		this.put(this.scratch, options);
	}

	private put(bytes: ByteBuffer, options?: { more: boolean; byteLength: number }): void {
		const room = this.socket!.write(bytes, options) ?? 0; // undefined: it failed, and onError follows
		this.room = room > this.spare ? room - this.spare : 0;
	}

	private takes(size: number): void {
		if (size > this.room) fail(`overflow: ${size} bytes, where ${this.room} can be written; wait for onWritable`);
	}

	write(data: ByteBuffer | null | undefined, options: WriteOptions | null | undefined): number {
		if (this.state === State.PUBLISHING) {
			if (options) fail(`a PUBLISH lacks ${this.remaining} bytes: write them first, without options`);
			this.writePart(data);
		} else if (this.state !== State.CONNECTED) {
			fail("not connected: write after the CONNACK, and not after DISCONNECT or close");
		} else if (!options) fail("options are missing; only further parts of a PUBLISH go without");
		else {
			const operation = options.operation ?? Operation.PUBLISH;
			switch (operation) {
				case Operation.PUBLISH:
					this.publish(data, options);
					break;
				case Operation.SUBSCRIBE:
				case Operation.UNSUBSCRIBE:
					this.writeFilters(operation === Operation.SUBSCRIBE, options);
					break;
				case Operation.PUBACK:
				case Operation.PUBREC:
				case Operation.PUBREL:
				case Operation.PUBCOMP: {
					if ((options.id ?? undefined) === undefined) fail("id required: of the message that this is about");
					const header = operation === Operation.PUBREL ? Packet.PUBREL : operation << 4;
					this.takes(4);
					this.send(writeReply(this.output(4), 0, header, this.identify(options)));
					break;
				}
				case Operation.PINGREQ:
				case Operation.DISCONNECT:
					this.takes(2);
					this.sendEmpty(operation << 4);
					if (operation === Operation.DISCONNECT) {
						this.state = State.DISCONNECTED;
						this.allow(0);
					}
					break;
				default:
					fail(`unknown operation ${operation}; a client writes PUBLISH to UNSUBSCRIBE, PINGREQ and DISCONNECT`);
			}
		}
		return this.room > RESERVE ? this.room - RESERVE : 0;
	}

	private publish(data: ByteBuffer | null | undefined, options: WriteOptions): void {
		const { byteLength, topic: name } = options;
		const size = sizeOf(data);
		const total =
			(byteLength ?? size) === size ? size : whole(byteLength, 0, size, Limit.REMAINING_LENGTH, "byteLength");
		const qos = qualityOf(options.QoS);
		const topic = name === this.topic && this.topicField ? this.topicField : this.encode(name);
		const remaining = topic.length + total + (qos > 0 ? 2 : 0);
		if (remaining > Limit.REMAINING_LENGTH) fail(`a PUBLISH of ${remaining} bytes is larger than MQTT allows`);
		const head = 1 + lengthSize(remaining) + remaining - total;
		this.takes(head + size);
		let header = publishHeader(qos, Boolean(options.retain));
		if (qos > 0 && options.duplicate) header |= PublishFlag.DUP;
		const out = this.output(head);
		writePublish(out, 0, header, topic, qos > 0 ? this.identify(options) : 0, total);
		this.state = State.PUBLISHING;
		this.remaining = total;
		if (size > 0) {
			this.announcement.byteLength = head + size;
			this.send(head, this.announcement);
			this.put(data!);
			this.remaining -= size;
		} else this.send(head);
		if (this.remaining === 0) this.complete();
	}

	private writePart(data: ByteBuffer | null | undefined): void {
		const size = sizeOf(data);
		if (size > this.remaining) fail(`${size} bytes, where the PUBLISH lacks ${this.remaining}`);
		this.takes(size);
		if (size > 0) this.put(data!);
		this.remaining -= size;
		if (this.remaining === 0) this.complete();
	}

	/** A PUBLISH has been written: what had to wait may follow. */
	private complete(): void {
		this.state = State.CONNECTED;
		if (this.waiting > 0 || this.ping) this.later();
	}

	private writeFilters(subscribe: boolean, options: WriteOptions): void {
		const { items } = options;
		if (!items?.length) fail("items required: one or more, each with a topic");
		let remaining = 2;
		const parts: Uint8Array[] = [];
		for (const { topic, QoS } of items) {
			const filter = field(topicBytes(topic, filterError));
			parts.push(filter);
			remaining += filter.length;
			if (!subscribe) continue;
			parts.push(Uint8Array.of(qualityOf(QoS)));
			remaining++;
		}
		const size = 1 + lengthSize(remaining) + remaining;
		this.takes(size);
		const packet = new Uint8Array(size);
		packet[0] = subscribe ? Packet.SUBSCRIBE : Packet.UNSUBSCRIBE;
		let at = writeLength(packet, 1, remaining);
		const identifier = this.identify(options);
		packet[at++] = identifier >> 8;
		packet[at++] = identifier;
		for (const part of parts) {
			packet.set(part, at);
			at += part.length;
		}
		if (subscribe && items.length > this.filters) this.filters = items.length;
		this.put(packet);
	}

	/** The topic as a field, which is kept for the next PUBLISH if it is of a string. */
	private encode(topic: string | ByteBuffer | undefined): Uint8Array {
		const made = field(topicBytes(topic, nameError));
		if (typeof topic === "string") {
			this.topic = topic;
			this.topicField = made;
		}
		return made;
	}

	private identify({ id }: WriteOptions): number {
		if (id !== undefined && id !== null) return whole(id, 0, 1, Limit.IDENTIFIER, "id");
		this.lastIdentifier = (this.lastIdentifier % Limit.IDENTIFIER) + 1;
		return this.lastIdentifier;
	}

	// Input.

	private arrived(count: number): void {
		if (this.state === State.CLOSED) return;
		this.readable = count;
		this.heard = Time.ticks;
		this.receive();
	}

	/** Takes packets until the application has something to read, or there is nothing more. */
	private receive(): void {
		if (this.receiving) return;
		this.receiving = true;
		try {
			while (this.takePacket());
		} finally {
			this.receiving = false;
		}
	}

	/** Takes a packet, or a part of a message; false if that is not possible now. */
	private takePacket(): boolean {
		if (this.state === State.CLOSED || this.payload > 0) return false;
		if (this.left > 0) return this.handPart();
		if (this.reply !== 0) this.acknowledge();
		if (this.waiting === REPLIES || !this.take(2)) return false;
		const header = this.bytes[0];
		const type = header >> 4;
		if (((RECEIVABLE >> type) & 1) === 0) return this.end(Reason.MALFORMED_TYPE);
		let byte = this.bytes[1];
		let at = 2;
		let length = byte & 127;
		for (let weight = 128; byte > 127; weight *= 128) {
			if (at === 5) return this.end(Reason.MALFORMED_LENGTH);
			if (!this.take(at + 1)) return false;
			byte = this.bytes[at++];
			length += (byte & 127) * weight;
		}
		if ((type === Operation.CONNACK) !== (this.state === State.LOGIN)) return this.end(Reason.UNEXPECTED_PACKET);
		if (type === Operation.PUBLISH) return this.takeMessage(header, at, length);
		if ((header & 15) !== (type === Operation.PUBREL ? 2 : 0)) return this.end(Reason.MALFORMED_FLAGS);
		const least = type === Operation.PINGRESP ? 0 : type === Operation.SUBACK ? 3 : 2;
		const most = type === Operation.SUBACK ? 2 + this.filters : least;
		if (length < least || length > most) return this.end(Reason.MALFORMED_LENGTH);
		if (!this.take(at + length)) return false;
		this.filled = 0;
		return this.control(type, at, at + length);
	}

	/** A packet other than PUBLISH. */
	private control(operation: number, at: number, end: number): boolean {
		const { bytes, onControl } = this;
		const message: ControlMessage | undefined = onControl && { operation };
		if (operation === Operation.CONNACK) {
			const code = bytes[at + 1];
			if (bytes[at] > 1) return this.end(Reason.MALFORMED_FLAGS);
			if (code !== 0) return this.end(code > Reason.NOT_AUTHORIZED ? Reason.MALFORMED_CODE : (code as Reason));
			const sessionPresent = bytes[at] === 1;
			if (message) {
				message.returnCode = code;
				message.sessionPresent = sessionPresent;
			}
			this.connected(sessionPresent);
		} else if (operation !== Operation.PINGRESP) {
			const id = (bytes[at] << 8) | bytes[at + 1];
			if (id === 0) return this.end(Reason.MALFORMED_IDENTIFIER);
			if (message) message.id = id;
			if (operation === Operation.SUBACK) {
				const payload: number[] = [];
				for (at += 2; at < end; at++) {
					if (bytes[at] > 2 && bytes[at] !== SUBSCRIPTION_FAILED) return this.end(Reason.MALFORMED_CODE);
					payload.push(bytes[at]);
				}
				if (message) message.payload = payload;
			} else if (operation === Operation.PUBREC) this.answer(Packet.PUBREL, id);
			else if (operation === Operation.PUBREL) {
				this.release(id);
				this.answer(Packet.PUBCOMP, id);
			}
		}
		if (message) onControl!.call(this.client, message);
		if (operation === Operation.CONNACK) this.tell();
		return true;
	}

	private connected(sessionPresent: boolean): void {
		const { session } = this;
		this.state = State.CONNECTED;
		this.heard = this.pinged = Time.ticks;
		this.allow(this.keepAlive / 4);
		if (session === undefined) return;
		if (sessionPresent) this.received = sessions?.get(session);
		else sessions?.delete(session);
	}

	/** The beginning of a PUBLISH, whose variable header begins at `at`. */
	private takeMessage(header: number, at: number, length: number): boolean {
		const QoS = (header >> 1) & 3;
		if (QoS === 3 || (QoS === 0 && (header & PublishFlag.DUP) !== 0)) return this.end(Reason.MALFORMED_QOS);
		if (length < 2) return this.end(Reason.MALFORMED_LENGTH);
		if (!this.take(at + 2)) return false;
		const start = at + 2;
		const end = start + ((this.bytes[at] << 8) | this.bytes[at + 1]);
		const payload = QoS > 0 ? end + 2 : end;
		const byteLength = length - (payload - at);
		if (byteLength < 0) return this.end(Reason.MALFORMED_LENGTH);
		if (!this.take(payload)) return false;
		const { bytes } = this;
		const id = (bytes[end] << 8) | bytes[end + 1];
		if (QoS > 0 && id === 0) return this.end(Reason.MALFORMED_IDENTIFIER);
		if (!wellFormed(bytes, start, end, true)) return this.end(Reason.MALFORMED_TOPIC);
		this.filled = 0;
		this.left = byteLength;
		this.reply = QoS === 0 ? 0 : ((QoS === 1 ? Packet.PUBACK : Packet.PUBREC) << 16) | id;
		this.skipped = !this.onReadable || (QoS === 2 && this.received !== undefined && this.received.indexOf(id) >= 0);
		if (!this.skipped) {
			const topic = String.fromArrayBuffer(bytes.buffer, start, end - start);
			const retain = (header & PublishFlag.RETAIN) !== 0;
			this.first = { topic, byteLength, QoS, retain, more: false };
			if (byteLength === 0) return this.handPart();
		}
		return true;
	}

	/** Hands over what there is of the payload, or passes it by; false if there is nothing of it. */
	private handPart(): boolean {
		const { first, left } = this;
		const count = left < this.readable ? left : this.readable;
		if (count === 0 && left > 0) return false;
		if (this.skipped) {
			this.left -= this.pull(count);
			return true;
		}
		this.payload = count;
		this.left -= count;
		this.first = undefined;
		if (first) first.more = count < left;
		this.empty = left === 0;
		this.onReadable!.call(this.client, count, first ?? (count < left ? MORE : LAST));
		this.empty = false;
		return true;
	}

	/** The application has read the message. */
	private acknowledge(): void {
		const packet = this.reply >> 16;
		const id = this.reply & 0xffff;
		this.reply = 0;
		if (packet === Packet.PUBREC) this.remember(id);
		this.answer(packet, id);
	}

	private remember(id: number): void {
		const { session } = this;
		if (!this.received) {
			this.received = new Uint16Array(RECEIVED);
			if (session !== undefined) {
				sessions ??= new Map();
				if (sessions.size === SESSIONS) sessions.delete(sessions.keys().next().value!);
				sessions.set(session, this.received);
			}
		}
		const { received } = this;
		if (received.indexOf(id) >= 0) return;
		let at = received.indexOf(0);
		if (at < 0) {
			received.copyWithin(0, 1); // the oldest gives its place
			at = RECEIVED - 1;
		}
		received[at] = id;
	}

	private release(id: number): void {
		const { received } = this;
		const at = received ? received.indexOf(id) : -1;
		if (!received || at < 0) return;
		received.copyWithin(at, at + 1);
		received[RECEIVED - 1] = 0;
	}

	/** Are the first `end` bytes of the packet here? Reads of them what there is. */
	private take(end: number): boolean {
		while (this.filled < end) {
			if (this.readable === 0) return false;
			const { bytes, filled } = this;
			this.filled += this.pull(end - filled);
			if (this.filled > bytes.length) {
				this.bytes = new Uint8Array(this.filled * 2);
				this.bytes.set(bytes);
			}
			this.bytes.set(this.scratch, filled);
		}
		return true;
	}

	/** Reads at most `count` bytes into the scratch memory; how many. */
	private pull(count: number): number {
		const buffer = this.scratch.buffer as ArrayBuffer;
		if (count > this.readable) count = this.readable;
		if (count > buffer.maxByteLength) count = buffer.maxByteLength;
		if (count === 0) return 0;
		buffer.resize(count);
		this.readable -= count;
		this.socket!.read(this.scratch);
		return count;
	}

	read(into: number | ByteBuffer | undefined): ArrayBuffer | number | undefined {
		const { payload } = this;
		let buffer: ByteBuffer | undefined;
		let count = payload;
		if (ArrayBuffer.isView(into)) {
			if ((into as Uint8Array).BYTES_PER_ELEMENT > 1) fail("a buffer to read into has elements of one byte");
			buffer = into;
			count = into.byteLength;
		} else if (typeof into === "object") {
			buffer = into;
			count = into.byteLength;
		} else if (into !== undefined) count = whole(into, 0, 0, Number.MAX_SAFE_INTEGER, "count");
		if (count > payload) count = payload;
		if (count === 0) {
			if (!this.empty && into !== 0) return undefined;
			return buffer ? 0 : new ArrayBuffer(0);
		}
		// A TLS socket takes views only.
		if (buffer && (count < buffer.byteLength || !ArrayBuffer.isView(buffer))) buffer = viewOf(buffer, count);
		const result = this.socket!.read(buffer ?? count);
		this.readable -= count;
		this.payload -= count;
		if (this.payload === 0 && !this.receiving) this.later();
		return result;
	}
}

/** Bit n is set where a client may receive packet type n: CONNACK, PUBLISH to PUBCOMP, SUBACK, UNSUBACK, PINGRESP. */
const RECEIVABLE = 0b10_1010_1111_1100;

export default class MQTTClient {
	static readonly CONNECT: number = Operation.CONNECT;
	static readonly CONNACK: number = Operation.CONNACK;
	static readonly PUBLISH: number = Operation.PUBLISH;
	static readonly PUBACK: number = Operation.PUBACK;
	static readonly PUBREC: number = Operation.PUBREC;
	static readonly PUBREL: number = Operation.PUBREL;
	static readonly PUBCOMP: number = Operation.PUBCOMP;
	static readonly SUBSCRIBE: number = Operation.SUBSCRIBE;
	static readonly SUBACK: number = Operation.SUBACK;
	static readonly UNSUBSCRIBE: number = Operation.UNSUBSCRIBE;
	static readonly UNSUBACK: number = Operation.UNSUBACK;
	static readonly PINGREQ: number = Operation.PINGREQ;
	static readonly PINGRESP: number = Operation.PINGRESP;
	static readonly DISCONNECT: number = Operation.DISCONNECT;

	declare target?: unknown;
	readonly #connection: Connection;

	/** Starts to connect. Throws an Error if an option is missing or cannot be sent. */
	constructor(options: MQTTClientOptions) {
		this.format = options.format ?? "buffer";
		if (options.target !== undefined) this.target = options.target;
		this.#connection = new Connection(this, options);
		this.#connection.start(options);
	}

	get format(): string {
		return "buffer";
	}

	/** Throws a RangeError for another format than "buffer". */
	set format(format: string) {
		if (format !== "buffer") throw new RangeError(`format must be "buffer", not "${format}"`);
	}

	/**
	 * Reads of the current message: all that is there, `count` bytes of it at most, or as much as fills a buffer. Returns a new
	 * ArrayBuffer; for a buffer, how many bytes were read; undefined if there is nothing to read.
	 */
	read(): ArrayBuffer | undefined;
	read(count: number): ArrayBuffer | undefined;
	read(buffer: ByteBuffer): number | undefined;
	read(into?: number | ByteBuffer): ArrayBuffer | number | undefined {
		return this.#connection.read(into);
	}

	/**
	 * Writes a PUBLISH, a part of one, or another control packet; returns how many bytes can be written after it. Throws an Error,
	 * and writes nothing, if it does not fit or is not allowed.
	 */
	write(data: ByteBuffer | null, options?: WriteOptions | null): number {
		return this.#connection.write(data, options);
	}

	/** Lets go of the connection, without a DISCONNECT; no callback follows. */
	close(): void {
		this.#connection.close();
	}
}

/** Milliseconds since the moment `then`. */
function elapsed(then: number): number {
	return (Time.ticks - then) >>> 0;
}

function resizable(bytes: number): Uint8Array {
	return new Uint8Array(new ArrayBuffer(bytes, { maxByteLength: bytes }));
}

function sizeOf(data: ByteBuffer | null | undefined): number {
	if (data === undefined || data === null) return 0;
	const { byteLength } = data;
	if (!(byteLength >= 0)) fail("data must be an ArrayBuffer or a view of one");
	return byteLength;
}

/** The first `count` bytes of a buffer. */
function viewOf(buffer: ByteBuffer, count: number): Uint8Array {
	if (ArrayBuffer.isView(buffer)) return new Uint8Array(buffer.buffer, buffer.byteOffset, count);
	return new Uint8Array(buffer, 0, count);
}

function bytesOf(content: string | ByteBuffer): Uint8Array {
	if (typeof content === "object") return viewOf(content, content.byteLength);
	return new Uint8Array(ArrayBuffer.fromString(String(content)));
}

function fieldBytes(content: string | ByteBuffer, name: string): Uint8Array {
	const bytes = bytesOf(content);
	if (bytes.length > Limit.FIELD) fail(`${name} is longer than 65,535 bytes`);
	return bytes;
}

function topicBytes(
	topic: string | ByteBuffer | undefined,
	errorOf: (bytes: Uint8Array) => string | undefined,
): Uint8Array {
	if (topic === undefined) fail("topic required");
	const bytes = bytesOf(topic);
	const error = errorOf(bytes);
	if (error) fail(`the topic ${error}`);
	return bytes;
}

/** A QoS; 0 if it is left out, or no number. */
function qualityOf(quality: number | undefined): QoS {
	if (!quality) return 0;
	return quality === 1 || quality === 2 ? quality : (whole(Number(quality) || 0, 0, 0, 2, "QoS") as QoS);
}
