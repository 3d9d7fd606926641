/** In place of Moddable's MQTT client: what ECMA-419 and the SDK's own client promise an application, with scripted sockets. */
import assert from "node:assert/strict";
import { before, beforeEach, test } from "node:test";
import { writeLength } from "../../src/wire/encode.js";
import { inWords, packet } from "../conformance/packets.js";
import { hex, joined, utf8 } from "../support/hex.js";
import {
	connack,
	packets,
	pingresp,
	puback,
	pubcomp,
	publish,
	pubrec,
	pubrel,
	suback,
	unsuback,
} from "../support/packets.js";
import { type Random, seeded } from "../support/random.js";
import { type Client, type ClientClass, load, World } from "./moddable-script.js";

let MQTTClient: ClientClass;
let world: World;

before(async () => {
	MQTTClient = await load("hosts/moddable/mqtt-client.ts");
});

beforeEach(() => {
	world = new World(MQTTClient);
});

const written = () => inWords(world.socket.written());

// Connecting

test("the constants are those of the packet types, and cannot be written", () => {
	const names = "CONNECT CONNACK PUBLISH PUBACK PUBREC PUBREL PUBCOMP SUBSCRIBE SUBACK UNSUBSCRIBE UNSUBACK";
	const all = [...names.split(" "), "PINGREQ", "PINGRESP", "DISCONNECT"];
	assert.deepEqual(
		all.map((name) => MQTTClient[name as "CONNECT"]),
		all.map((_, i) => i + 1),
	);
});

test("it resolves the name, opens a socket with the application's dictionary, and sends CONNECT", () => {
	const io = world.socketClass;
	const client = world.client({ port: 1234, id: "me", socket: { io, secure: { verify: false } } as never });
	assert.equal(world.request.host, "broker");
	world.request.onResolved("broker", "10.0.0.1");
	const { address, host, port, secure } = world.socket.options;
	assert.deepEqual([address, host, port, secure], ["10.0.0.1", "broker", 1234, { verify: false }]);
	world.socket.writable();
	assert.deepEqual(world.socket.written(), hex("10 0e 00 04 4d 51 54 54 04 02 00 00 00 02 6d 65"));
	assert.deepEqual(world.told(), []);
	assert.throws(() => client.write(utf8("1"), { topic: "t" }), /not connected/);
	world.socket.receive(connack());
	assert.deepEqual(world.told(), ["2 0 false", "writable 1512"]);
});

test("the port is 1883 if none is given, and the keep alive is told in seconds, rounded up", () => {
	world.opened({ keepalive: 1500, user: "u", password: "p", clean: false, id: "me" });
	assert.equal(world.socket.options.port, 1883);
	const [connect] = packets(world.socket.written()) as unknown as Record<string, unknown>[];
	const { keepalive, clean, clientId, username, password, protocolVersion } = connect;
	assert.deepEqual(
		[keepalive, clean, clientId, username, String(password), protocolVersion],
		[2, false, "me", "u", "p", 4],
	);
});

test("keepAlive is the name of the standard, keepalive the older one", () => {
	world.opened({ keepAlive: 7000, keepalive: 9000 });
	assert.equal((packets(world.socket.written())[0] as unknown as { keepalive: number }).keepalive, 7);
});

test("a will", () => {
	world.opened({ will: { topic: "gone", message: "bye", QoS: 1, retain: true } });
	const [connect] = packets(world.socket.written()) as unknown as { will: Record<string, unknown> }[];
	const { topic, payload, qos, retain } = connect.will;
	assert.deepEqual([topic, String(payload), qos, retain], ["gone", "bye", 1, true]);
});

test("target is handed on, format is checked", () => {
	const target = {};
	const client = world.client({ target, format: "buffer" });
	assert.equal(client.target, target);
	assert.equal("target" in world.client(), false);
	assert.equal(client.format, "buffer");
	client.format = "buffer";
	assert.throws(() => {
		client.format = "number";
	}, RangeError);
	assert.throws(() => world.client({ format: "number" }), RangeError);
});

test("what cannot be sent is refused at once", () => {
	const refused: [RegExp, object][] = [
		[/host required/, { host: "" }],
		[/QoS must be/, { will: { topic: "t", QoS: 3 } }],
		[/topic required/, { will: {} }],
		[/wildcard/, { will: { topic: "a/+" } }],
		[/keepAlive/, { keepAlive: -1 }],
		[/id is longer/, { id: "x".repeat(65_536) }],
	];
	for (const [error, options] of refused) assert.throws(() => world.client(options), error);
	assert.equal(world.timers.size, 0);
});

test("a resolver that throws lets the constructor throw, and no timer stays", () => {
	class Resolver {
		resolve() {
			throw new Error("no network");
		}
	}
	assert.throws(() => world.client({ dns: { io: Resolver } }), /no network/);
	assert.equal(world.timers.size, 0);
});

test("a resolver that has not answered is closed with the client", () => {
	let closed = 0;
	class Resolver {
		resolve() {}
		close() {
			closed++;
		}
	}
	world.client({ dns: { io: Resolver } }).close();
	assert.equal(closed, 1);
});

