/** The companion broker's TCP endpoint: accepts connections, on loopback if nothing else is asked for, and hands them to an engine. */
import { createServer, type Server, type Socket } from "node:net";
import { networkInterfaces } from "node:os";
import { Complaint } from "../complaint.js";
import type { BrokerEngine } from "./engine.js";

/** MQTT's own port. */
export const MQTT_PORT = 1883;

const LOOPBACK = "127.0.0.1";

/** All addresses of this machine. */
const EVERYWHERE = "0.0.0.0";

export class TcpEndpoint {
	readonly port: number;
	/** The IPv4 address at which programs on this machine reach it. */
	readonly host: string;
	/** The IPv4 addresses at which others on the network may reach it. */
	readonly outside: readonly string[];
	readonly #server: Server;
	readonly #sockets = new Set<Socket>();

	/**
	 * Listens on `port`; 0 is any free one. Without a port: on 1883, or on a free one where that is taken. `host` is an IPv4
	 * address of this machine, or 0.0.0.0 for all of them. Rejects with a Complaint where it cannot listen on what was asked for.
	 */
	static async listen(engine: BrokerEngine, port?: number, host = LOOPBACK): Promise<TcpEndpoint> {
		const server = createServer({ noDelay: true });
		try {
			await listenOn(server, port ?? MQTT_PORT, host);
		} catch (error) {
			const { code } = error as NodeJS.ErrnoException;
			if (code === "EADDRNOTAVAIL") {
				throw new Complaint(`this machine has no address ${host}; --host 0.0.0.0 stands for all that it has`);
			}
			if (port !== undefined) throw complaint(error as NodeJS.ErrnoException, port);
			await listenOn(server, 0, host);
		}
		return new TcpEndpoint(server, engine, host);
	}

	private constructor(server: Server, engine: BrokerEngine, host: string) {
		this.#server = server;
		this.host = host === EVERYWHERE ? LOOPBACK : host;
		this.outside = host === EVERYWHERE ? addresses() : host.startsWith("127.") ? [] : [host];
		this.port = (server.address() as { port: number }).port;
		server.on("connection", (socket) => {
			this.#sockets.add(socket);
			socket.on("close", () => this.#sockets.delete(socket));
			socket.on("error", () => {}); // "close" follows
			engine.handle(socket);
		});
	}

	get url(): string {
		return `mqtt://${this.host}:${this.port}`;
	}

	/** Takes no more connections, and cuts those that the engine has left open. */
	close(): Promise<void> {
		return new Promise((resolve) => {
			this.#server.close(() => resolve());
			for (const socket of this.#sockets) socket.destroy();
		});
	}
}

/** Those of this machine on its networks. */
function addresses(): string[] {
	const all = Object.values(networkInterfaces()).flatMap((one) => one ?? []);
	return all.filter(({ family, internal }) => family === "IPv4" && !internal).map(({ address }) => address);
}

function listenOn(server: Server, port: number, host: string): Promise<void> {
	return new Promise((resolve, reject) => {
		server.once("error", reject);
		server.listen(port, host, () => {
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
