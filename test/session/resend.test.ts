/** What was sent and not acknowledged, after the link was lost (section 4.4). */
import assert from "node:assert/strict";
import { test } from "node:test";
import { State } from "../../src/client.js";
import { accept, connected, reconnect, scene } from "../support/client.js";
import { utf8 } from "../support/hex.js";
import { PacketReader, puback } from "../support/packets.js";
import { seeded } from "../support/random.js";

for (const cleanSession of [true, false]) {
	test(`clean session ${+cleanSession}: what was not acknowledged goes out again with DUP and its identifier, oldest first, in front of what is new`, () => {
		const made = connected({ cleanSession });
		const { client, network, sent } = made;
		const topic = client.topic("t", { qos: 1 });
		for (const text of ["1", "2", "3", "4"]) topic.publish(utf8(text));
		sent();
		network.receive(puback(2));
		network.break();
		topic.publish(utf8("5"));
		reconnect(made);
		assert.deepEqual(sent(), [
			"PUBLISH t '1' qos 1 id 1 dup",
			"PUBLISH t '3' qos 1 id 3 dup",
			"PUBLISH t '4' qos 1 id 4 dup",
			"PUBLISH t '5' qos 1 id 5",
		]);
		assert.equal(client.status.resent, 3);
		topic.publish(utf8("6"));
		assert.deepEqual(sent(), ["PUBLISH t '6' qos 1 id 6"]);
		for (const id of [1, 3, 4, 5, 6]) network.receive(puback(id));
		assert.equal(client.status.delivered, 6);
		assert.equal(client.status.outbox.used, 0);
	});
}

test("a session that the broker kept changes nothing about the resend", () => {
	const made = connected({ cleanSession: false });
	made.client.topic("t", { qos: 1, retain: true }).publish(utf8("1"));
	reconnect(made, true);
	assert.deepEqual(made.sent(), ["PUBLISH t '1' qos 1 id 1 retain dup"]);
});

test("the same messages go out at every reconnect until they are acknowledged", () => {
	const made = connected();
	const topic = made.client.topic("t", { qos: 1 });
	topic.publish(utf8("1"));
	topic.publish(utf8("2"));
	for (let round = 1; round <= 5; round++) {
		reconnect(made);
		assert.deepEqual(made.sent(), ["PUBLISH t '1' qos 1 id 1 dup", "PUBLISH t '2' qos 1 id 2 dup"]);
		assert.equal(made.client.status.resent, 2 * round);
	}
});

test("nothing is sent again on a link that lives, however long the acknowledgement takes", () => {
	const { client, network, sent } = connected({ keepAlive: 0 });
	client.topic("t", { qos: 1 }).publish(utf8("1"));
	assert.deepEqual(sent(), ["PUBLISH t '1' qos 1 id 1"]);
	for (let hour = 0; hour < 24; hour++) {
		network.clock.advance(3_600_000);
		network.writable(1_000);
	}
	assert.deepEqual(sent(), []);
	assert.equal(client.status.resent, 0);
	assert.equal(client.status.state, State.CONNECTED);
});

test("a message at QoS 0 is not sent again", () => {
	const made = connected();
	made.client.topic("t").publish(utf8("1"));
	assert.deepEqual(made.sent(), ["PUBLISH t '1'"]);
	reconnect(made);
	assert.deepEqual(made.sent(), []);
});

test("a message at QoS 0 that waited in the outbox goes out once, in its place", () => {
	const made = connected();
	const atMostOnce = made.client.topic("a");
	const atLeastOnce = made.client.topic("b", { qos: 1 });
	made.network.break();
	atLeastOnce.publish(utf8("1"));
	atMostOnce.publish(utf8("2"));
	atLeastOnce.publish(utf8("3"));
	reconnect(made);
	assert.deepEqual(made.sent(), ["PUBLISH b '1' qos 1 id 1", "PUBLISH a '2'", "PUBLISH b '3' qos 1 id 2"]);
	reconnect(made);
	assert.deepEqual(made.sent(), ["PUBLISH b '1' qos 1 id 1 dup", "PUBLISH b '3' qos 1 id 2 dup"]);
});

test("the outbox outlives stop and start", () => {
	const made = connected();
	made.client.topic("t", { qos: 1 }).publish(utf8("1"));
	made.client.stop();
	made.client.topic("t", { qos: 1 }).publish(utf8("2"));
	made.network.taken();
	made.client.start();
	accept(made);
	assert.deepEqual(made.sent(), ["PUBLISH t '1' qos 1 id 1 dup", "PUBLISH t '2' qos 1 id 2"]);
});

