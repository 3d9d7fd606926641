/**
 * The journal: a session's memory over a Store, so that a reset or a power cut at any moment loses nothing that
 * `publish` said true for. It is handed in by the application; the session and ExactlyOnce are its only callers.
 *
 * Each half of the store is a bank, and they are used in turn. A bank begins with a snapshot of all that lives; what
 * changes is appended to it, each byte written once. When it is full the other one is erased and begun. Its header is written
 * last: from then on it counts, and not the one before. So an erase is shared by the many messages that a bank takes.
 *
 * A record, of the outbox or of the kinds below, ends with zeros up to a multiple of four bytes, and a check:
 *
 *     length of the payload 2 · kind 1 · topic 1 · packet identifier 2 · payload · zeros · check 2
 *
 * The check is seeded with the number of the bank. Its last byte is never that of an erased one, so that a record that was
 * cut short is told from a whole one for certain.
 */
import { fail, number } from "../check.js";
import type { Store } from "../host.js";
import { Offset, RECORD_HEADER, RecordState, readWord, writeWord } from "../memory/outbox.js";
import { checksumOf } from "../wire/checksum.js";
import { Limit, type QoS } from "../wire/packet.js";
import { Flag, type Session } from "./session.js";
import { Topic } from "./topic.js";

/** Of records. Those of messages are the RecordStates below RELEASED; one that is WAITING was certainly never sent. */
export const enum Kind {
	/** The message with this identifier is done with, */
	RELEASED = RecordState.RELEASED,
	/** or PUBREC has come for it. */
	RECEIVED = 5,
	/** A topic: its name; in place of an identifier its PUBLISH's first byte, and how many bytes follow each payload. */
	TOPIC = 6,
	/** ExactlyOnce has taken this identifier, */
	TAKEN = 7,
	/** or given it up. */
	GIVEN_UP = 8,
	/** The broker has lost the session. */
	LOST = 9,
	/** All that waited until now may have been sent. */
	SENDING = 10,
	/** A new life: so much (4 bytes) is added to the times at which messages were published; and what time it is (4). */
	LIFE = 11,
	/** In place of an identifier: 1 if the broker takes nothing before its CONNACK. */
	PATIENT = 12,
	/** This identifier was used last. */
	USED = 13,
	/** A bank's header: in place of a topic the version; MAGIC, and the bank's number. */
	BANK = 14,
	/** The message with this identifier gives its place to the next one: it goes once that is whole. */
	DROPPED = 15,
}

/** Where the store has failed, these packet identifiers behind the last one that it knows may have been used, too. */
const LEAP = 64;

const VERSION = 1;
const MAGIC = 0x6d6f7465;
const BANK_HEADER = 16;

/** Bytes of a record around its payload: its header, and the check. */
const FRAME = RECORD_HEADER + 2;

/** The most bytes that are written at a time. */
const CHUNK = 32;

/** The messages in an outbox of this size are fewer than there are packet identifiers. */
const LARGEST_OUTBOX = 262_144;

/** For one client. */
export class Journal {
	/** Messages that the store held when this client was made. */
	restored = 0;
	/** Places in the store where reading ended at something that is no record of ours: cut short, damaged or foreign. */
	damaged = 0;
	/** Calls of the store that threw, but for those of the constructor, and what the last of them threw. `publish` says false then. */
	failures = 0;
	error: unknown;
	/** Topics of restored messages that the application has not asked for. */
	private readonly orphans: Topic[] = [];
	private readonly store: Store;
	private readonly asleep: number;
	private readonly scratch = new Uint8Array(CHUNK);
	/** Payloads of LIFE and BANK. */
	private readonly words = new Uint8Array(8);
	/** A bit for each topic that this bank names, and for each that a snapshot would. */
	private readonly known = new Uint8Array(32);
	private readonly wanted = new Uint8Array(32);
	private session!: Session;
	/** Bytes of a bank; the one in use, 0 or 1; its number, counted from 1; and where in it the next record goes: `size` if nowhere. */
	private size = 0;
	private bank = 0;
	private serial = 0;
	private at = 0;
	/** The last time that the journal tells of, by the clock of its life; -1 if it tells of none. */
	private last = -1;
	/** Messages stand in the journal as never sent. */
	private unsent = false;

