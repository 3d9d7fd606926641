/** The drop-in for Espruino's `require("MQTT")`, as it is built, on a scripted board. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "acorn";
import { Board, broker, packets } from "./espruino-board.js";
import { accept, connected, defects, names, reconnect, sent } from "./espruino-defects.js";
import { docs, noDocs, ours } from "./espruino-module.js";

for (const [sentence, check] of defects) {
	test(`Espruino drop-in: ${sentence}`, async () => check(new Board(await ours())));
}

test("none of these holds for the module that it replaces", { skip: noDocs }, () => {
	const original = docs("modules/MQTT.js");
	const holds = defects.filter(([, check]) => {
		try {
			check(new Board(original));
			return true;
		} catch {
			return false;
		}
	});
	assert.deepEqual(
		holds.map(([sentence]) => sentence),
		[],
	);
});

test("Espruino drop-in: the module is ES5, and small", async () => {
	const code = await ours();
	parse(code, { ecmaVersion: 5 });
	assert.ok(code.length < 7000, `${code.length} bytes`);
});

/** Behaviour that the module which is replaced has too, where it can be found. */
function both(sentence: string, check: (board: Board) => void): void {
	test(`Espruino drop-in: ${sentence}`, async () => check(new Board(await ours())));
	test(`MQTT.js of Espruino: ${sentence}`, { skip: noDocs }, () => check(new Board(docs("modules/MQTT.js"))));
}

both("CONNECT says what the options say", (board) => {
	const client = board.module.create("192.168.1.10", {
		client_id: "kitchen",
		keep_alive: 300,
		port: 1884,
		username: "name",
		password: "secret",
		protocol_name: "MQIsdp",
		protocol_level: 3,
	});
	client.connect();
	board.settle();
	assert.deepEqual([board.socket.host, board.socket.port], ["192.168.1.10", 1884]);
	assert.equal(board.socket.sent, "\x10\x23\0\x06MQIsdp\x03\xc2\x01\x2c\0\x07kitchen\0\x04name\0\x06secret");
});

both("without options the port is 1883, keep alive 60, and the identifier twelve digits", (board) => {
	const client = board.module.connect({ host: "broker" });
	board.settle();
	assert.deepEqual([board.socket.host, board.socket.port], ["broker", 1883]);
	assert.match(client.client_id, /^[0-9a-f]{12}$/);
	assert.equal(board.socket.sent, `\x10\x18\0\x04MQTT\x04\x02\0\x3c\0\x0c${client.client_id}`);
});

both("connected and connect, then what is published", (board) => {
	const client = connected(board);
	assert.equal(board.told(), "connected connect");
	assert.equal(client.connected, true);
	client.publish("test/espruino", "hello, world");
	client.publish("b", 21.5, { retain: true });
	client.publish("c", "", { qos: 1, retain: true });
	client.publish("d", "\0\xff\x80", { qos: 2, dup: true });
	const all = sent(board);
	assert.deepEqual(
		all.map(({ topic, rest, flags }) => [topic, rest, flags]),
		[
			["test/espruino", "hello, world", 0],
			["b", "21.5", 1],
			["c", "", 3],
			["d", "\0\xff\x80", 12],
		],
	);
	board.told();
	board.receive(broker.puback(all[2].identifier) + broker.pubrec(all[3].identifier));
	board.receive(broker.pubcomp(all[3].identifier));
	assert.deepEqual(board.seen, [
		["puback", all[2].identifier],
		["pubcomp", all[3].identifier],
	]);
	assert.equal(names(sent(board).slice(4)), "PUBREL");
});

both("subscribes to a filter, to several, and to several with the QoS of each", (board) => {
	const client = connected(board);
	client.subscribe("a/+");
	client.subscribe("b/#", { qos: 1 });
	client.subscribe(["c", "d"], { qos: 2 });
	client.subscribe({ e: 0, f: 1 });
	client.unsubscribe("a/+");
	const all = sent(board);
	const rests = ["\0\x03a/+\0", "\0\x03b/#\x01", "\0\x01c\x02", "\0\x01d\x02", "\0\x01e\0", "\0\x01f\x01", "\0\x03a/+"];
	assert.deepEqual(
		all.map(({ rest }) => rest),
		rests,
	);
	assert.equal(new Set(all.map(({ identifier }) => identifier)).size, 7);
	board.told();
	for (const { name, identifier } of all) {
		board.receive(name === "SUBSCRIBE" ? broker.suback(identifier, 0) : broker.unsuback(identifier));
	}
	assert.equal(board.told(), `${"subscribed ".repeat(6)}unsubscribed`);
});

