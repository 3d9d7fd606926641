/**
 * The 14 control packets, byte by byte as chapter 3 of the specification has them, and what bytes say in words.
 * For the fake broker: this file knows nothing of src, and it runs on any engine.
 *
 *     publish("a/b", "21", { qos: 1, id: 7 })     // 32 08 00 03 61 2f 62 00 07 32 31
 *     inWords(suback(7, 1, 0x80))                 // "SUBACK id 7: 1, 128"
 */

/** 3 is MQTT 3.1, 4 is MQTT 3.1.1. */
export type Level = 3 | 4;

/** A text goes out in UTF-8, bytes as they are. */
type Text = string | Uint8Array;

// Bytes

/** `hex("10 0d", "00 04")` is the bytes 16, 13, 0, 4; a comment may stand behind each part. */
export function hex(...parts: string[]): Uint8Array {
	const digits = parts.join("").replace(/ /g, "");
	if (!/^([0-9a-f]{2})*$/.test(digits)) throw new Error(`not hex bytes: ${digits}`);
	return Uint8Array.from(digits.match(/../g) || [], (pair) => Number.parseInt(pair, 16));
}

/** The bytes as "10 0d 00 04": a failed comparison of these can be read. */
export function show(bytes: Uint8Array): string {
	return Array.from(bytes, (byte) => (byte < 16 ? "0" : "") + byte.toString(16)).join(" ");
}

export function joined(pieces: readonly Uint8Array[]): Uint8Array {
	const bytes = new Uint8Array(pieces.reduce((size, piece) => size + piece.length, 0));
	let at = 0;
	for (const piece of pieces) {
		bytes.set(piece, at);
		at += piece.length;
	}
	return bytes;
}

/** The UTF-8 bytes of a text (RFC 3629). Half of a surrogate pair, which has none, becomes ed a0 80 to ed bf bf. */
export function utf8(text: string): Uint8Array {
	const bytes: number[] = [];
	const more = (bits: number) => bytes.push(0x80 | (bits & 0x3f));
	for (let at = 0; at < text.length; at++) {
		const point = text.codePointAt(at) as number;
		if (point > 0xffff) at++;
		if (point < 0x80) bytes.push(point);
		else if (point < 0x800) {
			bytes.push(0xc0 | (point >> 6));
			more(point);
		} else if (point < 0x1_0000) {
			bytes.push(0xe0 | (point >> 12));
			more(point >> 6);
			more(point);
		} else {
			bytes.push(0xf0 | (point >> 18));
			more(point >> 12);
			more(point >> 6);
			more(point);
		}
	}
	return Uint8Array.from(bytes);
}

/** The text of well-formed UTF-8 bytes; a U+FEFF stays. */
export function textOf(bytes: Uint8Array): string {
	let text = "";
	for (let at = 0; at < bytes.length; ) {
		const byte = bytes[at++];
		let more = byte < 0xc0 ? 0 : byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
		let point = more === 0 ? byte : byte & (0x3f >> more);
		for (; more > 0; more--) point = (point << 6) | (bytes[at++] & 0x3f);
		text += String.fromCodePoint(point < 0x11_0000 ? point : 0xfffd);
	}
	return text;
}

const bytesOf = (text: Text) => (typeof text === "string" ? utf8(text) : text);

const uint16 = (value: number) => Uint8Array.of(value >> 8, value & 255);

/** A string or binary field: two bytes of length, and its bytes (section 1.5.3). */
function field(text: Text): Uint8Array {
	const bytes = bytesOf(text);
	return joined([uint16(bytes.length), bytes]);
}

/** A packet: its first byte, the remaining length in one to four bytes (section 2.2.3), and what that counts. */
export function packet(first: number, ...parts: Uint8Array[]): Uint8Array {
	const body = joined(parts);
	const length: number[] = [];
	let remaining = body.length;
	do {
		length.push((remaining & 127) | (remaining > 127 ? 128 : 0));
		remaining >>= 7;
	} while (remaining > 0);
	return joined([Uint8Array.of(first), Uint8Array.from(length), body]);
}

// The packets

export interface Connect {
	level: Level;
	clientId?: Text;
	cleanSession?: boolean;
	/** Seconds. */
	keepAlive?: number;
	will?: { topic: Text; payload: Text; qos?: number; retain?: boolean };
	userName?: Text;
	password?: Text;
}

/** CONNECT (section 3.1), of a client with the default options where nothing else is said. */
export function connect(options: Connect): Uint8Array {
	const { level, clientId = "c", cleanSession = true, keepAlive = 60, will, userName, password } = options;
	let flags = cleanSession ? 0x02 : 0;
	const payload = [field(clientId)];
	if (will) {
		flags |= 0x04 | ((will.qos || 0) << 3) | (will.retain ? 0x20 : 0);
		payload.push(field(will.topic), field(will.payload));
	}
	if (userName !== undefined) {
		flags |= 0x80;
		payload.push(field(userName));
	}
	if (password !== undefined) {
		flags |= 0x40;
		payload.push(field(password));
	}
	const name = level === 3 ? "MQIsdp" : "MQTT";
	return packet(0x10, field(name), Uint8Array.of(level, flags), uint16(keepAlive), ...payload);
}

/** CONNACK (section 3.2). */
export const connack = (returnCode = 0, sessionPresent = false) =>
	packet(0x20, Uint8Array.of(sessionPresent ? 1 : 0, returnCode));

