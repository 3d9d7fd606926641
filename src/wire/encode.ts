/**
 * Control packets to bytes. The ones that repeat (PUBLISH, acknowledgements) are written into memory that
 * the caller has; the CONNECT that an application sets up once becomes an array of its own, which the session
 * sends as often as it needs.
 *
 * Strings come in as UTF-8 bytes: what turns text into bytes differs from runtime to runtime.
 */
import { type Level, Packet, PublishFlag, type QoS } from "./packet.js";

/** How many bytes a remaining length takes: 1 to 4 (section 2.2.3). */
export function lengthSize(remaining: number): number {
	return remaining < 128 ? 1 : remaining < 16_384 ? 2 : remaining < 2_097_152 ? 3 : 4;
}

/** Writes a remaining length, seven bits a byte, lowest first; returns where it ends (section 2.2.3). */
export function writeLength(bytes: Uint8Array, at: number, remaining: number): number {
	while (remaining > 127) {
		bytes[at++] = (remaining & 127) | 128;
		remaining >>>= 7;
	}
	bytes[at++] = remaining;
	return at;
}

/**
 * Writes a PUBLISH up to its payload, `payloadLength` bytes, which the caller puts where this returns
 * (section 3.3). `header` is its first byte; `topic` is a field as `field` makes it; at QoS 0 the
 * identifier is left out.
 */
export function writePublish(
	bytes: Uint8Array,
	at: number,
	header: number,
	topic: Uint8Array,
	identifier: number,
	payloadLength: number,
): number {
	let remaining = topic.length + payloadLength;
	if (identifier !== 0) remaining += 2;
	bytes[at] = header;
	if (remaining < 128) {
		bytes[at + 1] = remaining;
		at += 2;
	} else at = writeLength(bytes, at + 1, remaining);
	bytes.set(topic, at);
	at += topic.length;
	if (identifier === 0) return at;
	bytes[at] = identifier >> 8;
	bytes[at + 1] = identifier;
	return at + 2;
}

/**
 * Writes a packet that is an identifier and nothing else: PUBACK, PUBREC, PUBREL, PUBCOMP, four bytes
 * (sections 3.4 to 3.7). Returns where it ends.
 */
export function writeReply(bytes: Uint8Array, at: number, packet: number, identifier: number): number {
	bytes[at] = packet;
	bytes[at + 1] = 2;
	bytes[at + 2] = identifier >> 8;
	bytes[at + 3] = identifier & 255;
	return at + 4;
}

/** Writes a packet without a body: PINGREQ, DISCONNECT, two bytes (sections 3.12, 3.14). */
export function writeEmpty(bytes: Uint8Array, at: number, packet: number): number {
	bytes[at] = packet;
	bytes[at + 1] = 0;
	return at + 2;
}

/** A string or binary field: its length in two bytes, then itself (section 1.5.3). At most 65,535 bytes. */
export function field(content: Uint8Array): Uint8Array {
	const bytes = new Uint8Array(2 + content.length);
	writeField(bytes, 0, content);
	return bytes;
}

function writeField(bytes: Uint8Array, at: number, content: Uint8Array): number {
	bytes[at] = content.length >> 8;
	bytes[at + 1] = content.length & 255;
	bytes.set(content, at + 2);
	return at + 2 + content.length;
}

/** What a CONNECT says (section 3.1). Lengths are at most 65,535 bytes each. */
export interface ConnectFields {
	level: Level;
	cleanSession: boolean;
	/** Seconds, 0 to 65,535; 0 switches it off. */
	keepAlive: number;
	clientId: Uint8Array;
	will?: { topic: Uint8Array; payload: Uint8Array; qos: QoS; retain: boolean } | undefined;
	userName?: Uint8Array | undefined;
	password?: Uint8Array | undefined;
}

/** A CONNECT, whole (section 3.1). */
export function connectPacket(fields: ConnectFields): Uint8Array {
	const { level, will, userName, password, clientId } = fields;
	const name = level === 3 ? [0, 6, 77, 81, 73, 115, 100, 112] : [0, 4, 77, 81, 84, 84]; // MQIsdp, MQTT
	let remaining = name.length + 4 + 2 + clientId.length;
	let flags = fields.cleanSession ? 0x02 : 0;
	if (will) {
		remaining += 4 + will.topic.length + will.payload.length;
		flags |= 0x04 | (will.qos << 3) | (will.retain ? 0x20 : 0);
	}
	if (userName) {
		remaining += 2 + userName.length;
		flags |= 0x80;
	}
	if (password) {
		remaining += 2 + password.length;
		flags |= 0x40;
	}
	const bytes = new Uint8Array(1 + lengthSize(remaining) + remaining);
	bytes[0] = Packet.CONNECT;
	let at = writeLength(bytes, 1, remaining);
	bytes.set(name, at);
	at += name.length;
	bytes[at] = level;
	bytes[at + 1] = flags;
	bytes[at + 2] = fields.keepAlive >> 8;
	bytes[at + 3] = fields.keepAlive & 255;
	at = writeField(bytes, at + 4, clientId);
	if (will) at = writeField(bytes, writeField(bytes, at, will.topic), will.payload);
	if (userName) at = writeField(bytes, at, userName);
	if (password) writeField(bytes, at, password);
	return bytes;
}

/** The first byte of a PUBLISH (section 3.3.1). */
export function publishHeader(qos: QoS, retain: boolean): number {
	return Packet.PUBLISH | (qos << 1) | (retain ? PublishFlag.RETAIN : 0);
}
