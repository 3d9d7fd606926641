/** What ends a connection: each malformed or misplaced packet, named by its statement, however its bytes are split. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Packet } from "mqtt-packet";
import { ack, bytesOf, connect, Desk, LEVELS, type Level, PINGREQ, publish, subscribe } from "./peer.js";

interface Case {
	statement: string;
	what: string;
	/** Sent after CONNECT and CONNACK, unless it is the first packet. */
	bytes: string | Packet;
	first?: boolean;
	/** Only at this one. */
	level?: Level;
}

/** A string as hexadecimal text, with its length. */
function text(value: string): string {
	const bytes = Buffer.from(value);
	return `${bytes.length.toString(16).padStart(4, "0")}${bytes.toString("hex")}`;
}

/** With its remaining length. */
function packet(first: string, ...parts: string[]): string {
	const body = parts.join("").replaceAll(" ", "");
	return `${first} ${(body.length / 2).toString(16).padStart(2, "0")} ${body}`;
}

const HEAD = { 3: `${text("MQIsdp")}03`, 4: `${text("MQTT")}04` };
const ON_4 = { first: true, level: 4 } as const;
const ON_3 = { first: true, level: 3 } as const;

const CASES: Case[] = [
	{ statement: "MQTT-1.5.3-1", what: "a topic name with a surrogate", bytes: "30 05 0003 eda080" },
	{ statement: "MQTT-1.5.3-1", what: "a topic name with an overlong slash", bytes: "30 04 0002 c0af" },
	{ statement: "MQTT-1.5.3-1", what: "a topic name with an overlong U+0000", bytes: "30 04 0002 c080" },
	{ statement: "MQTT-1.5.3-1", what: "a topic name that ends within a character", bytes: "30 04 0002 61c3" },
	{ statement: "MQTT-1.5.3-1", what: "a topic name beyond U+10FFFF", bytes: "30 06 0004 f4908080" },
	{ statement: "MQTT-1.5.3-1", what: "a topic filter with a stray continuation byte", bytes: "82 06 0001 0001 80 00" },
	{ statement: "MQTT-1.5.3-1", what: "an ill-formed filter in UNSUBSCRIBE", bytes: "a2 05 0001 0001 ff" },
	{
		statement: "MQTT-1.5.3-1",
		what: "an ill-formed client identifier",
		bytes: packet("10", HEAD[4], "02 0000 0001 ff"),
		...ON_4,
	},
	{
		statement: "MQTT-1.5.3-1",
		what: "an ill-formed user name",
		bytes: packet("10", HEAD[4], "82 0000", text("a"), "0001 ff"),
		...ON_4,
	},
	{
		statement: "MQTT-1.5.3-1",
		what: "an ill-formed topic of the will",
		bytes: packet("10", HEAD[4], "06 0000", text("a"), "0001 ff", text("x")),
		...ON_4,
	},
	{ statement: "MQTT-1.5.3-2", what: "U+0000 in a topic name", bytes: "30 04 0002 6100" },
	{ statement: "MQTT-1.5.3-2", what: "U+0000 in a topic filter", bytes: "82 06 0001 0001 00 00" },
	{
		statement: "MQTT-1.5.3-2",
		what: "U+0000 in a client identifier",
		bytes: packet("10", HEAD[4], "02 0000 0001 00"),
		...ON_4,
	},
	{ statement: "MQTT-2.2.2-2", what: "PUBACK with flags", bytes: "42 02 0001", level: 4 },
	{ statement: "MQTT-2.2.2-2", what: "PUBREC with flags", bytes: "51 02 0001", level: 4 },
	{ statement: "MQTT-2.2.2-2", what: "PUBCOMP with flags", bytes: "78 02 0001", level: 4 },
	{ statement: "MQTT-2.2.2-2", what: "PINGREQ with flags", bytes: "c1 00", level: 4 },
	{
		statement: "MQTT-2.2.2-2",
		what: "CONNECT with flags",
		bytes: packet("11", HEAD[4], "02 0000", text("a")),
		...ON_4,
	},
	{ statement: "MQTT-2.3.1-1", what: "PUBLISH of QoS 1 with identifier 0", bytes: "32 05 0001 61 0000" },
	{ statement: "MQTT-2.3.1-1", what: "PUBLISH of QoS 2 with identifier 0", bytes: "34 05 0001 61 0000" },
	{ statement: "MQTT-2.3.1-1", what: "SUBSCRIBE with identifier 0", bytes: "82 06 0000 0001 61 00" },
	{ statement: "MQTT-2.3.1-1", what: "UNSUBSCRIBE with identifier 0", bytes: "a2 05 0000 0001 61" },
	{ statement: "MQTT-2.3.1-1", what: "PUBREL with identifier 0", bytes: "62 02 0000" },
	{ statement: "MQTT-3.1.0-1", what: "PUBLISH before CONNECT", bytes: publish("a", "b"), first: true },
	{ statement: "MQTT-3.1.0-1", what: "PINGREQ before CONNECT", bytes: PINGREQ, first: true },
	{ statement: "MQTT-3.1.0-2", what: "a second CONNECT", bytes: connect("a") },
	{
		statement: "MQTT-3.1.2-1",
		what: "a protocol called MQTt",
		bytes: packet("10", text("MQTt"), "04 02 0000", text("a")),
		...ON_4,
	},
	{
		statement: "MQTT-3.1.2-3",
		what: "the reserved connect flag",
		bytes: packet("10", HEAD[4], "03 0000", text("a")),
		...ON_4,
	},
	{
		statement: "MQTT-3.1.2-13",
		what: "the QoS of no will",
		bytes: packet("10", HEAD[4], "0a 0000", text("a")),
		...ON_4,
	},
	{
		statement: "MQTT-3.1.2-15",
		what: "no will, retained",
		bytes: packet("10", HEAD[4], "22 0000", text("a")),
		...ON_4,
	},
	{
		statement: "MQTT-3.1.2-14",
		what: "a will of QoS 3",
		bytes: packet("10", HEAD[4], "1e 0000", text("a"), text("w"), text("x")),
		...ON_4,
	},
	{
		statement: "MQTT-3.1.2-14",
		what: "a will of QoS 3",
		bytes: packet("10", HEAD[3], "1e 0000", text("a"), text("w"), text("x")),
		...ON_3,
	},
	{
		statement: "MQTT-3.1.2-19",
		what: "a user name that is missing",
		bytes: packet("10", HEAD[4], "82 0000", text("a")),
		...ON_4,
	},
	{
		statement: "MQTT-3.1.2-21",
		what: "a password that is missing",
		bytes: packet("10", HEAD[4], "c2 0000", text("a"), text("u")),
		...ON_4,
	},
	{
		statement: "MQTT-3.1.2-22",
		what: "a password without a user name",
		bytes: packet("10", HEAD[4], "42 0000", text("a"), text("p")),
		...ON_4,
	},
	{
		statement: "MQTT-3.1.2-22",
		what: "a password without a user name",
		bytes: packet("10", HEAD[3], "42 0000", text("a"), text("p")),
		...ON_3,
	},
	{
		statement: "MQTT-3.1.3-1",
		what: "CONNECT with a field too many",
		bytes: packet("10", HEAD[4], "02 0000", text("a"), text("b")),
		...ON_4,
	},
	{ statement: "MQTT-3.3.1-2", what: "DUP at QoS 0", bytes: "38 04 0001 61 62" },
	{ statement: "MQTT-3.3.1-4", what: "QoS 3", bytes: "36 05 0001 61 0001" },
	{ statement: "MQTT-3.3.2-2", what: "a topic name with #", bytes: publish("a/#", "") },
	{ statement: "MQTT-3.3.2-2", what: "a topic name with +", bytes: publish("a/+/b", "") },
	{
		statement: "MQTT-3.3.2-2",
		what: "a will's topic with a wildcard",
		bytes: packet("10", HEAD[4], "06 0000", text("a"), text("#"), text("x")),
		...ON_4,
	},
	{ statement: "MQTT-3.6.1-1", what: "PUBREL without its flag", bytes: "60 02 0001" },
	{ statement: "MQTT-3.6.1-1", what: "PUBREL with DUP", bytes: "6a 02 0001", level: 4 },
	{ statement: "MQTT-3.8.1-1", what: "SUBSCRIBE without its flag", bytes: "80 06 0001 0001 61 00" },
	{ statement: "MQTT-3.8.1-1", what: "SUBSCRIBE with DUP", bytes: "8a 06 0001 0001 61 00", level: 4 },
	{ statement: "MQTT-3.8.3-3", what: "SUBSCRIBE without a filter", bytes: "82 02 0001" },
	{ statement: "MQTT-3.8.3-3", what: "SUBSCRIBE with a filter without its QoS", bytes: "82 05 0001 0001 61" },
	{ statement: "MQTT-3.8.3-4", what: "SUBSCRIBE for QoS 3", bytes: "82 06 0001 0001 61 03" },
	{ statement: "MQTT-3.8.3-4", what: "SUBSCRIBE with a reserved bit", bytes: "82 06 0001 0001 61 80" },
	{ statement: "MQTT-3.10.1-1", what: "UNSUBSCRIBE without its flag", bytes: "a0 05 0001 0001 61" },
	{ statement: "MQTT-3.10.3-2", what: "UNSUBSCRIBE without a filter", bytes: "a2 02 0001" },
	{ statement: "MQTT-3.14.1-1", what: "DISCONNECT with flags", bytes: "e1 00", level: 4 },
	{ statement: "MQTT-4.7.1-2", what: "a filter with # before its end", bytes: "82 08 0001 0003 232f61 00" },
	{ statement: "MQTT-4.7.1-2", what: "a filter with # beside a letter", bytes: "82 07 0001 0002 6123 00" },
	{ statement: "MQTT-4.7.1-3", what: "a filter with + beside a letter", bytes: "82 07 0001 0002 2b61 00" },
	{ statement: "MQTT-4.7.1-3", what: "an ill-formed filter in UNSUBSCRIBE", bytes: "a2 06 0001 0002 2b61" },
	{ statement: "MQTT-4.7.3-1", what: "an empty topic name", bytes: "30 03 0000 62" },
	{ statement: "MQTT-4.7.3-1", what: "an empty topic filter", bytes: "82 05 0001 0000 00" },
	{ statement: "MQTT-4.8.0-1", what: "the reserved packet type 0", bytes: "00 00" },
	{ statement: "MQTT-4.8.0-1", what: "the reserved packet type 15", bytes: "f0 00" },
	{ statement: "MQTT-4.8.0-1", what: "CONNACK from a client", bytes: "20 02 0000" },
	{ statement: "MQTT-4.8.0-1", what: "SUBACK from a client", bytes: "90 03 0001 00" },
	{ statement: "MQTT-4.8.0-1", what: "UNSUBACK from a client", bytes: "b0 02 0001" },
	{ statement: "MQTT-4.8.0-1", what: "PINGRESP from a client", bytes: "d0 00" },
	{ statement: "MQTT-4.8.0-1", what: "a remaining length of five bytes", bytes: "30 80 80 80 80 01" },
	{ statement: "MQTT-4.8.0-1", what: "PUBACK that is too long", bytes: "40 03 0001 00" },
	{ statement: "MQTT-4.8.0-1", what: "PUBACK that is too short", bytes: "40 01 00" },
	{ statement: "MQTT-4.8.0-1", what: "PINGREQ with a payload", bytes: "c0 01 00" },
	{ statement: "MQTT-4.8.0-1", what: "DISCONNECT with a payload", bytes: "e0 01 00" },
	{ statement: "MQTT-4.8.0-1", what: "a topic name longer than its packet", bytes: "30 03 0002 61" },
	{ statement: "MQTT-4.8.0-1", what: "PUBLISH without a topic name", bytes: "30 00" },
	{ statement: "MQTT-4.8.0-1", what: "PUBLISH of QoS 1 without an identifier", bytes: "32 03 0001 61" },
	{ statement: "MQTT-4.8.0-1", what: "a filter longer than its packet", bytes: "82 06 0001 0003 61 00" },
	{ statement: "MQTT-4.8.0-1", what: "UNSUBSCRIBE that ends within a filter", bytes: "a2 05 0001 0002 61" },
	{
		statement: "MQTT-4.8.0-1",
		what: "CONNECT that ends within its keep alive",
		bytes: packet("10", HEAD[4], "02 00"),
		...ON_4,
	},
];