for (const [what, happens, message] of [
	["the name is not found", () => world.request.onError("broker"), "no connection"],
	[
		"no socket can be made",
		() => {
			world.refuses = true;
			world.request.onResolved("broker", "10.0.0.1");
		},
		"no connection",
	],
	[
		"the socket does not open",
		() => {
			world.request.onResolved("broker", "10.0.0.1");
			world.socket.fail();
		},
		"no connection",
	],
	[
		"the socket takes too long",
		() => {
			world.advance(29_999);
			world.request.onResolved("broker", "10.0.0.1");
			world.advance(29_999);
			assert.equal(world.socket.closed, false);
			world.advance(1);
		},
		"did not open in time",
	],
	["the name takes too long", () => world.advance(30_000), "did not open in time"],
] as const) {
	test(`onError, with the reason: ${what}`, () => {
		let error = "";
		let self: unknown;
		const client = world.client({
			onError(reason) {
				self = this;
				error += reason.message;
				this.close();
			},
		});
		happens();
		assert.match(error, new RegExp(`^mqtt-mote: [^:]*${message}[^:]*$`));
		assert.equal(self, client);
		assert.equal(world.timers.size, 0);
		client.close();
		world.advance(100_000);
	});
}

for (const code of [1, 2, 3, 4, 5]) {
	test(`a refusal with return code ${code} is an error that says so`, () => {
		let error = "";
		world.opened({ onError: (reason) => (error = reason.message) });
		world.socket.receive(connack(code));
		assert.match(error, new RegExp(`return code ${code}`));
		assert.equal(world.socket.closed, true);
		assert.equal(world.timers.size, 0);
	});
}

test("a lost link is an error, and nothing follows", () => {
	const client = world.connected();
	world.socket.fail();
	assert.deepEqual(world.told(), ["error"]);
	assert.equal(world.socket.closed, true);
	world.socket.fail();
	world.socket.options.onWritable.call(world.socket, 100);
	world.socket.options.onReadable.call(world.socket, 100);
	world.advance(100_000);
	assert.deepEqual(world.told(), []);
	assert.throws(() => client.write(null, { operation: MQTTClient.PINGREQ }), /not connected/);
});

test("session present is told, and the return code", () => {
	world.opened({ clean: false });
	world.socket.receive(connack(0, true));
	assert.equal(world.told()[0], "2 0 true");
});

test("a CONNECT that does not fit goes out as there is room", () => {
	world.opened({ id: "x".repeat(50) }, 20);
	assert.equal(world.socket.room, 0);
	world.socket.writable(0);
	world.socket.writable(20);
	world.socket.writable(20);
	const sent = world.socket.written();
	world.socket.writable(100);
	assert.equal((packets(joined([sent, world.socket.written()]))[0] as { clientId?: string }).clientId, "x".repeat(50));
	world.socket.receive(connack());
	assert.equal(world.told()[0], "2 0 false");
});

test("without callbacks it works all the same", () => {
	const none = { onReadable: undefined, onWritable: undefined, onControl: undefined, onError: undefined };
	const client = world.connected(none);
	assert.equal(client.write(utf8("1"), { topic: "t", QoS: 2 }), 1536 - 14 - 8 - 8);
	world.socket.receive(pubrec(1), suback(1, 0).slice(0, 1));
	world.settle();
	assert.equal(written(), "PUBLISH t '1' QoS 2 id 1, PUBREL id 1");
	world.socket.fail();
	assert.equal(world.socket.closed, true);
});

// Writing

test("write returns what can be written after it, less eight bytes that are kept back", () => {
	const client = world.connected();
	world.socket.writable(100);
	assert.deepEqual(world.told(), ["writable 92"]);
	assert.equal(client.write(utf8("12345"), { topic: "abc" }), 100 - 12 - 8);
	assert.equal(client.write(new ArrayBuffer(71), { topic: "abc" }), 2);
	assert.equal(client.write(null, { operation: MQTTClient.PINGREQ }), 0);
	assert.throws(() => client.write(new ArrayBuffer(2), { topic: "abc" }), /overflow: 9 bytes, where 8 can be written/);
	assert.equal(client.write(new ArrayBuffer(1), { topic: "abc" }), 0);
	assert.equal(packets(world.socket.written()).length, 4);
	assert.throws(() => client.write(null, { operation: MQTTClient.PINGREQ }), /overflow/);
});

test("of a TLS socket's room 40 bytes are left for its records, which have more of their own than it counts on", () => {
	const client = world.connected({ socket: { io: world.socketClass, TCP: { io: world.socketClass } } });
	world.socket.writable(200);
	assert.deepEqual(world.told(), ["writable 192"]);
	assert.equal(client.write(new ArrayBuffer(95), { topic: "t" }), 200 - 100 - 40 - 8);
	assert.throws(() => client.write(new ArrayBuffer(56), { topic: "t" }), /61 bytes, where 60 can be written/);
	assert.equal(client.write(new ArrayBuffer(55), { topic: "t" }), 0);
});

test("a socket that failed to write has no room, and its error follows", () => {
	const client = world.connected();
	world.socket.write = () => undefined;
	assert.equal(client.write(null, { operation: MQTTClient.PINGREQ }), 0);
	assert.throws(() => client.write(utf8("1"), { topic: "t" }), /overflow/);
});

