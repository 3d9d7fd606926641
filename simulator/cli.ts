/**
 * The command line `mqtt-mote`: reads what is wanted, runs it, and ends it on Ctrl-C. Run by `npm start` and
 * by bin/mqtt-mote.js.
 */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { type BrokerOptions, type Request, readArguments } from "./arguments.js";
import { openCompanion } from "./companion.js";
import { Complaint } from "./complaint.js";
import { Screen } from "./screen.js";
import { start } from "./start.js";

/** What a shell reports for a program that Ctrl-C ended. */
const FORCED_EXIT = 130;

const CONTROL_C = 3;

async function run(request: Request): Promise<void> {
	if (request.command === "help") {
		console.log(request.text);
		return;
	}
	if (request.command === "version") {
		const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
		console.log(`mqtt-mote ${version}`);
		return;
	}
	const screen = new Screen(process.stdout, request.command === "start" && request.options.plain);
	const stopping = new AbortController();
	hearSignals(stopping, screen);
	const releaseKeyboard = screen.isLive ? hearKeyboard(stopping) : () => {};
	try {
		if (request.command === "start") await start(request.options, screen, stopping.signal);
		else await serve(request.options, screen, stopping.signal);
		screen.end("Stopped");
	} catch (error) {
		screen.flush();
		throw error;
	} finally {
		releaseKeyboard();
	}
}

/** The command `broker`. */
async function serve(options: BrokerOptions, screen: Screen, signal: AbortSignal): Promise<void> {
	const companion = await openCompanion(screen, options);
	if (!signal.aborted) await once(signal, "abort");
	await companion.close();
}

/** The first signal stops in order, the second one at once. Without a reader of the output it ends too. */
function hearSignals(stopping: AbortController, screen: Screen): void {
	for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, () => stop(stopping));
	process.stdout.on("error", () => {
		screen.mute();
		stopping.abort();
	});
}

/**
 * Takes Ctrl-C from the keyboard, before the terminal makes a signal of it: that would reach npm too, which
 * then fails whatever our exit status is. The result gives the keyboard back.
 */
function hearKeyboard(stopping: AbortController): () => void {
	const { stdin } = process;
	if (!stdin.isTTY) return () => {};
	stdin.setRawMode(true);
	stdin.on("data", (keys: Buffer) => {
		if (keys.includes(CONTROL_C)) stop(stopping);
	});
	stdin.on("error", () => stopping.abort()); // the terminal is gone
	return () => {
		stdin.setRawMode(false);
		stdin.pause();
	};
}

function stop(stopping: AbortController): void {
	if (stopping.signal.aborted) process.exit(FORCED_EXIT);
	stopping.abort();
}

try {
	await run(readArguments(process.argv.slice(2)));
} catch (error) {
	if (!(error instanceof Complaint)) throw error;
	process.stderr.write(`mqtt-mote: ${error.message}\n`);
	process.exitCode = error.exitStatus;
}
