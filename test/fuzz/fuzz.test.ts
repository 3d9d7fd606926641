/** A share of the fuzzer, and that the oracle sees what it is there to see. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as plain from "../../src/client.js";
import { seeded } from "../support/random.js";
import { fuzz, within } from "./fuzzer.js";
import { Act, hexOf, run, Step, type Trial } from "./scenario.js";
import { seeds } from "./seeds.js";

test("30,000 inputs of the fuzzer", async (t) => {
	const { seed } = seeded((message) => t.diagnostic(message));
	const { inputs, corpus, reached, branches, failures } = await fuzz(30_000, seed, true);
	t.diagnostic(`${inputs} inputs, corpus ${corpus}, branches ${reached} of ${branches}`);
	for (const { message, input } of failures) assert.fail(`${message}\nnpm run fuzz -- --replay ${hexOf(input)}`);
});

test("the seeds are sessions in which nothing is wrong", () => {
	for (const input of seeds) {
		const { complaint } = run(plain, input, { weigh: true });
		assert.equal(complaint, undefined, `npm run fuzz -- --replay ${hexOf(input)}`);
	}
});

/** Level 4, a kept session, QoS 2, deferral, keep alive; inbox 256; a subscription to # . */
const OPTIONS = [0xbc, 0, 100, 100, 0xfb, 0x2f];
const session = (...steps: number[]) => Uint8Array.from([...OPTIONS, ...steps]);
const RECONNECT = [Step.BREAK, Step.ALARM, Step.OPEN, 9, Step.ANSWER, 0x80];

/** Two messages at QoS 1, one at QoS 2 up to PUBCOMP. */
const coming = session(
	...[Step.MESSAGE, 1, 0, 1, 3, Step.MESSAGE, 1, 0, 2, 3],
	...[Step.MESSAGE, 2, 0, 3, 3, Step.RECEIVE, 4, 0x62, 2, 0, 3],
);
/** One of ours at each QoS, answered, with a connection lost in between. */
const going = session(
	...[Step.ACT, Act.PUBLISH, 0x19, Step.ACT, Act.PUBLISH, 0x22, Step.ACT, Act.PUBLISH, 0x18],
	...[...RECONNECT, Step.ANSWER, 0, Step.ANSWER, 0, ...RECONNECT, Step.ANSWER, 0],
);
const subscribing = session(Step.ACT, Act.SUBSCRIBE, 1, Step.ACT, Act.UNSUBSCRIBE, 0, Step.ANSWER, 0, Step.ANSWER, 0);

/** Changes what the client says where these bytes begin. */
function altered(begins: readonly number[], change: (packet: number[]) => number[]): Trial {
	return {
		alter(bytes) {
			const said: number[] = [];
			// In these sessions the output never holds a part of a packet, nor a packet longer than 127 bytes.
			for (let at = 0; at < bytes.length; at += 2 + bytes[at + 1]) {
				const packet = Array.from(bytes.subarray(at, at + 2 + bytes[at + 1]));
				said.push(...(begins.every((byte, i) => byte === packet[i]) ? change(packet) : packet));
			}
			return Uint8Array.from(said);
		},
	};
}

const drop = () => [];
const twice = (packet: number[]) => [...packet, ...packet];
const set = (at: number, value: number) => (packet: number[]) => packet.map((byte, i) => (i === at ? value : byte));

const BROKEN: [string, Uint8Array, Trial][] = [
	["leaves out a PUBACK", coming, altered([0x40], drop)],
	["leaves out a PUBREC", coming, altered([0x50], drop)],
	["leaves out a PUBCOMP", coming, altered([0x70], drop)],
	["says PUBACK twice", coming, altered([0x40], twice)],
	["says PUBREC twice", coming, altered([0x50], twice)],
	["acknowledges another message", coming, altered([0x40, 2, 0, 1], set(3, 9))],
	["acknowledges in another order", coming, altered([0x40, 2, 0, 1], set(3, 2))],
	["says PUBACK for QoS 2", coming, altered([0x50], set(0, 0x40))],
	["acknowledges what did not come", session(), altered([0x82], (packet) => [...packet, 0x40, 2, 0, 1])],
	["says PUBREL with flags 0", going, altered([0x62], set(0, 0x60))],
	["leaves out a PUBREL", going, altered([0x62], drop)],
	["forgets DUP", going, altered([0x3a], set(0, 0x32))],
	["sets DUP too early", going, altered([0x32], set(0, 0x3a))],
	["changes the identifier of a message", going, altered([0x3a], (packet) => set(6, packet[6] + 50)(packet))],
	["changes a payload", going, altered([0x34], (packet) => set(packet.length - 1, 0)(packet))],
	["loses a message at QoS 0", going, altered([0x30], drop)],
	["loses a message at QoS 1", going, altered([0x32], drop)],
	["says a message twice", going, altered([0x32], twice)],
	["subscribes to something else", subscribing, altered([0x82, 8], set(6, 98))],
	["does not unsubscribe", subscribing, altered([0xa2], drop)],
	["says CONNECT twice", session(), altered([0x10], twice)],
	["sends a malformed packet", session(), altered([0x82], set(5, 9))],
	["writes behind what it receives", session(), { spoil: ({ incoming }) => poke(incoming, incoming.length) }],
	["writes behind its output", session(), { spoil: ({ outgoing }) => poke(outgoing, outgoing.length) }],
	["writes before its outbox", session(), { spoil: ({ outgoing }) => poke(outgoing, -1) }],
];

function poke(bytes: Uint8Array, at: number): void {
	new Uint8Array(bytes.buffer)[bytes.byteOffset + at] ^= 1;
}

test("a loop without end is a failure", () => {
	assert.throws(
		() =>
			within(50, () => {
				for (;;);
			}),
		/timed out/,
	);
});

for (const [what, input, trial] of BROKEN) {
	test(`the oracle sees a client that ${what}`, () => {
		assert.equal(run(plain, input).complaint, undefined, `npm run fuzz -- --replay ${hexOf(input)}`);
		assert.ok(run(plain, input, trial).complaint);
	});
}
