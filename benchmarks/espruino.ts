/**
 * What the client takes on Espruino, beside the budgets: `ESPRUINO=... node --import tsx benchmarks/espruino.ts`, with the path of an
 * Espruino for Linux, best one with the JsVars of an ESP8266 (12 bytes each, 1,700). Messages have 32 bytes, their topic 27.
 *
 * JsVars are those that `process.memory()` counts, less those before the firmware was loaded. The peak of a publication is what it
 * counts where the bytes for the socket are cut out, the deepest place of its way out. Speed is measured twice: from Storage, which on Linux
 * is a file, and with the code in memory.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { allJsVars } from "../test/engines/espruino.js";
import { bundle } from "../test/engines/firmware/bundle.js";
import { freePort, Program, until } from "../test/support/programs.js";

const { ESPRUINO } = process.env;
if (ESPRUINO === undefined) {
	console.log("ESPRUINO, the path of an Espruino for Linux, is not set: nothing to measure.");
	process.exit(0);
}

const folder = mkdtempSync(join(tmpdir(), "mqtt-mote-"));
const port = await freePort();
writeFileSync(join(folder, "mosquitto.conf"), `listener ${port} 127.0.0.1\nallow_anonymous true\n`);
const broker = new Program("mosquitto", ["-v", "-c", join(folder, "mosquitto.conf")]);
// Also where a measurement fails, or somebody has enough of it.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));
process.once("exit", () => {
	void broker.end();
	rmSync(folder, { recursive: true });
});
await until("Mosquitto runs", () => broker.output.includes("running"));

let scripts = 0;
function run(script: string): Program {
	const name = `${scripts++}.js`;
	writeFileSync(join(folder, name), script);
	return new Program(resolve(ESPRUINO ?? ""), [name], { cwd: folder });
}

const code = await bundle("espruino", "test/engines/firmware/measured.ts");
const least = await bundle("espruino", "examples/least.ts");
const everything = await bundle("espruino", "test/engines/firmware/everything.ts");
const settings = { host: "127.0.0.1", port, name: "esp" };
const files = [
	["mqtt-mote.json", JSON.stringify(settings)],
	["firmware", code],
	["least", least],
];
for (const [name, content] of files) {
	for (let at = 0; at < content.length; at += 4000) {
		const piece = JSON.stringify(content.slice(at, at + 4000));
		const writer = run(`require("Storage").write("${name}",${piece},${at},${content.length});`);
		await until("Storage is written", () => writer.exited);
	}
}

const rows: [string, string, string][] = [
	[
		"bytes minified: examples/least.ts / everything.ts, host included",
		"5,000 / 9,000",
		`${least.length} / ${everything.length}`,
	],
];

/** Runs the firmware, from Storage or in memory, and `then` once it is connected; gives back what it printed. */
async function measured(where: "Storage" | "memory", then: string, end: RegExp, name = "firmware"): Promise<string> {
	const load = `require("${name}")`;
	const cached = where === "memory" ? `Modules.addCached("firmware",${JSON.stringify(code)});` : "";
	const program = run(`${cached}
		function u(){return process.memory().usage}
		function then(){print("live",u()-base);${then}}
		setTimeout(function(){global.base=u();${load};setTimeout(then,1500)},10);`);
	try {
		await until(
			"it has measured",
			() => {
				if (/Uncaught|OUT OF MEMORY/.test(program.output)) throw new Error(program.output.slice(-2000));
				return end.test(program.output);
			},
			120_000,
		);
		return program.output;
	} finally {
		await program.end("SIGKILL");
	}
}

const number = (text: string, pattern: RegExp) => Number(pattern.exec(text)?.[1] ?? Number.NaN);

const peaks = await measured(
	"Storage",
	`var p=0,b=u();String.prototype.substr=function(x,y){var n=u();if(n>p)p=n;return this.slice(x,x+y)};
	go(0,1);
	setTimeout(function(){print("peak0",p-b);p=0;b=u();go(1,1)},500);
	setTimeout(function(){print("peak1",p-b);b=u();burst();setTimeout(function(){print("after",u()-b);print("END")},1000)},1000);`,
	/END/,
);
const live = number(await measured("Storage", "", /live/, "least"), /live (\d+)/);
rows.push(["JsVars live: examples/least.ts, connected, from Storage", "300", String(live)]);
rows.push([
	"peak of a QoS 0 / QoS 1 publish",
	"30 / 50",
	`${number(peaks, /peak0 (\d+)/)} / ${number(peaks, /peak1 (\d+)/)}`,
]);
const [, taken, rejected] = /burst (\d+) (\d+)/.exec(peaks) ?? [];
rows.push([
	"a burst of 100 at QoS 0: taken, refused, JsVars after it",
	"refused and counted, flat",
	`${taken}, ${rejected}, ${number(peaks, /after (-?\d+)/)}`,
]);

const gained: number[] = [];
for (const work of ["go(0,10000)", "cycle(100)"]) {
	// What comes once comes first.
	const output = await measured(
		"Storage",
		`go(1,20);setTimeout(function(){print("from",u());${work}},2000);setInterval(function(){print("now",u())},300);`,
		/took.*took.*now.*now.*now \d+\s/s,
	);
	gained.push(number(output, /.*now (\d+)\s/s) - number(output, /from (\d+)/));
}
rows.push(["JsVars gained over 10,000 messages / 100 connections", "0 / 0", gained.join(" / ")]);

// The code itself needs as many JsVars in memory as it has blocks of 8 bytes.
const places = (await allJsVars()) > 3000 ? (["memory", "Storage"] as const) : (["Storage"] as const);
for (const where of places) {
	const rates: number[] = [];
	for (const qos of [0, 1]) {
		const count = where === "memory" ? 3000 : 500;
		const took = number(await measured(where, `go(${qos},${count});`, /took/), /took ([\d.]+)/);
		rates.push(Math.round(count / took));
	}
	rows.push([`messages per second at QoS 0 / QoS 1, code in ${where}`, "7,000 / 3,000", rates.join(" / ")]);
}

console.log(`${"".padEnd(70)} ${"budget".padEnd(26)} measured`);
for (const [what, budget, value] of rows) console.log(`${what.padEnd(70)} ${budget.padEnd(26)} ${value}`);
await broker.end();
