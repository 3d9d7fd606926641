/**
 * A TcpLink that keeps a book of what its client has to hand over at QoS 2 (section 4.3.3), by what it receives: so a
 * client can be judged where a broker sends what it should not.
 */
import { type Packet, type Parser, parser } from "mqtt-packet";
import { TcpLink, type TcpLinkOptions } from "../../hosts/node/index.js";
import type { LinkOwner } from "../../src/host.js";

export class Judge extends TcpLink {
	/** The payloads that are to be handed over, so far, */
	readonly due: string[] = [];
	/** and those that are not, since they came under an identifier that is still in use. */
	readonly repeats: string[] = [];
	private readonly level: 3 | 4;
	/** Of messages that were handed over and whose PUBREL has not come. */
	private readonly handed = new Set<number>();
	private packets!: Parser;

	constructor(options: TcpLinkOptions, level: 3 | 4) {
		super(options);
		this.level = level;
	}

	override attach(owner: LinkOwner, outbox: number, output: number, inbox: number): void {
		const judging: LinkOwner = {
			onWritable: () => owner.onWritable(),
			onReceived: (length) => {
				this.packets.parse(Buffer.from(this.incoming.slice(inbox, inbox + length)));
				owner.onReceived(length);
			},
			onClosed: () => owner.onClosed(),
		};
		super.attach(judging, outbox, output, inbox);
	}

	override open(): void {
		this.packets = parser({ protocolVersion: this.level });
		this.packets.on("packet", (packet) => this.look(packet));
		super.open();
	}

	private look(packet: Packet): void {
		switch (packet.cmd) {
			case "connack":
				if (this.level === 4 && !packet.sessionPresent) this.handed.clear();
				break;
			case "publish": {
				const { qos, dup, messageId = 0 } = packet;
				if (qos !== 2) break;
				// At level 3 one without DUP is a new one: it does not tell whether the session was kept.
				const isRepeat = this.handed.has(messageId) && (this.level === 4 || dup);
				(isRepeat ? this.repeats : this.due).push(packet.payload.toString());
				this.handed.add(messageId);
				break;
			}
			case "pubrel":
				this.handed.delete(packet.messageId ?? 0);
		}
	}
}
