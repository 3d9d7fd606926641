/** Messages that come in: who gets them, and when they are acknowledged (section 4.3). */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Client, ExactlyOnce, type Message, Reason, State } from "../../src/client.js";
import { connected, reconnect, scene } from "../support/client.js";
import { joined, textOf, utf8 } from "../support/hex.js";
import { publish, suback } from "../support/packets.js";

/** Subscribes, and lets the broker grant it. */
function subscribed(made: ReturnType<typeof connected>, filter: string, handler: (message: Message) => void): void {
	made.client.subscribe(filter, 1, handler);
	const id = Number(/id (\d+)/.exec(made.sent()[0])?.[1]);
	made.network.receive(suback(id, 1));
}

test("a handler gets topic, payload, QoS, RETAIN and DUP", () => {
	const made = connected();
	const seen: unknown[] = [];
	subscribed(made, "#", (message) => {
		seen.push([textOf(message.topic), textOf(message.payload), message.qos, message.retain, message.duplicate]);
		seen.push([message.offset, message.remaining]);
	});
	made.network.receive(publish("a/b", "21"));
	made.network.receive(publish("°", "", { retain: true }));
	made.network.receive(publish("c", "x", { qos: 1, id: 9, dup: true }));
	assert.deepEqual(seen, [
		["a/b", "21", 0, false, false],
		[0, 0],
		["°", "", 0, true, false],
		[0, 0],
		["c", "x", 1, false, true],
		[0, 0],
	]);
	assert.equal(made.client.status.received, 3);
});

test("PUBACK goes out after the handler has returned, and not before", () => {
	const made = connected();
	subscribed(made, "a", () => assert.deepEqual(made.sent(), [], "the handler is still busy"));
	made.network.receive(publish("a", "1", { qos: 1, id: 0xffff }));
	assert.deepEqual(made.sent(), ["PUBACK id 65535"]);
	assert.equal(made.client.status.failures, 0);
});

test("a message at QoS 0 is not acknowledged", () => {
	const made = connected();
	subscribed(made, "a", () => {});
	made.network.receive(publish("a", "1"));
	assert.deepEqual(made.sent(), []);
});

test("a message is not acknowledged if its handler threw; the others get it, and the link stays", () => {
	const made = connected();
	let calls = 0;
	subscribed(made, "a", () => {
		throw new Error("no");
	});
	subscribed(made, "+", () => calls++);
	made.network.receive(publish("a", "1", { qos: 1, id: 7 }));
	assert.deepEqual(made.sent(), []);
	assert.equal(calls, 1);
	assert.equal(made.client.status.failures, 1);
	made.network.receive(publish("b", "2", { qos: 1, id: 8 }));
	assert.deepEqual(made.sent(), ["PUBACK id 8"]);
	assert.equal(made.client.status.state, State.CONNECTED);
});

test("a message in parts is acknowledged once, after the last part", () => {
	const made = connected({ inbox: 32 });
	const parts: string[] = [];
	subscribed(made, "a", (message) => parts.push(textOf(message.payload)));
	const payload = "0123456789".repeat(10);
	const bytes = publish("a", payload, { qos: 1, id: 7 });
	for (let at = 0; at < bytes.length; at++) {
		assert.deepEqual(made.sent(), []);
		made.network.receive(bytes.subarray(at, at + 1));
	}
	assert.deepEqual(made.sent(), ["PUBACK id 7"]);
	assert.equal(parts.join(""), payload);
	assert.ok(parts.length > 1);
	assert.equal(made.client.status.received, 1);
});

test("a message in parts is not acknowledged if its handler threw at one of them", () => {
	for (const failing of [0, 1, 3]) {
		const made = connected({ inbox: 32 });
		let part = 0;
		subscribed(made, "a", () => {
			if (part++ === failing) throw new Error("no");
		});
		made.network.receive(publish("a", "0123456789".repeat(11), { qos: 1, id: 7 }));
		assert.ok(part > 3);
		made.network.receive(publish("b", "", { qos: 1, id: 8 }));
		assert.deepEqual(made.sent(), ["PUBACK id 8"]);
		assert.equal(made.client.status.failures, 1);
	}
});

