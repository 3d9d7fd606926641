/** The rules of `embedded:io/socket/tcp` on a virtual board, in both engines, against a real TCP server. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { ENGINES, pause, until, withBoard, withServer } from "./support.js";

/** Firmware that records its callbacks, and leaves the rest to the test. */
const FIRMWARE = `
import TCP from "embedded:io/socket/tcp";
export const log = [];
export let socket;
export function open(port, more) {
	socket = new TCP({
		address: "127.0.0.1", port, target: "the target",
		onReadable(count) { log.push("readable " + count + (this === socket ? "" : " this is wrong")); },
		onWritable(count) { log.push("writable " + count + (this === socket ? "" : " this is wrong")); },
		onError(...parameters) { log.push("error " + parameters.length + (this === socket ? "" : " this is wrong")); },
		...more,
	});
}
export function caught(action) {
	try { return action(); } catch (error) { return "throws " + error.message; }
}
export const bytes = (buffer) => Array.from(new Uint8Array(buffer));
`;

for (const { engine, options } of ENGINES) {
	const rule = (sentence: string, body: () => Promise<void>) => test(`${engine}: ${sentence}`, options, body);

	rule("a connection is announced once, with room for 1536 bytes, and shows its target", () =>
		withServer((server) =>
			withBoard(engine, FIRMWARE, async ({ evaluate }) => {
				assert.equal(await evaluate(`firmware.caught(() => firmware.open(${server.port}))`), undefined);
				await until(() => server.connections.length === 1);
				await until(async () => (await evaluate("firmware.log.length")) === 1);
				await pause(30);
				assert.deepEqual(await evaluate("firmware.log"), ["writable 1536"]);
				assert.equal(await evaluate("firmware.socket.target"), "the target");
				assert.equal(await evaluate("firmware.socket.format"), "buffer");
			}),
		),
	);

	rule("write before the connection throws", () =>
		withServer((server) =>
			withBoard(engine, FIRMWARE, async ({ evaluate }) => {
				const answer = await evaluate(
					`firmware.open(${server.port}); firmware.caught(() => firmware.socket.write(new Uint8Array(1)))`,
				);
				assert.equal(answer, "throws not ready");
			}),
		),
	);

	rule("write copies, answers what is left, throws beyond it, and is told when the bytes are out", () =>
		withServer((server) =>
			withBoard(engine, FIRMWARE, async ({ evaluate }) => {
				await evaluate(`firmware.open(${server.port})`);
				await until(async () => (await evaluate("firmware.log.length")) === 1);
				const answer = await evaluate(`
					const view = Uint8Array.of(1, 2, 3);
					const first = firmware.socket.write(view);
					view.fill(9);
					const second = firmware.socket.write(Uint8Array.of(4, 5, 6, 7).buffer);
					const third = firmware.socket.write(new DataView(Uint8Array.of(0, 8, 9, 0).buffer, 1, 2));
					[first, second, third,
						firmware.caught(() => firmware.socket.write(new Uint8Array(1528))),
						firmware.socket.write(new Uint8Array(1527))]`);
				assert.deepEqual(answer, [1533, 1529, 1527, "throws would block", 0]);
				await until(() => server.received().length === 1536);
				assert.deepEqual([...server.received().subarray(0, 10)], [1, 2, 3, 4, 5, 6, 7, 8, 9, 0]);
				await until(async () => (await evaluate("firmware.log.at(-1)")) === "writable 1536");
				const told = (await evaluate("firmware.log.length")) as number;
				await pause(30);
				assert.equal(await evaluate("firmware.log.length"), told, "told once, not again and again");
			}),
		),
	);

	rule("new bytes are announced with all that is queued, and unread bytes not again", () =>
		withServer((server) =>
			withBoard(engine, FIRMWARE, async ({ evaluate }) => {
				await evaluate(`firmware.open(${server.port})`);
				await until(async () => (await evaluate("firmware.log.length")) === 1);
				server.connections[0]?.write(Buffer.of(1, 2, 3, 4, 5));
				await until(async () => (await evaluate("firmware.log.length")) === 2);
				assert.equal(await evaluate("firmware.socket.read(Uint8Array.of(0, 0))"), 2);
				await pause(30);
				assert.equal(await evaluate("firmware.log.length"), 2);
				server.connections[0]?.write(Buffer.of(6, 7));
				await until(async () => (await evaluate("firmware.log.length")) === 3);
				assert.deepEqual(await evaluate("firmware.log"), ["writable 1536", "readable 5", "readable 5"]);
				assert.deepEqual(await evaluate("firmware.bytes(firmware.socket.read())"), [3, 4, 5, 6, 7]);
			}),
		),
	);

	rule("read fills a view, makes a buffer, and throws for nothing or too much", () =>
		withServer(
			(server) =>
				withBoard(engine, FIRMWARE, async ({ evaluate }) => {
					await evaluate(`firmware.open(${server.port})`);
					await until(async () => (await evaluate("firmware.log.length")) === 2);
					const answer = await evaluate(`
						const { socket, caught, bytes } = firmware;
						const view = new Uint8Array(2), fields = new DataView(new ArrayBuffer(2)), buffer = new ArrayBuffer(1);
						[
							socket.read(view), bytes(view.buffer),
							socket.read(fields), bytes(fields.buffer),
							socket.read(buffer), bytes(buffer),
							bytes(socket.read(2)),
							caught(() => socket.read(0)), caught(() => socket.read(new Uint8Array(0))),
							caught(() => socket.read(4)), caught(() => socket.read(new Uint8Array(4))),
							bytes(socket.read()),
							String(socket.read()), String(socket.read(1)), String(socket.read(view)),
						]`);
					assert.deepEqual(answer, [
						...[2, [1, 2], 2, [3, 4], 1, [5], [6, 7]],
						...["throws invalid", "throws invalid", "throws invalid", "throws invalid"],
						[8, 9, 10],
						...["undefined", "undefined", "undefined"],
					]);
				}),
			(socket) => socket.write(Buffer.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10)),
		),
	);

	rule("in number format it reads and writes single bytes", () =>
		withServer(
			(server) =>
				withBoard(engine, FIRMWARE, async ({ evaluate }) => {
					await evaluate(`firmware.open(${server.port}, { format: "number" })`);
					await until(async () => (await evaluate("firmware.log.length")) === 2);
					const answer = await evaluate(`
						const { socket } = firmware;
						[socket.format, socket.read(), socket.read(), String(socket.read()), socket.write(65), socket.write(66)]`);
					assert.deepEqual(answer, ["number", 200, 201, "undefined", 1535, 1534]);
					await until(() => server.received().toString() === "AB");
					assert.equal(await evaluate("firmware.socket.format = 'buffer'; firmware.socket.format"), "buffer");
					assert.match(
						String(await evaluate("firmware.caught(() => { firmware.socket.format = 'string' })")),
						/unimplemented/,
					);
				}),
			(socket) => socket.write(Buffer.of(200, 201)),
		),
	);

	rule("a remote close is an error, told after all queued bytes were read, and write then does nothing", () =>
		withServer(
			(server) =>
				withBoard(engine, FIRMWARE, async ({ evaluate }) => {
					await evaluate(`firmware.open(${server.port})`);
					await until(async () => (await evaluate("firmware.log.length")) === 2);
					await pause(50);
					assert.deepEqual(await evaluate("firmware.log"), ["writable 1536", "readable 3"]);
					await evaluate("firmware.socket.read(1)");
					await pause(30);
					assert.equal(await evaluate("firmware.log.length"), 2);
					await evaluate("firmware.socket.read(2)");
					await until(async () => (await evaluate("firmware.log.at(-1)")) === "error 0");
					assert.equal(await evaluate("String(firmware.socket.write(new Uint8Array(1)))"), "undefined");
					assert.equal(await evaluate("String(firmware.socket.read())"), "undefined");
				}),
			(socket) => socket.end(Buffer.of(1, 2, 3)),
		),
	);

	rule("a refused connection is an error, and nothing else", () =>
		withBoard(engine, FIRMWARE, async ({ evaluate }) => {
			let refusing = 0;
			await withServer(async ({ port }) => {
				refusing = port;
			});
			await evaluate(`firmware.open(${refusing})`);
			await until(async () => (await evaluate("firmware.log.length")) === 1);
			assert.deepEqual(await evaluate("firmware.log"), ["error 0"]);
		}),
	);

	rule("close is heard by the peer and can be repeated; what else is called later throws", () =>
		withServer((server) =>
			withBoard(engine, FIRMWARE, async ({ evaluate }) => {
				await evaluate(`firmware.open(${server.port})`);
				await until(async () => (await evaluate("firmware.log.length")) === 1);
				let ended = false;
				server.connections[0]?.on("end", () => {
					ended = true;
				});
				await evaluate("firmware.socket.write(Uint8Array.of(1, 2)); firmware.socket.close(); firmware.socket.close()");
				await until(() => ended);
				assert.deepEqual([...server.received()], [1, 2], "what was written before close goes out");
				for (const call of ["read()", "write(new Uint8Array(1))", "format"]) {
					assert.match(
						String(await evaluate(`firmware.caught(() => firmware.socket.${call})`)),
						/throws .*invalid host data/,
					);
				}
				assert.deepEqual(await evaluate("firmware.log"), ["writable 1536"]);
			}),
		),
	);

	rule("an address must be four numbers, a port 16 bits", () =>
		withBoard(engine, FIRMWARE, async ({ evaluate }) => {
			for (const address of ["localhost", "", "1.2.3", "1.2.3.4.5", "1.2.3.256", "1..2.3", "1.2.3.4."]) {
				const answer = await evaluate(`firmware.caught(() => firmware.open(1, { address: "${address}" }))`);
				assert.equal(answer, "throws invalid address", address);
			}
			assert.equal(await evaluate("firmware.caught(() => firmware.open(65536))"), "throws invalid port");
		}),
	);

	rule("a board that reads slowly gets every byte, never more than 1536 at a time", () => {
		const sent = Buffer.from(Array.from({ length: 50_000 }, (_, index) => (index * 7) & 255));
		const firmware = `${FIRMWARE}
			export let total = 0, sum = 0, most = 0;
			export function sink(port) {
				open(port, { onReadable(count) {
					most = Math.max(most, count);
					const view = new Uint8Array(this.read(Math.min(count, 1000)));
					for (const byte of view) { sum = (sum * 31 + byte) | 0; }
					total += view.length;
				} });
			}
			export function rest() {
				const view = new Uint8Array(socket.read() ?? 0);
				for (const byte of view) { sum = (sum * 31 + byte) | 0; }
				total += view.length;
				return total;
			}`;
		return withServer(
			(server) =>
				withBoard(engine, firmware, async ({ evaluate }) => {
					await evaluate(`firmware.sink(${server.port})`);
					await until(async () => (await evaluate("firmware.rest()")) === sent.length);
					const expected = sent.reduce((sum, byte) => (sum * 31 + byte) | 0, 0);
					assert.equal(await evaluate("firmware.sum"), expected);
					assert.ok(((await evaluate("firmware.most")) as number) <= 1536);
				}),
			(socket) => socket.write(sent),
		);
	});
}
