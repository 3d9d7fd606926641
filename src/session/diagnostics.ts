/** What has happened to the link and to the messages, as a message of its own: JSON, in memory that is given once. */
import { writeDecimal } from "../wire/decimal.js";
import { REASONS } from "./reason.js";
import type { Topic } from "./topic.js";

/** A # for each number, in the order of `publish`. */
const TEXT =
	'{"connections":#,"reason":#,"roundTrip":#,"accepted":#,"delivered":#,"mayRepeat":#,"rejected":#,"oversized":#,' +
	'"expired":#,"dropped":#,"replaced":#,"used":#,"peak":#,"endings":{';
const HASH = 35;
const QUOTE = 34;
const COLON = 58;
const COMMA = 44;
const BRACE = 125;

/** More bytes than the numbers of TEXT take, and a reason with its count. */
const NUMBERS = 13 * 17;
const ENDING = 17;

/**
 * Publishes the counters of `status` to a topic: how often the client was connected, why it was not connected last and how often
 * that happened for each Reason, the round trip in milliseconds, what became of its messages, and the outbox in bytes. About 250
 * bytes of JSON; its memory is 850.
 *
 *     {"connections":3,"reason":8, ... ,"peak":812,"endings":{"8":2,"11":1}}
 */
export class Diagnostics {
	private readonly topic: Topic;
	private readonly text: Uint8Array;
	private readonly bytes: Uint8Array;
	/** How far TEXT is written, and where what is written ends. */
	private at = 0;
	private end = 0;

	constructor(topic: Topic) {
		this.topic = topic;
		this.text = topic.session.link.encode(TEXT);
		this.bytes = new Uint8Array(this.text.length + NUMBERS + REASONS * ENDING);
	}

	/** As `Topic.publish`, and does not allocate. */
	publish(): boolean {
		const { bytes, topic } = this;
		const { session } = topic;
		const { outbox, endings } = session;
		this.at = this.end = 0;
		this.put(session.connections);
		this.put(session.reason);
		this.put(session.roundTrip);
		this.put(session.accepted);
		this.put(session.delivered);
		this.put(session.mayRepeat);
		this.put(session.rejected);
		this.put(session.oversized);
		this.put(session.expired);
		this.put(session.dropped);
		this.put(session.replaced);
		this.put(outbox.used);
		this.put(outbox.peak);
		let end = this.copy();
		const first = end;
		for (let reason = 0; reason < REASONS; reason++) {
			if (endings[reason] === 0) continue;
			if (end > first) bytes[end++] = COMMA;
			bytes[end++] = QUOTE;
			end = writeDecimal(bytes, end, reason, 0);
			bytes[end++] = QUOTE;
			bytes[end++] = COLON;
			end = writeDecimal(bytes, end, endings[reason], 0);
		}
		bytes[end++] = BRACE;
		bytes[end++] = BRACE;
		return topic.publish(bytes, end);
	}

	/** TEXT up to the next number, and that. */
	private put(value: number): void {
		this.end = writeDecimal(this.bytes, this.copy(), value, 0);
		this.at++;
	}

	/** TEXT up to the next number, or to its end; returns where what is written ends. */
	private copy(): number {
		const { text, bytes } = this;
		let { at, end } = this;
		while (at < text.length && text[at] !== HASH) bytes[end++] = text[at++];
		this.at = at;
		return end;
	}
}
