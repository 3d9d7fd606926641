/** What the links of Moddable share: memory from which and into which the device's own classes write and read whole views. */
import type { Clock, Link, LinkOwner } from "../../src/host.js";
import { clock, type OwnedTimer, pausedTimer, type TimerOwner } from "./clock.js";

/**
 * `read` and `write` of ECMA-419 take whole views, so both memories are resizable buffers whose last part is one view that follows
 * the buffer's length: the buffer shrinks to the bytes in hand, and grows back.
 */
export abstract class DeviceLink implements Link, TimerOwner {
	room = 0;
	outgoing!: Uint8Array;
	incoming!: Uint8Array;
	protected owner!: LinkOwner;
	/** Tells the owner, a moment later, of what happened within one of its calls. */
	protected readonly later: OwnedTimer;
	/** The output and what was received last, each as long as its buffer has it. */
	protected outgoingTail!: Uint8Array;
	protected incomingTail!: Uint8Array;
	/** For a part of what is in the output, which shrinking would lose the rest of; made once it is needed. */
	private part: Uint8Array | undefined;
	/** Bytes that are read at a time. */
	protected readonly receive: number;

	constructor(receive: number) {
		this.receive = receive;
		this.later = pausedTimer(this);
	}

	get clock(): Clock {
		return clock;
	}

	attach(owner: LinkOwner, outbox: number, output: number, inbox: number): void {
		this.owner = owner;
		const outgoing = resizable(outbox + output);
		const incoming = resizable(inbox + this.receive);
		this.outgoing = new Uint8Array(outgoing);
		this.incoming = new Uint8Array(incoming);
		this.outgoingTail = new Uint8Array(outgoing, outbox);
		this.incomingTail = new Uint8Array(incoming, inbox);
	}

	/** A view of the first `length` bytes of the output, to be written at once; `grow` the tail behind it. */
	protected head(length: number): Uint8Array {
		const { outgoingTail } = this;
		// Where less is sent than there is room for, it is all that there is.
		if (length < this.room || length === outgoingTail.length) {
			shrink(outgoingTail, length);
			return outgoingTail;
		}
		if (this.part === undefined) this.part = new Uint8Array(resizable(outgoingTail.length));
		const { part } = this;
		grow(part);
		part.set(outgoingTail);
		shrink(part, length);
		return part;
	}

	encode(text: string): Uint8Array {
		return new Uint8Array(ArrayBuffer.fromString(text));
	}

	abstract open(): void;
	abstract send(length: number): void;
	abstract close(): void;
	/** @internal */
	abstract onTimer(): void;
}

/** Makes a view that follows its buffer so long. */
export function shrink(tail: Uint8Array, length: number): void {
	(tail.buffer as ArrayBuffer).resize(tail.byteOffset + length);
}

/** Makes it as long as it may be. */
export function grow(tail: Uint8Array): void {
	const buffer = tail.buffer as ArrayBuffer;
	buffer.resize(buffer.maxByteLength);
}

function resizable(bytes: number): ArrayBuffer {
	return new ArrayBuffer(bytes, { maxByteLength: bytes });
}
