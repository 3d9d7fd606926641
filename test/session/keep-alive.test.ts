/** PINGREQ, PINGRESP, and the deadlines of a connection that stands (section 3.1.2.10). */
import assert from "node:assert/strict";
import { test } from "node:test";
import { describe, Reason, State } from "../../src/client.js";
import { connected, reconnect, type Scene, scene } from "../support/client.js";
import { connack, pingresp, puback, publish, suback } from "../support/packets.js";

test("a silent connection says PINGREQ within the keep alive, again and again", () => {
	const { client, network, sent } = connected({ keepAlive: 60 });
	let quietSince = network.clock.now;
	for (let pings = 0; pings < 20; ) {
		network.clock.advance(500);
		const packets = sent();
		if (packets.length > 0) {
			assert.deepEqual(packets, ["PINGREQ"]);
			quietSince = network.clock.now;
			pings++;
			network.receive(pingresp());
		}
		assert.ok(network.clock.now - quietSince <= 60_000, "silent for longer than the keep alive");
	}
	assert.equal(client.status.state, State.CONNECTED);
	assert.ok(network.clock.now > 20 * 60_000 * 0.4, "it pings more often than it has to");
});

test("PINGREQ has its place behind the last packet, not behind CONNACK: a late CONNACK does not stretch the keep alive", () => {
	const { client, network, sent } = scene({ keepAlive: 10, timeout: 10 });
	client.start();
	network.open();
	assert.deepEqual(sent(), ["CONNECT"]);
	network.clock.advance(2_000);
	network.receive(connack());
	network.clock.advance(8_000);
	assert.deepEqual(sent(), ["PINGREQ"], "10 s after CONNECT");
});

test("no PINGREQ goes out while messages at QoS 1 do, and are acknowledged", () => {
	const { client, network, sent } = connected({ keepAlive: 10 });
	const topic = client.topic("t", { qos: 1 });
	for (let identifier = 1; identifier <= 100; identifier++) {
		topic.publish(new Uint8Array(1));
		network.receive(puback(identifier));
		network.clock.advance(1_000);
	}
	assert.equal(sent().includes("PINGREQ"), false);
	assert.equal(client.status.delivered, 100);
});

for (const qos of [0, 1] as const) {
	test(`a broker gone silent is noticed within 1.5 keep alive while messages at QoS ${qos} go out`, () => {
		const { client, network, sent } = connected({ keepAlive: 10, outbox: 8192, window: 1000 });
		const topic = client.topic("t", { qos });
		let pinged = 0;
		for (let second = 1; second <= 15; second++) {
			topic.publish(new Uint8Array(1));
			network.clock.advance(1_000);
			if (sent().includes("PINGREQ")) pinged = second;
		}
		assert.ok(pinged > 0 && pinged <= 10, `PINGREQ after ${pinged} s`);
		assert.equal(client.status.reason, Reason.PINGRESP_TIMEOUT);
	});
}

test("messages that come in do not keep PINGREQ away", () => {
	const { client, network, sent } = connected({ keepAlive: 10 });
	client.subscribe("a", 0, () => {});
	network.receive(suback(1, 0));
	sent();
	for (let second = 0; second < 10; second++) {
		network.receive(publish("a", "1"));
		network.clock.advance(1_000);
	}
	assert.deepEqual(sent(), ["PINGREQ"]);
});

/** Lets time pass until PINGREQ goes out; fails if it does not within this time. */
function untilPing({ network, sent }: Scene, milliseconds: number): void {
	const end = network.clock.now + milliseconds;
	while (network.clock.now < end) {
		network.clock.advance(100);
		const packets = sent();
		if (packets.length === 0) continue;
		assert.deepEqual(packets, ["PINGREQ"]);
		return;
	}
	assert.fail(`no PINGREQ in ${milliseconds} ms`);
}

test("a PINGRESP that does not come closes the link within one and a half keep alives", () => {
	const made = connected({ keepAlive: 60 });
	const { client, network, sent, reasons } = made;
	untilPing(made, 60_000);
	network.clock.advance(20_000);
	assert.equal(client.status.state, State.CONNECTED, "an answer may take its time");
	network.clock.advance(90_000 - network.clock.now);
	assert.equal(reasons[0], Reason.PINGRESP_TIMEOUT);
	assert.match(describe(reasons[0]), /PINGRESP/);
	assert.deepEqual(sent(), [], "one PINGREQ is enough");
	assert.equal(network.isOpen, false);
});

test("publishing does not hide a missing PINGRESP", () => {
	const { client, network, reasons } = connected({ keepAlive: 10 });
	const topic = client.topic("t");
	network.clock.advance(10_000);
	for (let tenth = 0; tenth < 50; tenth++) {
		if (client.status.state === State.CONNECTED) topic.publish(new Uint8Array(1));
		network.clock.advance(100);
	}
	assert.deepEqual(reasons, [Reason.PINGRESP_TIMEOUT]);
});

test("a missing PINGRESP of one connection is not held against the next", () => {
	const made = connected({ keepAlive: 10 });
	untilPing(made, 10_000);
	reconnect(made);
	untilPing(made, 10_000);
	made.network.receive(pingresp());
	made.network.clock.advance(4_000);
	assert.deepEqual(made.reasons, [Reason.LINK_LOST]);
});

