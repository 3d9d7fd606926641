/** Random packets against npm's `mqtt-packet`, in both directions: another opinion on the same specification. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as codec from "mqtt-packet";
import { connectPacket, field, publishHeader, writeEmpty, writePublish, writeReply } from "../../src/wire/encode.js";
import { Packet, PublishFlag } from "../../src/wire/packet.js";
import { show, utf8 } from "../support/hex.js";
import { packets } from "../support/packets.js";
import { type Random, seeded } from "../support/random.js";
import { events, sliced } from "../support/recorder.js";

const ROUNDS = 500;
const LETTERS = ["a", "b", "/", "$", " ", "°", "€", "\u{1f321}", "\u{feff}", "0"];

function text(random: Random, shortest = 1): string {
	const length = shortest + random.below(random.pick([3, 30, 300]));
	return Array.from({ length }, () => random.pick(LETTERS)).join("");
}

function payload(random: Random): Uint8Array {
	return random.bytes(random.below(random.pick([2, 60, 140, 20_000])));
}

const qosOf = (random: Random) => random.pick([0, 1, 2] as const);
const identifierOf = (random: Random) => 1 + random.below(65_535);

test("mqtt-packet reads every CONNECT as it was meant, and writes the same bytes", (t) => {
	const random = seeded((message) => t.diagnostic(message));
	for (let round = 0; round < ROUNDS; round++) {
		const level = random.pick([3, 4] as const);
		const userName = random.chance(0.5) ? text(random) : undefined;
		const fields = {
			level,
			cleanSession: random.chance(0.5),
			keepAlive: random.below(65_536),
			clientId: text(random),
			will: random.chance(0.5)
				? { topic: text(random), payload: payload(random), qos: qosOf(random), retain: random.chance(0.5) }
				: undefined,
			userName,
			password: userName !== undefined && random.chance(0.5) ? random.bytes(1 + random.below(30)) : undefined,
		};
		const bytes = connectPacket({
			...fields,
			clientId: utf8(fields.clientId),
			will: fields.will && { ...fields.will, topic: utf8(fields.will.topic) },
			userName: userName === undefined ? undefined : utf8(userName),
		});
		const theirs = codec.generate({
			cmd: "connect",
			protocolId: level === 3 ? "MQIsdp" : "MQTT",
			protocolVersion: level,
			clean: fields.cleanSession,
			keepalive: fields.keepAlive,
			clientId: fields.clientId,
			will: fields.will && { ...fields.will, payload: Buffer.from(fields.will.payload) },
			username: userName,
			password: fields.password && Buffer.from(fields.password),
		});
		assert.equal(show(bytes), show(theirs));
		const [packet] = packets(bytes, level);
		assert.ok(packet.cmd === "connect");
		assert.equal(packet.protocolVersion, level);
		assert.equal(packet.clean, fields.cleanSession);
		assert.equal(packet.keepalive, fields.keepAlive);
		assert.equal(packet.will === undefined, fields.will === undefined);
	}
});

test("mqtt-packet reads every PUBLISH as it was meant, and writes the same bytes", (t) => {
	const random = seeded((message) => t.diagnostic(message));
	const memory = new Uint8Array(32_768);
	for (let round = 0; round < ROUNDS; round++) {
		const fields = {
			topic: text(random),
			payload: payload(random),
			qos: qosOf(random),
			retain: random.chance(0.5),
			messageId: identifierOf(random),
		};
		const dup = fields.qos > 0 && random.chance(0.5);
		const header = publishHeader(fields.qos, fields.retain) | (dup ? PublishFlag.DUP : 0);
		const identifier = fields.qos === 0 ? 0 : fields.messageId;
		const start = writePublish(memory, 3, header, field(utf8(fields.topic)), identifier, fields.payload.length);
		memory.set(fields.payload, start);
		const bytes = memory.subarray(3, start + fields.payload.length);
		const theirs = codec.generate({ cmd: "publish", ...fields, payload: Buffer.from(fields.payload), dup });
		assert.equal(show(bytes), show(theirs));
		const [packet] = packets(bytes);
		assert.ok(packet.cmd === "publish");
		assert.equal(utf8(packet.topic).length, utf8(fields.topic).length);
		assert.deepEqual([packet.qos, packet.retain, packet.dup], [fields.qos, fields.retain, dup]);
		assert.equal(packet.messageId, fields.qos === 0 ? undefined : fields.messageId);
		assert.equal(show(packet.payload as Buffer), show(fields.payload));
	}
});

// SUBSCRIBE and UNSUBSCRIBE: see session/filters.test.ts.
test("mqtt-packet writes the same acknowledgements, PINGREQ and DISCONNECT", (t) => {
	const random = seeded((message) => t.diagnostic(message));
	const memory = new Uint8Array(4);
	for (let round = 0; round < ROUNDS; round++) {
		const messageId = identifierOf(random);
		for (const [cmd, header] of [
			["puback", Packet.PUBACK],
			["pubrec", Packet.PUBREC],
			["pubrel", Packet.PUBREL],
			["pubcomp", Packet.PUBCOMP],
		] as const) {
			writeReply(memory, 0, header, messageId);
			assert.equal(show(memory), show(codec.generate({ cmd, messageId })));
		}
	}
	writeEmpty(memory, 0, Packet.PINGREQ);
	assert.equal(show(memory.subarray(0, 2)), show(codec.generate({ cmd: "pingreq" })));
	writeEmpty(memory, 0, Packet.DISCONNECT);
	assert.equal(show(memory.subarray(0, 2)), show(codec.generate({ cmd: "disconnect" })));
});

/** A packet of a broker as mqtt-packet writes it, and the event that it should become. */
function fromBroker(random: Random): [codec.Packet, string] {
	const messageId = identifierOf(random);
	const identifier = show(Uint8Array.of(messageId >> 8, messageId & 255));
	switch (random.below(8)) {
		case 0: {
			const [returnCode, sessionPresent] = [random.below(6), random.chance(0.5)];
			return [{ cmd: "connack", returnCode, sessionPresent }, `20 0${+sessionPresent} 0${returnCode}`];
		}
		case 1: {
			const granted = Array.from({ length: 1 + random.below(5) }, () => random.pick([0, 1, 2, 0x80]));
			return [{ cmd: "suback", messageId, granted }, `90 ${identifier} ${show(Uint8Array.from(granted))}`];
		}
		case 2:
			return [{ cmd: "unsuback", messageId, granted: [] }, `b0 ${identifier}`];
		case 3:
			return [{ cmd: "pingresp" }, "d0"];
		case 4: {
			const [cmd, header] = random.pick([
				["puback", "40"],
				["pubrec", "50"],
				["pubrel", "62"],
				["pubcomp", "70"],
			] as const);
			return [{ cmd, messageId }, `${header} ${identifier}`];
		}
		default: {
			const [topic, bytes, qos] = [text(random), random.bytes(random.below(60)), qosOf(random)];
			const [retain, dup] = [random.chance(0.3), qos > 0 && random.chance(0.3)];
			const event = ["PUBLISH", `'${topic}'`, show(bytes)];
			if (qos > 0) event.push(`qos ${qos} id ${messageId}`);
			if (retain) event.push("retain");
			if (dup) event.push("dup");
			return [{ cmd: "publish", topic, payload: Buffer.from(bytes), qos, retain, dup, messageId }, event.join(" ")];
		}
	}
}

test("every packet that mqtt-packet writes for a broker is decoded as it was meant, in pieces of any size", (t) => {
	const random = seeded((message) => t.diagnostic(message));
	for (let round = 0; round < ROUNDS; round++) {
		const made = Array.from({ length: 1 + random.below(10) }, () => fromBroker(random));
		const stream = Buffer.concat(made.map(([packet]) => codec.generate(packet)));
		const pieces = sliced(stream, random.pick([1, 2, 7, 50, 4096]));
		const level = random.pick([3, 4] as const);
		assert.deepEqual(
			events(pieces, { level, inbox: 4096 }),
			made.map(([, event]) => event),
		);
	}
});
