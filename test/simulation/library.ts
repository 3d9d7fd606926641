/** The client's modules, from src or from a mutant of it, and the few insides of a client that the simulation needs. */
import { readFile } from "node:fs/promises";
import { build } from "esbuild";
import type * as source from "../../src/client.js";
import { Offset, RECORD_HEADER, RecordState } from "../../src/memory/outbox.js";

export type Library = Pick<typeof source, "Client" | "Deferral" | "ExactlyOnce" | "Fallback" | "Stream">;

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
	outbox: { bytes: Uint8Array; head: number; tail: number };
	topics: { qos: number }[];
	subscriptions: { unanswered: number };
}

/** Of a client; `kept` is how many messages at QoS 1 and 2 its outbox holds. */
export function insides(client: source.Client) {
	const { session } = client as unknown as { session: Session };
	return {
		get subscriptions() {
			return session.subscriptions;
		},
		/** The packet identifier that was used last. */
		set identifier(last: number) {
			session.identifier = last;
		},
		get kept(): number {
			const { bytes, head, tail } = session.outbox;
			let count = 0;
			for (let at = head; at < tail; at += RECORD_HEADER + ((bytes[at] << 8) | bytes[at + 1])) {
				const isLive = bytes[at + Offset.STATE] !== RecordState.RELEASED;
				if (isLive && session.topics[bytes[at + Offset.TOPIC]].qos > 0) count++;
			}
			return count;
		},
	};
}
