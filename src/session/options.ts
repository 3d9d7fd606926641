/** What an application hands to a client. The client checks it, with the session. */
import type { Link } from "../host.js";
import type { Level, QoS } from "../wire/packet.js";
import type { Deferral } from "./deferral.js";
import type { ExactlyOnce } from "./exactly-once.js";
import type { Fallback } from "./fallback.js";
import type { Journal } from "./journal.js";

export interface ClientOptions {
	/** The byte pipe to the broker, from `mqtt-mote/moddable`, `mqtt-mote/espruino` or `mqtt-mote/node`. */
	link: Link;
	/**
	 * 1 to 23 letters and digits suit every broker, and are all that level 3 takes; empty only with `cleanSession` at level 4
	 * (section 3.1.3.1).
	 */
	clientId: string;
	/**
	 * Protocol level: 4 is MQTT 3.1.1 (the default), 3 is MQTT 3.1. `new Fallback()`: 4, and 3 where the broker answers with
	 * return code 1, or closes without CONNACK twice in a row; what it accepted is tried first the next time.
	 */
	level?: Level | Fallback;
	/** Seconds between packets at most, 0 to 65,535; 0 is off. Default 60. A lost link is noticed within 1.35 times this. */
	keepAlive?: number;
	/** True (the default): the broker forgets this client with the link. False: it keeps its subscriptions and messages. */
	cleanSession?: boolean;
	/** What the broker publishes when it loses us (section 3.1.2.5). */
	will?: { topic: string; payload: string | Uint8Array; qos?: QoS; retain?: boolean };
	userName?: string | Uint8Array;
	/** Only with a user name ([MQTT-3.1.2-22]; 3.1, section 3.1). */
	password?: string | Uint8Array;
	/** Bytes for what is published and not yet acknowledged: 6 and the payload for each message. Default 1024. */
	outbox?: number;
	/** Bytes for packets on their way into the link. A larger packet goes out in pieces. Default 256. */
	output?: number;
	/** Bytes for a packet that comes in pieces. A larger message is handed over in parts. Default 256. */
	inbox?: number;
	/** Messages at QoS 1 and 2 sent and not acknowledged at a time, 1 to 32,767. Default 16. */
	window?: number;
	/** Seconds for the link to open, and again for CONNACK. Default 10. */
	timeout?: number;
	/** Seconds: the shortest wait before a reconnect. Default 1. */
	retryBase?: number;
	/** Seconds: the longest wait before a reconnect, and about the usual one after a refusal. Default 60. */
	retryCap?: number;
	/** For QoS 2, both ways: `new ExactlyOnce()`. */
	exactlyOnce?: ExactlyOnce;
	/** To acknowledge a message later than its handler returns: `new Deferral()`. */
	deferral?: Deferral;
	/** For what is to outlive a reset: `new Journal(store)`. */
	journal?: Journal;
	/** The broker has accepted us; `sessionPresent` if it had kept our session (section 3.2.2.2; always false at level 3). */
	onConnect?: (sessionPresent: boolean) => void;
	/** A connection, or an attempt at one, has ended; `describe(reason)` says why in words. */
	onDisconnect?: (reason: number) => void;
	/** A callback of the application threw this. The client goes on; if it was a handler, the message is not acknowledged. */
	onError?: (error: unknown) => void;
}