test("offset and remaining tell where a part belongs", () => {
	const made = connected({ inbox: 64 });
	const payload = Uint8Array.from({ length: 1_000 }, (_, i) => i);
	const copy = new Uint8Array(payload.length);
	let next = 0;
	subscribed(made, "a/b", (message) => {
		assert.equal(message.offset, next);
		copy.set(message.payload, message.offset);
		next += message.payload.length;
		assert.equal(message.remaining, payload.length - next);
		assert.equal(textOf(message.topic), "a/b");
	});
	made.network.receive(publish("a/b", payload), 100);
	assert.deepEqual(copy, payload);
});

test("every handler whose filter matches is called, in the order of subscribing, and no other", () => {
	const made = connected();
	const calls: string[] = [];
	for (const filter of ["a/b", "a/+", "#", "a/c", "+/b", "$SYS/#", "a/b/#", "b", "a/b"]) {
		subscribed(made, filter, () => calls.push(filter));
	}
	made.network.receive(publish("a/b", ""));
	assert.deepEqual(calls.splice(0), ["a/b", "a/+", "#", "+/b", "a/b/#", "a/b"]);
	made.network.receive(publish("$SYS/x", ""));
	assert.deepEqual(calls.splice(0), ["$SYS/#"]);
	made.network.receive(publish("/b", ""));
	assert.deepEqual(calls.splice(0), ["#", "+/b"]);
});

test("names of every length from 1 to 40 are told from their neighbours, wherever they lie in what was received", () => {
	const made = connected({ inbox: 64 });
	const calls: string[] = [];
	const names: string[] = [];
	for (let length = 1; length <= 40; length++) names.push("abcdefghij".repeat(4).slice(0, length));
	// Three of each length: they differ in the last character, or in the first one.
	for (let length = 2; length <= 40; length++) names.push(`_${"bcdefghij_".repeat(4).slice(0, length - 1)}`);
	for (const name of names) subscribed(made, name, (message) => calls.push(textOf(message.topic)));
	const others = names.map((name) => `${name.slice(0, -1)}-`);
	for (let shift = 0; shift < 8; shift++) {
		// A PINGRESP, or a message of another length in front, moves the name in memory.
		const front = [new Uint8Array(0), publish("_", "x".repeat(shift))][+(shift > 0)];
		for (const name of names) made.network.receive(joined([front, publish(name, "p")]));
		for (const other of others) made.network.receive(joined([front, publish(other, "p")]));
		for (const name of names) {
			const bytes = publish(name, "p");
			made.network.receive(bytes.subarray(0, 3));
			made.network.receive(bytes.subarray(3));
		}
		assert.deepEqual(calls.splice(0), [...names, ...names]);
	}
});

test("a message that nobody asked for is acknowledged and counted ([MQTT-4.5.0-2])", () => {
	const made = connected();
	subscribed(made, "a", () => assert.fail("a handler was called"));
	made.network.receive(publish("b", "1", { qos: 1, id: 7 }));
	assert.deepEqual(made.sent(), ["PUBACK id 7"]);
	assert.equal(made.client.status.unhandled, 1);
	assert.equal(made.client.status.received, 0);
});

