/**
 * What the raw bytes of a packet must be, since mqtt-packet takes much that the specification forbids. Each check throws
 * a Violated. Called by the connection: with the first byte, with the length, and with the whole packet. CONNECT is
 * in connect.ts.
 */
import { Fields } from "./fields.js";
import type { Frame } from "./frames.js";
import { checkTopicFilter, checkTopicName } from "./text.js";
import { demand } from "./violation.js";

export type Level = 3 | 4;

/** Packet types (section 2.2.1). */
export const Type = {
	CONNECT: 1,
	PUBLISH: 3,
	PUBACK: 4,
	PUBREC: 5,
	PUBREL: 6,
	PUBCOMP: 7,
	SUBSCRIBE: 8,
	UNSUBSCRIBE: 10,
	PINGREQ: 12,
	DISCONNECT: 14,
} as const;

const NAMES =
	"type 0,CONNECT,CONNACK,PUBLISH,PUBACK,PUBREC,PUBREL,PUBCOMP,SUBSCRIBE,SUBACK,UNSUBSCRIBE,UNSUBACK,PINGREQ,PINGRESP,DISCONNECT,type 15".split(
		",",
	);

const FROM_BROKERS_ONLY = ["CONNACK", "SUBACK", "UNSUBACK", "PINGRESP"];

/** The header flags that have a statement of their own, and what they must be: DUP at level 3 beside QoS 1. */
const FLAGS: Record<number, { flags: number; statement: string } | undefined> = {
	[Type.PUBREL]: { flags: 0b0010, statement: "MQTT-3.6.1-1" },
	[Type.SUBSCRIBE]: { flags: 0b0010, statement: "MQTT-3.8.1-1" },
	[Type.UNSUBSCRIBE]: { flags: 0b0010, statement: "MQTT-3.10.1-1" },
	[Type.DISCONNECT]: { flags: 0, statement: "MQTT-3.14.1-1" },
};

const LENGTHS: Record<number, number | undefined> = {
	[Type.PUBACK]: 2,
	[Type.PUBREC]: 2,
	[Type.PUBREL]: 2,
	[Type.PUBCOMP]: 2,
	[Type.PINGREQ]: 0,
	[Type.DISCONNECT]: 0,
};

export function typeName(first: number): string {
	return NAMES[first >> 4];
}

/** `level` is undefined before CONNECT. */
export function checkFirstByte(first: number, level: Level | undefined): void {
	const type = first >> 4;
	const name = NAMES[type];
	demand(type !== 0 && type !== 15, "MQTT-4.8.0-1", `packet ${name} is reserved`);
	demand(!FROM_BROKERS_ONLY.includes(name), "MQTT-4.8.0-1", `${name} is for brokers to send`);
	if (level === undefined) {
		demand(type === Type.CONNECT, "MQTT-3.1.0-1", `the first packet is ${name}, not CONNECT`);
		return;
	}
	demand(type !== Type.CONNECT, "MQTT-3.1.0-2", "a second CONNECT on one connection");
	if (type === Type.PUBLISH) checkPublishFlags(first);
	else checkFlags(first, level);
}

function checkPublishFlags(first: number): void {
	const qos = (first >> 1) & 0b11;
	demand(qos !== 3, "MQTT-3.3.1-4", "PUBLISH has QoS 3");
	demand(qos !== 0 || (first & 0b1000) === 0, "MQTT-3.3.1-2", "PUBLISH has DUP at QoS 0");
}

/** Level 3 does not use most of these bits, sets DUP where one of these packets is sent again, and asks for QoS 1. */
function checkFlags(first: number, level: Level): void {
	const { flags, statement } = FLAGS[first >> 4] ?? { flags: 0, statement: "MQTT-2.2.2-2" };
	const used = level === 4 ? 0b1111 : flags === 0 ? 0 : 0b0110;
	demand(
		(first & used) === flags,
		statement,
		`${typeName(first)} has the flags ${binary(first)}, not ${binary(flags)}`,
	);
}

function binary(first: number): string {
	return (first & 0b1111).toString(2).padStart(4, "0");
}

export function checkLength(first: number, length: number): void {
	const right = LENGTHS[first >> 4];
	const sentence = `${typeName(first)} has the remaining length ${length}, not ${right}`;
	demand(right === undefined || length === right, "MQTT-4.8.0-1", sentence);
}

/** What follows the fixed header. */
export function checkBody({ bytes, start }: Frame): void {
	const fields = new Fields(bytes, start);
	const name = typeName(bytes[0]);
	switch (bytes[0] >> 4) {
		case Type.PUBLISH:
			checkTopicName(fields.text("the topic name"), "the topic name");
			if ((bytes[0] & 0b0110) !== 0) fields.identifier(name);
			break;
		case Type.PUBACK:
		case Type.PUBREC:
		case Type.PUBREL:
		case Type.PUBCOMP:
			// An identifier of 0 was never given, so it is for nothing in flight; but nobody may mean it.
			fields.identifier(name);
			break;
		case Type.SUBSCRIBE:
			fields.identifier(name);
			demand(fields.left > 0, "MQTT-3.8.3-3", "SUBSCRIBE has no topic filter");
			while (fields.left > 0) {
				checkTopicFilter(fields.text("a topic filter"));
				demand(fields.left > 0, "MQTT-3.8.3-3", "SUBSCRIBE has a topic filter without its QoS");
				const qos = fields.byte("a QoS");
				demand(qos <= 2, "MQTT-3.8.3-4", `SUBSCRIBE asks for QoS ${qos}`);
			}
			break;
		case Type.UNSUBSCRIBE:
			fields.identifier(name);
			demand(fields.left > 0, "MQTT-3.10.3-2", "UNSUBSCRIBE has no topic filter");
			while (fields.left > 0) checkTopicFilter(fields.text("a topic filter"));
	}
}