test("an acknowledgement for what was not sent yet on this connection is stray", () => {
	const made = connected({ window: 1 });
	const topic = made.client.topic("t", { qos: 1 });
	topic.publish(utf8("1"));
	topic.publish(utf8("2"));
	made.sent();
	made.network.receive(puback(2));
	assert.equal(made.client.status.stray, 1);
	made.network.receive(puback(1));
	assert.deepEqual(made.sent(), ["PUBLISH t '2' qos 1 id 2"]);
});

test("the link breaks within a message that goes out in pieces: it begins anew on the next one", () => {
	const made = connected({ output: 32, outbox: 1024 });
	made.network.room = 50;
	const text = "0123456789".repeat(20);
	made.client.topic("t", { qos: 1 }).publish(utf8(text));
	made.client.topic("u").publish(utf8("2"));
	assert.equal(made.network.taken().length, 50);
	reconnect(made);
	for (let step = 0; step < 20; step++) made.network.writable(1_000);
	const lines = made.sent();
	assert.equal(lines.length, 2);
	assert.match(lines[0], new RegExp(`^PUBLISH t '${text}' qos 1 id \\d+( dup)?$`));
	assert.equal(lines[1], "PUBLISH u '2'");
});

test("whatever breaks and whenever, what publish took at QoS 1 arrives, in order, and DUP marks exactly the resends", (t) => {
	const random = seeded((message) => t.diagnostic(message));
	const made = scene({
		outbox: 512,
		output: 32 + random.below(200),
		window: 1 + random.below(20),
		cleanSession: false,
	});
	const { client, network } = made;
	const topics = [client.topic("a", { qos: 1 }), client.topic("b".repeat(40), { qos: 1 })];
	const accepted: string[] = [];
	const arrived: string[] = [];
	const whole = new Map<number, string>();
	let reader = new PacketReader();
	let unanswered: number[] = [];
	let number = 0;
	client.start();

	const listen = () => {
		for (const packet of reader.read(network.taken())) {
			if (packet.cmd === "connect") {
				network.receive(new Uint8Array([0x20, 2, arrived.length > 0 ? 1 : 0, 0]));
				continue;
			}
			assert.ok(packet.cmd === "publish" && packet.messageId !== undefined, packet.cmd);
			const text = packet.payload.toString();
			if (packet.dup) {
				// It may have been lost on its way, in whole or in part; if it came, it was this one.
				assert.equal(whole.get(packet.messageId) ?? text, text, "an identifier changed its message");
			} else assert.equal(whole.has(packet.messageId), false, `identifier ${packet.messageId} is in use`);
			if (!whole.has(packet.messageId) && !arrived.includes(text)) arrived.push(text);
			whole.set(packet.messageId, text);
			unanswered.push(packet.messageId);
		}
	};
	const acknowledge = () => {
		const [id] = unanswered.splice(random.chance(0.8) ? 0 : random.below(unanswered.length), 1);
		whole.delete(id);
		network.receive(puback(id));
	};
	const lose = () => {
		listen();
		if (network.isOpen || network.isOpening) network.break();
		network.taken();
		reader = new PacketReader();
		unanswered = [];
	};

	for (let step = 0; step < 20_000 || arrived.length < accepted.length; step++) {
		assert.ok(step < 100_000, "it never ends");
		if (step < 20_000 && random.chance(0.4)) {
			const text = String(++number).padEnd(random.below(60), ".");
			if (random.pick(topics).publish(utf8(text))) accepted.push(text);
		}
		if (network.isOpening) network.open(random.below(100));
		else if (!network.isOpen) network.clock.toNext();
		else if (random.chance(0.005)) lose();
		else network.writable(random.chance(0.9) ? 1 + random.below(60) : 0);
		if (network.isOpen) listen();
		if (network.isOpen && unanswered.length > 0 && random.chance(0.4)) acknowledge();
	}
	assert.deepEqual(arrived, accepted);
	assert.ok(accepted.length > 1_000, `only ${accepted.length} were taken`);
	assert.ok(client.status.resent > 10);
	while (unanswered.length > 0) acknowledge();
	assert.equal(client.status.outbox.used, 0);
	assert.equal(client.status.delivered, accepted.length);
});
