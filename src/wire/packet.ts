/**
 * The numbers of the MQTT packet format that every other file here needs (MQTT 3.1.1, section 2.2).
 * They are `const enum`s: the compiler writes the number itself into the code, so they cost nothing.
 */

/** The first byte of each control packet; a PUBLISH adds DUP, QoS and RETAIN to it. */
export const enum Packet {
	CONNECT = 0x10,
	CONNACK = 0x20,
	PUBLISH = 0x30,
	PUBACK = 0x40,
	PUBREC = 0x50,
	PUBREL = 0x62,
	PUBCOMP = 0x70,
	SUBSCRIBE = 0x82,
	SUBACK = 0x90,
	UNSUBSCRIBE = 0xa2,
	UNSUBACK = 0xb0,
	PINGREQ = 0xc0,
	PINGRESP = 0xd0,
	DISCONNECT = 0xe0,
}

/** The flags in the first byte of a PUBLISH (section 3.3.1); between them QoS stands in bits 1 and 2. */
export const enum PublishFlag {
	RETAIN = 0x01,
	DUP = 0x08,
}

export const enum Limit {
	/** The largest remaining length, four length bytes (section 2.2.3). */
	REMAINING_LENGTH = 268_435_455,
	/** The longest string, topic or binary field in bytes (section 1.5.3). */
	FIELD = 65_535,
	/** The largest packet identifier (section 2.3.1). */
	IDENTIFIER = 65_535,
}

/** What a SUBACK answers for a filter that the broker refused (section 3.9.3; not in 3.1). */
export const SUBSCRIPTION_FAILED = 0x80;

/** Protocol levels: 3 is MQTT 3.1 (`MQIsdp`), 4 is MQTT 3.1.1 (`MQTT`). */
export type Level = 3 | 4;

/** Quality of service. */
export type QoS = 0 | 1 | 2;
