/**
 * Which messages a client may drop, and when: said before each publish to a topic that has rules, from what the ledger
 * knows and from what waits in the outbox; and what has expired is found where it was.
 */
import { RECORD_HEADER } from "../../src/memory/outbox.js";
import type { Board } from "./board.js";
import { type Gone, nameOf, type Publication, type Sent } from "./ledger.js";

export class Drops {
	/** What the client's counters must be, and how many of these messages were at QoS 1 or 2. */
	expired = 0;
	dropped = 0;
	replaced = 0;
	kept = 0;
	/** Those of the publish that is going on. */
	recent: Sent[] = [];

	constructor(private readonly board: Board) {}

	/** A message whose record holds `length` bytes is about to be published: says whether that will be taken. */
	forecast(topic: Publication, length: number): boolean {
		const { board } = this;
		const { client, ledger } = board;
		const { used, size } = client.status.outbox;
		this.recent = [];
		const need = RECORD_HEADER + length + (topic.hasTime ? 4 : 0);
		const free = size - used;
		const whenFull = topic.rules?.whenFull ?? "reject";
		if (need > size) return false;
		const waiting: { message: Sent; size: number; isOwn: boolean; isOver: boolean }[] = [];
		let most = free;
		for (const record of board.records()) {
			const message = ledger.find(record.topic)?.sent[record.number - 1];
			if (!record.isWaiting || message === undefined) continue;
			const isOwn = message.topic === topic && whenFull !== "reject";
			const isOver = this.isOver(message);
			if (!isOwn && !isOver) continue;
			waiting.push({ message, size: record.size, isOwn, isOver });
			most += record.size;
		}
		if (most < need) return false;
		let room = free;
		// What is too old goes first, whosever it is; then the topic's own.
		for (const one of waiting) {
			if (!one.isOver || room >= need) continue;
			room += one.size;
			this.drop(one.message, "expired");
		}
		for (const { message, size: bytes, isOwn } of waiting) {
			if (!isOwn || message.gone || (whenFull === "drop-oldest" && room >= need)) continue;
			room += bytes;
			this.drop(message, whenFull === "latest" ? "replaced" : "dropped");
		}
		return true;
	}

	/** Something has happened on the board: what has expired meanwhile? */
	look(): void {
		const { board } = this;
		const { client, ledger } = board;
		const { status } = client;
		if (status.expired !== this.expired) {
			const present = new Set(board.records().map(({ topic, number }) => `${topic} ${number}`));
			let isUnsure = false;
			for (const topic of ledger.topics) {
				if (!board.declares(topic) || !topic.rules?.expiry) continue;
				if (topic.qos === 0)
					isUnsure = true; // it may have been sent as well
				else for (const message of topic.sent) this.search(message, present);
			}
			const rest = status.expired - this.expired;
			if (rest > 0 && isUnsure) this.expired += rest;
		}
		board.must(status.expired, this.expired, "expired");
		board.must(status.dropped, this.dropped, "dropped");
		board.must(status.replaced, this.replaced, "replaced");
	}

	private search(message: Sent, present: Set<string>): void {
		if (message.isAcknowledged || message.gone) return;
		const { isExcused, watch } = this.board.device;
		// Where the store has lost that it was sent it may expire all the same.
		const isForgotten = isExcused && !message.isUncertain && message.saidOn < watch.connection;
		if (message.saidOn > 0 && !isForgotten) return;
		if (present.has(`${message.topic.name} ${message.number}`)) return;
		if (!this.isOver(message)) this.board.fail(`${nameOf(message)} has expired too early`);
		this.drop(message, "expired");
	}

	/** Is a message that was never sent too old, by the board's clock? */
	isOver(message: Sent): boolean {
		const { topic } = message;
		const expiry = topic.rules?.expiry ?? 0;
		return expiry > 0 && this.board.declares(topic) && this.board.ageOf(message) >= expiry;
	}

	/** Nothing was dropped after all. */
	undo(messages: Sent[]): void {
		for (const message of messages) {
			this[message.gone as "expired" | "dropped" | "replaced"]--;
			if (message.topic.qos > 0) this.kept--;
			message.gone = undefined;
		}
	}

	private drop(message: Sent, gone: Gone): void {
		const { board } = this;
		message.gone = gone;
		this.recent.push(message);
		this[gone as "expired" | "dropped" | "replaced"]++;
		if (message.topic.qos > 0) this.kept++;
		board.world.fault(
			gone === "expired" ? "message expired" : gone === "dropped" ? "message dropped" : "message replaced",
			board.name,
			nameOf(message),
		);
	}
}