for (const length of [29, 30, 31, 32, 33, 34, 35, 36, 100, 300]) {
	for (const size of [0, 1, 2, 28, 29, 30, 31, 32, 200]) {
		test(`a topic of ${length} bytes with a payload of ${size} and an inbox of 32: acknowledged, and what follows is heard`, () => {
			const made = connected({ inbox: 32 });
			const heard: string[] = [];
			subscribed(made, "#", (message) => heard.push(textOf(message.topic)));
			const topic = "t".repeat(length);
			for (const pieceSize of [1, 7, 10_000]) {
				heard.length = 0;
				const payload = new Uint8Array(size); // zeros: an identifier read from it would be 0
				const packet = publish(topic, payload, { qos: 1, id: 7 });
				made.network.receive(joined([packet, publish("b", "2", { qos: 1, id: 8 })]), pieceSize);
				assert.deepEqual(made.sent(), ["PUBACK id 7", "PUBACK id 8"]);
				assert.equal(heard.at(-1), "b");
				for (const name of heard.slice(0, -1)) assert.equal(name, topic, "part of the payload became a topic");
			}
		});
	}
}

test("a message at QoS 0 whose topic does not fit the inbox is counted, and what follows is heard", () => {
	const made = connected({ inbox: 32 });
	const heard: string[] = [];
	subscribed(made, "#", (message) => heard.push(textOf(message.topic)));
	made.network.receive(joined([publish("t".repeat(100), "x"), publish("b", "2")]));
	assert.deepEqual(heard, ["b"]);
	assert.equal(made.client.status.skipped, 1);
	assert.deepEqual(made.sent(), []);
});

test("a message whose topic does not fit the inbox closes the link in front of CONNACK, as any other does", () => {
	const made = scene({ inbox: 32 });
	made.client.start();
	made.network.open();
	made.network.receive(publish("t".repeat(100), "x"));
	assert.deepEqual(made.reasons, [Reason.UNEXPECTED_PACKET]);
	assert.equal(made.client.status.skipped, 0);
});

const LONG_TOPICS: [string, number[]][] = [
	["U+0000", [0]],
	["a wildcard +", [0x2b]],
	["a wildcard #", [0x23]],
	["a surrogate", [0xed, 0xa0, 0x80]],
	["an overlong form", [0xc0, 0x80]],
	["a byte that continues nothing", [0x80]],
	["a character that is cut off", [0xe2, 0x82]],
	["a character that is cut off after one byte of four", [0xf0]],
];

for (const [what, bytes] of LONG_TOPICS) {
	test(`a topic name that does not fit the inbox and holds ${what}, wherever it stands, is found out`, () => {
		for (const qos of [0, 1] as const) {
			for (let at = 0; at <= 70; at++) {
				const name = new Uint8Array(70 + bytes.length).fill(0x61);
				name.set(bytes, at);
				const length = 2 + name.length + (qos > 0 ? 2 : 0) + 40;
				const packet = new Uint8Array(2 + length).fill(1);
				packet.set([0x30 | (qos << 1), length, 0, name.length]);
				packet.set(name, 4);
				for (const pieceSize of [1, 7, 4096]) {
					const made = connected({ inbox: 16 });
					made.network.receive(packet, pieceSize);
					const where = `QoS ${qos}, at ${at}, pieces of ${pieceSize}`;
					assert.deepEqual(made.reasons, [Reason.MALFORMED_TOPIC], where);
				}
			}
		}
	});
}

test("a topic name of characters of one to four bytes that does not fit the inbox is passed by, wherever it is cut", () => {
	for (let inbox = 16; inbox <= 36; inbox += 4) {
		for (const pattern of ["°", "€", "\u{1f321}", "a°€\u{1f321}", "\u{1f321}€°a", "aaa°"]) {
			for (let shift = 0; shift < 4; shift++) {
				const name = "a".repeat(shift) + pattern.repeat(30);
				const made = connected({ inbox });
				for (const pieceSize of [1, 5, 4096]) {
					made.network.receive(publish(name, new Uint8Array(50), { qos: 1, id: 7 }), pieceSize);
					assert.deepEqual(made.reasons, [], `inbox ${inbox}: ${name}`);
					assert.deepEqual(made.sent(), ["PUBACK id 7"]);
				}
			}
		}
	}
});

