/** Bytes may come in any pieces, and messages may be large. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Frames } from "../../simulator/broker/core/frames.js";
import { ack, bytesOf, connect, Desk, DISCONNECT, LEVELS, PINGREQ, publish, subscribe, unsubscribe } from "./peer.js";

for (const level of LEVELS) {
	test(`a conversation is the same wherever its bytes are split, level ${level}`, () => {
		const will = { topic: "will", payload: Buffer.from("gone"), qos: 1 as const, retain: true };
		const packets = [
			connect("a", { level, will, username: "u", password: "p", keepAlive: 10 }),
			subscribe(1, ["a/#", 2], ["b", 0]),
			publish("a/ü", "x".repeat(200), 0, 1, { retain: true }),
			publish("a/1", "one", 1, 2),
			ack("puback", 1),
			publish("a/2", "two", 2, 3),
			ack("pubrec", 2),
			ack("pubcomp", 2),
			unsubscribe(4, "a/#"),
			PINGREQ,
			DISCONNECT,
		];
		const bytes = Buffer.concat(packets.map(bytesOf));
		const outcome = (...pieces: Buffer[]) => {
			const desk = new Desk();
			const peer = desk.open(level);
			for (const piece of pieces) peer.write(piece);
			assert.deepEqual(desk.statements, []);
			assert.equal(desk.messages.length, 3);
			return `${peer.bytes.toString("hex")} ${peer.closed}`;
		};
		const whole = outcome(bytes);
		for (let cut = 1; cut < bytes.length; cut++) {
			assert.equal(outcome(bytes.subarray(0, cut), bytes.subarray(cut)), whole);
		}
		assert.equal(outcome(...Array.from(bytes, (byte) => Buffer.of(byte))), whole);
	});
}

test("a message of 1,000,000 bytes comes through, in pieces", () => {
	const desk = new Desk();
	const peer = desk.client("a").send(subscribe(1, ["t", 1]));
	peer.next("suback");
	const payload = Buffer.alloc(1_000_000, "x");
	const bytes = bytesOf({ cmd: "publish", topic: "t", payload, qos: 1, messageId: 1, dup: false, retain: false });
	for (let start = 0; start < bytes.length; start += 1_460) peer.write(bytes.subarray(start, start + 1_460));
	const { payload: seen } = peer.next("publish");
	assert.ok(payload.equals(seen as Buffer));
});

test("a claim of 268,435,455 bytes takes no memory until they come", () => {
	const desk = new Desk();
	const peer = desk.client("a");
	const before = process.memoryUsage().arrayBuffers;
	peer.send("30 ffffff7f 0001 61");
	assert.ok(process.memoryUsage().arrayBuffers - before < 1_000_000);
	assert.equal(peer.closed, undefined);
});

test("a packet that is longer than the broker takes ends the connection before it comes", () => {
	const desk = new Desk({ longest: 1_000 });
	const peer = desk.client("a").send(publish("t", "x".repeat(997)));
	assert.equal(desk.messages.length, 1);
	peer.send("30 e907");
	assert.equal(peer.closed, "a packet of 1001 bytes is longer than this broker takes");
	assert.deepEqual(desk.statements, []);
});

test("the bytes that come in may be used again by who brought them", () => {
	const desk = new Desk();
	const peer = desk.client("a");
	const shared = bytesOf(publish("t", "kept", 1, 1, { retain: true }));
	peer.write(shared);
	shared.fill(0);
	assert.deepEqual(
		desk
			.client("b")
			.send(subscribe(1, ["t", 0]))
			.read(),
		["suback 1", "publish qos 0 retain t=kept"],
	);
});

test("an output may call the broker at once", () => {
	const desk = new Desk();
	const echo = desk.client("echo").send(subscribe(1, ["t", 1]));
	const take = echo.take.bind(echo);
	echo.take = (bytes) => {
		take(bytes);
		for (const packet of echo.inbox.splice(0)) {
			if (packet.cmd === "publish")
				echo.send(ack("puback", packet.messageId ?? 0), publish("answer", `${packet.payload}`));
		}
	};
	const peer = desk.client("a").send(subscribe(1, ["answer", 0]), publish("t", "1", 1, 1), publish("t", "2", 1, 2));
	assert.deepEqual(peer.read(), [
		"suback 1",
		"puback 1",
		"puback 2",
		"publish qos 0 answer=1",
		"publish qos 0 answer=2",
	]);
	assert.equal(desk.broker.session("echo")?.inFlight, 0);
});

test("the buffer shrinks again", () => {
	const frames = new Frames();
	const checks = { firstByte() {}, length() {} };
	frames.append(bytesOf(publish("t", "x".repeat(200_000))));
	assert.equal(frames.next(checks)?.start, 4);
	assert.ok(frames.isEmpty);
	frames.append(Buffer.of(0xc0));
	assert.equal(frames.next(checks), undefined);
	frames.append(Buffer.of(0, 0xc0, 0));
	assert.equal(frames.next(checks)?.bytes.length, 2);
	assert.equal(frames.next(checks)?.bytes.length, 2);
	assert.equal(frames.next(checks), undefined);
});
