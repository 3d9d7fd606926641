/** QoS 1 and 2, both ways, through a link that loses what is under way at any byte, to a broker written from sections
 * 4.3 and 4.4 for this test. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type * as codec from "mqtt-packet";
import { type ClientOptions, ExactlyOnce, Stream } from "../../src/client.js";
import { type Scene, scene } from "../support/client.js";
import { joined, textOf, utf8 } from "../support/hex.js";
import {
	connack,
	PacketReader,
	pingresp,
	puback,
	pubcomp,
	publish,
	pubrec,
	pubrel,
	suback,
} from "../support/packets.js";
import { type Random, seeded } from "../support/random.js";

interface Outgoing {
	id: number;
	qos: 1 | 2;
	text: string;
	/** It went out at least once. */
	sent: boolean;
	/** PUBREC has come. */
	received: boolean;
}

class Broker {
	/** What clients published, as the broker took it: at QoS 2 once per identifier, until PUBREL. */
	readonly taken: { 1: string[]; 2: string[] } = { 1: [], 2: [] };
	private connected = false;
	private hasSession = false;
	private identifier = 0;
	/** Identifiers of messages at QoS 2 whose PUBREL has not come. */
	private readonly open = new Set<number>();
	/** What is to be delivered, oldest first. */
	readonly outgoing: Outgoing[] = [];
	private reader: PacketReader;
	private said: Uint8Array[] = [];

	constructor(
		private readonly level: 3 | 4,
		private readonly window: number,
	) {
		this.reader = new PacketReader(level);
	}

	/** A message for the client. */
	queue(text: string, qos: 1 | 2): void {
		const used = new Set(this.outgoing.map(({ id }) => id));
		do this.identifier = (this.identifier % 40) + 1;
		while (used.has(this.identifier));
		this.outgoing.push({ id: this.identifier, qos, text, sent: false, received: false });
	}

	/** Bytes from the client; returns the broker's own. */
	hear(bytes: Uint8Array): Uint8Array {
		for (const packet of this.reader.read(bytes)) this.packet(packet);
		if (this.connected) this.deliver();
		return joined(this.said.splice(0));
	}

	private deliver(): void {
		for (const message of this.outgoing.slice(0, this.window)) {
			if (message.sent) continue;
			message.sent = true;
			this.said.push(publish("to/client", message.text, message));
		}
	}

	private packet(packet: codec.Packet): void {
		const id = packet.messageId ?? 0;
		assert.equal(packet.cmd === "connect", !this.connected, "CONNECT comes first, and once");
		switch (packet.cmd) {
			case "connect":
				this.connected = true;
				this.said.push(connack(0, this.level === 4 && this.hasSession));
				this.hasSession = true;
				// What was not finished goes on, in its order (section 4.4).
				for (const { id, qos, text, received } of this.outgoing.filter(({ sent }) => sent)) {
					this.said.push(received ? pubrel(id) : publish("to/client", text, { id, qos, dup: true }));
				}
				break;
			case "subscribe":
				this.said.push(suback(id, 2));
				break;
			case "publish": {
				const text = packet.payload.toString();
				if (packet.qos === 1) {
					this.taken[1].push(text);
					this.said.push(puback(id));
				} else {
					assert.equal(packet.qos, 2);
					if (!this.open.has(id)) this.taken[2].push(text);
					this.open.add(id);
					this.said.push(pubrec(id));
				}
				break;
			}
			case "pubrel":
				this.open.delete(id);
				this.said.push(pubcomp(id));
				break;
			case "puback":
			case "pubcomp":
			case "pubrec": {
				const at = this.outgoing.findIndex((message) => message.id === id && message.sent);
				const message = this.outgoing[at];
				assert.ok(message, `${packet.cmd} ${id} answers nothing`);
				if (packet.cmd === "pubrec") {
					assert.equal(message.qos, 2);
					message.received = true;
					this.said.push(pubrel(id));
				} else {
					assert.equal(packet.cmd, message.qos === 1 ? "puback" : "pubcomp");
					assert.equal(message.received, message.qos === 2);
					this.outgoing.splice(at, 1);
				}
				break;
			}
			case "pingreq":
				this.said.push(pingresp());
				break;
			default:
				assert.fail(packet.cmd);
		}
	}

	/** The link has broken. */
	lose(): void {
		this.connected = false;
		this.reader = new PacketReader(this.level);
		this.said = [];
	}

	/** The broker loses its memory, too. */
	forget(): void {
		this.lose();
		this.hasSession = false;
		this.open.clear();
		this.outgoing.length = 0;
	}
}

/** The two ends, and what is under way between them. */
class Network {
	private toBroker: Uint8Array = new Uint8Array(0);
	private toClient: Uint8Array = new Uint8Array(0);

	constructor(
		private readonly random: Random,
		private readonly made: Scene,
		private readonly broker: Broker,
	) {}

	get isQuiet(): boolean {
		return this.made.network.isOpen && this.toBroker.length === 0 && this.toClient.length === 0;
	}

	private listen(): void {
		this.toBroker = joined([this.toBroker, this.made.network.taken()]);
	}

