/** QoS 2, both ways (section 4.3.3): each message arrives once, whatever breaks in between. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type ClientOptions, describe, ExactlyOnce, Reason, State, type Topic } from "../../src/client.js";
import { accept, connected, reconnect, type Scene } from "../support/client.js";
import { joined, show, textOf, utf8 } from "../support/hex.js";
import { puback, pubcomp, publish, pubrec, pubrel, suback } from "../support/packets.js";
import type { ScriptedNetwork } from "../support/scripted.js";

/** A client with QoS 2 that the broker has accepted; its session outlives the link. */
function made(options: Partial<ClientOptions> = {}, network?: ScriptedNetwork): Scene {
	return connected({ cleanSession: false, exactlyOnce: new ExactlyOnce(), ...options }, network);
}

/** Subscribes to everything at QoS 2; what comes is in `heard`. */
function listener(options: Partial<ClientOptions> = {}): Scene & { heard: string[] } {
	const scene = made(options);
	const heard: string[] = [];
	scene.client.subscribe("#", 2, (message) => heard.push(textOf(message.payload)));
	scene.network.receive(suback(1, 2));
	scene.network.taken();
	return { ...scene, heard };
}

/** A message at QoS 2 from the broker. */
const message = (text: string, id: number, dup = false) => publish("a", text, { qos: 2, id, dup });

// From us to the broker

for (const level of [3, 4] as const) {
	test(`level ${level}: PUBLISH, PUBREC, PUBREL, PUBCOMP: then the message is delivered, and not before`, () => {
		const { client, network } = made({ level });
		assert.equal(client.topic("a/b", { qos: 2, retain: true }).publish(utf8("21")), true);
		assert.equal(show(network.taken()), "35 09 00 03 61 2f 62 00 01 32 31");
		assert.equal(client.status.outbox.used > 2, true);
		network.receive(pubrec(1));
		assert.equal(show(network.taken()), "62 02 00 01");
		assert.equal(client.status.delivered, 0);
		assert.equal(client.status.outbox.used > 2, true, "the payload is still there");
		network.receive(pubcomp(1));
		assert.equal(show(network.taken()), "");
		assert.equal(client.status.delivered, 1);
		assert.equal(client.status.outbox.used, 0);
		assert.equal(client.status.stray, 0);
	});
}

test("messages at QoS 0, 1 and 2 go out in the order of publishing, connected or before that", () => {
	const scene = made();
	const topics = ([0, 1, 2] as const).map((qos) => scene.client.topic(`q${qos}`, { qos }));
	const lines = [
		"PUBLISH q2 '1' qos 2 id 1",
		"PUBLISH q0 '2'",
		"PUBLISH q1 '3' qos 1 id 2",
		"PUBLISH q2 '4' qos 2 id 3",
	];
	for (const [text, qos] of ["2", "0", "1", "2"].entries()) topics[+qos].publish(utf8(String(text + 1)));
	assert.deepEqual(scene.sent(), lines);
	for (const packet of [pubrec(3), puback(2), pubrec(1), pubcomp(1), pubcomp(3)]) scene.network.receive(packet);
	assert.equal(scene.client.status.outbox.used, 0);
	scene.network.break();
	for (const [text, qos] of ["2", "0", "1", "2"].entries()) topics[+qos].publish(utf8(String(text + 1)));
	reconnect(scene);
	assert.deepEqual(
		scene.sent(),
		lines.map((line) => line.replace(/id (\d)/, (_, id) => `id ${+id + 3}`)),
	);
});

/** What goes out again after a reconnect, by how the session fared and how far the message had come. */
const RESENDS: [string, Partial<ClientOptions>, present: boolean, beforePubrec: string, afterPubrec: string][] = [
	["level 4, session present", {}, true, "PUBLISH t 'x' qos 2 id 1 dup", "PUBREL id 1"],
	["level 4, session lost", {}, false, "PUBLISH t 'x' qos 2 id 1 dup", "PUBLISH t 'x' qos 2 id 1 dup"],
	[
		"level 4, clean session",
		{ cleanSession: true },
		false,
		"PUBLISH t 'x' qos 2 id 1 dup",
		"PUBLISH t 'x' qos 2 id 1 dup",
	],
	["level 3", { level: 3 }, false, "PUBLISH t 'x' qos 2 id 1 dup", "PUBREL id 1 dup"],
	[
		"level 3, clean session",
		{ level: 3, cleanSession: true },
		false,
		"PUBLISH t 'x' qos 2 id 1 dup",
		"PUBLISH t 'x' qos 2 id 1 dup",
	],
];

