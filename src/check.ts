/** Complaints about what an application asks for, while it sets itself up. The client and the hosts call them. */

/** Throws an Error that says what was wrong and what to do. */
export function fail(what: string): never {
	throw new Error(`mqtt-mote: ${what}`);
}

/** The number `value`, or `otherwise` where it was left out; fails if it is not one from `low` to `high`. */
export function number(value: number | undefined, otherwise: number, low: number, high: number, name: string): number {
	if (value === undefined) return otherwise;
	if (!(typeof value === "number" && value >= low && value <= high)) {
		fail(`${name} must be a number from ${low} to ${high}, not ${typeof value === "string" ? `"${value}"` : value}`);
	}
	return value;
}

/** As `number`, and without a fraction. */
export function whole(value: number | undefined, otherwise: number, low: number, high: number, name: string): number {
	const checked = number(value, otherwise, low, high, name);
	if (checked !== Math.floor(checked)) fail(`${name} must be a whole number, not ${checked}`);
	return checked;
}

/** The port of a broker, 1 to 65,535; 1883 where it was left out. */
export function portNumber(port: number | undefined): number {
	return whole(port, 1883, 1, 65_535, "port");
}
