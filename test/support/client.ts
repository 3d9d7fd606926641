/** A Client on a scripted network, up to the point where a test begins. */
import assert from "node:assert/strict";
import { Client, type ClientOptions, State } from "../../src/client.js";
import { connack, readable } from "./packets.js";
import { ScriptedNetwork } from "./scripted.js";

export interface Scene {
	client: Client;
	network: ScriptedNetwork;
	/** Reasons that `onDisconnect` was told. */
	reasons: number[];
	/** The packets sent since the last look, a line each. */
	sent: () => string[];
}

/** A client that has not started. */
export function scene(options: Partial<ClientOptions> = {}, network = new ScriptedNetwork()): Scene {
	const reasons: number[] = [];
	const client = new Client({
		link: network.link,
		clientId: "c",
		...options,
		onDisconnect(reason) {
			reasons.push(reason);
			options.onDisconnect?.(reason);
		},
	});
	return { client, network, reasons, sent: () => readable(network.taken(), client.status.level) };
}

/** Lets the link open and the broker accept; what the client said up to then is looked at and done with. */
export function accept({ client, network, sent }: Scene, sessionPresent = false): void {
	network.open();
	assert.deepEqual(sent(), ["CONNECT"]);
	network.receive(connack(0, sessionPresent));
	assert.equal(client.status.state, State.CONNECTED);
}

/** A client that the broker has accepted. */
export function connected(options: Partial<ClientOptions> = {}, network = new ScriptedNetwork()): Scene {
	const made = scene(options, network);
	made.client.start();
	accept(made);
	return made;
}

/** The link breaks, the wait passes, and the broker accepts again. */
export function reconnect(made: Scene, sessionPresent = false): void {
	if (made.network.isOpen) made.network.break();
	made.network.taken();
	made.network.clock.toNext();
	accept(made, sessionPresent);
}
