/** Looks at a running board: what its client says of itself, and what the memory gauge reads. Called by start.ts. */
import { describe } from "../src/client.js";
import type { Board, Gauge } from "./board/board.js";
import { type BoardReport, type ClientReport, isConnected } from "./format.js";

const LOOK = `
firmware.client && firmware.client.status && ((status) => ({
	state: status.state,
	reason: status.reason,
	accepted: status.accepted,
	delivered: status.delivered,
	sent: status.sent,
	received: status.received,
	connections: status.connections,
	outbox: { used: status.outbox.used, size: status.outbox.size },
}))(firmware.client.status) || null`;

/** The gauge, and how far the client was at the same moment. */
interface Sample {
	client: ClientReport;
	gauge: Gauge;
}

export class Monitor {
	readonly board: Board;
	readonly report: BoardReport;
	#last: Sample | undefined;
	/** While a connection was up: slots that the firmware allocated, and messages that it published and received. */
	#slots = 0;
	#messages = 0;

	constructor(name: string, board: Board) {
		this.board = board;
		this.report = { name, client: undefined, gauge: undefined, slotsPerMessage: undefined, problem: "" };
	}

	/** Brings the report up to date, but for the gauge. `linkError` is what the desk knows of the way to the broker. */
	async look(linkError: string): Promise<void> {
		const { board, report } = this;
		if (board.aborted === undefined) {
			try {
				report.client = ((await board.evaluate(LOOK)) as ClientReport | null) ?? undefined;
			} catch {
				// The board was stopped or aborted meanwhile; below is what it died of.
			}
		}
		const client = report.client;
		if (board.aborted !== undefined) report.problem = `the firmware was ended: ${board.aborted}`;
		else if (client === undefined) report.problem = "the firmware exports no client";
		else if (isConnected(report) || client.reason === 0) report.problem = "";
		else report.problem = describe(client.reason) + (linkError === "" ? "" : ` (${linkError})`);
	}

	/** Reads the gauge too. Takes some milliseconds of the board's time. */
	async measure(linkError: string): Promise<void> {
		const { board, report } = this;
		const gauge = await board.gauge().catch(() => undefined);
		await this.look(linkError);
		if (gauge === undefined || report.client === undefined) return;
		report.gauge = gauge;
		this.#count({ client: report.client, gauge });
	}

	/** A host may allocate for a new connection, so only what happened within one counts for the messages. */
	#count(sample: Sample): void {
		const last = this.#last;
		this.#last = sample;
		if (last === undefined || !isConnected(this.report)) return;
		if (sample.client.connections !== last.client.connections) return;
		this.#slots += sample.gauge.firmwareSlots - last.gauge.firmwareSlots;
		this.#messages += messages(sample.client) - messages(last.client);
		if (this.#messages > 0) this.report.slotsPerMessage = this.#slots / this.#messages;
	}
}

function messages(client: ClientReport): number {
	return client.accepted + client.received;
}
