/** The npm library aedes as an engine of the companion broker. */
import type { EventEmitter } from "node:events";
import { Aedes, type Client } from "aedes";
import type { BrokerEngine, BrokerWatcher } from "./engine.js";

export async function aedesEngine(watcher: BrokerWatcher): Promise<BrokerEngine> {
	const aedes = await Aedes.createBroker();
	const problems = new WeakMap<Client, string>();
	let closing = false;

	aedes.on("publish", (packet, client) => {
		if (closing || packet.topic.startsWith("$SYS/")) return;
		const { topic, payload, qos, retain } = packet;
		const bytes = typeof payload === "string" ? Buffer.from(payload) : payload;
		watcher.message({ clientId: client?.id, topic, payload: bytes, qos, retain });
	});
	aedes.on("clientReady", (client) => watcher.connected?.(client.id));
	aedes.on("clientError", (client, error) => problems.set(client, error.message));
	aedes.on("clientDisconnect", (client) => {
		if (!closing) watcher.disconnected?.(client.id, problems.get(client) ?? "");
	});
	aedes.on("connectionError", (_client, error) => {
		if (!closing) watcher.disconnected?.("", error.message);
	});
	// Aedes reports trouble with its store here; unheard it would end the process.
	(aedes as EventEmitter).on("error", (error: Error) => watcher.disconnected?.("", error.message));

	return {
		handle(stream) {
			aedes.handle(stream);
		},
		close() {
			closing = true;
			return new Promise((resolve) => aedes.close(resolve));
		},
	};
}
