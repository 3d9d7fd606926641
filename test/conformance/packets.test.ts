/** The fake broker's packets against npm's `mqtt-packet`, and its words and texts against Node's. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as codec from "mqtt-packet";
import { LENGTHS } from "../support/lengths.js";
import * as packets from "./packets.js";
import { connect, publish, show, subscribe, textOf, unsubscribe, utf8 } from "./packets.js";

function same(bytes: Uint8Array, packet: codec.Packet): void {
	assert.equal(show(bytes), show(codec.generate(packet)));
}

const QOS = [0, 1, 2] as const;
const TEXTS = ["a", "a/b", "°/€", "\u{1f321}\ufeff", "x".repeat(300)];

test("CONNECT", () => {
	for (const level of [3, 4] as const) {
		for (const clientId of TEXTS) {
			for (const will of [
				undefined,
				...QOS.map((qos) => ({ topic: "w/ü", payload: "gone", qos, retain: qos === 1 })),
			]) {
				for (const names of [{}, { userName: "us€r" }, { userName: "u", password: "pass" }]) {
					const options = { level, clientId, cleanSession: clientId.length > 1, keepAlive: 258, will };
					same(connect({ ...options, ...names }), {
						cmd: "connect",
						protocolId: level === 3 ? "MQIsdp" : "MQTT",
						protocolVersion: level,
						clientId,
						clean: options.cleanSession,
						keepalive: 258,
						will: will && { ...will, payload: Buffer.from(will.payload) },
						username: "userName" in names ? names.userName : undefined,
						password: "password" in names ? Buffer.from(names.password as string) : undefined,
					});
				}
			}
		}
	}
});

test("CONNACK", () => {
	for (let returnCode = 0; returnCode <= 5; returnCode++) {
		for (const sessionPresent of [false, true]) {
			same(packets.connack(returnCode, sessionPresent), { cmd: "connack", returnCode, sessionPresent });
		}
	}
});

test("PUBLISH", () => {
	for (const topic of TEXTS) {
		for (const qos of QOS) {
			for (const retain of [false, true]) {
				for (const dup of qos === 0 ? [false] : [false, true]) {
					const id = qos === 0 ? undefined : 0x1234;
					for (const payload of ["", "21", "°".repeat(200)]) {
						same(publish(topic, payload, { qos, id, retain, dup }), {
							cmd: "publish",
							topic,
							payload,
							qos,
							messageId: id,
							retain,
							dup,
						});
					}
				}
			}
		}
	}
	assert.throws(() => publish("a", "", { qos: 1 }), /identifier/);
	assert.equal(show(publish("a", "", { qos: 0, id: 1 })), "30 03 00 01 61");
});

test("PUBACK, PUBREC, PUBREL, PUBCOMP and UNSUBACK", () => {
	for (const messageId of [1, 255, 256, 0x1234, 65_535]) {
		same(packets.puback(messageId), { cmd: "puback", messageId });
		same(packets.pubrec(messageId), { cmd: "pubrec", messageId });
		same(packets.pubrel(messageId), { cmd: "pubrel", messageId });
		same(packets.pubcomp(messageId), { cmd: "pubcomp", messageId });
		same(packets.unsuback(messageId), { cmd: "unsuback", messageId, granted: [] });
	}
});

test("SUBSCRIBE, SUBACK and UNSUBSCRIBE", () => {
	for (let count = 1; count <= TEXTS.length; count++) {
		const filters = TEXTS.slice(0, count);
		const granted = filters.map((_, i) => [0, 1, 2, 0x80][i % 4]);
		const qos = filters.map((_, i) => QOS[i % 3]);
		same(subscribe(7, ...filters.map((filter, i): [string, number] => [filter, qos[i]])), {
			cmd: "subscribe",
			messageId: 7,
			subscriptions: filters.map((topic, i) => ({ topic, qos: qos[i] })),
		});
		same(packets.suback(7, ...granted), { cmd: "suback", messageId: 7, granted });
		same(unsubscribe(7, ...filters), { cmd: "unsubscribe", messageId: 7, unsubscriptions: filters });
	}
});

test("PINGREQ, PINGRESP and DISCONNECT", () => {
	same(packets.pingreq(), { cmd: "pingreq" });
	same(packets.pingresp(), { cmd: "pingresp" });
	same(packets.disconnect(), { cmd: "disconnect" });
});

test("the remaining length has one to four bytes", () => {
	for (const [length, bytes] of LENGTHS.filter(([length]) => length < 3_000_000)) {
		const size = bytes.split(" ").length;
		assert.equal(show(packets.packet(0x30, new Uint8Array(length)).subarray(1, 1 + size)), bytes);
	}
});

test("a packet that is sent again says DUP where its level has it", () => {
	for (const [packet, first3, first4] of [
		[publish("a", "", { qos: 1, id: 1 }), 0x3a, 0x3a],
		[packets.pubrel(1), 0x6a, 0x62],
		[subscribe(1, ["a", 0]), 0x8a, 0x82],
		[unsubscribe(1, "a"), 0xaa, 0xa2],
	] as const) {
		assert.equal(packets.again(3, packet)[0], first3);
		assert.equal(packets.again(4, packet)[0], first4);
		assert.equal(show(packets.again(4, packet).subarray(1)), show(packet.subarray(1)));
	}
});

test("texts are the UTF-8 that Node makes of them, and back", () => {
	for (const text of [...TEXTS, "", "\0", "\u007f\u0080\u07ff\u0800\ud7ff\ue000\uffff\u{10000}\u{10ffff}"]) {
		assert.equal(show(utf8(text)), show(new TextEncoder().encode(text)));
		assert.equal(textOf(utf8(text)), text);
	}
	assert.equal(show(utf8("\ud800a\udfff")), "ed a0 80 61 ed bf bf");
});

test("bytes in words", () => {
	for (const [bytes, words] of [
		[new Uint8Array(0), "nothing"],
		[connect({ level: 3 }), "CONNECT level 3 flags 02"],
		[packets.connack(5, true), "CONNACK code 5 flags 1"],
		[publish("a/b", "21", { qos: 1, id: 7, dup: true, retain: true }), "PUBLISH a/b '21' QoS 1 id 7 RETAIN DUP"],
		[publish("a", new Uint8Array(100)), "PUBLISH a '100 bytes'"],
		[subscribe(1, ["a", 0], ["b/#", 2]), "SUBSCRIBE id 1 for a QoS 0 and b/# QoS 2"],
		[packets.suback(1, 0, 128), "SUBACK id 1: 0, 128"],
		[unsubscribe(2, "a", "b"), "UNSUBSCRIBE id 2 for a and b"],
		[packets.joined([packets.pingreq(), packets.puback(7)]), "PINGREQ, PUBACK id 7"],
		[packets.hex("6a 02 00 01"), "PUBREL id 1 flags 10"],
		[packets.hex("30 05 00 01 61"), "PUBLISH a '' (cut off)"],
	] as const) {
		assert.equal(packets.inWords(bytes), words);
	}
	for (let first = 0; first < 256; first++) {
		for (const rest of ["", "02", "05 ff ff ff", "ff ff ff ff ff 01", "04 00 01 c2"]) {
			packets.inWords(packets.joined([Uint8Array.of(first), packets.hex(rest)]));
		}
	}
});
