/** Mistakes that a client could make, as changes to the text of src: the simulation has to find each of them. */
import { fileURLToPath } from "node:url";
import { built, type Library } from "./library.js";

export interface Mutant {
	name: string;
	/** In src; and what stands there once, with what it becomes. */
	file: string;
	from: string;
	to: string;
}

const ENTRY = fileURLToPath(new URL("../../src/client.ts", import.meta.url));

export function mutated({ name, file, from, to }: Mutant): Promise<Library> {
	let found = 0;
	return built(ENTRY, (path, text) => {
		if (!path.endsWith(`/src/${file}`)) return text;
		found = text.split(from).length - 1;
		if (found !== 1)
			throw new Error(`the mutant "${name}" does not fit: its text stands ${found} times in src/${file}`);
		return text.replace(from, () => to);
	});
}

/** The order of the records turned round. */
const REVERSE = `
		const records: Uint8Array[] = [];
		for (let at = this.head, next; at < this.tail; at = next) {
			next = at + RECORD_HEADER + ((this.bytes[at] << 8) | this.bytes[at + 1]);
			records.unshift(this.bytes.slice(at, next));
		}
		let to = this.head;
		for (const record of records) {
			this.bytes.set(record, to);
			to += record.length;
		}
		this.cursor = this.head;`;

