/** Bytes to packets, both ways: a strict opinion from the specification that shares nothing with src but its reasons. */
import { isUtf8 } from "node:buffer";
import { Reason } from "../../src/client.js";

/** Cuts a stream into packets. */
export class Splitter {
	/** First byte of the packet that is coming; -1 between packets. */
	header = -1;
	/** Bytes behind the fixed header; -1 as long as they are not known. */
	length = -1;
	/** What has come of them. */
	body = new Uint8Array(0);
	filled = 0;
	/** A remaining length had five bytes: nothing more is read. */
	isBroken = false;
	/** Bytes taken. */
	position = 0;
	private sum = 0;
	private weight = 1;

	/** `more` is told whenever there is more of a body, and whether it is whole. */
	constructor(private readonly more: (whole: boolean) => void) {}

	reset(): void {
		this.header = this.length = -1;
		this.isBroken = false;
		this.position = 0;
	}

	take(bytes: Uint8Array): void {
		for (let at = 0; at < bytes.length && !this.isBroken; ) {
			if (this.header === -1) {
				this.position++;
				this.header = bytes[at++];
				this.length = -1;
				this.sum = this.filled = 0;
				this.weight = 1;
				continue;
			}
			if (this.length === -1) {
				const byte = bytes[at++];
				this.position++;
				this.sum += (byte & 127) * this.weight;
				this.weight *= 128;
				if (byte > 127) {
					this.isBroken = this.weight === 128 ** 4;
					continue;
				}
				this.length = this.sum;
				this.body = new Uint8Array(Math.min(this.length, 512));
			}
			const count = Math.min(this.length - this.filled, bytes.length - at);
			const end = this.filled + count;
			this.position += count;
			if (end > this.body.length) {
				const grown = new Uint8Array(2 * end);
				grown.set(this.body);
				this.body = grown;
			}
			for (let i = 0; i < count; i++) this.body[this.filled++] = bytes[at++];
			const whole = end === this.length;
			this.more(whole);
			if (whole) this.header = this.length = -1;
		}
	}
}

/** A packet from the broker; of a message that is larger than the inbox, a part. */
export interface Arrival {
	header: number;
	/** Of a PUBLISH only the payload, or this part of it. */
	body: Uint8Array;
	/** The connection must end for one of these reasons, if there are any, */
	faults: Reason[];
	/** and may end for one of these. */
	tolerated: Reason[];
	identifier: number;
	/** Of a PUBLISH: its topic name, a character a byte; where this part begins; how many bytes follow it. */
	topic: string;
	offset: number;
	remaining: number;
	/** Its topic name does not fit the inbox. */
	isPassedBy: boolean;
}

/** The broker's bytes: what the client has to make of them. */
export class Incoming {
	/** Not looked at yet. */
	arrivals: Arrival[] = [];
	level: 3 | 4 = 4;
	private readonly splitter = new Splitter((whole) => this.more(whole));
	/** Bytes of the payload in earlier parts. */
	private offset = 0;

	/** `limit`: the largest body that is handed over whole. */
	constructor(private readonly limit: number) {}

	reset(level: 3 | 4): void {
		this.level = level;
		this.arrivals = [];
		this.offset = 0;
		this.splitter.reset();
	}

	/** Nothing is half here. */
	get isBetween(): boolean {
		return this.splitter.header === -1;
	}

	/** The packet that is half here: its type, -1 if there is none, and how long its body is, -1 if that is not known. */
	get pending(): { type: number; length: number } {
		return { type: this.splitter.header >> 4, length: this.splitter.length };
	}

	take(bytes: Uint8Array): void {
		this.splitter.take(bytes);
		if (this.splitter.isBroken) this.push(0, [Reason.MALFORMED_LENGTH, ...this.early()]);
	}

	/** What is wrong already with the packet that is half here. */
	early(): Reason[] {
		const { header, length, body, filled } = this.splitter;
		return header === -1 ? [] : this.faults(header, length, body, filled);
	}

	private push(header: number, faults: Reason[]): Arrival {
		const arrival: Arrival = {
			header,
			body: EMPTY,
			faults,
			tolerated: [],
			identifier: 0,
			topic: "",
			offset: 0,
			remaining: 0,
			isPassedBy: false,
		};
		this.arrivals.push(arrival);
		return arrival;
	}