for (const { statement, what, bytes, first, level: only } of CASES) {
	for (const level of only === undefined ? LEVELS : [only]) {
		test(`${statement}: ${what} closes the connection, level ${level}`, () => {
			const wrong = bytesOf(bytes);
			for (let cut = 0; cut <= wrong.length; cut++) {
				const desk = new Desk();
				const peer = first ? desk.open(level) : desk.client("a", { level });
				peer.write(wrong.subarray(0, cut)).write(wrong.subarray(cut));
				assert.deepEqual(desk.statements, [statement]);
				const [{ clientId, sentence, closes }] = desk.violations;
				assert.equal(closes, true);
				assert.equal(clientId, first ? "" : "a");
				assert.equal(peer.closed, `${statement}: ${sentence}`);
				assert.deepEqual(peer.read(), []);
				assert.equal(desk.log.at(-1), `${first ? "" : "a"} -: ${statement}: ${sentence}`);
			}
		});
	}
}

/** What level 3 does not use it does not forbid. */
const ONLY_WRONG_AT_4: [what: string, bytes: string, answer: string[]][] = [
	["PUBREL with DUP", "6a 02 0001", ["pubcomp 1"]],
	["SUBSCRIBE with DUP", "8a 06 0001 0001 61 00", ["suback 1"]],
	["UNSUBSCRIBE with DUP", "aa 05 0001 0001 61", ["unsuback 1"]],
	["PINGREQ with flags", "cf 00", ["pingresp"]],
	["PUBACK with flags", "4f 02 0001", []],
];

