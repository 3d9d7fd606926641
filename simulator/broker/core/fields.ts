/** Reads the fields of a packet from its raw bytes (section 1.5). Called by the checks. */
import { demand } from "./violation.js";

export class Fields {
	readonly #bytes: Buffer;
	#position: number;

	/** From `position` on. */
	constructor(bytes: Buffer, position: number) {
		this.#bytes = bytes;
		this.#position = position;
	}

	/** Bytes that have not been read. */
	get left(): number {
		return this.#bytes.length - this.#position;
	}

	/** Where the next field starts. */
	get position(): number {
		return this.#position;
	}

	byte(what: string): number {
		this.#has(1, what);
		return this.#bytes[this.#position++];
	}

	/** Two bytes, the higher one first. */
	number(what: string): number {
		this.#has(2, what);
		this.#position += 2;
		return this.#bytes.readUInt16BE(this.#position - 2);
	}

	/** Two bytes of length, and so many bytes. */
	text(what: string): Buffer {
		const length = this.number(what);
		this.#has(length, what);
		this.#position += length;
		return this.#bytes.subarray(this.#position - length, this.#position);
	}

	/** A packet identifier; 0 is none. */
	identifier(packet: string): number {
		const identifier = this.number(`the packet identifier of ${packet}`);
		demand(identifier !== 0, "MQTT-2.3.1-1", `${packet} has the packet identifier 0`);
		return identifier;
	}

	#has(bytes: number, what: string): void {
		demand(this.left >= bytes, "MQTT-4.8.0-1", `the packet ends within ${what}`);
	}
}
