/** What a broker must not say: it closes the link, with a reason and a counter (sections 2.2, 3.3 and 4.8). */
import { type ClientOptions, ExactlyOnce, Reason } from "../../src/client.js";
import { connected, listening } from "./broker.js";
import * as packets from "./packets.js";
import { hex, joined, type Level, packet, publish, show, suback, subscribe, textOf, unsuback } from "./packets.js";
import { both, each, equal, scenario } from "./scenario.js";

/** These bytes close the link for this reason, whole and byte by byte; what stands behind them is void. */
function closes(level: Level, bytes: Uint8Array, reason: number, options: Partial<ClientOptions> = {}): void {
	const exactlyOnce = new ExactlyOnce();
	for (const split of [false, true]) {
		const { broker, client, heard } = listening(level, { exactlyOnce, ...options });
		const all = joined([publish("a", "before"), bytes, publish("a", "behind")]);
		if (split) broker.network.receive(all, 1);
		else broker.sends(all);
		broker.expectsClose(reason);
		equal(heard, ["a before"], "messages");
		equal([client.status.violations, client.status.endings[reason]], [1, 1], "the counters");
		broker.accepts();
		equal(client.status.connections, 2, "connections");
	}
}

/** Ill-formed UTF-8, and why. */
const ILL_FORMED = {
	"cut off": "c2",
	"cut off after three of four": "f0 9f 8c",
	"a continuation by itself": "80",
	"a character cut off by the next": "c2 41",
	"overlong, U+0000 in two bytes": "c0 80",
	"overlong in two bytes": "c1 bf",
	"overlong in three bytes": "e0 9f bf",
	"overlong in four bytes": "f0 8f bf bf",
	"the first surrogate": "ed a0 80",
	"the last surrogate": "ed bf bf",
	"a pair of surrogates": "ed a0 bc ed bc a1",
	"beyond U+10FFFF": "f4 90 80 80",
	"a byte of no character": "f5 80 80 80",
	"byte ff": "ff",
};

const WELL_FORMED = [
	"7f",
	"c2 80",
	"df bf",
	"e0 a0 80",
	"ed 9f bf",
	"ee 80 80",
	"ef bf bf",
	"f0 90 80 80",
	"f4 8f bf bf",
];

/** A PUBLISH at QoS 0 with this topic name, which need not be one. */
const named = (name: Uint8Array) => publish(name, "1");

