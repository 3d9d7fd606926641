/**
 * The power is cut at every byte that is written and amid every erase: what publish said true for arrives all the same, at QoS 2
 * once, and so does what comes in. The broker is the strict one: it tells what a client must not do.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Broker, type Connection } from "../../simulator/broker/core/broker.js";
import { Age, ExactlyOnce, Journal, State, type Topic } from "../../src/client.js";
import { connect } from "../conformance/packets.js";
import { type Scene, scene } from "../support/client.js";
import { textOf, utf8 } from "../support/hex.js";
import { MemoryStore } from "../support/memory-store.js";
import { publish, pubrel } from "../support/packets.js";
import { type Random, seeded } from "../support/random.js";

const TOPICS = ["one", "two", "latest", "oldest"] as const;

/** Two banks of six pages and one page that is left over: so small that they turn often. */
const PAGE = 64;
const PAGES = 13;
const OUTBOX = 96;
const IDENTIFIERS = 3;

interface Published {
	/** "two" is at QoS 2. On "latest" and "oldest" a message may be let go in favour of one that comes later. */
	topic: (typeof TOPICS)[number];
	text: string;
	/** `publish` said true. */
	isTaken: boolean;
}

/** What the other client has published. */
interface Told {
	text: string;
	/** How often it was handed over, and the power was cut before that was written down. */
	repeats: number;
}

/** All that happens around one board, over all its lives. */
class World {
	readonly published: Published[] = [];
	/** What the broker got from the board. */
	readonly arrived: string[] = [];
	/** What the board's handler got, in all lives. */
	readonly heard: string[] = [];
	readonly told: Told[] = [];
	readonly violations: unknown[] = [];
	/** Packets from the broker that the board has not got yet. */
	answers: Uint8Array[] = [];
	store = new MemoryStore(PAGE, PAGES);
	readonly broker = new Broker(
		{
			send: (connection, bytes) => {
				if (connection === this.connection) this.answers.push(bytes);
			},
			close: () => {},
		},
		{
			window: 10,
			watcher: {
				message: ({ clientId, payload }) => {
					if (clientId === "c") this.arrived.push(textOf(payload).split("|")[0]);
				},
				violation: (violation) => this.violations.push(violation),
			},
		},
	);
	private connection: Connection | undefined;
	private readonly other = this.broker.connect(0);
	private identifier = 0;

	constructor() {
		this.broker.receive(this.other, connect({ level: 4, clientId: "other", keepAlive: 0 }), 0);
	}

	/** A link to the board opens. */
	open(): void {
		this.connection = this.broker.connect(0);
		this.answers = [];
	}

	receive(bytes: Uint8Array): void {
		if (this.connection && bytes.length > 0) this.broker.receive(this.connection, bytes, 0);
	}

	cut(): void {
		if (this.connection) this.broker.closed(this.connection);
		this.connection = undefined;
		this.answers = [];
	}

	/** The other client publishes this at QoS 2; nothing where nobody has subscribed yet. */
	tell(text: string): void {
		if (!this.broker.session("c")?.subscriptions.has("in")) return;
		this.told.push({ text, repeats: 0 });
		this.broker.receive(this.other, publish("in", text, { qos: 2, id: ++this.identifier }), 0);
		this.broker.receive(this.other, pubrel(this.identifier), 0);
	}
}

/** The board from one reset to the next. */
class Life {
	readonly made: Scene;
	readonly journal: Journal;
	private readonly topics: Topic[];

	constructor(private readonly world: World) {
		this.journal = new Journal(world.store, 1);
		const exactlyOnce = new ExactlyOnce(IDENTIFIERS);
		this.made = scene({
			cleanSession: false,
			keepAlive: 0,
			outbox: OUTBOX,
			window: 4,
			exactlyOnce,
			journal: this.journal,
		});
		const { client } = this.made;
		this.topics = [
			client.topic("one", { qos: 1 }),
			client.topic("two", { qos: 2 }),
			client.topic("latest", { qos: 1, whenFull: "latest", age: new Age("|") }),
			client.topic("oldest", { qos: 1, whenFull: "drop-oldest" }),
		];
		client.subscribe("in", 2, (message) => world.heard.push(textOf(message.payload)));
	}

	get isDead(): boolean {
		return this.world.store.isCut;
	}

