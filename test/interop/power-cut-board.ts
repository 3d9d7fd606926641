/**
 * A board that publishes and receives until it is killed: `power-cut-board.ts {"port": 1883, ...}`. What it is to be judged by it
 * writes to files, at once. All that it has from the life before is the file of its store.
 */
import { openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { FileStore, TcpLink } from "../../hosts/node/index.js";
import { Client, ExactlyOnce, Journal } from "../../src/client.js";
import { Random } from "../support/random.js";
import { LAST, nameOf, payloadOf } from "./names.js";

export interface Life {
	port: number;
	/** The folder of the store and of what it writes down. */
	path: string;
	/** It subscribes. */
	receives: boolean;
	/** Counts the lives of the board; its names begin with it, behind the QoS. */
	life: number;
	seed: number;
	/** At this call of the store, of those that change it, it kills itself; 0: at none. */
	fatal: number;
	/** It publishes nothing new but one message, and ends once all is acknowledged and LAST has come. */
	isLast: boolean;
}

const { port, path, receives, life, seed, fatal, isLast } = JSON.parse(process.argv[2]) as Life;
const random = new Random(seed);

/** Mosquitto before 2.0.13 may send all that waits for the board at once. */
const PLACES = 200;

/** Many small banks, so that a life begins one every now and then. */
const PAGES = 60;
const PAGE_SIZE = 256;

/** A store whose power fails amid a write: a part of it, from none to all, is done. It complains where flash could not write. */
class Failing extends FileStore {
	private calls = 0;
	private isErasing = false;
	private readonly present = new Uint8Array(PAGE_SIZE);

	override write(at: number, from: Uint8Array, start: number, length: number): void {
		this.read(at, this.present, 0, length);
		const isErased = this.present.subarray(0, length).every((byte) => byte === 255);
		if (!isErased && !this.isErasing) console.log(`Error: what stands at ${at} is written over`);
		const isFatal = ++this.calls === fatal;
		super.write(at, from, start, isFatal ? random.below(length + 1) : length);
		if (isFatal) process.kill(process.pid, "SIGKILL");
	}

	override erase(page: number): void {
		this.isErasing = true;
		super.erase(page);
		this.isErasing = false;
	}
}

/** Adds lines to a file, each there before the call returns. */
function book(name: string): (line: string) => void {
	const file = openSync(join(path, name), "a");
	return (line) => writeSync(file, `${line}\n`);
}

const [accepted, handed, repeats] = ["accepted", "handed", "repeats"].map(book);

/** Writes down what may come twice before it leaves. */
class Counting extends TcpLink {
	private told = 0;

	override send(length: number): void {
		const { mayRepeat } = client.status;
		if (this.told !== mayRepeat) repeats(`${life} ${mayRepeat}`);
		this.told = mayRepeat;
		super.send(length);
	}
}

const journal = new Journal(new Failing({ path: join(path, "store"), pages: PAGES, pageSize: PAGE_SIZE, sync: false }));
const client = new Client({
	link: new Counting({ host: "127.0.0.1", port }),
	clientId: "board",
	cleanSession: false,
	exactlyOnce: new ExactlyOnce(PLACES),
	journal,
	retryBase: 0.01,
	retryCap: 0.05,
	onError: (error) => console.log("Error in a callback:", error),
});
const topics = { 1: client.topic("out/1", { qos: 1 }), 2: client.topic("out/2", { qos: 2 }) };
let payload = "";
let name = receives ? "" : LAST;
if (receives) {
	client.subscribe("in/2", 2, (message) => {
		if (message.offset === 0) payload = "";
		payload += Buffer.from(message.payload).toString("latin1");
		if (message.remaining !== 0) return;
		name = nameOf(payload);
		if (payload !== payloadOf(name)) console.log(`Error: this has come: ${payload}`);
		handed(`${life} ${name}`);
	});
}

let count = 0;
function publish(qos: 1 | 2): boolean {
	const name = `${qos}:${life}:${count}`;
	if (!topics[qos].publish(Buffer.from(payloadOf(name)))) return false;
	accepted(name);
	count++;
	return true;
}

// Whoever has started it holds the other end.
process.stdin.on("end", () => process.exit()).resume();
console.log(`restored ${journal.restored} damaged ${journal.damaged}`);
client.start();
while (!isLast) {
	for (let burst = random.below(8); burst > 0 && publish(random.pick([1, 1, 2])); burst--);
	await sleep(random.below(3));
}
while (!publish(2)) await sleep(1);
while (client.status.outbox.used > 0 || name !== LAST) await sleep(1);
client.stop();
console.log(`done, failures ${journal.failures}`);
process.exit();
