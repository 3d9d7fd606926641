/** A port of its own in front of a broker's, whose connections break: on demand, after so many bytes, or at a packet. */
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import type { TestContext } from "node:test";
import { type Packet, parser } from "mqtt-packet";

export class Cutter {
	/** Connections that broke after so many bytes, or at a packet. */
	cuts = 0;
	/** Bytes, both ways taken together, that the next connection carries before it breaks. */
	limit: () => number = () => Number.POSITIVE_INFINITY;
	/** Where this is true for a packet, of the board or of the broker, the connection breaks: the other one does not get it. */
	breaksAt: (packet: Packet, isOurs: boolean) => boolean = () => false;
	/** What happens to a board that says CONNECT at level 4, in place of the broker's answer. */
	refuse: ((board: Socket) => void) | undefined;
	/** The level of each CONNECT. */
	readonly levels: number[] = [];
	private readonly server: Server;
	private readonly boards = new Set<Socket>();

	private constructor(target: number) {
		this.server = createServer({ noDelay: true }, (board) => this.join(board, target));
	}

	/** One in front of the broker on port `target`; on `port`, or on a free one. */
	static async open(context: TestContext, target: number, port = 0): Promise<Cutter> {
		const cutter = new Cutter(target);
		const { server } = cutter;
		context.after(() => {
			server.close();
			cutter.cut();
		});
		await new Promise<void>((resolve, reject) => {
			server.on("error", reject);
			server.listen(port, "127.0.0.1", resolve);
		});
		return cutter;
	}

	get port(): number {
		return (this.server.address() as AddressInfo).port;
	}

	/** Cuts the connections that there are. */
	cut(): void {
		for (const board of this.boards) board.destroy();
	}

	private join(board: Socket, target: number): void {
		const broker = connect({ port: target, host: "127.0.0.1", noDelay: true });
		let left = this.limit();
		// What is on its way arrives, and nothing behind it.
		const cut = () => {
			left = 0;
			this.cuts++;
			board.destroySoon();
			broker.destroySoon();
		};
		const look = (packet: Packet, isOurs: boolean) => {
			if (packet.cmd === "connect") {
				const { protocolVersion = 4 } = packet;
				this.levels.push(protocolVersion);
				if (protocolVersion === 4 && this.refuse) {
					left = 0;
					this.refuse(board);
				}
			}
			if (left > 0 && this.breaksAt(packet, isOurs)) cut();
		};
		this.boards.add(board);
		for (const [from, to] of [
			[board, broker],
			[broker, board],
		]) {
			const packets = parser();
			packets.on("packet", (packet) => look(packet, from === board));
			packets.on("error", () => {}); // it takes no DUP but on PUBLISH
			from.on("data", (bytes: Buffer) => {
				packets.parse(bytes);
				if (left <= 0) return;
				to.write(bytes.subarray(0, left));
				left -= bytes.length;
				if (left <= 0) cut();
			});
			from.on("error", () => {}); // "close" follows
			from.on("close", () => {
				this.boards.delete(board);
				to.destroySoon();
			});
		}
	}
}
