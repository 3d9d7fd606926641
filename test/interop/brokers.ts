/** The brokers of these tests: Mosquitto as a program, and aedes in this process, hosted as the companion broker is. */
import type { TestContext } from "node:test";
import { aedesEngine } from "../../simulator/broker/aedes.js";
import type { BrokerEngine } from "../../simulator/broker/engine.js";
import { TcpEndpoint } from "../../simulator/broker/tcp.js";
import { Mosquitto, missing } from "../support/programs.js";

export interface Broker {
	readonly name: "Mosquitto" | "aedes";
	/** False, or why its tests are skipped. */
	readonly skip: string | false;
	/** Starts one that goes away with the test; its port. */
	start(context: TestContext): Promise<number>;
}

export const mosquitto: Broker = {
	name: "Mosquitto",
	skip: missing("mosquitto"),
	start: async (context) => (await Mosquitto.start(context, "allow_anonymous true\nset_tcp_nodelay true")).port,
};

export const aedes: Broker = {
	name: "aedes",
	skip: false,
	start: async (context) => host(context, await aedesEngine({ message() {} })),
};

export const BROKERS = [mosquitto, aedes];

export const LEVELS = [3, 4] as const;

/**
 * Why a test with resends cannot pass: aedes 1.2 closes where a client of level 3 sends PUBREL, SUBSCRIBE or UNSUBSCRIBE
 * again with DUP, as 3.1 says (section 2.1), and so it would do forever. The end of lost-packets.test.ts shows it.
 */
export function resendsInVain(name: string, level: number): string | false {
	return name === "aedes" && level === 3 && "aedes 1.2 closes on PUBREL, SUBSCRIBE and UNSUBSCRIBE with DUP";
}

/** An engine on a free port; the port. */
export async function host(context: TestContext, engine: BrokerEngine): Promise<number> {
	const endpoint = await TcpEndpoint.listen(engine, 0);
	context.after(async () => {
		await engine.close();
		await endpoint.close();
	});
	return endpoint.port;
}
