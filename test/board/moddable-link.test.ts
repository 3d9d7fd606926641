/** Moddable's TcpLink on a virtual board: what a socket throws never gets out of it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { bundle } from "../../benchmarks/bundle.js";
import { Reason } from "../../src/client.js";
import { openBroker } from "../simulator/broker.js";
import { ENGINES, until, withBoard } from "./support.js";

for (const { engine, options } of ENGINES) {
	test(`${engine}: a socket that throws when it is made, or written to, is tried again`, options, async () => {
		const broker = await openBroker();
		try {
			const firmware = await bundle("test/board/firmware/failing-socket.ts");
			await withBoard(
				engine,
				firmware,
				async ({ evaluate, aborts }) => {
					await until(async () => (await evaluate("firmware.client.status.delivered")) === 1);
					// First no socket, then CONNECT and a PUBLISH that throws, then all is well.
					assert.deepEqual(await evaluate("firmware.reasons"), [Reason.UNREACHABLE, Reason.LINK_LOST]);
					assert.equal(await evaluate("firmware.resent()"), 1);
					assert.deepEqual(aborts, []);
				},
				{ port: broker.port },
			);
		} finally {
			await broker.close();
		}
	});
}
