/** Bytes written by hand, as a person reads them in the specification; and texts. */
export { hex, joined, show, utf8 } from "../conformance/packets.js";

/** The text of UTF-8 bytes; throws if they are ill-formed, and keeps a U+FEFF. */
export function textOf(bytes: Uint8Array): string {
	return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
}