test("PUBLISH: qualities, flags, identifiers, and all that payloads and topics may be", () => {
	const client = world.connected();
	const shown = (data: ArrayBuffer | ArrayBufferView | null, options: object) => {
		client.write(data, options);
		return written();
	};
	assert.equal(shown(utf8("1"), { topic: "t" }), "PUBLISH t '1'");
	assert.equal(shown(utf8("1").buffer as ArrayBuffer, { topic: "t", QoS: 1 }), "PUBLISH t '1' QoS 1 id 1");
	assert.equal(shown(utf8("1"), { topic: "t", QoS: 2, retain: true }), "PUBLISH t '1' QoS 2 id 2 RETAIN");
	assert.equal(
		shown(new DataView(utf8("abc").buffer, 1, 1), { topic: "t", QoS: 1, id: 1234, duplicate: true }),
		"PUBLISH t 'b' QoS 1 id 1234 DUP",
	);
	assert.equal(shown(utf8("1"), { topic: "t", id: 70_000, duplicate: true }), "PUBLISH t '1'");
	assert.equal(shown(utf8("1"), { topic: utf8("in/bytes").buffer }), "PUBLISH in/bytes '1'");
	assert.equal(shown(utf8("1"), { topic: utf8("in/a/view") }), "PUBLISH in/a/view '1'");
	assert.equal(shown(utf8("1"), { topic: "grün/€" }), "PUBLISH grün/€ '1'");
	assert.equal(shown(null, { topic: "t", retain: true }), "PUBLISH t '' RETAIN");
	assert.equal(shown(new ArrayBuffer(0), { topic: "t", operation: MQTTClient.PUBLISH }), "PUBLISH t ''");
	// As Node-RED MCU has it: a text, or no number.
	assert.equal(shown(utf8("1"), { topic: "t", QoS: "1" }), "PUBLISH t '1' QoS 1 id 3");
	assert.equal(shown(utf8("1"), { topic: "t", QoS: Number.NaN }), "PUBLISH t '1'");
	// What is null is left out, as in the SDK's client.
	const nulls = { topic: "t", QoS: 1, id: null, byteLength: null, operation: null };
	assert.equal(shown(utf8("1"), nulls), "PUBLISH t '1' QoS 1 id 4");
	world.socket.writable(70_000);
	assert.equal(shown(new ArrayBuffer(20_000), { topic: "t".repeat(200) }).slice(-13), "'20000 bytes'");
});

test("a topic that comes again is written from memory, and another one is not mixed up with it", () => {
	const client = world.connected();
	const bytes = utf8("b/1");
	for (const topic of ["a/1", "a/1", "a/2", "a/1", bytes, bytes, "a/1"]) {
		client.write(utf8("x"), { topic });
		assert.equal(written(), `PUBLISH ${typeof topic === "string" ? topic : "b/1"} 'x'`);
	}
	bytes[2] = 0x32;
	client.write(utf8("x"), { topic: bytes });
	assert.equal(written(), "PUBLISH b/2 'x'");
});

test("identifiers are given from 1 to 65,535 and around, and only to packets that have one", () => {
	const client = world.connected();
	const ids: unknown[] = [];
	for (let i = 0; i < 65_537; i++) {
		world.socket.room = 1536;
		client.write(null, { topic: "t", QoS: 1 });
		const bytes = world.socket.written();
		ids.push((bytes[5] << 8) | bytes[6]);
	}
	assert.deepEqual(ids.slice(0, 2), [1, 2]);
	assert.deepEqual(ids.slice(-3), [65_535, 1, 2]);
});

test("a PUBLISH in parts", () => {
	const client = world.connected();
	client.write(utf8("SM"), { topic: "t", byteLength: 6, QoS: 1 });
	assert.throws(() => client.write(utf8("ALL\n"), { topic: "t" }), /lacks 4 bytes/);
	assert.throws(() => client.write(utf8("ALL\n!")), /5 bytes, where the PUBLISH lacks 4/);
	client.write(utf8("AL"));
	world.socket.writable(1);
	assert.throws(() => client.write(utf8("L\n")), /overflow/);
	world.socket.writable(8);
	assert.deepEqual(world.told(), []);
	client.write(null);
	client.write(utf8("L"), null);
	world.socket.writable();
	assert.deepEqual(world.told(), ["writable 1528"]);
	client.write(utf8("\n"));
	assert.equal(written(), "PUBLISH t 'SMALL\n' QoS 1 id 1");
	client.write(utf8("1"), { topic: "t" });
	assert.throws(() => client.write(utf8("2")), /options are missing/);
	assert.equal(written(), "PUBLISH t '1'");
});

test("a PUBLISH in parts may begin without any of its payload", () => {
	const client = world.connected();
	client.write(null, { topic: "t", byteLength: 2 });
	client.write(utf8("ok"));
	assert.equal(written(), "PUBLISH t 'ok'");
});

test("SUBSCRIBE and UNSUBSCRIBE", () => {
	const client = world.connected();
	const items = [{ topic: "a/+", QoS: 2 }, { topic: utf8("b/#").buffer as ArrayBuffer }];
	assert.equal(client.write(null, { operation: MQTTClient.SUBSCRIBE, items }), 1514 - 16);
	client.write(null, { operation: MQTTClient.UNSUBSCRIBE, items, id: 9 });
	client.write(null, { operation: MQTTClient.UNSUBSCRIBE, items: [{ topic: "c" }] });
	assert.equal(
		written(),
		"SUBSCRIBE id 1 for a/+ QoS 2 and b/# QoS 0, UNSUBSCRIBE id 9 for a/+ and b/#, UNSUBSCRIBE id 2 for c",
	);
	world.socket.receive(suback(1, 2, 0x80), unsuback(9));
	assert.deepEqual(world.told(), ["9 1 2,128", "11 9"]);
});

