/**
 * What binds a client: every normative statement of MQTT 3.1.1 for clients, in our own words; the points in which 3.1
 * differs; and what we decided where both leave it open. The specification's own text decides what a number means.
 *
 * A statement holds at the levels it names: at 3 too where 3.1 says the same, or where we do the same all the same.
 */
import type { Level } from "./packets.js";

export interface Statement {
	/** As MQTT 3.1.1 numbers it, or a name of ours. */
	readonly id: string;
	readonly levels: readonly Level[];
	readonly says: string;
	/** What the client does about it. */
	readonly does: string;
	/** Why no scenario can show it, if none can. */
	readonly untestable?: string;
}

const both: readonly Level[] = [3, 4];

function statement(id: string, levels: readonly Level[], says: string, does: string, untestable?: string): Statement {
	return { id, levels, says, does, untestable };
}

const NO_WEBSOCKET = "does not apply: the client has no link over WebSocket yet";

export const SPECIFIED: readonly Statement[] = [
	statement(
		"MQTT-1.5.3-1",
		both,
		"A string is well-formed UTF-8 without surrogates; who receives another one closes the link.",
		"Checks each text and each name in bytes that the application gives, and each topic name that comes in.",
	),
	statement(
		"MQTT-1.5.3-2",
		both,
		"A string holds no U+0000; who receives one closes the link.",
		"Refuses it from the application, and closes the link when it comes in.",
	),
	statement(
		"MQTT-1.5.3-3",
		both,
		"The bytes ef bb bf are the character U+FEFF wherever they stand, and are never taken away.",
		"Compares and hands over names as bytes, and takes nothing off them.",
	),
	statement(
		"MQTT-2.2.2-1",
		both,
		"The flags of a packet's first byte that mean nothing have the values of table 2.2.",
		"Writes them so; only resends at level 3 say DUP where 3.1 has it.",
	),
	statement(
		"MQTT-2.2.2-2",
		[4],
		"Who receives other flags than these closes the link.",
		"Closes the link (MALFORMED_FLAGS); 3.1 does not use them, see 3.1-header-flags.",
	),
	statement(
		"MQTT-2.3.1-1",
		both,
		"SUBSCRIBE, UNSUBSCRIBE and PUBLISH at QoS 1 and 2 have an identifier that is not 0.",
		"Counts from 1 to 65,535; a PUBLISH that comes in with identifier 0 closes the link.",
	),
	statement(
		"MQTT-2.3.1-2",
		both,
		"A new packet of these types takes an identifier that is not in use.",
		"All of them count in one row, which passes over what is not answered to the end.",
	),
	statement(
		"MQTT-2.3.1-3",
		both,
		"A packet that is sent again keeps its identifier.",
		"Keeps it with the message in the outbox, and with the unanswered request.",
	),
	statement("MQTT-2.3.1-5", both, "A PUBLISH at QoS 0 has no identifier.", "The payload follows the topic name."),
	statement(
		"MQTT-2.3.1-6",
		both,
		"PUBACK, PUBREC and PUBREL have the identifier of their PUBLISH.",
		"Answers under the identifier that came.",
	),
	statement(
		"MQTT-3.1.0-1",
		both,
		"The first packet of a connection is CONNECT.",
		"Puts it into the link as soon as that opens, before all that waits.",
	),
	statement("MQTT-3.1.0-2", both, "CONNECT is sent once per connection.", "Has no way to say it again."),
	statement(
		"MQTT-3.1.2-3",
		both,
		"The reserved flag of CONNECT is 0, which a broker checks.",
		"Leaves it 0 with every combination of options.",
	),
	statement(
		"MQTT-3.1.2-4",
		both,
		"With clean session 0 both sides keep the session after the connection and go on with it.",
		"Keeps what is not completed, both ways, in memory over lost links and over stop and start.",
	),
	statement(
		"MQTT-3.1.2-6",
		both,
		"With clean session 1 both sides drop what was, and use nothing of it later.",
		"Subscribes anew and forgets what came in at QoS 2; for what it publishes see decision-clean-session.",
	),
	statement(
		"MQTT-3.1.2-9",
		both,
		"With the will flag, will topic and will message are in the payload, and QoS and RETAIN of the will count.",
		"Writes flag and fields from the one option `will`.",
	),
	statement(
		"MQTT-3.1.2-11",
		both,
		"Without the will flag there are no will fields, and QoS and RETAIN of the will are 0.",
		"Writes flag and fields from the one option `will`.",
	),
	statement("MQTT-3.1.2-13", both, "Without a will its QoS is 0.", "Leaves the two bits 0."),
	statement("MQTT-3.1.2-14", both, "A will has QoS 0, 1 or 2, never 3.", "Refuses QoS 3."),
	statement("MQTT-3.1.2-15", both, "Without a will its RETAIN is 0.", "Leaves the bit 0."),
	statement("MQTT-3.1.2-18", both, "Without the user name flag there is no user name.", "Writes both or neither."),
	statement("MQTT-3.1.2-19", both, "With the user name flag there is a user name.", "Writes both or neither."),
	statement("MQTT-3.1.2-20", both, "Without the password flag there is no password.", "Writes both or neither."),
	statement("MQTT-3.1.2-21", both, "With the password flag there is a password.", "Writes both or neither."),
	statement("MQTT-3.1.2-22", both, "No password without a user name.", "Refuses a password without a user name."),
	statement(
		"MQTT-3.1.2-23",
		both,
		"No keep alive passes without a packet from the client; PINGREQ if there is no other.",
		"Says PINGREQ after 0.45 to 0.9 of it, and closes if PINGRESP is missing for 0.45 of it.",
	),
	statement(
		"MQTT-3.1.3-1",
		both,
		"The payload of CONNECT is client identifier, will topic, will message, user name, password, in this order.",
		"Writes them in this order.",
	),
	statement(
		"MQTT-3.1.3-2",
		both,
		"The client identifier stands for the session on both sides.",
		"Has one for the life of the client, the same on each connection.",
	),
	statement("MQTT-3.1.3-3", both, "The client identifier is always there, and first.", "Writes it always, and first."),
	statement("MQTT-3.1.3-4", both, "The client identifier is a UTF-8 string.", "Encodes and checks it."),
	statement(
		"MQTT-3.1.3-7",
		[4],
		"An empty client identifier needs clean session 1.",
		"Refuses it with clean session 0; at level 3 it is refused at all.",
	),
	statement("MQTT-3.1.3-10", both, "The will topic is a UTF-8 string.", "Encodes and checks it."),
	statement(
		"MQTT-3.1.3-11",
		both,
		"The user name is a UTF-8 string.",
		"Encodes and checks it, given as a text or as bytes.",
	),
	statement(
		"MQTT-3.2.0-1",
		both,
		"The first packet from a broker is CONNACK.",
		"Closes the link on any other (UNEXPECTED_PACKET).",
	),
	statement(
		"MQTT-3.2.2-4",
		[4],
		"A broker that refuses says that no session is present.",
		"Believes the refusal whatever session present says, and nothing else of it.",
	),
	statement(
		"MQTT-3.2.2-5",
		both,
		"A broker that refuses closes the connection.",
		"Closes it too, at once, and tries again after a long wait.",
	),
	statement(
		"MQTT-3.3.1-1",
		both,
		"A PUBLISH that is sent again says DUP.",
		"Says DUP from the second time on, and never the first time.",
	),
	statement(
		"MQTT-3.3.1-2",
		both,
		"A PUBLISH at QoS 0 has no DUP.",
		"Sends it once, without; closes the link if one comes in with DUP.",
	),
	statement(
		"MQTT-3.3.1-4",
		both,
		"There is no QoS 3; who receives it closes the link.",
		"Refuses it from the application, and closes the link when it comes in (MALFORMED_QOS).",
	),
	statement(
		"MQTT-3.3.2-1",
		both,
		"The topic name comes first in PUBLISH, and is UTF-8.",
		"Writes it so, encoded and checked.",
	),
	statement(
		"MQTT-3.3.2-2",
		both,
		"A topic name has no wildcard.",
		"Refuses it from the application, and closes the link when it comes in (MALFORMED_TOPIC).",
	),
	statement(
		"MQTT-3.3.4-1",
		both,
		"A PUBLISH is answered as its QoS demands.",
		"Nothing, PUBACK or PUBREC, once the handlers have returned or the application acknowledges.",
	),
	statement("MQTT-3.6.1-1", both, "PUBREL has flags 0010.", "Writes 62; at level 3 6a when it is sent again."),
	statement("MQTT-3.8.1-1", both, "SUBSCRIBE has flags 0010.", "Writes 82; at level 3 8a when it is sent again."),
	statement("MQTT-3.8.3-1", both, "The filters of SUBSCRIBE are UTF-8.", "Encodes and checks them."),
	statement("MQTT-3.8.3-3", both, "SUBSCRIBE has at least one filter with its QoS.", "Refuses to subscribe to none."),
	statement(
		"MQTT-3.8.3-4",
		both,
		"The byte behind a filter is QoS 0, 1 or 2, its upper bits 0.",
		"Refuses any other QoS, and writes nothing else there.",
	),
	statement(
		"MQTT-3.9.3-1",
		both,
		"The codes of SUBACK stand in the order of the filters.",
		"Gives each subscription its own code in `granted`.",
	),
	statement(
		"MQTT-3.9.3-2",
		both,
		"The codes of SUBACK are 0, 1, 2 and 128.",
		"Closes the link on any other (MALFORMED_CODE).",
	),
	statement("MQTT-3.10.1-1", both, "UNSUBSCRIBE has flags 0010.", "Writes a2; at level 3 aa when it is sent again."),
	statement("MQTT-3.10.3-1", both, "The filters of UNSUBSCRIBE are UTF-8.", "Sends the very bytes of the SUBSCRIBE."),
	statement("MQTT-3.10.3-2", both, "UNSUBSCRIBE has at least one filter.", "Says nothing if nothing is to be ended."),
	statement("MQTT-3.14.1-1", both, "DISCONNECT has flags 0.", "Writes e0 00."),
	statement("MQTT-3.14.4-1", both, "After DISCONNECT the client closes the connection.", "Closes it in the same call."),
	statement(
		"MQTT-3.14.4-2",
		both,
		"After DISCONNECT the client sends nothing more.",
		"Sends nothing until it is started again.",
	),
	statement(
		"MQTT-4.1.0-1",
		both,
		"Both sides keep the state of a session for as long as it lasts.",
		"Keeps messages without their last acknowledgement, identifiers at QoS 2, and unanswered requests.",
	),
	statement(
		"MQTT-4.1.0-2",
		both,
		"A session lasts at least as long as its connection.",
		"Forgets nothing while connected, however long that is.",
	),
	statement("MQTT-4.3.1-1", both, "A message at QoS 0 is sent with QoS 0 and DUP 0.", "Sends it so, once."),
	statement(
		"MQTT-4.3.2-1",
		both,
		"At QoS 1 a new message has an unused identifier and no DUP, and is kept until PUBACK.",
		"Keeps it in the outbox until PUBACK.",
	),
	statement(
		"MQTT-4.3.2-2",
		both,
		"At QoS 1 the receiver answers PUBACK; the same identifier is a new message then.",
		"Answers PUBACK and remembers nothing.",
	),
	statement(
		"MQTT-4.3.3-1",
		both,
		"At QoS 2 the sender keeps a message until PUBREC, then says PUBREL and never PUBLISH again, until PUBCOMP.",
		"Does so; the payload is kept until PUBCOMP, see decision-lost-session.",
	),
	statement(
		"MQTT-4.3.3-2",
		both,
		"At QoS 2 the receiver answers each copy with PUBREC, takes the message once, and frees the identifier with PUBREL.",
		"Hands it over with PUBLISH and keeps its identifier until PUBREL; at level 3 a repeat needs DUP.",
	),
	statement(
		"MQTT-4.4.0-1",
		both,
		"After a reconnect with clean session 0, unacknowledged PUBLISHes and PUBRELs go out again, under their identifiers.",
		"Sends them again, with DUP where the level has it.",
	),
	statement(
		"MQTT-4.5.0-2",
		both,
		"Every PUBLISH is acknowledged, wanted or not.",
		"Acknowledges and counts what no handler wants or the inbox does not hold.",
	),
	statement(
		"MQTT-4.6.0-1",
		both,
		"Resent PUBLISHes go out in their first order.",
		"Sends the oldest first, and what is new behind.",
	),
	statement(
		"MQTT-4.6.0-2",
		both,
		"PUBACKs go out in the order of their PUBLISHes.",
		"What came behind a held message waits for it.",
	),
	statement(
		"MQTT-4.6.0-3",
		both,
		"PUBRECs go out in the order of their PUBLISHes.",
		"What came behind a held message waits for it.",
	),
	statement(
		"MQTT-4.6.0-4",
		both,
		"PUBRELs go out in the order of their PUBRECs.",
		"Answers in the order in which they come.",
	),
	statement(
		"MQTT-4.7.1-1",
		both,
		"Wildcards stand in filters only, not in topic names.",
		"Refuses such a name from the application, and closes the link when it comes in.",
	),
	statement(
		"MQTT-4.7.1-2",
		both,
		"# is the whole last level of a filter.",
		"Refuses it anywhere else, and matches by it.",
	),
	statement("MQTT-4.7.1-3", both, "+ is a whole level of a filter.", "Refuses it anywhere else, and matches by it."),
	statement(
		"MQTT-4.7.3-1",
		both,
		"Topic names and filters have at least one character.",
		"Refuses an empty one, and closes the link when one comes in.",
	),
	statement(
		"MQTT-4.7.3-2",
		both,
		"Topic names and filters hold no U+0000.",
		"Refuses it, and closes the link when it comes in.",
	),
	statement("MQTT-4.7.3-3", both, "Topic names and filters have at most 65,535 bytes.", "Refuses longer ones."),
	statement(
		"MQTT-4.8.0-1",
		both,
		"A violation of the protocol closes the link.",
		"Closes it with a reason of its own and counts it; what stands behind is void.",
	),
	statement(
		"MQTT-4.8.0-2",
		both,
		"A passing failure within a packet's processing closes the link that it came on.",
		"Closes the link when memory for acknowledgements or identifiers has run out.",
	),
	statement("MQTT-6.0.0-1", both, "Over WebSocket, packets travel in binary frames.", "Nothing.", NO_WEBSOCKET),
	statement(
		"MQTT-6.0.0-2",
		both,
		"Over WebSocket, frames and packets need not have the same borders.",
		"Nothing; over any link packets may be cut and joined.",
		NO_WEBSOCKET,
	),
	statement(
		"MQTT-6.0.0-3",
		both,
		"Over WebSocket, the client asks for the subprotocol mqtt.",
		"Nothing.",
		NO_WEBSOCKET,
	),
	statement(
		"MQTT-7.0.0-2",
		both,
		"A client needs no extension of a broker.",
		"Every scenario here is played by a broker that has none.",
	),
	statement(
		"MQTT-7.1.2-1",
		both,
		"A client runs over a transport that is an ordered, lossless stream of bytes.",
		"Runs over TCP, and needs order and completeness of it, but no borders.",
	),
];

