/** Cuts the bytes of a connection into packets, wherever they were split (section 2.2). Called by the connection. */
import { demand } from "./violation.js";

/** Looks at what is known of a packet that is still coming in, so that nobody waits for the rest of a wrong one. */
export interface FrameChecks {
	firstByte(first: number): void;
	length(first: number, remaining: number): void;
}

export interface Frame {
	/** The whole packet, in memory of its own. */
	bytes: Buffer;
	/** Where what follows the fixed header starts. */
	start: number;
}

/** Bytes. A larger buffer is given back when it is empty. */
const KEPT = 65_536;

const EMPTY = Buffer.alloc(0);

export class Frames {
	#buffer = EMPTY;
	/** What has come and is not cut yet is from `#start` to `#end`. */
	#start = 0;
	#end = 0;
	#firstChecked = false;
	/** Of the packet that is coming in, once its length is known: the fixed header, and all of it. */
	#header = 0;
	#total = 0;

	/** Grows only as bytes come in, whatever the length that a packet claims. */
	append(bytes: Uint8Array): void {
		const held = this.#end - this.#start;
		const needed = held + bytes.length;
		if (this.#end + bytes.length > this.#buffer.length) {
			const target = needed > this.#buffer.length ? Buffer.allocUnsafeSlow(Math.max(1024, 2 * needed)) : this.#buffer;
			this.#buffer.copy(target, 0, this.#start, this.#end);
			this.#buffer = target;
			this.#start = 0;
			this.#end = held;
		}
		this.#buffer.set(bytes, this.#end);
		this.#end += bytes.length;
	}

	get isEmpty(): boolean {
		return this.#end === this.#start;
	}

	/** True while a part of a packet of this type has come. */
	isWithin(type: number): boolean {
		return !this.isEmpty && this.#buffer[this.#start] >> 4 === type;
	}

	/** The next packet, or undefined if more bytes must come. Throws what the checks throw. */
	next(checks: FrameChecks): Frame | undefined {
		const held = this.#end - this.#start;
		if (held === 0) return undefined;
		const first = this.#buffer[this.#start];
		if (!this.#firstChecked) checks.firstByte(first);
		this.#firstChecked = true;
		if (this.#total === 0 && !this.#readLength(first, checks)) return undefined;
		if (held < this.#total) return undefined;
		const end = this.#start + this.#total;
		const frame = { bytes: Buffer.from(this.#buffer.subarray(this.#start, end)), start: this.#header };
		this.#start = end;
		this.#total = 0;
		this.#firstChecked = false;
		if (this.#start === this.#end) {
			this.#start = 0;
			this.#end = 0;
			if (this.#buffer.length > KEPT) this.#buffer = EMPTY;
		}
		return frame;
	}

	#readLength(first: number, checks: FrameChecks): boolean {
		let length = 0;
		for (let index = 1; this.#start + index < this.#end; index++) {
			const byte = this.#buffer[this.#start + index];
			length += (byte & 0x7f) * 128 ** (index - 1);
			if (byte < 0x80) {
				checks.length(first, length);
				this.#header = 1 + index;
				this.#total = this.#header + length;
				return true;
			}
			demand(index < 4, "MQTT-4.8.0-1", "the remaining length takes more than four bytes");
		}
		return false;
	}
}
