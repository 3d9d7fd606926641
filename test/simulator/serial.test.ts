/** The command `broker` with boards on serial lines: ptys that socat makes, and a client on Node in place of the board. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { FramedLink, SerialLink } from "../../hosts/node/index.js";
import { Reason } from "../../src/client.js";
import { board, collect, peer, started, watch } from "../support/peers.js";
import { missing, until } from "../support/programs.js";
import { Random } from "../support/random.js";
import { SerialCable } from "../support/serial-cable.js";
import { Desk, freePort } from "./desk.js";

const options = { skip: missing("socat"), timeout: 60_000 };

/** The broker with one serial line; resolves with its TCP port once it has the line. */
async function serve(context: TestContext, line: string, ...more: string[]): Promise<{ desk: Desk; port: number }> {
	const desk = new Desk("broker", "--port", "0", "--serial", line, ...more);
	context.after(() => desk.kill());
	const [, port] = await desk.prints(/Companion broker on mqtt:\/\/127\.0\.0\.1:(\d+)/);
	await desk.prints(/Serial line/);
	return { desk, port: Number(port) };
}

for (const [engine, mode] of [
	["strict", "framed"],
	["strict", "raw"],
	["aedes", "framed"],
]) {
	const name = `${engine}: a board on a ${mode} wire and a client on the network talk, and the board comes again`;
	test(name, options, async (context) => {
		const cable = await SerialCable.open(context, new Random(1));
		const [near, far] = cable.paths;
		const { desk, port } = await serve(context, `${far}@57600${mode === "raw" ? ",raw" : ""}`, "--engine", engine);
		assert.match(desk.stdout, new RegExp(`Serial line ${far}, 57600 baud, ${mode}\n`));
		const other = await peer(context, port, 4);
		const seen = await watch(other, "out", 1);
		const line = new SerialLink({ path: near, baudRate: 57_600 });
		const client = board(context, port, { link: mode === "raw" ? line : new FramedLink(line), cleanSession: false });
		const [came, subscription] = collect(client, "in", 1);
		const out = client.topic("out", { qos: 1 });
		for (let round = 0; round < 2; round++) {
			await started(client, subscription);
			const text = `${round} ${"~{}".repeat(100)}`;
			assert.ok(out.publish(Buffer.from(text)));
			await other.publishAsync("in", text, { qos: 1 });
			for (const list of [seen, came]) await until("it has come", () => list.at(-1)?.payload === text);
			await until("and is acknowledged", () => client.status.outbox.used === 0);
			client.stop();
			await desk.prints(new RegExp(`(board has disconnected[^]*){${round + 1}}`));
		}
		assert.equal(client.status.violations, 0);
	});
}

test("a device that is unplugged and comes back is taken again, and so is the board", options, async (context) => {
	const cable = await SerialCable.open(context, new Random(1));
	const { desk, port } = await serve(context, `${cable.paths[1]}@115200`);
	const link = new FramedLink(new SerialLink({ path: cable.paths[0] }));
	const client = board(context, port, { link });
	await started(client);
	for (const index of [1, 0]) {
		const { connections } = client.status;
		await cable.pull(index, true, 700);
		await until("the board is back", () => client.status.connections > connections, 20_000);
	}
	assert.match(desk.stdout, / is gone \(.+\); waiting for it\n(.*\n)*.* is back\n/);
	assert.equal(client.status.endings[Reason.LINK_LOST], 2);
});

test("a device that is not there is a sentence and exit status 1", options, async () => {
	const port = await freePort();
	const { status, stderr } = await new Desk("broker", "--port", String(port), "--serial", "/dev/no-such-line").end();
	assert.equal(status, 1);
	assert.match(
		stderr,
		/^mqtt-mote: the serial device \/dev\/no-such-line cannot be opened \(.+\); is it plugged in, and free\?\n$/,
	);
});

test("a device that another program has is one, too", options, async (context) => {
	const cable = await SerialCable.open(context, new Random(1));
	await serve(context, cable.paths[1]);
	const { status, stderr } = await new Desk("broker", "--port", "0", "--serial", cable.paths[1]).end();
	assert.equal(status, 1);
	assert.match(stderr, /cannot be opened \(.+\); is it plugged in, and free/);
});

test(
	"with --host 0.0.0.0 it says where boards reach it; an address that the machine has not is refused",
	options,
	async (context) => {
		const desk = new Desk("broker", "--port", "0", "--host", "0.0.0.0");
		context.after(() => desk.kill());
		await desk.prints(
			/Companion broker on mqtt:\/\/127\.0\.0\.1:(\d+)\n(Boards reach it at [0-9. or]+, port \1|This machine is on no network)/,
		);
		const { status, stderr } = await new Desk("broker", "--port", "0", "--host", "192.0.2.254").end();
		assert.equal(status, 1);
		assert.match(stderr, /this machine has no address 192\.0\.2\.254; --host 0\.0\.0\.0 stands for all/);
	},
);
