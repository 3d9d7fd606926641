/** Promise 1, in the real XS engine: what runs allocates nothing; and what it costs does not grow unseen. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Figures, figures, OPERATIONS, type Operation, retained } from "../../benchmarks/figures.js";
import { Engine } from "./measure.js";

const skip = Engine.available() ? false : "the XS engine of @agoric/xsnap was not compiled on this machine";

/** Steps of the client over a counting link. They are exact: a change that lowers one lowers it here too. */
const MOST_STEPS: Record<Operation, number> = {
	publishQos0: 377,
	publishQos1: 1133,
	publishNumber: 814,
	receiveQos0: 742,
	receiveQos1: 1025,
	ping: 774,
	reconnect: 1901,
	publishQos2: 2205,
	receiveQos2: 2818,
	holdQos1: 1514,
	streamQos0: 6120,
	dispatch: 9026,
	reconnectTen: 14840,
	dropOldest: 6566,
	latest: 12393,
	expiry: 10076,
	agedQos1: 3600,
	flush: 5340,
	journalQos1: 8615,
	journalQos2: 10689,
};

let measured: Promise<Figures> | undefined;

for (const [operation, name] of Object.entries(OPERATIONS) as [Operation, string][]) {
	test(`XS: ${name} allocates 0 slots and 0 chunk bytes`, { skip }, async () => {
		measured ??= figures("link");
		const { slots, chunkBytes } = (await measured)[operation];
		assert.deepEqual({ slots, chunkBytes }, { slots: 0, chunkBytes: 0 });
	});

	test(`XS: ${name} takes at most ${MOST_STEPS[operation]} steps`, { skip }, async () => {
		measured ??= figures("link");
		const { steps } = (await measured)[operation];
		assert.ok(Math.floor(steps) <= MOST_STEPS[operation], `${steps} steps`);
	});
}

/** Those in which a link is opened. */
const OPENING = ["reconnect", "reconnectTen", "flush"];

test("XS: through Moddable's TcpLink only what opens a link allocates: the socket", { skip }, async () => {
	for (const [operation, { slots, chunkBytes }] of Object.entries(await figures("TcpLink"))) {
		assert.equal(chunkBytes, 0, operation);
		assert.equal(slots, OPENING.includes(operation) ? 3 : 0, operation);
	}
});

test("XS: a connected client with a topic keeps at most 136 slots and 464 chunk bytes besides its buffers", {
	skip,
}, async () => {
	const { slots, chunkBytes } = await retained();
	assert.ok(slots <= 136 && chunkBytes <= 464, `${slots} slots, ${chunkBytes} bytes`);
});
