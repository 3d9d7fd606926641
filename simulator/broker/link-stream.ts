/** An opening of a Link, as the stream that a broker's engine takes. Called by the endpoint that owns the link (serial.ts). */
import { Duplex } from "node:stream";
import type { Link } from "../../src/host.js";

/** Bytes that may wait for an engine that does not read: more end the stream. */
const MOST_UNREAD = 1_048_576;

export class LinkStream extends Duplex {
	readonly #link: Link;
	/** What the engine wrote and the link has not taken. */
	#rest: Uint8Array = new Uint8Array(0);
	#done: (() => void) | undefined;

	/** Over a link that was attached with neither outbox nor inbox, and is open. */
	constructor(link: Link) {
		super();
		this.#link = link;
	}

	/** The link has room. */
	proceed(): void {
		const { outgoing } = this.#link;
		while (this.#rest.length > 0 && this.#link.room > 0) {
			const count = Math.min(this.#rest.length, this.#link.room);
			outgoing.set(this.#rest.subarray(0, count));
			this.#rest = this.#rest.subarray(count);
			this.#link.send(count);
		}
		if (this.#rest.length > 0) return;
		const done = this.#done;
		this.#done = undefined;
		done?.();
	}

	/** So many bytes have come. */
	received(length: number): void {
		// The link has no way to hold the other end back once it has handed its bytes over.
		if (!this.push(Buffer.from(this.#link.incoming.slice(0, length))) && this.readableLength > MOST_UNREAD) {
			this.destroy(new Error("the broker does not read what it is sent"));
		}
	}

	override _read(): void {}

	override _write(bytes: Uint8Array, _encoding: string, done: () => void): void {
		this.#rest = bytes;
		this.#done = done;
		this.proceed();
	}

	/** The engine has said its last; nobody hears what may still come. */
	override _final(done: () => void): void {
		done();
		process.nextTick(() => this.destroy());
	}
}
