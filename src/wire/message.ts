/** A PUBLISH as the decoder hands it over: where its parts stand in the receive memory (section 3.3). */

/**
 * A received message, or a part of one that is larger than the inbox. It is the same object every time and
 * its bytes are in place: both are valid only until the handler returns.
 *
 * The offsets cost nothing to read. `topic` and `payload` make a view over the same bytes, which costs a
 * little memory each time (64 bytes on a 32-bit XS).
 */
export class Message {
	/** The memory that the offsets point into. */
	readonly bytes: Uint8Array;
	/** The topic name, UTF-8: `bytes[topicStart]` up to, but not including, `bytes[topicEnd]`. */
	topicStart = 0;
	topicEnd = 0;
	/** The payload, or this part of it. */
	payloadStart = 0;
	payloadEnd = 0;
	/** How many bytes of the payload came in earlier parts; 0 for a message that came whole. */
	offset = 0;
	/** How many bytes of the payload are still to come in further parts; 0 for the last or only one. */
	remaining = 0;
	/** The first byte of the packet: DUP, QoS and RETAIN. */
	header = 0;
	/** Packet identifier; without a meaning at QoS 0. */
	identifier = 0;

	constructor(bytes: Uint8Array) {
		this.bytes = bytes;
	}

	get topic(): Uint8Array {
		return this.bytes.subarray(this.topicStart, this.topicEnd);
	}

	get payload(): Uint8Array {
		return this.bytes.subarray(this.payloadStart, this.payloadEnd);
	}

	get qos(): number {
		return (this.header >> 1) & 3;
	}

	/** The broker had kept this message: it is not news. */
	get retain(): boolean {
		return (this.header & 1) !== 0;
	}

	/** The broker may have sent this message before. */
	get duplicate(): boolean {
		return (this.header & 8) !== 0;
	}
}
