/** FramedLink on a line that does what the test says: its frames byte by byte, and what it does about each that comes. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { FramedLink } from "../../src/serial/framed-link.js";
import { checksumOf } from "../../src/wire/checksum.js";
import { seeded } from "../support/random.js";
import { encode, fcs, opening, split, two } from "./reference.js";
import { data, INBOX, MINE, OUTBOX, ours, Scene, ScriptedLine, THEIRS, theirs } from "./scripted.js";

const EVERY_BYTE = Array.from({ length: 256 }, (_, byte) => byte);

const hex = (bytes: Iterable<number>) => Buffer.from([...bytes]).toString("hex");

/** A scene in which both ends are open. */
function opened(buffer?: number, theirBuffer?: number): Scene {
	const scene = new Scene(buffer);
	scene.open(theirBuffer);
	return scene;
}

/** It has told its owner that the link is closed, and nothing else; and the other end. */
function assertGivenUp(scene: Scene, because = ""): void {
	assert.deepEqual(scene.told(), ["closed"], because);
	assert.equal(hex(scene.line.taken()), hex([0x7e, ...ours(0xa0)]), because);
	assert.equal(scene.link.room, 0);
}

test("the checksum is that of RFC 1662: 906e for 123456789", () => {
	const digits = [...Buffer.from("123456789")];
	assert.equal(fcs(digits), 0x906e);
	assert.equal(checksumOf(Uint8Array.from(digits), 0, digits.length, 0xffff) ^ 0xffff, 0x906e);
});

describe("opening", () => {
	test("an end says its number and its buffer at once, every half second, and what it knows of the other", () => {
		const scene = new Scene();
		scene.link.open();
		assert.equal(scene.line.opened, 1);
		scene.line.writable();
		// Number 7d7e, none of the other's, 128 bytes: escaped by hand.
		assert.equal(hex(scene.line.taken()), "7ec17d5d7d5e0000008023527e");
		scene.clock.advance(499);
		assert.deepEqual(scene.line.taken(), []);
		scene.clock.advance(1);
		// As long as it is alone it draws anew, with the time in it: so two ends do not go on to draw the same.
		const later = MINE + 500;
		assert.equal(hex(scene.line.taken()), hex(opening(later, 0, 128)));
		scene.line.receive(opening(THEIRS, MINE, 300));
		assert.equal(hex(scene.line.taken()), hex(opening(later, THEIRS, 128)));
		scene.clock.advance(500);
		assert.equal(hex(scene.line.taken()), hex(opening(later, THEIRS, 128)));
		assert.deepEqual(scene.told(), []);
	});

	test("it is open when it hears its own number, and says so to an end that asks", () => {
		for (const hasOpened of [false, true]) {
			const scene = new Scene();
			scene.link.open();
			scene.line.writable();
			scene.line.taken();
			scene.line.receive(opening(THEIRS, MINE, 128, hasOpened));
			assert.deepEqual(scene.told(), ["writable"]);
			assert.equal(hex(scene.line.taken()), hasOpened ? "" : hex(opening(MINE, THEIRS, 128, true)));
			scene.clock.advance(10_000);
			assert.deepEqual(scene.line.taken(), []);
		}
	});

	test("an end that has not heard the answer asks again, and is answered", () => {
		const scene = opened();
		scene.line.receive(opening(THEIRS, MINE, 128));
		assert.equal(hex(scene.line.taken()), hex(opening(MINE, THEIRS, 128, true)));
		scene.line.receive(opening(THEIRS, MINE, 128, true));
		assert.deepEqual(scene.line.taken(), []);
		assert.deepEqual(scene.told(), []);
	});

	for (const [what, frame] of [
		["another number", opening(THEIRS + 1, 0, 128)],
		["the same number, but not ours", opening(THEIRS, 0, 128)],
		["our number of an earlier life", opening(THEIRS, MINE - 1, 128, true)],
	] as const) {
		test(`an opening in an open line means that the other end has reset: ${what}`, () => {
			const scene = opened();
			scene.line.receive(frame);
			assertGivenUp(scene);
			assert.equal(scene.line.closed, 0);
		});
	}

	test("a line that comes back does not open, and neither does one with a number that is not allowed", () => {
		const scene = new Scene();
		scene.link.open();
		scene.line.writable();
		scene.line.receive(scene.line.taken());
		for (const frame of [
			opening(MINE, MINE, 128),
			opening(0, MINE, 128),
			opening(THEIRS, MINE, 79),
			[0x7e, ...encode([0xc1, ...two(THEIRS), ...two(MINE), 0, 128, 0])],
			[0x7e, ...encode([0xc2, ...two(THEIRS), ...two(MINE), 0, 128])],
		]) {
			scene.line.receive(frame);
			assert.deepEqual(scene.told(), [], hex(frame));
		}
		assert.deepEqual(scene.line.taken(), []);
	});

	test("noise does not open it, however long, and is not answered", (context) => {
		const random = seeded((message) => context.diagnostic(message));
		const scene = new Scene();
		scene.line.receive([...random.bytes(64)]); // a closed one does not care
		scene.link.open();
		scene.line.writable();
		scene.line.taken();
		for (let round = 0; round < 2000; round++) {
			const noise = [...random.bytes(random.below(150))].map((byte) => (random.chance(0.05) ? 0x7e : byte));
			scene.line.receive(noise);
		}
		assert.deepEqual(scene.told(), []);
		assert.ok(scene.line.taken().length < 100);
		scene.line.receive(opening(THEIRS, MINE, 128));
		assert.deepEqual(scene.told(), ["writable"]);
	});

	test("frames of an earlier conversation are not taken for those of this one", () => {
		const scene = new Scene();
		scene.link.open();
		scene.line.writable();
		scene.line.receive(data(0, 0, 1, 2, 3));
		scene.line.receive(opening(THEIRS + 1, MINE, 128));
		scene.told();
		scene.line.receive(data(0, 0, 1, 2, 3));
		assert.deepEqual(scene.told(), ["closed"]);
	});
});

