/**
 * What the companion broker needs of an MQTT engine: streams go in, and a watcher is told what reached it.
 * An engine knows nothing of TCP. Endpoints (tcp.ts) call it; the command line is the watcher.
 */
import type { Duplex } from "node:stream";

export interface SeenMessage {
	/** Who published it; undefined where that cannot be told. */
	clientId?: string;
	topic: string;
	payload: Uint8Array;
	qos: number;
	retain: boolean;
}

export interface Violation {
	/** Empty where it is not known yet. */
	clientId: string;
	/** The number of the statement in MQTT 3.1.1, such as MQTT-3.3.1-2. */
	statement: string;
	/** What the client did. */
	sentence: string;
	/** True if its connection is closed for it. */
	closes: boolean;
}

export interface BrokerWatcher {
	message(message: SeenMessage): void;
	/** A client was accepted. */
	connected?(clientId: string): void;
	/** A client is gone; `problem` says what was wrong with it, or is empty. An unknown client's id is empty. */
	disconnected?(clientId: string, problem: string): void;
	/** A client did what it must not. Where that closes its connection, `disconnected` follows. */
	violation?(violation: Violation): void;
}

export interface BrokerEngine {
	/** Takes over a stream on which a client is about to say CONNECT. */
	handle(stream: Duplex): void;
	/** Closes every client's stream. */
	close(): Promise<void>;
}
