/**
 * The programs of Espruino's documentation that say require("MQTT"), unchanged, on the drop-in in a real interpreter. None of
 * them is in this repository: they are read from a copy of espruino/EspruinoDocs.
 */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { minify } from "terser";
import { assertFine, skip as noInterpreter, see } from "../engines/espruino.js";
import { Mosquitto, type Program } from "../support/programs.js";
import { here, interpreter } from "./espruino-interpreter.js";
import { docs, noDocs, ours } from "./espruino-module.js";

const skip = noInterpreter || noDocs;

/** The pieces of code in a page. */
const code = (page: string) => [...docs(page).matchAll(/^```.*\n([\s\S]*?)^```/gm)].map(([, text]) => text);

/** Of these, those with an MQTT client of their own. */
const programs = (page: string) => code(page).filter((text) => text.includes('require("MQTT")'));

/** What these programs use of boards that the interpreter for Linux is not. */
const HARDWARE = `
	Modules.addCached("CC3000", function () {
		exports.connect = function () {
			return {
				connect: function (name, key, callback) { setTimeout(callback, 10, "dhcp"); },
				getIP: function () { return { ip: "127.0.0.1" }; }
			};
		};
	});
	Modules.addCached("EspruinoWiFi", function () {
		exports.connect = function (name, options, callback) { setTimeout(callback, 10); };
		exports.getIP = function (callback) { callback(null, "127.0.0.1"); };
	});
	Modules.addCached("Wifi", function () {
		exports.connect = function (name, options, callback) { setTimeout(callback, 10); };
		exports.setHostname = exports.stopAP = function () {};
	});
	Modules.addCached("WIZnet", function () {
		exports.connect = function () {
			return { setIP: function () {}, getIP: function () { return { ip: "127.0.0.1" }; } };
		};
	});
	var Terminal = { print: print, println: print };
	var SPI1 = { setup: function () {} };
	var B3 = "B3", B4 = "B4", BTN = "BTN";
	function digitalWrite(pin, value) { print("pin", pin, value); }
	function setWatch(pressed) { setTimeout(pressed, 1500); }
	var NRF = {
		setScan: function (found) {
			if (this.timer) clearInterval(this.timer);
			this.timer = found && setInterval(function () { found({ rssi: -60, addr: "aa:bb", data: [1, 2] }); }, 100);
		}
	};
`;

async function run(context: TestContext, broker: Mosquitto, program: string): Promise<Program> {
	const started = await interpreter(context, await ours(), here(broker.port) + HARDWARE + program);
	context.after(() => assertFine(started));
	return started;
}

const says = (program: Program, text: string | RegExp) =>
	typeof text === "string" ? program.output.includes(text) : text.test(program.output);

const sees = (program: Program, text: string | RegExp) => see(program, `it says ${text}`, () => says(program, text));

test("MQTT.md: set up, publish, subscribe, reconnect, disconnect", { skip }, async (context) => {
	const [setUp, , , disconnect, onDisconnected, reconnect, publish, subscribe] = code("modules/MQTT.md");
	const broker = await Mosquitto.start(context);
	const program = await run(
		context,
		broker,
		`
		${setUp}
		mqtt.on('connected', function () {
			print("it is connected");
			// The last line of that piece unsubscribes again.
			${subscribe.replace(/^mqtt\.unsubscribe.*$/m, "")}
		});
		mqtt.on('subscribed', function () { print("it has subscribed"); });
		${onDisconnected}
		${reconnect}
		mqtt.on('publish', function (pub) { if (pub.message == "end") { ${disconnect} } });
		setInterval(function () { ${publish} }, 500);
		`,
	);
	await sees(program, "topic: test/espruino");
	await sees(program, "message: hello, world");
	await broker.publish("test", "to the first subscription", 0);
	await sees(program, "message: to the first subscription");
	await broker.kill();
	await sees(program, "MQTT disconnected... reconnecting.");
	await broker.restart();
	const times = (text: string) => program.output.split(text).length - 1;
	// To "test" and to "test/espruino", in each connection.
	await see(program, "it has subscribed again", () => times("it has subscribed") >= 4);
	await broker.publish("test", "end", 0);
	await see(program, "it connects once more, as it says", () => times("it is connected") >= 3);
});

test("MQTT.md: unsubscribe", { skip }, async (context) => {
	const [setUp, , , , , , , subscribe] = code("modules/MQTT.md");
	const broker = await Mosquitto.start(context);
	const program = await run(
		context,
		broker,
		`
		${setUp}
		mqtt.on('subscribed', function () { print("it has subscribed"); });
		mqtt.on('unsubscribed', function () { print("it has unsubscribed"); });
		mqtt.on('connected', function () { ${subscribe} });
		`,
	);
	await sees(program, /it has subscribed[\s\S]*it has unsubscribed/);
});

test("MQTT.md: connect directly, without and with a user name", { skip }, async (context) => {
	const [, directly] = code("modules/MQTT.md");
	const broker = await Mosquitto.start(context);
	const program = await run(
		context,
		broker,
		`${directly}
		mqtt.on('connected', function () { print("it is connected"); });`,
	);
	await sees(program, "it is connected");
	assert.match(broker.log, /New client connected from .* as \w+ \(p2, c1, k60, u'username'\)/);
	assert.match(broker.log, /New client connected from .* as \w+ \(p2, c1, k60\)/);
});

