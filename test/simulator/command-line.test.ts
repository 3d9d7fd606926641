/** What the command line answers to what is typed, before anything runs. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { tmpdir } from "node:os";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { readArguments } from "../../simulator/arguments.js";
import { Desk } from "./desk.js";

const limits = { timeout: 60_000 };

test("--help shows every command and option", limits, async () => {
	const { status, stdout, stderr } = await new Desk("--help").end();
	assert.equal(status, 0);
	assert.equal(stderr, "");
	const words = ["mqtt-mote start", "mqtt-mote broker", "--help", "--version"];
	words.push(
		"--boards N",
		"--broker URL",
		"--port N",
		"--host ADDRESS",
		"--serial DEVICE",
		"--companion NAME",
		"--engine NAME",
		"--firmware FILE",
		"--name NAME",
		"--plain",
	);
	for (const word of words) assert.ok(stdout.includes(word), word);
});

test("a command's --help shows that command's options only", () => {
	const request = readArguments(["broker", "--help"]);
	assert.equal(request.command, "help");
	assert.match(request.text, /--port/);
	assert.doesNotMatch(request.text, /--boards/);
});

test("--version shows the version, also through bin/mqtt-mote.js and from another folder", limits, async () => {
	const bin = fileURLToPath(new URL("../../bin/mqtt-mote.js", import.meta.url));
	const { stdout, stderr } = await promisify(execFile)(process.execPath, [bin, "--version"], { cwd: tmpdir() });
	assert.match(stdout, /^mqtt-mote \d+\.\d+\.\d+\n$/);
	assert.equal(stderr, "");
});

test("without a command it starts one board", () => {
	const options = { boards: 1, name: "board", plain: false };
	assert.deepEqual(readArguments([]), { command: "start", options });
	assert.deepEqual(readArguments(["start"]), { command: "start", options });
});

test("a broker's URL without a port means port 1883", () => {
	for (const url of ["mqtt://desk.local", "mqtt://desk.local:1883", "mqtt://desk.local/"]) {
		const request = readArguments(["--broker", url]);
		assert.ok(request.command === "start");
		assert.deepEqual(request.options.broker, { host: "desk.local", port: 1883 });
	}
});

test("the companion's engine is chosen for the broker alone, and for boards", () => {
	assert.deepEqual(readArguments(["broker", "--engine", "aedes"]), { command: "broker", options: { engine: "aedes" } });
	const request = readArguments(["start", "--companion", "aedes", "--engine", "node"]);
	assert.ok(request.command === "start");
	assert.equal(request.options.companion, "aedes");
	assert.equal(request.options.engine, "node");
});

test("several serial lines, each with its speed and mode", () => {
	const lines = ["/dev/ttyUSB0", "COM3@9600", "/dev/ttyACM0@57600,raw", "/dev/ttyACM1,raw"];
	const serial = [
		{ path: "/dev/ttyUSB0", baudRate: 115_200, raw: false },
		{ path: "COM3", baudRate: 9600, raw: false },
		{ path: "/dev/ttyACM0", baudRate: 57_600, raw: true },
		{ path: "/dev/ttyACM1", baudRate: 115_200, raw: true },
	];
	const request = readArguments(["broker", ...lines.flatMap((line) => ["--serial", line])]);
	assert.deepEqual(request, { command: "broker", options: { serial } });
});

const wrong: [string[], RegExp][] = [
	[["strat"], /there is no command "strat"; the commands are start and broker/],
	[["constructor"], /there is no command "constructor"/],
	[["start", "start"], /"start" is too much/],
	[["--bords", "3"], /there is no option --bords/],
	[["-x"], /there is no option -x/],
	[["broker", "--boards", "2"], /broker has no option --boards/],
	[["--boards", "0"], /--boards must be a number from 1 to 50, not "0"/],
	[["--boards", "51"], /--boards must be a number from 1 to 50, not "51"/],
	[["--boards", "-1"], /--boards must be a number from 1 to 50, not "-1"/],
	[["--boards", "two"], /--boards must be a number from 1 to 50, not "two"/],
	[["--boards"], /--boards needs a value/],
	[["--boards", "--plain"], /--boards needs a value/],
	[["--plain=yes"], /--plain takes no value/],
	[["--port", "65536"], /--port must be a number from 0 to 65535, not "65536"/],
	[["--port", "1e3"], /--port must be a number/],
	[["--broker", "localhost"], /--broker must be mqtt:\/\/HOST or mqtt:\/\/HOST:PORT, not "localhost"/],
	[["--broker", "mqtts://host"], /--broker must be mqtt:/],
	[["--broker", "mqtt://"], /--broker must be mqtt:/],
	[["--broker", "mqtt://host:0"], /--broker must be mqtt:/],
	[["--broker", "mqtt://host:70000"], /--broker must be mqtt:/],
	[["--broker", "mqtt://host:port"], /--broker must be mqtt:/],
	[["--broker", "mqtt://host", "--port", "1884"], /--port is for the companion broker/],
	[["--engine", "aedes"], /--engine must be xs or node, not "aedes"/],
	[["broker", "--engine", "xs"], /--engine must be strict or aedes, not "xs"/],
	[["--companion", "mosquitto"], /--companion must be strict or aedes, not "mosquitto"/],
	[["--broker", "mqtt://host", "--companion", "aedes"], /--companion is for the companion broker/],
	[["--broker", "mqtt://host", "--serial", "/dev/ttyUSB0"], /--host and --serial are for the companion broker/],
	[["broker", "--host", "desk.local"], /--host must be an IPv4 address of this machine/],
	[["broker", "--serial", "/dev/ttyUSB0@fast"], /--serial must be PATH@BAUD or PATH@BAUD,raw/],
	[["broker", "--serial", "/dev/ttyUSB0@0"], /--serial must be/],
	[["broker", "--serial", "/dev/ttyUSB0,framed"], /--serial must be/],
	[["--engine", "v8"], /--engine must be xs or node, not "v8"/],
	[["--firmware", "no/such/file.js"], /--firmware must be a file that exists, not "no\/such\/file.js"/],
	[["--name", "a/b"], /--name must be 1 to 20 letters/],
];

for (const [args, sentence] of wrong) {
	test(`mqtt-mote ${args.join(" ")} is refused with a sentence`, () => {
		assert.throws(() => readArguments(args), { message: sentence, exitStatus: 2 });
	});
}

test("a wrong option gets one sentence on stderr and exit status 2", limits, async () => {
	const { status, stdout, stderr } = await new Desk("start", "--boards", "99").end();
	assert.equal(status, 2);
	assert.equal(stdout, "");
	assert.equal(stderr, 'mqtt-mote: --boards must be a number from 1 to 50, not "99"\n');
});
