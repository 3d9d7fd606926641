/**
 * Publishing a payload of any size, up to 268,435,455 bytes less the topic: it is not copied into the outbox but
 * asked for, piece by piece, as the output has room. The session calls `put`; the outbox has a record that only
 * names the stream, so order, window, identifiers, QoS and resends are those of any message.
 */
import { fail } from "../check.js";
import { RecordState } from "../memory/outbox.js";
import type { Decoded } from "../wire/decode.js";
import { Limit } from "../wire/packet.js";
import { Reason } from "./reason.js";
import { Count, Flag, type Session } from "./session.js";
import type { Streamed, Topic, TopicOptions } from "./topic.js";

/** Where the payload of a stream comes from. */
export interface Source {
	/**
	 * Puts up to `count` bytes of the payload, from `offset` on, into `bytes` from `at` on. Returns how many, 1 to
	 * `count`; or 0 if they are not there yet: then `stream.resume()` asks again. Until they are there nothing else
	 * can be sent, so the link is closed if that takes longer than 0.45 to 0.9 of the keep alive.
	 *
	 * Offsets come in order from 0. After a lost link they begin at 0 again, and the bytes must be the same: at QoS 1 and
	 * 2 until the broker has acknowledged them, at QoS 0 until all of them were sent.
	 *
	 * If it throws, or returns anything else, the message is given up and the link closed (Reason.SOURCE_FAILED).
	 */
	read(bytes: Uint8Array, at: number, offset: number, count: number): number;
	/** The source is not needed any more: true, sent (QoS 0) or acknowledged (QoS 1 and 2); false, given up. */
	done?(delivered: boolean): void;
}

/** What a stream needs of a Client. */
export interface Publisher {
	topic(name: string | Uint8Array, options?: TopicOptions, isStream?: boolean): Topic;
}

/** What the record of a stream holds in place of a payload. */
const NOTHING = new Uint8Array(0);

export class Stream implements Streamed {
	/** @internal Bytes of the payload. */
	length = 0;
	/** The next stream of the same session. */
	private readonly next: Stream | undefined;
	private source: Source | undefined;
	/** Of the PUBLISH that was sent; 0 before. */
	private identifier = 0;
	private readonly topic: Topic;
	private readonly session: Session;

	/** A stream to this topic name, for the life of the client; it is one of the client's 256 topics. */
	constructor(client: Publisher, name: string | Uint8Array, options?: TopicOptions) {
		const topic = client.topic(name, options, true);
		const { session } = topic;
		if (topic.rules) fail("a stream takes no whenFull, expiry or age");
		topic.stream = this;
		this.topic = topic;
		this.session = session;
		this.next = session.streams as Stream | undefined;
		session.streams = this;
	}

	/** The source is still needed: until it is `done`. */
	get busy(): boolean {
		return this.source !== undefined;
	}

	/**
	 * Publishes a payload of `length` bytes from `source`. It takes 6 bytes of the outbox.
	 *
	 * True: as for `Topic.publish`. False: the one before is not done yet, `length` is no whole number or more than a
	 * PUBLISH holds (`status.oversized`), or the outbox has no room (`status.rejected`).
	 */
	publish(length: number, source: Source): boolean {
		const { topic, session } = this;
		if (this.source !== undefined) return false;
		const most = Limit.REMAINING_LENGTH - topic.name.length - (topic.qos === 0 ? 0 : 2);
		if (!(length >= 0 && length <= most && length === Math.floor(length))) {
			session.words[Count.OVERSIZED]++;
			return false;
		}
		this.source = source;
		this.length = length;
		this.identifier = 0;
		if (session.keep(topic, NOTHING, 0)) return true;
		this.source = undefined;
		return false;
	}

	/** The source has bytes again. */
	resume(): void {
		this.session.wake();
	}

	/** @internal Puts as much of the payload into the output as there is room for, from byte `session.skip` on. */
	put(): void {
		const { session, length, source } = this;
		let offset = session.skip;
		let count = 1;
		while (offset < length && session.end < session.bytes.length && count !== 0) {
			const room = session.bytes.length - session.end;
			const most = room < length - offset ? room : length - offset;
			session.flags |= Flag.READING;
			try {
				count = (source as Source).read(session.bytes, session.end, offset, most);
				if (!(count >= 0 && count <= most && count === Math.floor(count))) {
					throw new Error(`mqtt-mote: the source of a stream returned ${count}; 0 to ${most} bytes were asked for`);
				}
			} catch (error) {
				count = -1;
				session.report(error);
			}
			session.flags &= ~Flag.READING;
			if (count < 0) {
				session.outbox.sent(RecordState.RELEASED);
				if ((session.flags & Flag.SENDING) !== 0) session.disconnect(Reason.SOURCE_FAILED);
				this.finish(false);
				return;
			}
			if ((session.flags & Flag.SENDING) === 0) return; // `read` has stopped the client
			offset += count;
			session.end += count;
			session.progress += count;
		}
	}

	/** @internal Its PUBLISH has gone out under this identifier; 0 at QoS 0. */
	sent(identifier: number): void {
		this.identifier = identifier;
		if (identifier === 0) this.finish(true);
	}

	/** @internal A message with this identifier has been acknowledged: is it of this stream, or of one behind it? */
	released(identifier: number): Decoded {
		let stream: Stream | undefined = this;
		while (stream && stream.identifier !== identifier) stream = stream.next;
		if (stream) stream.finish(true);
		return this.session.goesOn();
	}

	private finish(delivered: boolean): void {
		const { source } = this;
		this.source = undefined;
		this.identifier = 0;
		const { session } = this;
		session.flags |= Flag.READING;
		try {
			if (source?.done) source.done(delivered);
		} catch (error) {
			session.report(error);
		}
		session.flags &= ~Flag.READING;
	}
}
