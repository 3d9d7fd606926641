/** What an application does with the client from within the client's own callbacks, and what a callback throws. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type * as codec from "mqtt-packet";
import { Deferral, ExactlyOnce, type Source, State, Stream, type Subscription, type Topic } from "../../src/client.js";
import { accept, connected, reconnect, type Scene, scene } from "../support/client.js";
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
	unsuback,
} from "../support/packets.js";

// What was thrown

test("onError gets what a handler threw, whatever it is", () => {
	const errors: unknown[] = [];
	const made = connected({ onError: (error) => errors.push(error) });
	const thrown = [new Error("no"), "a text", 7, undefined, null, { code: 1 }];
	const rest = thrown.slice();
	made.client.subscribe("a", 0, () => {
		throw rest.shift();
	});
	for (const _ of thrown) made.network.receive(publish("a", ""));
	assert.equal(errors.length, thrown.length);
	for (const [i, error] of errors.entries()) assert.equal(error, thrown[i]);
	assert.equal(made.client.status.failures, thrown.length);
	assert.deepEqual(made.reasons, []);
});

test("onError gets what onConnect, onDisconnect, a source's read and its done threw", () => {
	const errors: unknown[] = [];
	let fail = true;
	const throwing = (what: string) => () => {
		if (fail) throw what;
		return 1;
	};
	const made = scene({
		onConnect: throwing("connect"),
		onDisconnect: throwing("disconnect"),
		onError: (error) => errors.push(error),
	});
	made.client.start();
	accept(made);
	assert.deepEqual(errors.splice(0), ["connect"]);
	new Stream(made.client, "s").publish(1, { read: throwing("read"), done: throwing("done") });
	assert.deepEqual(errors.splice(0).sort(), ["disconnect", "done", "read"]);
	fail = false;
	reconnect(made);
	fail = true;
	new Stream(made.client, "s").publish(1, { read: () => 1, done: throwing("done") });
	assert.deepEqual(errors, ["done"]);
	assert.equal(made.client.status.failures, 5);
});

test("every handler that throws is told of, once for each message or part", () => {
	const errors: unknown[] = [];
	const made = connected({ inbox: 32, onError: (error) => errors.push(error) });
	for (const filter of ["a", "+"]) {
		made.client.subscribe(filter, 1, (message) => {
			throw `${filter} at ${message.offset}`;
		});
	}
	made.network.receive(publish("a", "x"));
	assert.deepEqual(errors.splice(0), ["a at 0", "+ at 0"]);
	made.network.receive(publish("a", "x".repeat(40), { qos: 1, id: 7 }));
	assert.equal(new Set(errors).size, errors.length);
	assert.ok(errors.length >= 4);
	assert.equal(made.client.status.failures, 2 + errors.length);
});

test("an onError that throws is counted, and does no harm", () => {
	const made = scene({
		onConnect: () => {
			throw new Error("one");
		},
		onError: () => {
			throw new Error("two");
		},
	});
	made.client.start();
	accept(made);
	assert.equal(made.client.status.failures, 2);
	assert.equal(made.client.status.state, State.CONNECTED);
});

test("onDisconnect is told after the link is closed and the next attempt is set; onConnect before anything is sent", () => {
	const made: Scene = scene({
		onConnect() {
			assert.equal(made.client.status.state, State.CONNECTED);
			assert.deepEqual(made.sent(), []);
		},
		onDisconnect(reason) {
			assert.equal(made.network.isOpen, false);
			assert.equal(made.client.status.state, State.WAITING);
			assert.equal(made.client.status.reason, reason);
			assert.notEqual(made.network.clock.untilNext, undefined);
		},
	});
	made.client.subscribe("a", 0, () => {});
	made.client.start();
	accept(made);
	assert.deepEqual(made.sent(), ["SUBSCRIBE id 1 a qos 0"]);
	reconnect(made);
	assert.equal(made.client.status.failures, 0);
});

// Anything, from anywhere

const CALLBACKS = ["handler", "onConnect", "onDisconnect", "onError", "read", "done"] as const;
type Callback = (typeof CALLBACKS)[number];

/** A client with everything that an application may have, and a broker that answers whatever is whole. */
class Bench {
	readonly made: Scene;
	readonly topics: Topic[];
	readonly deferral = new Deferral();
	readonly streams: Stream[];
	readonly errors: unknown[] = [];
	/** Actions that still run within the callback. */
	private left = 0;
	private depth = 0;
	private callback: Callback | undefined;
	private actions: ((bench: Bench) => void)[] = [];
	private reader = new PacketReader();
	private opened = 0;
	private tickets: number[] = [];
	private dynamic: Subscription[] = [];
	/** Whole messages that arrived at the broker, and identifiers at QoS 2 whose PUBREL has not come. */
	readonly arrived: string[] = [];
	private readonly unreleased = new Set<number>();
	private identifier = 100;

