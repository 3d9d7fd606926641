/** The strict engine behind TCP, with clients that others wrote: MQTT.js and Mosquitto's. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { connect as connectSocket, type Socket } from "node:net";
import { Duplex } from "node:stream";
import { type TestContext, test } from "node:test";
import { promisify } from "node:util";
import { connectAsync, type IClientOptions, type MqttClient } from "mqtt";
import type { BrokerOptions } from "../../simulator/broker/core/broker.js";
import type { SeenMessage, Violation } from "../../simulator/broker/engine.js";
import { strictEngine } from "../../simulator/broker/strict.js";
import { TcpEndpoint } from "../../simulator/broker/tcp.js";
import { missing, until } from "../support/programs.js";
import { bytesOf, connect, DISCONNECT, LEVELS, PINGREQ, publish, subscribe } from "./peer.js";

const limits = { timeout: 20_000 };

class Bench {
	readonly messages: SeenMessage[] = [];
	readonly violations: Violation[] = [];
	readonly log: string[] = [];
	readonly engine;
	readonly #context: TestContext;
	port = 0;

	private constructor(context: TestContext, options: BrokerOptions) {
		this.#context = context;
		this.engine = strictEngine(
			{
				message: (message) => this.messages.push(message),
				connected: (clientId) => this.log.push(`${clientId} +`),
				disconnected: (clientId, problem) => this.log.push(`${clientId} -: ${problem}`),
				violation: (violation) => this.violations.push(violation),
			},
			options,
		);
	}

	static async open(context: TestContext, options: BrokerOptions = {}): Promise<Bench> {
		const bench = new Bench(context, options);
		const endpoint = await TcpEndpoint.listen(bench.engine, 0);
		bench.port = endpoint.port;
		context.after(async () => {
			await bench.engine.close();
			await endpoint.close();
		});
		return bench;
	}

	/** MQTT.js. */
	async client(clientId: string, options: IClientOptions = {}): Promise<MqttClient> {
		const level = {
			3: { protocolId: "MQIsdp", protocolVersion: 3 },
			4: { protocolId: "MQTT", protocolVersion: 4 },
		} as const;
		const client = await connectAsync(`mqtt://127.0.0.1:${this.port}`, {
			clientId,
			reconnectPeriod: 20,
			...level[options.protocolVersion === 3 ? 3 : 4],
			...options,
		});
		this.#context.after(() => client.endAsync(true));
		return client;
	}

	socket(): Socket {
		const socket = connectSocket(this.port, "127.0.0.1");
		socket.on("error", () => {});
		this.#context.after(() => socket.destroy());
		return socket;
	}
}

for (const level of LEVELS) {
	test(`MQTT.js at level ${level}: all QoS, retained messages, unsubscribe`, limits, async (context) => {
		const bench = await Bench.open(context);
		const client = await bench.client("js", { protocolVersion: level });
		const seen: string[] = [];
		client.on("message", (topic, payload, { qos, retain }) => seen.push(`${topic} ${payload} ${qos} ${retain}`));
		const grants = await client.subscribeAsync({ "a/#": { qos: 2 }, "b/+": { qos: 1 } });
		assert.deepEqual(
			grants.map(({ qos }) => qos),
			[2, 1],
		);
		for (const qos of [0, 1, 2] as const) await client.publishAsync(`a/${qos}`, `${qos}`, { qos, retain: qos === 1 });
		await client.publishAsync("b/x", "b", { qos: 2 });
		await until("all came", () => seen.length === 4);
		assert.deepEqual(seen.sort(), ["a/0 0 0 false", "a/1 1 1 false", "a/2 2 2 false", "b/x b 1 false"]);
		await client.unsubscribeAsync(["a/#", "b/+"]);
		await client.publishAsync("a/0", "missed", { qos: 1 });
		await client.subscribeAsync("a/1", { qos: 0 });
		await until("the retained one came", () => seen.length === 5);
		assert.equal(seen[4], "a/1 1 0 true");
		await client.endAsync();
		await until("it left", () => bench.log.length === 2);
		assert.deepEqual(bench.log, ["js +", "js -: "]);
		assert.deepEqual(bench.violations, []);
	});
}

test("MQTT.js keeps its session over broken links and a restart: every QoS 2 message once", limits, async (context) => {
	const bench = await Bench.open(context);
	const subscriber = await bench.client("s", { clean: false });
	const publisher = await bench.client("p", { clean: false });
	const seen: number[] = [];
	subscriber.on("message", (_topic, payload) => seen.push(Number(payload)));
	await subscriber.subscribeAsync("t", { qos: 2 });
	const done: Promise<unknown>[] = [];
	for (let index = 0; index < 100; index++) {
		done.push(publisher.publishAsync("t", `${index}`, { qos: 2 }));
		if (index % 20 === 10) publisher.stream.destroy();
		if (index % 20 === 15) subscriber.stream.destroy();
		if (index === 50) bench.engine.broker.restart(true);
		await new Promise((resolve) => setTimeout(resolve, 2));
	}
	await Promise.all(done);
	await until("all came", () => new Set(seen).size === 100);
	assert.equal(seen.length, 100);
	assert.equal(bench.messages.length, 100);
	const fatal = bench.violations.filter(({ closes }) => closes);
	assert.deepEqual(fatal, []);
});