	publish(topic: number, text: string): void {
		const isTaken = this.topics[topic].publish(utf8(text));
		this.world.published.push({ topic: TOPICS[topic], text, isTaken });
	}

	start(): void {
		const { client, network } = this.made;
		client.start();
		if (!network.isOpening) network.clock.toNext();
		network.open();
		this.world.open();
	}

	/** The client's bytes to the broker; so many packets of the broker to the client, and what that says to them. */
	serve(packets = Number.POSITIVE_INFINITY): void {
		const { network } = this.made;
		for (let i = 0; i <= packets && !this.isDead; i++) {
			this.world.receive(network.taken());
			if (i < packets && !this.hand()) break;
			// More has come than ExactlyOnce has identifiers for.
			if (!network.isOpen) this.breakLink();
		}
	}

	/** As `serve`, and then the link breaks: what the client has said to the last of the packets is lost. */
	serveAndLose(packets: number): void {
		this.serve(packets);
		this.hand();
		if (!this.isDead) this.breakLink();
	}

	/** The client gets the next packet; false if there is none. */
	private hand(): boolean {
		const { heard, told, answers } = this.world;
		const packet = this.isDead ? undefined : answers.shift();
		if (!packet) return false;
		const { length } = heard;
		this.made.network.receive(packet);
		if (this.isDead && heard.length > length) for (const one of told) if (one.text === heard[length]) one.repeats++;
		return true;
	}

	breakLink(): void {
		this.world.cut();
		if (this.made.network.isOpen) this.made.network.break();
		this.made.network.taken();
	}
}

type Step = (life: Life, world: World) => void;

/** Lives until the script ends or the power is cut; the next life finds what the store holds. */
function play(world: World, script: readonly Step[]): void {
	const life = new Life(world);
	for (const step of script) {
		step(life, world);
		if (life.isDead) break;
	}
	world.cut(); // the board is off, and says nothing any more
	assert.deepEqual(world.store.complaints, []);
	world.store = world.store.restarted();
}

const publishes = (topic: number, ...texts: string[]): Step[] =>
	texts.map((text) => (life) => life.publish(topic, text));
const start: Step = (life) => life.start();
/** Up to the end, however often the client closes the link. */
const settle: Step = (life) => {
	for (let i = 0; i < 50 && !life.made.network.isOpen && !life.isDead; i++) {
		life.start();
		life.serve();
	}
};
const breakLink: Step = (life) => life.breakLink();
const serve =
	(packets?: number): Step =>
	(life) =>
		life.serve(packets);
const serveAndLose =
	(packets: number): Step =>
	(life) =>
		life.serveAndLose(packets);
const tell =
	(...texts: string[]): Step =>
	(_, world) => {
		for (const text of texts) world.tell(text);
	};

/** Publishes, acknowledgements, QoS 2 in every state and both ways, lost links, and banks that turn amid all of it. */
const SCRIPT: Step[] = [
	...publishes(0, "a1", "a2"),
	...publishes(1, "b1"),
	...publishes(2, "l1", "l2"),
	start,
	serve(2), // CONNACK, SUBACK
	tell("x1", "x2"),
	serve(3),
	...publishes(0, "a3"),
	breakLink,
	...publishes(1, "b2"),
	...publishes(2, "l3", "l4"),
	start,
	serve(4),
	...publishes(0, "a4"),
	tell("x3"),
	serve(),
	...publishes(0, ..."0123456789".split("").map((digit) => `s${digit}`)).flatMap((step) => [step, serve()]),
	...publishes(1, ..."0123456789".split("").map((digit) => `t${digit}`)).flatMap((step) => [step, serve(1), serve()]),
	...publishes(2, "l5"),
	breakLink,
	...publishes(2, "l6", "l7", "l8", "l9"),
	...publishes(1, "b3"),
	...publishes(3, "o1", "o2", "o3", "o4", "o".padEnd(40, "!"), "o6"),
	tell("x4", "x5"),
	...[0, 1, 2, 3, 4, 5].flatMap((packets) => [start, tell(`y${packets}`), serveAndLose(packets)]),
	start,
	serve(4),
];

/** A life without a link, and one over a good link, up to the end. */
function deliver(world: World): void {
	play(world, publishes(0, "alone"));
	play(world, [settle]);
	check(world);
}

