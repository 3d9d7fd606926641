/** SerialLink on a pty that socat makes. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { SerialLink, type SerialLinkOptions } from "../../hosts/node/index.js";
import { missing, until } from "../support/programs.js";
import { Random } from "../support/random.js";
import { SerialCable } from "../support/serial-cable.js";

const options = { skip: missing("socat"), timeout: 30_000 };

/** A link with an owner that writes down what it is told. */
function watched(context: TestContext, settings: SerialLinkOptions) {
	const link = new SerialLink(settings);
	const events: string[] = [];
	link.attach(
		{
			onWritable: () => events.push("writable"),
			onReceived: (length) => events.push(Buffer.from(link.incoming.slice(8, 8 + length)).toString("latin1")),
			onClosed: () => events.push("closed"),
		},
		4,
		300,
		8,
	);
	context.after(() => link.release());
	const say = (text: string) => {
		link.outgoing.set(Buffer.from(text, "latin1"), 4);
		link.send(text.length);
	};
	return { link, events, say };
}

test("bytes go both ways as they are, and what was sent leaves before it closes", options, async (context) => {
	const cable = await SerialCable.open(context, new Random(1));
	const [one, other] = cable.paths.map((path) => watched(context, { path }));
	one.link.open();
	other.link.open();
	assert.deepEqual([one.link.room, one.events.length], [0, 0]);
	await until("both are open", () => one.link.room === 300 && other.link.room === 300);
	const every = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)).toString("latin1");
	one.say(every);
	one.link.close();
	await until("all have come", () => other.events.slice(1).join("") === every);
	one.link.open(); // as soon as it has closed
	await until("it is open again", () => one.events.length === 2);
	other.say("back");
	await until("it has come", () => one.events.includes("back"));
});

test(
	"a device that vanishes, or is not there, closes it and says why; it opens when the device is back",
	options,
	async (context) => {
		const cable = await SerialCable.open(context, new Random(1));
		const { link, events } = watched(context, { path: cable.paths[0] });
		link.open();
		await until("it is open", () => events.length === 1);
		await cable.ends[0].unplug();
		await until("it has noticed", () => events.at(-1) === "closed");
		link.open();
		await until("it could not open", () => events.length === 3);
		assert.match(link.error, /^No such file/);
		await cable.plug(0);
		link.open();
		await until("it is open", () => events.length === 4);
		assert.deepEqual(events, ["writable", "closed", "closed", "writable"]);
	},
);

test(
	"a device that is held stays open, and what comes while the link is closed is dropped",
	options,
	async (context) => {
		const cable = await SerialCable.open(context, new Random(1));
		const held = watched(context, { path: cable.paths[0], hold: true });
		const other = watched(context, { path: cable.paths[1] });
		held.link.open();
		other.link.open();
		await until("both are open", () => held.link.room > 0 && other.link.room > 0);
		held.link.close();
		other.say("lost");
		await until("it went through", () => cable.carried === 4);
		await new Promise((resolve) => setTimeout(resolve, 100));
		held.link.open();
		await until("it is open again", () => held.events.length === 2);
		other.say("heard");
		await until("it has come", () => held.events.includes("heard"));
		assert.deepEqual(held.events, ["writable", "writable", "heard"]);
	},
);

test("what is no device and no speed is refused in words", () => {
	assert.throws(() => new SerialLink({ path: "" }), /mqtt-mote: path must be a device such as/);
	assert.throws(
		() => new SerialLink({ path: "/dev/ttyUSB0", baudRate: 0 }),
		/mqtt-mote: baudRate \(bits per second\) must be/,
	);
});
