/** The outbox against the plainest thing that does the same: an array of records. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Offset, Outbox, RECORD_HEADER, RecordState } from "../../src/memory/outbox.js";
import { show, utf8 } from "../support/hex.js";
import { type Random, seeded } from "../support/random.js";

/** Bytes of the memory behind the outbox, which belong to somebody else. */
const BEHIND = 64;

/** An outbox at the start of a memory whose other bytes are watched. */
function outboxOf(size: number): { outbox: Outbox; checkBounds: () => void } {
	const bytes = new Uint8Array(size + BEHIND).fill(0xee, size);
	const outbox = new Outbox(bytes, size);
	return {
		outbox,
		checkBounds() {
			for (let at = size; at < bytes.length; at++) assert.equal(bytes[at], 0xee, `byte ${at} of ${size} was written`);
		},
	};
}

/** The payload of the record that `look` found. */
function payloadOf(outbox: Outbox): string {
	const at = outbox.cursor + RECORD_HEADER;
	return show(outbox.bytes.subarray(at, at + outbox.length));
}

test("a record is told back as it was put in, and released by its identifier", () => {
	const { outbox } = outboxOf(64);
	assert.equal(outbox.look(), false);
	assert.equal(outbox.append(utf8("hello"), 5, 200, 0, RecordState.WAITING), true);
	assert.equal(outbox.used, RECORD_HEADER + 5);
	assert.equal(outbox.look(), true);
	assert.deepEqual([outbox.handle, outbox.length, outbox.state], [200, 5, RecordState.WAITING]);
	assert.equal(payloadOf(outbox), show(utf8("hello")));
	outbox.identify(0xfffe);
	outbox.sent(RecordState.SENT_QOS_1);
	assert.equal(outbox.inFlight, 1);
	assert.equal(outbox.look(), false);
	assert.equal(outbox.acknowledge(0xfffd, RecordState.SENT_QOS_1), false);
	for (const other of [RecordState.WAITING, RecordState.SENT_QOS_2, RecordState.RECEIVED, RecordState.RELEASED]) {
		assert.equal(outbox.acknowledge(0xfffe, other), false, `it is not in state ${other}`);
	}
	assert.equal(outbox.acknowledge(0xfffe, RecordState.SENT_QOS_1), true);
	assert.equal(outbox.acknowledge(0xfffe, RecordState.SENT_QOS_1), false);
	assert.equal(outbox.used, 0);
	assert.equal(outbox.inFlight, 0);
});

test("only the first bytes of a payload are taken, as many as is said", () => {
	const { outbox } = outboxOf(64);
	outbox.append(utf8("hello"), 2, 0, 0, RecordState.WAITING);
	outbox.append(utf8("world"), 0, 1, 0, RecordState.WAITING);
	outbox.append(utf8("!"), 1, 2, 0, RecordState.WAITING);
	const seen: string[] = [];
	while (outbox.look()) {
		seen.push(payloadOf(outbox));
		outbox.sent(RecordState.RELEASED);
	}
	assert.deepEqual(seen, [show(utf8("he")), "", show(utf8("!"))]);
	assert.equal(outbox.used, 0);
});

test("the largest payload fits, and one byte more does not", () => {
	for (const size of [64, 100, 1024]) {
		const { outbox, checkBounds } = outboxOf(size);
		const capacity = size - RECORD_HEADER;
		assert.equal(outbox.append(new Uint8Array(capacity + 1), capacity + 1, 0, 0, RecordState.WAITING), false);
		assert.equal(outbox.append(new Uint8Array(capacity).fill(1), capacity, 0, 0, RecordState.WAITING), true);
		assert.equal(outbox.append(new Uint8Array(0), 0, 0, 0, RecordState.WAITING), false);
		checkBounds();
	}
});

test("a payload has at most 65,535 bytes, however large the outbox", () => {
	const { outbox } = outboxOf(200_000);
	assert.equal(outbox.append(new Uint8Array(65_536), 65_536, 0, 0, RecordState.WAITING), false);
	assert.equal(outbox.append(new Uint8Array(65_535).fill(7), 65_535, 0, 0, RecordState.WAITING), true);
	assert.equal(outbox.look(), true);
	assert.equal(outbox.length, 65_535);
});

test("a long array of which little is taken writes nothing behind the outbox", () => {
	const { outbox, checkBounds } = outboxOf(64);
	while (outbox.append(new Uint8Array(200).fill(9), 3, 0, 0, RecordState.WAITING)) checkBounds();
	assert.equal(outbox.used > 50, true);
	checkBounds();
});

/** Few enough that they are soon used again, more than there can be records. */
const IDENTIFIERS = 100;

interface Expected {
	payload: Uint8Array;
	topic: number;
	qos: 0 | 1 | 2;
	/** 0 as long as it has none. */
	identifier: number;
	/** WAITING as long as it never went out. */
	state: RecordState;
}

/** An outbox, and an array of what it should hold; every operation is done to both. */
class Comparison {
	appended = 0;
	private readonly outbox: Outbox;
	private readonly checkBounds: () => void;
	/** Oldest first; those in front of `next` went out on this connection. */
	private readonly records: Expected[] = [];
	private next = 0;
	private identifier: number;

	constructor(
		private readonly random: Random,
		private readonly longest: number,
		size: number,
	) {
		({ outbox: this.outbox, checkBounds: this.checkBounds } = outboxOf(size));
		this.identifier = random.below(IDENTIFIERS);
	}

	private get used(): number {
		return this.records.reduce((sum, { payload }) => sum + RECORD_HEADER + payload.length, 0);
	}

