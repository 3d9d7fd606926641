/** Payloads of a megabyte, both ways, through a client that holds 256 bytes of them at a time. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import type { Packet } from "mqtt-packet";
import { ExactlyOnce, type Message, type Source, Stream } from "../../src/client.js";
import { Cutter } from "../support/cutter.js";
import { answered, board, peer, started } from "../support/peers.js";
import { until } from "../support/programs.js";
import { Random } from "../support/random.js";
import { BROKERS, LEVELS } from "./brokers.js";

const QOS = [0, 1, 2] as const;

const PAYLOAD = new Random(1).bytes(1_000_000);

const hash = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const EXPECTED = hash(PAYLOAD);

/** The payload as a source. */
class File implements Source {
	/** How often it was read from its beginning. */
	begun = 0;
	readonly outcomes: boolean[] = [];
	private readonly stream: Stream;
	private readonly cuts: number[];
	private readonly cut: () => void;
	private waiting = false;

	/** Cuts the link where these bytes are to be sent. */
	constructor(stream: Stream, cuts: readonly number[], cut: () => void) {
		this.stream = stream;
		this.cuts = [...cuts];
		this.cut = cut;
	}

	read(bytes: Uint8Array, at: number, offset: number, count: number): number {
		if (offset >= this.cuts[0]) {
			this.cuts.shift();
			this.cut();
			return 0;
		}
		// From time to time there is nothing yet.
		this.waiting = offset % 64 === 1 && !this.waiting;
		if (this.waiting) {
			setImmediate(() => this.stream.resume());
			return 0;
		}
		if (offset === 0) this.begun++;
		bytes.set(PAYLOAD.subarray(offset, offset + count), at);
		return count;
	}

	done(delivered: boolean): void {
		this.outcomes.push(delivered);
	}
}

/** Puts the parts of messages together, and says what came as a whole. */
class Assembly {
	readonly whole: { hash: string; qos: number }[] = [];
	/** Messages that have begun. */
	begun = 0;
	private readonly bytes = new Uint8Array(PAYLOAD.length);
	private length = 0;

	take(message: Message): void {
		if (message.offset === 0) {
			this.begun++;
			this.length = 0;
		}
		const { payload, offset, remaining, qos } = message;
		assert.equal(offset, this.length);
		assert.equal(offset + payload.length + remaining, PAYLOAD.length);
		this.bytes.set(payload, offset);
		this.length += payload.length;
		if (remaining === 0) this.whole.push({ hash: hash(this.bytes), qos });
	}
}

/** What breaks on the way, and how often the payload has to begin for it. */
const OUTAGES: { what: string; cuts?: number[]; lost?: Packet["cmd"]; begins: number }[] = [
	{ what: "over a good link", begins: 1 },
	{ what: "over a link that breaks twice in the midst of it", cuts: [400_000, 700_000], begins: 3 },
	{ what: "over a link that breaks on the answer", lost: "puback", begins: 2 },
];

for (const { name, skip, start } of BROKERS) {
	for (const level of LEVELS) {
		for (const { what, cuts = [], lost, begins } of OUTAGES) {
			test(`${name}, level ${level}: a megabyte is streamed ${what}`, { skip }, async (context) => {
				const port = await start(context);
				const other = await peer(context, port, level);
				const seen = new Map<string, string[]>();
				other.on("message", (topic, payload, { qos }) => seen.get(topic)?.push(`${qos} ${hash(payload)}`));
				for (const qos of QOS) {
					if (lost && qos === 0) continue; // nothing is answered
					const topic = `out/${qos}`;
					const arrivals: string[] = [];
					seen.set(topic, arrivals);
					await other.subscribeAsync(topic, { qos });
					const cutter = await Cutter.open(context, port);
					if (lost) cutter.breaksAt = ({ cmd }) => cutter.cuts === 0 && cmd === (qos === 1 ? "puback" : "pubrec");
					const exactlyOnce = new ExactlyOnce();
					const client = board(context, cutter.port, { level, clientId: topic, cleanSession: false, exactlyOnce });
					const stream = new Stream(client, topic, { qos });
					const file = new File(stream, cuts, () => cutter.cut());
					assert.ok(stream.publish(PAYLOAD.length, file));
					client.start();
					await until("it is done", () => !stream.busy);
					await until("it has come", () => arrivals.length > 0);
					client.stop();
					assert.deepEqual([file.begun, file.outcomes], [begins, [true]]);
					assert.equal(client.status.connections, begins);
					const times = lost && qos === 1 ? 2 : 1;
					await until("it has come as often as it was sent", () => arrivals.length >= times);
					assert.deepEqual(arrivals, new Array(times).fill(`${qos} ${EXPECTED}`));
				}
			});
		}

		test(`${name}, level ${level}: a megabyte comes in parts, and again where the link breaks`, {
			skip,
		}, async (context) => {
			const port = await start(context);
			const other = await peer(context, port, level);
			for (const qos of QOS) {
				const topic = `in/${qos}`;
				const cutter = await Cutter.open(context, port);
				const client = board(context, cutter.port, {
					level,
					clientId: topic,
					cleanSession: false,
					exactlyOnce: new ExactlyOnce(),
				});
				const mark = client.topic("mark", { qos: 1 });
				const assembly = new Assembly();
				const subscription = client.subscribe(topic, qos, (message) => assembly.take(message));
				await started(client, subscription);
				await other.publishAsync(topic, Buffer.from(PAYLOAD), { qos });
				await until("it has come", () => assembly.whole.length === 1);
				assert.equal(assembly.begun, 1);
				assert.ok(mark.publish(new Uint8Array(1)));
				await until("the broker has our answer", () => client.status.delivered === 1);
				if (qos !== 0) {
					cutter.limit = () => 500_000;
					cutter.cut();
					await until("the next link is there", () => client.status.connections === 2);
					await answered(subscription);
					cutter.limit = () => Number.POSITIVE_INFINITY;
					await other.publishAsync(topic, Buffer.from(PAYLOAD), { qos });
					await until("it has come once more", () => assembly.whole.length === 2);
					assert.equal(assembly.begun, 3);
					assert.equal(client.status.connections, 3);
				}
				await answered(subscription);
				// What came again would come in front of the answer to this.
				client.stop();
				await started(client);
				assert.ok(mark.publish(new Uint8Array(1)));
				await until("it is answered, too", () => client.status.delivered === 2);
				assert.deepEqual(assembly.whole, new Array(qos === 0 ? 1 : 2).fill({ hash: EXPECTED, qos }));
				assert.equal(client.status.failures, 0);
			}
		});
	}
}
