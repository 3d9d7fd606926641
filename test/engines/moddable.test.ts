/** The firmware in Moddable's simulator with the instruments of XS, and from the command line, against Mosquitto. */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { type TestContext, test } from "node:test";
import { Desk } from "../simulator/desk.js";
import { Cutter } from "../support/cutter.js";
import { peer, watch as watchTopic } from "../support/peers.js";
import { folder, freePort, Mosquitto, missing, type Program, until } from "../support/programs.js";
import { seeded } from "../support/random.js";
import { SerialCable } from "../support/serial-cable.js";
import { doesEverything } from "./everything.js";
import { bundle } from "./firmware/bundle.js";
import { Gate } from "./gate.js";
import {
	BUNDLE,
	build,
	commandLine,
	instrument,
	MODDABLE,
	onPackage,
	packaged,
	run,
	simulator,
	skip,
	tool,
} from "./moddable.js";
import { missesNothing, numbers, range, survivesKills, watch } from "./outage.js";

const NAME = "moddable-test";

/** What a firmware is told at build time. */
const config = (port: number) => ({ host: "127.0.0.1", port, name: NAME });

/** The simulator with a firmware that is one bundle. */
async function bundled(context: TestContext, source: string, port: number): Promise<Program> {
	const files = { "main.js": await bundle("moddable", source) };
	const manifest = { include: BUNDLE, config: config(port), modules: { main: "./main" } };
	return simulator(context, await build(context, manifest, files));
}

/** Is each of these the same? */
function assertFlat(values: number[]): void {
	assert.deepEqual(
		values,
		values.map(() => values[0]),
	);
}

test("Moddable: the example publishes at QoS 1, obeys a new interval, and allocates nothing meanwhile", {
	skip,
}, async (context) => {
	const port = await freePort();
	const place = await packaged(context);
	const include = [join(place, "examples/moddable/telemetry/manifest.json")];
	const firmware = await build(context, { include, config: config(port), modules: {} });
	const broker = await Mosquitto.start(context);
	await Gate.open(context, broker.port, port);
	const seen = watch(context, broker.port, NAME);
	const program = simulator(context, firmware);
	await until("it is online", () => seen.output.includes(`${NAME}/status online at QoS 1\n`));
	await until("two readings came", () => numbers(seen, `${NAME}/temperature`).length >= 2);
	await broker.publish(`${NAME}/interval`, "10", 1);
	await until("hundred more came", () => numbers(seen, `${NAME}/temperature`).length >= 100);
	const samples = () => instrument(program, "Slot used").length;
	const start = samples() + 1; // the one after next lies in this time as a whole
	await until("five seconds have passed", () => samples() >= start + 5);
	const during = (name: string) => instrument(program, name).slice(start, start + 5);
	context.diagnostic(`Slot used: ${during("Slot used").join(" ")}; Chunk used: ${during("Chunk used").join(" ")}`);
	assert.ok(numbers(seen, `${NAME}/temperature`).length > 300, "a hundred a second, more or less");
	assertFlat(during("Slot used"));
	assertFlat(during("Chunk used"));
	assert.deepEqual(during("Garbage collections"), [0, 0, 0, 0, 0]);
	for (const line of seen.output.trim().split("\n").slice(0, -1)) {
		assert.match(
			line,
			/^moddable-test\/(status online|interval 10|temperature \d\d\.\d\d|humidity \d\d\.\d) at QoS 1$/,
		);
	}
});

test("Moddable: killed for two seconds, the broker misses nothing", { skip }, async (context) => {
	const port = await freePort();
	const start = async () => {
		await bundled(context, "test/engines/firmware/counter.ts", port);
		return () => {};
	};
	await missesNothing(context, `${NAME}/count`, start, port);
});

test("Moddable: QoS 2, a stream, a held message, unsubscribing and level 3 over a link that breaks", {
	skip,
}, async (context) => {
	const port = await freePort();
	const start = async () => {
		await bundled(context, "test/engines/firmware/everything.ts", port);
		return () => {};
	};
	await doesEverything(context, NAME, start, port);
});

test("Moddable: the example with Wi-Fi of its own publishes", { skip }, async (context) => {
	const place = await packaged(context);
	const broker = await Mosquitto.start(context);
	const include = [join(place, "examples/moddable/wifi/manifest.json")];
	const firmware = await build(context, { include, config: config(broker.port), modules: {} });
	const seen = watch(context, broker.port, NAME);
	const program = simulator(context, firmware);
	await until("there is an address", () => program.output.includes("address "));
	await until("a reading came", () => numbers(seen, `${NAME}/temperature`).length > 0);
});