export default [
	scenario(
		["MQTT-4.8.0-1", "decision-client-packets"],
		"a packet that only a client may send, or that there is not, closes the link",
		both,
		(level) => {
			const cases = {
				"type 0": packet(0x00),
				CONNECT: packets.connect({ level }),
				SUBSCRIBE: subscribe(1, ["a", 0]),
				UNSUBSCRIBE: packets.unsubscribe(1, "a"),
				PINGREQ: packets.pingreq(),
				DISCONNECT: packets.disconnect(),
				"type 15": packet(0xf0),
			};
			each(cases, (bytes) => closes(level, bytes, Reason.MALFORMED_TYPE));
		},
	),

	scenario(["MQTT-2.2.2-2"], "every packet with other reserved flags than 3.1.1 says closes the link", [4], (level) => {
		const answers = {
			PUBACK: packets.puback(9),
			PUBREC: packets.pubrec(9),
			PUBREL: packets.pubrel(9),
			PUBCOMP: packets.pubcomp(9),
			SUBACK: suback(9, 0),
			UNSUBACK: unsuback(9),
			PINGRESP: packets.pingresp(),
		};
		each(answers, (answer) => {
			for (let flags = 0; flags < 16; flags++) {
				if (flags === (answer[0] & 15)) continue;
				const bytes = answer.slice();
				bytes[0] = (bytes[0] & 0xf0) | flags;
				closes(level, bytes, Reason.MALFORMED_FLAGS);
			}
		});
	}),

	scenario(
		["3.1-header-flags"],
		"3.1 does not use the flags of acknowledgements: they say nothing, DUP included",
		[3],
		(level) => {
			const { broker, client, heard } = listening(level, { exactlyOnce: new ExactlyOnce(), keepAlive: 10 });
			client.topic("t", { qos: 1 }).publish(new Uint8Array(0));
			client.topic("t", { qos: 2 }).publish(new Uint8Array(0));
			const subscription = client.subscribe("b", 1, () => {});
			broker.hears();
			broker.sends(hex("4f 02 00 02", "5d 02 00 03"));
			broker.expects(hex("62 02 00 03"));
			broker.sends(hex("7f 02 00 03", "9f 03 00 04 01"));
			equal(
				[client.status.delivered, subscription.granted, client.status.stray],
				[2, 1, 0],
				"delivered, granted, stray",
			);
			client.unsubscribe(subscription);
			broker.expects(packets.unsubscribe(5, "b"));
			broker.sends(hex("bf 02 00 05", "34 05 00 01 61 00 07"));
			broker.expects(hex("50 02 00 07"));
			for (const flags of [0x60, 0x6a, 0x6f]) {
				broker.sends(Uint8Array.of(flags, 2, 0, 7));
				broker.expects(hex("70 02 00 07"));
			}
			equal(heard.length, 1, "messages");
			broker.waits(10);
			broker.expects(packets.pingreq());
			broker.sends(hex("df 00"));
			broker.waits(5);
			broker.expectsNoClose();
		},
	),

	scenario(["MQTT-3.3.1-4"], "a PUBLISH at QoS 3 closes the link, whatever its other flags", both, (level) => {
		for (const first of [0x36, 0x37, 0x3e, 0x3f]) {
			closes(level, packet(first, hex("00 01 61", "00 01", "31")), Reason.MALFORMED_QOS);
		}
	}),

	scenario(["MQTT-3.3.1-2", "MQTT-4.8.0-1"], "a PUBLISH with DUP at QoS 0 closes the link", [4], (level) => {
		for (const first of [0x38, 0x39]) closes(level, packet(first, hex("00 01 61", "31")), Reason.MALFORMED_QOS);
	}),

	scenario(
		["MQTT-2.3.1-1", "MQTT-4.8.0-1"],
		"a PUBLISH at QoS 1 or 2 with identifier 0 closes the link",
		both,
		(level) => {
			for (const first of [0x32, 0x3a, 0x34, 0x3c]) {
				closes(level, packet(first, hex("00 01 61", "00 00", "31")), Reason.MALFORMED_IDENTIFIER);
				closes(level, packet(first, hex("00 01 61", "00 00")), Reason.MALFORMED_IDENTIFIER);
			}
		},
	),

	scenario(["MQTT-1.5.3-1", "3.1-utf8"], "a topic name that is ill-formed UTF-8 closes the link", both, (level) => {
		each(ILL_FORMED, (bytes) => {
			closes(level, named(hex(bytes)), Reason.MALFORMED_TOPIC);
			closes(level, publish(hex(bytes), hex("80 80 80")), Reason.MALFORMED_TOPIC); // the payload completes nothing
			closes(level, named(joined([hex("61 2f"), hex(bytes)])), Reason.MALFORMED_TOPIC);
			closes(level, publish(joined([hex(bytes), hex("2f 61")]), "1", { qos: 1, id: 1 }), Reason.MALFORMED_TOPIC);
		});
	}),

	scenario(
		["MQTT-1.5.3-1", "3.1-utf8"],
		"the first and last characters of every length in UTF-8 are taken",
		both,
		(level) => {
			for (const bytes of WELL_FORMED) {
				const topics: string[] = [];
				const { broker, client } = connected(level);
				client.subscribe("#", 0, (message) => topics.push(show(message.topic)));
				broker.expects(subscribe(1, ["#", 0]));
				broker.sends(suback(1, 0), named(hex(bytes)));
				broker.expectsNoClose();
				equal(topics, [bytes], "topics");
			}
		},
	),

	scenario(["MQTT-1.5.3-2", "MQTT-4.7.3-2"], "a topic name with U+0000 closes the link", both, (level) => {
		for (const name of ["00", "61 00", "00 61", "61 00 62"]) closes(level, named(hex(name)), Reason.MALFORMED_TOPIC);
	}),

	scenario(
		["MQTT-1.5.3-1", "MQTT-1.5.3-2", "MQTT-3.3.2-2", "MQTT-4.7.3-1"],
		"a topic name that is none closes the link whoever asked for it: nobody, one of the same name, or a wildcard",
		both,
		(level) => {
			for (const name of ["c0 80", "61 00", "61 2f 2b", ""]) {
				for (const filters of [[], ["a"], ["abc", "a/b", "xy"], ["+"], ["a", "#"]]) {
					const { broker, client, heard, listen } = connected(level);
					for (const filter of filters) client.subscribe(filter, 0, listen);
					broker.hears();
					for (let id = 1; id <= filters.length; id++) broker.sends(suback(id, 0));
					broker.sends(named(hex(name)));
					broker.expectsClose(Reason.MALFORMED_TOPIC);
					equal(heard, [], "messages");
				}
			}
		},
	),

	scenario(
		["MQTT-1.5.3-1", "MQTT-1.5.3-2", "MQTT-3.3.2-2"],
		"a topic name that is none closes the link though it is longer than the inbox",
		both,
		(level) => {
			for (const bad of ["c0 80", "00", "23", "2b", "ed a0 80", "c2", "e2 82", "80"]) {
				for (const at of [0, 10, 17, 29, 30, 31, 32, 33, 60, 99, 100]) {
					const name = new Uint8Array(100).fill(0x61);
					closes(level, named(joined([name.subarray(0, at), hex(bad), name.subarray(at)])), Reason.MALFORMED_TOPIC, {
						inbox: 32,
					});
				}
			}
		},
	),

	scenario(
		["MQTT-1.5.3-1", "MQTT-4.5.0-2"],
		"a well-formed topic name longer than the inbox is taken, wherever its characters lie",
		both,
		(level) => {
			for (const character of ["a", "°", "€", "\u{1f321}", "a€", "°\u{1f321}"]) {
				for (let front = 0; front < 8; front++) {
					const { broker, client } = connected(level, { inbox: 32 });
					const name = "x".repeat(front) + character.repeat(40);
					const bytes = publish(name, "21", { qos: 1, id: 1 });
					broker.sends(bytes);
					for (const size of [1, 3, 7]) broker.network.receive(bytes, size);
					broker.expects(packets.puback(1), packets.puback(1), packets.puback(1), packets.puback(1));
					equal(client.status.skipped, 4, "skipped");
				}
			}
		},
	),

	scenario(
		["MQTT-1.5.3-1", "MQTT-4.8.0-1"],
		"a message at QoS 2 that comes again with a topic name that is none closes the link",
		both,
		(level) => {
			const { broker } = listening(level, { exactlyOnce: new ExactlyOnce() });
			broker.sends(publish("a", "1", { qos: 2, id: 7 }));
			broker.expects(packets.pubrec(7));
			broker.sends(publish(hex("61 00"), "1", { qos: 2, id: 7, dup: true }));
			broker.expectsClose(Reason.MALFORMED_TOPIC);
		},
	),

	scenario(["MQTT-3.3.2-2", "MQTT-4.7.1-1"], "a topic name with a wildcard closes the link", both, (level) => {
		for (const name of ["23", "2b", "61 2f 23", "61 2f 2b 2f 62", "61 23", "2b 61"]) {
			closes(level, named(hex(name)), Reason.MALFORMED_TOPIC);
		}
	}),

	scenario(["MQTT-4.7.3-1"], "an empty topic name closes the link", both, (level) => {
		closes(level, hex("30 02 00 00"), Reason.MALFORMED_TOPIC);
		closes(level, hex("30 03 00 00 31"), Reason.MALFORMED_TOPIC);
		closes(level, hex("32 04 00 00 00 01"), Reason.MALFORMED_TOPIC);
	}),

	scenario(["MQTT-4.8.0-1"], "a packet whose remaining length does not fit it closes the link", both, (level) => {
		const cases = {
			"CONNACK of 3": "20 03 00 00 00",
			"CONNACK of 1": "20 01 00",
			"PUBACK of 1": "40 01 00",
			"PUBACK of 3": "40 03 00 01 00",
			"PUBREC of 0": "50 00",
			"PUBREL of 3": "62 03 00 01 00",
			"PUBCOMP of 1": "70 01 00",
			"SUBACK without a code": "90 02 00 01",
			"UNSUBACK of 3": "b0 03 00 01 00",
			"PINGRESP of 1": "d0 01 00",
		};
		each(cases, (bytes) => closes(level, hex(bytes), Reason.MALFORMED_LENGTH));
	}),

	scenario(
		["MQTT-4.8.0-1"],
		"a PUBLISH that ends within its topic name or identifier closes the link",
		both,
		(level) => {
			for (const bytes of [
				"30 00",
				"30 01 00",
				"30 03 00 02 61",
				"32 03 00 01 61",
				"32 04 00 01 61 00",
				"34 03 00 01 61",
			]) {
				const { broker, client } = listening(level, { exactlyOnce: new ExactlyOnce() });
				broker.sends(hex(bytes), publish("a", "1"));
				broker.expectsNothing();
				equal([broker.network.isOpen, client.status.violations], [false, 1], `open, and violations, after ${bytes}`);
			}
		},
	),

	scenario(
		["MQTT-4.8.0-1"],
		"a remaining length of more than four bytes closes the link at its fourth",
		both,
		(level) => {
			for (const first of [0x20, 0x30, 0x40, 0x62, 0x90, 0xd0]) {
				closes(level, joined([Uint8Array.of(first), hex("80 80 80 80 01")]), Reason.MALFORMED_LENGTH);
				closes(level, joined([Uint8Array.of(first), hex("ff ff ff ff")]), Reason.MALFORMED_LENGTH);
			}
		},
	),

	scenario(
		["3.1-protocol-errors"],
		"3.1 says little about errors in the protocol: they close the link as in 3.1.1",
		[3],
		(level) => {
			closes(level, hex("f0 00"), Reason.MALFORMED_TYPE);
			closes(level, hex("36 06", "00 01 61", "00 01", "31"), Reason.MALFORMED_QOS);
			closes(level, hex("40 01 00"), Reason.MALFORMED_LENGTH);
			closes(level, hex("32 06", "00 01 61", "00 00", "31"), Reason.MALFORMED_IDENTIFIER);
			closes(level, hex("30 04", "00 02 61 00"), Reason.MALFORMED_TOPIC);
			closes(level, hex("20 02 00 00"), Reason.UNEXPECTED_PACKET);
		},
	),

	scenario(["MQTT-4.8.0-1"], "the beginning of a packet is forgotten with its link", both, (level) => {
		for (const beginning of ["30", "30 80", "30 7f 00 05 61 62", "32 20 00 01 61 00", "40 02 00", "90"]) {
			const { broker, client } = connected(level);
			broker.sends(hex(beginning));
			broker.breaks();
			broker.accepts();
			broker.sends(publish("a", "1", { qos: 1, id: 1 }));
			broker.expects(packets.puback(1));
			equal(client.status.violations, 0, "violations");
		}
	}),

	scenario(["MQTT-1.5.3-3"], "a U+FEFF in a topic name is a character of it, at the start as well", both, (level) => {
		const { broker, client } = connected(level);
		const topics: string[] = [];
		for (const filter of ["\ufeffa", "a", "+", "+/b"]) {
			client.subscribe(filter, 0, ({ topic }) => topics.push(`${filter}: ${textOf(topic)}`));
		}
		broker.hears();
		broker.sends(suback(1, 0), suback(2, 0), suback(3, 0), suback(4, 0));
		broker.sends(named(hex("ef bb bf 61")), named(hex("61")), named(hex("61 ef bb bf 2f 62")));
		equal(topics, ["\ufeffa: \ufeffa", "+: \ufeffa", "a: a", "+: a", "+/b: a\ufeff/b"], "topics");
	}),
];