for (const [what, options, present, beforePubrec, afterPubrec] of RESENDS) {
	for (const received of [false, true]) {
		const again = received ? afterPubrec : beforePubrec;
		test(`${what}: a message ${received ? "with" : "without"} PUBREC goes on with ${again}, at every reconnect`, () => {
			const scene = made(options);
			const { client, network } = scene;
			client.topic("t", { qos: 2 }).publish(utf8("x"));
			if (received) network.receive(pubrec(1));
			for (let round = 1; round <= 3; round++) {
				reconnect(scene, present);
				assert.deepEqual(scene.sent(), [again]);
			}
			if (again.startsWith("PUBLISH")) {
				assert.equal(client.status.resent, 3);
				assert.equal(client.status.mayRepeat, present ? 0 : 3);
				network.receive(pubrec(1));
				assert.deepEqual(scene.sent(), ["PUBREL id 1"], "an answer, not a redelivery");
			} else assert.equal(client.status.resent, 0);
			network.receive(pubcomp(1));
			assert.equal(client.status.delivered, 1);
			assert.equal(client.status.outbox.used, 0);
			reconnect(scene, present);
			assert.deepEqual(scene.sent(), []);
			assert.equal(client.status.stray, 0);
		});
	}
}

test("what goes out again keeps its order: PUBLISH and PUBREL, QoS 1 and QoS 2, in front of what is new ([MQTT-4.6.0-1])", () => {
	const scene = made();
	const { client, network } = scene;
	const [one, two] = [client.topic("one", { qos: 1 }), client.topic("two", { qos: 2 })];
	for (const [topic, text] of [
		[two, "1"],
		[one, "2"],
		[two, "3"],
		[two, "4"],
		[one, "5"],
	] as [Topic, string][]) {
		topic.publish(utf8(text));
	}
	network.receive(pubrec(3)); // answers may come in any order
	network.receive(pubrec(1));
	network.receive(puback(2));
	network.break();
	two.publish(utf8("6"));
	reconnect(scene, true);
	assert.deepEqual(scene.sent(), [
		"PUBREL id 1",
		"PUBREL id 3",
		"PUBLISH two '4' qos 2 id 4 dup",
		"PUBLISH one '5' qos 1 id 5 dup",
		"PUBLISH two '6' qos 2 id 6",
	]);
	assert.equal(client.status.resent, 2);
	assert.equal(client.status.mayRepeat, 1, "the one at QoS 1");
	for (const id of [1, 3]) network.receive(pubcomp(id));
	network.receive(puback(5));
	for (const id of [4, 6]) network.receive(joined([pubrec(id), pubcomp(id)]));
	assert.equal(client.status.delivered, 6);
	assert.equal(client.status.outbox.used, 0);
});

test("a session that was lost turns PUBREL back into PUBLISH, also on the connections after that", () => {
	const scene = made();
	scene.client.topic("t", { qos: 2 }).publish(utf8("x"));
	scene.network.receive(pubrec(1));
	reconnect(scene, false);
	assert.deepEqual(scene.sent(), ["PUBLISH t 'x' qos 2 id 1 dup"]);
	reconnect(scene, true);
	assert.deepEqual(scene.sent(), ["PUBLISH t 'x' qos 2 id 1 dup"], "this session knows nothing of a PUBREC");
	assert.equal(scene.client.status.mayRepeat, 1, "the second time the session was there");
});

test("PUBREL goes out again through a link and an output that are nearly full", () => {
	for (const room of [1, 3, 4, 5, 31]) {
		const scene = made({ output: 32, window: 20 });
		const { client, network } = scene;
		const topic = client.topic("t", { qos: 2 });
		for (let id = 1; id <= 20; id++) {
			topic.publish(utf8("x"));
			network.receive(pubrec(id));
		}
		network.break();
		network.taken();
		network.clock.toNext();
		network.open();
		network.taken();
		network.room = 0;
		network.receive(Uint8Array.of(0x20, 2, 1, 0));
		for (let step = 0; step < 100; step++) network.writable(room);
		assert.deepEqual(
			scene.sent(),
			Array.from({ length: 20 }, (_, i) => `PUBREL id ${i + 1}`),
		);
	}
});