test("Moddable: the example that sleeps keeps what it could not publish for its next life", {
	skip,
}, async (context) => {
	const port = await freePort();
	const place = await packaged(context);
	const include = [join(place, "examples/moddable/sleep/manifest.json")];
	const firmware = await build(context, { include, config: config(port), modules: {} });
	const home = folder(context);
	const alone = simulator(context, firmware, home);
	await until("it has given up", () => alone.output.includes("0 delivered, 1 left\n"), 40_000);
	await alone.end("SIGKILL");
	const broker = await Mosquitto.start(context);
	await Gate.open(context, broker.port, port);
	const seen = watch(context, broker.port, NAME);
	const program = simulator(context, firmware, home);
	await until("it has published", () => program.output.includes("2 delivered, 0 left\n"), 40_000);
	assert.equal(numbers(seen, `${NAME}/temperature`).length, 2);
});

test("Moddable's simulator: the broker killed 20 times loses nothing at QoS 1 and 2", { skip }, async (context) => {
	const port = await freePort();
	const place = await packaged(context);
	const manifest = {
		include: ["$(MODDABLE)/examples/manifest_base.json", join(place, "manifest.json")],
		config: config(port),
		modules: { main: "./main" },
	};
	const files = { "main.js": await onPackage("test/engines/firmware/levels.ts") };
	const firmware = await build(context, manifest, files);
	await survivesKills(context, NAME, port, () => simulator(context, firmware));
});

test("Moddable's command line: the same, and no slot and no byte more in the end", { skip }, async (context) => {
	const port = await freePort();
	const gauge = `
import { chunks, collect, print, slots } from "desk";
const seconds = clock.alarm(() => {
	collect();
	print("memory " + slots() + " " + chunks());
	seconds.set(1000);
});
seconds.set(1000);
`;
	const files = { "main.js": (await onPackage("test/engines/firmware/levels.ts")) + gauge };
	const firmware = await commandLine(context, await packaged(context), config(port), files);
	let board: Program | undefined;
	await survivesKills(context, NAME, port, () => {
		board = run(context, firmware);
	});
	// While it is connected, there is a socket, too.
	const readings = board?.output.match(/memory \d+ \d+/g) ?? [];
	const most = readings.map((one) => one.split(" ").slice(1).map(Number)).sort(([a], [b]) => b - a)[0];
	context.diagnostic(`${readings.length} readings, at most ${most[0]} slots and ${most[1]} bytes of chunks`);
	const early = readings.slice(1, 5).map((one) => Number(one.split(" ")[1]));
	assert.ok(readings.length > 8 && most[0] <= Math.max(...early), `${early} slots at first, then ${most[0]}`);
});