export const MUTANTS: readonly Mutant[] = [
	{
		name: "sends again without DUP",
		file: "session/session.ts",
		from: "again ? topic.header | PublishFlag.DUP : topic.header;",
		to: "topic.header;",
	},
	{
		name: "sends again on a live link",
		file: "session/session.ts",
		from: "private checkAlive(): void {",
		to: "private checkAlive(): void { if (this.progress === 0) { this.outbox.rewind(); this.pump(); }",
	},
	{
		name: "releases on PUBREC",
		file: "session/exactly-once.ts",
		from: "outbox.bytes[at + Offset.STATE] = RecordState.RECEIVED;\n\t\t\t\tif (journal",
		to: "outbox.acknowledge(identifier, state); session.delivered++;\n\t\t\t\tif (journal",
	},
	{
		name: "uses an identifier that is in flight",
		file: "session/session.ts",
		from: "this.identifier < Limit.IDENTIFIER ? this.identifier + 1 : 1;\n\t\twhile (",
		to: "this.identifier < 40 ? this.identifier + 1 : 1;\n\t\twhile (false && ",
	},
	{
		name: "acknowledges before the handler",
		file: "session/session.ts",
		from: "let handled = 0;",
		to: "let handled = 0; if (qos === 2 && message.remaining === 0) this.reply(Packet.PUBACK, message.identifier);",
	},
	{
		name: "acknowledges although a handler threw",
		file: "session/subscription.ts",
		from: "session.flags |= Flag.THREW;",
		to: "",
	},
	{
		name: "forgets what was sent when the session is gone",
		file: "session/session.ts",
		from: "this.outbox.rewind();",
		to: "if (this.asked === 1) this.outbox.rewind(); else this.outbox.inFlight = 0;",
	},
	{
		name: "forgets to subscribe again when the session is gone",
		file: "session/subscription.ts",
		from: "if (!present || request.again) request.told = false;",
		to: "if (request.again) request.told = false;",
	},
	{
		name: "believes in PUBREC of a session that is gone",
		file: "session/exactly-once.ts",
		from: "!kept && this.lose(outbox)",
		to: "false",
	},
	{
		name: "waits for CONNACK without end",
		file: "session/session.ts",
		from: "} else this.disconnect(Reason.CONNACK_TIMEOUT);",
		to: "}",
	},
	{
		name: "waits for the link to open without end",
		file: "session/session.ts",
		from: "this.disconnect(Reason.OPEN_TIMEOUT);",
		to: "",
	},
	{
		name: "waits for PINGRESP without end",
		file: "session/session.ts",
		from: "this.disconnect(Reason.PINGRESP_TIMEOUT);\n\t\t\treturn;",
		to: "this.flags &= ~Flag.PINGED;",
	},
	{
		name: "starts the jitter over with each CONNACK",
		file: "session/session.ts",
		from: "this.connections++;",
		to: "this.connections++; this.wait = this.retryBase;",
	},
	{
		name: "sends the newest first after a reconnect",
		file: "memory/outbox.ts",
		from: "this.cursor = this.head;\n\t\tthis.inFlight = 0;",
		to: `${REVERSE}\n\t\tthis.inFlight = 0;`,
	},
	{
		name: "loses its place when it moves records together",
		file: "memory/outbox.ts",
		from: "if (at === cursor) this.cursor = to;",
		to: "",
	},
	{
		name: "hands a repeat over again",
		file: "session/exactly-once.ts",
		from: "if (this.identifiers.indexOf(identifier) !== -1) {",
		to: "if (false) {",
	},
	{
		name: "has no window",
		file: "session/session.ts",
		from: "if (this.progress === 0 && outbox.inFlight >= this.window) return false;",
		to: "",
	},
	{
		name: "goes on with half a packet of the connection before",
		file: "session/session.ts",
		from: "this.progress = this.replyBytes = 0;",
		to: "this.replyBytes = 0;",
	},
	{
		name: "keeps half a packet that came in on the connection before",
		file: "session/session.ts",
		from: "this.decoder.reset();",
		to: "",
	},
	{
		name: "acknowledges what was held on the connection before",
		file: "session/deferral.ts",
		from: "reset(): void {\n\t\tthis.count = 0;",
		to: "reset(): void {",
	},
	{
		name: "waits for room without end",
		file: "session/session.ts",
		from: "missing = (flags & Flag.QUIET) !== 0 ? Reason.WRITE_TIMEOUT : Reason.NONE;",
		to: "missing = Reason.NONE;",
	},
	{
		name: "does not wait longer after a refusal",
		file: "session/session.ts",
		from: "let refused = reason <= Reason.NOT_AUTHORIZED;",
		to: "let refused = false;",
	},
	{
		name: "does not send PUBREL again",
		file: "session/exactly-once.ts",
		from: "outbox.sent(RecordState.RECEIVED);",
		to: "session.end = end; outbox.sent(RecordState.RECEIVED);",
	},
	{
		name: "acknowledges past a message that is held",
		file: "session/deferral.ts",
		from: "if (!holding && count === 0)",
		to: "if (!holding)",
	},
	{
		name: "takes what stands in the journal without a look at the check",
		file: "session/journal.ts",
		from: "return scratch[count - 2] === check >> 8 && scratch[count - 1] === (check & 127);",
		to: "return check >= 0;",
	},
	{
		name: "begins a bank with its header",
		file: "session/journal.ts",
		from: `			this.snapshot(true);
			const end = this.at;
			writeWord(words, 0, MAGIC);
			writeWord(words, 4, this.serial);
			this.at = 0;
			this.append(Kind.BANK, VERSION, 0, words, 0, 8);
			this.at = end;`,
		to: `			writeWord(words, 0, MAGIC);
			writeWord(words, 4, this.serial);
			this.at = 0;
			this.append(Kind.BANK, VERSION, 0, words, 0, 8);
			this.snapshot(true);`,
	},
	{
		name: "does not note PUBREC",
		file: "session/exactly-once.ts",
		from: "if (journal && state !== RecordState.RECEIVED) journal.note(Kind.RECEIVED, identifier);",
		to: "",
	},
	{
		name: "does not note that a message is done with",
		file: "session/session.ts",
		from: "if (this.journal) this.journal.note(Kind.RELEASED, identifier);",
		to: "",
	},
	{
		name: "does not note what it has handed over at QoS 2",
		file: "session/exactly-once.ts",
		from: "if (journal) journal.note(Kind.TAKEN, identifier);",
		to: "",
	},
	{
		name: "does not note that messages are being sent",
		file: "session/journal.ts",
		from: "if (this.unsent) this.note(Kind.SENDING, 0);",
		to: "",
	},
	{
		name: "takes a message that the store has not",
		file: "session/journal.ts",
		from: "this.failed(error);\n\t\t\treturn false;",
		to: "this.failed(error);\n\t\t\treturn true;",
	},
	{
		name: "begins with identifier 1 after a reset",
		file: "session/journal.ts",
		from: "this.replay();",
		to: "this.replay(); session.identifier = 0;",
	},
	{
		name: "goes on with the times of the clock before a reset",
		file: "session/journal.ts",
		from: "this.shift(readWord(words, 0));",
		to: "",
	},
	{
		name: "does not know that a clock wraps",
		file: "session/rules.ts",
		from: "const age = (link.clock.time() - readWord(outbox.bytes, outbox.next(at) - 4)) | 0;",
		to: "const age = link.clock.time() - readWord(outbox.bytes, outbox.next(at) - 4);",
	},
	{
		name: "takes a clock that was set back for one that wraps",
		file: "session/rules.ts",
		from: "return age < 0 ? 0 : age;",
		to: "return age >>> 0;",
	},
	{
		name: "tells the age of the moment of publishing",
		file: "session/rules.ts",
		from: "age.write(ageOf(session, at));",
		to: "age.write(0);",
	},
	{
		name: "drops messages that were sent",
		file: "session/rules.ts",
		from: "if (bytes[at + Offset.STATE] !== RecordState.WAITING) continue;\n\t\t\t\tif (round === 0) {",
		to: "if (bytes[at + Offset.STATE] === RecordState.RELEASED) continue;\n\t\t\t\tif (round === 0) {",
	},
	{
		name: "drops messages of another topic",
		file: "session/rules.ts",
		from: "if (drops === Drops.NOTHING || bytes[at + Offset.TOPIC] !== topic.index) continue;",
		to: "if (drops === Drops.NOTHING) continue;",
	},
	{
		name: "drops the message in hand",
		file: "session/rules.ts",
		from: "session.hasRecordInHand() ? outbox.next(outbox.cursor) : outbox.cursor;",
		to: "outbox.cursor;",
	},
	{
		name: "sends without limit in front of CONNACK",
		file: "session/flush.ts",
		from: "sent - this.sentBefore >= EARLY || ",
		to: "sent < this.sentBefore || ",
	},
	{
		name: "sends QoS 2 in front of CONNACK",
		file: "session/flush.ts",
		from: " || topics[outbox.handle].qos === 2)",
		to: " || topics.length < 0)",
	},
	{
		name: "pipelines again and again",
		file: "session/flush.ts",
		from: "this.isDoubtful = this.hasBegun;",
		to: "",
	},
	{
		name: "does not learn that a broker does not take what comes early",
		file: "session/flush.ts",
		from: "if (this.isDoubtful) session.setPatient(true);",
		to: "",
	},
	{
		name: "forgets with a reset that a broker does not take what comes early",
		file: "session/session.ts",
		from: "if (this.journal) this.journal.note(Kind.PATIENT, patient ? 1 : 0);",
		to: "",
	},
	{
		name: "flushes beyond its budget",
		file: "session/flush.ts",
		from: "this.alarm.set(left > 0 ? left : 0);",
		to: "this.alarm.set(left > 0 ? left + 500 : 0);",
	},
	{
		name: "counts what was delivered before a flush",
		file: "session/flush.ts",
		from: "session.delivered - this.before,",
		to: "session.delivered,",
	},
	{
		name: "heeds every hint at once",
		file: "session/session.ts",
		from: "if ((flags & Flag.HINTED) === 0) this.pause = 0;",
		to: "if (flags >= 0) this.pause = 0;",
	},
	{
		name: "heeds a hint after a refusal",
		file: "session/session.ts",
		from: "(flags & Flag.HURRIED) !== 0 || this.reason <= Reason.NOT_AUTHORIZED",
		to: "(flags & Flag.HURRIED) !== 0",
	},
];
