/**
 * What the tests of the virtual board share: boards from firmware text, a TCP server that records what came,
 * and waiting for something to become true. Called by the tests in this folder.
 */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Board } from "../../simulator/board/board.js";
import { XsWorker } from "../../simulator/board/xs-worker.js";

/** For `test`: skips with one clear line where the engine could not be compiled. */
export const needsXs =
	XsWorker.find() === undefined ? { skip: "the XS engine of @agoric/xsnap was not compiled on this machine" } : {};

/** The engines to run a test on, each with the options for `test`. */
export const ENGINES = [
	{ engine: "xs", options: needsXs },
	{ engine: "node", options: {} },
] as const;

export interface TestBoard {
	readonly board: Board;
	readonly traced: string[];
	readonly aborts: string[];
	/** The value of an expression, with `firmware` in scope. */
	evaluate(expression: string): Promise<unknown>;
}

/** Runs `use` with a board of its own, which is stopped whatever happens. */
export async function withBoard(
	engine: "xs" | "node",
	firmware: string,
	use: (running: TestBoard) => Promise<void>,
	config: Record<string, unknown> = {},
): Promise<void> {
	const folder = mkdtempSync(join(tmpdir(), "mqtt-mote-board-"));
	const bundle = join(folder, "main.js");
	writeFileSync(bundle, firmware);
	const traced: string[] = [];
	const aborts: string[] = [];
	try {
		const board = await Board.start({
			name: "tested",
			bundle,
			config,
			engine,
			onTrace: (line) => traced.push(line),
			onAbort: (message) => aborts.push(message),
		});
		try {
			await use({ board, traced, aborts, evaluate: (expression) => board.evaluate(expression) });
		} finally {
			await board.stop();
		}
	} finally {
		rmSync(folder, { recursive: true, force: true });
	}
}

export interface TestServer {
	readonly port: number;
	readonly connections: Socket[];
	/** All bytes that came on all connections. */
	received(): Buffer;
}

/** Runs `use` with a TCP server on the loopback interface. */
export async function withServer(use: (server: TestServer) => Promise<void>, onConnect?: (socket: Socket) => void) {
	const connections: Socket[] = [];
	const received: Buffer[] = [];
	const server: Server = createServer((socket) => {
		connections.push(socket);
		socket.on("error", () => {});
		socket.on("data", (bytes: Buffer) => received.push(bytes));
		onConnect?.(socket);
	});
	await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
	const { port } = server.address() as AddressInfo;
	try {
		await use({ port, connections, received: () => Buffer.concat(received) });
	} finally {
		for (const connection of connections) {
			connection.destroy();
		}
		await new Promise((resolve) => server.close(resolve));
	}
}

/** Waits until `condition` holds, and throws its last value when it does not within five seconds. */
export async function until(condition: () => unknown): Promise<void> {
	const deadline = performance.now() + 5_000;
	for (;;) {
		const value = await condition();
		if (value) {
			return;
		}
		if (performance.now() > deadline) {
			throw new Error(`not true within five seconds: ${condition}`);
		}
		await pause(2);
	}
}

export function pause(milliseconds: number): Promise<void> {
	return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
