/** A virtual board as a whole: evaluation, aborts, stopping, two at a time; in both engines. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { ENGINES, needsXs, until, withBoard, withServer } from "./support.js";

for (const { engine, options } of ENGINES) {
	const rule = (sentence: string, body: () => Promise<void>) => test(`${engine}: ${sentence}`, options, body);

	rule("an expression is evaluated beside the firmware, promises are awaited, exceptions reject", () =>
		withBoard(
			engine,
			`import Timer from "timer";
			export const answer = 42;
			export const later = () => new Promise((resolve) => Timer.set(() => resolve({ done: true }), 5));`,
			async ({ board, evaluate, aborts }) => {
				assert.equal(board.engine, engine);
				assert.equal(await evaluate("firmware.answer"), 42);
				assert.equal(await evaluate("undefined"), undefined);
				assert.equal(await evaluate("Promise.resolve('soon')"), "soon");
				assert.deepEqual(await evaluate("firmware.later()"), { done: true });
				await assert.rejects(evaluate("throw new RangeError('no')"), /RangeError: no/);
				await assert.rejects(evaluate("Promise.reject(new Error('never'))"), /never/);
				await assert.rejects(evaluate("not a script"), /SyntaxError/);
				assert.deepEqual(aborts, []);
			},
		),
	);

	rule("an exception that a callback does not catch aborts the machine", () =>
		withServer(
			(server) =>
				withBoard(
					engine,
					`import TCP from "embedded:io/socket/tcp";
				import Timer from "timer";
				export let ran = 0;
				export const open = (port) => { new TCP({ address: "127.0.0.1", port, onWritable() {
					Timer.set(() => { throw new Error("nobody catches this"); }, 1);
				} }); };
				Timer.repeat(() => { ran += 1; }, 1);`,
					async ({ board, evaluate, aborts }) => {
						await evaluate(`firmware.open(${server.port})`);
						await until(() => aborts.length > 0);
						assert.deepEqual(aborts, ["Error: nobody catches this"]);
						assert.equal(board.aborted, "Error: nobody catches this");
						await assert.rejects(evaluate("1"), /the board tested aborted: Error: nobody catches this/);
						await until(() => server.connections[0]?.closed ?? false);
					},
					{},
				),
			(socket) => socket.resume(),
		),
	);

	rule("a bundle that throws while it loads aborts; one that imports what no board has says so", async () => {
		await withBoard(engine, `null.field;`, async ({ aborts }) => {
			assert.match(aborts[0] ?? "", /TypeError/);
		});
		await assert.rejects(
			withBoard(engine, `import fs from "fs"; fs;`, async ({ aborts }) => {
				throw new Error(aborts[0]);
			}),
			/the simulated board has no module "fs"/,
		);
	});

	rule("stop calls the client's stop and lets its last bytes out", () =>
		withServer(async (server) => {
			await withBoard(
				engine,
				`import TCP from "embedded:io/socket/tcp";
				let socket;
				export let ready = false;
				export const client = { stop() { socket.write(Uint8Array.of(0xe0, 0)); socket.close(); } };
				export const open = (port) => { socket = new TCP({ address: "127.0.0.1", port, onWritable() { ready = true; } }); };`,
				async ({ evaluate }) => {
					await evaluate(`firmware.open(${server.port})`);
					await until(() => evaluate("firmware.ready"));
				},
			);
			await until(() => server.received().length === 2);
			assert.deepEqual([...server.received()], [0xe0, 0]);
		}),
	);

	rule("two boards run at once and know nothing of each other", () =>
		withServer((server) => {
			const firmware = (id: number) => `
				import TCP from "embedded:io/socket/tcp";
				import config from "mc/config";
				globalThis.mine = ${id};
				export const id = ${id};
				new TCP({ address: "127.0.0.1", port: config.port, onWritable() { if (!this.sent) { this.sent = true; this.write(Uint8Array.of(id)); } } });`;
			return withBoard(
				engine,
				firmware(1),
				(first) =>
					withBoard(
						engine,
						firmware(2),
						async (second) => {
							await until(() => server.received().length === 2);
							assert.deepEqual([...server.received()].sort(), [1, 2]);
							assert.deepEqual(
								await Promise.all([first, second].map((board) => board.evaluate("firmware.id + mine"))),
								[2, 4],
							);
						},
						{ port: server.port },
					),
				{ port: server.port },
			);
		}),
	);
}

test("xs: a rejection that nobody handles aborts the machine, once garbage was collected", needsXs, () =>
	withBoard(
		"xs",
		`import Timer from "timer"; Timer.repeat(() => {}, 1); export const reject = () => void Promise.reject(new Error("unheard"));`,
		async ({ board, evaluate, aborts }) => {
			await evaluate("firmware.reject()");
			await board.gauge();
			await until(() => aborts.length > 0);
			assert.deepEqual(aborts, ["Error: unheard"]);
		},
	),
);

test("xs: a stack without end and a loop without end abort the machine", needsXs, async () => {
	await withBoard(
		"xs",
		`import Timer from "timer"; function again() { again(); } Timer.set(again, 1);`,
		async ({ aborts }) => {
			await until(() => aborts.length > 0);
			assert.match(aborts[0] ?? "", /stack overflow/);
		},
	);
	await withBoard("xs", `import Timer from "timer"; Timer.set(() => { for (;;); }, 1);`, async ({ aborts }) => {
		await until(() => aborts.length > 0);
		assert.match(aborts[0] ?? "", /too much computation/);
	});
});
