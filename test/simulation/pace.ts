/**
 * The waits before reconnects: decorrelated jitter from `base` to `cap`, about `cap` after a refusal, and from the start
 * again only after the link was up for a while.
 */
import type { World } from "./world.js";

/** CONNACK with a return code. */
const REFUSALS = 5;

export class Pace {
	/** The last number that the client has drawn. */
	drawn = 0;
	/** The last wait, or `base` if the client may start from there. */
	private last: number;
	private connectedAt = Number.POSITIVE_INFINITY;

	/** In milliseconds; `patience` is how long a link must be up at least. */
	constructor(
		private readonly world: World,
		private readonly who: string,
		private readonly base: number,
		private readonly cap: number,
		private readonly patience: number,
		private readonly hasFallback: boolean,
	) {
		this.last = base;
	}

	started(): void {
		this.last = this.base;
	}

	connected(): void {
		this.connectedAt = this.world.time.now;
	}

	/** The client waits, after a connection that ended for this reason. */
	waits(milliseconds: number, reason: number): void {
		const { world, who, base, cap, drawn } = this;
		const upFor = world.time.now - this.connectedAt;
		this.connectedAt = Number.POSITIVE_INFINITY;
		if (upFor >= this.patience) this.last = base;
		const says = (complaint: string) =>
			world.fail(who, `waits ${milliseconds.toFixed()} ms before a reconnect, ${complaint}`);
		if (milliseconds > cap + 1e-6) says(`more than retryCap, ${cap}`);
		if (reason <= REFUSALS && (milliseconds >= cap / 2 || !this.hasFallback)) {
			if (milliseconds < cap / 2) says(`after a refusal, with retryCap ${cap}`);
			this.last = this.hasFallback ? milliseconds : cap; // with a Fallback it may not have counted as a refusal
			return;
		}
		if (milliseconds < Math.min(base, cap) - 1e-6) says(`less than retryBase, ${base}`);
		const least = Math.min(cap, base + drawn * (3 * this.last - base));
		if (milliseconds < least - 1e-6) says(`not ${least.toFixed()}: the link was not up for long`);
		this.last = milliseconds;
	}
}
