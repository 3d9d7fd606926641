/** What a topic does with a full outbox, and with messages that grow old. A topic has Rules only if its options ask for some. */
import { fail, number, whole } from "../check.js";
import type { Link } from "../host.js";
import { LONGEST_PAYLOAD, Offset, RECORD_HEADER, RecordState, readWord } from "../memory/outbox.js";
import { DECIMAL_SIZE, writeDecimal } from "../wire/decimal.js";
import { Kind } from "./journal.js";
import { Count, type Session } from "./session.js";
import type { Topic, TopicOptions } from "./topic.js";

/** What `publish` does where the outbox has no room. */
export type WhenFull = "reject" | "drop-oldest" | "latest";

const enum Drops {
	NOTHING,
	OLDEST,
	ALL,
}

/** The longest time that is measured, in seconds: less than 2^31 milliseconds. */
const LONGEST = 2_147_483;

/**
 * The age of a message, behind its payload: written each time that its PUBLISH goes out, so that whoever gets it knows
 * when it was published, without a clock on the board. For the topics of one client.
 *
 *     client.topic("greenhouse/7/air", { qos: 1, age: new Age(',"age":', "}") })     // {"t":21.5  becomes  {"t":21.5,"age":84}
 */
export class Age {
	/** @internal The text behind the payload of the message in hand, and its length. */
	bytes!: Uint8Array;
	length = 0;
	private readonly before: string;
	private readonly after: string;
	private readonly decimals: number;
	private head!: Uint8Array;
	private tail!: Uint8Array;

	/** `before` and `after` are put around the age, which is in seconds, rounded down to `decimals`, 0 to 3. */
	constructor(before = ",", after = "", decimals = 0) {
		if (typeof before !== "string" || typeof after !== "string") fail("Age is put between two texts");
		this.before = before;
		this.after = after;
		this.decimals = whole(decimals, 0, 0, 3, "decimals of Age");
	}

	/** @internal Before it is used for the first time. */
	attach(link: Link): void {
		if (this.bytes) return;
		this.head = link.encode(this.before);
		this.tail = link.encode(this.after);
		this.bytes = new Uint8Array(this.head.length + DECIMAL_SIZE + this.tail.length);
		this.bytes.set(this.head, 0);
	}

	/** @internal Writes the text for this age, in milliseconds. */
	write(age: number): void {
		const { head, tail, bytes, decimals } = this;
		const scale = 10 ** decimals;
		const end = writeDecimal(bytes, head.length, Math.floor((age * scale) / 1000) / scale, decimals);
		bytes.set(tail, end);
		this.length = end + tail.length;
	}
}

export class Rules {
	readonly drops: Drops;
	/** Milliseconds; 0 for none. */
	readonly expiry: number;
	private readonly age: Age | undefined;
	/** Bytes that records have behind their payload: the time of publishing. */
	readonly trail: number;

	/** Throws an Error that says what is wrong with the options. */
	constructor(link: Link, { whenFull, expiry, age, qos }: TopicOptions) {
		if (whenFull !== undefined && whenFull !== "reject" && whenFull !== "drop-oldest" && whenFull !== "latest") {
			fail(`whenFull must be "reject", "drop-oldest" or "latest", not ${JSON.stringify(whenFull)}`);
		}
		if (age !== undefined && !(age instanceof Age)) fail("age must be a new Age()");
		if (age && qos === 2) fail("age needs QoS 0 or 1: at QoS 2 a message is the same each time that it is sent");
		this.drops = whenFull === "latest" ? Drops.ALL : whenFull === "drop-oldest" ? Drops.OLDEST : Drops.NOTHING;
		this.expiry = 1000 * number(expiry, 0, expiry === undefined ? 0 : 0.001, LONGEST, "expiry (seconds)");
		this.age = age;
		if (age) age.attach(link);
		this.trail = this.expiry > 0 || age ? 4 : 0;
	}

