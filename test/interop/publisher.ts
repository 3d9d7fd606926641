/** A board that publishes messages with names (names.ts). */
import type { TestContext } from "node:test";
import { setImmediate, setTimeout as sleep } from "node:timers/promises";
import type { Client, Topic } from "../../src/client.js";
import { bytes } from "../support/peers.js";
import { payloadOf, qosOf } from "./names.js";

/** Publishes them one after the other, as soon as there is room; until the test ends. */
export class Publisher {
	/** The names of those that `publish` said true for. */
	readonly accepted: string[] = [];
	/** How many are to be accepted for the time being. */
	allowed = 0;
	private readonly topics: Record<1 | 2, Topic>;
	private readonly waiting: { count: number; resolve: () => void }[] = [];
	private isOver = false;

	constructor(context: TestContext, client: Client) {
		context.after(() => {
			this.isOver = true;
		});
		this.topics = { 1: client.topic("out/1", { qos: 1 }), 2: client.topic("out/2", { qos: 2 }) };
	}

	/** Asks once. */
	publish(name: string): boolean {
		if (!this.topics[qosOf(name)].publish(bytes(payloadOf(name)))) return false;
		this.accepted.push(name);
		return true;
	}

	async publishAll(names: readonly string[]): Promise<void> {
		for (const name of names) {
			while (this.accepted.length >= this.allowed || !this.publish(name)) {
				if (this.isOver) throw new Error("the test ended before all was published");
				await sleep(1);
			}
			const { length } = this.accepted;
			for (const { count, resolve } of this.waiting) if (count === length) resolve();
			await setImmediate();
		}
	}

	/** Until so many are accepted. */
	reached(count: number): Promise<void> {
		if (this.accepted.length >= count) return Promise.resolve();
		return new Promise((resolve) => this.waiting.push({ count, resolve }));
	}
}
