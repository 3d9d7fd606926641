/** A broker in the test's own process that keeps what it sees. Called by the tests beside it. */
import type { SeenMessage } from "../../simulator/broker/engine.js";
import { strictEngine } from "../../simulator/broker/strict.js";
import { TcpEndpoint } from "../../simulator/broker/tcp.js";

export interface TestBroker {
	port: number;
	url: string;
	messages: SeenMessage[];
	/** Everything that each connection sent, in the order in which they came. */
	streams: Buffer[];
	/** Resolves with the first message that the test accepts. */
	sees(test: (message: SeenMessage) => boolean): Promise<SeenMessage>;
	close(): Promise<void>;
}

export async function openBroker(port = 0): Promise<TestBroker> {
	const messages: SeenMessage[] = [];
	const streams: Buffer[] = [];
	const waiting = new Set<(message: SeenMessage) => void>();
	const engine = strictEngine({
		message(message) {
			messages.push(message);
			for (const look of waiting) look(message);
		},
	});
	const tapped = {
		handle(stream: import("node:stream").Duplex) {
			const index = streams.push(Buffer.alloc(0)) - 1;
			stream.on("data", (bytes: Buffer) => {
				streams[index] = Buffer.concat([streams[index], bytes]);
			});
			engine.handle(stream);
		},
		close: () => engine.close(),
	};
	const endpoint = await TcpEndpoint.listen(tapped, port);
	return {
		port: endpoint.port,
		url: endpoint.url,
		messages,
		streams,
		sees(test) {
			const seen = messages.find(test);
			if (seen !== undefined) return Promise.resolve(seen);
			return new Promise((resolve) => {
				const look = (message: SeenMessage) => {
					if (!test(message)) return;
					waiting.delete(look);
					resolve(message);
				};
				waiting.add(look);
			});
		},
		async close() {
			await engine.close();
			await endpoint.close();
		},
	};
}
