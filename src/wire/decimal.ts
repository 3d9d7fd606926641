/** Numbers as decimal text, written byte by byte: a reading costs no string. */

/** The most bytes that `writeDecimal` writes. */
export const DECIMAL_SIZE = 24;

/**
 * Writes `value`, rounded to `decimals` digits behind the point (0 to 15), half away from zero: "-3.10", "0.05",
 * "21". Returns where it ends, or -1 if the value is not a number, is infinite, or has
 * more digits than a double holds exactly (above 9,007,199,254,740,991 when the point is left out).
 */
export function writeDecimal(bytes: Uint8Array, at: number, value: number, decimals: number): number {
	decimals >>>= 0;
	if (decimals > 15) return -1;
	let unit = 1;
	for (let i = 0; i < decimals; i++) unit *= 10;
	const scaled = (value < 0 ? -value : value) * unit;
	let rest = Math.floor(scaled);
	if (scaled - rest >= 0.5) rest++;
	if (!(rest <= 9_007_199_254_740_991)) return -1;
	if (value < 0 && rest > 0) bytes[at++] = 45; // "-"
	let digits = decimals + 1;
	for (let power = unit * 10; power <= rest; power *= 10) digits++;
	const end = at + digits + (decimals > 0 ? 1 : 0);
	for (let i = end - 1; i >= at; i--) {
		if (decimals > 0 && i === end - 1 - decimals) {
			bytes[i] = 46; // "."
			continue;
		}
		const tenth = Math.floor(rest / 10);
		bytes[i] = 48 + (rest - tenth * 10);
		rest = tenth;
	}
	return end;
}
