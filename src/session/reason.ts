/** Why a link was closed, or could not be opened: as a number, and in words. */
import { Decoded } from "../wire/decode.js";

export const enum Reason {
	NONE = 0,
	/** 1 to 5 are the return codes of CONNACK (MQTT 3.1.1, section 3.2.2.3). */
	UNACCEPTABLE_PROTOCOL_VERSION = 1,
	IDENTIFIER_REJECTED = 2,
	SERVER_UNAVAILABLE = 3,
	BAD_USER_NAME_OR_PASSWORD = 4,
	NOT_AUTHORIZED = 5,
	/** The application called `stop`. */
	STOPPED = 6,
	/** No link came about. */
	UNREACHABLE = 7,
	/** The link broke, or the broker closed it. */
	LINK_LOST = 8,
	OPEN_TIMEOUT = 9,
	CONNACK_TIMEOUT = 10,
	PINGRESP_TIMEOUT = 11,
	/** No SUBACK, or no UNSUBACK. */
	SUBACK_TIMEOUT = 12,
	/** Nothing could be written, or the source of a stream had nothing to write, for too long. */
	WRITE_TIMEOUT = 13,
	/** The broker sent more messages that could not be acknowledged than wait for it: 32, or as a Deferral says. */
	REPLY_OVERFLOW = 14,
	/** The broker sent more messages at QoS 2 at a time than ExactlyOnce has identifiers for. */
	EXACTLY_ONCE_OVERFLOW = 15,
	/** The source of a stream threw, or answered nonsense: its message could not be completed. */
	SOURCE_FAILED = 16,
	/** From here on the broker broke the protocol. This: a packet out of place. */
	UNEXPECTED_PACKET = 17,
	/** A packet type that no broker sends. */
	MALFORMED_TYPE = Decoded.MALFORMED_TYPE,
	/** Reserved bits of the first byte. */
	MALFORMED_FLAGS = Decoded.MALFORMED_FLAGS,
	/** A remaining length of more than four bytes, or one that does not fit the packet. */
	MALFORMED_LENGTH = Decoded.MALFORMED_LENGTH,
	/** QoS 3, or DUP at QoS 0. */
	MALFORMED_QOS = Decoded.MALFORMED_QOS,
	/** Packet identifier 0. */
	MALFORMED_IDENTIFIER = Decoded.MALFORMED_IDENTIFIER,
	/** A topic name that is empty, ill-formed UTF-8, or holds U+0000 or a wildcard. */
	MALFORMED_TOPIC = Decoded.MALFORMED_TOPIC,
	/** A return code that there is not, or not as many as were asked for. */
	MALFORMED_CODE = Decoded.MALFORMED_CODE,
}

/** How many reasons there are. */
export const REASONS = 25;

const TEXTS = [
	"none",
	"the broker does not speak this protocol level (return code 1)",
	"the broker rejected the client identifier (return code 2)",
	"the broker is not available (return code 3)",
	"bad user name or password (return code 4)",
	"not authorized (return code 5)",
	"stopped",
	"no connection to the broker",
	"the link was lost",
	"the link did not open in time",
	"no CONNACK in time",
	"no PINGRESP in time",
	"no SUBACK or UNSUBACK in time",
	"nothing could be sent for too long",
	"too many messages came in while none could be acknowledged",
	"more messages at QoS 2 came in at a time than there are identifiers for",
	"the source of a stream failed",
	"the broker sent a packet out of place",
	"malformed packet: a type that no broker sends",
	"malformed packet: reserved flags",
	"malformed packet: its length",
	"malformed packet: QoS 3, or DUP at QoS 0",
	"malformed packet: identifier 0",
	"malformed packet: the topic name",
	"malformed packet: a return code",
];

/** A reason in words. Leave it out of a firmware that only compares numbers, and the texts stay out too. */
export function describe(reason: number): string {
	return TEXTS[reason];
}
