/**
 * `npm run flash:espruino`: writes what `npm run build` has made for Espruino into the Storage of a board, with the command line tool
 * that is npm's package `espruino`, and starts it.
 */
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Complaint } from "./complaint.js";

/** Not a dependency: it brings more than a hundred packages along. npx fetches it when it is needed. */
const TOOL = "espruino@0.1.67";

/** What the board says at the end, in two halves, so that it is not taken for its echo. */
const WRITTEN = ["mqtt-mote is ", "written"];

/** Milliseconds that the tool may take: a board at 9,600 bits per second takes a minute or two. */
const LONGEST = 300_000;

const root = fileURLToPath(new URL("..", import.meta.url));

const USAGE = `Writes the firmware into an Espruino board, and starts it. Run "npm run build" first.

  npm run flash:espruino -- --port /dev/ttyUSB0 --ssid NETWORK --password PASSWORD --host 192.168.1.10

  --port NAME            the board: /dev/ttyUSB0, /dev/ttyACM0, COM3, or tcp://ADDRESS for one that listens on port 23
  --baud N               bits per second of the port; 115200 if left out
  --example NAME         which firmware: dist/firmware/espruino/NAME.js; telemetry if left out
  --only app|module      only the firmware, or only the module for require("mqtt-mote"); both if left out
  --host NAME            the broker
  --broker-port N        its port; 1883 if left out
  --name NAME            what the board is called; espruino-1 if left out
  --ssid, --password     the Wi-Fi network; without --ssid the board keeps the one that it has saved itself
  --tool COMMAND         an espruino command line tool that is installed already, in place of npx ${TOOL}`;

interface Options {
	port: string;
	baud: number;
	example: string;
	only: "app" | "module" | undefined;
	settings: Record<string, string | number> | undefined;
	tool: string | undefined;
}

/** Throws a Complaint that says what is missing. */
export function readOptions(argv: string[]): Options | "help" {
	const text = { type: "string" } as const;
	let values: Record<string, string | boolean | undefined>;
	try {
		({ values } = parseArgs({
			args: argv,
			options: {
				...{ port: text, baud: text, example: text, only: text, host: text, "broker-port": text },
				...{ name: text, ssid: text, password: text, tool: text, help: { type: "boolean" } },
			},
		}));
	} catch (error) {
		throw new Complaint(`${(error as Error).message}\n\n${USAGE}`, 2);
	}
	const of = (name: string) => values[name] as string | undefined;
	if (values.help) return "help";
	const port = of("port");
	if (port === undefined) {
		throw new Complaint(`say which port the board is on, for example --port /dev/ttyUSB0.\n\n${USAGE}`, 2);
	}
	if (!/^(tcp:|COM\d+$|([0-9a-f]{2}:){5})/i.test(port) && !existsSync(port)) {
		throw new Complaint(
			`there is no ${port}. Is the board plugged in? On Linux "ls /dev/ttyUSB* /dev/ttyACM*" shows the ports, on a Mac "ls /dev/cu.*".`,
		);
	}
	const number = (name: string, otherwise: number, highest: number) => {
		const value = Number(of(name) ?? otherwise);
		if (Number.isInteger(value) && value >= 1 && value <= highest) return value;
		throw new Complaint(`--${name} must be a whole number from 1 to ${highest}, not "${of(name)}"`);
	};
	const only = of("only");
	if (only !== undefined && only !== "app" && only !== "module") {
		throw new Complaint(`--only must be app or module, not "${only}"`);
	}
	const { host, ssid, password } = values as Record<string, string>;
	if (password !== undefined && ssid === undefined) throw new Complaint("--password needs --ssid");
	const given = { host, name: of("name"), "broker-port": of("broker-port"), ssid };
	let settings: Options["settings"];
	if (Object.values(given).some((one) => one !== undefined)) {
		if (host === undefined)
			throw new Complaint("--host is missing: the broker's name or address, as the board reaches it");
		settings = { host, port: number("broker-port", 1883, 65_535), name: given.name ?? "espruino-1" };
		if (ssid !== undefined) Object.assign(settings, { ssid, password: password ?? "" });
	}
	const baud = number("baud", 115_200, 4_000_000);
	return { port, baud, example: of("example") ?? "telemetry", only, settings, tool: of("tool") };
}

