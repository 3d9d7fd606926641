/** Properties of the decoder and of the whole client, for any bytes in any pieces. `SEED=7 npm test` replays. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import fc from "fast-check";
import * as plain from "../../src/client.js";
import { Decoded, Decoder } from "../../src/wire/decode.js";
import type { Message } from "../../src/wire/message.js";
import type { Level } from "../../src/wire/packet.js";
import { joined, show } from "../support/hex.js";
import { PacketReader } from "../support/packets.js";
import { seeded } from "../support/random.js";
import { within } from "./fuzzer.js";
import { Act, hexOf, run, Step } from "./scenario.js";
import { Incoming, latin1 } from "./wire.js";

const CANARY = 0xa5;
const MARGIN = 64;
const CHUNK = 64;

/** What a decoder tells, and at last what is wrong; its memory lies between canaries. */
function decoded(pieces: readonly Uint8Array[], inbox: number, level: Level): string[] {
	const all = new Uint8Array(inbox + CHUNK + MARGIN).fill(CANARY);
	const memory = all.subarray(0, inbox + CHUNK);
	const events: string[] = [];
	const told = (event: string) => {
		events.push(event);
		return Decoded.MORE;
	};
	const packet = (header: number, body: Uint8Array) => told(show(Uint8Array.of(header, ...body)));
	const receiver = {
		level,
		acknowledged: (identifier: number) => packet(0x40, Uint8Array.of(identifier >> 8, identifier)),
		packet: (header: number, at: number, end: number) => packet(header, memory.subarray(at, end)),
		message: (message: Message) => {
			const { header, identifier, offset, remaining } = message;
			const id = (header & 6) === 0 ? 0 : identifier;
			return told(`${header} '${latin1(message.topic)}' ${id} ${offset}+${remaining} ${show(message.payload)}`);
		},
		passBy: ({ header, identifier }: Message) => told(`passed by ${header} ${(header & 6) === 0 ? 0 : identifier}`),
	};
	const decoder = new Decoder(receiver, memory, inbox);
	for (const piece of pieces) {
		memory.fill(0xdd, inbox);
		memory.set(piece, inbox);
		const outcome = decoder.decode(inbox, inbox + piece.length);
		if (outcome !== Decoded.MORE) events.push("malformed");
		if (outcome !== Decoded.MORE) break;
	}
	assert.ok(
		all.subarray(memory.length).every((byte) => byte === CANARY),
		"a write behind the memory",
	);
	return events;
}

/** The same by the oracle's own reader. Topic names of messages that are handed over are the session's to check. */
function expected(bytes: Uint8Array, inbox: number, level: Level): string[] {
	const incoming = new Incoming(inbox - 2);
	incoming.reset(level);
	incoming.take(bytes);
	const events: string[] = [];
	for (const arrival of incoming.arrivals) {
		const { header, identifier, topic, offset, remaining, body, isPassedBy } = arrival;
		const isMessage = header >> 4 === 3;
		const faults = arrival.faults.filter((fault) => isPassedBy || fault !== plain.Reason.MALFORMED_TOPIC);
		if (faults.length > 0 || (!isMessage && body.length > inbox - 2)) return [...events, "malformed"];
		const id = (header & 6) === 0 ? 0 : identifier;
		if (!isMessage) events.push(show(Uint8Array.of(header, ...body)));
		else if (isPassedBy) events.push(`passed by ${header} ${id}`);
		else events.push(`${header} '${topic}' ${id} ${offset}+${remaining} ${show(body)}`);
	}
	return events;
}

const byte = fc.nat(255);
const bytes = (most: number) => fc.uint8Array({ maxLength: most });

/** A packet that is right or nearly so, or any bytes. */
const packetBytes = fc.oneof(
	bytes(12),
	fc
		.constantFrom([0x40, 2, 0, 1], [0x62, 2, 0, 7], [0xd0, 0], [0x90, 3, 0, 1, 1], [0x20, 2, 0, 0])
		.map((packet) => Uint8Array.from(packet)),
	fc.tuple(byte, bytes(40)).map(([header, body]) => Uint8Array.of(header, body.length, ...body)),
	fc
		.tuple(
			fc.constantFrom(0x30, 0x31, 0x32, 0x34, 0x3a, 0x3c),
			fc.nat(60),
			fc.nat(200),
			fc.integer({ min: -2, max: 2 }),
		)
		.map(([header, name, payload, wrong]) => {
			const head = [0, name, ...Array(name).fill(97), ...((header & 6) === 0 ? [] : [1, 2])];
			const remaining = Math.max(0, head.length + payload + (payload % 7 === 0 ? wrong : 0));
			const length = remaining < 128 ? [remaining] : [(remaining & 127) | 128, remaining >> 7];
			return Uint8Array.from([header, ...length, ...head, ...Array.from({ length: payload }, (_, i) => i & 255)]);
		}),
);
const stream = fc.array(packetBytes, { maxLength: 8 }).map(joined);

