/**
 * What may leave in front of CONNACK, and whether the client notices a broker that does not take it: an attempt that
 * was lost there is followed by one that waits, and if that is accepted all wait, until one that did is lost there,
 * too.
 */
import type { World } from "./world.js";

/** PUBLISH packets in front of CONNACK. */
const MOST = 40;

export class Pipelining {
	/** This attempt may send in front of CONNACK. */
	private isEarly = false;
	/** On this connection messages that are to be acknowledged were sent in front of CONNACK. */
	wasEarly = false;
	/** The attempt before has, and was lost there. */
	private isDoubtful = false;
	/** The broker is known not to take it. */
	private isKnown = false;
	private published = 0;

	constructor(
		private readonly world: World,
		private readonly who: string,
	) {}

	begin(): void {
		this.published = 0;
		this.isEarly = this.wasEarly = false;
	}

	/** The link is open. */
	opened(isFlushing: boolean, isEarly: boolean): void {
		this.isEarly = isEarly;
		if (!isEarly) return;
		const { world, who } = this;
		if (!isFlushing) world.fail(who, "sends in front of CONNACK without a flush");
		if (this.isDoubtful) world.fail(who, "pipelines again right after a pipelined attempt was lost");
		if (this.isKnown) world.fail(who, "pipelines though the broker is known not to take it");
	}

	/** A packet leaves in front of CONNACK; it may if it is PUBLISH at QoS 0 or 1. */
	says(mayLeave: boolean, isFlushing: boolean): void {
		const { world, who } = this;
		if (!mayLeave || !isFlushing) world.fail(who, "says something in front of CONNACK that must wait");
		if (++this.published > MOST) world.fail(who, `sends ${this.published} PUBLISHes in front of CONNACK`);
		world.faults["sent before CONNACK"]++;
	}

	accepted(isFlushing: boolean, wasEarly: boolean): void {
		this.wasEarly = wasEarly;
		if (!isFlushing) return;
		if (this.isDoubtful && !this.isEarly) this.learn();
		this.isDoubtful = false;
	}

	/** The attempt ended in front of CONNACK, and neither by `stop` nor by a refusal. */
	lost(isFlushing: boolean): void {
		if (!isFlushing) return;
		this.isDoubtful = this.isEarly && this.published > 0;
		if (!this.isEarly) this.isKnown = false;
	}

	/** It is told from something else that the broker takes nothing in front of CONNACK. */
	learn(): void {
		this.isKnown = true;
		this.world.faults["pipelining given up"]++;
	}

	/** A new life: a suspicion is forgotten, and all where the store has failed. */
	forget(all: boolean): void {
		this.isDoubtful = false;
		if (all) this.isKnown = false;
	}
}
