/** The companion broker as the commands run it: an engine behind TCP and serial lines, and what reaches it on the screen. */
import { aedesEngine } from "./broker/aedes.js";
import type { BrokerEngine, BrokerWatcher } from "./broker/engine.js";
import { type SerialDevice, SerialEndpoint } from "./broker/serial.js";
import { strictEngine } from "./broker/strict.js";
import { MQTT_PORT, TcpEndpoint } from "./broker/tcp.js";
import { clockTime, messageLine } from "./format.js";
import type { Screen } from "./screen.js";

/** Our own, which names what a client does wrong, or the npm library aedes for a second opinion. */
export type EngineName = "strict" | "aedes";

export interface CompanionOptions {
	/** Where undefined: 1883, or any free one. */
	port?: number;
	/** An IPv4 address of this machine, or 0.0.0.0 for all; loopback where undefined. */
	host?: string;
	engine?: EngineName;
	serial?: readonly SerialDevice[];
}

export interface Companion {
	/** Where programs on this machine reach it. */
	host: string;
	port: number;
	close(): Promise<void>;
}

/** Rejects with a Complaint. */
export async function openCompanion(screen: Screen, options: CompanionOptions = {}): Promise<Companion> {
	const { port, host, serial = [] } = options;
	const say = (text: string) => screen.print(`${clockTime(new Date())}  ${text}`);
	const watcher: BrokerWatcher = {
		message: (message) => screen.print(messageLine(new Date(), message)),
		connected: (clientId) => say(`${clientId} has connected`),
		disconnected: (clientId, problem) =>
			say(`${clientId || "a client"} has disconnected${problem === "" ? "" : `: ${problem}`}`),
		violation({ clientId, statement, sentence, closes }) {
			if (!closes) say(`${clientId} has violated ${statement}: ${sentence}`);
		},
	};
	const engine: BrokerEngine = options.engine === "aedes" ? await aedesEngine(watcher) : strictEngine(watcher);
	const lines: SerialEndpoint[] = [];
	let endpoint: TcpEndpoint | undefined;
	const close = async () => {
		await engine.close();
		for (const line of lines) line.close();
		await endpoint?.close();
	};
	try {
		endpoint = await TcpEndpoint.listen(engine, port, host);
		const taken = port === undefined && endpoint.port !== MQTT_PORT;
		screen.print(`Companion broker on ${endpoint.url}${taken ? `, since port ${MQTT_PORT} is taken` : ""}`);
		if (endpoint.outside.length > 0) {
			screen.print(`Boards reach it at ${endpoint.outside.join(" or ")}, port ${endpoint.port}`);
		} else if (host !== undefined) screen.print("This machine is on no network where a board could reach it");
		for (const device of serial) {
			lines.push(await SerialEndpoint.open(engine, device, say));
			screen.print(`Serial line ${device.path}, ${device.baudRate} baud, ${device.raw ? "raw" : "framed"}`);
		}
		return { host: endpoint.host, port: endpoint.port, close };
	} catch (error) {
		await close();
		throw error;
	}
}