describe("frames", () => {
	test("every byte value reaches the owner, also with the frame split at any byte", () => {
		for (const byte of EVERY_BYTE) {
			const frame = data(0, 0, byte, 1, byte);
			for (let at = 0; at <= frame.length; at++) {
				const scene = opened();
				scene.line.receive(frame.slice(0, at));
				scene.line.receive(frame.slice(at));
				assert.deepEqual(scene.told(), [hex([byte, 1, byte])], `${hex(frame)} at ${at}`);
			}
		}
	});

	test("every byte value goes out, in frames that another decoder reads", () => {
		const scene = opened();
		scene.send(EVERY_BYTE);
		const payload: number[] = [];
		let number = 0;
		for (let round = 0; round < 100 && payload.length < 256; round++) {
			const bytes = scene.line.taken();
			const contents = split(bytes).map((frame) => frame.slice(0, -2));
			assert.equal(hex(bytes), hex(contents.flatMap((content) => ours(...content))));
			for (const [control, ...part] of contents) {
				assert.equal(control >> 3, number++ & 7);
				payload.push(...part);
			}
			scene.line.receive(theirs(0x80 | (number & 7)));
		}
		assert.deepEqual(payload, EVERY_BYTE);
	});

	test("a byte that changes on the line closes it, and nothing of the frame is handed over", () => {
		const frame = data(0, 0, ...Buffer.from("{7~}"), 0);
		const next = data(1, 0, 9);
		for (let at = 0; at < frame.length; at++) {
			for (let byte = 0; byte < 256; byte++) {
				if (byte === frame[at]) continue;
				const scene = opened();
				scene.line.receive([...frame.slice(0, at), byte, ...frame.slice(at + 1), ...next]);
				assertGivenUp(scene, `byte ${at} is ${byte}`);
			}
		}
	});

	test("a byte that is missing, or is there twice, closes it", () => {
		const frame = data(0, 0, ...Buffer.from("{7~}"), 0);
		for (let at = 0; at < frame.length; at++) {
			for (const changed of [
				[...frame.slice(0, at), ...frame.slice(at + 1)],
				[...frame.slice(0, at), 0, ...frame.slice(at)],
			]) {
				const scene = opened();
				scene.line.receive([...changed, ...data(1, 0, 9)]);
				assertGivenUp(scene, hex(changed));
			}
		}
	});

	for (const [what, frame] of [
		["an escape in front of the flag", [...data(0, 0, 5).slice(0, -1), 0x7d, 0x7e]],
		["a frame that is too short", [1, 2, 0x7e]],
		["no payload", data(0, 0)],
		["the frame after the next", data(1, 0, 5)],
		["an acknowledgement of what was not sent", theirs(0x81)],
		["more than a frame holds, and no flag", Array.from({ length: 60 }, () => 0x55)],
	] as const) {
		test(`damaged: ${what}`, () => {
			const scene = opened();
			scene.line.receive(frame);
			assertGivenUp(scene);
		});
	}

	test("a frame that comes twice closes it", () => {
		const scene = opened();
		scene.line.receive([...data(0, 0, 5), ...data(0, 0, 5)]);
		assert.deepEqual(scene.told(), ["05", "closed"]);
	});

	test("flags between frames are nothing, and a noisy beginning of the line neither", () => {
		const scene = new Scene();
		scene.link.open();
		scene.line.writable();
		scene.line.receive([...Array.from({ length: 200 }, () => 0x55), ...opening(THEIRS, MINE, 128, true)]);
		scene.line.receive([0x7e, 0x7e, ...data(0, 0, 5), 0x7e, ...data(1, 0, 6)]);
		assert.deepEqual(scene.told(), ["writable", "05", "06"]);
	});

	test("the client's memory in front of it stays as it is", () => {
		const scene = opened();
		scene.send(EVERY_BYTE);
		scene.line.receive(data(0, 0, ...EVERY_BYTE.slice(0, 30)));
		assert.ok(scene.link.outgoing.subarray(0, OUTBOX).every((byte) => byte === 0x11));
		assert.ok(scene.link.incoming.subarray(0, INBOX).every((byte) => byte === 0x22));
		assert.equal(scene.link.outgoing.length, OUTBOX + 256);
		assert.equal(scene.link.incoming.length % 4, 0);
	});

	test("a line that takes one byte at a time gets the same bytes", () => {
		const scene = new Scene();
		scene.line.capacity = 1;
		scene.link.open();
		const sent: number[] = [];
		const drain = () => {
			for (let last = -1; sent.length !== last; ) {
				last = sent.length;
				scene.line.writable();
				sent.push(...scene.line.taken());
			}
		};
		drain();
		scene.line.receive(opening(THEIRS, MINE, 128, true));
		scene.send([1, 2, 3]);
		drain();
		assert.equal(hex(sent), hex([...opening(MINE, 0, 128), ...ours(0, 1, 2, 3)]));
	});
});

