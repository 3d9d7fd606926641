/** The command `start`: boards that publish, a broker for them, and what happens on the screen. Called by cli.ts. */
import { lookup } from "node:dns/promises";
import { isAbsolute, relative } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { BrokerAddress, StartOptions } from "./arguments.js";
import { Board } from "./board/board.js";
import { type Companion, openCompanion } from "./companion.js";
import { Complaint } from "./complaint.js";
import { upToDateBundle } from "./firmware.js";
import { clockTime, isConnected, messageLine, statusLine, statusTable } from "./format.js";
import { Monitor } from "./monitor.js";
import { Observer } from "./observer.js";
import type { Screen } from "./screen.js";

/** Milliseconds between two looks at the boards. */
const LOOK_MS = 500;

/** The gauge of each board is read at every so manieth look. */
const LOOKS_PER_GAUGE = 4;

/** Milliseconds between two rounds of status lines where there is no status block. */
const PLAIN_STATUS_MS = 5_000;

/** Boards that are started at the same time. */
const STARTED_AT_ONCE = 4;

/** Runs until the signal aborts; then everything is stopped in order. Rejects with a Complaint. */
export async function start(options: StartOptions, screen: Screen, signal: AbortSignal): Promise<void> {
	const target = options.broker && (await resolveHost(options.broker));
	const bundle = options.firmware ?? (await upToDateBundle((line) => screen.print(line)));
	const names = Array.from({ length: options.boards }, (_, index) => `${options.name}-${index + 1}`);
	const monitors: Monitor[] = [];
	let companion: Companion | undefined;
	let observer: Observer | undefined;
	try {
		if (signal.aborted) return;
		if (target === undefined) companion = await openCompanion(screen, { ...options, engine: options.companion });
		else {
			screen.print(`Broker mqtt://${options.broker?.host}:${target.port}`);
			observer = new Observer(target, names, (message, bytes) => screen.print(messageLine(new Date(), message, bytes)));
		}
		const address = target ?? { host: companion?.host ?? "", port: companion?.port ?? 0 };
		await startBoards(names, bundle, address, options.engine, screen, signal, monitors);
		await watch(monitors, observer, screen, signal);
	} finally {
		await Promise.all(monitors.map(({ board }) => board.stop()));
		observer?.stop();
		await companion?.close();
	}
}

/** The boards speak IPv4 and know no name server. */
async function resolveHost({ host, port }: BrokerAddress): Promise<BrokerAddress> {
	try {
		return { host: (await lookup(host, { family: 4 })).address, port };
	} catch (error) {
		const { code } = error as NodeJS.ErrnoException;
		throw new Complaint(`the broker's name "${host}" has no IPv4 address (${code}); check it, or the network`);
	}
}

async function startBoards(
	names: string[],
	bundle: string,
	address: BrokerAddress,
	engine: "xs" | "node" | undefined,
	screen: Screen,
	signal: AbortSignal,
	monitors: Monitor[],
): Promise<void> {
	const startOne = async (name: string) => {
		const say = (text: string) => screen.print(`${clockTime(new Date())}  ${name}: ${text}`);
		const config = { host: address.host, port: address.port, name };
		const board = await Board.start({ name, bundle, config, engine, onTrace: say, onAbort: say });
		monitors.push(new Monitor(name, board));
	};
	for (let index = 0; index < names.length && !signal.aborted; index += STARTED_AT_ONCE) {
		const group = names.slice(index, index + STARTED_AT_ONCE);
		const outcomes = await Promise.allSettled(group.map(startOne));
		const failed = outcomes.find((outcome) => outcome.status === "rejected");
		if (failed !== undefined) throw new Complaint(`a board could not be started: ${failed.reason.message}`);
		monitors.sort((one, other) => names.indexOf(one.report.name) - names.indexOf(other.report.name));
		if (index === 0) introduce(monitors[0].board.engine, engine, names, bundle, screen);
	}
}

function introduce(
	engine: "xs" | "node",
	wanted: "xs" | "node" | undefined,
	names: string[],
	bundle: string,
	screen: Screen,
): void {
	if (engine === "node" && wanted === undefined) {
		screen.print("The XS engine could not be compiled here, so the boards run on Node's, without a memory gauge");
	}
	const path = relative(process.cwd(), bundle);
	const who = names.length === 1 ? `Board ${names[0]}` : `Boards ${names[0]} to ${names[names.length - 1]}`;
	const runs = `${names.length === 1 ? "runs" : "run"} ${path.startsWith("..") || isAbsolute(path) ? bundle : path}`;
	screen.print(`${who} ${runs} on ${engine === "xs" ? "the XS engine" : "Node's engine"}`);
	screen.print("Ctrl-C ends");
}

/** Looks at the boards and shows what it saw, until the signal aborts. */
async function watch(
	monitors: Monitor[],
	observer: Observer | undefined,
	screen: Screen,
	signal: AbortSignal,
): Promise<void> {
	const shown = new Map<Monitor, string>();
	let observerProblem = "";
	let plainStatusAt = performance.now() + PLAIN_STATUS_MS;
	for (let round = 0; !signal.aborted; round++) {
		await Promise.all(
			monitors.map((monitor, index) => {
				const linkError = observer?.linkError ?? "";
				const isDue = monitor.report.gauge === undefined || (round + index) % LOOKS_PER_GAUGE === 0;
				return isDue ? monitor.measure(linkError) : monitor.look(linkError);
			}),
		);
		const reports = monitors.map((monitor) => monitor.report);
		if (screen.isLive) screen.showStatus(statusTable(reports));
		else {
			const now = performance.now();
			for (const monitor of monitors) {
				const state = `${isConnected(monitor.report)} ${monitor.report.problem}`;
				if (shown.get(monitor) === state && now < plainStatusAt) continue;
				shown.set(monitor, state);
				screen.print(statusLine(new Date(), monitor.report));
			}
			if (now >= plainStatusAt) plainStatusAt = now + PLAIN_STATUS_MS;
		}
		const problem = reports.some(isConnected) ? (observer?.problem ?? "") : "";
		if (problem !== "" && problem !== observerProblem) {
			screen.print(`The boards publish, but the desk cannot see it: ${problem}`);
		}
		observerProblem = problem;
		await sleep(LOOK_MS, undefined, { signal }).catch(() => {});
	}
}
