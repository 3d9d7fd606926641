/** The link breaks on a packet, once, for each kind of packet that there is: what it was about is taken up again. */
import assert from "node:assert/strict";
import { connect } from "node:net";
import { type TestContext, test } from "node:test";
import type { Packet } from "mqtt-packet";
import { ExactlyOnce, Reason } from "../../src/client.js";
import { Cutter } from "../support/cutter.js";
import { board, bytes, collect, peer, type Seen, started, watch } from "../support/peers.js";
import { until } from "../support/programs.js";
import { aedes, BROKERS, type Broker, LEVELS, mosquitto, resendsInVain } from "./brokers.js";

interface Lost {
	whose: "our" | "the broker's";
	packet: Packet["cmd"];
	/** What is done meanwhile. */
	deed: "subscribe" | "unsubscribe" | "publish" | "receive";
	qos?: 1 | 2;
	/** What we send again is PUBREL, SUBSCRIBE or UNSUBSCRIBE, with DUP at level 3. */
	resends?: true;
}

const LOST: Lost[] = [
	{ whose: "our", packet: "connect", deed: "subscribe" },
	{ whose: "the broker's", packet: "connack", deed: "subscribe" },
	{ whose: "our", packet: "subscribe", deed: "subscribe", resends: true },
	{ whose: "the broker's", packet: "suback", deed: "subscribe", resends: true },
	{ whose: "our", packet: "unsubscribe", deed: "unsubscribe", resends: true },
	{ whose: "the broker's", packet: "unsuback", deed: "unsubscribe", resends: true },
	{ whose: "our", packet: "publish", deed: "publish", qos: 1 },
	{ whose: "the broker's", packet: "puback", deed: "publish", qos: 1 },
	{ whose: "our", packet: "publish", deed: "publish", qos: 2 },
	{ whose: "the broker's", packet: "pubrec", deed: "publish", qos: 2 },
	{ whose: "our", packet: "pubrel", deed: "publish", qos: 2, resends: true },
	{ whose: "the broker's", packet: "pubcomp", deed: "publish", qos: 2, resends: true },
	{ whose: "the broker's", packet: "publish", deed: "receive", qos: 1 },
	{ whose: "our", packet: "puback", deed: "receive", qos: 1 },
	{ whose: "the broker's", packet: "publish", deed: "receive", qos: 2 },
	{ whose: "our", packet: "pubrec", deed: "receive", qos: 2 },
	{ whose: "the broker's", packet: "pubrel", deed: "receive", qos: 2 },
	{ whose: "our", packet: "pubcomp", deed: "receive", qos: 2 },
];

const payloads = (seen: Seen[]) => seen.map(({ payload }) => payload);

async function check(
	context: TestContext,
	name: Broker["name"],
	port: number,
	level: 3 | 4,
	lost: Lost,
): Promise<void> {
	const { whose, packet, deed, qos = 1 } = lost;
	const clientId = `${packet}-${qos}-${whose.length}`;
	const cutter = await Cutter.open(context, port);
	const other = await peer(context, port, level, { clientId: `${clientId}-js` });
	const client = board(context, cutter.port, { level, clientId, cleanSession: false, exactlyOnce: new ExactlyOnce() });
	const [here, subscription] = collect(client, `${clientId}/in`, qos);
	const [gone, ended] = collect(client, `${clientId}/gone`, 2);
	const topic = client.topic(`${clientId}/out`, { qos });
	const there = await watch(other, `${clientId}/out`, qos);
	const arm = () => {
		cutter.breaksAt = ({ cmd }, isOurs) => cutter.cuts === 0 && cmd === packet && isOurs === (whose === "our");
	};
	if (deed === "subscribe") arm();
	await started(client, subscription, ended);
	arm();
	if (deed === "unsubscribe") client.unsubscribe(ended);
	if (deed === "publish") assert.ok(topic.publish(bytes("x")));
	if (deed === "receive") await other.publishAsync(`${clientId}/in`, "x", { qos });
	await until("the link broke", () => cutter.cuts === 1, 5000);
	await until("what waited has gone out", () => client.status.outbox.used === 0, 5000);
	// These come behind all that may come twice.
	await started(client, subscription);
	assert.ok(topic.publish(bytes("last")));
	await until("ours is there", () => payloads(there).includes("last"), 5000);
	await other.publishAsync(`${clientId}/gone`, "", { qos: 1 });
	await other.publishAsync(`${clientId}/in`, "last", { qos });
	await until("theirs is here", () => payloads(here).includes("last"), 5000);

	const { connections, endings, unhandled } = client.status;
	assert.equal(endings[Reason.LINK_LOST], 1);
	assert.equal(connections, packet === "connect" || packet === "connack" ? 1 : 2);
	assert.deepEqual([gone.length, unhandled], deed === "unsubscribe" ? [0, 0] : [1, 0]);
	// Aedes 1.2 sends a PUBLISH again without DUP, which at level 3 makes it a new one.
	const isNew = name === "aedes" && level === 3 && whose === "our" && packet === "pubrec";
	const expected = (what: typeof deed, again: boolean) => (deed !== what ? [] : again ? ["x", "x"] : ["x"]);
	assert.deepEqual(payloads(there), [...expected("publish", packet === "puback"), "last"]);
	assert.deepEqual(payloads(here), [...expected("receive", packet === "puback" || isNew), "last"]);
}

for (const { name, skip, start } of BROKERS) {
	for (const level of LEVELS) {
		test(`${name}, level ${level}: the link breaks`, { skip, concurrency: LOST.length }, async (context) => {
			const port = await start(context);
			const lose = (lost: Lost) => {
				const { whose, packet, deed, qos, resends } = lost;
				const title = `on ${whose} ${packet.toUpperCase()}: ${qos ? `${deed} at QoS ${qos}` : deed}`;
				const options = { skip: resends && resendsInVain(name, level) };
				return context.test(title, options, (context) => check(context, name, port, level, lost));
			};
			await Promise.all(LOST.map(lose));
		});
	}
}

test("level 3: aedes closes on PUBREL, SUBSCRIBE and UNSUBSCRIBE with DUP, Mosquitto takes the PUBREL", async (context) => {
	const packets = { PUBREL: "6a020001", SUBSCRIBE: "8a06000100016100", UNSUBSCRIBE: "aa050001000161" };
	const closes = async (port: number, packet: string) => {
		const socket = connect(port, "127.0.0.1");
		context.after(() => socket.destroy());
		let received = "";
		socket.on("data", (bytes) => {
			received += bytes.toString("hex");
		});
		socket.on("error", () => {}); // "close" follows
		socket.write(Buffer.from("100f00064d51497364700302003c000178", "hex")); // CONNECT of "x"
		await until("CONNACK has come", () => received === "20020000");
		socket.write(Buffer.from(packet, "hex"));
		await until("it has answered, or closed", () => received.length > 8 || socket.closed);
		return socket.closed;
	};
	const port = await aedes.start(context);
	for (const packet of Object.values(packets)) assert.ok(await closes(port, packet));
	if (!mosquitto.skip) assert.ok(!(await closes(await mosquitto.start(context), packets.PUBREL)));
});
