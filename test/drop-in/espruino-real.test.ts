/** The drop-in for Espruino's `require("MQTT")` in real interpreters: programs as its documentation has them, and bad links. */
import assert from "node:assert/strict";
import { createServer, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { assertFine, jsVars, see, skip } from "../engines/espruino.js";
import { missesNothing, numbers } from "../engines/outage.js";
import { freePort, Mosquitto, Program, until } from "../support/programs.js";
import { here, interpreter } from "./espruino-interpreter.js";
import { ours } from "./espruino-module.js";

/** A program's lines, without what the interpreter prints by itself. */
const said = (program: Program) => program.output.replaceAll("\r", "").replaceAll("\x1b[J", "").replaceAll(">", "");

async function started(context: TestContext, port: number, script: string): Promise<Program> {
	return interpreter(context, await ours(), here(port) + script);
}

/** The most JsVars in use, and how many are at the end. */
function tell(context: TestContext, program: Program): void {
	const used = jsVars(program);
	context.diagnostic(`JsVars in use: ${used.at(-1)}, at most ${Math.max(...used)} of those seen each 100 ms`);
}

test("Espruino drop-in: every call and event of the documentation", { skip }, async (context) => {
	const broker = await Mosquitto.start(context);
	const seen = await broker.subscriber("#");
	const program = await started(
		context,
		broker.port,
		`
		var mqtt = require("MQTT").create("192.168.1.10", {
			client_id: "documented", keep_alive: 3, port: 1883, clean_session: true,
			username: "username", password: "password", protocol_name: "MQTT", protocol_level: 4
		});
		mqtt.on('connected', function () {
			print("connected", mqtt.connected);
			mqtt.subscribe("test/espruino");
		});
		mqtt.on('connect', function () { print("connect"); });
		mqtt.on('subscribed', function () {
			print("subscribed");
			mqtt.publish("test/espruino", "hello, world");
			mqtt.publish("kept", 21.5, { qos: 1, retain: true });
			mqtt.publish("twice", "\\0\\xff", { qos: 2 });
		});
		mqtt.on('publish', function (pub) {
			print("topic: " + pub.topic);
			print("message: " + pub.message, pub.dup, pub.qos, pub.retain);
		});
		mqtt.on('message', function (topic, message) { print(topic + "=" + message); });
		mqtt.on('puback', function (id) { print("puback", id > 0); });
		mqtt.on('pubcomp', function (id) { print("pubcomp", id > 0); mqtt.unsubscribe("test/espruino"); });
		mqtt.on('unsubscribed', function () { print("unsubscribed"); });
		mqtt.on('ping_reply', function () { print("ping_reply"); mqtt.disconnect(); });
		mqtt.on('error', function (error) { print("error", error); });
		mqtt.on('disconnected', function () { print("disconnected", mqtt.connected); });
		mqtt.on('close', function () { print("close"); });
		mqtt.connect();
		`,
	);
	await see(program, "it has disconnected", () => said(program).includes("close\n"));
	for (const line of [
		"connected true\nconnect\nsubscribed\n",
		"topic: test/espruino\nmessage: hello, world 0 0 0\ntest/espruino=hello, world\n",
		"puback true\n",
		"pubcomp true\nunsubscribed\nping_reply\ndisconnected false\nclose\n",
	]) {
		assert.ok(
			said(program)
				.replace(/JsVars \d+\n/g, "")
				.includes(line),
			`${line}in ${said(program)}`,
		);
	}
	assert.doesNotMatch(said(program), /error/);
	await until("all has arrived", () => seen.output.includes("twice \0\xff"));
	assert.match(seen.output, /^test\/espruino hello, world\nkept 21.5\n/);
	tell(context, program);
});

test("Espruino drop-in: a wrong password is told as such, and no 'connected' comes", { skip }, async (context) => {
	const broker = await Mosquitto.start(context, "allow_anonymous false");
	const program = await started(
		context,
		broker.port,
		`
		var mqtt = require("MQTT").connect({ host: "192.168.1.10", username: "username", password: "wrong" });
		mqtt.on('connected', function () { print("connected"); });
		mqtt.on('error', function (error) { print("error:", error); });
		mqtt.on('disconnected', function () { print("disconnected"); });
		`,
	);
	await see(program, "it knows", () => said(program).includes("disconnected\n"));
	assert.match(said(program), /error: Connection refused, NOT_AUTHORIZED\n/);
	assert.doesNotMatch(said(program), /^connected/m);
});

test("Espruino drop-in: where nobody listens it says so each time, and takes no memory", { skip }, async (context) => {
	const program = await started(
		context,
		await freePort(),
		`
		var mqtt = require("MQTT").connect({ host: "192.168.1.10" });
		mqtt.on('error', function (error) { print("error:", error); });
		mqtt.on('disconnected', function () { setTimeout(function () { mqtt.connect(); }, 20); });
		`,
	);
	const failures = () => said(program).split("error: Unable to create socket").length - 1;
	await see(program, "many have failed", () => failures() >= 10 && jsVars(program).length >= 10);
	const early = Math.min(...jsVars(program));
	const count = jsVars(program).length;
	await see(program, "a hundred more have failed", () => failures() >= 110 && jsVars(program).length >= count + 5);
	const late = Math.min(...jsVars(program).slice(-5));
	assert.ok(late - early <= 2, `${early} JsVars became ${late}`);
});

test("Espruino drop-in: at QoS 1 a broker that is killed for two seconds misses nothing", { skip }, async (context) => {
	await missesNothing(context, "count", async (port) => {
		const program = await started(
			context,
			port,
			`
			var mqtt = require("MQTT").connect({ host: "192.168.1.10", client_id: "counter" });
			var count = 0;
			mqtt.on('disconnected', function () {
				print("MQTT disconnected... reconnecting.");
				setTimeout(function () { mqtt.connect(); }, 300);
			});
			setInterval(function () {
				if (mqtt.publish("count", count, { qos: 1 })) count++;
			}, 50);
			`,
		);
		context.after(() => tell(context, program));
		return () => assertFine(program);
	});
});

for (const qos of [0, 1, 2]) {
	test(`Espruino drop-in: of a burst of 300 messages at QoS ${qos} none is missed`, { skip }, async (context) => {
		const broker = await Mosquitto.start(context, "allow_anonymous true\nmax_queued_messages 1000");
		const program = await started(
			context,
			broker.port,
			`
			var count = 0, sum = 0;
			var mqtt = require("MQTT").connect({ host: "192.168.1.10" });
			mqtt.on('connected', function () { mqtt.subscribe("in", { qos: 2 }); });
			mqtt.on('subscribed', function () { print("subscribed"); });
			mqtt.on('publish', function (pub) { count++; sum += +pub.message; print("count", count, sum); });
			`,
		);
		await see(program, "it has subscribed", () => said(program).includes("subscribed\n"));
		const publisher = `mosquitto_pub -h 127.0.0.1 -p ${broker.port} -q ${qos} -t in -l`;
		const burst = new Program("sh", ["-c", `seq 300 | ${publisher}`]);
		await until("all are published", () => burst.exited);
		await see(program, "all have come", () => said(program).includes("count 300 45150\n"));
		tell(context, program);
	});
}

test("Espruino drop-in: of a burst of 100 published messages what has no room is refused, and the rest arrives", {
	skip,
}, async (context) => {
	const broker = await Mosquitto.start(context);
	const seen = await broker.subscriber("sensors/#");
	const program = await started(
		context,
		broker.port,
		`
		var taken = [];
		var mqtt = require("MQTT").connect({ host: "192.168.1.10", outbox: 1700 });
		mqtt.on('error', function (error) { print("error:", error); });
		mqtt.on('connected', function () {
			for (var i = 0; i < 100; i++) {
				if (mqtt.publish("sensors/kitchen/temperature", i + " 345678901234567890123456789")) taken.push(i);
			}
			print("at once", process.memory().usage);
			print("taken", taken.join(), "refused", mqtt.refused);
			setTimeout(function () { mqtt.publish("sensors/done", ""); }, 500);
		});
		`,
	);
	await see(program, "the burst is over", () => seen.output.includes("sensors/done"));
	const [, taken, refused] = /taken ([\d,]+) refused (\d+)/.exec(said(program)) ?? [];
	const first = taken.split(",").map(Number);
	assert.deepEqual(numbers(seen, "sensors/kitchen/temperature"), first);
	assert.ok(first.length >= 25);
	assert.equal(first.length + Number(refused), 100);
	assert.equal(said(program).split("error: MQTT: no room for a message").length, 2);
	context.diagnostic(`${first.length} were taken; JsVars at once ${/at once (\d+)/.exec(said(program))?.[1]}`);
	tell(context, program);
});

test("Espruino drop-in: with clean_session false what was published meanwhile comes", { skip }, async (context) => {
	const broker = await Mosquitto.start(context);
	const program = await started(
		context,
		broker.port,
		`
		var mqtt = require("MQTT").connect({ host: "192.168.1.10", client_id: "kept", clean_session: false });
		var times = 0;
		mqtt.on('connected', function () { if (!times++) mqtt.subscribe("in", { qos: 1 }); });
		mqtt.on('subscribed', function () { mqtt.disconnect(); });
		mqtt.on('disconnected', function () { print("away"); setTimeout(function () { mqtt.connect(); }, 1000); });
		mqtt.on('message', function (topic, message) { print(topic, message); });
		`,
	);
	await see(program, "it is away", () => said(program).includes("away\n"));
	await broker.publish("in", "meanwhile", 1);
	await see(program, "the message came", () => said(program).includes("in meanwhile\n"));
});

test("Espruino drop-in: through an object of the program's own, with write and end", { skip }, async (context) => {
	const broker = await Mosquitto.start(context);
	const program = await started(
		context,
		broker.port,
		`
		var mqtt = require("MQTT").create();
		var radio = require("net").connect({ host: "192.168.1.10" }, function () {
			var client = {
				write: function (data) { radio.write(data); },
				end: function () { radio.end(); }
			};
			radio.on('data', function (data) { client.emit('data', data); });
			radio.on('close', function () { client.emit('end'); });
			mqtt.connect(client);
		});
		mqtt.on('connected', function () { mqtt.subscribe("a/#"); });
		mqtt.on('subscribed', function () { for (var i = 0; i < 5; i++) mqtt.publish("a/" + i, i, { qos: i % 3 }); });
		mqtt.on('message', function (topic, message) { print(topic, message); if (message == 4) mqtt.disconnect(); });
		mqtt.on('disconnected', function () { print("disconnected"); });
		`,
	);
	await see(program, "it has disconnected", () => said(program).includes("disconnected\n"));
	for (let i = 0; i < 5; i++) assert.ok(said(program).includes(`a/${i} ${i}\n`));
});

test("Espruino drop-in: a broker that goes silent is given up within 1.5 keep alive", { skip }, async (context) => {
	const sockets: Socket[] = [];
	const server = createServer((socket) => {
		sockets.push(socket);
		socket.once("data", () => socket.write("\x20\x02\0\0", "latin1"));
		socket.on("error", () => {});
	});
	context.after(() => {
		for (const socket of sockets) socket.destroy();
		server.close();
	});
	await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
	const { port } = server.address() as { port: number };
	const program = await started(
		context,
		port,
		`
		var since, mqtt = require("MQTT").connect({ host: "192.168.1.10", keep_alive: 2 });
		mqtt.on('connected', function () { since = getTime(); });
		mqtt.on('error', function (error) { print("error:", error); });
		mqtt.on('disconnected', function () { print("after", Math.round((getTime() - since) * 1000), "ms"); });
		`,
	);
	await see(program, "it has noticed", () => /after \d+ ms/.test(said(program)));
	const after = Number(/after (\d+) ms/.exec(said(program))?.[1]);
	assert.ok(after > 2000 && after <= 3000, `${after} ms`);
	assert.match(said(program), /error: MQTT: no answer to a ping/);
});

test("Espruino drop-in: text in UTF-8, and bytes", { skip }, async (context) => {
	const broker = await Mosquitto.start(context);
	const seen = await broker.subscriber("#");
	const program = await started(
		context,
		broker.port,
		`
		var mqtt = require("MQTT").connect({ host: "192.168.1.10", client_id: "caf\u00e9" });
		mqtt.on('connected', function () { mqtt.subscribe("caf\u00e9/#"); });
		mqtt.on('subscribed', function () {
			mqtt.publish("caf\u00e9/\u4e2d", "\u20ac 2");
			mqtt.publish("bytes", "\\xe9\\xff\\x80\\n");
		});
		mqtt.on('message', function (topic, message) { print("length", topic.length, message.length); });
		`,
	);
	await see(program, "it came back", () => said(program).includes("length"));
	await until("all has arrived", () => seen.output.includes("\xe9\xff\x80\n"));
	assert.match(said(program), /length 9 5\n/);
	assert.equal(Buffer.from(seen.output.split("\n")[0], "latin1").toString("utf8"), "caf\u00e9/\u4e2d \u20ac 2");
});

test("Espruino drop-in: 1,000 messages and 50 connections later it has no more JsVars in use", {
	skip,
}, async (context) => {
	const broker = await Mosquitto.start(context);
	const program = await started(
		context,
		broker.port,
		`
		var mqtt = require("MQTT").connect({ host: "192.168.1.10", client_id: "long", clean_session: false });
		var count = 0, lives = 0;
		mqtt.on('connected', function () { mqtt.subscribe("in", { qos: 2 }); });
		mqtt.on('subscribed', function () { for (var i = 0; i < 20; i++) mqtt.publish("in", "message " + i, { qos: i % 3 }); });
		mqtt.on('publish', function () {
			if (++count % 20) return;
			print("lives", ++lives);
			mqtt.disconnect();
		});
		mqtt.on('error', function (error) { print("error", error); });
		mqtt.on('disconnected', function () { setTimeout(function () { mqtt.connect(); }, lives % 50 == 5 ? 3000 : 20); });
		`,
	);
	const lives = () => Number(/.*lives (\d+)/s.exec(said(program))?.[1] ?? 0);
	await see(program, "five connections are over", () => lives() >= 5);
	// It rests then, with what it keeps between two connections.
	await pause(2000);
	const early = Math.min(...jsVars(program).slice(-5));
	await until("fifty more are over", () => lives() >= 55, 60_000);
	await pause(2000);
	const late = Math.min(...jsVars(program).slice(-5));
	assert.ok(late - early <= 2, `${early} JsVars became ${late}`);
	assert.doesNotMatch(said(program), /error/);
	assertFine(program);
	tell(context, program);
});
