/**
 * A fake broker that a scenario plays by hand, and the client that talks to it: "sends these bytes, expects
 * those, closes here, stays silent there".
 *
 *     const { broker, client } = connected(level, { cleanSession: false });
 *     client.topic("a", { qos: 1 }).publish(utf8("21"));
 *     broker.expects(publish("a", "21", { qos: 1, id: 1 }));
 *     broker.breaks();                          // the link is lost, and PUBACK with it
 *     broker.accepts({ sessionPresent: true }); // the client has connected again
 *     broker.expects(publish("a", "21", { qos: 1, id: 1, dup: true }));
 *
 * What it expects is all that the client has said since the last look, so a byte too many fails as well.
 */
import { Client, type ClientOptions, describe, type Message, State } from "../../src/client.js";
import { ScriptedNetwork } from "./network.js";
import { connack, inWords, joined, type Level, show, suback, subscribe, textOf } from "./packets.js";
import { equal } from "./scenario.js";

export class Broker {
	readonly network = new ScriptedNetwork();
	client!: Client;

	constructor(private readonly level: Level) {}

	/** The client asks for its next link, after whatever wait it makes. */
	private untilAsked(): void {
		for (let wait = 0; !this.network.isOpening; wait++) {
			if (wait === 3) throw new Error("the client does not try to connect");
			this.network.clock.toNext();
		}
	}

	/** The client's next link opens; no CONNACK yet. */
	opens(): void {
		this.untilAsked();
		this.network.open();
	}

	/** The client's next link does not open. */
	cannotBeReached(): void {
		this.untilAsked();
		this.network.break();
	}

	/** The client's next connection: CONNECT comes, and CONNACK goes out. Only level 4 can say that the session is present. */
	accepts({ sessionPresent = false } = {}): void {
		this.opens();
		this.expectsConnect();
		this.sends(connack(0, sessionPresent && this.level === 4));
		if (this.client.status.state !== State.CONNECTED) {
			throw new Error(`the client did not take CONNACK: ${describe(this.client.status.reason)}`);
		}
	}

	sends(...packets: Uint8Array[]): void {
		this.network.receive(joined(packets));
	}

	/** The link is lost. What the client has said must have been expected by now. */
	breaks(): void {
		this.expectsNothing();
		this.network.break();
	}

	/** The link is lost, and with it what the client has said. */
	breaksUnheard(): void {
		this.hears();
		this.network.break();
	}

	/** The broker stays silent for so many seconds. */
	waits(seconds: number): void {
		this.network.clock.advance(1000 * seconds);
	}

	/** Stops reading: the client's link has no room for another byte. */
	stopsReading(): void {
		this.network.room = 0;
	}

	readsAgain(): void {
		this.network.writable(1_000_000);
	}

	/** What the client has said since the last look. */
	hears(): Uint8Array {
		return this.network.taken();
	}

	/** The client has said these packets since the last look, and nothing else. */
	expects(...packets: Uint8Array[]): void {
		const [heard, expected] = [this.hears(), joined(packets)];
		if (show(heard) === show(expected)) return;
		throw new Error(
			`the client should have said ${cut(inWords(expected))} and said ${cut(inWords(heard))}:\n` +
				`  expected  ${cut(show(expected))}\n  said      ${cut(show(heard))}`,
		);
	}

	expectsNothing(): void {
		this.expects();
	}

	/** The client has said CONNECT, whatever its options are, and nothing else. */
	expectsConnect(): void {
		const heard = this.hears();
		if (/^CONNECT level [34] flags ..$/.test(inWords(heard))) return;
		throw new Error(`the client should have said CONNECT and said ${cut(inWords(heard))}:\n  ${cut(show(heard))}`);
	}

	/** The client has closed the link for this reason, and has said nothing more. */
	expectsClose(reason: number): void {
		this.expectsNothing();
		if (this.network.isOpen) throw new Error(`the client did not close the link, as it should: ${describe(reason)}`);
		equal(describe(this.client.status.reason), describe(reason), "the link was closed");
	}

	/** The client is connected, and has closed nothing so far. */
	expectsNoClose(): void {
		const { state, reason } = this.client.status;
		if (state !== State.CONNECTED) throw new Error(`the client closed the link: ${describe(reason)}`);
	}
}

export interface Scene {
	broker: Broker;
	client: Client;
	/** What `onConnect` was told: was the session present? */
	told: boolean[];
	/** Messages that handlers got, as "a/b 21", with QoS, RETAIN and DUP behind. */
	heard: string[];
	/** The handler that writes them down. */
	listen: (message: Message) => void;
}

/** A client that has not started. */
export function scene(level: Level, options: Partial<ClientOptions> = {}): Scene {
	const broker = new Broker(level);
	const told: boolean[] = [];
	const heard: string[] = [];
	const onConnect = (sessionPresent: boolean) => told.push(sessionPresent);
	const client = new Client({ link: broker.network.link, clientId: "c", level, onConnect, ...options });
	broker.client = client;
	return { broker, client, told, heard, listen: (message) => heard.push(line(message)) };
}

/** A client that has started, on a link that is open: its CONNECT has not been looked at. */
export function connecting(level: Level, options: Partial<ClientOptions> = {}): Scene {
	const made = scene(level, options);
	made.client.start();
	made.broker.opens();
	return made;
}

/** A client that the broker has accepted. */
export function connected(level: Level, options: Partial<ClientOptions> = {}): Scene {
	const made = scene(level, options);
	made.client.start();
	made.broker.accepts();
	return made;
}

/** A client that has subscribed to everything, under identifier 1. */
export function listening(level: Level, options: Partial<ClientOptions> = {}): Scene {
	const made = connected(level, options);
	const qos = options.exactlyOnce ? 2 : 1;
	made.client.subscribe("#", qos, made.listen);
	made.broker.expects(subscribe(1, ["#", qos]));
	made.broker.sends(suback(1, qos));
	return made;
}

/** The beginning of a text that may be very long. */
const cut = (text: string) => (text.length > 1_000 ? `${text.slice(0, 1_000)}…` : text);

function line(message: Message): string {
	const { qos, retain, duplicate, offset, remaining } = message;
	const words = [textOf(message.topic), textOf(message.payload)];
	if (qos > 0) words.push(`QoS ${qos}`);
	if (retain) words.push("RETAIN");
	if (duplicate) words.push("DUP");
	if (offset > 0 || remaining > 0) words.push(`from ${offset}, ${remaining} to come`);
	return words.join(" ");
}