test("the other packets that a client may write", () => {
	const client = world.connected();
	client.write(null, { operation: MQTTClient.PUBACK, id: 1 });
	client.write(null, { operation: MQTTClient.PUBREC, id: 2 });
	client.write(null, { operation: MQTTClient.PUBREL, id: 3 });
	client.write(null, { operation: MQTTClient.PUBCOMP, id: 65_535 });
	client.write(null, { operation: MQTTClient.PINGREQ });
	client.write(null, { operation: MQTTClient.DISCONNECT });
	assert.equal(written(), "PUBACK id 1, PUBREC id 2, PUBREL id 3, PUBCOMP id 65535, PINGREQ, DISCONNECT");
	assert.throws(() => client.write(null, { operation: MQTTClient.PINGREQ }), /not after DISCONNECT/);
	// What still comes in is handed over, and not acknowledged.
	world.socket.receive(publish("t", "late", { qos: 1, id: 1 }));
	world.socket.writable();
	world.settle();
	assert.deepEqual(world.told(), ["t QoS 1 4: 'late'"]);
	assert.equal(written(), "nothing");
	world.socket.fail();
	assert.deepEqual(world.told(), ["error"]);
});

test("what write refuses, and then nothing is written", () => {
	const client = world.connected();
	const refused: [RegExp, unknown, object | undefined][] = [
		[/options are missing/, utf8("1"), undefined],
		[/topic required/, utf8("1"), {}],
		[/topic is empty/, utf8("1"), { topic: "" }],
		[/wildcard/, utf8("1"), { topic: "a/+" }],
		[/U\+0000/, utf8("1"), { topic: "a\0" }],
		[/65,535/, utf8("1"), { topic: "x".repeat(65_536) }],
		[/data must be/, "text", { topic: "t" }],
		[/byteLength must be a number from 1/, utf8("1"), { topic: "t", byteLength: 0 }],
		[/larger than MQTT/, utf8("1"), { topic: "t", byteLength: 268_435_455 }],
		[/QoS must be/, utf8("1"), { topic: "t", QoS: 3 }],
		[/QoS must be/, utf8("1"), { topic: "t", QoS: 0.5 }],
		[/id must be/, utf8("1"), { topic: "t", QoS: 1, id: 0 }],
		[/overflow/, new ArrayBuffer(1536), { topic: "t" }],
		[/items required/, null, { operation: MQTTClient.SUBSCRIBE }],
		[/items required/, null, { operation: MQTTClient.UNSUBSCRIBE, items: [] }],
		[/topic required/, null, { operation: MQTTClient.SUBSCRIBE, items: [{}] }],
		[/whole last level/, null, { operation: MQTTClient.SUBSCRIBE, items: [{ topic: "a#" }] }],
		[/QoS must be/, null, { operation: MQTTClient.SUBSCRIBE, items: [{ topic: "a", QoS: 3 }] }],
		[/overflow/, null, { operation: MQTTClient.SUBSCRIBE, items: [{ topic: "x".repeat(1600) }] }],
		[/id required/, null, { operation: MQTTClient.PUBACK }],
		[/unknown operation 2/, null, { operation: MQTTClient.CONNACK }],
		[/unknown operation 1;/, null, { operation: MQTTClient.CONNECT }],
	];
	for (const [error, data, options] of refused) assert.throws(() => client.write(data as never, options), error);
	assert.equal(written(), "nothing");
	client.write(null, { topic: "t", QoS: 1 });
	assert.equal(written(), "PUBLISH t '' QoS 1 id 1");
});

test("each way to write from a callback", () => {
	const options = { topic: "t" };
	world.opened({
		onControl() {
			this.write(utf8("control"), options);
		},
		onWritable() {
			this.write(utf8("writable"), options);
		},
		onReadable(count) {
			this.write(this.read(count)!, options);
		},
	});
	written();
	world.socket.receive(connack(), publish("a", "readable"));
	assert.equal(written(), "PUBLISH t 'control', PUBLISH t 'writable', PUBLISH t 'readable'");
});

// Reading

test("a message in one part", () => {
	const options: object[] = [];
	const payloads: string[] = [];
	world.connected({
		onReadable(count, more) {
			options.push({ count, ...more });
			payloads.push(String.fromArrayBuffer(this.read(count) as ArrayBuffer));
		},
	});
	world.socket.receive(publish("a/b", "21.5", { qos: 1, id: 3, retain: true }), publish("c", "x"));
	assert.deepEqual(options, [
		{ count: 4, topic: "a/b", byteLength: 4, QoS: 1, retain: true, more: false },
		{ count: 1, topic: "c", byteLength: 1, QoS: 0, retain: false, more: false },
	]);
	assert.deepEqual(payloads, ["21.5", "x"]);
});

test("a message in parts: topic, QoS and byteLength come with the first one", () => {
	world.connected();
	const bytes = publish("a/b", "0123456789");
	world.socket.receive(bytes.subarray(0, 9));
	world.socket.receive(bytes.subarray(9, 12));
	world.socket.receive(bytes.subarray(12), publish("t", "next"));
	assert.deepEqual(world.told(), ["a/b QoS 0 10: '01' more", "'234' more", "'56789'", "t QoS 0 4: 'next'"]);
});