describe("flow", () => {
	test("one data frame until the first is acknowledged, then two; each is numbered and says what is expected next", () => {
		const scene = opened();
		scene.send(Array.from({ length: 200 }, () => 0x41));
		assert.deepEqual(
			scene.frames().map(([control]) => control),
			[0],
		);
		scene.line.receive(theirs(0x81));
		assert.deepEqual(
			scene.frames().map(([control]) => control),
			[1 << 3, 2 << 3],
		);
		scene.line.receive(data(0, 2, 5));
		assert.deepEqual(
			scene.frames().map(([control]) => control),
			[(3 << 3) | 1],
		);
		scene.line.receive(data(1, 2, 5));
		assert.deepEqual(scene.frames(), [[0x82]]);
	});

	test("frames are cut so that two of them, two acknowledgements, an opening and a close fit the smaller buffer", (context) => {
		const random = seeded((message) => context.diagnostic(message));
		for (const [mine, other] of [
			[undefined, 128],
			[80, 1024],
			[1024, 80],
			[256, 250],
			[1024, 1024],
		]) {
			const smaller = Math.min(mine ?? 128, other ?? 0);
			const most = Math.floor((smaller - 7 - 19) / 2) - 6;
			for (const escapes of [0, 0.3, 1]) {
				const scene = opened(mine, other);
				const longest = { bytes: 0, payload: 0 };
				scene.send(Array.from({ length: 4000 }, () => (random.chance(escapes) ? 0x7d : 0x41)));
				let number = 0;
				for (let round = 0; round < 1000; round++) {
					const frames = hex(scene.line.taken()).match(/(?:(?!7e)..)+7e/g) ?? [];
					for (const frame of frames) {
						longest.bytes = Math.max(longest.bytes, frame.length / 2);
						longest.payload = Math.max(longest.payload, split([...Buffer.from(frame, "hex")])[0].length - 3);
					}
					number += frames.length;
					scene.line.receive(theirs(0x80 | (number & 7)));
				}
				assert.equal(scene.waiting.length, 0);
				assert.ok(longest.bytes <= most && longest.bytes >= most - 4, `${longest.bytes} of ${most} bytes`);
				if (escapes === 0) assert.equal(longest.payload, most - 6);
			}
		}
	});

	test("what is sent while the window is full waits, and the owner is told when there is room again", () => {
		const scene = opened();
		scene.send(Array.from({ length: 300 }, (_, i) => i & 255));
		assert.equal(scene.link.room, 0);
		const left = scene.waiting.length;
		scene.line.receive(theirs(0x81));
		assert.ok(scene.told().includes("writable"));
		assert.ok(scene.waiting.length < left);
	});

	test("an acknowledgement that does not come within three seconds closes it", () => {
		const scene = opened();
		scene.send([1]);
		scene.clock.advance(2999);
		assert.deepEqual(scene.told(), []);
		scene.line.taken();
		scene.clock.advance(1);
		assertGivenUp(scene);
		assert.equal(scene.clock.untilNext, undefined);
	});

	test("each acknowledgement begins the three seconds anew, and without data there are none", () => {
		const scene = opened();
		scene.clock.advance(100_000);
		scene.send(Array.from({ length: 45 }, () => 1));
		for (let number = 1; number < 3; number++) {
			scene.clock.advance(2000);
			scene.line.receive(theirs(0x80 | number));
		}
		scene.told();
		scene.clock.advance(100_000);
		assert.deepEqual(scene.told(), []);
	});
});

