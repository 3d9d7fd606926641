/**
 * Topic names and topic filters as UTF-8 bytes: what is well-formed, what is legal, what matches
 * (MQTT 3.1.1, sections 1.5.3 and 4.7).
 */
import { Limit } from "./packet.js";

const HASH = 35;
const PLUS = 43;
const SLASH = 47;
const DOLLAR = 36;

/**
 * Is this well-formed UTF-8 without U+0000 ([MQTT-1.5.3-1], [MQTT-1.5.3-2])? Overlong forms and surrogates
 * are not. With `name`, wildcards are not either, and it is not empty: a topic name ([MQTT-3.3.2-2],
 * [MQTT-4.7.3-1]).
 */
export function wellFormed(bytes: Uint8Array, at: number, end: number, name: boolean): boolean {
	if (name && at === end) return false;
	while (at < end) {
		const byte = bytes[at++];
		if (byte < 0x80) {
			if (byte === 0 || (name && (byte === PLUS || byte === HASH))) return false;
			continue;
		}
		if (byte < 0xc2 || byte > 0xf4) return false;
		let more = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
		if (at + more > end) return false;
		// The second byte rules out overlong forms, surrogates, and what is beyond U+10FFFF.
		const second = bytes[at];
		if (byte === 0xe0 && second < 0xa0) return false;
		if (byte === 0xed && second > 0x9f) return false;
		if (byte === 0xf0 && second < 0x90) return false;
		if (byte === 0xf4 && second > 0x8f) return false;
		for (; more > 0; more--) if ((bytes[at++] & 0xc0) !== 0x80) return false;
	}
	return true;
}

/** Does `filter` hold a `+` or a `#`? */
export function hasWildcard(filter: Uint8Array): boolean {
	for (let i = 0; i < filter.length; i++) if (filter[i] === PLUS || filter[i] === HASH) return true;
	return false;
}

/** What is wrong with a topic name to publish to; undefined if nothing ([MQTT-3.3.2-2], [MQTT-4.7.3-1] to -3). */
export function nameError(name: Uint8Array): string | undefined {
	if (hasWildcard(name)) return "has a wildcard, + or #, which only a filter may have";
	return textError(name);
}

/** What is wrong with a topic filter; undefined if nothing ([MQTT-4.7.1-2], [MQTT-4.7.1-3], [MQTT-4.7.3-1] to -3). */
export function filterError(filter: Uint8Array): string | undefined {
	const last = filter.length - 1;
	for (let i = 0; i <= last; i++) {
		const byte = filter[i];
		if (byte !== PLUS && byte !== HASH) continue;
		const begins = i === 0 || filter[i - 1] === SLASH;
		if (byte === HASH && !(begins && i === last)) return "has a # that is not its whole last level";
		if (!(begins && (i === last || filter[i + 1] === SLASH))) return "has a + that is not a whole level";
	}
	return textError(filter);
}

function textError(text: Uint8Array): string | undefined {
	if (text.length === 0) return "is empty; it needs at least one character";
	if (text.length > Limit.FIELD) return "is longer than 65,535 bytes";
	if (!wellFormed(text, 0, text.length, false)) return "holds U+0000, half of a surrogate pair, or is not UTF-8";
	return undefined;
}

/** Does the topic name `bytes[at]` up to `bytes[end]` match the filter (section 4.7)? Both are legal: no name has a wildcard. */
export function matches(filter: Uint8Array, bytes: Uint8Array, at: number, end: number): boolean {
	const first = filter[0];
	if (bytes[at] === DOLLAR && (first === PLUS || first === HASH)) return false; // [MQTT-4.7.2-1]
	const length = filter.length;
	for (let i = 0; i < length; i++) {
		const byte = filter[i];
		if (at < end && byte === bytes[at]) at++;
		else if (byte === HASH) return true;
		else if (byte === PLUS) while (at < end && bytes[at] !== SLASH) at++;
		else return at === end && byte === SLASH && filter[i + 1] === HASH; // "a/#" matches "a" too
	}
	return at === end;
}