test("Moddable's simulator on a wire: framed, at 115,200 baud, a byte in 1,000 changed, the wire cut three times: 0 lost", {
	skip: skip || missing("socat"),
}, async (context) => {
	const random = seeded((message) => context.diagnostic(message));
	const cable = await SerialCable.open(context, random);
	const [boardEnd, deskEnd] = cable.paths;
	const desk = new Desk("broker", "--port", "0", "--serial", `${deskEnd}@115200`);
	context.after(() => desk.kill());
	const [, port] = await desk.prints(/Companion broker on mqtt:\/\/127\.0\.0\.1:(\d+)/);
	const other = await peer(context, Number(port), 4);
	const [first, second, echoed] = await Promise.all(
		[1, 2, "echo"].map((topic) => watchTopic(other, `${NAME}/${topic}`, 2)),
	);
	const source = (await onPackage("test/engines/firmware/levels.ts"))
		.replace("TcpLink }", "FramedLink, SerialLink }")
		.replace("keepAlive: 30,", "keepAlive: 30, cleanSession: false,")
		.replace("new TcpLink({ host, port })", "new FramedLink(new SerialLink({ io: Serial, device: settings.device }))");
	assert.match(source, /new FramedLink\(new SerialLink\(.*cleanSession: false/s);
	const manifest = {
		include: ["$(MODDABLE)/examples/manifest_base.json", join(await packaged(context), "manifest.json")],
		config: { device: boardEnd, name: NAME },
		modules: { main: "./main" },
	};
	const files = { "main.js": `import Serial from "embedded:io/serial";\n${source}` };
	const firmware = await build(context, manifest, files);
	simulator(context, firmware);
	await until("it counts", () => first.length >= 10 && second.length >= 10, 30_000);
	cable.noise = 1 / 1000;
	for (let pulls = 1; pulls <= 3; pulls++) {
		await until("it goes on", () => first.length >= 100 * pulls && second.length >= 100 * pulls, 60_000);
		for (const qos of [0, 1, 2] as const) await other.publishAsync(`${NAME}/in`, String(qos), { qos });
		await cable.pull(0, false, 400);
	}
	await until("it goes on", () => first.length >= 400 && second.length >= 400, 60_000);
	await until("it answers", () => ["1", "2"].every((one) => echoed.some(({ payload }) => payload === one)));
	context.diagnostic(`${cable.carried} bytes, ${cable.damaged} of them changed`);
	for (const seen of [first, second]) {
		const came = new Set(seen.map(({ payload }) => Number(payload)));
		const lost = range(0, Math.max(...came) + 1).filter((one) => !came.has(one));
		context.diagnostic(`${seen.length} messages, ${came.size} numbers, ${lost.length} lost`);
		assert.deepEqual(lost, []);
	}
	assert.equal(second.length, new Set(second.map(({ payload }) => payload)).size, "twice at QoS 2");
	assert.ok(cable.damaged > 10);
});

test("Moddable's simulator: through Moddable's own TLSSocket, to a broker that wants TLS", {
	skip: skip || missing("openssl"),
}, async (context) => {
	const place = folder(context);
	const [key, certificate] = [join(place, "key.pem"), join(place, "certificate.pem")];
	const request = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=broker"];
	await tool(context, place, "openssl", ...request, "-keyout", key, "-out", certificate);
	const broker = await Mosquitto.start(
		context,
		`allow_anonymous true\nuser root\ncafile ${certificate}\ncertfile ${certificate}\nkeyfile ${key}`,
	);
	const main = `
import TCP from "embedded:io/socket/tcp";
import TLSSocket from "embedded:io/socket/tcp/tls";
import { Client } from "mqtt-mote";
import { TcpLink } from "mqtt-mote/moddable";
const socket = { io: TLSSocket, TCP: { io: TCP }, secure: { verify: false } };
const link = new TcpLink({ host: "127.0.0.1", port: ${broker.port}, socket });
const client = new Client({ link, clientId: "secret" });
let bytes = 0;
client.subscribe("secret", 1, ({ payloadStart, payloadEnd, remaining }) => {
	bytes += payloadEnd - payloadStart;
	if (remaining === 0) trace("came ", bytes, "\\n");
});
const topic = client.topic("secret", { qos: 1 });
for (let i = 0; i < 2; i++) topic.publish(new Uint8Array(400));
client.start();
`;
	const manifest = {
		include: [
			"$(MODDABLE)/examples/manifest_base.json",
			"$(MODDABLE)/examples/manifest_net.json",
			"$(MODDABLE)/examples/io/tcp/tlssocket/manifest.json",
			join(await packaged(context), "manifest.json"),
		],
		modules: { main: "./main" },
	};
	const board = simulator(context, await build(context, manifest, { "main.js": main }));
	await until("both came", () => board.output.includes("came 800"), 30_000);
});

/** Lives of a board that is killed. */
const LIVES = 12;

test("Moddable's simulator: a board whose files keep its journal is killed time and again, and loses nothing", {
	skip,
}, async (context) => {
	const random = seeded((message) => context.diagnostic(message));
	const place = await packaged(context);
	const settings = "allow_anonymous true\nset_tcp_nodelay true";
	const broker = await Mosquitto.start(context, settings);
	const manifest = {
		include: [
			"$(MODDABLE)/examples/manifest_base.json",
			"$(MODDABLE)/modules/io/files/manifest.json",
			join(place, "manifest.json"),
		],
		config: config(broker.port),
		modules: { main: "./main" },
	};
	const files = { "main.js": await onPackage("test/engines/firmware/durable-files.ts") };
	const firmware = await build(context, manifest, files);
	const seen = watch(context, broker.port, NAME);
	const home = folder(context);
	const taken: string[] = [];
	for (let life = 1; life <= LIVES; life++) {
		const board = simulator(context, firmware, home);
		const inThisLife = () => [...board.output.matchAll(/taken (\d+:\d+)/g)].map(([, text]) => text);
		const count = 1 + random.below(60);
		await until("it publishes", () => inThisLife().length >= count, 30_000);
		if (life === LIVES) {
			const all = [...taken, ...inThisLife().slice(0, count)];
			await until("all has arrived", () => all.every((text) => seen.output.includes(` ${text} at`)), 30_000);
		}
		await board.end("SIGKILL");
		taken.push(...inThisLife());
	}
	const lines = seen.output.trim().split("\n");
	const once = lines.filter((line) => line.startsWith(`${NAME}/2 `));
	context.diagnostic(`${taken.length} taken in ${LIVES} lives; ${lines.length} arrived`);
	assert.ok(taken.at(-1)?.startsWith(`${LIVES}:`), "it counts its lives");
	assert.deepEqual(once, [...new Set(once)]);
});

/** What an ESP8266 has for its firmware: `creation` of the SDK's manifest for it has 32,768 bytes, of which a stack of 256 slots. */
const ESP8266 = { memory: 32_768, stack: 256, slot: 16 };

/** Bytes that the network and the application have for themselves. */
const SPARE = 8192;

test("Moddable: in an ESP8266's memory the example publishes 10,000 messages and connects 100 times", {
	skip,
}, async (context) => {
	const port = await freePort();
	const place = await packaged(context);
	const example = join(place, "dist/moddable/telemetry.js");
	const source = readFileSync(example, "utf8");
	// A hundred times within a minute.
	const quick = source.replace("keepAlive: 30,", "keepAlive: 30, retryBase: 0.05, retryCap: 0.1,");
	assert.notEqual(quick, source);
	writeFileSync(example, quick);
	const heap = 640;
	const chunk = ESP8266.memory - SPARE - ESP8266.slot * (heap + ESP8266.stack);
	const creation = {
		static: 0,
		stack: ESP8266.stack,
		heap: { initial: heap, incremental: 0 },
		chunk: { initial: chunk, incremental: 0 },
	};
	const include = [join(place, "examples/moddable/telemetry/manifest.json")];
	const firmware = await build(context, { include, config: config(port), creation, modules: {} });
	const broker = await Mosquitto.start(context);
	const cutter = await Cutter.open(context, broker.port, port);
	const seen = watch(context, broker.port, NAME);
	const program = simulator(context, firmware);
	const readings = () => numbers(seen, `${NAME}/temperature`).length + numbers(seen, `${NAME}/humidity`).length;
	await until("it is online", () => seen.output.includes("/status online"));
	await broker.publish(`${NAME}/interval`, "10", 1);
	const memory: [number, number][] = [];
	for (let cuts = 1; cuts <= 100; cuts++) {
		await until("a hundred more came", () => readings() >= 100 * cuts);
		memory.push([instrument(program, "Slot used").at(-1) ?? 0, instrument(program, "Chunk used").at(-1) ?? 0]);
		cutter.cut();
		await until("it is back", () => cutter.levels.length > cuts);
	}
	await until("it has published all", () => readings() >= 10_000);
	const slots = Math.max(...memory.map(([one]) => one)) / 32; // bytes of a slot here
	const chunks = Math.max(...memory.map(([, one]) => one));
	const stack = Math.max(...instrument(program, "Stack used")) / 32;
	context.diagnostic(
		`${readings()} messages, ${cutter.levels.length} connections, within ${heap} slots and ${chunk} bytes of chunks`,
	);
	context.diagnostic(`seen in use at most: ${slots} slots, ${chunks} bytes of chunks, ${stack} slots of stack`);
	assert.ok(!/abort|failed in fixed size heap|exception/i.test(program.output), program.output.slice(-500));
	// Garbage of connections is collected now and then; nothing stays.
	const least = (part: [number, number][]) => Math.min(...part.map(([one]) => one)) / 32;
	const [early, late] = [least(memory.slice(1, 51)), least(memory.slice(50))];
	context.diagnostic(`after a collection: ${early} slots in the first half, ${late} in the second`);
	assert.ok(late <= early + 4);
});

test("Moddable's mcpack: a package that imports this one, from the tarball's files", { skip }, async (context) => {
	const broker = await Mosquitto.start(context);
	const project = folder(context);
	const name = basename(project).toLowerCase();
	mkdirSync(join(project, "node_modules"));
	mkdirSync(join(project, "out"));
	renameSync(await packaged(context), join(project, "node_modules/mqtt-mote"));
	writeFileSync(
		join(project, "package.json"),
		JSON.stringify({ name, version: "1.0.0", type: "module", main: "main.js" }),
	);
	writeFileSync(
		join(project, "main.js"),
		`import { Client } from "mqtt-mote";
import { TcpLink } from "mqtt-mote/moddable";
const link = new TcpLink({ host: "127.0.0.1", port: ${broker.port} });
const client = new Client({ link, clientId: "packed", onConnect: () => trace("it is connected\\n") });
client.start();
`,
	);
	// mcpack leaves its manifest in the SDK's own folder.
	context.after(() => rmSync(join(MODDABLE, "build/tmp", name), { recursive: true, force: true }));
	const out = join(project, "out");
	const output = await tool(context, project, "mcpack", "mcconfig", "-d", "-m", "-p", "lin", "-t", "build", "-o", out);
	const makefile = readFileSync(join(out, "tmp/lin/mc/debug", name, "makefile"), "utf8");
	assert.match(makefile, /-p mqtt-mote\.xsb/, output.slice(-1000));
	assert.match(makefile, /-p mqtt-mote\/moddable\.xsb/);
	const board = simulator(context, join(out, "bin/lin/mc/debug", name, "mc.so"));
	await until("it is connected", () => board.output.includes("it is connected"));
});