for (const [what, qos, answers, strays] of [
	["PUBACK for a message at QoS 2", 2, [puback(1)], 1],
	["PUBREC for a message at QoS 1", 1, [pubrec(1)], 1],
	["PUBCOMP for a message at QoS 1", 1, [pubcomp(1)], 1],
	["PUBCOMP in front of PUBREC", 2, [pubcomp(1)], 1],
	["PUBACK behind PUBREC", 2, [pubrec(1), puback(1)], 1],
	["PUBREC, PUBACK and PUBCOMP for nothing", 2, [pubrec(2), puback(3), pubcomp(4)], 3],
] as const) {
	test(`${what} changes nothing and is counted`, () => {
		const scene = made();
		const { client, network } = scene;
		client.topic("t", { qos }).publish(utf8("x"));
		network.taken();
		for (const answer of answers) network.receive(answer);
		assert.equal(client.status.stray, strays);
		assert.equal(client.status.delivered, 0);
		assert.equal(client.status.state, State.CONNECTED);
		scene.sent();
		if (qos === 1) network.receive(puback(1));
		else for (const answer of [pubrec(1), pubcomp(1)]) network.receive(answer);
		assert.equal(client.status.delivered, 1);
		assert.equal(client.status.outbox.used, 0);
		assert.equal(client.status.stray, strays);
	});
}

test("a PUBREC that comes again is answered again; a PUBCOMP that comes again is stray", () => {
	const { client, network, sent } = made();
	client.topic("t", { qos: 2 }).publish(utf8("x"));
	sent();
	for (let i = 0; i < 3; i++) network.receive(pubrec(1));
	assert.deepEqual(sent(), ["PUBREL id 1", "PUBREL id 1", "PUBREL id 1"]);
	assert.equal(client.status.stray, 0);
	network.receive(pubcomp(1));
	network.receive(pubcomp(1));
	assert.equal(client.status.stray, 1);
	assert.equal(client.status.delivered, 1);
});

test("an answer to what did not go out on this connection yet is stray", () => {
	const scene = made();
	scene.client.topic("t", { qos: 2 }).publish(utf8("x"));
	scene.network.break();
	scene.network.taken();
	scene.network.clock.toNext();
	scene.network.open();
	scene.network.room = 0;
	scene.network.taken();
	scene.client.topic("large").publish(new Uint8Array(500)); // stands behind it
	scene.network.receive(joined([Uint8Array.of(0x20, 2, 1, 0)]));
	assert.equal(scene.client.status.state, State.CONNECTED);
	scene.network.receive(pubcomp(1));
	assert.equal(scene.client.status.stray, 1);
});

test("a message holds its place in the window until PUBCOMP", () => {
	const { client, network, sent } = made({ window: 2 });
	const topic = client.topic("t", { qos: 2 });
	for (const text of ["1", "2", "3"]) topic.publish(utf8(text));
	assert.deepEqual(sent(), ["PUBLISH t '1' qos 2 id 1", "PUBLISH t '2' qos 2 id 2"]);
	network.receive(pubrec(1));
	network.receive(pubrec(2));
	assert.deepEqual(sent(), ["PUBREL id 1", "PUBREL id 2"]);
	network.receive(pubcomp(2));
	assert.deepEqual(sent(), ["PUBLISH t '3' qos 2 id 3"]);
});

test("after a reconnect what the broker has received counts for the window, too", () => {
	const scene = made({ window: 2 });
	const topic = scene.client.topic("t", { qos: 2 });
	for (const text of ["1", "2", "3"]) topic.publish(utf8(text));
	for (const id of [1, 2]) scene.network.receive(pubrec(id));
	reconnect(scene, true);
	assert.deepEqual(scene.sent(), ["PUBREL id 1", "PUBREL id 2"]);
	scene.network.receive(pubcomp(1));
	assert.deepEqual(scene.sent(), ["PUBLISH t '3' qos 2 id 3"]);
});

