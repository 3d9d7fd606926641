/**
 * What a message costs in XS, in place of Moddable's MQTT client and, where MODDABLE is set, in that one: a payload of 32 bytes
 * to a topic of 27, over a socket that only counts.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { minify } from "terser";
import { Engine, type Measurement } from "../engines/measure.js";

const needsXs = Engine.available() ? {} : { skip: "the XS engine of @agoric/xsnap was not compiled on this machine" };
const MODDABLE = process.env.MODDABLE ?? "";
const ours = fileURLToPath(new URL("../../hosts/moddable/mqtt-client.ts", import.meta.url));

/**
 * The socket answers each read of ours with the whole bytes that it asks for, and the original's reads byte by byte; so neither
 * pays for the socket. What Moddable's String.fromArrayBuffer makes, one chunk for the topic, is not in the figures of either.
 */
const FIRMWARE = (client: string) => `
import MQTTClient from ${JSON.stringify(client)};

const TOPIC = "sensors/kitchen/temperature";
const payload = new Uint8Array(32);
const into = new Uint8Array(32);
String.fromArrayBuffer = function () { return TOPIC; };

let callbacks, bytes, views, at, view;
class Socket {
	constructor(options) { callbacks = options; }
	read(buffer) {
		if (buffer === undefined) return bytes[at++];
		buffer.set(views[view++]);
		return buffer.length;
	}
	write(buffer) { return 100000; }
	close() {}
}
class Resolver { resolve(request) { request.onResolved("", "127.0.0.1"); } }

function receive(packet, parts) {
	bytes = packet;
	views = parts;
	at = view = 0;
	callbacks.onReadable(packet.length);
}
function split(packet, ...sizes) {
	packet = Uint8Array.from(packet);
	let start = 0;
	return [packet, sizes.map((size) => packet.slice(start, start += size))];
}
const topic = Array.from(TOPIC, (letter) => letter.charCodeAt(0));
const [connack, connackParts] = split([32, 2, 0, 0], 2, 2);
const [puback, pubackParts] = split([64, 2, 0, 9], 2, 2);
const [qos0, qos0Parts] = split([48, 61, 0, 27, ...topic, ...payload], 2, 2, 27, 32);
const [qos1, qos1Parts] = split([50, 63, 0, 27, ...topic, 0, 9, ...payload], 2, 2, 29, 32);
// The original has read the header by bytes when its payload is read.
const [, atOnce] = split(payload, 32);

function connect(onControl) {
	const client = new MQTTClient({
		host: "h",
		dns: { io: Resolver },
		socket: { io: Socket },
		onReadable(count) { if (view === 0) views = atOnce; this.read(into); },
		onControl,
	});
	callbacks.onWritable(100000);
	receive(connack, connackParts);
	return client;
}
let client = connect();
const options0 = { topic: TOPIC };
const options1 = { topic: TOPIC, QoS: 1 };

export function publishQos0(n) { for (let i = 0; i < n; i++) client.write(payload, options0); }
export function publishQos1(n) {
	for (let i = 0; i < n; i++) { client.write(payload, options1); receive(puback, pubackParts); }
}
export function receiveQos0(n) { for (let i = 0; i < n; i++) receive(qos0, qos0Parts); }
export function receiveQos1(n) {
	for (let i = 0; i < n; i++) { receive(qos1, qos1Parts); callbacks.onWritable(100000); }
}
export function withControl(n) { client = connect(() => {}); }
export function controlled(n) { publishQos1(n); }
const made = [];
export function connection(n) { for (let i = 0; i < n; i++) made.push(connect()); }
`;

async function open(client: string): Promise<Engine> {
	const { outputFiles } = await build({
		stdin: { contents: FIRMWARE(client), resolveDir: "/" },
		bundle: true,
		format: "esm",
		target: "es2022",
		external: ["time", "timer"],
		write: false,
		logLevel: "silent",
	});
	// Without line breaks, as `xsc` compiles a release: npm's engine counts a step for each line.
	const { code } = await minify(outputFiles[0].text, { module: true, compress: false, mangle: false });
	return Engine.open(code ?? "");
}

const OPERATIONS = ["publishQos0", "publishQos1", "receiveQos0", "receiveQos1"] as const;

type Figures = Record<(typeof OPERATIONS)[number] | "controlled", Measurement> & {
	connection: { slots: number; chunkBytes: number };
};

async function figures(client: string): Promise<Figures> {
	const engine = await open(client);
	try {
		const found: Partial<Figures> = {};
		for (const operation of OPERATIONS) found[operation] = await engine.measure(operation);
		await engine.call("withControl", 1);
		found.controlled = await engine.measure("controlled");
		await engine.call("connection", 20);
		const before = await engine.live();
		await engine.call("connection", 20);
		const after = await engine.live();
		found.connection = {
			slots: (after.slots - before.slots) / 20,
			chunkBytes: (after.chunkBytes - before.chunkBytes) / 20,
		};
		return found as Figures;
	} finally {
		await engine.close();
	}
}

const shown = (figure: Partial<Measurement>) =>
	[figure.slots, figure.chunkBytes, figure.steps].map((value) => Math.round(value ?? 0)).join(" / ");

test("to publish allocates nothing, to receive only what the API hands over", needsXs, async (context) => {
	const found = await figures(ours);
	const original = MODDABLE && (await figures(join(MODDABLE, "examples/io/tcp/mqttclient/mqttclient.js")));
	for (const [name, figure] of Object.entries(found)) {
		const beside = original ? `; Moddable's own ${shown(original[name as keyof Figures])}` : "";
		context.diagnostic(`${name}: slots / chunk bytes / steps ${shown(figure)}${beside}`);
	}
	const allocated = (name: keyof Figures) => [found[name].slots, found[name].chunkBytes];
	assert.deepEqual(allocated("publishQos0"), [0, 0]);
	assert.deepEqual(allocated("publishQos1"), [0, 0]);
	assert.deepEqual(allocated("controlled"), [3, 0], "the object for onControl");
	assert.deepEqual(allocated("receiveQos0"), [6, 0], "the options for onReadable");
	assert.deepEqual(allocated("receiveQos1"), [6, 0]);
	assert.ok(found.publishQos0.steps < 800 && found.receiveQos1.steps < 4_000);
});
