/** From `start` to CONNACK, and what happens if it does not come to that. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Client, describe, Reason, State } from "../../src/client.js";
import { accept, connected, reconnect, scene } from "../support/client.js";
import { hex, show, utf8 } from "../support/hex.js";
import { connack, puback, publish } from "../support/packets.js";
import { ScriptedNetwork } from "../support/scripted.js";

test("nothing happens before start", () => {
	const { client, network } = scene();
	network.clock.advance(1_000_000);
	assert.equal(client.status.state, State.STOPPED);
	assert.equal(network.opened, 0);
});

test("CONNECT is the first packet, and goes out once", () => {
	const made = scene();
	made.client.topic("t", { qos: 1 }).publish(new Uint8Array(1));
	made.client.subscribe("a", 0, () => {});
	made.client.start();
	assert.equal(made.client.status.state, State.OPENING);
	made.network.open();
	assert.equal(made.client.status.state, State.CONNECTING);
	made.network.writable(1000);
	made.network.clock.advance(5000);
	assert.deepEqual(made.sent(), ["CONNECT"]);
});

for (const [level, bytes] of [
	[4, "10 0d 00 04 4d 51 54 54 04 02 00 3c 00 01 63"],
	[3, "10 0f 00 06 4d 51 49 73 64 70 03 02 00 3c 00 01 63"],
] as const) {
	test(`level ${level}: a client with default options says CONNECT with clean session 1 and keep alive 60 s`, () => {
		const { client, network } = scene({ level });
		client.start();
		network.open();
		assert.equal(show(network.taken()), bytes);
	});
}

test("CONNECT carries will, user name and password as the options say", () => {
	const { client, network } = scene({
		cleanSession: false,
		keepAlive: 10,
		will: { topic: "t", payload: "m", qos: 1, retain: true },
		userName: "u",
		password: new Uint8Array([0, 255]),
	});
	client.start();
	network.open();
	assert.equal(
		show(network.taken()),
		"10 1a 00 04 4d 51 54 54 04 ec 00 0a 00 01 63 00 01 74 00 01 6d 00 01 75 00 02 00 ff",
	);
});

test("client identifier, will, user name and password may be given as bytes: CONNECT holds them as they are", () => {
	const { client, network } = scene({
		will: { topic: "t", payload: new Uint8Array([0, 0xff]) },
		userName: utf8("°"),
		password: new Uint8Array([0xc0]),
	});
	client.start();
	network.open();
	assert.equal(
		show(network.taken()),
		show(
			hex(
				"10 1b", // CONNECT, 27 bytes follow
				"00 04 4d 51 54 54 04", // "MQTT", level 4
				"c6", // user name, password, will, clean session
				"00 3c", // keep alive 60 s
				"00 01 63", // "c"
				"00 01 74", // will topic "t"
				"00 02 00 ff", // will message
				"00 02 c2 b0", // user name "°"
				"00 01 c0", // password
			),
		),
	);
});

test("a will at QoS 2, an empty will message, and an empty user name with an empty password are sent as such", () => {
	const { client, network } = scene({
		will: { topic: "t", payload: new Uint8Array(0), qos: 2 },
		userName: new Uint8Array(0),
		password: "",
	});
	client.start();
	network.open();
	assert.equal(show(network.taken()), "10 16 00 04 4d 51 54 54 04 d6 00 3c 00 01 63 00 01 74 00 00 00 00 00 00");
});

test("a client needs no callbacks", () => {
	const network = new ScriptedNetwork();
	const client = new Client({ link: network.link, clientId: "c" });
	client.subscribe("a", 1, () => {
		throw new Error("no");
	});
	client.start();
	network.open();
	network.receive(connack());
	network.receive(publish("a", ""));
	assert.equal(client.status.failures, 1);
	network.break();
	network.clock.toNext();
	network.open();
	network.receive(connack());
	assert.equal(client.status.connections, 2);
	client.stop();
});

test("starting twice opens one link", () => {
	const made = scene();
	made.client.start();
	made.client.start();
	accept(made);
	made.client.start();
	assert.equal(made.network.opened, 1);
	assert.equal(made.client.status.connections, 1);
});

test("CONNACK with session present 0 and 1 is told to onConnect", () => {
	const told: boolean[] = [];
	const made = scene({ cleanSession: false, onConnect: (sessionPresent) => told.push(sessionPresent) });
	made.client.start();
	accept(made, false);
	reconnect(made, true);
	assert.deepEqual(told, [false, true]);
	assert.equal(made.client.status.connections, 2);
});

test("level 3: the first byte of CONNACK means nothing", () => {
	const told: boolean[] = [];
	const { client, network } = scene({ level: 3, onConnect: (sessionPresent) => told.push(sessionPresent) });
	client.start();
	network.open();
	network.receive(new Uint8Array([0x20, 2, 0xff, 0]));
	assert.equal(client.status.state, State.CONNECTED);
	assert.deepEqual(told, [false]);
});

const REFUSALS = [
	[1, Reason.UNACCEPTABLE_PROTOCOL_VERSION, /protocol level/],
	[2, Reason.IDENTIFIER_REJECTED, /client identifier/],
	[3, Reason.SERVER_UNAVAILABLE, /not available/],
	[4, Reason.BAD_USER_NAME_OR_PASSWORD, /user name or password/],
	[5, Reason.NOT_AUTHORIZED, /not authorized/],
] as const;

for (const level of [3, 4] as const) {
	for (const [code, reason, words] of REFUSALS) {
		test(`level ${level}: return code ${code} closes the link and is told by its name`, () => {
			const { client, network, reasons } = scene({ level });
			client.start();
			network.open();
			network.receive(connack(code));
			assert.deepEqual(reasons, [reason]);
			assert.equal(client.status.reason, code);
			assert.match(describe(client.status.reason), words);
			assert.match(describe(client.status.reason), new RegExp(`return code ${code}`));
			assert.equal(client.status.state, State.WAITING);
			assert.equal(network.isOpen, false);
			assert.equal(client.status.connections, 0);
			assert.equal(client.status.violations, 0);
		});
	}
}

for (const [randomness, wait] of [
	[0, 30_000],
	[0.5, 45_000],
	[0.999, 59_970],
] as const) {
	test(`after a refusal the wait is half to all of retryCap: ${wait / 1000} of 60 s at random ${randomness}`, () => {
		const { client, network } = scene({ retryBase: 1, retryCap: 60 });
		network.clock.randomness = randomness;
		client.start();
		for (let refusal = 1; refusal <= 3; refusal++) {
			network.open();
			network.receive(connack(5));
			assert.ok(Math.abs((network.clock.untilNext ?? 0) - wait) < 1);
			network.clock.advance(wait + 1);
			assert.equal(network.opened, refusal + 1);
		}
	});
}

test("return code 6 is malformed", () => {
	const { client, network, reasons } = scene();
	client.start();
	network.open();
	network.receive(connack(6));
	assert.deepEqual(reasons, [Reason.MALFORMED_CODE]);
	assert.equal(client.status.violations, 1);
});

test("level 4: CONNACK with a reserved acknowledge flag is malformed", () => {
	const { client, network, reasons } = scene({ cleanSession: false });
	client.start();
	network.open();
	network.receive(new Uint8Array([0x20, 2, 2, 0]));
	assert.deepEqual(reasons, [Reason.MALFORMED_CODE]);
});

test("session present 1 after clean session 1 closes the link", () => {
	const { client, network, reasons } = scene({ cleanSession: true });
	client.start();
	network.open();
	network.receive(connack(0, true));
	assert.deepEqual(reasons, [Reason.UNEXPECTED_PACKET]);
	assert.equal(client.status.connections, 0);
});

for (const [name, bytes] of [
	["PUBLISH", publish("a", "1")],
	["PUBLISH at QoS 1", publish("a", "1", { qos: 1, id: 1 })],
	["PUBACK", puback(1)],
	["SUBACK", new Uint8Array([0x90, 3, 0, 1, 0])],
	["PINGRESP", new Uint8Array([0xd0, 0])],
] as const) {
	test(`${name} in front of CONNACK closes the link`, () => {
		const { client, network, reasons } = scene();
		client.subscribe("a", 1, () => assert.fail("a handler was called"));
		client.start();
		network.open();
		network.receive(bytes);
		assert.deepEqual(reasons, [Reason.UNEXPECTED_PACKET]);
		assert.equal(client.status.violations, 1);
		assert.equal(network.isOpen, false);
	});
}

test("a second CONNACK closes the link", () => {
	const { client, network, reasons } = connected();
	network.receive(connack());
	assert.deepEqual(reasons, [Reason.UNEXPECTED_PACKET]);
	assert.equal(client.status.violations, 1);
});

test("what stands behind a refusal is void", () => {
	const { client, network, reasons } = scene();
	client.subscribe("a", 0, () => assert.fail("a handler was called"));
	client.start();
	network.open();
	network.receive(new Uint8Array([...connack(5), ...connack(0), ...publish("a", "1")]));
	assert.deepEqual(reasons, [Reason.NOT_AUTHORIZED]);
});

test("a link that does not open within the timeout is closed, and tried again", () => {
	const { client, network, reasons } = scene({ timeout: 5 });
	client.start();
	network.clock.advance(4_999);
	assert.deepEqual(reasons, []);
	network.clock.advance(1);
	assert.deepEqual(reasons, [Reason.OPEN_TIMEOUT]);
	assert.match(describe(reasons[0]), /open in time/);
	assert.equal(network.closed, 1);
	network.clock.advance(60_000);
	assert.equal(network.opened > 1, true);
});

test("a CONNACK that does not come within the timeout closes the link", () => {
	const { client, network, reasons } = scene({ timeout: 5 });
	client.start();
	network.clock.advance(4_000);
	network.open();
	network.clock.advance(4_999);
	assert.equal(client.status.state, State.CONNECTING);
	network.clock.advance(1);
	assert.deepEqual(reasons, [Reason.CONNACK_TIMEOUT]);
	assert.match(describe(reasons[0]), /CONNACK/);
	assert.equal(network.isOpen, false);
});

test("a link that takes no byte of CONNECT is closed by the same deadline", () => {
	const { client, network, reasons } = scene({ timeout: 5 });
	client.start();
	network.open(0);
	network.clock.advance(5_000);
	assert.deepEqual(reasons, [Reason.CONNACK_TIMEOUT]);
	assert.equal(client.status.state, State.WAITING);
});

test("a link that could not be opened is told from one that broke", () => {
	const { client, network, reasons } = scene();
	client.start();
	network.break();
	network.clock.toNext();
	network.open();
	network.break();
	assert.deepEqual(reasons, [Reason.UNREACHABLE, Reason.LINK_LOST]);
	assert.match(describe(reasons[0]), /no connection/);
	assert.match(describe(reasons[1]), /lost/);
});

test("waits begin at retryBase, grow at most threefold, and end at retryCap", () => {
	const { client, network } = scene({ retryBase: 2, retryCap: 60 });
	network.clock.randomness = 0.999_999;
	client.start();
	const waits: number[] = [];
	for (let attempt = 0; attempt < 8; attempt++) {
		network.break();
		waits.push(Math.round((network.clock.untilNext ?? 0) / 1000));
		network.clock.toNext();
	}
	assert.deepEqual(waits, [6, 18, 54, 60, 60, 60, 60, 60]);
	network.clock.randomness = 0;
	network.break();
	assert.equal(network.clock.untilNext, 2_000);
});

test("waits start over only after the link stayed up for a while", () => {
	const made = scene({ retryBase: 1, retryCap: 60, keepAlive: 10 });
	const { client, network } = made;
	network.clock.randomness = 0.999_999;
	client.start();
	for (let attempt = 0; attempt < 5; attempt++) {
		network.break();
		network.clock.toNext();
	}
	accept(made);
	network.break();
	assert.equal(Math.round(network.clock.untilNext ?? 0), 60_000, "it was up for no time");
	network.clock.toNext();
	accept(made);
	network.clock.advance(8_000);
	network.break();
	assert.equal(Math.round(network.clock.untilNext ?? 0), 3_000, "it was up for 8 s");
});

test("waits start over with start", () => {
	const { client, network } = scene({ retryBase: 1, retryCap: 60 });
	network.clock.randomness = 0.999_999;
	for (let round = 0; round < 2; round++) {
		client.start();
		const waits: number[] = [];
		for (let attempt = 0; attempt < 3; attempt++) {
			network.break();
			waits.push(Math.round((network.clock.untilNext ?? 0) / 1000));
			network.clock.toNext();
		}
		assert.deepEqual(waits, [3, 9, 27]);
		client.stop();
	}
});

test("a CONNECT larger than the output goes out in pieces", () => {
	const made = scene({ output: 32, clientId: "x".repeat(500), will: { topic: "w", payload: new Uint8Array(300) } });
	made.client.start();
	made.network.open(7);
	for (let round = 0; round < 200; round++) made.network.writable(7);
	assert.deepEqual(made.sent(), ["CONNECT"]);
});