test("PUBREL waits for the packet in hand, and then goes out in front of the next message", () => {
	const { client, network, sent } = made({ output: 32, outbox: 2048 });
	const topic = client.topic("t", { qos: 2 });
	topic.publish(utf8("1"));
	sent();
	network.room = 0;
	const large = "0123456789".repeat(20);
	topic.publish(utf8(large));
	network.writable(40);
	network.receive(pubrec(1));
	topic.publish(utf8("3"));
	network.writable(10_000);
	assert.deepEqual(sent(), [`PUBLISH t '${large}' qos 2 id 2`, "PUBREL id 1", "PUBLISH t '3' qos 2 id 3"]);
});

test("more PUBRELs than can wait close the link rather than get lost, and go out on the next one", () => {
	const scene = made({ outbox: 4096, output: 32, window: 100 });
	const { client, network, reasons } = scene;
	const topic = client.topic("t", { qos: 2 });
	for (let i = 0; i < 60; i++) topic.publish(utf8("x"));
	network.taken();
	network.room = 0;
	for (let id = 1; network.isOpen; id++) network.receive(pubrec(id));
	assert.deepEqual(reasons, [Reason.REPLY_OVERFLOW]);
	reconnect(scene, true);
	const lines = scene.sent();
	assert.equal(lines.length, 60);
	assert.equal(lines[40], "PUBREL id 41");
	assert.equal(lines[41], "PUBLISH t 'x' qos 2 id 42 dup");
});

// From the broker to us

test("PUBLISH is handed over and answered with PUBREC, PUBREL with PUBCOMP", () => {
	for (const level of [3, 4] as const) {
		const { client, network, heard } = listener({ level });
		network.receive(message("1", 0x1234));
		assert.deepEqual(heard, ["1"]);
		assert.equal(show(network.taken()), "50 02 12 34");
		network.receive(pubrel(0x1234));
		assert.equal(show(network.taken()), "70 02 12 34");
		assert.equal(client.status.received, 1);
		assert.equal(client.status.stray, 0);
	}
});

test("PUBREC goes out after the handler has returned, and not before", () => {
	const scene = made();
	scene.client.subscribe("a", 2, () => assert.deepEqual(scene.sent(), [], "the handler is still busy"));
	scene.network.receive(suback(1, 2));
	scene.sent();
	scene.network.receive(message("1", 7));
	assert.deepEqual(scene.sent(), ["PUBREC id 7"]);
	assert.equal(scene.client.status.failures, 0);
});

test("a PUBLISH that comes again in front of PUBREL is answered and not handed over; behind it, it is a new one", () => {
	const { client, network, heard, sent } = listener();
	network.receive(message("1", 7));
	for (const dup of [true, true, false]) network.receive(message("1", 7, dup));
	assert.deepEqual(heard, ["1"]);
	assert.deepEqual(sent(), ["PUBREC id 7", "PUBREC id 7", "PUBREC id 7", "PUBREC id 7"]);
	network.receive(pubrel(7));
	network.receive(message("2", 7));
	assert.deepEqual(heard, ["1", "2"]);
	assert.deepEqual(sent(), ["PUBCOMP id 7", "PUBREC id 7"]);
	assert.equal(client.status.received, 2);
	assert.equal(client.status.unhandled, 0);
});

test("a PUBREL that comes again is answered again, and counted", () => {
	const { client, network, sent } = listener();
	network.receive(message("1", 7));
	for (let i = 0; i < 3; i++) network.receive(pubrel(7));
	assert.deepEqual(sent(), ["PUBREC id 7", "PUBCOMP id 7", "PUBCOMP id 7", "PUBCOMP id 7"]);
	assert.equal(client.status.stray, 2);
});