test("a message whose header comes alone is told of with the first byte of its payload", () => {
	world.connected();
	const bytes = publish("a/b", "01");
	world.socket.receive(bytes.subarray(0, 7));
	assert.deepEqual(world.told(), []);
	world.socket.receive(bytes.subarray(7));
	assert.deepEqual(world.told(), ["a/b QoS 0 2: '01'"]);
});

test("a message without a payload: read gives an empty buffer, and afterwards nothing", () => {
	const read: unknown[] = [];
	const client = world.connected({
		onReadable(count, { byteLength, more }) {
			read.push(count, byteLength, more, this.read(count)?.byteLength, this.read()?.byteLength);
			read.push(this.read(new Uint8Array(4)));
		},
	});
	world.socket.receive(publish("t", ""));
	assert.deepEqual(read, [0, 0, false, 0, 0, 0]);
	assert.equal(client.read(), undefined);
	assert.equal(client.read(5), undefined);
	assert.equal(client.read(new Uint8Array(4)), undefined);
});

test("what is not read stays in the socket, and nothing else comes in before it is", () => {
	const told: unknown[] = [];
	const client = world.connected({
		onReadable(count, { more }) {
			told.push(count, more);
		},
	});
	const bytes = publish("t", "0123456789", { qos: 1, id: 7 });
	world.socket.receive(bytes.subarray(0, 12));
	assert.deepEqual(told.splice(0), [5, true]);
	world.socket.receive(bytes.subarray(12), puback(5), publish("t", "2"));
	world.settle();
	assert.deepEqual([told, world.told()], [[], []]);
	assert.equal(String.fromArrayBuffer(client.read(2)!), "01");
	assert.equal(String.fromArrayBuffer(client.read()!), "234");
	assert.equal(client.read(), undefined);
	assert.deepEqual(told, []);
	world.settle();
	assert.deepEqual(told.splice(0), [5, false]);
	assert.equal(written(), "nothing");
	const buffer = new Uint8Array(8).fill(0x2e);
	assert.equal(client.read(buffer.subarray(1)), 5);
	assert.equal(String.fromArrayBuffer(buffer.buffer as ArrayBuffer), ".56789..");
	world.settle();
	assert.deepEqual(world.told(), ["4 5", "writable 1510"]);
	assert.equal(written(), "PUBACK id 7");
	assert.deepEqual(told, [1, false]);
});

test("read into each kind of buffer, and not into one of larger elements", () => {
	const client = world.connected({ onReadable: () => {} });
	world.socket.receive(publish("t", "abcdef"));
	const buffer = new ArrayBuffer(1);
	assert.equal(client.read(buffer), 1);
	assert.equal(String.fromArrayBuffer(buffer), "a");
	const view = new DataView(new ArrayBuffer(2));
	assert.equal(client.read(view), 2);
	assert.equal(String.fromArrayBuffer(view.buffer), "bc");
	assert.throws(() => client.read(new Uint16Array(1)), /elements of one byte/);
	const large = new ArrayBuffer(9);
	assert.equal(client.read(large), 3);
	assert.equal(String.fromArrayBuffer(large, 0, 3), "def");
	for (const count of [-1, 1.5, Number.NaN, "2"]) assert.throws(() => client.read(count as number), /count/);
});

test("a topic of 65,535 bytes", () => {
	world.connected({ onReadable: (_, { topic }) => world.events.push(`${topic?.length}`) });
	const bytes = publish("é".repeat(100) + "x".repeat(65_335), "1");
	for (let at = 0; at < bytes.length; at += 1500) world.socket.receive(bytes.subarray(at, at + 1500));
	assert.deepEqual(world.told(), ["65435"]);
});

test("a remaining length of one to four bytes", () => {
	for (const size of [10, 124, 125, 16_380, 16_381, 2_097_148, 2_097_149, 268_435_452]) {
		world.connected({ onReadable: (count, { byteLength }) => world.events.push(`${count} of ${byteLength}`) });
		const head = new Uint8Array(5);
		const end = writeLength(head, 1, size + 3);
		head[0] = 0x30;
		world.socket.receive(head.subarray(0, end), hex("00 01 74"), new Uint8Array(10));
		assert.deepEqual(world.told(), [`10 of ${size}`]);
	}
});

test("a client without onReadable passes messages by, and acknowledges them", () => {
	world.connected({ onReadable: undefined });
	world.socket.receive(publish("t", new Uint8Array(1000), { qos: 2, id: 7 }).subarray(0, 500));
	world.settle();
	assert.equal(written(), "nothing");
	world.socket.receive(publish("t", new Uint8Array(1000), { qos: 2, id: 7 }).subarray(500), puback(1));
	world.settle();
	assert.equal(written(), "PUBREC id 7");
	assert.deepEqual(world.told(), ["4 1", "writable 1510"]);
});

// Acknowledgements

test("QoS 1 and 2 both ways, and what the application is told of it", () => {
	world.connected();
	world.socket.receive(publish("t", "1", { qos: 1, id: 1 }), publish("t", "2", { qos: 2, id: 2 }), pubrel(2));
	world.socket.receive(puback(3), pubrec(4), pubcomp(4));
	assert.deepEqual(world.told(), ["t QoS 1 1: '1'", "t QoS 2 1: '2'", "6 2", "4 3", "5 4", "7 4"]);
	assert.equal(written(), "nothing");
	world.settle();
	assert.equal(written(), "PUBACK id 1, PUBREC id 2, PUBCOMP id 2, PUBREL id 4");
	assert.deepEqual(world.told(), ["writable 1498"]);
});