test("a PUBLISH that is not finished when the link breaks leaves nothing behind", () => {
	const made = connected({ inbox: 32 });
	const payloads: string[] = [];
	subscribed(made, "a", (message) => payloads.push(textOf(message.payload)));
	made.network.receive(publish("a", "0123456789".repeat(10), { qos: 1, id: 7 }).subarray(0, 60));
	reconnect(made);
	payloads.length = 0;
	made.sent();
	made.network.receive(publish("a", "whole", { qos: 1, id: 8 }));
	assert.deepEqual(payloads, ["whole"]);
	assert.deepEqual(made.sent(), ["PUBACK id 8"]);
});

test("acknowledgements that waited when the link broke do not go out on the next one", () => {
	const made = connected({ output: 32 });
	made.network.room = 0;
	for (let id = 1; id <= 20; id++) made.network.receive(publish("nobody/asked", "x", { qos: 1, id }));
	reconnect(made);
	assert.deepEqual(made.sent(), []);
	made.network.receive(publish("nobody/asked", "x", { qos: 1, id: 21 }));
	assert.deepEqual(made.sent(), ["PUBACK id 21"]);
});

test("a message of zero length is a message", () => {
	const made = connected();
	const lengths: number[] = [];
	subscribed(made, "a", (message) => lengths.push(message.payload.length));
	made.network.receive(publish("a", "", { qos: 1, id: 1 }));
	assert.deepEqual(lengths, [0]);
	assert.deepEqual(made.sent(), ["PUBACK id 1"]);
});

test("PUBACKs go out in the order of their messages ([MQTT-4.6.0-2])", () => {
	const made = connected();
	const packets = [5, 3, 9, 1].map((id) => publish("a", "x", { qos: 1, id }));
	made.network.receive(joined(packets));
	assert.deepEqual(made.sent(), ["PUBACK id 5", "PUBACK id 3", "PUBACK id 9", "PUBACK id 1"]);
});

test("what is published within a handler goes out, and its message is acknowledged", () => {
	const made = connected();
	const answer = (client: Client) => client.topic("answer", { qos: 1 });
	const topic = answer(made.client);
	subscribed(made, "a", () => assert.equal(topic.publish(utf8("!")), true));
	made.network.receive(publish("a", "?", { qos: 1, id: 7 }));
	assert.deepEqual(made.sent(), ["PUBLISH answer '!' qos 1 id 2", "PUBACK id 7"]);
});

for (const [qos, answer] of [
	[0, []],
	[1, ["PUBACK id 7"]],
	[2, ["PUBREC id 7"]],
] as const) {
	test(`QoS ${qos}: the largest message there is, of 268,435,455 bytes, is handed over in parts and answered once`, () => {
		const made = connected({ exactlyOnce: new ExactlyOnce(), inbox: 4_096 });
		const head = Uint8Array.of(0x30 | (qos << 1), 0xff, 0xff, 0xff, 0x7f, 0, 1, 0x61, ...(qos > 0 ? [0, 7] : []));
		const size = 268_435_455 - 3 - (qos > 0 ? 2 : 0);
		let bytes = 0;
		let ends = 0;
		made.client.subscribe("a", qos, (message) => {
			if (message.offset !== bytes || message.topicEnd - message.topicStart !== 1) throw new Error("a gap");
			bytes += message.payloadEnd - message.payloadStart;
			if (message.remaining === 0) ends++;
			else if (message.remaining !== size - bytes) throw new Error("a wrong remaining");
		});
		made.sent();
		made.network.receive(head);
		const piece = new Uint8Array(4_096);
		for (let left = size; left > 0; left -= piece.length) {
			assert.equal(ends, 0);
			made.network.receive(left < piece.length ? piece.subarray(0, left) : piece);
		}
		assert.equal(made.client.status.failures, 0);
		assert.equal(bytes, size);
		assert.equal(ends, 1);
		assert.deepEqual(made.sent(), answer);
		assert.equal(made.client.status.received, 1);
		bytes = 0;
		made.network.receive(publish("a", "")); // the packet behind it is found
		assert.equal(ends, 2);
	});
}