test("a session that is kept remembers what was handed over; one that is lost does not", () => {
	const scene = listener();
	const { network, heard } = scene;
	network.receive(message("1", 7));
	network.receive(message("2", 8));
	reconnect(scene, true);
	network.receive(message("1", 7, true));
	network.receive(pubrel(8));
	assert.deepEqual(heard, ["1", "2"]);
	assert.deepEqual(scene.sent(), ["PUBREC id 7", "PUBCOMP id 8"]);
	assert.equal(scene.client.status.stray, 0);
	reconnect(scene, false);
	scene.sent();
	network.receive(message("3", 7));
	assert.deepEqual(heard, ["1", "2", "3"], "a new session has new identifiers");
	assert.deepEqual(scene.sent(), ["PUBREC id 7"]);
});

test("clean session 1: what was handed over is forgotten with the link", () => {
	for (const level of [3, 4] as const) {
		const scene = listener({ level, cleanSession: true });
		scene.network.receive(message("1", 7));
		reconnect(scene);
		scene.network.receive(message("2", 7, true));
		assert.deepEqual(scene.heard, ["1", "2"]);
	}
});

test("stop and start keep what was handed over", () => {
	const scene = listener();
	scene.network.receive(message("1", 7));
	scene.client.stop();
	scene.network.taken();
	scene.client.start();
	accept(scene, true);
	scene.network.receive(message("1", 7, true));
	assert.deepEqual(scene.heard, ["1"]);
});

test("level 3: a repeat has DUP; an identifier without it is that of a new message, though its PUBREL never came", () => {
	const scene = listener({ level: 3 });
	const { network, heard } = scene;
	network.receive(message("1", 7));
	reconnect(scene);
	scene.sent();
	network.receive(message("1", 7, true));
	assert.deepEqual(heard, ["1"]);
	network.receive(message("2", 7));
	assert.deepEqual(heard, ["1", "2"], "the broker may have lost our session without a word");
	network.receive(message("2", 7, true));
	assert.deepEqual(heard, ["1", "2"]);
	network.receive(pubrel(7));
	assert.deepEqual(scene.sent(), ["PUBREC id 7", "PUBREC id 7", "PUBREC id 7", "PUBCOMP id 7"]);
	assert.equal(scene.client.status.stray, 0);
});

test("a message whose handler threw is not answered, and is handed over when it comes again", () => {
	const scene = made();
	let calls = 0;
	scene.client.subscribe("a", 2, () => {
		if (++calls === 1) throw new Error("no");
	});
	scene.network.receive(suback(1, 2));
	scene.sent();
	scene.network.receive(message("1", 7));
	assert.deepEqual(scene.sent(), []);
	reconnect(scene, true);
	scene.network.receive(message("1", 7, true));
	assert.equal(calls, 2);
	assert.deepEqual(scene.sent(), ["PUBREC id 7"]);
	assert.equal(scene.client.status.failures, 1);
});

test("a message whose handler stopped the client is handed over when it comes again", () => {
	const scene = made();
	let calls = 0;
	scene.client.subscribe("a", 2, () => {
		if (++calls === 1) scene.client.stop();
	});
	scene.network.receive(suback(1, 2));
	scene.network.receive(message("1", 7));
	assert.equal(scene.client.status.state, State.STOPPED);
	scene.network.taken();
	scene.client.start();
	accept(scene, true);
	scene.network.receive(message("1", 7, true));
	assert.equal(calls, 2);
	assert.deepEqual(scene.sent(), ["PUBREC id 7"]);
});

for (const size of [1, 2, 32]) {
	test(`a table of ${size}: as many messages may be coming in; one more closes the link and is not handed over`, () => {
		const scene = listener({ exactlyOnce: size === 32 ? new ExactlyOnce() : new ExactlyOnce(size) });
		const { client, network, heard, reasons } = scene;
		for (let round = 0; round < 3; round++) {
			heard.length = 0;
			for (let id = 1; id <= size; id++) network.receive(message(String(id), id));
			assert.equal(heard.length, size);
			for (let id = 1; id <= size; id++) network.receive(message(String(id), id, true));
			assert.equal(heard.length, size);
			for (let id = size; id >= 1; id--) network.receive(pubrel(id));
		}
		assert.equal(client.status.stray, 0);
		for (let id = 1; id <= size; id++) network.receive(message(String(id), id));
		assert.deepEqual(reasons, []);
		heard.length = 0;
		scene.sent();
		network.receive(message("more", 1000));
		assert.deepEqual(reasons, [Reason.EXACTLY_ONCE_OVERFLOW]);
		assert.match(describe(reasons[0]), /QoS 2/);
		assert.equal(client.status.violations, 0, "the broker did nothing wrong");
		assert.deepEqual(scene.sent(), []);
		// It comes again, once the others are done.
		reconnect(scene, true);
		network.receive(pubrel(1));
		network.receive(message("more", 1000, true));
		assert.deepEqual(heard, ["more"], "once");
		assert.deepEqual(scene.sent(), ["PUBCOMP id 1", "PUBREC id 1000"]);
	});
}

