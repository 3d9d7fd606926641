/** How much the tests of what survives do: little in `npm test`, all of it in `npm run survive`. */

function figure(name: string, usual: number): number {
	const value = process.env[`SURVIVE_${name}`];
	return value === undefined ? usual : Number(value);
}

/** How often a broker ends and starts again. */
export const RESTARTS = figure("RESTARTS", 8);

/** How often a board is killed. */
export const CUTS = figure("CUTS", 15);

/** Messages of each QoS that are published across the restarts of a broker. */
export const QOS_1 = figure("QOS_1", 800);
export const QOS_2 = figure("QOS_2", 160);

/** How often a serial cable is pulled, and messages of each QoS that are published over it. */
export const PULLS = figure("PULLS", 5);
export const SERIAL_QOS_1 = figure("SERIAL_QOS_1", 100);
export const SERIAL_QOS_2 = figure("SERIAL_QOS_2", 25);

/** How long one test may take, in milliseconds. */
export const TIMEOUT = 60_000 + 2_000 * (RESTARTS + CUTS) + 10 * (QOS_1 + QOS_2);
