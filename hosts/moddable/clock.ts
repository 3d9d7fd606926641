/** Moddable's timers and random numbers as a Clock. */
import Time from "time";
import Timer from "timer";
import type { Alarm, Clock } from "../../src/host.js";

/** Longer than any wait; the timer is paused before this is over. */
const NEVER = 0x7fffffff;

/**
 * One repeating timer, paused between uses: a one-shot timer can't be armed again from its own callback,
 * and a new one for each wait would allocate.
 */
class TimerAlarm implements Alarm {
	private readonly timer: Timer;

	constructor(callback: () => void) {
		this.timer = Timer.repeat((timer) => {
			Timer.schedule(timer);
			callback();
		}, NEVER);
		Timer.schedule(this.timer);
	}

	set(milliseconds: number): void {
		if (milliseconds < 0) Timer.schedule(this.timer);
		else Timer.schedule(this.timer, milliseconds, NEVER);
	}
}

export const clock: Clock = {
	time: () => Time.ticks >>> 0,
	random: Math.random,
	alarm: (callback) => new TimerAlarm(callback),
};