test("the largest table takes every identifier there is", () => {
	const { client, network, heard } = listener({ exactlyOnce: new ExactlyOnce(65_535) });
	const packets = joined(Array.from({ length: 1000 }, (_, i) => message("x", 65_535 - i)));
	network.receive(packets, 100);
	assert.equal(heard.length, 1000);
	network.receive(packets, 100);
	assert.equal(heard.length, 1000);
	assert.equal(client.status.state, State.CONNECTED);
});

test("a PUBREL for nothing is answered with PUBCOMP and counted", () => {
	const { client, network, sent } = made();
	network.receive(pubrel(9));
	assert.deepEqual(sent(), ["PUBCOMP id 9"]);
	assert.equal(client.status.stray, 1);
});

for (const pieceSize of [1, 7, 4096]) {
	test(`a message in parts, in pieces of ${pieceSize}: answered once, after the last part; its repeat is not handed over`, () => {
		const scene = made({ inbox: 32 });
		const { network, client } = scene;
		const parts: string[] = [];
		client.subscribe("a", 2, (part) => parts.push(textOf(part.payload)));
		network.receive(suback(1, 2));
		scene.sent();
		const text = "0123456789".repeat(20);
		network.receive(message(text, 7).subarray(0, -1), pieceSize);
		assert.deepEqual(scene.sent(), []);
		network.receive(message(text, 7).subarray(-1));
		assert.ok(parts.length > 3);
		assert.equal(parts.splice(0).join(""), text);
		assert.deepEqual(scene.sent(), ["PUBREC id 7"]);
		network.receive(message(text, 7, true), pieceSize);
		assert.deepEqual(parts, []);
		assert.deepEqual(scene.sent(), ["PUBREC id 7"]);
		network.receive(pubrel(7));
		network.receive(message(text, 7), pieceSize);
		assert.equal(parts.join(""), text);
		assert.equal(client.status.received, 2);
	});
}

test("a message in parts that was cut off is handed over from its beginning when it comes again", () => {
	const scene = made({ inbox: 32 });
	const offsets: number[] = [];
	scene.client.subscribe("a", 2, (part) => offsets.push(part.offset));
	scene.network.receive(suback(1, 2));
	const bytes = message("0123456789".repeat(10), 7);
	scene.network.receive(bytes.subarray(0, 70));
	const before = offsets.splice(0).length;
	assert.ok(before > 0);
	reconnect(scene, true);
	scene.sent();
	scene.network.receive(message("0123456789".repeat(10), 7, true));
	assert.equal(offsets[0], 0);
	assert.ok(offsets.length > before);
	assert.deepEqual(scene.sent(), ["PUBREC id 7"]);
});

test("a message that nobody asked for is answered as any other, and counted once", () => {
	const { client, network, sent } = made();
	network.receive(message("1", 7));
	network.receive(message("1", 7, true));
	network.receive(pubrel(7));
	assert.deepEqual(sent(), ["PUBREC id 7", "PUBREC id 7", "PUBCOMP id 7"]);
	assert.equal(client.status.unhandled, 1);
});

test("a message whose topic does not fit the inbox takes its place in the table, too", () => {
	const { client, network, reasons } = made({ inbox: 32, exactlyOnce: new ExactlyOnce(1) });
	network.receive(publish("t".repeat(100), "x", { qos: 2, id: 7 }));
	network.receive(publish("t".repeat(100), "x", { qos: 2, id: 8 }));
	assert.deepEqual(reasons, [Reason.EXACTLY_ONCE_OVERFLOW]);
	assert.equal(client.status.skipped, 1);
});

