/**
 * Payloads that tell which message they are: "17", or "17;" and bytes that follow from the number up to the length
 * that was wished for. So loss, duplicates, order and damage can be seen.
 */

/** Byte `at` of the payload of message `number` of a topic that has this `salt`. */
export function byteAt(number: number, salt: number, at: number): number {
	const digits = `${number};`;
	return at < digits.length ? digits.charCodeAt(at) : 32 + ((number * 31 + at * 7 + salt * 13) % 90);
}

/** With the number alone if `length` is no more than that. */
export function payloadOf(number: number, salt: number, length: number): Uint8Array {
	const digits = String(number).length;
	const bytes = new Uint8Array(Math.max(length, digits));
	for (let at = 0; at < bytes.length; at++) bytes[at] = byteAt(number, salt, at);
	return bytes;
}

/** The number that a payload begins with; -1 if it is none of ours. */
export function numberOf(payload: Uint8Array): number {
	let number = 0;
	let at = 0;
	while (at < payload.length && payload[at] >= 48 && payload[at] <= 57) number = number * 10 + payload[at++] - 48;
	return at === 0 || (at < payload.length && payload[at] !== 59) ? -1 : number;
}
