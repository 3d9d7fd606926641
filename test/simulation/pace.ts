/**
 * The waits before reconnects: decorrelated jitter from `base` to `cap`, about `cap` after a refusal, and from the
 * start again only after the link was up for a while. A hint that the network is back cuts one of them short.
 */
import type { World } from "./world.js";

/** CONNACK with a return code. */
const REFUSALS = 5;

export class Pace {
	/** The last number that the client has drawn. */
	drawn = 0;
	/** When the last wait began, and when it is to end. */
	setAt = 0;
	attemptAt = 0;
	/** When it would end without a hint. */
	latest = 0;
	/** The clock was set: how long the client has waited may be wrong. */
	isAstray = false;
	/** The last wait of the jitter, or `base` if the client may start from there. */
	private last: number;
	private connectedAt = Number.POSITIVE_INFINITY;
	/** A hint is given just now. */
	private isHinting = false;
	/** One has cut this wait short; one was given since the link was up for a while; and one ever. */
	private isHurried = false;
	private wasHinted = false;
	private wasEverHinted = false;

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

	stopped(): void {
		if (this.world.time.now - this.connectedAt >= this.patience) this.wasHinted = false;
		this.connectedAt = Number.POSITIVE_INFINITY;
	}

	connected(): void {
		this.connectedAt = this.world.time.now;
	}

	/** The host gives a hint, with `act`; `reason` is why the client waits, if it does. */
	hint(reason: number | undefined, act: () => void): void {
		const mustHelp = reason !== undefined && reason > REFUSALS && !this.isHurried;
		this.isHinting = true;
		act();
		this.isHinting = false;
		if (mustHelp && !this.isHurried) this.world.fail(this.who, "does not heed a hint that the network is back");
	}

	/** The client waits, after a connection that ended for this reason. */
	waits(milliseconds: number, reason: number): void {
		const { world, who, base, cap, drawn } = this;
		this.attemptAt = world.time.now + milliseconds;
		if (this.isHinting) {
			this.hurries(milliseconds, reason);
			return;
		}
		this.setAt = world.time.now;
		this.latest = this.attemptAt;
		this.isAstray = false;
		this.isHurried = false;
		const upFor = world.time.now - this.connectedAt;
		this.connectedAt = Number.POSITIVE_INFINITY;
		if (upFor >= this.patience) {
			this.last = base;
			this.wasHinted = false;
		}
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

	private hurries(milliseconds: number, reason: number): void {
		const { world, who, base } = this;
		const says = (complaint: string) =>
			world.fail(who, `waits ${milliseconds.toFixed()} ms after a hint, ${complaint}`);
		if (reason <= REFUSALS) says("though the broker has refused it");
		if (this.isHurried) says("the second one in one wait");
		const isEarly = this.attemptAt < this.setAt + base - 2;
		if (this.wasHinted && isEarly && !this.isAstray) says("the second one before the link was up for a while");
		if (!this.wasEverHinted && milliseconds > 0) says("the first one");
		this.isHurried = this.wasHinted = this.wasEverHinted = true;
	}
}