	private nextIdentifier(): number {
		do this.identifier = (this.identifier % IDENTIFIERS) + 1;
		while (
			this.records.some((record) => record.state !== RecordState.WAITING && record.identifier === this.identifier)
		);
		return this.identifier;
	}

	/** Publishes; where nothing waits, now and then straight to the link. */
	append(): void {
		const { random, outbox, records } = this;
		const length = random.below(this.longest + 1);
		const bytes = random.bytes(length + random.below(8));
		const topic = random.below(256);
		const direct = this.next === records.length && random.chance(0.5);
		if (direct) assert.equal(outbox.look(), false);
		const qos = direct ? random.pick([1, 2] as const) : random.pick([0, 1, 1, 2, 2] as const);
		const identifier = direct ? this.nextIdentifier() : 0;
		const state = direct ? (qos as number) : RecordState.WAITING;
		const fits = this.used + RECORD_HEADER + length <= outbox.size;
		assert.equal(
			outbox.append(bytes, length, topic, identifier, state),
			fits,
			`${length} more than ${this.used} bytes`,
		);
		if (!fits) return;
		records.push({ payload: bytes.subarray(0, length), topic, qos, identifier, state });
		if (direct) this.next++;
		this.appended++;
	}

	/** Looks at what is to go out next, if there is something. */
	look(): Expected | undefined {
		const { outbox } = this;
		const record = this.records[this.next];
		assert.equal(outbox.look(), record !== undefined);
		if (!record) return undefined;
		assert.equal(payloadOf(outbox), show(record.payload));
		assert.equal(outbox.handle, record.topic);
		assert.equal(outbox.state, record.state);
		if (record.state !== RecordState.WAITING) assert.equal(outbox.identifier, record.identifier);
		return record;
	}

	/** Sends what is next. That may take a while: meanwhile more is published, and others are acknowledged. */
	send(meanwhile = this.random.below(3)): void {
		const { outbox } = this;
		const record = this.look();
		if (!record) return;
		const isNew = record.qos > 0 && record.state === RecordState.WAITING;
		if (isNew) outbox.identify(this.nextIdentifier());
		const identifier = this.identifier;
		for (let i = 0; i < meanwhile; i++) {
			if (this.random.chance(0.5)) this.append();
			else this.acknowledge();
		}
		assert.equal(payloadOf(outbox), show(record.payload));
		if (record.qos === 0) {
			outbox.sent(RecordState.RELEASED);
			this.records.splice(this.next, 1);
			return;
		}
		// What the broker has received stays so: PUBREL goes out again, and not PUBLISH.
		if (record.state !== RecordState.RECEIVED) record.state = record.qos as number;
		outbox.sent(record.state);
		if (isNew) record.identifier = identifier;
		this.next++;
	}

	/** The broker acknowledges the oldest, or any other that is in flight, or a step of it; or one that is not. */
	acknowledge(oldest = this.random.chance(0.5)): void {
		const { random, outbox, records } = this;
		const later = records[this.next + random.below(3)];
		if (later && later.state !== RecordState.WAITING) {
			assert.equal(outbox.acknowledge(later.identifier, later.state), false, "it has not been sent again yet");
		}
		const stray = random.below(IDENTIFIERS + 2);
		if (!records.some((record) => record.identifier === stray)) {
			for (const state of [RecordState.SENT_QOS_1, RecordState.RECEIVED]) {
				assert.equal(outbox.acknowledge(stray, state), false);
			}
		}
		if (this.next === 0) return;
		const at = oldest ? 0 : random.below(this.next);
		const record = records[at];
		const { identifier, state } = record;
		for (const other of [RecordState.SENT_QOS_1, RecordState.RECEIVED]) {
			if (other !== state) assert.equal(outbox.acknowledge(identifier, other), false, `it is in state ${state}`);
		}
		if (state === RecordState.SENT_QOS_2) {
			// PUBREC: ExactlyOnce notes it in the record.
			const where = outbox.find(identifier, outbox.cursor);
			assert.equal(outbox.bytes[where + Offset.STATE], RecordState.SENT_QOS_2);
			outbox.bytes[where + Offset.STATE] = record.state = RecordState.RECEIVED;
			return;
		}
		records.splice(at, 1);
		this.next--;
		assert.equal(outbox.acknowledge(identifier, state), true);
	}

	/** A new connection. */
	rewind(): void {
		this.outbox.rewind();
		this.next = 0;
	}

	check(): void {
		const { outbox, records, next } = this;
		assert.equal(outbox.used, this.used);
		assert.equal(outbox.inFlight, next);
		for (const { state, identifier } of records) {
			if (state === RecordState.WAITING) continue;
			assert.notEqual(outbox.find(identifier, outbox.tail), -1, `identifier ${identifier} is in use`);
		}
		this.checkBounds();
	}

	/** In the end everything goes out, in order, and is acknowledged. */
	drain(): void {
		this.rewind();
		while (this.look()) this.send(0);
		while (this.next > 0) this.acknowledge(true);
		this.check();
		assert.equal(this.outbox.used, 0);
	}
}

test("random operations leave the outbox and an array of records with the same contents, order and free space", (t) => {
	const random = seeded((message) => t.diagnostic(message));
	let appended = 0;
	for (let run = 0; run < 200; run++) {
		const size = 64 + 4 * random.below(100);
		const comparison = new Comparison(random, random.pick([4, 20, size]), size);
		for (let i = 0; i < 500; i++) {
			const dice = random.next();
			if (dice < 0.03) comparison.rewind();
			else if (dice < 0.4) comparison.append();
			else if (dice < 0.7) comparison.send();
			else comparison.acknowledge();
			comparison.check();
		}
		comparison.drain();
		appended += comparison.appended;
	}
	assert.ok(appended > 5_000, `only ${appended} were appended`);
});
