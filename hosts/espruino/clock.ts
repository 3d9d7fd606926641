/** Espruino's timers and random numbers as a Clock. */
import type { Alarm, Clock } from "../../src/host.js";

class TimeoutAlarm implements Alarm {
	private timer = 0;
	private readonly fire: () => void;

	constructor(callback: () => void) {
		this.fire = () => {
			this.timer = 0;
			callback();
		};
	}

	set(milliseconds: number): void {
		if (this.timer) clearTimeout(this.timer);
		this.timer = milliseconds < 0 ? 0 : setTimeout(this.fire, milliseconds);
	}
}

export const clock: Clock = {
	// Where the firmware sets the time, before it publishes.
	time: () => (getTime() * 1000) >>> 0,
	random: () => Math.random(),
	alarm: (callback) => new TimeoutAlarm(callback),
};