export interface Publish {
	qos?: 0 | 1 | 2;
	/** Packet identifier; it goes out at QoS 1 and 2 only. */
	id?: number;
	retain?: boolean;
	dup?: boolean;
}

/** PUBLISH (section 3.3). */
export function publish(topic: Text, payload: Text, options: Publish = {}): Uint8Array {
	const { qos = 0, id, retain = false, dup = false } = options;
	if (qos > 0 && id === undefined) throw new Error("a PUBLISH at QoS 1 or 2 has an identifier");
	const first = 0x30 | (dup ? 8 : 0) | (qos << 1) | (retain ? 1 : 0);
	return packet(first, field(topic), ...(qos > 0 ? [uint16(id as number)] : []), bytesOf(payload));
}

/** PUBACK, PUBREC, PUBREL and PUBCOMP (sections 3.4 to 3.7). */
export const puback = (id: number) => packet(0x40, uint16(id));
export const pubrec = (id: number) => packet(0x50, uint16(id));
export const pubrel = (id: number) => packet(0x62, uint16(id));
export const pubcomp = (id: number) => packet(0x70, uint16(id));

/** SUBSCRIBE (section 3.8): `subscribe(1, ["a", 0], ["b/#", 1])`. */
export const subscribe = (id: number, ...filters: [filter: Text, qos: number][]) =>
	packet(0x82, uint16(id), ...filters.map(([filter, qos]) => joined([field(filter), Uint8Array.of(qos)])));

/** SUBACK (section 3.9): a return code for each filter. */
export const suback = (id: number, ...codes: number[]) => packet(0x90, uint16(id), Uint8Array.from(codes));

/** UNSUBSCRIBE and UNSUBACK (sections 3.10, 3.11). */
export const unsubscribe = (id: number, ...filters: Text[]) => packet(0xa2, uint16(id), ...filters.map(field));
export const unsuback = (id: number) => packet(0xb0, uint16(id));

/** PINGREQ, PINGRESP and DISCONNECT (sections 3.12 to 3.14). */
export const pingreq = () => packet(0xc0);
export const pingresp = () => packet(0xd0);
export const disconnect = () => packet(0xe0);

/** How a packet looks when it is sent again: PUBLISH says DUP; at level 3 PUBREL, SUBSCRIBE and UNSUBSCRIBE do too. */
export function again(level: Level, packet: Uint8Array): Uint8Array {
	const type = packet[0] >> 4;
	const copy = packet.slice();
	if (type === 3 || (level === 3 && (type === 6 || type === 8 || type === 10))) copy[0] |= 8;
	return copy;
}

// In words

const NAMES = [
	...["TYPE 0", "CONNECT", "CONNACK", "PUBLISH", "PUBACK", "PUBREC", "PUBREL", "PUBCOMP"],
	...["SUBSCRIBE", "SUBACK", "UNSUBSCRIBE", "UNSUBACK", "PINGREQ", "PINGRESP", "DISCONNECT", "TYPE 15"],
];

/** What these bytes say, for a message about a failure: never throws, whatever they are. */
export function inWords(bytes: Uint8Array): string {
	const packets: string[] = [];
	for (let at = 0; at < bytes.length; ) {
		let start = at + 1;
		let length = 0;
		for (let i = 0; i < 4; i++) {
			const byte = bytes[start++] || 0;
			length += (byte & 127) * 128 ** i;
			if (byte < 128) break;
		}
		const end = start + length;
		packets.push(words(bytes[at], bytes.subarray(start, end)) + (end > bytes.length ? " (cut off)" : ""));
		at = end;
	}
	return packets.join(", ") || "nothing";
}

function words(first: number, body: Uint8Array): string {
	const type = first >> 4;
	const id = (at: number) => (body[at] << 8) | body[at + 1];
	const text = (at: number) => textOf(body.subarray(at + 2, at + 2 + id(at)));
	const said = [NAMES[type]];
	if (type === 1) said.push(`level ${body[2 + id(0)]} flags ${show(body.subarray(3 + id(0), 4 + id(0)))}`);
	else if (type === 2) said.push(`code ${body[1]}${body[0] ? ` flags ${body[0]}` : ""}`);
	else if (type === 3) {
		const qos = (first >> 1) & 3;
		const payload = body.subarray(2 + id(0) + (qos > 0 ? 2 : 0));
		said.push(text(0), `'${payload.length > 80 ? `${payload.length} bytes` : textOf(payload)}'`);
		if (qos > 0) said.push(`QoS ${qos} id ${id(2 + id(0))}`);
		if (first & 1) said.push("RETAIN");
		if (first & 8) said.push("DUP");
	} else if (body.length >= 2) said.push(`id ${id(0)}`);
	if (type === 8 || type === 10) {
		const filters: string[] = [];
		for (let at = 2; at < body.length; ) {
			const filter = text(at);
			at += 2 + id(at);
			filters.push(type === 8 ? `${filter} QoS ${body[at++]}` : filter);
		}
		said.push(`for ${filters.join(" and ")}`);
	}
	if (type === 9) said[1] += `: ${Array.from(body.subarray(2)).join(", ")}`;
	if (type !== 3 && (first & 15) !== (type === 6 || type === 8 || type === 10 ? 2 : 0))
		said.push(`flags ${first & 15}`);
	return said.join(" ");
}
