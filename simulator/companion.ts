/** The companion broker as the commands run it: an engine behind TCP, and what reaches it on the screen. */
import { aedesEngine } from "./broker/aedes.js";
import type { BrokerEngine, BrokerWatcher } from "./broker/engine.js";
import { strictEngine } from "./broker/strict.js";
import { MQTT_PORT, TcpEndpoint } from "./broker/tcp.js";
import { clockTime, messageLine } from "./format.js";
import type { Screen } from "./screen.js";

/** Our own, which names what a client does wrong, or the npm library aedes for a second opinion. */
export type EngineName = "strict" | "aedes";

export interface Companion {
	port: number;
	close(): Promise<void>;
}

/** On `port`, or where that is undefined on 1883 or any free one. Rejects with a Complaint. */
export async function openCompanion(screen: Screen, port?: number, name: EngineName = "strict"): Promise<Companion> {
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
	const engine: BrokerEngine = name === "aedes" ? await aedesEngine(watcher) : strictEngine(watcher);
	try {
		const endpoint = await TcpEndpoint.listen(engine, port);
		const taken = port === undefined && endpoint.port !== MQTT_PORT;
		screen.print(`Companion broker on ${endpoint.url}${taken ? `, since port ${MQTT_PORT} is taken` : ""}`);
		return {
			port: endpoint.port,
			async close() {
				await engine.close();
				await endpoint.close();
			},
		};
	} catch (error) {
		await engine.close();
		throw error;
	}
}
