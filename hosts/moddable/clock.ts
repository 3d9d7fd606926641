/** Moddable's timers and random numbers as a Clock. */
import Time from "time";
import Timer from "timer";
import type { Alarm, Clock } from "../../src/host.js";

/** Longer than any wait; the timer is paused before this is over. */
const NEVER = 0x7fffffff;

/** What a timer is for. */
export interface TimerOwner {
	onTimer(): void;
}

/** A timer that is only ever set again: a one-shot timer can't be from its own callback, and a new one for each wait would allocate. */
export type OwnedTimer = Timer & { owner: TimerOwner };

/** A repeating timer, paused. All share one function, so that one takes 4 slots. */
export function pausedTimer(owner: TimerOwner): OwnedTimer {
	const timer = Timer.repeat(fire as (timer: Timer) => void, NEVER) as OwnedTimer;
	timer.owner = owner;
	Timer.schedule(timer);
	return timer;
}

/** Fires once after so many milliseconds; -1: not at all. */
export function setTimer(timer: OwnedTimer, milliseconds: number): void {
	if (milliseconds < 0) Timer.schedule(timer);
	else Timer.schedule(timer, milliseconds, NEVER);
}

function fire(timer: OwnedTimer): void {
	Timer.schedule(timer);
	timer.owner.onTimer();
}

class TimerAlarm implements Alarm, TimerOwner {
	private readonly callback: () => void;
	private readonly timer: OwnedTimer;

	constructor(callback: () => void) {
		this.callback = callback;
		this.timer = pausedTimer(this);
	}

	set(milliseconds: number): void {
		setTimer(this.timer, milliseconds);
	}

	onTimer(): void {
		this.callback();
	}
}

/** Frozen, so that it needs no memory where this module is preloaded. */
export const clock: Clock = Object.freeze({
	time: () => Time.ticks >>> 0,
	random: Math.random,
	alarm: (callback: () => void) => new TimerAlarm(callback),
});