	/**
	 * `asleep`: seconds between the last life and this one, where the board knows them: they count for `expiry` and Age.
	 *
	 * Each half of the store, in whole pages, has to hold twice the outbox, 8 bytes for each identifier of ExactlyOnce, and 64. It is
	 * read when the client is made: a larger store is erased less often, and takes longer to read.
	 */
	constructor(store: Store, asleep?: number) {
		this.store = store;
		this.asleep = 1000 * number(asleep, 0, 0, 2_147_483, "asleep (seconds)");
	}

	// What was

	/**
	 * @internal Restores the session; false if there is none. Throws an Error if the store is too small, or holds what this
	 * session has no place for: nothing is lost then.
	 */
	attach(session: Session): boolean {
		const { store } = this;
		const { pages, pageSize } = store;
		const { outbox, exactlyOnce, topics } = session;
		this.session = session;
		if (outbox.size > LARGEST_OUTBOX) fail(`with a journal, outbox is ${LARGEST_OUTBOX} bytes at most`);
		const inbound = exactlyOnce ? exactlyOnce.identifiers.length : 0;
		const least = Math.ceil((2 * outbox.size + FRAME * inbound + 64) / pageSize);
		this.size = (pages >> 1) * pageSize;
		if (!(pages >= 2 * least)) {
			fail(`the store has ${pages} pages of ${pageSize} bytes; for this outbox it needs ${2 * least}`);
		}
		for (let bank = 0; bank < 2; bank++) {
			const serial = this.serialOf(bank);
			if (serial <= this.serial) continue;
			this.serial = serial;
			this.bank = bank;
		}
		this.at = this.size;
		if (this.serial !== 0) this.replay();
		// This bank would let them go with whatever is kept next.
		if (this.settleDropped(false)) this.at = this.size;
		session.identifier = (session.identifier + LEAP) % Limit.IDENTIFIER;
		if (this.serial === 0) return false;
		this.restored = outbox.count();
		outbox.mark();
		outbox.rewind();
		let isTimed = false;
		for (let at = outbox.head; at < outbox.tail; at = outbox.next(at)) {
			const state = outbox.bytes[at + Offset.STATE];
			if (state === RecordState.RELEASED) continue;
			const topic = topics[outbox.bytes[at + Offset.TOPIC]];
			if (topic.qos === 2 && !exactlyOnce) fail("the store holds messages at QoS 2: exactlyOnce is missing");
			if (state === RecordState.WAITING) this.unsent = true;
			if (topic.trail !== 0) isTimed = true;
			mark(this.known, topic);
		}
		for (let i = 0; i < topics.length; i++) {
			if (topics[i] && has(this.known, topics[i])) this.orphans.push(topics[i]);
			else topics[i] = undefined as never;
		}
		if (isTimed) {
			// On a clock of its own, a life begins: since the last time that is known of the one before, the board has slept.
			const { words } = this;
			const now = session.link.clock.time();
			writeWord(words, 0, now - this.asleep - this.last);
			writeWord(words, 4, now);
			this.shift(readWord(words, 0));
			this.write(Kind.LIFE, 0, 0, words, 0, 8);
		}
		return true;
	}

	/** @internal The restored topic that is like this one, if there is one: from now on it is the application's. */
	adopt(name: Uint8Array, header: number, trail: number): Topic | undefined {
		const { orphans } = this;
		for (let i = 0; i < orphans.length; i++) {
			const orphan = orphans[i];
			if (orphan.header !== header || orphan.trail !== trail || orphan.name.length !== name.length) continue;
			let at = 0;
			while (at < name.length && orphan.name[at] === name[at]) at++;
			if (at === name.length) return orphans.splice(i, 1)[0];
		}
		return undefined;
	}

	/** The number of a bank; 0 if it has none. */
	private serialOf(bank: number): number {
		const { scratch, store } = this;
		const base = bank * this.size;
		store.read(base, scratch, 0, BANK_HEADER);
		if (isErased(scratch)) return 0;
		const serial = readWord(scratch, RECORD_HEADER + 4);
		const isHeader = scratch[0] === 0 && scratch[1] === 8 && scratch[Offset.STATE] === Kind.BANK;
		const isOurs = scratch[Offset.TOPIC] === VERSION && readWord(scratch, RECORD_HEADER) === MAGIC;
		if (isHeader && isOurs && this.isWhole(base, BANK_HEADER, serial)) return serial;
		this.damaged++;
		return 0;
	}