export const DIFFERENT: readonly Statement[] = [
	statement(
		"3.1-level",
		both,
		"3.1 calls itself MQIsdp, level 3; 3.1.1 MQTT, level 4.",
		"Speaks what the option `level` says; a Fallback tries 3.1.1, then 3.1.",
	),
	statement(
		"3.1-client-id",
		both,
		"3.1 has 1 to 23 characters; 3.1.1 0 to 65,535 bytes.",
		"Refuses what the level does not have.",
	),
	statement(
		"3.1-connack-flags",
		both,
		"The first byte of CONNACK is reserved in 3.1; in 3.1.1 it is session present and seven zeros.",
		"Ignores it at level 3; at level 4 a bit too many closes the link.",
	),
	statement(
		"3.1-suback",
		both,
		"3.1 cannot refuse a filter; 3.1.1 does so with code 128.",
		"Believes 128 at both levels.",
	),
	statement(
		"3.1-header-flags",
		both,
		"3.1 has DUP on PUBREL, SUBSCRIBE and UNSUBSCRIBE that are sent again, and does not use the other flags; 3.1.1 fixes them all.",
		"Says DUP there at level 3 only, and ignores the flags of acknowledgements at level 3.",
	),
	statement(
		"3.1-retry",
		both,
		"3.1 sends again after a time; 3.1.1 only after a reconnect.",
		"Sends again only after a reconnect, at both levels: the link is lossless.",
	),
	statement(
		"3.1-utf8",
		[3],
		"3.1 has Java's modified UTF-8, and advises ASCII; 3.1.1 has RFC 3629.",
		"Keeps to RFC 3629 at both levels, which is the same for all but U+0000 and what is beyond U+FFFF.",
	),
	statement(
		"3.1-will-message",
		both,
		"Will message and password are UTF-8 in 3.1, any bytes in 3.1.1.",
		"Encodes a text, and leaves bytes to the application, at both levels.",
	),
	statement(
		"3.1-topic-length",
		both,
		"Topic names have up to 32,767 characters in 3.1, up to 65,535 bytes in 3.1.1.",
		"Refuses what the level does not have.",
	),
	statement(
		"3.1-user-password",
		both,
		"In 3.1 a flag may be set though its field is missing; in 3.1.1 both agree.",
		"Flags and fields agree at both levels, and no password goes without a user name.",
	),
	statement(
		"3.1-before-connack",
		both,
		"3.1 does not say whether a client may speak before CONNACK; 3.1.1 lets it.",
		"Says nothing but CONNECT before CONNACK, at both levels.",
	),
	statement(
		"3.1-clean-session",
		both,
		"3.1 describes clean session for the broker; 3.1.1 for both sides, with session present.",
		"Keeps the session at both levels; at level 3 it subscribes on each connection, since nobody says whether the broker kept it.",
	),
	statement(
		"3.1-after-disconnect",
		both,
		"In 3.1 the broker closes after DISCONNECT; in 3.1.1 the client does.",
		"Closes, at both levels.",
	),
	statement(
		"3.1-protocol-errors",
		[3],
		"3.1 leaves most errors open; 3.1.1 closes the link.",
		"Closes the link at both levels.",
	),
	statement(
		"3.1-ordering",
		both,
		"In 3.1 the order of messages is advice; in 3.1.1 it is demanded.",
		"Keeps the order at both levels.",
	),
	statement(
		"3.1-zero-byte-retained",
		both,
		"An empty message with RETAIN clears the retained one; 3.1 says so less clearly.",
		"Sends it like any other.",
	),
];