test("a message whose topic does not fit the inbox is answered as any other, and counted once", () => {
	const { client, network, sent } = made({ inbox: 32 });
	const options = { qos: 2, id: 7 } as const;
	network.receive(publish("t".repeat(100), "x", options));
	network.receive(publish("t".repeat(100), "x", { ...options, dup: true }));
	network.receive(pubrel(7));
	assert.deepEqual(sent(), ["PUBREC id 7", "PUBREC id 7", "PUBCOMP id 7"]);
	assert.equal(client.status.skipped, 1);
	assert.equal(client.status.stray, 0);
});

test("without exactlyOnce such a message closes the link", () => {
	const { network, reasons } = connected({ inbox: 32 });
	network.receive(publish("t".repeat(100), "x", { qos: 2, id: 7 }));
	assert.deepEqual(reasons, [Reason.UNEXPECTED_PACKET]);
});

test("the two directions do not share their identifiers (section 2.3.1)", () => {
	const { client, network, heard, sent } = listener();
	client.topic("t", { qos: 2 }).publish(utf8("out"));
	network.receive(message("in", 2));
	assert.deepEqual(sent(), ["PUBLISH t 'out' qos 2 id 2", "PUBREC id 2"]);
	network.receive(joined([pubrec(2), pubrel(2), pubcomp(2)]));
	assert.deepEqual(sent(), ["PUBREL id 2", "PUBCOMP id 2"]);
	assert.deepEqual(heard, ["in"]);
	assert.equal(client.status.delivered, 1);
	assert.equal(client.status.stray, 0);
});

test("messages may end in any order, and PUBRECs go out in the order of their messages ([MQTT-4.6.0-3])", () => {
	const { network, heard, sent } = listener();
	network.receive(joined([5, 3, 9, 1].map((id) => message(String(id), id))));
	network.receive(joined([9, 1, 5, 3].map(pubrel)));
	assert.deepEqual(heard, ["5", "3", "9", "1"]);
	assert.deepEqual(
		sent(),
		[5, 3, 9, 1].map((id) => `PUBREC id ${id}`).concat([9, 1, 5, 3].map((id) => `PUBCOMP id ${id}`)),
	);
});

test("PUBREC and PUBCOMP that waited when the link broke do not go out on the next one, and what they were for is not forgotten", () => {
	const scene = listener({ output: 32 });
	const { network, heard } = scene;
	network.room = 0;
	for (let id = 1; id <= 15; id++) network.receive(message(String(id), id));
	network.receive(pubrel(1));
	reconnect(scene, true);
	assert.deepEqual(scene.sent(), []);
	for (let id = 2; id <= 15; id++) network.receive(message(String(id), id, true));
	network.receive(pubrel(1));
	assert.equal(heard.length, 15);
	const lines = Array.from({ length: 14 }, (_, i) => `PUBREC id ${i + 2}`);
	assert.deepEqual(scene.sent(), [...lines, "PUBCOMP id 1"]);
});

test("more answers than can wait close the link; what was handed over is not handed over again", () => {
	const scene = listener({ output: 32, exactlyOnce: new ExactlyOnce(100) });
	const { network, heard, reasons } = scene;
	network.room = 0;
	let id = 0;
	while (network.isOpen) network.receive(message(String(++id), id));
	assert.deepEqual(reasons, [Reason.REPLY_OVERFLOW]);
	assert.equal(heard.length, id);
	reconnect(scene, true);
	for (let again = 1; again <= id; again++) network.receive(message(String(again), again, true));
	assert.equal(heard.length, id);
	assert.equal(scene.sent().length, id);
});

// Identifier 0, which no packet may have

test("a PUBREC with identifier 0 gets no PUBREL, and does no harm to the outbox", () => {
	const scene = made({ outbox: 64 });
	const { client, network } = scene;
	const topic = client.topic("t", { qos: 1 });
	for (const text of ["1", "2", "3"]) topic.publish(utf8(text));
	network.receive(puback(2)); // leaves a hole, whose identifier is 0
	scene.sent();
	network.receive(pubrec(0));
	assert.deepEqual(scene.sent(), []);
	if (!network.isOpen) reconnect(scene, true);
	else {
		network.receive(puback(1));
		network.receive(puback(3));
		assert.equal(client.status.outbox.used, 0);
	}
	for (const line of scene.sent()) assert.doesNotMatch(line, /PUBREL/);
});

