/** What is wrong and what to do about it, in one sentence for the person at the command line. */
export class Complaint extends Error {
	/** 2: the command line is wrong. 1: it is right, and something else is in the way. */
	readonly exitStatus: 1 | 2;

	constructor(sentence: string, exitStatus: 1 | 2 = 1) {
		super(sentence);
		this.exitStatus = exitStatus;
	}
}
