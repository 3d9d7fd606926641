/**
 * What Moddable's own client (examples/io/tcp/mqttclient/mqttclient.js of SDK 8.2.3) does wrong, a test each. Ours passes
 * all of them. Where MODDABLE is set, each is run on the original too, and must fail there: or it is no defect of it.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { packet } from "../conformance/packets.js";
import { hex, utf8 } from "../support/hex.js";
import { connack, packets, pingresp, puback, publish, pubrel, readable } from "../support/packets.js";
import { load, World } from "./moddable-script.js";

const MODDABLE = process.env.MODDABLE ?? "";
const ORIGINAL = join(MODDABLE, "examples/io/tcp/mqttclient/mqttclient.js");

const PUBREL_OPERATION = 6;

const empty = new Uint8Array(0);

const DEFECTS: Record<string, (world: World) => void> = {
	"a message without a payload stops its parser for good": (world) => {
		world.connected();
		world.socket.receive(publish("t", "", { qos: 1, id: 5, retain: true }), publish("t", "next"));
		assert.deepEqual(
			world.events.filter((event) => event.startsWith("t ")).map((event) => event.replace(" retained", "")),
			["t QoS 1 0: ''", "t QoS 0 4: 'next'"],
		);
		world.settle();
		assert.deepEqual(readable(world.socket.written()), ["PUBACK id 5"]);
	},

	"the packet identifier becomes 0 with the 65,535th packet": (world) => {
		const client = world.connected();
		for (let i = 0; i < 65_536; i++) {
			world.socket.room = 1536;
			client.write(empty, { topic: "t", QoS: 1 });
			const [{ messageId }] = packets(world.socket.written());
			assert.ok(messageId! > 0 && messageId! < 65_536, `identifier ${messageId}`);
		}
	},

	"messages at QoS 0 and pings use up identifiers": (world) => {
		const client = world.connected();
		client.write(utf8("a"), { topic: "t", QoS: 1 });
		client.write(utf8("b"), { topic: "t" });
		client.write(null, { operation: 12 });
		client.write(utf8("c"), { topic: "t", QoS: 1 });
		const [first, , , last] = packets(world.socket.written());
		assert.equal(last.messageId, first.messageId! + 1);
	},

	"it waits for the CONNACK for ever": (world) => {
		world.opened();
		world.advance(120_000);
		assert.deepEqual(world.events, ["error"]);
	},

	"it waits for the resolver for ever": (world) => {
		world.client();
		world.advance(120_000);
		assert.deepEqual(world.events, ["error"]);
	},

	"a message at QoS 2 that comes again is handed over again": (world) => {
		world.connected();
		world.socket.receive(publish("t", "once", { qos: 2, id: 9 }));
		world.socket.receive(publish("t", "once", { qos: 2, id: 9, dup: true }));
		world.settle();
		assert.deepEqual(world.told().filter((event) => event.startsWith("t ")).length, 1);
		assert.deepEqual(readable(world.socket.written()), ["PUBREC id 9", "PUBREC id 9"]);
		world.socket.receive(pubrel(9), publish("t", "another", { qos: 2, id: 9 }));
		assert.deepEqual(world.told().filter((event) => event.startsWith("t ")).length, 1);
	},

	"the same after a reconnect to a session that was kept": (world) => {
		const options = { clean: false, id: "kept" };
		world.connected(options);
		world.socket.receive(publish("t", "once", { qos: 2, id: 9 }));
		world.socket.fail();
		world.connected(options, true);
		world.socket.receive(publish("t", "once", { qos: 2, id: 9, dup: true }));
		world.settle();
		assert.deepEqual(
			world.told().filter((event) => event.startsWith("t ")),
			[],
		);
		assert.deepEqual(readable(world.socket.written()), ["PUBREC id 9"]);
	},

	"close within onReadable throws": (world) => {
		const client = world.connected({
			onReadable() {
				this.close();
			},
		});
		world.socket.receive(publish("t", "1"), publish("t", "2"));
		client.close();
		assert.equal(world.socket.closed, true);
		world.settle();
	},

	"a refusal with bytes behind it throws": (world) => {
		world.opened();
		world.socket.receive(connack(5), pingresp());
		assert.deepEqual(world.events, ["error"]);
	},

	"close while the name is being resolved throws later": (world) => {
		const client = world.client();
		client.close();
		world.request.onResolved("broker", "10.0.0.1");
		assert.equal(world.socket, undefined);
		assert.deepEqual(world.events, []);
	},

	"session present is thrown away": (world) => {
		let present: unknown;
		world.opened({
			clean: false,
			onControl(message) {
				present = message.sessionPresent;
			},
		});
		world.socket.receive(connack(0, true));
		assert.equal(present, true);
	},

	"RETAIN of a message is thrown away": (world) => {
		world.connected();
		world.socket.receive(publish("t", "old", { retain: true }));
		assert.deepEqual(world.events, ["t QoS 0 retained 3: 'old'"]);
	},

	"without onReadable, a message stops its parser for good": (world) => {
		world.connected({ onReadable: undefined });
		world.socket.receive(publish("t", "1", { qos: 1, id: 3 }), puback(4));
		assert.deepEqual(world.events, ["4 4"]);
	},

	"a message is acknowledged though the application did not read it": (world) => {
		const client = world.connected({ onReadable: () => {} });
		world.socket.receive(publish("t", "1", { qos: 1, id: 3 }));
		world.settle();
		assert.deepEqual(readable(world.socket.written()), []);
		client.read();
		world.settle();
		assert.deepEqual(readable(world.socket.written()), ["PUBACK id 3"]);
	},

	"acknowledgements that can't be sent pile up without a limit": (world) => {
		world.connected();
		world.socket.writable(3);
		for (let id = 1; id <= 1000; id++) world.socket.receive(publish("t", "x", { qos: 1, id }));
		assert.ok(world.events.length < 100, `${world.events.length} messages`);
	},

	"a PUBACK that is too short stops its parser for good": (world) => {
		world.connected();
		world.socket.receive(packet(0x40, Uint8Array.of(1)), puback(2));
		assert.deepEqual(world.events, ["error"]);
	},

	"a PUBACK without an identifier is handed over": (world) => {
		world.connected();
		world.socket.receive(packet(0x40));
		assert.deepEqual(world.events, ["error"]);
	},

	"a topic that is longer than its packet swallows the packets behind it": (world) => {
		world.connected();
		world.socket.receive(hex("30 04 00 09 61 62"), puback(2), puback(3), puback(4));
		assert.deepEqual(world.events, ["error"]);
	},

	"a topic that is not UTF-8 throws": (world) => {
		world.connected();
		world.socket.receive(publish(Uint8Array.of(0x61, 0xff), "1"));
		assert.deepEqual(world.events, ["error"]);
	},

	"QoS 3 is taken for a quality": (world) => {
		world.connected();
		world.socket.receive(hex("36 04 00 01 61 62"));
		assert.deepEqual(world.events, ["error"]);
	},

	"packets before the CONNACK are taken": (world) => {
		world.opened();
		world.socket.receive(publish("t", "1"));
		assert.deepEqual(world.events, ["error"]);
	},

	"a CONNECT that is larger than the socket's room throws": (world) => {
		world.opened({ will: { topic: "will", message: "w".repeat(2000) } });
		world.socket.writable();
		const [{ cmd, ...connect }] = packets(world.socket.written());
		assert.equal(cmd, "connect");
		assert.equal((connect as { will?: { payload: Uint8Array } }).will?.payload.length, 2000);
	},

	"a password or a will in a Uint8Array becomes a list of numbers": (world) => {
		world.opened({ user: "u", password: utf8("secret"), will: { topic: "w", message: utf8("gone") } });
		const [{ password, will }] = packets(world.socket.written()) as unknown as [Record<string, unknown>];
		assert.deepEqual([String(password), String((will as { payload: unknown }).payload)], ["secret", "gone"]);
	},

	"a will without a message makes a CONNECT that is ill-formed": (world) => {
		world.opened({ will: { topic: "w" } });
		const [connect] = packets(world.socket.written()) as unknown as [{ will: { topic: string; payload: Uint8Array } }];
		assert.deepEqual([connect.will.topic, connect.will.payload.length], ["w", 0]);
	},

	"a password without a user makes a CONNECT that is ill-formed ([MQTT-3.1.2-22])": (world) => {
		world.opened({ password: "secret" });
		const [connect] = packets(world.socket.written()) as unknown as [{ username: unknown; password: Uint8Array }];
		assert.deepEqual([String(connect.username), String(connect.password)], ["", "secret"]);
	},

	"a keep alive of more than 65,535 s is cut": (world) => {
		assert.throws(() => world.opened({ keepAlive: 65_537_000 }), /keepAlive/);
	},

	"only a PINGRESP counts as a sign of life": (world) => {
		world.connected({ keepAlive: 4000 });
		for (let i = 0; i < 20; i++) {
			world.advance(1000);
			world.socket.receive(publish("t", "here I am"));
		}
		assert.ok(!world.events.includes("error"), "no error");
	},

	"a PUBLISH in parts is cut off for want of a ping, though it goes on": (world) => {
		const client = world.connected({ keepAlive: 4000 });
		client.write(utf8("x"), { topic: "t", byteLength: 1000 });
		for (let i = 0; i < 20; i++) {
			world.advance(1000);
			world.socket.writable();
			client.write(utf8("x"));
		}
		assert.ok(!world.events.includes("error"), "no error");
	},

	"it pings after DISCONNECT ([MQTT-3.14.4-2])": (world) => {
		const client = world.connected({ keepAlive: 4000 });
		client.write(null, { operation: 14 });
		world.advance(20_000);
		assert.deepEqual(readable(world.socket.written()), ["DISCONNECT"]);
	},

	"after an exception of the application it is deaf": (world) => {
		let throws = true;
		world.connected({
			onReadable(count) {
				world.events.push(String.fromArrayBuffer(this.read(count) as ArrayBuffer));
				if (throws) throw new Error("of the application");
			},
		});
		assert.throws(() => world.socket.receive(publish("t", "1")), /of the application/);
		throws = false;
		world.socket.receive(publish("t", "2"));
		assert.deepEqual(world.events, ["1", "2"]);
	},

	"a negative count confuses what is there to read": (world) => {
		const client = world.connected({ onReadable: () => {} });
		world.socket.receive(publish("t", "12"), publish("t", "34"));
		assert.throws(() => client.read(-1));
		assert.equal(String.fromArrayBuffer(client.read(10)!), "12");
	},

	"read into an ArrayBuffer throws on a TLS socket": (world) => {
		const client = world.connected({ onReadable: () => {} });
		world.socket.views = true;
		world.socket.receive(publish("t", "12"));
		const buffer = new ArrayBuffer(2);
		assert.equal(client.read(buffer), 2);
		assert.equal(String.fromArrayBuffer(buffer), "12");
	},

	"a topic with a wildcard is published to": (world) => {
		const client = world.connected();
		assert.throws(() => client.write(empty, { topic: "a/#" }), /wildcard/);
	},

	"an identifier beyond 65,535 is cut": (world) => {
		const client = world.connected();
		assert.throws(() => client.write(empty, { topic: "t", QoS: 1, id: 65_537 }), /id must be/);
	},

	"QoS 3 is written": (world) => {
		const client = world.connected();
		assert.throws(() => client.write(empty, { topic: "t", QoS: 3 }), /QoS/);
	},

	"an acknowledgement of nothing is written": (world) => {
		const client = world.connected();
		assert.throws(() => client.write(null, { operation: PUBREL_OPERATION }), /id required/);
	},

	"the error has no reason": (world) => {
		let error: Error | undefined;
		world.opened({
			onError(reason) {
				error = reason;
			},
		});
		world.socket.receive(connack(4));
		assert.match(String(error), /user name or password/);
	},

	"CONNACK after CONNACK is taken": (world) => {
		world.connected();
		world.socket.receive(connack(0));
		assert.deepEqual(world.events, ["error"]);
	},

	"read after close throws": (world) => {
		const client = world.connected();
		client.close();
		assert.equal(client.read(), undefined);
	},
};

for (const [name, run] of Object.entries(DEFECTS)) {
	test(`not here: ${name}`, async () => {
		run(new World(await load("hosts/moddable/mqtt-client.ts")));
	});
}

test("each of these is a defect of Moddable's own client", {
	skip: MODDABLE ? false : "needs MODDABLE, the folder of a Moddable SDK",
}, async (context) => {
	const Original = await load(ORIGINAL);
	for (const [name, run] of Object.entries(DEFECTS)) {
		await context.test(name, () => {
			let failure: unknown;
			try {
				run(new World(Original));
			} catch (error) {
				failure = error;
			}
			assert.ok(failure, "it passes");
			context.diagnostic(`${name}: ${String(failure).split("\n")[0]}`);
		});
	}
});