/** The same, and then a life that goes through all the banks. */
function recover(world: World): void {
	deliver(world);
	const { store } = world;
	play(world, [
		...publishes(1, "c1", "c2"),
		settle,
		...Array.from({ length: 3 * PAGES }, (_, i) => publishes(i % 2, `more ${i}`)[0]).flatMap((step) => [step, serve()]),
		...publishes(0, "last"),
	]);
	assert.ok(store.pagesErased >= PAGES - 1, "it went through all the banks");
	assert.equal(new Life(world).journal.damaged, 0, "the banks are sound");
	play(world, [settle]);
	check(world);
	const { status } = new Life(world).made.client;
	assert.equal(status.outbox.used, 0, "nothing is left");
}

/** Has all arrived that publish said true for, at QoS 2 once, and was all heard once that was told? */
function check({ violations, published, arrived, heard, told }: World): void {
	assert.deepEqual(violations, []);
	for (const [i, { topic, text, isTaken }] of published.entries()) {
		const count = arrived.filter((one) => one === text).length;
		const mayGo = published.slice(i + 1).some((later) => later.topic === topic && later.isTaken);
		const isKept = isTaken && (topic === "one" || topic === "two" || !mayGo);
		if (isKept) assert.ok(count >= 1, `${text} was taken, and is lost`);
		if (topic === "two") assert.ok(count <= 1, `${text} has arrived ${count} times`);
	}
	for (const { text, repeats } of told) {
		const count = heard.filter((one) => one === text).length;
		assert.ok(count >= 1 && count <= 1 + repeats, `${text} was heard ${count} times`);
	}
}

/** Plays a script with a cut at each byte in turn; tells how many there were. */
function cutEverywhere(script: readonly Step[], afterwards: (world: World) => void): number {
	const whole = new World();
	const { store } = whole;
	play(whole, script);
	assert.ok(store.pagesErased >= PAGES, `${store.pagesErased} pages were erased`);
	afterwards(whole);
	for (let power = 0; power < store.steps; power++) {
		const world = new World();
		world.store.power = power;
		play(world, script);
		try {
			afterwards(world);
		} catch (error) {
			throw new Error(`power for ${power} steps: ${(error as Error).message}`, { cause: error });
		}
	}
	return store.steps;
}

test("wherever the power is cut, nothing that was taken is lost, nothing at QoS 2 comes twice, and the board goes on", (t) => {
	t.diagnostic(`${cutEverywhere(SCRIPT, recover)} cuts`);
});

test("wherever the power is cut amid messages that give their place to others, none goes before the other one is there", (t) => {
	const script: Step[] = [];
	for (let i = 0; i < 60; i++) script.push(...publishes(i % 5 === 0 ? 3 : 2, `${i}`.padEnd((i * 7) % 30, "_")));
	t.diagnostic(`${cutEverywhere(script, deliver)} cuts`);
});

/** A life of its own: this and that, and a cut if the power says so. */
function randomScript(random: Random, life: number): Step[] {
	const steps: Step[] = [];
	let isUp = false;
	for (let i = random.below(40); i >= 0; i--) {
		const text = `${life}.${i}`;
		if (random.chance(0.5)) steps.push(...publishes(random.below(4), text.padEnd(random.below(40), "_")));
		else if (!isUp) {
			steps.push(start);
			isUp = true;
		} else if (random.chance(0.2)) {
			steps.push(random.chance(0.5) ? breakLink : serveAndLose(random.below(8)));
			isUp = false;
		} else if (random.chance(0.3)) steps.push(tell(`in ${text}`));
		else steps.push(serve(random.chance(0.3) ? undefined : random.below(6)));
	}
	return steps;
}

test("life after life with the power cut at random: the same holds", (t) => {
	const random = seeded((message) => t.diagnostic(message));
	for (let round = 0; round < 60; round++) {
		const world = new World();
		const lives = 1 + random.below(20);
		for (let life = 0; life < lives; life++) {
			world.store.power = random.chance(0.8) ? random.below(1_500) : Number.POSITIVE_INFINITY;
			play(world, randomScript(random, life));
		}
		recover(world);
	}
});

test("a life over a good link ends connected, with nothing left to do", () => {
	const world = new World();
	play(world, SCRIPT);
	const life = new Life(world);
	start(life, world);
	serve()(life, world);
	assert.equal(life.made.client.status.state, State.CONNECTED);
	assert.equal(world.broker.session("c")?.unreleased, 0);
});
