/** Firmware for moddable-link.test.ts: brokers by name, from the device's own resolver and from one that is handed in. */
import config from "mc/config";
import { type DnsRequest, systemDns, TcpLink } from "../../../hosts/moddable/index.js";
import { Client } from "../../../src/client.js";

/** Answers in turn: it throws, fails at once, fails later, says nothing, then "127.0.0.1"; and the first question once more. */
class ScriptedResolver {
	asked = 0;
	first: DnsRequest | undefined;
	readonly servers: string[];

	constructor(options: { servers: string[] }) {
		this.servers = options.servers;
		resolvers.push(this);
	}

	resolve(request: DnsRequest): void {
		this.asked++;
		this.first ??= request;
		if (this.asked === 1) throw new Error("no memory for a question");
		if (this.asked === 2) request.onError(request.host);
		else if (this.asked === 3) Promise.resolve().then(() => request.onError(request.host));
		else if (this.asked === 5) {
			request.onResolved(request.host, "127.0.0.1");
			request.onResolved(request.host, "127.0.0.1");
		}
	}
}

export const resolvers: ScriptedResolver[] = [];
const mqtt = { dns: { io: ScriptedResolver as never, servers: ["127.0.0.1"] } };
export const reasons: number[] = [];

export const client = new Client({
	link: new TcpLink({ ...mqtt, host: "broker.example", port: config.port }),
	clientId: "scripted",
	timeout: 1,
	retryBase: 0.01,
	retryCap: 0.02,
	onDisconnect: (reason) => {
		reasons.push(reason);
	},
});

export const bySystem = new Client({
	link: new TcpLink({ host: "localhost", port: config.port, dns: systemDns }),
	clientId: "system",
});

/** What the constructor says to an option. */
export function complaint(options: object): string {
	try {
		new TcpLink(options as never);
		return "";
	} catch (error) {
		return (error as Error).message;
	}
}

client.start();
bySystem.start();
