/** Why a link was closed, or could not be opened: as a number, and in words. */

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
	SUBACK_TIMEOUT = 12,
	/** Nothing could be written for too long. */
	WRITE_TIMEOUT = 13,
	/** The broker sent bytes that MQTT does not allow. */
	MALFORMED_PACKET = 14,
	/** The broker sent a packet that MQTT does not allow now. */
	UNEXPECTED_PACKET = 15,
	/** The broker sent more than `REPLIES` messages that could not be acknowledged, for want of room. */
	REPLY_OVERFLOW = 16,
}

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
	"no SUBACK in time",
	"nothing could be sent for too long",
	"the broker sent a malformed packet",
	"the broker sent a packet out of place",
	"too many messages came in while nothing could be sent",
];

/** A reason in words. Leave it out of a firmware that only compares numbers, and the texts stay out too. */
export function describe(reason: number): string {
	return TEXTS[reason];
}