both("a message comes as publish and as message, and is acknowledged", (board) => {
	connected(board);
	board.seen.length = 0;
	board.receive(broker.publish("a/b", "\0bytes\xff") + broker.publish("c", "one", 1, 0x1234, true));
	board.receive(broker.publish("d", "", 2, 9));
	board.receive(broker.pubrel(9));
	const plain = JSON.parse(JSON.stringify(board.seen));
	assert.deepEqual(plain, [
		["publish", { topic: "a/b", message: "\0bytes\xff", dup: 0, qos: 0, pid: 0, retain: 0 }],
		["message", "a/b", "\0bytes\xff"],
		["publish", { topic: "c", message: "one", dup: 1, qos: 1, pid: "\x12\x34", retain: 0 }],
		["message", "c", "one"],
		["publish", { topic: "d", message: "", dup: 0, qos: 2, pid: "\0\x09", retain: 0 }],
		["message", "d", ""],
	]);
	assert.deepEqual(
		sent(board).map(({ name, identifier }) => [name, identifier]),
		[
			["PUBACK", 0x1234],
			["PUBREC", 9],
			["PUBCOMP", 9],
		],
	);
});

both("messages come whole and in order however their bytes are split", (board) => {
	connected(board);
	board.seen.length = 0;
	const all = ["", "x", "y".repeat(200), "z".repeat(1100)];
	const bytes = all.map((text, at) => broker.publish("a", text, at % 2, 1 + at)).join("");
	for (const size of [1, 2, 3, 7, 300, 5000]) {
		for (let at = 0; at < bytes.length; at += size) board.receive(bytes.slice(at, at + size));
		const messages = board.seen.splice(0).filter(([event]) => event === "message");
		assert.deepEqual(
			messages.map(([, , text]) => text),
			all,
		);
	}
});

both("pings every 40 s, and tells of the answers", (board) => {
	connected(board);
	board.told();
	for (let time = 0; time < 5; time++) {
		board.pass(39_000);
		board.receive("");
		assert.equal(names(sent(board)).split("PINGREQ").length - 1, time);
		board.pass(1000);
		board.receive(broker.pingresp());
		assert.equal(board.told(), "ping_reply");
	}
});

both("a broken link is told as disconnected and close, and connecting again is up to the program", (board) => {
	const client = connected(board);
	client.on("disconnected", () => board.after(1000, () => client.connect()));
	board.told();
	board.break();
	assert.equal(board.told(), "disconnected close");
	assert.deepEqual([client.connected, client.client], [false, false]);
	board.pass(999);
	assert.equal(board.sockets.length, 1);
	board.pass(1);
	accept(board);
	assert.equal(board.told(), "connected connect");
});

both("disconnect says so to the broker, and is told", (board) => {
	const client = connected(board);
	board.told();
	client.publish("a", "last words");
	client.disconnect();
	board.settle();
	assert.equal(names(sent(board)), "PUBLISH DISCONNECT");
	assert.equal(board.told(), "disconnected close");
	board.pass(100_000);
	assert.equal(names(sent(board)), "PUBLISH DISCONNECT");
	assert.equal(board.running, 0);
	client.disconnect();
	board.settle();
	assert.equal(board.told(), "");
});

both("works through an object of the application, with a packet for each write", (board) => {
	const written: string[] = [];
	let isEnded = false;
	const pipe = board.make({
		write: (data: string) => {
			written.push(data);
		},
		end: () => {
			isEnded = true;
		},
	});
	const client = board.module.create();
	board.watch(client);
	client.connect(pipe);
	pipe.emit("data", broker.connack());
	board.settle();
	assert.equal(board.told(), "connected connect");
	for (const text of ["1", "2", "3"]) client.publish("a", text);
	assert.deepEqual(written.slice(1), ["\x30\x04\0\x01a1", "\x30\x04\0\x01a2", "\x30\x04\0\x01a3"]);
	client.disconnect();
	assert.equal(written.at(-1), "\xe0\0");
	assert.ok(isEnded);
});

test("Espruino drop-in: where the broker has lost the session, the message itself is sent again, without DUP", async () => {
	const board = new Board(await ours());
	const client = connected(board);
	client.publish("a", "one", { qos: 1 });
	client.publish("a", "two", { qos: 2 });
	const [, { identifier }] = sent(board);
	board.receive(broker.pubrec(identifier));
	reconnect(board, client, false);
	const found = sent(board).map(({ topic, rest, flags }) => [topic, rest, flags]);
	assert.deepEqual(found, [
		["a", "one", 2],
		["a", "two", 4],
	]);
});