/**
 * What runs when the board starts: joins the network that the settings name, again whenever it is lost, and runs the firmware,
 * which finds out by itself when the broker can be reached.
 */
export function bootCode(example: string): string {
	return [
		`(function(){var s=require("Storage").readJSON("mqtt-mote.json",1),w,t;`,
		`function j(){t=0;w.connect(s.ssid,{password:s.password},function(e){if(e)l()})}`,
		`function l(){if(!t)t=setTimeout(j,10000)}`,
		`if(s&&s.ssid){w=require("Wifi");w.on("disconnected",l);j()}})();`,
		`require(${JSON.stringify(example)});`,
	].join("");
}

/** What is written into the board's Storage, by its name there. Throws a Complaint if it is not built. */
function files({ example, only, settings }: Options): Map<string, string> {
	const built = (file: string) => {
		if (existsSync(join(root, file))) return readFileSync(join(root, file), "latin1");
		const which = example === "telemetry" ? "" : `EXAMPLE=${example} `;
		throw new Complaint(`there is no ${file}: run "${which}npm run build" first`);
	};
	const result = new Map<string, string>();
	if (only !== "app") result.set("mqtt-mote", built("dist/espruino/mqtt-mote.js"));
	if (only !== "module") {
		result.set(example, built(`dist/firmware/espruino/${example}.js`));
		result.set(".bootcde", bootCode(example));
	}
	if (settings) result.set("mqtt-mote.json", JSON.stringify(settings));
	return result;
}

/** Runs a program, shows what it says, and gives that back. */
function run(command: string, parameters: string[]): Promise<string> {
	return new Promise((resolve, reject) => {
		const child = spawn(command, parameters, {
			stdio: ["ignore", "pipe", "pipe"],
			shell: process.platform === "win32",
			timeout: LONGEST,
		});
		let output = "";
		for (const stream of [child.stdout, child.stderr]) {
			stream.on("data", (data: Buffer) => {
				output += data.toString("latin1");
				process.stdout.write(data);
			});
		}
		child.on("error", ({ message }) => reject(new Complaint(`"${command}" could not be run: ${message}`)));
		child.on("close", () => resolve(output));
	});
}

async function upload(options: Options): Promise<void> {
	const folder = mkdtempSync(join(tmpdir(), "mqtt-mote-"));
	try {
		const contents = files(options);
		const [command, ...first] = options.tool?.split(" ") ?? ["npx", "--yes", TOOL];
		const parameters = [...first, "--no-ble", "--port", options.port, "-b", String(options.baud)];
		let count = 0;
		for (const [name, content] of contents) {
			const file = join(folder, String(count++));
			writeFileSync(file, content, "latin1");
			parameters.push("--storage", `${name}:${file}`);
			console.log(`${String(content.length).padStart(7)} bytes  ${name}`);
		}
		// The tool resets the board first, so that nothing runs while it is written.
		const start = join(folder, "start.js");
		writeFileSync(start, `print(${WRITTEN.map((text) => `"${text}"`).join("+")});setTimeout(load,500);\n`);
		// Its exit status says nothing.
		const output = await run(command, [...parameters, start]);
		if (output.includes(WRITTEN.join(""))) return;
		throw new Complaint(
			`the upload to ${options.port} has failed. If npx could not fetch ${TOOL}, this machine needs a network once, or a copy: ` +
				`"npm i -g ${TOOL}", then --tool espruino. If the board did not answer, is Espruino on it (docs/flash-espruino.md), is ` +
				`the baud rate right, and does no other program have the port?`,
		);
	} finally {
		rmSync(folder, { recursive: true, force: true });
	}
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
	try {
		const options = readOptions(process.argv.slice(2));
		if (options === "help") console.log(USAGE);
		else await upload(options);
	} catch (error) {
		if (!(error instanceof Complaint)) throw error;
		console.error(`flash:espruino: ${error.message}`);
		process.exitCode = error.exitStatus;
	}
}
