/**
 * What a scenario is, and what it can demand. No runtime's API stands here or in any other file of scenarios: the
 * same ones run on Node and in the XS engine.
 */
import type { Level } from "./packets.js";

export interface Scenario {
	/** The statements that it shows to hold; statements.ts has them. */
	readonly statements: readonly string[];
	/** The sentence that it proves. */
	readonly says: string;
	readonly levels: readonly Level[];
	/** Throws an Error if it does not hold at this level. */
	readonly run: (level: Level) => void;
}

export const both: readonly Level[] = [3, 4];

export function scenario(
	statements: readonly string[],
	says: string,
	levels: readonly Level[],
	run: (level: Level) => void,
): Scenario {
	return { statements, says, levels, run };
}

/** As the tests call it. */
export function nameOf({ statements, says }: Scenario, level: Level): string {
	return `${statements.join(", ")}, level ${level}: ${says}`;
}

/** Demands the same number, text, or array of these. */
export function equal<T>(actual: T, expected: T, what: string): void {
	const [found, wanted] = [JSON.stringify(actual), JSON.stringify(expected)];
	if (found !== wanted) throw new Error(`${what}: ${found} instead of ${wanted}`);
}

/** Demands the same of each case; the Error names the one that fails. */
export function each<T>(cases: Readonly<Record<string, T>>, check: (value: T) => void): void {
	for (const name of Object.keys(cases)) {
		try {
			check(cases[name]);
		} catch (error) {
			throw new Error(`${name}: ${(error as Error).message}`);
		}
	}
}

/** Demands that the action is refused with a sentence of ours that says this. */
export function refuses(says: RegExp, action: () => unknown): void {
	let message: string | undefined;
	try {
		action();
	} catch (error) {
		message = (error as Error).message;
	}
	if (message === undefined) throw new Error(`taken, though it should be refused with ${says}`);
	if (!/^mqtt-mote: /.test(message) || !says.test(message)) throw new Error(`refused with "${message}", not ${says}`);
}