test("keep alive 0 sends no PINGREQ", () => {
	const { client, network, sent } = connected({ keepAlive: 0 });
	network.clock.advance(1_000_000);
	assert.deepEqual(sent(), []);
	assert.equal(client.status.state, State.CONNECTED);
});

test("the longest keep alive, 65,535 s, is kept too", () => {
	const { network, sent } = connected({ keepAlive: 65_535 });
	network.clock.advance(65_535 * 400);
	assert.deepEqual(sent(), []);
	network.clock.advance(65_535 * 600);
	assert.deepEqual(sent(), ["PINGREQ"]);
});

test("a keep alive that is no whole number is refused, or kept as CONNECT says it", () => {
	let made: ReturnType<typeof scene>;
	try {
		made = scene({ keepAlive: 1.9 });
	} catch (error) {
		assert.match((error as Error).message, /keepAlive/);
		return;
	}
	made.client.start();
	made.network.open();
	const seconds = new DataView(made.network.taken().buffer).getUint16(10);
	made.network.receive(connack());
	made.network.clock.advance(seconds * 1000);
	assert.deepEqual(made.sent(), ["PINGREQ"], `within the ${seconds} s that CONNECT says`);
});

for (const keepAlive of [0, 10]) {
	test(`keep alive ${keepAlive}: a link that takes no more bytes is closed in the end`, () => {
		const { client, network, reasons } = connected({ keepAlive, timeout: 10 });
		network.room = 0;
		client.topic("t").publish(new Uint8Array(1));
		network.clock.advance(30_000);
		assert.equal(reasons[0], Reason.WRITE_TIMEOUT);
		assert.match(describe(reasons[0]), /sent/);
	});
}

test("a slow link that goes on taking bytes is not closed", () => {
	const { client, network, reasons } = connected({ keepAlive: 10 });
	const topic = client.topic("t");
	network.room = 0;
	for (let step = 0; step < 1_000; step++) {
		topic.publish(new Uint8Array(20));
		network.clock.advance(100);
		assert.deepEqual(reasons, [], `after ${network.clock.now / 1000} s`);
		network.writable(2);
	}
});

for (const keepAlive of [0, 10]) {
	test(`keep alive ${keepAlive}: a SUBACK that does not come closes the link in the end`, () => {
		const { client, network, reasons } = connected({ keepAlive, timeout: 10 });
		client.subscribe("a", 0, () => {});
		network.clock.advance(30_000);
		assert.equal(reasons[0], Reason.SUBACK_TIMEOUT);
		assert.match(describe(reasons[0]), /SUBACK/);
	});
}

test("a SUBACK that comes in time closes nothing, however the looks at it fall", () => {
	const { client, network, reasons } = connected({ keepAlive: 10 });
	for (let id = 1; id <= 200; id++) {
		client.subscribe(`a/${id}`, 0, () => {});
		network.clock.advance(100);
		assert.deepEqual(reasons, [], `after ${network.clock.now / 1000} s`);
		network.receive(suback(id, 0));
	}
});

test("wherever CONNACK falls, PINGREQ follows CONNECT within the keep alive", () => {
	for (const keepAlive of [1, 2, 10]) {
		for (let after = 0; after < 1_000 * keepAlive; after += 100) {
			const { client, network, sent, reasons } = scene({ keepAlive, timeout: 10 });
			client.start();
			network.open();
			assert.deepEqual(sent(), ["CONNECT"]);
			network.clock.advance(after);
			network.receive(connack());
			network.clock.advance(1_000 * keepAlive - after);
			assert.ok(sent().includes("PINGREQ"), `keep alive ${keepAlive} s, CONNACK after ${after} ms`);
			if (reasons.length === 0) network.receive(pingresp());
			assert.ok(reasons.every((reason) => reason === Reason.PINGRESP_TIMEOUT));
		}
	}
});

test("a CONNACK that takes more than half of the keep alive is followed by PINGREQ at once, in front of all else", () => {
	const { client, network, sent } = scene({ keepAlive: 10, timeout: 10 });
	client.subscribe("a", 0, () => {});
	client.start();
	network.open();
	sent();
	network.clock.advance(6_000);
	network.receive(connack());
	assert.deepEqual(sent(), ["PINGREQ", "SUBSCRIBE id 1 a qos 0"]);
});

for (const keepAlive of [0, 1, 2, 10, 60]) {
	test(`keep alive ${keepAlive}: CONNACK may take the timeout, and no longer`, () => {
		const { client, network, reasons } = scene({ keepAlive, timeout: 10 });
		client.start();
		network.clock.advance(3_000);
		network.open();
		network.clock.advance(9_999);
		assert.deepEqual(reasons, []);
		network.clock.advance(1);
		assert.deepEqual(reasons, [Reason.CONNACK_TIMEOUT]);
	});
}

test("a SUBACK that was missing on one connection is not held against the next", () => {
	const made = connected({ keepAlive: 0, timeout: 10 });
	made.client.subscribe("a", 0, () => {});
	made.network.clock.advance(15_000); // the first look finds it missing
	reconnect(made);
	made.network.clock.advance(15_000);
	assert.deepEqual(made.reasons, [Reason.LINK_LOST]);
	made.network.clock.advance(10_000);
	assert.deepEqual(made.reasons, [Reason.LINK_LOST, Reason.SUBACK_TIMEOUT]);
});
