/** Reads and checks CONNECT at both levels (section 3.1). Called by the connection with its first packet. */
import type { Level } from "./check.js";
import { decode, type IConnectPacket } from "./codec.js";
import { Fields } from "./fields.js";
import type { Frame } from "./frames.js";
import { checkText, checkTopicName } from "./text.js";
import { demand, Refused } from "./violation.js";

export interface ConnectRequest {
	level: Level;
	/** Empty if the broker is to assign one. */
	clientId: string;
	cleanSession: boolean;
	/** Seconds; 0 is none. */
	keepAlive: number;
	will?: { topic: string; payload: Buffer; qos: 0 | 1 | 2; retain: boolean };
	username?: string;
	password?: Buffer;
}

/** Bits of the connect flags (section 3.1.2). */
const RESERVED = 0x01;
const WILL = 0x04;
const WILL_QOS = 0x18;
const WILL_RETAIN = 0x20;
const PASSWORD = 0x40;
const USERNAME = 0x80;

/** Level 3 allows no more (3.1, section 3.1). */
const LEVEL_3_CHARACTERS = 23;

/** Throws a Violated where the connection is closed without an answer, and a Refused where CONNACK says why. */
export function readConnect({ bytes, start }: Frame): ConnectRequest {
	const fields = new Fields(bytes, start);
	const name = checkText(fields.text("the protocol name"), "the protocol name");
	demand(name === "MQTT" || name === "MQIsdp", "MQTT-3.1.2-1", "the protocol name is neither MQTT nor MQIsdp");
	const level = fields.byte("the protocol level");
	if (level !== (name === "MQTT" ? 4 : 3)) {
		throw new Refused(1, `protocol ${name} of level ${level} is not spoken here`, "MQTT-3.1.2-2");
	}
	if (level === 4) {
		demand((bytes[0] & 0b1111) === 0, "MQTT-2.2.2-2", "CONNECT has header flags that are not 0000");
	}
	const flagsAt = fields.position;
	const flags = checkConnectFlags(fields.byte("the connect flags"), level);
	fields.number("the keep alive");
	const present = checkPayload(fields, flags, level);
	// What level 3 disregards would trouble the codec.
	bytes[0] &= 0b1111_0000;
	bytes[flagsAt] = present;
	return request(decode(bytes) as IConnectPacket, level);
}

/** The flags that count: level 3 disregards some. */
function checkConnectFlags(flags: number, level: Level): number {
	const hasWill = (flags & WILL) !== 0;
	if (level === 4) {
		demand((flags & RESERVED) === 0, "MQTT-3.1.2-3", "the reserved connect flag is 1");
		demand(hasWill || (flags & WILL_QOS) === 0, "MQTT-3.1.2-13", "there is a QoS for a will, and no will");
		demand(hasWill || (flags & WILL_RETAIN) === 0, "MQTT-3.1.2-15", "a will is to be retained, and there is none");
	}
	demand(!hasWill || (flags & WILL_QOS) !== WILL_QOS, "MQTT-3.1.2-14", "the will has QoS 3");
	const hasNameOrNoPassword = (flags & USERNAME) !== 0 || (flags & PASSWORD) === 0;
	demand(hasNameOrNoPassword, "MQTT-3.1.2-22", "there is a password without a user name");
	return flags & ~RESERVED & (hasWill ? 0xff : ~(WILL_QOS | WILL_RETAIN));
}

/** At level 3 the packet's length counts more than the flags of user name and password: the flags that are true. */
function checkPayload(fields: Fields, flags: number, level: Level): number {
	let present = flags;
	checkText(fields.text("the client identifier"), "the client identifier");
	if ((flags & WILL) !== 0) {
		checkTopicName(fields.text("the will's topic"), "the will's topic");
		fields.text("the will's message");
	}
	if (level === 3 && fields.left === 0) present &= ~(USERNAME | PASSWORD);
	if ((present & USERNAME) !== 0) {
		demand(fields.left > 0, "MQTT-3.1.2-19", "the user name that the flags announce is missing");
		checkText(fields.text("the user name"), "the user name");
	}
	if (level === 3 && fields.left === 0) present &= ~PASSWORD;
	if ((present & PASSWORD) !== 0) {
		demand(fields.left > 0, "MQTT-3.1.2-21", "the password that the flags announce is missing");
		fields.text("the password");
	}
	demand(fields.left === 0, "MQTT-3.1.3-1", "CONNECT has bytes after its last field");
	return present;
}

function request(packet: IConnectPacket, level: Level): ConnectRequest {
	const { clientId, clean = false, keepalive = 0, will, username, password } = packet;
	if (level === 4 && clientId === "" && !clean) {
		throw new Refused(2, "an empty client identifier with a session to keep", "MQTT-3.1.3-8");
	}
	const characters = [...clientId].length;
	if (level === 3 && (characters === 0 || characters > LEVEL_3_CHARACTERS)) {
		throw new Refused(
			2,
			`a client identifier of ${characters} characters at level 3, which has 1 to 23`,
			"MQTT-3.1.3-9",
		);
	}
	const { topic = "", payload = "", qos = 0, retain = false } = will ?? {};
	return {
		level,
		clientId,
		cleanSession: clean,
		keepAlive: keepalive,
		will: will && { topic, payload: Buffer.from(payload), qos, retain },
		username,
		password,
	};
}
