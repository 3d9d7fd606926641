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
		from: "outbox.bytes[at + Offset.STATE] = RecordState.RECEIVED;\n\t\t\t\treturn",
		to: "outbox.acknowledge(identifier, state); session.delivered++;\n\t\t\t\treturn",
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
		from: "let handled = false;",
		to: "let handled = false; if (qos === 2 && message.remaining === 0) this.reply(Packet.PUBACK, message.identifier);",
	},
	{
		name: "acknowledges although a handler threw",
		file: "session/session.ts",
		from: "this.threw = true;",
		to: "",
	},
	{
		name: "forgets what was sent when the session is gone",
		file: "session/session.ts",
		from: "this.outbox.rewind();",
		to: "if (this.kept) this.outbox.rewind(); else this.outbox.inFlight = 0;",
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
		from: "RecordState.RECEIVED && !kept",
		to: "RecordState.RECEIVED && false",
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
		to: "this.pinged = false;",
	},
	{
		name: "starts the jitter over with each CONNACK",
		file: "session/session.ts",
		from: "this.connections++;",
		to: "this.connections++; this.wait = this.options.retryBase;",
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
		from: "missing = this.quiet ? Reason.WRITE_TIMEOUT : Reason.NONE;",
		to: "missing = Reason.NONE;",
	},
	{
		name: "does not wait longer after a refusal",
		file: "session/session.ts",
		from: "if (refused) {",
		to: "if (false) {",
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
];
