/** Bytes written by hand, as a person reads them in the specification. */

/** `hex("10 0d", "00 04")` is the bytes 16, 13, 0, 4; a comment may stand behind each part. */
export function hex(...parts: string[]): Uint8Array {
	const digits = parts.join("").replaceAll(" ", "");
	if (!/^([0-9a-f]{2})*$/.test(digits)) throw new Error(`not hex bytes: ${digits}`);
	return Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

/** The bytes as "10 0d 00 04": a failed comparison of these can be read. */
export function show(bytes: Uint8Array): string {
	return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
}

export function joined(pieces: readonly Uint8Array[]): Uint8Array {
	return new Uint8Array(Buffer.concat(pieces));
}

/** The UTF-8 bytes of a text. */
export function utf8(text: string): Uint8Array {
	return new TextEncoder().encode(text);
}

/** The text of UTF-8 bytes; throws if they are ill-formed, and keeps a U+FEFF. */
export function textOf(bytes: Uint8Array): string {
	return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
}