describe("closing", () => {
	test("the other end is told, and the line closed", () => {
		const scene = opened();
		scene.link.close();
		assert.equal(hex(scene.line.taken()), hex(ours(0xa0)));
		assert.equal(scene.line.closed, 1);
		scene.link.close();
		scene.line.receive(data(0, 0, 1));
		scene.clock.advance(10_000);
		assert.deepEqual(scene.told(), []);
		assert.deepEqual(scene.line.taken(), []);
	});

	test("what was sent before goes out first, as the window opens", () => {
		const scene = opened();
		const bytes = Array.from({ length: 45 }, (_, i) => i);
		scene.send(bytes);
		scene.link.close();
		assert.equal(scene.line.closed, 0);
		const frames = scene.frames();
		scene.line.receive(data(0, 0, 7)); // nobody hears it any more
		scene.line.receive(theirs(0x81));
		frames.push(...scene.frames());
		assert.deepEqual(frames.at(-1), [0xa0]);
		assert.deepEqual(
			frames.filter(([control]) => control < 0x40).flatMap((frame) => frame.slice(1)),
			bytes,
		);
		assert.deepEqual(scene.told(), []);
		assert.equal(scene.line.closed, 1);
	});

	test("for three seconds at the most", () => {
		const scene = opened();
		scene.send(Array.from({ length: 70 }, () => 1));
		scene.link.close();
		scene.clock.advance(2999);
		assert.equal(scene.line.closed, 0);
		scene.clock.advance(1);
		assert.equal(scene.line.closed, 1);
		assert.deepEqual(scene.told(), []);
	});

	test("or until it is opened again, over the line that is still open", () => {
		const scene = opened();
		scene.send(Array.from({ length: 70 }, () => 1));
		scene.line.taken();
		scene.link.close();
		scene.link.open();
		assert.equal(hex(scene.line.taken()), hex(opening(MINE, 0, 128)));
		assert.equal(scene.line.opened, 1);
		assert.equal(scene.line.closed, 0);
	});

	test("damage while it closes ends that", () => {
		const scene = opened();
		scene.send(Array.from({ length: 70 }, () => 1));
		scene.link.close();
		scene.line.receive([1, 2, 3, 0x7e]);
		assert.equal(scene.line.closed, 1);
		assert.deepEqual(scene.told(), []);
	});

	test("the other end closes", () => {
		const scene = opened();
		scene.line.receive(theirs(0xa0));
		assertGivenUp(scene);
		scene.link.close();
		assert.equal(scene.line.closed, 1);
	});

	test("after damage it opens again over the same line, behind what is still to be sent", () => {
		const scene = opened();
		scene.line.capacity = 3;
		scene.line.writable();
		scene.send([1, 2, 3, 4]);
		scene.line.receive([1, 2, 3, 0x7e]);
		assert.deepEqual(
			scene.told().filter((event) => event !== "writable"),
			["closed"],
		);
		scene.link.open();
		const sent = scene.line.taken();
		for (let i = 0; i < 20; i++) {
			scene.line.writable();
			sent.push(...scene.line.taken());
		}
		assert.equal(hex(sent), hex([...ours(0, 1, 2, 3, 4), 0x7e, ...ours(0xa0), ...opening(MINE, 0, 128)]));
		assert.equal(scene.line.opened, 1);
	});

	test("a line that breaks is told to an owner that has the link open, and opened anew", () => {
		for (const isOpen of [true, false]) {
			const scene = new Scene();
			scene.link.open();
			if (isOpen) {
				scene.line.writable();
				scene.line.receive(opening(THEIRS, MINE, 128, true));
			}
			scene.told();
			scene.line.break();
			assert.deepEqual(scene.told(), ["closed"]);
			scene.clock.advance(10_000);
			scene.link.open();
			assert.equal(scene.line.opened, 2);
			scene.link.close();
			scene.line.break();
			assert.deepEqual(scene.told(), []);
		}
	});
});

test("a buffer that is none is refused in words", () => {
	for (const buffer of [79, 1025, 100.5, "128" as unknown as number]) {
		assert.throws(
			() => new FramedLink(new ScriptedLine(new Scene().clock), { buffer }),
			/mqtt-mote: buffer \(bytes\) must be/,
		);
	}
});