test("Espruino drop-in: the order holds over a broken link, and nothing that was acknowledged comes again", async () => {
	const board = new Board(await ours());
	const client = connected(board);
	for (let count = 0; count < 6; count++) client.publish("a", `${count}`, { qos: count % 3 });
	const identifiers = new Map(sent(board).map(({ rest, identifier }) => [rest, identifier]));
	board.receive(broker.puback(identifiers.get("1") ?? 0));
	board.break();
	client.publish("a", "6");
	client.publish("a", "7", { qos: 1 });
	client.connect();
	board.settle();
	board.break();
	client.connect();
	accept(board);
	assert.equal(
		sent(board)
			.map(({ rest }) => rest)
			.join(" "),
		"2 4 5 6 7",
	);
});

test("Espruino drop-in: a full outbox is told once, until there is room again; what is in flight counts", async () => {
	const board = new Board(await ours());
	const client = connected(board, { outbox: 100 });
	board.told();
	const results = [1, 2, 3, 4, 5, 6].map((count) => client.publish("topic", "x".repeat(20 + count), { qos: 1 }));
	assert.deepEqual(results.slice(3), [false, false, false]);
	board.settle();
	assert.deepEqual([board.told(), client.refused], ["error", 3]);
	// What the program asks for when it is connected has room all the same.
	client.subscribe("a");
	const [{ identifier }] = sent(board);
	assert.equal(names(sent(board)), "PUBLISH PUBLISH PUBLISH SUBSCRIBE");
	board.receive(broker.puback(identifier));
	client.publish("topic", "x".repeat(20), { qos: 1 });
	client.publish("topic", "x".repeat(20), { qos: 1 });
	board.settle();
	assert.equal(board.told(), "puback error");
});

test("Espruino drop-in: a single message may be larger than the outbox", async () => {
	const board = new Board(await ours());
	const client = connected(board, { outbox: 100 });
	client.publish("a", "x".repeat(5000), { qos: 1 });
	assert.equal(client.publish("a", "y"), false);
	board.receive(broker.puback(sent(board)[0].identifier));
	client.publish("a", "y");
	assert.deepEqual(
		sent(board).map(({ rest }) => rest.length),
		[5000, 1],
	);
});

for (const qos of [0, 1, 2]) {
	test(`Espruino drop-in: a message at QoS ${qos} that is larger than the inbox is told, acknowledged and passed by`, async () => {
		for (const size of [1, 50, 536, 5000]) {
			const board = new Board(await ours());
			connected(board, { inbox: 100 });
			board.told();
			const bytes = broker.publish("a", "x".repeat(2000), qos, 3) + broker.publish("a", "next", 1, 4);
			for (let at = 0; at < bytes.length; at += size) board.receive(bytes.slice(at, at + size));
			assert.match(String(board.seen[0][1]), /no room for a message of 200[35] bytes; see inbox/);
			assert.equal(board.told(), "error publish message");
			const answers = sent(board).map(({ name, identifier }) => `${name} ${identifier}`);
			assert.deepEqual(answers, [...[[], ["PUBACK 3"], ["PUBREC 3"]][qos], "PUBACK 4"]);
		}
	});
}

test("Espruino drop-in: messages larger than the inbox, one behind the other, in one piece", async () => {
	const board = new Board(await ours());
	connected(board, { inbox: 20 });
	board.told();
	board.receive([30, 2, 40, 3].map((length) => broker.publish("a", "x".repeat(length))).join(""));
	assert.equal(board.told(), "error publish message error publish message");
});

test("Espruino drop-in: hundreds of messages at QoS 2 may wait for their release, in any order", async () => {
	const board = new Board(await ours());
	connected(board);
	const all = Array.from({ length: 400 }, (_, at) => 1 + 257 * ((at * 7) % 255) + (at % 3));
	const once = [...new Set(all)];
	const messages = () => board.seen.filter(([event]) => event === "message").length;
	for (const identifier of all) board.receive(broker.publish("a", "b", 2, identifier));
	assert.equal(messages(), once.length);
	for (const identifier of once.filter((one) => one % 2)) board.receive(broker.pubrel(identifier));
	for (const identifier of once) board.receive(broker.publish("a", "b", 2, identifier, true));
	assert.equal(messages(), once.length + once.filter((one) => one % 2).length);
});