	constructor() {
		const run = (callback: Callback) => () => this.run(callback);
		this.made = scene({
			cleanSession: false,
			exactlyOnce: new ExactlyOnce(),
			deferral: this.deferral,
			output: 32,
			inbox: 32,
			outbox: 512,
			onConnect: run("onConnect"),
			onDisconnect: run("onDisconnect"),
			onError: (error) => {
				this.errors.push(error);
				this.run("onError");
			},
		});
		const { client } = this.made;
		this.topics = ([0, 1, 2] as const).map((qos) => client.topic(`out/${qos}`, { qos }));
		this.streams = ([0, 1, 2] as const).map((qos) => new Stream(client, `stream/${qos}`, { qos }));
		for (const filter of ["in", "+"]) client.subscribe(filter, 2, run("handler"));
		client.subscribe("held", 1, (message) => this.tickets.push(this.deferral.hold(message)));
		client.subscribe("bad", 1, () => {
			throw new Error("on purpose");
		});
	}

	/** The actions run the next times that this callback is called. */
	arm(callback: Callback, actions: ((bench: Bench) => void)[]): void {
		this.callback = callback;
		this.actions = actions;
		this.left = 3;
	}

	private run(callback: Callback): void {
		if (callback !== this.callback || this.left <= 0 || this.depth > 2) return;
		this.left--;
		this.depth++;
		try {
			for (const action of this.actions) action(this);
		} finally {
			this.depth--;
		}
	}

	get ran(): boolean {
		return this.left < 3;
	}

	stream(qos: 0 | 1 | 2): void {
		const source: Source = {
			read: (bytes, at, _offset, count) => {
				bytes.fill(0x78, at, at + count);
				this.run("read");
				return count;
			},
			done: () => this.run("done"),
		};
		this.streams[qos].publish(50, source);
	}

	subscribe(): void {
		this.dynamic.push(this.made.client.subscribe(`dynamic/${this.dynamic.length}`, 1, () => {}));
	}

	unsubscribe(): void {
		const one = this.dynamic.pop();
		if (one) this.made.client.unsubscribe(one);
	}

	acknowledge(): void {
		for (const ticket of this.tickets.splice(0)) this.deferral.acknowledge(ticket);
	}

	/** The broker publishes. */
	deliver(topic: string, qos: 0 | 1 | 2, payload = "x"): void {
		if (!this.made.network.isOpen) return;
		this.made.network.receive(publish(topic, payload, { qos, id: ++this.identifier }));
		this.settle();
	}

	/** Lets everything happen that is under way: the broker answers all that is whole. */
	settle(): void {
		const { network, client } = this.made;
		for (let round = 0; round < 200; round++) {
			if (network.opened !== this.opened) {
				this.opened = network.opened;
				this.reader = new PacketReader();
			}
			if (network.isOpening) {
				network.taken(); // of the connection before
				network.open();
			} else if (!network.isOpen) {
				// What a connection sent last may be cut off within a packet, and has no answer.
				this.reader = new PacketReader();
				network.taken();
				if (client.status.state === State.STOPPED) return;
				network.clock.toNext();
				continue;
			} else network.writable(1_000);
			const { opened } = network;
			const bytes = network.taken();
			if (bytes.length === 0) return;
			for (const packet of this.reader.read(bytes)) {
				const answer = this.answer(packet);
				if (answer && network.isOpen && network.opened === opened) network.receive(answer);
			}
		}
		assert.fail("it does not come to rest");
	}

