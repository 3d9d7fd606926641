/** A TcpLink with a ledger of what its client sends and receives. */
import { type Parser, parser } from "mqtt-packet";
import { TcpLink } from "../../hosts/node/index.js";
import type { LinkOwner } from "../../src/host.js";
import { Ledger } from "./ledger.js";

export class Witness extends TcpLink {
	readonly ledger = new Ledger();
	private ours!: Parser;
	private theirs!: Parser;
	private begin = 0;

	override attach(owner: LinkOwner, outbox: number, output: number, inbox: number): void {
		const watched: LinkOwner = {
			onWritable: () => owner.onWritable(),
			onReceived: (length) => {
				this.theirs.parse(Buffer.from(this.incoming.slice(inbox, inbox + length)));
				owner.onReceived(length);
			},
			onClosed: () => owner.onClosed(),
		};
		this.begin = outbox;
		super.attach(watched, outbox, output, inbox);
	}

	override open(): void {
		this.ours = parser();
		this.theirs = parser();
		this.ours.on("packet", (packet) => this.ledger.sent(packet));
		this.theirs.on("packet", (packet) => this.ledger.received(packet));
		super.open();
	}

	override send(length: number): void {
		this.ours.parse(Buffer.from(this.outgoing.slice(this.begin, this.begin + length)));
		super.send(length);
	}
}
