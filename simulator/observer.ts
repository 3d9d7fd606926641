/** Sees what boards publish on a broker that is not ours: a client of our own, on Node. Called by start.ts. */
import { randomBytes } from "node:crypto";
import { TcpLink } from "../hosts/node/index.js";
import { Client, describe, type Message, State, type Subscription } from "../src/client.js";
import type { BrokerAddress } from "./arguments.js";
import type { SeenMessage } from "./broker/engine.js";

/** Bytes. The screen shows the start of a message only, so a larger one need not come whole. */
const INBOX = 4096;

/** The return code of SUBACK for a filter that was refused (MQTT 3.1.1, section 3.9.3). */
const REFUSED = 128;

export class Observer {
	readonly #link: TcpLink;
	readonly #client: Client;
	readonly #subscriptions: Subscription[];

	/** Sees everything below each of these topic levels; `bytes` is the length of the whole payload. */
	constructor(address: BrokerAddress, levels: string[], onMessage: (message: SeenMessage, bytes: number) => void) {
		this.#link = new TcpLink(address);
		this.#client = new Client({
			link: this.#link,
			clientId: `desk-${randomBytes(6).toString("hex")}`,
			keepAlive: 30,
			inbox: INBOX,
			retryBase: 0.5,
			retryCap: 3,
		});
		const decoder = new TextDecoder();
		const handler = (message: Message) => {
			if (message.offset !== 0) return;
			const { payload, qos, retain } = message;
			onMessage({ topic: decoder.decode(message.topic), payload, qos, retain }, payload.length + message.remaining);
		};
		this.#subscriptions = levels.map((level) => this.#client.subscribe(`${level}/#`, 1, handler));
		this.#client.start();
	}

	/** What the operating system said when a link to the broker could not be opened or broke last, or empty. */
	get linkError(): string {
		return this.#link.error.replace(/^connect /, "");
	}

	/** Why the boards' messages cannot be seen, or empty. */
	get problem(): string {
		const { state, reason } = this.#client.status;
		if (state !== State.CONNECTED) return reason === 0 ? "" : describe(reason);
		const refused = this.#subscriptions.some((subscription) => subscription.granted === REFUSED);
		return refused ? "the broker refused the subscription" : "";
	}

	stop(): void {
		this.#client.stop();
	}
}