	private more(whole: boolean): void {
		const { header, length, body, filled } = this.splitter;
		if (header >> 4 !== 3) {
			if (!whole) return;
			const arrival = this.push(header, this.faults(header, length, body, filled));
			arrival.body = body.slice(0, filled);
			arrival.identifier = (body[0] << 8) | body[1];
			const isAnswer = header >> 4 !== 2 && header >> 4 !== 13;
			if (isAnswer && arrival.identifier === 0) arrival.tolerated.push(Reason.MALFORMED_IDENTIFIER);
			if (length > this.limit) arrival.tolerated.push(Reason.MALFORMED_LENGTH);
			return;
		}
		if (filled < 2 && !whole) return;
		const head = headOf(header, body);
		const large = length > this.limit;
		const size = large ? this.limit - head : length - head;
		const isPassedBy = large && size <= 0;
		if (length < head || isPassedBy) {
			if (!whole) return;
			const arrival = this.push(header, this.faults(header, length, body, filled));
			arrival.identifier = (body[head - 2] << 8) | body[head - 1];
			arrival.isPassedBy = isPassedBy;
			return;
		}
		for (;;) {
			const left = length - head - this.offset;
			const count = Math.min(size, left);
			if (filled < head + this.offset + count || (left === 0 && this.offset > 0)) break;
			const arrival = this.push(header, this.faults(header, length, body, filled));
			arrival.topic = latin1(body, 2, 2 + ((body[0] << 8) | body[1]));
			arrival.identifier = (header & 6) === 0 ? 0 : (body[head - 2] << 8) | body[head - 1];
			arrival.body = body.slice(head + this.offset, head + this.offset + count);
			arrival.offset = this.offset;
			this.offset += count;
			arrival.remaining = left - count;
			if (arrival.remaining === 0) break;
		}
		if (whole) this.offset = 0;
	}

	/** What is wrong with a packet of which `filled` bytes of the body are here; its length is -1 if it is not known. */
	private faults(header: number, length: number, body: Uint8Array, filled: number): Reason[] {
		const type = header >> 4;
		const found: Reason[] = [];
		if (!FROM_BROKER.has(type)) found.push(Reason.MALFORMED_TYPE);
		if (type !== 3) {
			if (this.level === 4 && (header & 15) !== (type === 6 ? 2 : 0)) found.push(Reason.MALFORMED_FLAGS);
			const fits = type === 13 ? length === 0 : type === 9 ? length > 2 : length === 2;
			if (length !== -1 && !fits) found.push(Reason.MALFORMED_LENGTH);
			return found;
		}
		const qos = (header >> 1) & 3;
		if (qos === 3 || (qos === 0 && (header & 8) !== 0)) found.push(Reason.MALFORMED_QOS);
		if (length === -1) return found;
		if (length < 2 || (filled >= 2 && headOf(header, body) > length)) found.push(Reason.MALFORMED_LENGTH);
		else if (filled >= 2) {
			const head = headOf(header, body);
			const name = 2 + ((body[0] << 8) | body[1]);
			if (qos !== 0 && filled >= head && ((body[head - 2] << 8) | body[head - 1]) === 0) {
				found.push(Reason.MALFORMED_IDENTIFIER);
			}
			if (!isName(body.subarray(2, Math.min(name, filled)), filled >= name)) found.push(Reason.MALFORMED_TOPIC);
		}
		return found;
	}
}

const EMPTY = new Uint8Array(0);

/** CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK, UNSUBACK, PINGRESP. */
const FROM_BROKER = new Set([2, 3, 4, 5, 6, 7, 9, 11, 13]);

/** Bytes of a PUBLISH in front of its payload. */
function headOf(header: number, body: Uint8Array): number {
	return 2 + ((body[0] << 8) | body[1]) + ((header & 6) === 0 ? 0 : 2);
}

/** Is this a topic name, or the beginning of one? */
function isName(bytes: Uint8Array, whole: boolean): boolean {
	if (bytes.includes(0) || bytes.includes(35) || bytes.includes(43)) return false;
	if (whole) return bytes.length > 0 && isUtf8(bytes);
	// A character that is not complete may become one.
	let end = bytes.length;
	for (let i = end - 1; i >= 0 && i >= bytes.length - 3 && bytes[i] > 127; i--) if (bytes[i] > 0xbf) end = i;
	return isUtf8(bytes.subarray(0, end));
}

/** The bytes as characters of the same numbers. */
export function latin1(bytes: Uint8Array, from = 0, to = bytes.length): string {
	let text = "";
	for (let i = from; i < to; i++) text += String.fromCharCode(bytes[i]);
	return text;
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
	if (a.length !== b.length) return false;
	for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
	return true;
}

/** Does the topic name match the filter (section 4.7)? Both are legal. */
export function fits(filter: string, topic: string): boolean {
	if (filter === topic) return true;
	if (topic[0] === "$" && (filter[0] === "+" || filter[0] === "#")) return false;
	const [wanted, found] = [filter.split("/"), topic.split("/")];
	for (let i = 0; i < wanted.length; i++) {
		if (wanted[i] === "#") return true;
		if (i >= found.length || (wanted[i] !== "+" && wanted[i] !== found[i])) return false;
	}
	return wanted.length === found.length;
}
