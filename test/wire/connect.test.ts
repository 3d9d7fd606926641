/** CONNECT against bytes written out from the specification (3.1.1, section 3.1; 3.1, section 3.1). */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type ConnectFields, connectPacket } from "../../src/wire/encode.js";
import { hex, show, utf8 } from "../support/hex.js";

function becomes(fields: Partial<ConnectFields>, ...parts: string[]): void {
	const minimal: ConnectFields = { level: 4, cleanSession: true, keepAlive: 60, clientId: utf8("c") };
	assert.equal(show(connectPacket({ ...minimal, ...fields })), show(hex(...parts)));
}

test("a minimal CONNECT of MQTT 3.1.1 is the protocol name, level 4, flags, keep alive and client identifier", () => {
	becomes(
		{},
		"10", // CONNECT
		"0d", // 13 bytes follow
		"00 04 4d 51 54 54", // "MQTT"
		"04", // level 4
		"02", // clean session
		"00 3c", // keep alive 60 s
		"00 01 63", // client identifier "c"
	);
});

test("a minimal CONNECT of MQTT 3.1 names MQIsdp and level 3", () => {
	becomes(
		{ level: 3 },
		"10", // CONNECT
		"0f", // 15 bytes follow
		"00 06 4d 51 49 73 64 70", // "MQIsdp"
		"03", // level 3
		"02", // clean session
		"00 3c", // keep alive 60 s
		"00 01 63", // client identifier "c"
	);
});

test("an empty client identifier is sent as a field of length 0", () => {
	becomes(
		{ clientId: utf8("") },
		"10 0c", // CONNECT, 12 bytes follow
		"00 04 4d 51 54 54 04", // "MQTT", level 4
		"02", // clean session
		"00 3c", // keep alive 60 s
		"00 00", // client identifier ""
	);
});

test("clean session 0 leaves all flags 0", () => {
	becomes(
		{ cleanSession: false },
		"10 0d", // CONNECT, 13 bytes follow
		"00 04 4d 51 54 54 04", // "MQTT", level 4
		"00", // no flag
		"00 3c", // keep alive 60 s
		"00 01 63", // "c"
	);
});

test("the keep alive has two bytes, high byte first, from 0 to 65,535", () => {
	const head = "10 0d 00 04 4d 51 54 54 04 02";
	becomes({ keepAlive: 0 }, head, "00 00", "00 01 63");
	becomes({ keepAlive: 0x1234 }, head, "12 34", "00 01 63");
	becomes({ keepAlive: 65_535 }, head, "ff ff", "00 01 63");
});

test("a will adds its flag, its QoS and RETAIN, and topic and message behind the client identifier", () => {
	const will = { topic: utf8("a/b"), payload: utf8("off"), qos: 0 as const, retain: false };
	const body = [
		"00 3c", // keep alive 60 s
		"00 01 63", // "c"
		"00 03 61 2f 62", // will topic "a/b"
		"00 03 6f 66 66", // will message "off"
	];
	const head = "10 17 00 04 4d 51 54 54 04"; // CONNECT, 23 bytes follow, "MQTT", level 4
	becomes({ will }, head, "06", ...body); // will, clean session
	becomes({ will: { ...will, qos: 1 } }, head, "0e", ...body); // will QoS 1
	becomes({ will: { ...will, qos: 2 } }, head, "16", ...body); // will QoS 2
	becomes({ will: { ...will, retain: true } }, head, "26", ...body); // will RETAIN
	becomes({ will: { ...will, qos: 1, retain: true }, cleanSession: false }, head, "2c", ...body);
});

test("a will may have an empty message", () => {
	becomes(
		{ will: { topic: utf8("w"), payload: utf8(""), qos: 0, retain: true } },
		"10 12", // CONNECT, 18 bytes follow
		"00 04 4d 51 54 54 04", // "MQTT", level 4
		"26", // will RETAIN, will, clean session
		"00 3c", // keep alive 60 s
		"00 01 63", // "c"
		"00 01 77", // will topic "w"
		"00 00", // will message ""
	);
});

test("a user name without a password sets one flag and adds one field", () => {
	becomes(
		{ userName: utf8("me") },
		"10 11", // CONNECT, 17 bytes follow
		"00 04 4d 51 54 54 04", // "MQTT", level 4
		"82", // user name, clean session
		"00 3c", // keep alive 60 s
		"00 01 63", // "c"
		"00 02 6d 65", // user name "me"
	);
});

test("an empty user name and an empty password are still present", () => {
	becomes(
		{ userName: utf8(""), password: utf8("") },
		"10 11", // CONNECT, 17 bytes follow
		"00 04 4d 51 54 54 04", // "MQTT", level 4
		"c2", // user name, password, clean session
		"00 3c", // keep alive 60 s
		"00 01 63", // "c"
		"00 00", // user name ""
		"00 00", // password ""
	);
});

test("a password is any bytes", () => {
	becomes(
		{ userName: utf8("me"), password: hex("00 ff c0") },
		"10 16", // CONNECT, 22 bytes follow
		"00 04 4d 51 54 54 04", // "MQTT", level 4
		"c2", // user name, password, clean session
		"00 3c", // keep alive 60 s
		"00 01 63", // "c"
		"00 02 6d 65", // user name "me"
		"00 03 00 ff c0", // password
	);
});

for (const level of [3, 4] as const) {
	test(`level ${level}: all flags at once, and the fields in the order of the specification`, () => {
		becomes(
			{
				level,
				cleanSession: true,
				keepAlive: 10,
				clientId: utf8("id"),
				will: { topic: utf8("t"), payload: utf8("m"), qos: 2, retain: true },
				userName: utf8("u"),
				password: utf8("p"),
			},
			level === 4
				? "10 1a 00 04 4d 51 54 54 04" // CONNECT, 26 bytes follow, "MQTT", level 4
				: "10 1c 00 06 4d 51 49 73 64 70 03", // CONNECT, 28 bytes follow, "MQIsdp", level 3
			"f6", // user name, password, will RETAIN, will QoS 2, will, clean session; the reserved bit 0
			"00 0a", // keep alive 10 s
			"00 02 69 64", // client identifier "id"
			"00 01 74", // will topic "t"
			"00 01 6d", // will message "m"
			"00 01 75", // user name "u"
			"00 01 70", // password "p"
		);
	});
}

test("fields of 65,535 bytes are taken whole, with a remaining length of three bytes", () => {
	const long = new Uint8Array(65_535).fill(0x61);
	const packet = connectPacket({
		level: 4,
		cleanSession: true,
		keepAlive: 0,
		clientId: long,
		will: { topic: long, payload: long, qos: 0, retain: false },
		userName: long,
		password: long,
	});
	const remaining = 10 + 5 * (2 + 65_535); // 327,695
	assert.equal(packet.length, 1 + 3 + remaining);
	assert.equal(show(packet.subarray(0, 4)), "10 8f 80 14"); // 15 + 0 * 128 + 20 * 16,384
	for (let at = 14; at < packet.length; at += 65_537) {
		assert.equal(show(packet.subarray(at, at + 3)), "ff ff 61");
		assert.equal(packet[at + 65_536], 0x61);
	}
});
