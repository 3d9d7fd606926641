/**
 * A board on a wire, and a client on the network, at the companion broker: over a cable of 115,200 baud that changes a byte in 1,000
 * and is pulled time and again, half of the times so that nobody is told. A person's command line, `serialport` on both ends, and ptys.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { FramedLink, SerialLink } from "../../hosts/node/index.js";
import { ExactlyOnce } from "../../src/client.js";
import { Desk } from "../simulator/desk.js";
import { board, collect, peer, started, watch } from "../support/peers.js";
import { missing, until } from "../support/programs.js";
import { seeded } from "../support/random.js";
import { SerialCable } from "../support/serial-cable.js";
import { PULLS, SERIAL_QOS_1, SERIAL_QOS_2 } from "./figures.js";
import { mixed, nameOf, repeats, spoilt, without } from "./names.js";
import { Publisher } from "./publisher.js";

const NOISE = 1 / 1000;

/** Milliseconds that the cable is out at most, and that it is in at least. */
const OUT = 400;
const IN = 300;

/** Messages to the board at QoS 2, of each that it publishes. */
const BACK = 0.1;

const TIMEOUT = 60_000 + 100 * (SERIAL_QOS_1 + 2 * SERIAL_QOS_2) + 8_000 * PULLS;

test(`a byte in 1,000 is flipped, the cable pulled ${PULLS} times: of ${SERIAL_QOS_1} messages at QoS 1 none is lost, of ${SERIAL_QOS_2} at QoS 2 none comes twice`, {
	skip: missing("socat"),
	timeout: TIMEOUT,
}, async (context) => {
	const random = seeded((message) => context.diagnostic(message));
	const cable = await SerialCable.open(context, random);
	const [boardEnd, deskEnd] = cable.paths;
	const desk = new Desk("broker", "--port", "0", "--serial", `${deskEnd}@115200`);
	context.after(() => desk.kill());
	const [, port] = await desk.prints(/Companion broker on mqtt:\/\/127\.0\.0\.1:(\d+)/);
	await desk.prints(/Serial line .+, 115200 baud, framed/);
	const other = await peer(context, Number(port), 4);
	const [once, exactlyOnce] = [await watch(other, "out/1", 1), await watch(other, "out/2", 2)];

	const link = new FramedLink(new SerialLink({ path: boardEnd }));
	const times = { keepAlive: 5, retryBase: 0.01, retryCap: 0.05 };
	const client = board(context, Number(port), { link, cleanSession: false, exactlyOnce: new ExactlyOnce(), ...times });
	const [came, subscription] = collect(client, "in/2", 2);
	const publisher = new Publisher(context, client);
	await started(client, subscription);

	const names = mixed(random, SERIAL_QOS_1, SERIAL_QOS_2);
	const back = Array.from({ length: Math.ceil(BACK * names.length) }, (_, i) => String(i));
	cable.noise = NOISE;
	const pull = async () => {
		for (let pulls = 0; pulls < PULLS; pulls++) {
			const connections = client.status.connections;
			publisher.allowed = Math.ceil(((pulls + 1) * names.length) / (PULLS + 1));
			await publisher.reached(publisher.allowed);
			await cable.pull(random.below(2), pulls % 2 === 0, random.below(OUT));
			await until("the board is back", () => client.status.connections > connections, 30_000);
			await sleep(IN);
		}
		publisher.allowed = names.length;
	};
	const answer = async () => {
		for (const [i, payload] of back.entries()) {
			await until("it is its turn", () => publisher.accepted.length >= Math.floor(BACK ** -1 * i) - 10, TIMEOUT);
			await other.publishAsync("in/2", payload, { qos: 2 });
		}
	};
	const begin = performance.now();
	await Promise.all([publisher.publishAll(names), pull(), answer()]);
	await until("all have gone out", () => client.status.outbox.used === 0, TIMEOUT);
	await until("all have come", () => came.length >= back.length, TIMEOUT);
	const seconds = (performance.now() - begin) / 1000;
	cable.noise = 0;
	await sleep(500); // what comes twice is there by then

	const { connections, resent, violations, endings } = client.status;
	context.diagnostic(
		`${seconds.toFixed(1)} s, ${cable.carried} bytes, ${cable.damaged} of them changed, ${connections} connections, ${resent} sent again`,
	);
	const payloads = [...once, ...exactlyOnce].map(({ payload }) => nameOf(payload));
	assert.deepEqual(without(names, payloads), [], "lost");
	assert.deepEqual(repeats(exactlyOnce.map(({ payload }) => nameOf(payload))), [], "twice at QoS 2");
	assert.deepEqual(spoilt([...once, ...exactlyOnce]), []);
	assert.deepEqual(
		came.map(({ payload }) => payload),
		back,
	);
	assert.equal(violations, 0, JSON.stringify(endings));
	assert.ok(connections > PULLS, `${connections} connections`);
	assert.doesNotMatch(desk.stdout, /violated/);
});