test("MQTT.md: without TCP/IP", { skip }, async (context) => {
	const [, , piece] = code("modules/MQTT.md");
	const broker = await Mosquitto.start(context);
	const program = await run(
		context,
		broker,
		`
		var server, options;
		${piece}
		mqtt.on('connected', function () { print("it is connected"); });
		mqtt.on('message', function (topic, message) { print(topic, "says", message); });
		mqtt.on('disconnected', function () { print("it is disconnected"); });
		client.emit('data', "\\x20\\x02\\0\\0\\x30\\x05\\0\\x01abc");
		client.emit('end');
		`,
	);
	await sees(program, /it is connected[\s\S]*a says bc[\s\S]*it is disconnected/);
});

test("Home Automation.md: Espruino WiFi", { skip }, async (context) => {
	const [espruinoWiFi] = programs("tutorials/Home Automation.md");
	const broker = await Mosquitto.start(context);
	const seen = await broker.subscriber("/mydevice/#");
	const program = await run(context, broker, `${espruinoWiFi}\nonInit();`);
	await sees(program, "MQTT connected");
	await see(program, "the button is pressed", () => seen.output.includes("/mydevice/buttonpress 1\n"));
	await broker.publish("/mydevice/2/set", "1", 0);
	await sees(program, "pin B4 false");
	await see(program, "it tells its state", () => seen.output.includes("/mydevice/2/status 1\n"));
	await broker.kill();
	await sees(program, "MQTT disconnected... reconnecting.");
	await broker.restart();
	await see(program, "it is connected again", () => program.output.split("MQTT connected").length === 3);
});

test("Home Automation.md: SonOff", { skip }, async (context) => {
	const [, sonOff] = programs("tutorials/Home Automation.md");
	const broker = await Mosquitto.start(context);
	const seen = await broker.subscriber("/mydevice/#");
	const program = await run(context, broker, `${sonOff}\nonInit();`);
	await sees(program, "MQTT connected");
	// The program subscribes a second later.
	const asked = setInterval(() => void broker.publish("/mydevice/eval", "6*7", 0), 500);
	context.after(() => clearInterval(asked));
	await see(program, "it answers", () => seen.output.includes("/mydevice/response 42\n"));
	clearInterval(asked);
	await broker.publish("/mydevice/eval", "undefined", 0);
	await see(program, "it answers", () => seen.output.includes("/mydevice/response undefined\n"));
	await broker.publish("/mydevice/eval", "nonsense", 0);
	await see(program, "it answers", () => /\/mydevice\/exception .*nonsense/.test(seen.output));
});

test("Pixl.js BLE Ethernet Bridge.js", { skip }, async (context) => {
	const broker = await Mosquitto.start(context);
	const seen = await broker.subscriber("/advertise");
	const program = await run(context, broker, docs("examples/Pixl.js BLE Ethernet Bridge.js"));
	await see(program, "it advertises", () => seen.output.split('/advertise {"rssi":-60,"addr":"aa:bb"}\n').length > 5);
	await broker.kill();
	await sees(program, "MQTT disconnected");
});

test("aws-iot-device-sdk-device.js", { skip }, async (context) => {
	const broker = await Mosquitto.start(context);
	const program = await run(
		context,
		broker,
		`
		Modules.addCached("aws", ${JSON.stringify(docs("devices/aws-iot-device-sdk-device.js"))});
		var device = require("aws")({ region: "nowhere", clientId: "device" });
		device.on('connect', function () { print("it is connected"); device.subscribe("a"); });
		device.on('subscribed', function () { device.publish("a", "b"); });
		device.on('message', function (topic, message) { print(topic, "says", message); });
		`,
	);
	await sees(program, /it is connected[\s\S]*a says b/);
});

/** JsVars that a module takes when it has connected and published, and how many more are in use while it hands a message over. */
async function memory(context: TestContext, code: string, port: number): Promise<{ live: number; more: number }> {
	const program = await interpreter(
		context,
		code,
		`
		var use = function () { return process.memory().usage; };
		setTimeout(function () {
			var idle = use(), client, live, most;
			var mqtt = require("MQTT").create("127.0.0.1", { port: ${port}, client_id: "esp-12" });
			mqtt.on('connected', function () {
				setTimeout(function () { mqtt.publish("sensors/kitchen/temperature", "01234567890123456789012345678901"); }, 200);
				setTimeout(function () {
					live = use();
					client = mqtt.client;
					client.write = function () { most = use(); };
					mqtt.publish("sensors/kitchen/temperature", "01234567890123456789012345678901");
					print("live", live - idle, "more", most - live);
				}, 400);
			});
			mqtt.connect();
		}, 10);
		`,
	);
	await sees(program, /live \d+ more \d+/);
	const [, live, more] = /live (\d+) more (\d+)/.exec(program.output) ?? [];
	return { live: Number(live), more: Number(more) };
}

test("the drop-in takes about as much memory as the module that it replaces, minified too", {
	skip,
}, async (context) => {
	const broker = await Mosquitto.start(context);
	const { code: minified = "" } = await minify(docs("modules/MQTT.js"), { ecma: 5, toplevel: true });
	const before = await memory(context, minified, broker.port);
	const after = await memory(context, await ours(), broker.port);
	for (const [name, text, { live, more }] of [
		["MQTT.js", minified, before],
		["the drop-in", await ours(), after],
	] as const) {
		context.diagnostic(`${name}: ${text.length} bytes, ${live} JsVars live, ${more} more in a publish at QoS 0`);
	}
	assert.ok(after.live <= before.live + 30);
	assert.ok(after.more <= before.more + 20);
});
