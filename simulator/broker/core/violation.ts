/** How the core says that a client broke a rule: an error that carries the statement's number. Thrown by all checks. */

/** Ends the connection on which it is thrown. */
export class Violated extends Error {
	/** Of MQTT 3.1.1, such as MQTT-3.3.1-2; empty where the broker cannot go on though the client may do it. */
	readonly statement: string;

	constructor(statement: string, sentence: string) {
		super(sentence);
		this.statement = statement;
	}
}

/** A CONNECT that is answered with a CONNACK before the connection is closed. */
export class Refused extends Error {
	/** The return code of CONNACK, 1 to 5 (section 3.2.2.3). */
	readonly returnCode: number;
	/** Empty where the client did nothing wrong. */
	readonly statement: string;

	constructor(returnCode: number, sentence: string, statement = "") {
		super(sentence);
		this.returnCode = returnCode;
		this.statement = statement;
	}
}

export function demand(condition: boolean, statement: string, sentence: string): asserts condition {
	if (!condition) throw new Violated(statement, sentence);
}

/** Tells of something that a client did wrong and that the broker can go on after. */
export type Report = (statement: string, sentence: string) => void;
