/** The first and last remaining lengths of each size (table 2.4 of the specification), and what lies around them. */
export const LENGTHS = [
	[0, "00"],
	[1, "01"],
	[127, "7f"],
	[128, "80 01"],
	[129, "81 01"],
	[130, "82 01"],
	[321, "c1 02"],
	[16_383, "ff 7f"],
	[16_384, "80 80 01"],
	[2_097_151, "ff ff 7f"],
	[2_097_152, "80 80 80 01"],
	[268_435_454, "fe ff ff 7f"],
	[268_435_455, "ff ff ff 7f"],
] as const;