for (const [what, bytes, answer] of ONLY_WRONG_AT_4) {
	test(`level 3 takes ${what}`, () => {
		const peer = new Desk().client("a", { level: 3 }).send(bytes);
		assert.equal(peer.closed, undefined);
		assert.deepEqual(peer.read(), answer);
	});
}

for (const level of LEVELS) {
	test(`MQTT-3.3.4-1: an acknowledgement of the wrong kind closes, level ${level}`, () => {
		for (const [qos, wrong] of [
			[1, "pubrec"],
			[1, "pubcomp"],
			[2, "puback"],
		] as const) {
			const desk = new Desk();
			const peer = desk.client("a", { level }).send(subscribe(1, ["t", 2]));
			desk.client("b").send(publish("t", "x", qos));
			peer.send(ack(wrong, 1));
			assert.deepEqual(desk.statements, ["MQTT-3.3.4-1"]);
			assert.match(peer.closed ?? "", /^MQTT-3\.3\.4-1: /);
		}
	});

	test(`MQTT-4.3.3-2: PUBCOMP before PUBREC closes, level ${level}`, () => {
		const desk = new Desk();
		const peer = desk.client("a", { level }).send(subscribe(1, ["t", 2]));
		desk.client("b").send(publish("t", "x", 2));
		peer.send(ack("pubcomp", 1));
		assert.deepEqual(desk.statements, ["MQTT-4.3.3-2"]);
	});
}

test("nothing is sent and nothing is taken after a violation", () => {
	const desk = new Desk();
	const peer = desk.client("a").send(PINGREQ, "f000", publish("t", "x", 1));
	assert.deepEqual(peer.read(), ["pingresp"]);
	peer.send(publish("t", "x", 1));
	assert.deepEqual(peer.read(), []);
	assert.equal(desk.messages.length, 0);
});