	/** Does a record of `size` bytes stand here in the store, in the bank with this number? */
	private isWhole(at: number, size: number, serial: number): boolean {
		const { scratch } = this;
		let check = seed(serial);
		let count = 0;
		for (let done = 0; done < size; done += count) {
			count = size - done < CHUNK ? size - done : CHUNK;
			this.store.read(at + done, scratch, 0, count);
			check = checksumOf(scratch, 0, done + count < size ? count : count - 2, check);
		}
		return scratch[count - 2] === check >> 8 && scratch[count - 1] === (check & 127);
	}

	/** Reads the bank up to the first place where no record stands. */
	private replay(): void {
		const { store, scratch, size, serial } = this;
		const { outbox } = this.session;
		const base = this.bank * size;
		for (let at = 0; at + FRAME <= size; ) {
			store.read(base + at, scratch, 0, FRAME);
			this.at = at;
			if (isErased(scratch)) return;
			const length = (scratch[0] << 8) | scratch[1];
			const kind = scratch[Offset.STATE];
			const end = at + sizeOf(length);
			if (end > size || !this.isWhole(base + at, end - at, serial)) {
				this.damaged++;
				break;
			}
			let bytes: Uint8Array = scratch;
			let start = 0;
			if (kind < Kind.RELEASED) {
				// A message is read to where it belongs; what stands behind it is free.
				this.settleDropped(true);
				if (outbox.tail + RECORD_HEADER + length > outbox.size) outbox.compact();
				if (outbox.tail + RECORD_HEADER + length > outbox.size) {
					fail(`the store holds more messages than fit into an outbox of ${outbox.size} bytes`);
				}
				bytes = outbox.bytes;
				start = outbox.tail;
			} else if (end - at > CHUNK) bytes = new Uint8Array(end - at);
			store.read(base + at, bytes, start, end - at);
			this.apply(bytes, start, length);
			at = end;
		}
		this.at = size;
	}

	/** Messages that were dropped go, or stay: what they were dropped for was not kept. False if there are none. */
	private settleDropped(go: boolean): boolean {
		const { outbox } = this.session;
		const { bytes, tail } = outbox;
		let found = false;
		let next: number;
		for (let at = outbox.head; at < tail; at = next) {
			next = outbox.next(at);
			if (bytes[at + Offset.STATE] !== Kind.DROPPED) continue;
			found = true;
			if (go) outbox.release(at);
			else bytes[at + Offset.STATE] = RecordState.WAITING;
		}
		return found;
	}

	private apply(bytes: Uint8Array, start: number, length: number): void {
		const { session } = this;
		const { outbox, exactlyOnce, topics } = session;
		const index = bytes[start + Offset.TOPIC];
		const identifier = (bytes[start + Offset.IDENTIFIER] << 8) | bytes[start + Offset.IDENTIFIER_LOW];
		const payload = start + RECORD_HEADER;
		const kind = bytes[start + Offset.STATE];
		switch (kind) {
			case Kind.RELEASED:
			case Kind.DROPPED:
			case Kind.RECEIVED: {
				const at = outbox.find(identifier, outbox.tail);
				if (at === -1) break;
				if (kind === Kind.RELEASED) outbox.release(at);
				else outbox.bytes[at + Offset.STATE] = kind === Kind.DROPPED ? kind : RecordState.RECEIVED;
				break;
			}
			case Kind.TOPIC: {
				const header = identifier >> 8;
				const name = new Uint8Array(bytes.subarray(payload, payload + length));
				const topic = new Topic(session, index, name, ((header >> 1) & 3) as QoS, (header & 1) !== 0, identifier & 255);
				while (topics.length < index) topics.push(undefined as never);
				topics[index] = topic;
				break;
			}
			case Kind.TAKEN:
			case Kind.GIVEN_UP:
				if (exactlyOnce) exactlyOnce.restore(identifier, kind === Kind.TAKEN);
				break;
			case Kind.LOST:
				if (exactlyOnce) exactlyOnce.lose(outbox);
				break;
			case Kind.SENDING:
				for (let at = outbox.head; at < outbox.tail; at = outbox.next(at)) {
					if (outbox.bytes[at + Offset.STATE] !== RecordState.WAITING) continue;
					outbox.bytes[at + Offset.STATE] = topics[outbox.bytes[at + Offset.TOPIC]].qos;
				}
				break;
			case Kind.LIFE:
				this.shift(readWord(bytes, payload));
				this.last = readWord(bytes, payload + 4);
				break;
			case Kind.PATIENT:
				if (identifier === 1) session.flags |= Flag.PATIENT;
				else session.flags &= ~Flag.PATIENT;
				break;
			case Kind.USED:
				session.identifier = identifier;
				break;
			case Kind.BANK:
				break;
			default:
				session.identifier = identifier;
				outbox.tail += RECORD_HEADER + length;
				if (topics[index].trail !== 0) this.last = readWord(bytes, outbox.tail - 4);
		}
	}

