/**
 * In place of Moddable's MQTT client, in Moddable's simulator, against Mosquitto: the SDK's own examples and Node-RED MCU, all
 * unchanged. NODEREDMCU is the folder of a checkout of phoddie/node-red-mcu.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { basename, join, resolve } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { type OutputChunk, rollup } from "rollup";
import { loadConfigFile } from "rollup/loadConfigFile";
import { connack } from "../support/packets.js";
import { folder, Mosquitto, missing, Program, until } from "../support/programs.js";

const MODDABLE = process.env.MODDABLE ? resolve(process.env.MODDABLE) : "";
const NODEREDMCU = process.env.NODEREDMCU ? resolve(process.env.NODEREDMCU) : "";
const skip = MODDABLE
	? missing("mosquitto", "mosquitto_sub", "mosquitto_pub", "xvfb-run", "stdbuf", "make", "gcc")
	: "needs MODDABLE, the folder of a Moddable SDK built for Linux";

/** Milliseconds that one build may take. */
const BUILD = 170_000;

const root = fileURLToPath(new URL("../..", import.meta.url));
const tools = join(MODDABLE, "build/bin/lin/release");
const client = join(root, "dist/firmware/moddable/mqtt-client.js");

/** Takes the place of the examples' `config.js`, whose brokers are on the Internet: each name is that of the broker here. */
const CONFIG = `
import "system";
import MQTTClient from "embedded:network/mqtt/client";
import TCP from "embedded:io/socket/tcp";
import config from "mc/config";
import Timer from "timer";

class Here extends TCP {
	constructor(options) {
		super({ ...options, port: options.host === "silent" ? config.silent : config.port });
	}
}

class Resolver {
	resolve({ host, onResolved }) {
		Timer.set(() => onResolved(host, "127.0.0.1"));
	}
}

const common = { io: MQTTClient, dns: { io: Resolver } };
const mqtt = { ...common, socket: { io: Here } };
const mqtts = { ...common, socket: { io: TLSSocket, TCP: { io: Here }, secure: { verify: false } } };
globalThis.device = Object.freeze({ ...globalThis.device, network: { ...globalThis.device?.network, mqtt, mqtts } }, true);
`;

const WITHOUT_TLS = `const TLSSocket = undefined;\n${CONFIG}`;
const WITH_TLS = `import TLSSocket from "embedded:io/socket/tcp/tls";\n${CONFIG}`;

/** The built client, as `npm run build` makes it. */
async function buildClient(): Promise<void> {
	const { options } = await loadConfigFile(join(root, "rollup.config.js"), { silent: true });
	const settings = options.find(({ output }) => output[0].file?.endsWith("mqtt-client.js"));
	assert.ok(settings);
	const build = await rollup({ ...settings, input: join(root, "hosts/moddable/mqtt-client.ts"), logLevel: "silent" });
	const { output } = await build.generate(settings.output[0]);
	await build.close();
	mkdirSync(join(root, "dist/firmware/moddable"), { recursive: true });
	writeFileSync(client, (output[0] as OutputChunk).code);
}

