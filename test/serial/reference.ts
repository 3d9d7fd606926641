/** Frames as docs/serial.md describes them, written for plainness and not from src: what the tests hold FramedLink to. */

/** The FCS-16 of RFC 1662, bit by bit; `before` are the bytes that begin it and are not sent. */
export function fcs(content: readonly number[], before: readonly number[] = []): number {
	let check = 0xffff;
	for (const byte of [...before, ...content]) {
		check ^= byte;
		for (let bit = 0; bit < 8; bit++) check = check & 1 ? (check >> 1) ^ 0x8408 : check >> 1;
	}
	return check ^ 0xffff;
}

/** The number that begins a checksum stands for itself in front of it, so it is no inversion of its own. */
export function encode(content: readonly number[], before: readonly number[] = []): number[] {
	const check = fcs(content, before);
	const escaped = [...content, check & 255, check >> 8].flatMap((byte) =>
		byte === 0x7e || byte === 0x7d ? [0x7d, byte ^ 0x20] : [byte],
	);
	return [...escaped, 0x7e];
}

/** The contents between flags, unescaped, with their FCS. */
export function split(bytes: readonly number[]): number[][] {
	const frames: number[][] = [];
	let frame: number[] = [];
	for (let i = 0; i < bytes.length; i++) {
		if (bytes[i] === 0x7e) {
			if (frame.length > 0) frames.push(frame);
			frame = [];
		} else if (bytes[i] === 0x7d) frame.push(bytes[++i] ^ 0x20);
		else frame.push(bytes[i]);
	}
	return frames;
}

/** The two bytes of a number. */
export const two = (number: number): [number, number] => [number >> 8, number & 255];

/** An opening: of an end that has opened, or that asks for an answer. */
export function opening(mine: number, theirs: number, buffer: number, hasOpened = false): number[] {
	return [0x7e, ...encode([hasOpened ? 0xd1 : 0xc1, ...two(mine), ...two(theirs), ...two(buffer)])];
}
