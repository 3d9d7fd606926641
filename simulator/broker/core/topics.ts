/** Who subscribed to what, what is retained, and which topic name matches which filter (section 4.7). Called by the broker. */

/** One level of filters. */
interface Node<Subscriber> {
	children: Map<string, Node<Subscriber>>;
	/** The QoS that each was granted for the filter that ends here. */
	granted: Map<Subscriber, number>;
}

/** A tree of filters, level by level. Nothing recurses: a filter may have 65,536 levels. */
export class Subscriptions<Subscriber> {
	readonly #root: Node<Subscriber> = node();

	/** Replaces what this subscriber was granted for the same filter [MQTT-3.8.4-3]. */
	add(filter: string, subscriber: Subscriber, qos: number): void {
		let at = this.#root;
		for (const level of filter.split("/")) {
			let child = at.children.get(level);
			if (child === undefined) {
				child = node();
				at.children.set(level, child);
			}
			at = child;
		}
		at.granted.set(subscriber, qos);
	}

	remove(filter: string, subscriber: Subscriber): void {
		const levels = filter.split("/");
		const path = [this.#root];
		for (const level of levels) {
			const child = path[path.length - 1].children.get(level);
			if (child === undefined) return;
			path.push(child);
		}
		path[path.length - 1].granted.delete(subscriber);
		for (let index = levels.length; index > 0; index--) {
			if (path[index].granted.size > 0 || path[index].children.size > 0) return;
			path[index - 1].children.delete(levels[index - 1]);
		}
	}

	/** Each subscriber once, with the highest QoS of all its filters that match [MQTT-3.3.5-1]. */
	matching(topic: string): Map<Subscriber, number> {
		const found = new Map<Subscriber, number>();
		const collect = (at: Node<Subscriber> | undefined) => {
			for (const [subscriber, qos] of at?.granted ?? []) {
				found.set(subscriber, Math.max(qos, found.get(subscriber) ?? 0));
			}
		};
		let reached = [this.#root];
		topic.split("/").forEach((level, index) => {
			const mayBeWildcard = index > 0 || !topic.startsWith("$");
			const next: Node<Subscriber>[] = [];
			for (const { children } of reached) {
				if (mayBeWildcard) collect(children.get("#"));
				for (const key of mayBeWildcard ? [level, "+"] : [level]) {
					const child = children.get(key);
					if (child !== undefined) next.push(child);
				}
			}
			reached = next;
		});
		for (const at of reached) {
			collect(at);
			// "sport/#" matches "sport", too.
			collect(at.children.get("#"));
		}
		return found;
	}
}

function node<Subscriber>(): Node<Subscriber> {
	return { children: new Map(), granted: new Map() };
}

export interface Message {
	topic: string;
	payload: Buffer;
	qos: 0 | 1 | 2;
	retain: boolean;
}

export class Retained {
	readonly #messages = new Map<string, Message>();

	/** Keeps the message in place of what was kept for its topic; one without a payload clears it [MQTT-3.3.1-10]. */
	keep(message: Message): void {
		this.#messages.delete(message.topic);
		if (message.payload.length > 0) this.#messages.set(message.topic, message);
	}

	/** Oldest first. */
	matching(filter: string): Message[] {
		return [...this.#messages.values()].filter(({ topic }) => matches(filter, topic));
	}

	clear(): void {
		this.#messages.clear();
	}
}

/** Whether a filter matches a topic name; both are well-formed. A wildcard in the first level never matches "$...". */
export function matches(filter: string, topic: string): boolean {
	if (topic.startsWith("$") && !filter.startsWith("$")) return false;
	const wanted = filter.split("/");
	const levels = topic.split("/");
	for (let index = 0; index < wanted.length; index++) {
		if (wanted[index] === "#") return true;
		if (index >= levels.length) return false;
		if (wanted[index] !== "+" && wanted[index] !== levels[index]) return false;
	}
	return wanted.length === levels.length;
}
