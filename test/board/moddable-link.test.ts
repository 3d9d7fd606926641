/** Moddable's TcpLink on a virtual board: names, other classes of sockets, and that nothing that these throw gets out of it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { bundle } from "../../benchmarks/bundle.js";
import { Reason, State } from "../../src/client.js";
import { openBroker } from "../simulator/broker.js";
import { ENGINES, type TestBoard, until, withBoard } from "./support.js";

/** Runs `use` with one of the firmwares beside this test, and a broker. */
async function withFirmware(
	engine: "xs" | "node",
	name: string,
	use: (board: TestBoard) => Promise<void>,
): Promise<void> {
	const broker = await openBroker();
	try {
		const firmware = await bundle(`test/board/firmware/${name}.ts`);
		await withBoard(engine, firmware, use, { port: broker.port });
	} finally {
		await broker.close();
	}
}

for (const { engine, options } of ENGINES) {
	test(`${engine}: a socket that throws when it is made, or written to, is tried again`, options, async () => {
		await withFirmware(engine, "failing-socket", async ({ evaluate, aborts }) => {
			await until(async () => (await evaluate("firmware.client.status.delivered")) === 1);
			// First no socket, then CONNECT and a PUBLISH that throws, then all is well.
			assert.deepEqual(await evaluate("firmware.reasons"), [Reason.UNREACHABLE, Reason.LINK_LOST]);
			assert.equal(await evaluate("firmware.resent()"), 1);
			assert.deepEqual(aborts, []);
		});
	});

	test(`${engine}: a class of sockets as TLS is one, closed within its own callback`, options, async () => {
		await withFirmware(engine, "other-socket", async ({ evaluate, aborts }) => {
			await until(async () => (await evaluate("firmware.answered")) === 1);
			await until(async () => (await evaluate("firmware.client.status.connections")) === 2);
			await evaluate("firmware.publish()");
			await until(async () => ((await evaluate("firmware.answered")) as number) >= 2);
			await evaluate("firmware.burst()");
			await until(async () => (await evaluate("firmware.intact")) === 15);
			assert.deepEqual(await evaluate("firmware.given"), [
				["127.0.0.1", "127.0.0.1", "broker"],
				["127.0.0.1", "127.0.0.1", "broker"],
			]);
			assert.deepEqual(await evaluate("firmware.reasons"), [Reason.STOPPED]);
			assert.deepEqual(aborts, []);
		});
	});

	test(
		`${engine}: a name is found by the device, or by a resolver that fails in every way first`,
		options,
		async () => {
			await withFirmware(engine, "names", async ({ evaluate, aborts }) => {
				await until(async () => (await evaluate("firmware.bySystem.status.state")) === State.CONNECTED);
				await until(async () => (await evaluate("firmware.client.status.state")) === State.CONNECTED);
				const { bad, late } = { bad: Reason.UNREACHABLE, late: Reason.OPEN_TIMEOUT };
				assert.deepEqual(await evaluate("firmware.reasons"), [bad, bad, bad, late]);
				assert.deepEqual(await evaluate("firmware.resolvers.map((one) => [one.asked, one.servers])"), [
					[5, ["127.0.0.1"]],
				]);
				// An answer that comes late changes nothing.
				await evaluate("firmware.resolvers[0].first.onError('broker.example')");
				assert.equal(await evaluate("firmware.client.status.state"), State.CONNECTED);
				assert.match(
					(await evaluate("firmware.complaint({ host: 'broker.example' })")) as string,
					/add dns: systemDns/,
				);
				assert.match((await evaluate("firmware.complaint({ host: '' , dns: {} })")) as string, /host must be/);
				assert.deepEqual(aborts, []);
			});
		},
	);

	test(`${engine}: a board's serial port, whose FIFO has 128 bytes`, options, async () => {
		await withFirmware(engine, "uart", async ({ evaluate, aborts }) => {
			await until(async () => (await evaluate("firmware.state()")) === State.CONNECTED);
			// It could not be opened first, and is not closed since.
			assert.deepEqual(await evaluate("firmware.reasons"), [Reason.UNREACHABLE]);
			const all = async (count: number) => {
				await until(async () => ((await evaluate(`firmware.publish(${count})`)) as number) === count);
				await until(async () => (await evaluate("firmware.delivered()")) === count);
				await until(async () => ((await evaluate("firmware.came")) as number) >= count);
			};
			await all(50);
			await evaluate("firmware.stop()");
			await until(async () => await evaluate("firmware.ports[1].connections === 2 && firmware.ports[1].room > 0"));
			await evaluate("firmware.start()");
			await until(async () => (await evaluate("firmware.state()")) === State.CONNECTED);
			await all(60);
			const port = "firmware.ports[1].options";
			assert.deepEqual(
				await evaluate(`[firmware.ports.length, ${port}.baud, ${port}.port, ${port}.transmit]`),
				[2, 115_200, 2, 17],
			);
			assert.deepEqual(await evaluate("firmware.reasons"), [Reason.UNREACHABLE, Reason.STOPPED]);
			assert.match((await evaluate("firmware.complaint({})")) as string, /io must be the class Serial/);
			assert.deepEqual(aborts, []);
		});
	});
}