	private answer(packet: codec.Packet): Uint8Array | undefined {
		const id = packet.messageId ?? 0;
		switch (packet.cmd) {
			case "connect":
				return connack();
			case "subscribe":
				return suback(id, ...packet.subscriptions.map(({ qos }) => qos));
			case "unsubscribe":
				return unsuback(id);
			case "publish":
				if (packet.qos !== 2 || !this.unreleased.has(id)) this.arrived.push(`${packet.topic} ${packet.payload}`);
				if (packet.qos === 2) this.unreleased.add(id);
				return packet.qos === 0 ? undefined : packet.qos === 1 ? puback(id) : pubrec(id);
			case "pubrel":
				this.unreleased.delete(id);
				return pubcomp(id);
			case "pubrec":
				return pubrel(id);
			case "pingreq":
				return pingresp();
			case "puback":
			case "pubcomp":
			case "disconnect":
				return undefined;
			default:
				assert.fail(packet.cmd);
		}
	}

	/** Whatever happened: the client works as on its first day. */
	check(what: string): void {
		const { client, network } = this.made;
		this.callback = undefined;
		this.settle();
		client.start();
		this.settle();
		assert.equal(client.status.state, State.CONNECTED, what);
		this.acknowledge();
		this.settle();
		assert.equal(client.status.outbox.used, 0, `${what}: the outbox is empty in the end`);
		for (const stream of this.streams) assert.equal(stream.busy, false, what);
		const { received } = client.status;
		this.arrived.length = 0;
		for (const topic of this.topics) assert.equal(topic.publish(utf8("last")), true);
		this.settle();
		assert.deepEqual(this.arrived, ["out/0 last", "out/1 last", "out/2 last"], what);
		for (const qos of [0, 1, 2] as const) this.deliver("in", qos);
		assert.equal(client.status.received, received + 3, what);
		for (const qos of [0, 1, 2] as const) {
			this.stream(qos);
			this.settle();
		}
		assert.deepEqual(
			this.arrived.slice(3),
			[0, 1, 2].map((qos) => `stream/${qos} ${"x".repeat(50)}`),
			what,
		);
		assert.equal(client.status.outbox.used, 0, what);
		assert.equal(client.status.violations, 0, what);
		client.stop();
		network.taken();
		network.clock.advance(1_000_000);
		assert.equal(client.status.state, State.STOPPED, what);
		assert.equal(network.isOpen || network.isOpening, false, what);
	}
}

const ACTIONS: Record<string, (bench: Bench) => void> = {
	"publish at QoS 0": ({ topics }) => topics[0].publish(utf8("now")),
	"publish at QoS 1": ({ topics }) => topics[1].publish(utf8("now")),
	"publish at QoS 2": ({ topics }) => topics[2].publish(utf8("now")),
	"publish more than the output holds": ({ topics }) => topics[1].publish(utf8("now".repeat(30))),
	"publish a stream": (bench) => bench.stream(1),
	"publish a stream at QoS 0": (bench) => bench.stream(0),
	resume: ({ streams }) => streams[1].resume(),
	subscribe: (bench) => bench.subscribe(),
	unsubscribe: (bench) => bench.unsubscribe(),
	"subscribe and unsubscribe": (bench) => {
		bench.subscribe();
		bench.unsubscribe();
	},
	acknowledge: (bench) => bench.acknowledge(),
	stop: ({ made }) => made.client.stop(),
	start: ({ made }) => made.client.start(),
	"stop and start": ({ made }) => {
		made.client.stop();
		made.client.start();
	},
	throw: () => {
		throw new Error("thrown on purpose");
	},
};

