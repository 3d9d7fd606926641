/** The firmware in Moddable's simulator with the instruments of XS, against Mosquitto. Built with mcconfig. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { after, before, type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { folder, freePort, Mosquitto, missing, Program, until } from "../support/programs.js";
import { doesEverything } from "./everything.js";
import { bundle } from "./firmware/bundle.js";
import { Gate } from "./gate.js";
import { missesNothing, numbers } from "./outage.js";

const MODDABLE = process.env.MODDABLE ? resolve(process.env.MODDABLE) : "";
const skip = MODDABLE
	? missing("mosquitto", "mosquitto_sub", "mosquitto_pub", "xvfb-run", "stdbuf", "make", "gcc")
	: "needs MODDABLE, the folder of a Moddable SDK built for Linux";

const NAME = "moddable-test";

/** Milliseconds that one build may take. */
const BUILD = 55_000;

const root = fileURLToPath(new URL("../..", import.meta.url));
const example = join(root, "dist/firmware/moddable/telemetry");
const tools = join(MODDABLE, "build/bin/lin/release");

/** What the tests share: both builds have the port of the broker inside, so it is one for all. */
let app = "";
let port = 0;

before(async () => {
	if (skip) return;
	app = mkdtempSync(join(tmpdir(), "mqtt-mote-"));
	mkdirSync(join(app, "out"));
	port = await freePort();
	if (existsSync(`${example}.js`)) return;
	mkdirSync(dirname(example), { recursive: true });
	writeFileSync(`${example}.js`, await bundle("moddable", "examples/telemetry.ts"));
});

after(() => {
	if (app) rmSync(app, { recursive: true, force: true });
});

/** Builds what the manifest asks for on top of the project's own one; the file for mcsim. */
async function build(context: TestContext, modules?: Record<string, string>): Promise<string> {
	const config = { host: "127.0.0.1", port, name: NAME };
	writeFileSync(
		join(app, "manifest.json"),
		JSON.stringify({ include: [join(root, "manifest.json")], config, modules }),
	);
	const variables = [`MODDABLE=${MODDABLE}`, `PATH=${tools}:${process.env.PATH}`];
	const parameters = ["-d", "-m", "-p", "lin", "-t", "build", "-o", join(app, "out")];
	const mcconfig = new Program("env", [...variables, "mcconfig", ...parameters], { cwd: app });
	context.after(() => mcconfig.end());
	await until("mcconfig has ended", () => mcconfig.exited, BUILD);
	const result = join(app, "out/bin/lin/mc/debug", basename(app), "mc.so");
	assert.ok(existsSync(result), mcconfig.output.slice(-2000));
	return result;
}

/** The simulator, without a window: what XS says of itself is in the output. */
function board(context: TestContext, firmware: string): Program {
	const home = folder(context);
	mkdirSync(join(home, ".config/tech.moddable.mcsim"), { recursive: true });
	const env = {
		...process.env,
		HOME: home,
		XDG_CONFIG_HOME: join(home, ".config"),
		XSBUG_HOST: "127.0.0.1",
		XSBUG_PORT: "1", // nobody: it goes on without a debugger
		NO_AT_BRIDGE: "1",
	};
	const mcsim = [join(tools, "mcsim"), join(MODDABLE, "build/simulators"), firmware];
	const program = new Program("xvfb-run", ["-a", "stdbuf", "-oL", ...mcsim], { env });
	context.after(() => program.end());
	return program;
}

/** What the instruments showed, once a second: a column of theirs. */
function instrument({ output }: Program, name: string): number[] {
	const lines = output.split("\n").slice(0, -1);
	const key = lines.find((line) => line.startsWith("instruments key: "))?.slice(17);
	const column = key?.trim().split(",").indexOf(name) ?? -1;
	if (column < 0) return [];
	const rows = lines.filter((line) => line.startsWith("instruments: "));
	return rows.map((line) => Number(line.slice(13).split(",")[column]));
}

test("Moddable: the example publishes at QoS 1, obeys a new interval, and allocates nothing meanwhile", {
	skip,
}, async (context) => {
	const firmware = await build(context);
	const broker = await Mosquitto.start(context);
	await Gate.open(context, broker.port, port);
	const place = ["-h", "127.0.0.1", "-p", String(broker.port)];
	const seen = new Program("mosquitto_sub", [...place, "-q", "1", "-t", `${NAME}/#`, "-F", "%t %p at QoS %q"]);
	context.after(() => seen.end());
	const program = board(context, firmware);
	await until("it is online", () => seen.output.includes(`${NAME}/status online at QoS 1\n`));
	await until("two readings came", () => numbers(seen, `${NAME}/temperature`).length >= 2);
	await broker.publish(`${NAME}/interval`, "10", 1);
	await until("hundred more came", () => numbers(seen, `${NAME}/temperature`).length >= 100);
	const samples = () => instrument(program, "Slot used").length;
	const start = samples() + 1; // the one after next lies in this time as a whole
	await until("five seconds have passed", () => samples() >= start + 5);
	const during = (name: string) => instrument(program, name).slice(start, start + 5);
	const slots = during("Slot used");
	const chunks = during("Chunk used");
	context.diagnostic(`Slot used: ${slots.join(" ")}; Chunk used: ${chunks.join(" ")}`);
	context.diagnostic(`Garbage collections: ${during("Garbage collections").join(" ")}`);
	assert.ok(numbers(seen, `${NAME}/temperature`).length > 300, "a hundred a second, more or less");
	assert.deepEqual(
		slots,
		slots.map(() => slots[0]),
	);
	assert.deepEqual(
		chunks,
		chunks.map(() => chunks[0]),
	);
	assert.deepEqual(during("Garbage collections"), [0, 0, 0, 0, 0]);
	for (const line of seen.output.trim().split("\n").slice(0, -1)) {
		assert.match(
			line,
			/^moddable-test\/(status online|interval 10|temperature \d\d\.\d\d|humidity \d\d\.\d) at QoS 1$/,
		);
	}
});

test("Moddable: killed for two seconds, the broker misses nothing", { skip }, async (context) => {
	// The new file comes last, or make would hold the build for up to date.
	writeFileSync(join(app, "counter.js"), await bundle("moddable", "test/engines/firmware/counter.ts"));
	const firmware = await build(context, { "~": example, main: "./counter" });
	const start = async () => {
		board(context, firmware);
		return () => {};
	};
	await missesNothing(context, `${NAME}/count`, start, port);
});

test("Moddable: QoS 2, a stream, a held message, unsubscribing and level 3 over a link that breaks", {
	skip,
}, async (context) => {
	writeFileSync(join(app, "everything.js"), await bundle("moddable", "test/engines/firmware/everything.ts"));
	const firmware = await build(context, { "~": example, main: "./everything" });
	const start = async () => {
		board(context, firmware);
		return () => {};
	};
	await doesEverything(context, NAME, start, port);
});