test("Espruino drop-in: replies that the broker does not take, and messages that it does not release, have an end", async () => {
	for (const qos of [1, 2]) {
		const board = new Board(await ours());
		connected(board);
		board.socket.stalled = qos === 1;
		for (let count = 1; count <= 900 && !board.socket.ended; count++)
			board.receive(broker.publish("a", "b", qos, count));
		assert.ok(board.socket.ended);
		assert.match(board.told(), /error disconnected close$/);
	}
});

/** What a broker must not send. */
const WRONG: [what: string, bytes: string][] = [
	["a second CONNACK", broker.connack()],
	["QoS 3", "\x36\x07\0\x01a\0\x01bc"],
	["an empty topic", "\x30\x03\0\0b"],
	["a topic that is longer than its packet", "\x30\x04\0\x09ab"],
	["no room for an identifier", "\x32\x04\0\x01a\0"],
	["a PUBACK without an identifier", "\x40\x01\0"],
	["a packet type that there is not", "\xf0\0"],
	["an acknowledgement that is larger than the inbox", "\x40\xff\xff\xff\x7f\0\x01"],
	["a large message with a topic that is longer still", "\x30\xff\x02\xff\xff" + "a".repeat(70_000)],
];

for (const [what, bytes] of WRONG) {
	test(`Espruino drop-in: ${what} ends the connection, and the next one is sound`, async () => {
		const board = new Board(await ours());
		const client = connected(board, { inbox: 300 });
		board.told();
		board.receive(bytes);
		assert.equal(board.told(), "error disconnected close");
		board.settle();
		client.connect();
		accept(board);
		assert.equal(board.told(), "connected connect");
	});
}

test("Espruino drop-in: a packet in front of CONNACK ends the connection", async () => {
	const board = new Board(await ours());
	board.watch(board.module.connect({ host: "broker" }));
	board.settle();
	board.receive(broker.publish("a", "b"));
	assert.equal(board.told(), "error disconnected close");
});

test("Espruino drop-in: each return code has its text", async () => {
	const texts: string[] = [];
	for (let code = 1; code <= 6; code++) {
		const board = new Board(await ours());
		board.watch(board.module.connect({ host: "broker" }));
		board.settle();
		board.receive(broker.connack(code));
		texts.push(String(board.seen[0][1]).replace("Connection refused, ", ""));
		assert.equal(board.running, 0);
	}
	assert.deepEqual(texts, [
		"UNACCEPTABLE_PROTOCOL_VERSION",
		"IDENTIFIER_REJECTED",
		"SERVER_UNAVAILABLE",
		"BAD_USER_NAME_OR_PASSWORD",
		"NOT_AUTHORIZED",
		"unknown return code: 6.",
	]);
});

test("Espruino drop-in: another pipe takes the place of the one there is, without a word", async () => {
	const board = new Board(await ours());
	const client = connected(board);
	const old = board.socket;
	board.told();
	const pipe = board.make({ write: () => {}, end: () => {} });
	client.connect(pipe);
	pipe.emit("data", broker.connack());
	board.settle();
	assert.equal(board.told(), "connected connect");
	assert.ok(old.ended);
	assert.equal(client.client, pipe);
});

test("Espruino drop-in: a disconnect that is not answered ends after ten seconds", async () => {
	const board = new Board(await ours());
	const client = connected(board);
	board.told();
	client.publish("a", "b", { qos: 1 });
	client.disconnect();
	board.pass(9999);
	assert.equal(board.told(), "");
	board.pass(1);
	assert.equal(board.told(), "disconnected close");
	assert.equal(names(sent(board)), "PUBLISH DISCONNECT");
	// The message is still kept.
	client.connect();
	accept(board);
	assert.equal(names(sent(board)), "PUBLISH");
});

test("Espruino drop-in: many messages leave a few at a time, as fast as they go", async () => {
	const board = new Board(await ours());
	const client = connected(board, { outbox: 10_000 });
	board.socket.stalled = true;
	for (let count = 0; count < 100; count++) client.publish("a", `message ${count}`, { qos: count % 2 });
	assert.ok(board.socket.dSnd.length < 300);
	board.socket.stalled = false;
	const all = sent(board);
	assert.deepEqual(
		all.map(({ rest }) => rest),
		Array.from({ length: 100 }, (_, count) => `message ${count}`),
	);
	assert.equal(packets(board.socket.sent).length, 101);
});
