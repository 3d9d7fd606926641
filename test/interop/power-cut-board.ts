/**
 * A board that publishes until it is killed: `power-cut-board.ts {"port": 1883, ...}`. It writes the name of each message that
 * `publish` said true for to a file, at once. It starts again as what it was: with the file of its store.
 */
import { openSync, writeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { FileStore, TcpLink } from "../../hosts/node/index.js";
import { Client, ExactlyOnce, Journal } from "../../src/client.js";
import { Random } from "../support/random.js";
import { payloadOf } from "./names.js";

export interface Life {
	port: number;
	/** The file of the store, and the one of the names. */
	store: string;
	accepted: string;
	/** Counts the lives of the board; its names begin with it, behind the QoS. */
	life: number;
	seed: number;
	/** At this call of the store, of those that change it, it kills itself; 0: at none. */
	fatal: number;
	/** It publishes nothing new but one message at the end, and ends once all is acknowledged. */
	isLast: boolean;
}

const { port, store, accepted, life, seed, fatal, isLast } = JSON.parse(process.argv[2]) as Life;
const random = new Random(seed);

/** Many small banks, so that a life begins one every now and then. */
const PAGES = 36;
const PAGE_SIZE = 256;

/** A store whose power fails amid a write: a part of it, from none to all, is done. */
class Failing extends FileStore {
	private calls = 0;

	override write(at: number, from: Uint8Array, start: number, length: number): void {
		const isFatal = ++this.calls === fatal;
		super.write(at, from, start, isFatal ? random.below(length + 1) : length);
		if (isFatal) process.kill(process.pid, "SIGKILL");
	}
}

const journal = new Journal(new Failing({ path: store, pages: PAGES, pageSize: PAGE_SIZE, sync: false }));
const client = new Client({
	link: new TcpLink({ host: "127.0.0.1", port }),
	clientId: "board",
	cleanSession: false,
	exactlyOnce: new ExactlyOnce(),
	journal,
	retryBase: 0.01,
	retryCap: 0.05,
	onError: (error) => console.log("Error in a callback:", error),
});
const topics = { 1: client.topic("out/1", { qos: 1 }), 2: client.topic("out/2", { qos: 2 }) };
const book = openSync(accepted, "a");
let count = 0;

function publish(qos: 1 | 2): boolean {
	const name = `${qos}:${life}:${count}`;
	if (!topics[qos].publish(Buffer.from(payloadOf(name)))) return false;
	writeSync(book, `${name}\n`);
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
while (client.status.outbox.used > 0) await sleep(1);
client.stop();
console.log(`done, failures ${journal.failures}`);
process.exit();