/** Builds an application of these files, one of them its manifest, and runs it in the simulator, without a window. */
async function run(context: TestContext, files: Record<string, string>): Promise<Program> {
	await buildClient();
	const app = folder(context);
	for (const [name, text] of Object.entries(files)) writeFileSync(join(app, name), text);
	mkdirSync(join(app, "out"));
	mkdirSync(join(app, ".config/tech.moddable.mcsim"), { recursive: true });
	const variables = [`MODDABLE=${MODDABLE}`, `PATH=${tools}:${process.env.PATH}`];
	const parameters = ["-d", "-m", "-p", "lin", "-t", "build", "-o", join(app, "out")];
	const mcconfig = new Program("env", [...variables, "mcconfig", ...parameters], { cwd: app });
	context.after(() => mcconfig.end());
	await until("mcconfig has ended", () => mcconfig.exited, BUILD);
	assert.match(mcconfig.output, /# ld mc\.so/, mcconfig.output.slice(-2000));
	const mcsim = [
		join(tools, "mcsim"),
		join(MODDABLE, "build/simulators"),
		join(app, "out/bin/lin/mc/debug", basename(app), "mc.so"),
	];
	const program = new Program("xvfb-run", ["-a", "stdbuf", "-oL", ...mcsim], {
		env: {
			...process.env,
			HOME: app,
			XDG_CONFIG_HOME: join(app, ".config"),
			XSBUG_HOST: "127.0.0.1",
			XSBUG_PORT: "1", // nobody: it goes on without a debugger
			NO_AT_BRIDGE: "1",
		},
	});
	context.after(() => program.end());
	return program;
}

/** What the application traced, line by line. */
function traced({ output }: Program): string[] {
	return output.split("\n").filter((line) => !line.startsWith("instruments"));
}

/** What `examples/io/tcp/mqttclient/main.js` does, in its traces. */
async function tracesEachStep(program: Program): Promise<void> {
	await until("the last step was traced", () => /PUBREL - \d+\n/.test(program.output), 60_000);
	const lines = traced(program);
	for (const step of [
		/^SUBACK - \d+$/,
		/^UNSUBACK - \d+$/,
		/^PUBREC - \d+$/, // of the message in two parts, at QoS 2
		/^PUBCOMP - \d+$/,
		/^PUBREL - \d+$/, // of its copy, which the broker sends
		/^Ping response$/,
		/^PUBACK - 1234$/, // of 16 kB and three bytes, as the socket took them
		/^SMALL$/,
	]) {
		assert.equal(lines.filter((line) => step.test(line)).length, 1, String(step));
	}
	// The copy of the large one, in parts of what came at a time; each piece that was written is of one letter.
	const parts = lines.filter((line) => /^(XXL)?([@-Z])\2*([@-Z])*$/.test(line) && line !== "SMALL");
	assert.ok(parts.length > 1, `${parts.length} parts`);
	assert.match(parts.join(""), /^XXLA+B+C+[D-Z]+$/);
	assert.equal(parts.join("").length, 3 + 16 * 1024);
	assert.ok(!lines.includes("ERROR"));
}

/** What a user's manifest includes to have this client. */
const include = [join(root, "hosts/moddable/mqttclient.json")];

test("the SDK's example of its MQTT client, every step of it", { skip }, async (context) => {
	const broker = await Mosquitto.start(context);
	const example = "$(MODDABLE)/examples/io/tcp/mqttclient";
	const program = await run(context, {
		"config.js": WITHOUT_TLS,
		"manifest.json": JSON.stringify({
			include: [`${example}/manifest.json`, ...include],
			config: { port: broker.port },
			modules: { "~": `${example}/config`, "mqttclient/config": "./config" },
		}),
	});
	await tracesEachStep(program);
});

test("the SDK's example of its MQTT client over TLS", { skip: skip || missing("openssl") }, async (context) => {
	const keys = folder(context);
	const [key, certificate] = [join(keys, "key.pem"), join(keys, "certificate.pem")];
	const subject = ["-subj", "/CN=broker.hivemq.com", "-days", "2"];
	execFileSync(
		"openssl",
		["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, ...subject],
		{
			stdio: "ignore",
		},
	);
	// Started by root, it would become a user who may not read the key.
	const settings = `certfile ${certificate}\nkeyfile ${key}\nuser root\nallow_anonymous true`;
	const broker = await Mosquitto.start(context, settings);
	const example = "$(MODDABLE)/examples/io/tcp";
	const program = await run(context, {
		"config.js": WITH_TLS,
		"manifest.json": JSON.stringify({
			include: [`${example}/mqttsclient/manifest.json`, ...include],
			config: { port: broker.port },
			modules: {
				"~": [`${example}/mqttsclient/config`, `${example}/mqttclient/config`],
				"mqttsclient/config": "./config",
			},
		}),
	});
	await tracesEachStep(program);
});

test("MQTT.js of the SDK, and its example", { skip }, async (context) => {
	const broker = await Mosquitto.start(context);
	const example = "$(MODDABLE)/examples/io/tcp/mqtt";
	const program = await run(context, {
		"config.js": WITHOUT_TLS,
		"manifest.json": JSON.stringify({
			include: [`${example}/manifest.json`, ...include],
			config: { port: broker.port },
			modules: {
				"~": [`${example}/config`, "$(MODDABLE)/examples/io/tcp/mqttclient/config"],
				"mqttclient/config": "./config",
			},
		}),
	});
	const all = "0123456789ABCDEF".repeat(1024);
	const steps = [
		"connect",
		"subscribed null xs/test 2",
		"published zero undefined",
		...["one", "two", "data"].map((what) => `published ${what} null`),
		...["zero", "one", "two", all].map((what) => `message xs/test ${what}`),
	];
	const missed = () => steps.filter((step) => !traced(program).some((line) => line === step));
	try {
		await until("all was traced", () => missed().length === 0, 30_000);
	} catch {
		assert.deepEqual([missed(), traced(program).map((line) => line.slice(0, 100))], []);
	}
	assert.ok(!traced(program).some((line) => /^(error|close|offline)/.test(line)));
});

/** Closes within a callback twenty times, then meets a broker that falls silent. */
const CLOSING = `
import MQTTClient from "embedded:network/mqtt/client";
import config from "mc/config";
import Timer from "timer";

let connections = 0;
function next() {
	new MQTTClient({
		...device.network.mqtt,
		host: "broker",
		onControl({ operation }) {
			if (operation === MQTTClient.CONNACK) {
				this.write(null, { operation: MQTTClient.SUBSCRIBE, items: [{ topic: "t", QoS: 2 }] });
			}
			if (operation === MQTTClient.SUBACK) {
				this.write(null, { topic: "t", QoS: 2 });
				this.write(ArrayBuffer.fromString("more"), { topic: "t", QoS: 2 });
			}
		},
		onReadable(count) {
			trace("read " + count + ": " + String.fromArrayBuffer(this.read(count)) + "\\n");
			if (count === 0) return;
			this.close();
			connections++;
			Timer.set(connections < 20 ? next : silence);
		},
		onError(error) {
			trace(error + "\\n");
		},
	});
}
function silence() {
	new MQTTClient({
		...device.network.mqtt,
		host: "silent",
		keepAlive: 1000,
		onError(error) {
			trace(error + "\\n");
			this.close();
			trace("the end\\n");
		},
	});
}
next();
`;

test("close within callbacks, and a broker that falls silent, on the SDK's own sockets and timers", {
	skip,
}, async (context) => {
	const broker = await Mosquitto.start(context);
	const silent = createServer((socket) => {
		socket.on("error", () => {}).once("data", () => socket.write(connack()));
	});
	await new Promise<void>((done) => silent.listen(0, "127.0.0.1", done));
	context.after(() => silent.close());
	const program = await run(context, {
		"main.js": CLOSING,
		"config.js": WITHOUT_TLS,
		"manifest.json": JSON.stringify({
			include: ["$(MODDABLE)/examples/manifest_base.json", "$(MODDABLE)/examples/manifest_net.json", ...include],
			config: { port: broker.port, silent: (silent.address() as AddressInfo).port },
			modules: {
				"*": "./main",
				"~": "$(MODDABLE)/examples/io/tcp/mqttclient/config",
				"mqttclient/config": "./config",
			},
		}),
	});
	await until("the end was traced", () => program.output.includes("the end\n"), 60_000);
	const rounds = Array.from({ length: 20 }, () => ["read 0: ", "read 4: more"]).flat();
	const expected = [...rounds, "Error: mqtt-mote: no PINGRESP in time", "the end"];
	assert.deepEqual(traced(program).slice(0, expected.length), expected);
	assert.ok(!/abort|exception/i.test(program.output));
});

test("Node-RED MCU: a flow from an mqtt-in node to an mqtt-out node", {
	skip: skip || (NODEREDMCU ? false : "needs NODEREDMCU, the folder of a checkout of phoddie/node-red-mcu"),
}, async (context) => {
	const broker = await Mosquitto.start(context);
	const common = { z: "f1", broker: "b1", name: "" };
	const seen = await broker.subscriber("out");
	const born = await broker.subscriber("birth");
	const program = await run(context, {
		"flows.json": JSON.stringify([
			{ id: "f1", type: "tab", label: "Flow 1", disabled: false, info: "", env: [] },
			{
				id: "b1",
				type: "mqtt-broker",
				name: "",
				broker: "127.0.0.1",
				port: String(broker.port),
				clientid: "node-red-test",
				autoConnect: true,
				usetls: false,
				protocolVersion: "4",
				keepalive: "4",
				cleansession: true,
				birthTopic: "birth",
				birthQos: "1",
				birthPayload: "hello",
			},
			{ ...common, id: "i1", type: "mqtt in", topic: "in/#", qos: "2", datatype: "auto-detect", wires: [["o1"]] },
			{ ...common, id: "o1", type: "mqtt out", topic: "out", qos: "2", retain: "", wires: [] },
		]),
		"manifest.json": JSON.stringify({
			build: { NODEREDMCU },
			include: ["$(NODEREDMCU)/manifest_host.json", ...include],
			modules: { "*": ["$(NODEREDMCU)/main", { source: "./flows", transform: "nodered2mcu" }] },
			preload: ["flows"],
		}),
	});
	await until("it is subscribed, and says so", () => born.output === "birth hello\n", 60_000);
	const payloads = ["at 0", "at 1", "at 2", "x".repeat(1450)];
	for (const [qos, payload] of payloads.entries()) await broker.publish("in/it", payload, Math.min(qos, 2));
	await broker.publish("in/empty", "", 1); // with which the original would come to rest
	await broker.publish("in/it", "after it", 2);
	await until("the last one came back", () => seen.output.includes("out after it\n"));
	// For longer than the broker waits for a client with this keep alive, unless that pings.
	const end = Date.now() + 12_000;
	await until("time has passed", () => Date.now() > end);
	await broker.publish("in/it", "later", 1);
	await until("it came back too", () => seen.output.includes("out later\n"));
	const expected = [...payloads, "", "after it", "later"].map((payload) => `out ${payload}`);
	assert.deepEqual(seen.output.trim().split("\n"), expected);
	assert.equal(born.output, "birth hello\n", "it has connected once");
	assert.ok(!/unhandled exception/i.test(program.output));
});