	/**
	 * Puts a message of any topic into the outbox, if need be in the place of others that wait there and may go; false if it has no
	 * room.
	 */
	keep(session: Session, topic: Topic, payload: Uint8Array, length: number): boolean {
		const { outbox } = session;
		const { bytes, tail } = outbox;
		const { trail } = topic;
		const drops = topic.rules ? topic.rules.drops : Drops.NOTHING;
		const need = RECORD_HEADER + length + trail;
		if (need > outbox.size || length + trail > LONGEST_PAYLOAD) return false;
		const first = session.hasRecordInHand() ? outbox.next(outbox.cursor) : outbox.cursor;
		const free = outbox.size - outbox.used;
		let room = free;
		let next: number;
		for (let at = first; at < tail && room < need; at = next) {
			next = outbox.next(at);
			if (bytes[at + Offset.STATE] !== RecordState.WAITING) continue;
			const isOwn = drops !== Drops.NOTHING && bytes[at + Offset.TOPIC] === topic.index;
			if (isOwn || isOver(session, at)) room += next - at;
		}
		if (room < need) return false;
		room = free;
		// First what is too old, whosever it is; then the topic's own.
		for (let round = 0; round < 2; round++) {
			const all = round === 1 && drops === Drops.ALL;
			for (let at = first; at < tail && (room < need || all); at = next) {
				next = outbox.next(at);
				if (bytes[at + Offset.STATE] !== RecordState.WAITING) continue;
				if (round === 0) {
					if (!isOver(session, at)) continue;
					session.words[Count.EXPIRED]++;
				} else {
					if (drops === Drops.NOTHING || bytes[at + Offset.TOPIC] !== topic.index) continue;
					session.words[drops === Drops.ALL ? Count.REPLACED : Count.DROPPED]++;
				}
				room += next - at;
				drop(session, at, topic.qos !== 0 && !topic.stream ? Kind.DROPPED : Kind.RELEASED);
			}
		}
		if (outbox.tail + need > outbox.size) outbox.compact();
		const at = outbox.tail;
		outbox.append(payload, length, topic.index, 0, RecordState.WAITING);
		if (trail !== 0) outbox.stamp(at, session.link.clock.time());
		return true;
	}

	/** The record that the outbox looks at is about to go out: how many bytes go behind its payload; -1 if it has expired. */
	prepare(session: Session): number {
		const { age } = this;
		const { outbox } = session;
		const at = outbox.cursor;
		if (outbox.state === RecordState.WAITING && isOver(session, at)) {
			session.words[Count.EXPIRED]++;
			drop(session, at, Kind.RELEASED);
			return -1;
		}
		if (!age) return 0;
		age.write(ageOf(session, at));
		return age.length;
	}

	/** Puts the text behind the payload into the output, as far as it fits. */
	finish(session: Session): void {
		const { age } = this;
		if (age) session.put(age.bytes, 0, age.length);
	}
}

/** Is the message of this record, which was never sent, too old to be? */
function isOver(session: Session, at: number): boolean {
	const { rules } = session.topics[session.outbox.bytes[at + Offset.TOPIC]];
	return rules !== undefined && rules.expiry !== 0 && ageOf(session, at) >= rules.expiry;
}

/** Milliseconds since the message of this record was published. */
function ageOf({ outbox, link }: Session, at: number): number {
	const age = (link.clock.time() - readWord(outbox.bytes, outbox.next(at) - 4)) | 0;
	return age < 0 ? 0 : age;
}

/** Takes a message out of the outbox and the journal: RELEASED at once, DROPPED with the next one that is kept. */
function drop({ outbox, journal }: Session, at: number, kind: Kind): void {
	const identifier = (outbox.bytes[at + Offset.IDENTIFIER] << 8) | outbox.bytes[at + Offset.IDENTIFIER_LOW];
	outbox.release(at);
	if (journal && identifier !== 0) journal.note(kind, identifier);
}
