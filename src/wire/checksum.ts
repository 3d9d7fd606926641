/** The frame check sequence of RFC 1662, appendix C.2: CRC-16/X.25 without its first and last inversion. */

/** The checksum of what `check` is the checksum of, and of `bytes[at]` up to, but not including, `bytes[end]`. */
export function checksumOf(bytes: Uint8Array, at: number, end: number, check: number): number {
	for (; at < end; at++) {
		let byte = (bytes[at] ^ check) & 255;
		byte ^= (byte << 4) & 255;
		check = (check >> 8) ^ (byte << 8) ^ (byte << 3) ^ (byte >> 4);
	}
	return check;
}