test("a PUBREL with identifier 0 is not taken for that of a message", () => {
	const { client, network, reasons } = made();
	network.receive(pubrel(0));
	if (reasons.length > 0) assert.deepEqual(reasons, [Reason.MALFORMED_IDENTIFIER]);
	else assert.equal(client.status.stray, 1);
});

test("a message that comes again is checked like any other: an ill-formed topic name closes the link", () => {
	const { network, reasons, heard } = listener();
	network.receive(message("1", 7));
	network.receive(Uint8Array.of(0x3c, 6, 0, 2, 0x61, 0, 0, 7));
	assert.deepEqual(reasons, [Reason.MALFORMED_TOPIC]);
	assert.deepEqual(heard, ["1"]);
});

test("a session that is lost frees the whole table", () => {
	const scene = listener({ exactlyOnce: new ExactlyOnce(2) });
	const { network, heard } = scene;
	for (let round = 0; round < 3; round++) {
		for (const id of [1, 2]) network.receive(message(`${round}`, id));
		reconnect(scene, false);
	}
	for (const id of [3, 4]) network.receive(message("last", id));
	assert.equal(heard.length, 8);
	assert.equal(scene.client.status.endings[Reason.EXACTLY_ONCE_OVERFLOW], 0);
	network.receive(message("more", 5));
	assert.equal(scene.client.status.endings[Reason.EXACTLY_ONCE_OVERFLOW], 1);
});

test("level 3: an identifier that is used again without PUBREL takes one place in the table, not two", () => {
	const { network, heard, reasons } = listener({ level: 3, exactlyOnce: new ExactlyOnce(2) });
	for (let round = 0; round < 10; round++) network.receive(message("1", 7));
	network.receive(message("2", 8));
	assert.equal(heard.length, 11);
	network.receive(pubrel(7));
	network.receive(message("3", 9));
	network.receive(message("3", 9, true));
	assert.equal(heard.length, 12);
	assert.deepEqual(reasons, []);
	network.receive(message("4", 10));
	assert.deepEqual(reasons, [Reason.EXACTLY_ONCE_OVERFLOW]);
});

test("a session that is lost is published to again, whatever stands in the outbox between", () => {
	const scene = made({ outbox: 2048 });
	const { client, network } = scene;
	const [one, two] = [client.topic("one", { qos: 1 }), client.topic("two", { qos: 2 })];
	one.publish(utf8("x".repeat(300)));
	two.publish(utf8("2"));
	one.publish(utf8("y".repeat(256)));
	two.publish(utf8("4"));
	for (const id of [2, 4]) network.receive(pubrec(id));
	network.receive(puback(3));
	scene.sent();
	reconnect(scene, false);
	assert.deepEqual(scene.sent(), [
		`PUBLISH one '${"x".repeat(300)}' qos 1 id 1 dup`,
		"PUBLISH two '2' qos 2 id 2 dup",
		"PUBLISH two '4' qos 2 id 4 dup",
	]);
});

test("level 3: identifiers of a session that the broker has lost give way to new messages, and those of this connection do not", () => {
	const scene = listener({ level: 3, exactlyOnce: new ExactlyOnce(2) });
	const { network, heard, reasons } = scene;
	for (const id of [1, 2]) network.receive(message("before", id));
	reconnect(scene);
	for (const id of [3, 4]) network.receive(message("after", id));
	assert.deepEqual(heard, ["before", "before", "after", "after"]);
	assert.deepEqual(reasons, [Reason.LINK_LOST]);
	network.receive(message("more", 5));
	assert.deepEqual(reasons, [Reason.LINK_LOST, Reason.EXACTLY_ONCE_OVERFLOW]);
	// What comes again is of this connection, too.
	reconnect(scene);
	for (const id of [3, 4]) network.receive(message("after", id, true));
	network.receive(message("more", 5));
	assert.equal(heard.length, 4);
	assert.equal(reasons.length, 3);
	reconnect(scene);
	network.receive(pubrel(3));
	network.receive(message("more", 5));
	assert.deepEqual(heard.slice(4), ["more"]);
});