test("acknowledgements wait for room, and while 32 do, nothing more is read", () => {
	world.connected();
	world.socket.writable(6);
	const all = Array.from({ length: 100 }, (_, i) => publish("t", String(i), { qos: 1, id: i + 1 }));
	world.socket.receive(...all);
	assert.equal(world.told().length, 32);
	world.settle();
	assert.equal(written(), "PUBACK id 1");
	assert.deepEqual(world.told(), ["t QoS 1 2: '32'"]);
	for (let i = 0; i < 10; i++) {
		world.socket.writable(41);
		world.settle();
	}
	assert.deepEqual(
		packets(world.socket.written()).map(({ messageId }) => messageId),
		Array.from({ length: 99 }, (_, i) => i + 2),
	);
	assert.equal(world.told().filter((event) => event.startsWith("t ")).length, 67);
	assert.equal(world.socket.unread, 0);
});

test("acknowledgements and pings wait until a PUBLISH in parts is complete", () => {
	const client = world.connected({ keepAlive: 4000 });
	client.write(utf8("a"), { topic: "t", byteLength: 2 });
	world.socket.receive(publish("t", "1", { qos: 1, id: 1 }));
	world.advance(3000);
	world.socket.writable();
	assert.deepEqual(world.told(), ["t QoS 1 1: '1'", "writable 1528"]);
	client.write(utf8("b"));
	assert.equal(written(), "PUBLISH t 'ab'");
	world.settle();
	assert.equal(written(), "PUBACK id 1, PINGREQ");
});

test("a message at QoS 2 is known again until PUBREL, 64 of them", () => {
	world.connected();
	const send = (id: number, dup = false) => world.socket.receive(publish("t", String(id), { qos: 2, id, dup }));
	const handed = () => world.told().filter((event) => event.startsWith("t ")).length;
	for (let id = 1; id <= 65; id++) {
		send(id);
		world.settle();
	}
	assert.equal(handed(), 65);
	for (let id = 2; id <= 65; id++) {
		send(id, true);
		world.settle();
	}
	assert.equal(handed(), 0);
	send(1, true); // the oldest was given up for the 65th
	assert.equal(handed(), 1);
	world.socket.receive(pubrel(3), pubrel(1000));
	send(3);
	assert.equal(handed(), 1);
	send(4, true);
	world.settle();
	assert.equal(handed(), 0);
});

test("the identifiers of a session that the broker keeps pass on to the next connection; of others they don't", () => {
	const send = (dup: boolean) => {
		world.socket.receive(publish("t", "x", { qos: 2, id: 9, dup }));
		world.settle();
		return world.told().filter((event) => event.startsWith("t ")).length;
	};
	const kept = { clean: false, id: "keeper" };
	world.connected(kept);
	assert.equal(send(false), 1);
	world.connected(kept, true);
	assert.equal(send(true), 0);
	world.connected({ ...kept, id: "another" }, true);
	assert.equal(send(true), 1);
	world.connected(kept, false);
	assert.equal(send(true), 1);
	world.connected(kept, false);
	world.connected(kept, true);
	assert.equal(send(true), 1);
	world.connected();
	assert.equal(send(true), 1);
	for (let i = 1; i <= 8; i++) {
		world.connected({ ...kept, id: `keeper ${i}` });
		send(false);
	}
	world.connected({ ...kept, id: "keeper 1" }, true);
	assert.equal(send(true), 0);
	world.connected(kept, true); // one of nine: too many
	assert.equal(send(true), 1);
});

// Time

test("it pings after three quarters of the keep alive, and again, and an answer keeps the link", () => {
	world.connected({ keepAlive: 8000 });
	for (let i = 0; i < 5; i++) {
		world.advance(5999);
		assert.equal(written(), "nothing");
		world.advance(1);
		assert.equal(written(), "PINGREQ");
		assert.deepEqual(world.told(), [`writable ${world.socket.room - 8}`]);
		world.socket.receive(pingresp());
		assert.deepEqual(world.told(), ["13"]);
	}
});

test("a ping of the application puts off the next one", () => {
	const client = world.connected({ keepAlive: 8000 });
	world.advance(4000);
	client.write(null, { operation: MQTTClient.PINGREQ });
	world.advance(5000);
	assert.equal(written(), "PINGREQ");
	world.socket.receive(pingresp());
	world.advance(1000);
	assert.equal(written(), "PINGREQ");
});

test("nothing heard for one and a half of the keep alive is an error", () => {
	let error = "";
	world.connected({ keepAlive: 8000, onError: ({ message }) => (error = message) });
	world.advance(11_999);
	assert.equal(error, "");
	world.advance(1);
	assert.match(error, /no PINGRESP in time/);
	assert.equal(world.timers.size, 0);
});

test("a full output delays the ping, and ends the link if it stays full", () => {
	world.connected({ keepAlive: 8000 });
	world.socket.writable(1);
	world.advance(7000);
	assert.equal(written(), "nothing");
	world.socket.writable(100);
	assert.equal(written(), "PINGREQ");
	world.socket.receive(pingresp());
	world.told();
	world.socket.writable(1);
	world.advance(20_000);
	assert.deepEqual(world.told(), ["13", "error"].slice(1));
});