	/** Adds to the times at which messages were published. */
	private shift(by: number): void {
		const { outbox, topics } = this.session;
		const { bytes } = outbox;
		for (let at = outbox.head; at < outbox.tail; at = outbox.next(at)) {
			const stamp = outbox.next(at) - 4;
			if (bytes[at + Offset.STATE] === RecordState.RELEASED || topics[bytes[at + Offset.TOPIC]].trail === 0) continue;
			writeWord(bytes, stamp, readWord(bytes, stamp) + by);
		}
	}

	// What is. Each change is made in memory first.

	/** @internal Is there room for a message more, and for all that may yet have to be noted? */
	fits(topic: Topic, length: number): boolean {
		const { exactlyOnce } = this.session;
		// An identifier each, and what a snapshot has beside messages and those.
		const reserve = FRAME * (exactlyOnce ? exactlyOnce.free + 4 : 4);
		const need = sizeOf(length) + sizeOf(topic.name.length) + reserve;
		return this.at + need <= this.size || this.snapshot(false) + need <= this.size;
	}

	/** @internal Keeps the message of the record at `at`, and gives it an identifier. If the store throws, the record goes: false. */
	keep(at: number): boolean {
		const { session } = this;
		const { outbox } = session;
		const topic = session.topics[outbox.bytes[at + Offset.TOPIC]];
		const identifier = session.nextIdentifier();
		outbox.bytes[at + Offset.IDENTIFIER] = identifier >> 8;
		outbox.bytes[at + Offset.IDENTIFIER_LOW] = identifier;
		let end = this.at + sizeOf(outbox.next(at) - at - RECORD_HEADER);
		if (!has(this.known, topic)) end += sizeOf(topic.name.length);
		try {
			if (end <= this.size) this.message(at);
			else this.turn();
			return true;
		} catch (error) {
			outbox.release(at);
			this.failed(error);
			return false;
		}
	}

	/** @internal A change that an identifier, or nothing, says all about. */
	note(kind: Kind, identifier: number): void {
		// Where there is no room for DROPPED, `keep` begins the other bank: without the one message, and with the other.
		if (kind === Kind.DROPPED && this.at + FRAME > this.size) this.at = this.size;
		else this.write(kind, 0, identifier, this.words, 0, 0);
	}

	/** @internal From now on messages are sent. */
	sending(): void {
		if (this.unsent) this.note(Kind.SENDING, 0);
		this.unsent = false;
	}

	private write(kind: Kind, topic: number, identifier: number, bytes: Uint8Array, start: number, length: number): void {
		try {
			if (this.at + sizeOf(length) > this.size) this.turn();
			else this.append(kind, topic, identifier, bytes, start, length);
		} catch (error) {
			this.failed(error);
		}
	}

	/** The store has thrown: what follows goes into another bank. */
	private failed(error: unknown): void {
		this.at = this.size;
		this.failures++;
		this.error = error;
	}

	/** Begins the other bank with all that lives, the change in hand included. */
	private turn(): void {
		const { store, words, size, bank, serial } = this;
		const { pageSize } = store;
		const next = 1 - bank;
		// So it is where there is room for more identifiers than there was when the last message was kept.
		if (this.snapshot(false) + 4 * FRAME > size) fail("the store is full");
		try {
			for (let at = 0; at < size; at += pageSize) store.erase((next * size + at) / pageSize);
			this.bank = next;
			this.serial = serial + 1;
			this.at = BANK_HEADER;
			this.known.fill(0);
			this.snapshot(true);
			const end = this.at;
			writeWord(words, 0, MAGIC);
			writeWord(words, 4, this.serial);
			this.at = 0;
			this.append(Kind.BANK, VERSION, 0, words, 0, 8);
			this.at = end;
		} catch (error) {
			this.bank = bank;
			this.serial = serial;
			throw error;
		}
	}

