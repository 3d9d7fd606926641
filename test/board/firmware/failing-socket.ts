/** Firmware for moddable-link.test.ts: its sockets fail in turn, in the constructor and in `write`. */
import TCP from "embedded:io/socket/tcp";
import config from "mc/config";
import { type AnySocketOptions, TcpLink } from "../../../hosts/moddable/index.js";
import { Client } from "../../../src/client.js";

let opened = 0;
export const reasons: number[] = [];

/** As it is: the published typings miss the result of `write`. */
const Real = TCP as unknown as new (options: object) => { write(bytes: Uint8Array): number | undefined };

class FailingSocket extends Real {
	private writes = 0;

	constructor(options: object) {
		if (++opened === 1) throw new Error("no memory for a socket");
		super(options);
	}

	override write(bytes: Uint8Array): number | undefined {
		if (opened === 2 && ++this.writes === 2) throw new Error("no memory for a packet");
		return super.write(bytes);
	}
}

export const client = new Client({
	link: new TcpLink({
		host: "127.0.0.1",
		port: config.port,
		socket: { io: FailingSocket as unknown as AnySocketOptions["io"] },
	}),
	clientId: "board",
	retryBase: 0.01,
	retryCap: 0.02,
	onDisconnect: (reason) => {
		reasons.push(reason);
	},
});
/** Said here, so that the bundle has it. */
export const resent = () => client.status.resent;
client.topic("t", { qos: 1 }).publishNumber(1, 0);
client.start();