test("an application that takes its time to read is not the broker's fault", () => {
	const client = world.connected({ keepAlive: 8000, onReadable: () => {} });
	world.socket.receive(publish("t", "1"));
	world.advance(60_000);
	client.read();
	world.socket.receive(pingresp());
	world.advance(7000);
	assert.deepEqual(
		world.told().filter((event) => !event.startsWith("writable")),
		["13"],
	);
});

test("a PUBLISH in parts that the socket takes no more is an error", () => {
	const client = world.connected({ keepAlive: 8000 });
	client.write(utf8("x"), { topic: "t", byteLength: 1000 });
	world.advance(11_000);
	world.socket.writable();
	world.advance(11_000);
	assert.ok(!world.told().includes("error"));
	world.advance(3000);
	assert.ok(world.told().includes("error"));
});

test("without a keep alive it never pings", () => {
	world.connected();
	world.advance(10_000_000);
	assert.equal(written(), "nothing");
	assert.deepEqual(world.told(), []);
});

// Closing

for (const callback of ["onReadable", "onWritable", "onControl"] as const) {
	test(`close within ${callback}: nothing follows`, () => {
		let calls = 0;
		const client = world.opened({
			[callback](this: Client) {
				calls++;
				this.close();
			},
		});
		world.socket.receive(connack(), publish("t", "1"), publish("t", "2"), puback(1));
		assert.equal(calls, 1);
		assert.equal(world.socket.closed, true);
		assert.equal(world.timers.size, 0);
		assert.ok(!world.told().includes("error"));
		client.close();
	});
}

test("close while connecting", () => {
	const client = world.client();
	world.request.onResolved("broker", "10.0.0.1");
	client.close();
	assert.equal(world.socket.closed, true);
	world.socket.options.onWritable.call(world.socket, 1536);
	world.advance(100_000);
	assert.deepEqual(world.told(), []);
});

test("after close, the answers of the resolver are void", () => {
	world.client().close();
	world.request.onError("broker");
	world.request.onResolved("broker", "10.0.0.1");
	assert.equal(world.socket, undefined);
	assert.deepEqual(world.told(), []);
});

test("a client may be made within onError, as Node-RED and MQTT.js do", () => {
	let again: Client | undefined;
	world.connected({
		onError() {
			again = world.client();
		},
	});
	const first = world.socket;
	first.fail();
	world.request.onResolved("broker", "10.0.0.2");
	world.socket.writable();
	world.socket.receive(connack());
	assert.equal(first.closed, true);
	assert.equal(world.told()[0], "2 0 false");
	again!.close();
	assert.equal(world.timers.size, 0);
});

// What a broker must not send

const FORBIDDEN: Record<string, Uint8Array> = {
	"a type that no broker sends: 0": hex("00 00"),
	"a type that no broker sends: CONNECT": hex("10 00"),
	"a type that no broker sends: SUBSCRIBE": hex("82 02 00 01"),
	"a type that no broker sends: UNSUBSCRIBE": hex("a2 02 00 01"),
	"a type that no broker sends: PINGREQ": hex("c0 00"),
	"a type that no broker sends: DISCONNECT": hex("e0 00"),
	"a type that no broker sends: 15": hex("f0 00"),
	"a length of five bytes": hex("30 80 80 80 80 01"),
	"reserved flags of PUBACK": hex("41 02 00 01"),
	"reserved flags of PUBREL": hex("60 02 00 01"),
	"reserved flags of SUBACK": hex("92 03 00 01 00"),
	"PUBACK of one byte": hex("40 01 00"),
	"PUBACK of three bytes": hex("40 03 00 01 00"),
	"PUBACK without a body": hex("40 00"),
	"PINGRESP with a body": hex("d0 01 00"),
	"UNSUBACK with a code": hex("b0 03 00 01 00"),
	"SUBACK without codes": hex("90 02 00 01"),
	"SUBACK with more codes than there were filters": hex("90 04 00 01 00 00"),
	"SUBACK with a code that there is not": hex("90 03 00 01 03"),
	"SUBACK of 268,435,455 bytes": hex("90 ff ff ff 7f"),
	"identifier 0 in PUBACK": hex("40 02 00 00"),
	"identifier 0 in PUBLISH": hex("32 06 00 01 74 00 00 31"),
	"a second CONNACK": hex("20 02 00 00"),
	"QoS 3": hex("36 06 00 01 74 00 01 31"),
	"DUP at QoS 0": hex("38 04 00 01 74 31"),
	"PUBLISH without a topic's length": hex("30 01 00"),
	"PUBLISH without a body": hex("30 00"),
	"an empty topic": hex("30 02 00 00"),
	"a topic longer than its packet": hex("30 04 00 03 74 31"),
	"a topic that leaves no place for the identifier": hex("32 04 00 01 74 00"),
	"a topic with a wildcard": publish("a/+", "1"),
	"a topic with U+0000": publish("a\0", "1"),
	"a topic with half of a surrogate pair": hex("30 06 00 03 ed a0 80 31"),
	"a topic that is not UTF-8": hex("30 04 00 01 ff 31"),
};

for (const [what, bytes] of Object.entries(FORBIDDEN)) {
	test(`it closes, with a reason, on ${what}, at once or byte by byte`, () => {
		for (const size of [bytes.length, 1]) {
			let error = "";
			const client = world.connected({ onError: ({ message }) => (error += message) });
			client.write(null, { operation: MQTTClient.SUBSCRIBE, items: [{ topic: "t" }] });
			const all = joined([bytes, puback(1), puback(2)]);
			for (let at = 0; at < all.length && !world.socket.closed; at += size === 1 ? 1 : all.length) {
				world.socket.receive(all.subarray(at, size === 1 ? at + 1 : undefined));
			}
			assert.match(error, /^mqtt-mote: (malformed packet: [^:]+|the broker sent a packet out of place)$/);
			assert.equal(world.socket.closed, true);
			assert.deepEqual(world.told(), []);
		}
	});
}