	/** Writes all that lives, or only says how many bytes messages, topics and identifiers take. */
	private snapshot(writes: boolean): number {
		const { outbox, topics, exactlyOnce, flags, identifier, link } = this.session;
		const { words, wanted } = this;
		let size = 0;
		let isTimed = false;
		wanted.fill(0);
		if (writes) {
			this.unsent = false;
			if ((flags & Flag.PATIENT) !== 0) this.append(Kind.PATIENT, 0, 1, words, 0, 0);
		}
		for (let i = 0; exactlyOnce && exactlyOnce.identifiers[i] > 0; i++) {
			size += FRAME;
			if (writes) this.append(Kind.TAKEN, 0, exactlyOnce.identifiers[i], words, 0, 0);
		}
		for (let at = outbox.head; at < outbox.tail; at = outbox.next(at)) {
			const topic = topics[outbox.bytes[at + Offset.TOPIC]];
			if (outbox.bytes[at + Offset.STATE] === RecordState.RELEASED || topic.qos === 0 || topic.stream) continue;
			if (topic.trail !== 0) isTimed = true;
			size += sizeOf(outbox.next(at) - at - RECORD_HEADER);
			if (!has(wanted, topic)) size += sizeOf(topic.name.length);
			mark(wanted, topic);
			if (writes) this.message(at);
		}
		if (writes) this.append(Kind.USED, 0, identifier, words, 0, 0);
		if (isTimed && writes) {
			writeWord(words, 0, 0);
			writeWord(words, 4, link.clock.time());
			this.append(Kind.LIFE, 0, 0, words, 0, 8);
		}
		return size + BANK_HEADER;
	}

	/** Appends a message, behind its topic if the bank does not know that. */
	private message(at: number): void {
		const { session } = this;
		const { bytes } = session.outbox;
		const index = bytes[at + Offset.TOPIC];
		const topic = session.topics[index];
		const identifier = (bytes[at + Offset.IDENTIFIER] << 8) | bytes[at + Offset.IDENTIFIER_LOW];
		let state = bytes[at + Offset.STATE];
		if (!has(this.known, topic)) {
			this.append(Kind.TOPIC, index, (topic.header << 8) | topic.trail, topic.name, 0, topic.name.length);
			mark(this.known, topic);
		}
		if (state === RecordState.WAITING && (session.flags & Flag.SENDING) !== 0) state = topic.qos;
		if (state === RecordState.WAITING) this.unsent = true;
		this.append(state as number, index, identifier, bytes, at + RECORD_HEADER, (bytes[at] << 8) | bytes[at + 1]);
	}

	private append(
		kind: Kind,
		topic: number,
		identifier: number,
		bytes: Uint8Array,
		start: number,
		length: number,
	): void {
		const { scratch, store } = this;
		const end = sizeOf(length) - 2;
		let at = this.bank * this.size + this.at;
		let check = seed(this.serial);
		let filled = 0;
		scratch[0] = length >> 8;
		scratch[1] = length;
		scratch[Offset.STATE] = kind;
		scratch[Offset.TOPIC] = topic;
		scratch[Offset.IDENTIFIER] = identifier >> 8;
		scratch[Offset.IDENTIFIER_LOW] = identifier;
		for (let i = -RECORD_HEADER; i < end - RECORD_HEADER; i++) {
			if (filled === CHUNK) {
				check = checksumOf(scratch, 0, CHUNK, check);
				store.write(at, scratch, 0, CHUNK);
				at += CHUNK;
				filled = 0;
			}
			if (i >= 0) scratch[filled] = i < length ? bytes[start + i] : 0;
			filled++;
		}
		check = checksumOf(scratch, 0, filled, check);
		scratch[filled] = check >> 8;
		scratch[filled + 1] = check & 127;
		store.write(at, scratch, 0, filled + 2);
		this.at += end + 2;
	}
}

/** Is the bit of this topic set? */
function has(topics: Uint8Array, { index }: Topic): boolean {
	return ((topics[index >> 3] >> (index & 7)) & 1) !== 0;
}

function mark(topics: Uint8Array, { index }: Topic): void {
	topics[index >> 3] |= 1 << (index & 7);
}

/** Bytes of a record with this payload. */
function sizeOf(length: number): number {
	return (length + FRAME + 3) & ~3;
}

function seed(serial: number): number {
	return (serial ^ (serial >>> 16)) & 0xffff;
}

/** Does no record begin here? */
function isErased(bytes: Uint8Array): boolean {
	for (let i = 0; i < FRAME; i++) if (bytes[i] !== 255) return false;
	return true;
}