/** Goes through everything that calls a callback. */
function exercise(bench: Bench): void {
	const { client, network } = bench.made;
	client.start();
	bench.settle();
	for (const qos of [0, 1, 2] as const) {
		bench.deliver("held", 1);
		bench.stream(qos);
		bench.topics[1].publish(utf8("between"));
		bench.settle();
		bench.deliver("in", qos);
		bench.deliver("in", qos, "large".repeat(20));
		bench.deliver("bad", qos);
		if (network.isOpen) network.break();
		bench.settle();
		client.start();
		bench.settle();
	}
}

const pairs = Object.keys(ACTIONS).flatMap((first) => [
	[first],
	...Object.keys(ACTIONS).map((second) => [first, second]),
]);

for (const callback of CALLBACKS) {
	test(`within ${callback}: whatever the application does, alone or after something else, the client goes on as it should`, () => {
		for (const names of pairs) {
			const what = `${callback}: ${names.join(", then ")}`;
			const bench = new Bench();
			bench.arm(
				callback,
				names.map((name) => ACTIONS[name]),
			);
			try {
				exercise(bench);
				assert.ok(bench.ran, "it was never called");
				bench.check(what);
			} catch (error) {
				throw new Error(what, { cause: error });
			}
		}
	});
}

test("within several callbacks at once: a handler, onConnect and onDisconnect that all stop and start the client", () => {
	let left = 10;
	const again = () => {
		if (left-- <= 0) return;
		made.client.stop();
		made.client.start();
	};
	const made: Scene = scene({ onConnect: again, onDisconnect: again });
	made.client.subscribe("a", 1, again);
	made.client.start();
	for (let round = 0; round < 20 && left > 0; round++) {
		if (made.network.isOpening) made.network.open();
		if (made.network.isOpen) made.network.receive(connack());
		if (made.network.isOpen) made.network.receive(joined([publish("a", "1", { qos: 1, id: 7 }), publish("a", "2")]));
	}
	left = 0;
	made.network.taken();
	if (made.network.isOpening) accept(made);
	else if (!made.network.isOpen) {
		made.client.start();
		made.network.clock.toNext();
		accept(made);
	}
	made.network.taken();
	made.network.receive(publish("a", "3", { qos: 1, id: 8 }));
	assert.deepEqual(made.sent(), ["PUBACK id 8"]);
	assert.equal(made.client.status.violations, 0);
});

test("a handler that publishes at each message does not grow the stack, nor the outbox", () => {
	const made = connected();
	const topic = made.client.topic("out", { qos: 1 });
	const echoed: string[] = [];
	made.client.subscribe("in", 0, (message) => topic.publish(message.payload));
	made.network.receive(suback(1, 0));
	made.sent();
	for (let i = 0; i < 1_000; i++) {
		made.network.receive(publish("in", String(i)));
		for (const line of made.sent()) {
			echoed.push(line);
			made.network.receive(puback(Number(/id (\d+)/.exec(line)?.[1])));
		}
	}
	assert.equal(echoed.length, 1_000);
	assert.equal(made.client.status.outbox.used, 0);
});

test("what a handler sees of a message stays what it was, though it publishes and subscribes in between", () => {
	const made = connected({ inbox: 32, output: 32 });
	const topic = made.client.topic("out", { qos: 1 });
	const seen: string[] = [];
	for (const filter of ["a", "+", "#"]) {
		made.client.subscribe(filter, 1, (message) => {
			topic.publish(utf8("y".repeat(60)));
			made.client.subscribe(`b/${seen.length}`, 0, () => {});
			seen.push(`${textOf(message.topic)} ${textOf(message.payload)}`);
		});
	}
	made.sent();
	made.network.receive(publish("a", "x".repeat(20)));
	made.network.receive(publish("a", "z".repeat(20)).subarray(0, 10));
	made.network.receive(publish("a", "z".repeat(20)).subarray(10));
	assert.deepEqual(seen, [...new Array(3).fill(`a ${"x".repeat(20)}`), ...new Array(3).fill(`a ${"z".repeat(20)}`)]);
});