for (const [what, bytes] of Object.entries({
	"another packet before it": pingresp(),
	"reserved flags in its header": hex("21 02 00 00"),
	"reserved flags": hex("20 02 02 00"),
	"a return code that there is not": hex("20 02 00 06"),
	"a third byte": hex("20 03 00 00 00"),
})) {
	test(`CONNACK: it closes on ${what}`, () => {
		world.opened();
		world.socket.receive(bytes);
		assert.deepEqual(world.told(), ["error"]);
	});
}

test("what comes before CONNECT has been sent is out of place", () => {
	world.opened({ id: "x".repeat(50) }, 20);
	world.socket.receive(connack());
	assert.deepEqual(world.told(), ["error"]);
});

// At random

/** Packets of a broker, and what a client tells of them when they come at once. */
function traffic(random: Random): Uint8Array[] {
	const text = (length: number) => Array.from({ length }, () => random.pick([..."abc/éß€😀"])).join("");
	const id = () => 1 + random.below(65_535);
	return Array.from({ length: 1 + random.below(12) }, () =>
		random.pick([
			() => publish(text(1 + random.below(90)), text(random.below(100)), { retain: random.chance(0.5) }),
			() => publish(text(3), text(random.below(10)), { qos: 1, id: id(), dup: random.chance(0.5) }),
			() => publish(text(3), text(random.below(10)), { qos: 2, id: id() }),
			() => puback(id()),
			() => pubrec(id()),
			() => pubrel(id()),
			() => pubcomp(id()),
			() => suback(id(), 0, 1, 2, 0x80),
			() => unsuback(id()),
			() => pingresp(),
			() => packet(0x30, hex("00 01 74"), random.bytes(random.below(3000))),
		])(),
	);
}

/** What an application gets of these pieces: each message whole, whenever it reads how much. */
function received(pieces: Uint8Array[], random: Random | undefined): { told: string[]; written: string } {
	const told: string[] = [];
	let message = "";
	let last = false;
	let unread = 0;
	const read = (client: Client, count: number) => {
		message += Buffer.from(client.read(count) as ArrayBuffer).toString("latin1");
		unread -= count;
		if (unread > 0 || !last) return;
		told.push(message);
		message = "";
	};
	const client = world.connected({
		onReadable(count, { topic, QoS, retain, byteLength, more }) {
			if (topic !== undefined) message = `${topic} ${QoS} ${retain} ${byteLength}: `;
			last = !more;
			unread = count;
			const now = random ? random.below(count + 1) : count;
			if (now > 0 || count === 0) read(this, now);
		},
		onControl: (control) => told.push(Object.values(control).join(" ")),
		onWritable: () => {},
		onError: () => told.push("error"),
	});
	client.write(null, { operation: MQTTClient.SUBSCRIBE, items: [..."abcd"].map((topic) => ({ topic })) });
	world.socket.written();
	for (const piece of pieces) {
		world.socket.receive(piece);
		while (random?.chance(0.7) && unread > 0) read(client, 1 + random.below(unread));
		world.settle();
	}
	for (let rounds = 0; unread > 0 && rounds < 100_000; rounds++) {
		read(client, random ? 1 + random.below(unread) : unread);
		world.settle();
	}
	world.socket.writable(70_000);
	world.settle();
	assert.equal(world.socket.unread, 0);
	return { told, written: inWords(world.socket.written()) };
}

test("packets in pieces of any size, read in pieces of any size, tell the same", (context) => {
	const random = seeded(context.diagnostic.bind(context));
	for (let round = 0; round < 300; round++) {
		const all = joined(traffic(random));
		const whole = received([all], undefined);
		const pieces: Uint8Array[] = [];
		for (let at = 0; at < all.length; ) {
			const size = random.chance(0.5) ? 1 + random.below(8) : 1 + random.below(600);
			pieces.push(all.subarray(at, at + size));
			at += size;
		}
		const split = received(pieces, random);
		assert.deepEqual(split.told, whole.told);
		assert.equal(split.written, whole.written);
	}
});

test("bytes that nobody expects: it never throws, and goes on or closes", (context) => {
	const random = seeded(context.diagnostic.bind(context));
	let closed = 0;
	for (let round = 0; round < 2000; round++) {
		const bytes = joined(traffic(random));
		for (let changes = random.below(4); changes >= 0; changes--) bytes[random.below(bytes.length)] = random.below(256);
		const client = world.connected({
			onReadable(count) {
				assert.equal((this.read(count) as ArrayBuffer).byteLength, count);
			},
		});
		client.write(null, { operation: MQTTClient.SUBSCRIBE, items: [{ topic: "t" }] });
		for (let at = 0; at < bytes.length && !world.socket.closed; ) {
			const size = 1 + random.below(400);
			world.socket.receive(bytes.subarray(at, at + size));
			world.settle();
			at += size;
		}
		if (world.socket.closed) closed++;
		assert.equal(world.told().filter((event) => event === "error").length, world.socket.closed ? 1 : 0);
	}
	assert.ok(closed > 100);
});