export const DECIDED: readonly Statement[] = [
	statement(
		"decision-clean-session",
		both,
		"With clean session 1, what was sent and not acknowledged when the link broke is published again in the new session.",
		"Keeps content and identifier and says DUP, since it may have arrived; what came in at QoS 2 is forgotten.",
	),
	statement(
		"decision-lost-session",
		[4],
		"A broker that lost a kept session (session present 0) gets everything again that is not completed, what waits for PUBCOMP included.",
		"Keeps payloads until PUBCOMP, and counts what may come twice in `mayRepeat`.",
	),
	statement(
		"decision-stray",
		both,
		"An acknowledgement for nothing in flight is ignored and counted; a PUBREL for nothing gets its PUBCOMP.",
		"Counts it in `stray`.",
	),
	statement(
		"decision-control-characters",
		both,
		"Control characters in topic names and filters, which one may refuse, are taken.",
		"Takes U+0001 to U+001F and U+007F to U+009F both ways.",
	),
	statement(
		"decision-suback",
		both,
		"A SUBACK with another code, or with another number of codes than filters, is malformed.",
		"Closes the link (MALFORMED_CODE).",
	),
	statement(
		"decision-client-packets",
		both,
		"A packet that only a client may send is malformed when a broker sends it.",
		"Closes the link (MALFORMED_TYPE).",
	),
	statement(
		"decision-connack-first",
		both,
		"Nothing but CONNACK comes first, none comes twice, and no session is present after clean session 1.",
		"Closes the link (UNEXPECTED_PACKET).",
	),
	statement(
		"decision-disconnect",
		both,
		"After DISCONNECT the client closes and sends nothing more; before CONNACK it sends nothing but CONNECT.",
		"So it is; DISCONNECT is left out before CONNACK and within another packet.",
	),
	statement(
		"decision-input",
		both,
		"What an application asks for and cannot have is refused when it asks.",
		"Throws an Error that says what is wrong, and sends nothing.",
	),
];

export const STATEMENTS: readonly Statement[] = [...SPECIFIED, ...DIFFERENT, ...DECIDED];
