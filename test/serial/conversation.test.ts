/**
 * Two FramedLinks on a line under virtual time, with noise, a cable that is pulled, boards that are busy, reset and close as they
 * like. Whatever happens: what is handed over is what the other end said in this conversation, from its first byte and without a gap; no
 * UART holds more than it has; and when the line is good again, the two talk again. The seed is printed; SEED=7 replays it.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Random, seeded } from "../support/random.js";
import { type Habits, pair, pass } from "./virtual.js";

/** Runs, and virtual milliseconds of trouble in each. */
const RUNS = 40;
const TROUBLE = 20_000;

/** By when two ends on a good line talk, at the latest: the deadline, a pause, and three openings. */
const RECOVERY = 6000;

function habits(random: Random): Habits {
	return {
		buffer: random.pick([80, 128, 128, 256, 1024]),
		busy: random.pick([0, 5, 50, 400]),
		isForgetful: random.chance(0.2),
		pause: random.pick([0, 20, 300]),
	};
}

test(`${RUNS} lines in trouble: nothing wrong, too much or twice is handed over, and they come back`, (context) => {
	const random = seeded((message) => context.diagnostic(message));
	const sum = { conversations: 0, bytes: 0, resets: 0, pulls: 0 };
	for (let run = 0; run < RUNS; run++) {
		const { time, cable, boards } = pair(random, habits(random), habits(random));
		const noise = random.pick([0, 0.0005, 0.005, 0.05]);
		/** Something happens every now and then. */
		for (let left = TROUBLE; left > 0; ) {
			const wait = 1 + random.below(1500);
			left -= wait;
			cable.noise = random.chance(0.7) ? noise : 0;
			pass(time, wait);
			const board = random.pick(boards);
			const fate = random.below(6);
			if (fate === 0) {
				board.reset();
				sum.resets++;
				pass(time, 500); // no board resets again at once, so an opening at a time is unread
			} else if (fate === 1) {
				cable.isIn = false;
				pass(time, random.below(random.pick([5, 100, 5000])));
				cable.isIn = true;
				sum.pulls++;
			} else if (fate === 2) board.uart.vanish();
			else if (fate === 3 && board.isOpen) board.close();
			else if (fate === 4) board.block();
			else board.talk();
		}
		cable.noise = 0;
		pass(time, RECOVERY);
		const before = boards.map(({ bytes }) => bytes);
		for (const board of boards) board.talk();
		pass(time, 1000);
		const [one, other] = boards;
		const state = `run ${run}: ${JSON.stringify(boards.map(({ habits }) => habits))}`;
		for (const board of boards) assert.deepEqual(board.complaints, [], state);
		assert.ok(one.isOpen && other.isOpen, `both are open; ${state}`);
		assert.deepEqual([one.tag, other.tag], [other.saying, one.saying], `they hear each other; ${state}`);
		for (const [i, { bytes }] of boards.entries()) assert.ok(bytes > before[i], `${i} has heard more; ${state}`);
		for (const { uart, habits } of boards) {
			assert.ok(uart.mostUnread <= habits.buffer, `${uart.mostUnread} bytes in a buffer of ${habits.buffer}; ${state}`);
		}
		for (const { conversations, bytes } of boards) {
			sum.conversations += conversations;
			sum.bytes += bytes;
		}
	}
	context.diagnostic(
		`${sum.conversations} conversations, ${sum.bytes} bytes, ${sum.resets} resets, ${sum.pulls} pulls`,
	);
	assert.ok(sum.conversations > 10 * RUNS && sum.bytes > 4_000 * RUNS);
});
