/**
 * A book of what became of each message (names.ts) that a client publishes, by the packets that it and the broker send: it is fed
 * all that may have reached the broker, and nothing that the broker has not said.
 */
import type { Packet } from "mqtt-packet";
import { nameOf, qosOf } from "./names.js";

interface Fate {
	/** Whether PUBLISH was sent with DUP. */
	again: boolean;
	/** How many copies of it the broker may have passed on, if it does as section 4.3 says. */
	copies: number;
	/** The session in which PUBLISH was sent last, in which PUBREC came, in which PUBREL was sent; -1 if in none. */
	published: number;
	received: number;
	released: number;
	/** The connection on which PUBLISH was sent last. */
	connection: number;
	/** The broker has taken it over for good: PUBACK, or the four packets of QoS 2 within one session. */
	arrived: boolean;
}

export class Ledger {
	/** PUBLISH packets with DUP. */
	resent = 0;
	/** The names of those that were sent again on the same connection, and those that were sent again without DUP: none may. */
	readonly hasty: string[] = [];
	readonly unmarked: string[] = [];
	private readonly fates = new Map<string, Fate>();
	private readonly names = new Map<number, string>();
	private last = "";
	/** Counts the broker's sessions for this client, and the connections. */
	private session = 0;
	private connection = 0;

	get arrived(): string[] {
		return this.named(({ arrived }) => arrived);
	}

	get again(): string[] {
		return this.named(({ again }) => again);
	}

	/** How many copies of messages of this QoS may have been passed on that are one too many. */
	repeats(qos: 1 | 2): number {
		let count = 0;
		for (const [name, { copies }] of this.fates) if (qosOf(name) === qos) count += copies - 1;
		return count;
	}

	private named(holds: (fate: Fate) => boolean): string[] {
		return [...this.fates].filter(([, fate]) => holds(fate)).map(([name]) => name);
	}

	/** Whether CONNECT is the last thing that the client has sent. */
	get isConnecting(): boolean {
		return this.last === "connect";
	}

	/** The client has sent this. */
	sent(packet: Packet): void {
		this.last = packet.cmd;
		if (packet.cmd === "connect") this.connection++;
		if (packet.cmd === "pubrel") {
			const fate = this.fateOf(packet);
			if (fate) fate.released = this.session;
		}
		if (packet.cmd !== "publish" || packet.qos === 0) return;
		const name = nameOf(packet.payload.toString());
		const known = this.fates.get(name);
		const fate = known ?? {
			again: false,
			copies: 0,
			published: -1,
			received: -1,
			released: -1,
			connection: 0,
			arrived: false,
		};
		this.fates.set(name, fate);
		this.names.set(packet.messageId ?? 0, name);
		if (packet.dup) {
			this.resent++;
			fate.again = true;
		} else if (known) this.unmarked.push(name);
		if (fate.connection === this.connection) this.hasty.push(name);
		fate.connection = this.connection;
		// At QoS 2 a session knows what it has, until PUBREL.
		const isKnown = packet.qos === 2 && fate.published === this.session && fate.released !== this.session;
		if (!isKnown) fate.copies++;
		fate.published = this.session;
	}

	/** The broker has said this. */
	received(packet: Packet): void {
		if (packet.cmd === "connack" && packet.returnCode === 0 && !packet.sessionPresent) this.session++;
		const fate = this.fateOf(packet);
		if (!fate) return;
		const { session } = this;
		if (packet.cmd === "puback" && fate.published === session) fate.arrived = true;
		if (packet.cmd === "pubrec" && fate.published === session) fate.received = session;
		if (packet.cmd === "pubcomp" && fate.received === session && fate.released === session) fate.arrived = true;
	}

	private fateOf({ messageId = 0 }: Packet): Fate | undefined {
		return this.fates.get(this.names.get(messageId) ?? "");
	}
}
