/** The commands at work: boards, a broker, and an end without loss. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { test } from "node:test";
import { ENGINES } from "../board/support.js";
import { openBroker } from "./broker.js";
import { Desk, freePort } from "./desk.js";

const limits = { timeout: 90_000 };

const DISCONNECT = Buffer.of(0xe0, 0x00);

test("start runs two boards, and prints their readings and how they are doing", limits, async (context) => {
	const desk = new Desk("start", "--boards", "2", "--plain", "--port", "0");
	context.after(() => desk.kill());
	await desk.prints(/Companion broker on mqtt:\/\/127\.0\.0\.1:\d+/);
	for (const name of ["board-1", "board-2"]) {
		await desk.prints(new RegExp(`${name}/status +QoS 1 retained +online`));
		await desk.prints(new RegExp(`${name}/temperature +QoS 1 +-?\\d+\\.\\d\\d`));
		const text = `${name}: connected; messages: [1-9]\\d* accepted, \\d+ acknowledged, \\d+ sent; outbox \\d+ of 1024 bytes`;
		await desk.prints(new RegExp(text));
		if (/on the XS engine/.test(desk.stdout)) {
			const gauge = new RegExp(`${name}: .*memory \\d+ slots, \\d+ chunk bytes; (.*) slots per message`);
			assert.equal((await desk.prints(gauge))[1], "0");
		}
	}
	desk.signal("SIGINT");
	const { status, stderr, stdout } = await desk.end();
	assert.equal(status, 0);
	assert.equal(stderr, "");
	assert.match(stdout, /Stopped\n$/);
	assert.doesNotMatch(stdout, /lost/);
});

for (const { engine, options } of ENGINES) {
	for (const how of ["SIGTERM", "Ctrl-C"]) {
		test(`on ${how} a board on ${engine} says DISCONNECT, and leaves no will`, {
			...limits,
			...options,
		}, async (context) => {
			const broker = await openBroker();
			context.after(() => broker.close());
			const desk = new Desk("start", "--plain", "--broker", broker.url, "--engine", engine);
			context.after(() => desk.kill());
			await desk.prints(/board-1\/temperature/);
			if (how === "Ctrl-C") desk.pressControlC();
			else desk.signal("SIGTERM");
			const { status, stderr } = await desk.end();
			assert.equal(status, 0);
			assert.equal(stderr, "");
			assert.equal(broker.streams.length, 2); // the board and the desk
			for (const stream of broker.streams) assert.deepEqual(stream.subarray(-2), DISCONNECT);
			assert.deepEqual(
				broker.messages.filter(({ payload }) => String(payload) === "lost"),
				[],
			);
		});
	}
}

test("a broker that is not there is named, and used once it is there", limits, async (context) => {
	const port = await freePort();
	const desk = new Desk("start", "--plain", "--broker", `mqtt://localhost:${port}`);
	context.after(() => desk.kill());
	await desk.prints(
		new RegExp(`board-1: waiting, no connection to the broker \\(ECONNREFUSED 127\\.0\\.0\\.1:${port}\\)`),
	);
	const broker = await openBroker(port);
	context.after(() => broker.close());
	await broker.sees(({ topic }) => topic === "board-1/temperature");
	await desk.prints(/board-1: connected;/);
	await desk.prints(/board-1\/temperature +QoS 1/);
	desk.signal("SIGINT");
	assert.equal((await desk.end()).status, 0);
});

test("Ctrl-C also ends boards that have no broker", limits, async (context) => {
	const desk = new Desk("start", "--plain", "--broker", `mqtt://127.0.0.1:${await freePort()}`);
	context.after(() => desk.kill());
	await desk.prints(/waiting, no connection/);
	desk.signal("SIGINT");
	assert.equal((await desk.end(10)).status, 0);
});

test("a name without an address is a sentence", limits, async () => {
	const { status, stderr } = await new Desk("start", "--broker", "mqtt://no..such..host").end(60);
	assert.equal(status, 1);
	assert.match(stderr, /^mqtt-mote: the broker's name "no\.\.such\.\.host" has no IPv4 address \(.*\n$/);
});

test("a port that was asked for and is taken is a sentence", limits, async (context) => {
	const broker = await openBroker();
	context.after(() => broker.close());
	const { status, stderr } = await new Desk("broker", "--port", String(broker.port)).end();
	assert.equal(status, 1);
	const remedy = "choose another with --port, or leave --port out to get a free one";
	assert.equal(stderr, `mqtt-mote: port ${broker.port} is taken by another program; ${remedy}\n`);
});

for (const engine of ["strict", "aedes"]) {
	test(
		`the broker alone prints who comes, what is published, and what was malformed: ${engine}`,
		limits,
		async (context) => {
			const desk = new Desk("broker", "--port", "0", "--engine", engine);
			context.after(() => desk.kill());
			const [, port] = await desk.prints(/Companion broker on mqtt:\/\/127\.0\.0\.1:(\d+)\n/);
			const socket = connect(Number(port), "127.0.0.1");
			context.after(() => socket.destroy());
			socket.write(Buffer.from("100d00044d5154540402003c000161", "hex")); // CONNECT as "a"
			await once(socket, "data");
			socket.write(Buffer.from("30050001741b5b", "hex")); // PUBLISH to "t" of bytes that a terminal would obey
			await desk.prints(/ t +QoS 0 +1b 5b\n/);
			socket.write(Buffer.from("40020001", "hex")); // PUBACK for nothing
			if (engine === "strict") await desk.prints(/ a has violated MQTT-2\.3\.1-6: PUBACK 1 is for nothing in flight\n/);
			socket.write(Buffer.from("f000", "hex")); // packet type 15 is reserved
			await desk.prints(
				engine === "strict"
					? / a has disconnected: MQTT-4\.8\.0-1: packet type 15 is reserved\n/
					: / a has disconnected: ./,
			);
			desk.signal("SIGTERM");
			assert.equal((await desk.end()).status, 0);
		},
	);
}

test("it ends quietly when nobody reads its output any more", limits, async (context) => {
	const desk = new Desk("start", "--plain", "--port", "0");
	context.after(() => desk.kill());
	await desk.prints(/temperature/);
	desk.stopReading();
	const { status, stderr } = await desk.end();
	assert.equal(status, 0);
	assert.equal(stderr, "");
});