test("a message of 4 MB goes through", limits, async (context) => {
	const bench = await Bench.open(context);
	const client = await bench.client("js");
	const payload = Buffer.alloc(4_000_000, "x");
	const came = new Promise<Buffer>((resolve) => client.once("message", (_topic, seen) => resolve(seen)));
	await client.subscribeAsync("big", { qos: 1 });
	await client.publishAsync("big", payload, { qos: 1 });
	assert.ok(payload.equals(await came));
});

test("mosquitto_pub and mosquitto_sub at both levels, all QoS and retained", {
	...limits,
	skip: missing("mosquitto_pub", "mosquitto_sub"),
}, async (context) => {
	const bench = await Bench.open(context);
	const run = (program: string, ...args: string[]) =>
		promisify(execFile)(program, ["-h", "127.0.0.1", "-p", `${bench.port}`, ...args], { timeout: 10_000 });
	for (const version of ["mqttv31", "mqttv311"]) {
		bench.messages.length = 0;
		const known = new Set(bench.log);
		const name = `sub-${version}`;
		const topics = ["-t", `${version}/#`, "-t", "other/+", "-q", "2", "-C", "4", "-F", "%t %p %q %r"];
		await run("mosquitto_pub", "-V", version, "-t", `${version}/old`, "-m", "kept", "-q", "1", "-r");
		const subscriber = run("mosquitto_sub", "-V", version, "-i", name, ...topics);
		await until(
			"it is there",
			() => !known.has(`${name} +`) && bench.engine.broker.session(name)?.subscriptions.size === 2,
		);
		for (const qos of ["0", "1", "2"])
			await run("mosquitto_pub", "-V", version, "-t", `${version}/${qos}`, "-m", "x", "-q", qos);
		const { stdout } = await subscriber;
		assert.deepEqual(stdout.trim().split("\n").sort(), [
			`${version}/0 x 0 0`,
			`${version}/1 x 1 0`,
			`${version}/2 x 2 0`,
			`${version}/old kept 1 1`,
		]);
	}
	assert.deepEqual(bench.violations, []);
});

test("a violation closes the socket; what was sent before it arrives", limits, async (context) => {
	const bench = await Bench.open(context);
	const socket = bench.socket();
	socket.write(Buffer.concat([connect("bad"), PINGREQ, "38040001612b"].map(bytesOf)));
	const chunks = await socket.toArray();
	assert.equal(Buffer.concat(chunks).toString("hex"), "20020000d000");
	assert.deepEqual(bench.log, ["bad +", "bad -: MQTT-3.3.1-2: PUBLISH has DUP at QoS 0"]);
});

test("the keep alive is kept by the real clock", limits, async (context) => {
	const bench = await Bench.open(context);
	const socket = bench.socket();
	socket.write(bytesOf(connect("quiet", { keepAlive: 1 })));
	const start = performance.now();
	await socket.toArray();
	const passed = performance.now() - start;
	assert.ok(passed >= 1_450 && passed < 4_000, `${passed} ms`);
	assert.match(bench.log[1], /^quiet -: MQTT-3\.1\.2-24: /);
});

test(
	"a link that breaks publishes the will; a client that closes its side without DISCONNECT, too",
	limits,
	async (context) => {
		const bench = await Bench.open(context);
		const will = { topic: "will", payload: Buffer.from("gone") };
		for (const end of ["destroy", "end", "resetAndDestroy"] as const) {
			bench.messages.length = 0;
			const socket = bench.socket();
			socket.write(bytesOf(connect("a", { will })));
			await once(socket, "data");
			socket[end]();
			await until("the will came", () => bench.messages.length === 1);
		}
	},
);

test("a client that never reads does not fill the memory", limits, async (context) => {
	const bench = await Bench.open(context);
	const deaf = bench.socket();
	deaf.write(Buffer.concat([connect("deaf"), subscribe(1, ["t", 0])].map(bytesOf)));
	await once(deaf, "data");
	deaf.pause();
	const loud = await bench.client("loud");
	const payload = Buffer.alloc(8_000_000);
	for (let count = 0; count < 30 && !bench.log.some((line) => line.startsWith("deaf -")); count++) {
		await loud.publishAsync("t", payload, { qos: 1 });
	}
	assert.ok(bench.log.includes("deaf -: it does not read what it is sent"), bench.log.join("; "));
});

test("any Duplex will do, and the engine's end closes it", limits, async () => {
	const engine = strictEngine({ message() {} });
	let written = "";
	const stream = new Duplex({
		read() {},
		write(bytes: Buffer, _encoding, done) {
			written += bytes.toString("hex");
			done();
		},
	});
	engine.handle(stream);
	stream.push(bytesOf(connect("a")));
	await until("CONNACK came", () => written === "20020000");
	stream.push(bytesOf(publish("t", "x", 1)));
	await until("PUBACK came", () => written === "2002000040020001");
	await engine.close();
	assert.ok(stream.destroyed);
});

test("DISCONNECT ends the socket at once", limits, async (context) => {
	const bench = await Bench.open(context);
	const socket = bench.socket();
	socket.write(Buffer.concat([connect("a"), DISCONNECT].map(bytesOf)));
	assert.equal(Buffer.concat(await socket.toArray()).toString("hex"), "20020000");
	assert.deepEqual(bench.log, ["a +", "a -: "]);
});
