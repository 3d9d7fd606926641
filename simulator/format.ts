/** What the desk tells, as text: messages that were seen, and how a board is doing. No input, no output. */
import type { Gauge } from "./board/engine.js";
import type { SeenMessage } from "./broker/engine.js";

/** How a board is doing, as far as it is known. */
export interface BoardReport {
	name: string;
	/** What its client says of itself; undefined before the first look, and if the firmware has no client. */
	client: ClientReport | undefined;
	/** Undefined where the engine has none. */
	gauge: Gauge | undefined;
	/** Slots that the firmware allocated for each message while a connection was up; undefined without a message. */
	slotsPerMessage: number | undefined;
	/** What is in the way, or empty. */
	problem: string;
}

/** Read off the client's `status`. */
export interface ClientReport {
	state: number;
	reason: number;
	accepted: number;
	delivered: number;
	sent: number;
	received: number;
	connections: number;
	/** `used` of `size` bytes are taken. */
	outbox: { used: number; size: number };
}

/** By the number that `State` has in src/session/session.ts. */
const LINK_WORDS = ["stopped", "waiting", "opening", "connecting", "connected"];

/** The most characters of a payload, or of a topic, that are shown. */
const PAYLOAD_CHARACTERS = 60;
const TOPIC_CHARACTERS = 60;

/** Narrower topics are filled up to this, so that what follows stands in one column. */
const TOPIC_COLUMN = 20;

/** What a terminal could take for an order. */
const NOT_PRINTABLE = /[\p{C}\p{Zl}\p{Zp}]/u;

export function clockTime(time: Date): string {
	const [hours, minutes, seconds] = [time.getHours(), time.getMinutes(), time.getSeconds()].map((part) =>
		String(part).padStart(2, "0"),
	);
	return `${hours}:${minutes}:${seconds}.${String(time.getMilliseconds()).padStart(3, "0")}`;
}

/** `bytes` is the length of the whole payload where only its first part is there. */
export function messageLine(time: Date, message: SeenMessage, bytes = message.payload.length): string {
	const topic = topicText(message.topic).padEnd(TOPIC_COLUMN);
	const kind = `QoS ${message.qos}${message.retain ? " retained" : ""}`.padEnd(14);
	return `${clockTime(time)}  ${topic}  ${kind}  ${payloadText(message.payload, bytes)}`;
}

/** Text as it is if all of it can be printed, else hexadecimal; shortened. */
export function payloadText(payload: Uint8Array, bytes = payload.length): string {
	if (bytes === 0) return "(empty)";
	const text = printable(payload) ?? hexadecimal(payload);
	if (text.length <= PAYLOAD_CHARACTERS && bytes === payload.length) return text;
	return `${text.slice(0, PAYLOAD_CHARACTERS).trimEnd()}... (${bytes} bytes)`;
}

/** The start of a long payload is enough, and a character that is cut in two at its end does no harm. */
function printable(payload: Uint8Array): string | undefined {
	const start = payload.subarray(0, 4 * PAYLOAD_CHARACTERS);
	try {
		const decoder = new TextDecoder("utf-8", { fatal: true });
		const text = decoder.decode(start, { stream: start.length < payload.length });
		return NOT_PRINTABLE.test(text) ? undefined : text;
	} catch {
		return undefined;
	}
}

function hexadecimal(payload: Uint8Array): string {
	return Buffer.from(payload.subarray(0, PAYLOAD_CHARACTERS))
		.toString("hex")
		.replace(/..(?=.)/g, "$& ");
}

function topicText(topic: string): string {
	const text = topic.replace(new RegExp(NOT_PRINTABLE, "gu"), "?");
	return text.length <= TOPIC_CHARACTERS ? text : `${text.slice(0, TOPIC_CHARACTERS)}...`;
}

export function linkWord(report: BoardReport): string {
	return report.client === undefined ? "-" : LINK_WORDS[report.client.state];
}

export function isConnected(report: BoardReport): boolean {
	return report.client !== undefined && LINK_WORDS[report.client.state] === "connected";
}

/** The boards as a table with a heading, and above it what is in the way, once for all boards that it hinders. */
export function statusTable(reports: BoardReport[]): string[] {
	const rows = reports.map((report) => {
		const { client, gauge } = report;
		return [
			report.name,
			linkWord(report),
			client?.accepted ?? "-",
			client?.delivered ?? "-",
			client?.sent ?? "-",
			client === undefined ? "-" : `${client.outbox.used}/${client.outbox.size}`,
			gauge?.liveSlots ?? "-",
			gauge?.liveChunkBytes ?? "-",
			slotsText(report),
		].map(String);
	});
	const heading = ["board", "link", "accepted", "acked", "sent", "outbox", "slots", "chunk B", "slots/message"];
	const widths = [8, 10, 8, 6, 6, 8, 5, 7, 13].map((width, column) =>
		Math.max(width, ...rows.map((row) => row[column].length)),
	);
	const lines = [heading, ...rows].map((cells) =>
		cells.map((cell, column) => (column < 2 ? cell.padEnd(widths[column]) : cell.padStart(widths[column]))).join(" "),
	);
	const hindered = new Map<string, string[]>();
	for (const { problem, name } of reports) {
		if (problem !== "") hindered.set(problem, [...(hindered.get(problem) ?? []), name]);
	}
	const problems = [...hindered].map(([problem, names]) => `${problem}: ${listed(names)}`);
	return ["", ...problems, ...lines];
}

/** The same of one board in one line, for a log. */
export function statusLine(time: Date, report: BoardReport): string {
	const { client, gauge } = report;
	const parts = [];
	const state = report.problem === "" ? linkWord(report) : `${linkWord(report)}, ${report.problem}`;
	parts.push(client === undefined ? report.problem || "starting" : state);
	if (client !== undefined) {
		const { accepted, delivered, sent, outbox } = client;
		parts.push(`messages: ${accepted} accepted, ${delivered} acknowledged, ${sent} sent`);
		parts.push(`outbox ${outbox.used} of ${outbox.size} bytes`);
	}
	if (gauge !== undefined) parts.push(`memory ${gauge.liveSlots} slots, ${gauge.liveChunkBytes} chunk bytes`);
	if (report.slotsPerMessage !== undefined) parts.push(`${slotsText(report)} slots per message`);
	return `${clockTime(time)}  ${report.name}: ${parts.join("; ")}`;
}

/** Never 0 for what is not 0. */
function slotsText({ slotsPerMessage }: BoardReport): string {
	if (slotsPerMessage === undefined) return "-";
	if (slotsPerMessage === 0) return "0";
	return slotsPerMessage < 0.01 ? "<0.01" : slotsPerMessage.toFixed(2);
}

function listed(names: string[]): string {
	return names.length <= 2 ? names.join(", ") : `${names.slice(0, 2).join(", ")} and ${names.length - 2} more`;
}
