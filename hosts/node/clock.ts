/** Node's timers and random numbers as a Clock. */
import type { Alarm, Clock } from "../../src/host.js";

export const clock: Clock = {
	time: () => performance.now() >>> 0,

	random: Math.random,

	alarm(callback: () => void): Alarm {
		let timer: NodeJS.Timeout | undefined;
		return {
			set(milliseconds: number): void {
				clearTimeout(timer);
				timer = milliseconds < 0 ? undefined : setTimeout(callback, milliseconds);
			},
		};
	},
};
