/** The client's modules, from src or from a mutant of it, and the few insides of a client that the simulation needs. */
import { readFile } from "node:fs/promises";
import { build } from "esbuild";
import type * as source from "../../src/client.js";
import { Offset, RECORD_HEADER, RecordState, readWord } from "../../src/memory/outbox.js";
import { Flag } from "../../src/session/session.js";
import { text } from "./packets.js";
import { numberOf } from "./payload.js";

export type Library = Pick<
	typeof source,
	"Age" | "Client" | "Deferral" | "ExactlyOnce" | "Fallback" | "Journal" | "Stream"
>;

/** The client of `entry`, a src/client.ts, with `patch` applied to the text of each of its files. */
export async function built(entry: string, patch?: (path: string, text: string) => string): Promise<Library> {
	const { outputFiles } = await build({
		entryPoints: [entry],
		bundle: true,
		write: false,
		format: "iife",
		globalName: "library",
		plugins: [
			{
				name: "patch",
				setup({ onLoad }) {
					onLoad({ filter: /\.ts$/ }, async ({ path }) => {
						const text = await readFile(path, "utf8");
						return { contents: patch ? patch(path, text) : text, loader: "ts" };
					});
				},
			},
		],
	});
	return new Function(`${outputFiles[0].text}\nreturn library;`)();
}

interface Session {
	identifier: number;
	flags: number;
	outbox: { bytes: Uint8Array; head: number; tail: number; cursor: number };
	topics: { qos: number; name: Uint8Array; trail: number }[];
	unanswered: number;
	hasRecordInHand(): boolean;
	isIdle(): boolean;
}

/** A message in the outbox. */
export interface OutboxRecord {
	topic: string;
	/** -1 of a stream. */
	number: number;
	/** Bytes that it takes. */
	size: number;
	/** It was never sent, and has not begun to be. */
	isWaiting: boolean;
	/** When it was published, if its record tells. */
	stamp: number | undefined;
}

/** Of a client; `kept` is how many messages at QoS 1 and 2 its outbox holds, `left` how many at all. */
export function insides(client: source.Client) {
	const { session } = client as unknown as { session: Session };
	const { outbox, topics } = session;
	const each = (act: (at: number, next: number) => void) => {
		const { bytes, head, tail } = outbox;
		for (let at = head, next: number; at < tail; at = next) {
			next = at + RECORD_HEADER + ((bytes[at] << 8) | bytes[at + 1]);
			if (bytes[at + Offset.STATE] !== RecordState.RELEASED) act(at, next);
		}
	};
	return {
		/** SUBSCRIBEs and UNSUBSCRIBEs that are not answered. */
		get unanswered(): number {
			return session.unanswered;
		},
		/** The packet identifier that was used last. */
		set identifier(last: number) {
			session.identifier = last;
		},
		/** What waits may be sent: the client is connected, or sends before CONNACK. */
		get isSending(): boolean {
			return (session.flags & Flag.SENDING) !== 0;
		},
		get isIdle(): boolean {
			return session.isIdle();
		},
		get kept(): number {
			let count = 0;
			each((at) => {
				if (topics[outbox.bytes[at + Offset.TOPIC]].qos > 0) count++;
			});
			return count;
		},
		get left(): number {
			let count = 0;
			each(() => count++);
			return count;
		},
		get records(): OutboxRecord[] {
			const records: OutboxRecord[] = [];
			const { bytes, cursor } = outbox;
			const inHand = session.hasRecordInHand() ? cursor : -1;
			each((at, next) => {
				const { name, trail } = topics[bytes[at + Offset.TOPIC]];
				const isWaiting = bytes[at + Offset.STATE] === RecordState.WAITING && at >= cursor && at !== inHand;
				const number = numberOf(bytes.subarray(at + RECORD_HEADER, next - trail));
				const stamp = trail > 0 ? readWord(bytes, next - trail) : undefined;
				records.push({ topic: text(name, 2, name.length), number, size: next - at, isWaiting, stamp });
			});
			return records;
		},
	};
}
