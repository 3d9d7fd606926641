/**
 * JavaScript that runs inside a board's engine: the modules `timer` and `time`, as Moddable's.
 * modules.ts hands them out; both engines run them.
 *
 * A timer takes two slots, as the native one does. Its quirk is kept: a timer that has no interval when its
 * callback returns is gone, whatever the callback did to re-arm it.
 */

import { EventKind, OperationKind } from "./protocol.js";

/** Timers that a board can have at a time. */
const TIMERS = 64;

export const timerSource = `
import { register, send, sendNumbers } from "board:harness";

class Timer {
	static set(callback, delay = 0, interval = 0) {
		return create(callback, delay | 0, interval | 0);
	}

	static repeat(callback, interval) {
		return create(callback, interval | 0, interval | 0);
	}

	/** With the timer alone: pauses it. Without an interval: it fires once more and is gone. */
	static schedule(timer, delay, interval = 0) {
		const record = recordOf(timer);
		if (delay === undefined) {
			send(${OperationKind.unschedule}, record.id);
		} else {
			record.interval = interval | 0;
			sendNumbers(${OperationKind.schedule}, record.id, delay | 0, interval | 0, 0);
		}
	}

	static clear(timer) {
		if (typeof timer === "object" && timer !== null) {
			release(recordOf(timer));
		}
	}
}

class Record {
	id;
	timer = undefined;
	callback = undefined;
	interval = 0;

	constructor(id) {
		this.id = id;
	}
}

const records = [];
for (let id = 0; id < ${TIMERS}; id++) {
	records.push(new Record(id));
}

function create(callback, delay, interval) {
	if (typeof callback !== "function") {
		throw new TypeError("timer: callback is not a function");
	}
	for (let id = 0; id < ${TIMERS}; id++) {
		const record = records[id];
		if (record.timer === undefined) {
			const timer = { record };
			record.timer = timer;
			record.callback = callback;
			record.interval = interval;
			sendNumbers(${OperationKind.schedule}, id, delay, interval, 0);
			return timer;
		}
	}
	throw new Error("timer: add failed");
}

function recordOf(timer) {
	const record = timer.record;
	if (record === undefined) {
		throw new TypeError("this timer is gone: invalid host data");
	}
	return record;
}

function release(record) {
	record.timer.record = undefined;
	record.timer = undefined;
	record.callback = undefined;
	send(${OperationKind.unschedule}, record.id);
}

register(${EventKind.timer}, function (id) {
	const record = records[id];
	const timer = record.timer;
	const once = record.interval === 0;
	record.callback.call(globalThis, timer);
	if (record.timer === timer && (once || record.interval === 0)) {
		release(record);
	}
});

export default Timer;
`;

export const timeSource = `
import { ticks } from "board:harness";

class Time {
	static get ticks() {
		return ticks();
	}

	static delta(start, end) {
		return (end === undefined ? ticks() : end) - start;
	}
}

export default Time;
`;
