/** The companion broker's TCP endpoint: accepts connections on loopback and hands them to an engine. */
import { createServer, type Server, type Socket } from "node:net";
import { Complaint } from "../complaint.js";
import type { BrokerEngine } from "./engine.js";

/** MQTT's own port. */
export const MQTT_PORT = 1883;

const LOOPBACK = "127.0.0.1";

export class TcpEndpoint {
	readonly port: number;
	readonly #server: Server;
	readonly #sockets = new Set<Socket>();

	/**
	 * Listens on `port`; 0 is any free one. Without a port: on 1883, or on a free one where that is taken.
	 * Rejects with a Complaint where it cannot listen on the port that was asked for.
	 */
	static async listen(engine: BrokerEngine, port?: number): Promise<TcpEndpoint> {
		const server = createServer({ noDelay: true });
		try {
			await listenOn(server, port ?? MQTT_PORT);
		} catch (error) {
			if (port !== undefined) throw complaint(error as NodeJS.ErrnoException, port);
			await listenOn(server, 0);
		}
		return new TcpEndpoint(server, engine);
	}

	private constructor(server: Server, engine: BrokerEngine) {
		this.#server = server;
		this.port = (server.address() as { port: number }).port;
		server.on("connection", (socket) => {
			this.#sockets.add(socket);
			socket.on("close", () => this.#sockets.delete(socket));
			socket.on("error", () => {}); // "close" follows
			engine.handle(socket);
		});
	}

	get url(): string {
		return `mqtt://${LOOPBACK}:${this.port}`;
	}

	/** Takes no more connections, and cuts those that the engine has left open. */
	close(): Promise<void> {
		return new Promise((resolve) => {
			this.#server.close(() => resolve());
			for (const socket of this.#sockets) socket.destroy();
		});
	}
}

function listenOn(server: Server, port: number): Promise<void> {
	return new Promise((resolve, reject) => {
		server.once("error", reject);
		server.listen(port, LOOPBACK, () => {
			server.off("error", reject);
			resolve();
		});
	});
}

function complaint(error: NodeJS.ErrnoException, port: number): Complaint {
	const remedy = "choose another with --port, or leave --port out to get a free one";
	if (error.code === "EADDRINUSE") return new Complaint(`port ${port} is taken by another program; ${remedy}`);
	if (error.code === "EACCES") return new Complaint(`port ${port} is reserved for the system; ${remedy}`);
	return new Complaint(`the broker cannot listen on port ${port} (${error.message}); ${remedy}`);
}
