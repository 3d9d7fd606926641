/**
 * Messages with names, by which one can tell what was lost and what came twice. A name begins with the QoS, as "2:17"; the
 * rest of the payload follows from the name, so that one that was mixed up on its way is noticed.
 */
import type { Seen } from "../support/peers.js";
import type { Random } from "../support/random.js";

/** The name of what is sent to a board last. */
export const LAST = "2:in:last";

/** The whole payload: mostly short, now and then longer than the client's output. */
export function payloadOf(name: string): string {
	let hash = 7;
	for (const character of name) hash = (hash * 31 + character.charCodeAt(0)) % 1009;
	return `${name} ${"x".repeat(hash % 23 === 0 ? 200 + (hash % 200) : hash % 40)}`;
}

export function nameOf(payload: string): string {
	return payload.split(" ", 1)[0];
}

export function qosOf(name: string): 1 | 2 {
	return name.startsWith("2") ? 2 : 1;
}

/** So many names of each QoS, mixed. */
export function mixed(random: Random, once: number, exactlyOnce: number): string[] {
	const names: string[] = [];
	for (let left1 = once, left2 = exactlyOnce; left1 + left2 > 0; ) {
		names.push(random.below(left1 + left2) < left1 ? `1:${left1--}` : `2:${left2--}`);
	}
	return names;
}

/** Those that appear more than once, once for each time too many. */
export function repeats(names: readonly string[]): string[] {
	const seen = new Set<string>();
	return names.filter((name) => seen.size === seen.add(name).size);
}

/** Those of the first list that are not in the second one. */
export function without(names: Iterable<string>, others: Iterable<string>): string[] {
	const excluded = new Set(others);
	return [...names].filter((name) => !excluded.has(name));
}

/** The messages that arrived other than they were published. */
export function spoilt(seen: readonly Seen[]): Seen[] {
	return seen.filter(({ topic, payload }) => {
		const name = nameOf(payload);
		return payload !== payloadOf(name) || topic !== `out/${qosOf(name)}`;
	});
}
