/** Whole packets out of bytes that come in pieces, and the few fields that the simulation looks at. */
import { inWords } from "../conformance/packets.js";

const EMPTY = new Uint8Array(0);

export const enum Type {
	CONNECT = 1,
	CONNACK = 2,
	PUBLISH = 3,
	PUBACK = 4,
	PUBREC = 5,
	PUBREL = 6,
	PUBCOMP = 7,
	SUBSCRIBE = 8,
	SUBACK = 9,
	UNSUBSCRIBE = 10,
	UNSUBACK = 11,
	PINGREQ = 12,
	DISCONNECT = 14,
}

export class Splitter {
	private rest: Uint8Array = EMPTY;

	/**
	 * Calls `take` with each packet that is complete with these bytes, and where what follows its fixed header
	 * begins.
	 */
	feed(bytes: Uint8Array, take: (packet: Uint8Array, body: number) => void): void {
		if (this.rest.length > 0) {
			const all = new Uint8Array(this.rest.length + bytes.length);
			all.set(this.rest);
			all.set(bytes, this.rest.length);
			bytes = all;
		}
		let at = 0;
		for (;;) {
			let length = 0;
			let body = at + 1;
			let isKnown = false;
			for (let weight = 1; body < bytes.length && weight <= 2_097_152 && !isKnown; weight *= 128) {
				length += (bytes[body] & 127) * weight;
				isKnown = bytes[body++] < 128;
			}
			if (!isKnown || body + length > bytes.length) break;
			take(bytes.subarray(at, body + length), body - at);
			at = body + length;
		}
		this.rest = at === bytes.length ? EMPTY : bytes.slice(at);
	}
}

export function uint16(bytes: Uint8Array, at: number): number {
	return (bytes[at] << 8) | bytes[at + 1];
}

export interface Publish {
	topic: string;
	qos: number;
	isRepeated: boolean;
	/** 0 at QoS 0. */
	identifier: number;
	payload: Uint8Array;
}

export function readPublish(packet: Uint8Array, body: number): Publish {
	const end = body + 2 + uint16(packet, body);
	const qos = (packet[0] >> 1) & 3;
	return {
		topic: text(packet, body + 2, end),
		qos,
		isRepeated: (packet[0] & 8) !== 0,
		identifier: qos > 0 ? uint16(packet, end) : 0,
		payload: packet.subarray(qos > 0 ? end + 2 : end),
	};
}

/** A packet whose body, less than 16,384 bytes, begins at `body`, without its last `count` bytes. */
export function withoutEnd(packet: Uint8Array, body: number, count: number): Uint8Array {
	const length = packet.length - body - count;
	const head = length < 128 ? [packet[0], length] : [packet[0], (length & 127) | 128, length >> 7];
	const shorter = new Uint8Array(head.length + length);
	shorter.set(head);
	shorter.set(packet.subarray(body, body + length), head.length);
	return shorter;
}

/** Names here are ASCII. */
export function text(bytes: Uint8Array, at: number, end: number): string {
	let read = "";
	for (; at < end; at++) read += String.fromCharCode(bytes[at]);
	return read;
}

/** For a reader; hostile bytes may be no packets at all. */
export function words(bytes: Uint8Array): string {
	let said: string;
	try {
		said = inWords(bytes);
	} catch {
		said = Buffer.from(bytes).toString("hex");
	}
	said = said.replace(/[^ -~]/g, "?");
	return said.length > 300 ? `${said.slice(0, 300)}...` : said;
}
