/** A decoder on a memory of its own, fed as a test likes, and what it tells, a line for each event. */

import { Decoded, Decoder, type PacketReceiver } from "../../src/wire/decode.js";
import type { Message } from "../../src/wire/message.js";
import type { Level } from "../../src/wire/packet.js";
import { show, textOf } from "./hex.js";

export interface Feeding {
	level?: Level;
	/** Bytes of the inbox. */
	inbox?: number;
}

/** What stands in the receive memory where nothing was received: it looks like packets, and must not be read. */
const STALE = [0x00, 0x02, 0x40, 0x30, 0xd0, 0x7f, 0xff];

export class Recorder implements PacketReceiver {
	/** "40 02 12 34" for a packet, `PUBLISH 'a' 68 69` and its flags for a message. */
	readonly events: string[] = [];
	readonly level: Level;
	private readonly memory: Uint8Array;
	private readonly inbox: number;
	private readonly decoder: Decoder;
	private fed = 0;

	constructor({ level = 4, inbox = 64 }: Feeding = {}) {
		this.level = level;
		this.inbox = inbox;
		this.memory = new Uint8Array(inbox + 4096);
		this.decoder = new Decoder(this, this.memory, inbox);
	}

	/** Hands these bytes to the decoder at once, and forgets them as soon as it returns. */
	feed(bytes: Uint8Array): Decoded {
		const { memory, inbox } = this;
		memory.fill(STALE[this.fed++ % STALE.length], inbox);
		memory.set(bytes, inbox);
		const outcome = this.decoder.decode(inbox, inbox + bytes.length);
		memory.fill(0xdd, inbox);
		return outcome;
	}

	reset(): void {
		this.decoder.reset();
	}

	acknowledged(identifier: number): Decoded {
		this.events.push(show(Uint8Array.of(0x40, identifier >> 8, identifier & 255)));
		return Decoded.MORE;
	}

	packet(header: number, at: number, end: number): Decoded {
		this.events.push(show(Uint8Array.of(header, ...this.memory.subarray(at, end))));
		return Decoded.MORE;
	}

	message(message: Message): Decoded {
		const words = ["PUBLISH", `'${textOf(message.topic)}'`, show(message.payload)];
		if (message.qos > 0) words.push(`qos ${message.qos} id ${message.identifier}`);
		if (message.retain) words.push("retain");
		if (message.duplicate) words.push("dup");
		if (message.offset > 0 || message.remaining > 0) words.push(`from ${message.offset}, ${message.remaining} to come`);
		this.events.push(words.join(" "));
		return Decoded.MORE;
	}

	passBy(message: Message): Decoded {
		this.events.push(`SKIPPED qos ${message.qos}${message.qos > 0 ? ` id ${message.identifier}` : ""}`);
		return Decoded.MORE;
	}
}

/** What is wrong with malformed bytes, in words that begin alike. */
const FAULTS: Record<number, string> = {
	[Decoded.MALFORMED_TYPE]: "MALFORMED type",
	[Decoded.MALFORMED_FLAGS]: "MALFORMED flags",
	[Decoded.MALFORMED_LENGTH]: "MALFORMED length",
	[Decoded.MALFORMED_QOS]: "MALFORMED qos",
	[Decoded.MALFORMED_IDENTIFIER]: "MALFORMED identifier",
};

/** The events of these bytes, handed over in these pieces; if they are malformed, "MALFORMED" and why is the last. */
export function events(pieces: readonly Uint8Array[], feeding: Feeding = {}): string[] {
	const recorder = new Recorder(feeding);
	for (const piece of pieces) {
		const outcome = recorder.feed(piece);
		if (outcome === Decoded.MORE) continue;
		recorder.events.push(FAULTS[outcome] ?? `outcome ${outcome}`);
		break;
	}
	return recorder.events;
}

/** The bytes in pieces of this size. */
export function sliced(bytes: Uint8Array, size: number): Uint8Array[] {
	const pieces: Uint8Array[] = [];
	for (let at = 0; at < bytes.length; at += size) pieces.push(bytes.subarray(at, at + size));
	return pieces;
}
