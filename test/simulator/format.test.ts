/** What is shown of messages and boards. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type BoardReport, payloadText, statusLine, statusTable } from "../../simulator/format.js";

const connected: BoardReport = {
	name: "board-1",
	client: {
		state: 4,
		reason: 0,
		accepted: 12,
		delivered: 11,
		sent: 13,
		received: 0,
		connections: 1,
		outbox: { used: 12, size: 1024 },
	},
	gauge: { liveSlots: 1700, liveChunkBytes: 36_000, firmwareSlots: 0, retainedChunkBytes: 0, uncountedEvents: 0 },
	slotsPerMessage: 0,
	problem: "",
};

test("a payload is shown as text if a terminal can print it, else in hexadecimal", () => {
	assert.equal(payloadText(Buffer.from("21.57")), "21.57");
	assert.equal(payloadText(Buffer.from("20 °C")), "20 °C");
	assert.equal(payloadText(Buffer.of(0x1b, 0x5b, 0x32, 0x4a)), "1b 5b 32 4a");
	assert.equal(payloadText(Buffer.of(0xff)), "ff");
	assert.equal(payloadText(Buffer.from("ü").subarray(0, 1)), "c3");
	assert.equal(payloadText(new Uint8Array(0)), "(empty)");
});

test("a long payload is cut, and its length told", () => {
	assert.equal(payloadText(Buffer.alloc(1000, "ü")), `${"ü".repeat(60)}... (1000 bytes)`);
	assert.equal(payloadText(Buffer.alloc(100)), `${Array(20).fill("00").join(" ")}... (100 bytes)`);
	assert.equal(payloadText(Buffer.from("start"), 5000), "start... (5000 bytes)");
});

test("slots per message are never shown as 0 when they are not", () => {
	const time = new Date(2026, 10, 23, 9, 8, 7, 6);
	const line = (slotsPerMessage: number) => statusLine(time, { ...connected, slotsPerMessage });
	assert.match(line(0), /^09:08:07.006 {2}board-1: connected; .*; 0 slots per message$/);
	assert.match(line(0.0001), /; <0\.01 slots per message$/);
	assert.match(line(2.5), /; 2\.50 slots per message$/);
});

test("the table fits a terminal of 80 columns, and says once why boards are down", () => {
	const down = { ...connected, problem: "no connection to the broker" };
	const lines = statusTable([connected, { ...down, name: "board-2" }, { ...down, name: "board-3" }]);
	for (const line of lines) assert.ok(line.length < 80, line);
	assert.equal(lines[1], "no connection to the broker: board-2, board-3");
});
