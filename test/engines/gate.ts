/**
 * A port of its own in front of a broker's, which can be shut: so a test can lose what a board has sent, and place
 * a subscriber at a broker that has restarted before the board is back.
 */
import { connect, createServer, type Server } from "node:net";
import type { TestContext } from "node:test";
import { freePort } from "../support/programs.js";

export class Gate {
	readonly port: number;
	private readonly target: number;
	private server: Server | undefined;

	private constructor(port: number, target: number) {
		this.port = port;
		this.target = target;
	}

	/** An open gate on `port`, to the broker on port `target`. */
	static async open(context: TestContext, target: number, port?: number): Promise<Gate> {
		const gate = new Gate(port ?? (await freePort()), target);
		context.after(() => gate.shut());
		await gate.open();
		return gate;
	}

	async open(): Promise<void> {
		const server = createServer((board) => {
			const broker = connect(this.target, "127.0.0.1");
			board.on("data", (bytes) => server.listening && broker.write(bytes));
			broker.pipe(board);
			board.on("error", () => broker.destroy());
			broker.on("error", () => board.destroy());
			board.on("close", () => broker.destroy());
			broker.on("close", () => board.destroy());
		});
		this.server = server;
		await new Promise<void>((resolve, reject) => {
			server.on("error", reject);
			server.listen(this.port, "127.0.0.1", resolve);
		});
	}

	/** Lets nobody in; what those inside still send is lost, until the broker closes. */
	shut(): void {
		this.server?.close();
	}
}