	/** Something happens: bytes arrive at one end or the other, or the link opens. */
	step(): void {
		const { random, made, broker } = this;
		const { network } = made;
		if (network.isOpening) {
			network.open(random.below(100));
		} else if (!network.isOpen) {
			network.clock.toNext();
			return;
		} else {
			const count = random.below(100);
			if (random.chance(0.5)) {
				const bytes = this.toBroker.slice(0, count);
				this.toBroker = this.toBroker.slice(count);
				this.toClient = joined([this.toClient, broker.hear(bytes)]);
			} else {
				const bytes = this.toClient.slice(0, count);
				this.toClient = this.toClient.slice(count);
				if (bytes.length > 0) network.receive(bytes, 1 + random.below(100));
			}
			if (network.isOpen) network.writable(random.chance(0.8) ? 1 + random.below(100) : 0);
		}
		this.listen();
	}

	/** The link breaks, and what is under way is lost. */
	lose(): void {
		const { network } = this.made;
		this.toBroker = this.toClient = new Uint8Array(0);
		if (network.isOpen || network.isOpening) network.break();
		network.taken();
	}
}

/** A text as a stream's source. */
function sourceOf(text: string) {
	const payload = utf8(text);
	return {
		read(bytes: Uint8Array, at: number, offset: number, count: number) {
			for (let i = 0; i < count; i++) bytes[at + i] = payload[offset + i];
			return count;
		},
	};
}

/** How often each text occurs. */
function repeats(texts: readonly string[]): number {
	return texts.length - new Set(texts).size;
}

for (const level of [3, 4] as const) {
	for (const forgetful of level === 4 ? [false, true] : [false]) {
		const what = forgetful ? "at least once to a broker that forgets" : "once at QoS 2, at least once at QoS 1";
		test(`level ${level}: whatever breaks and whenever, messages arrive in order, ${what}`, (t) => {
			const random = seeded((message) => t.diagnostic(message));
			const options: Partial<ClientOptions> = {
				level,
				cleanSession: false,
				exactlyOnce: new ExactlyOnce(16),
				outbox: 512,
				output: 32 + random.below(200),
				inbox: 16 + random.below(100),
				window: 1 + random.below(20),
			};
			const made = scene(options);
			const { client } = made;
			const broker = new Broker(level, 1 + random.below(10));
			const network = new Network(random, made, broker);
			const topics = { 1: client.topic("from/client", { qos: 1 }), 2: client.topic("from/client", { qos: 2 }) };
			const streams = {
				1: new Stream(client, "from/client", { qos: 1 }),
				2: new Stream(client, "from/client", { qos: 2 }),
			};
			const accepted: { 1: string[]; 2: string[] } = { 1: [], 2: [] };
			const queued: { 1: string[]; 2: string[] } = { 1: [], 2: [] };
			const heard: { 1: string[]; 2: string[] } = { 1: [], 2: [] };
			let parts = "";
			client.subscribe("to/client", 2, (message) => {
				if (message.offset === 0) parts = "";
				parts += textOf(message.payload);
				if (message.remaining === 0) heard[message.qos as 1 | 2].push(parts);
			});
			client.start();
			let number = 0;
			const busy = () =>
				client.status.outbox.used > 0 || broker.outgoing.length > 0 || client.status.state !== 4 || !network.isQuiet;
			for (let step = 0; step < 20_000 || busy(); step++) {
				assert.ok(step < 200_000, "it never ends");
				const qos = random.pick([1, 2] as const);
				if (step < 20_000 && random.chance(0.15)) {
					const text = String(++number).padEnd(random.below(80), ".");
					const taken = random.chance(0.2)
						? streams[qos].publish(text.length, sourceOf(text))
						: topics[qos].publish(utf8(text));
					if (taken) accepted[qos].push(text);
				}
				if (step < 20_000 && random.chance(0.1) && broker.outgoing.length < 30) {
					const text = String(++number).padEnd(random.below(80), ".");
					broker.queue(text, qos);
					queued[qos].push(text);
				}
				if (step < 20_000 && random.chance(0.005)) {
					network.lose();
					if (forgetful && random.chance(0.3)) broker.forget();
					else broker.lose();
				} else network.step();
				assert.equal(client.status.violations, 0, `${made.reasons}`);
			}
			const { status } = client;
			assert.ok(accepted[2].length > 300 && queued[2].length > 300, `${accepted[2].length}, ${queued[2].length}`);
			assert.equal(status.delivered, accepted[1].length + accepted[2].length);
			// What was lost with the broker's memory is not heard; what is heard is in order.
			for (const qos of [1, 2] as const) {
				const first = [...new Set(heard[qos])];
				const expected = forgetful ? queued[qos].filter((text) => first.includes(text)) : queued[qos];
				assert.deepEqual(first, expected);
				assert.deepEqual([...new Set(broker.taken[qos])], accepted[qos]);
			}
			assert.equal(repeats(heard[2]), 0);
			if (!forgetful) assert.equal(repeats(broker.taken[2]), 0);
			const may = repeats(broker.taken[1]) + repeats(broker.taken[2]);
			assert.ok(may <= status.mayRepeat && status.mayRepeat <= status.resent, `${may} repeats of ${status.mayRepeat}`);
			t.diagnostic(`${accepted[1].length + accepted[2].length} out, ${heard[1].length + heard[2].length} in`);
		});
	}
}