/** Cuts bytes at sizes from 1 to CHUNK, over and over. */
function cut(all: Uint8Array, sizes: readonly number[]): Uint8Array[] {
	const pieces: Uint8Array[] = [];
	for (let at = 0, i = 0; at < all.length; i++) {
		const size = sizes[i % sizes.length];
		pieces.push(all.subarray(at, at + size));
		at += size;
	}
	return pieces;
}

const sizes = fc.array(fc.integer({ min: 1, max: CHUNK }), { minLength: 1, maxLength: 6 });
const level = fc.constantFrom<Level>(3, 4);

/** A step of a scenario, with what it needs. */
const step = fc.oneof(
	bytes(20).map((sent) => [Step.RECEIVE, sent.length, ...sent]),
	packetBytes.filter(({ length }) => length < 64).map((sent) => [Step.RECEIVE, sent.length, ...sent]),
	fc.tuple(fc.nat(15), fc.nat(9), fc.nat(6), fc.nat(11)).map((message) => [Step.MESSAGE, ...message]),
	byte.map((how) => [Step.ANSWER, how]),
	fc.tuple(fc.nat(Act.COUNT - 1), byte).map((act) => [Step.ACT, ...act]),
	fc
		.array(fc.tuple(byte, byte), { minLength: 1, maxLength: 4 })
		.map((acts) => [Step.CALLBACKS, acts.length - 1, ...acts.flat()]),
	byte.map((how) => [Step.ROOM, how]),
	fc.constantFrom([Step.BREAK], [Step.ALARM], [Step.BREAK, Step.ALARM, Step.OPEN, 9, Step.ANSWER, 0]),
	fc.nat(9).map((room) => [Step.OPEN, room]),
	fc.tuple(byte, byte).map((sizes) => [Step.PIECES, ...sizes]),
);
const scenario = fc
	.tuple(fc.array(byte, { minLength: 6, maxLength: 6 }), fc.array(step, { maxLength: 40 }))
	.map(([options, steps]) => Uint8Array.from([...options, ...steps.flat()]));

/** Fails with the shortest counterexample, and with the seed and the path to it; also if the property takes 5 seconds. */
function holds<T>(context: TestContext, runs: number, arbitrary: fc.Arbitrary<T>, property: (value: T) => void): void {
	const { seed } = seeded((message) => context.diagnostic(message));
	const limited = (value: T) => within(5_000, () => property(value));
	fc.assert(fc.property(arbitrary, limited), { seed, numRuns: runs });
}

test("the decoder tells the same of any bytes in any pieces as the oracle's reader, within its memory", (t) => {
	holds(t, 4_000, fc.tuple(stream, sizes, fc.nat(12), level), ([all, cuts, size, level]) => {
		const inbox = 16 + 4 * size;
		const wanted = expected(all, inbox, level);
		const found = decoded(cut(all, cuts), inbox, level);
		// What cannot become a packet may be told before it is all here.
		if (found.at(-1) === "malformed" && wanted.at(-1) !== "malformed") found.pop();
		assert.deepEqual(found, wanted);
	});
});

test("whatever a broker, a link and an application do, the client keeps to what the oracle knows", (t) => {
	holds(t, 4_000, fc.oneof(scenario, bytes(120)), (input) => {
		const { complaint } = run(plain, input, { weigh: true });
		assert.equal(complaint, undefined, `npm run fuzz -- --replay ${hexOf(input)}`);
	});
});

test("what a client sends is MQTT for mqtt-packet, too", (t) => {
	holds(t, 1_500, scenario, (input) => {
		input[0] &= ~3; // level 4: mqtt-packet does not know the DUP of level 3's SUBSCRIBE
		let reader = new PacketReader();
		run(plain, input, {
			tap(sent) {
				if (sent.length === 0) reader = new PacketReader();
				else reader.read(sent);
			},
		});
	});
});
