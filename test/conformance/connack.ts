/** CONNACK: what the broker answers, and what the client then believes (section 3.2). */
import { describe, Fallback, Reason } from "../../src/client.js";
import { connected, connecting, scene } from "./broker.js";
import * as packets from "./packets.js";
import { connack, connect, hex, publish, suback, subscribe, utf8 } from "./packets.js";
import { both, each, equal, scenario } from "./scenario.js";

const REFUSALS = [
	Reason.UNACCEPTABLE_PROTOCOL_VERSION,
	Reason.IDENTIFIER_REJECTED,
	Reason.SERVER_UNAVAILABLE,
	Reason.BAD_USER_NAME_OR_PASSWORD,
	Reason.NOT_AUTHORIZED,
];

export default [
	scenario(
		["MQTT-3.2.0-1", "decision-connack-first"],
		"a packet in front of CONNACK closes the link",
		both,
		(level) => {
			const cases = {
				PUBLISH: publish("a", "1"),
				"PUBLISH at QoS 1": publish("a", "1", { qos: 1, id: 1 }),
				"PUBLISH at QoS 2": publish("a", "1", { qos: 2, id: 1 }),
				PUBACK: packets.puback(1),
				PUBREC: packets.pubrec(1),
				PUBREL: packets.pubrel(1),
				PUBCOMP: packets.pubcomp(1),
				SUBACK: suback(1, 0),
				UNSUBACK: packets.unsuback(1),
				PINGRESP: packets.pingresp(),
			};
			each(cases, (packet) => {
				const { broker, client, heard, listen } = connecting(level);
				client.subscribe("#", 1, listen);
				broker.expectsConnect();
				broker.sends(packet, connack());
				broker.expectsClose(Reason.UNEXPECTED_PACKET);
				equal(heard, [], "messages");
				equal(client.status.connections, 0, "connections");
			});
		},
	),

	scenario(
		["decision-connack-first"],
		"a CONNACK amid a CONNECT that goes out in pieces closes the link",
		both,
		(level) => {
			const { broker, client } = scene(level, { userName: "u".repeat(1_000) });
			client.start();
			broker.network.open(100);
			equal(broker.hears().length, 100, "bytes of CONNECT");
			broker.sends(connack());
			broker.expectsClose(Reason.UNEXPECTED_PACKET);
		},
	),

	scenario(["decision-connack-first"], "a second CONNACK closes the link", both, (level) => {
		const { broker } = connected(level);
		broker.sends(connack());
		broker.expectsClose(Reason.UNEXPECTED_PACKET);
	}),

	scenario(
		["decision-connack-first"],
		"a session that is present after clean session 1 closes the link",
		[4],
		(level) => {
			const { broker, told } = connecting(level, { cleanSession: true });
			broker.expectsConnect();
			broker.sends(connack(0, true));
			broker.expectsClose(Reason.UNEXPECTED_PACKET);
			equal(told, [], "onConnect was told");
		},
	),

	scenario(["MQTT-3.2.2-5"], "after a refusal the client closes and says nothing more", both, (level) => {
		for (const code of REFUSALS) {
			const { broker, client, told, heard, listen } = connecting(level);
			client.subscribe("#", 0, listen);
			client.topic("t").publish(utf8("1"));
			broker.expectsConnect();
			broker.sends(connack(code), connack(0), publish("a", "1"));
			broker.expectsClose(code);
			equal([told, heard], [[], []], `after ${describe(code)}`);
			broker.opens();
			broker.expectsConnect();
		}
	}),

	scenario(
		["MQTT-3.2.2-4"],
		"a refusal that says that a session is present is a refusal all the same",
		[4],
		(level) => {
			const { broker, client, told, listen } = connecting(level, { cleanSession: false });
			client.subscribe("a", 0, listen);
			broker.expectsConnect();
			broker.sends(connack(Reason.SERVER_UNAVAILABLE, true));
			broker.expectsClose(Reason.SERVER_UNAVAILABLE);
			equal(told, [], "onConnect was told");
			broker.accepts();
			broker.expects(subscribe(1, ["a", 0]));
		},
	),

	scenario(["MQTT-4.8.0-1"], "a return code that there is not closes the link", both, (level) => {
		for (const code of [6, 7, 0x80, 0xff]) {
			const { broker } = connecting(level);
			broker.expectsConnect();
			broker.sends(connack(code));
			broker.expectsClose(Reason.MALFORMED_CODE);
		}
	}),

	scenario(
		["3.1-connack-flags"],
		"the first byte of CONNACK says nothing in 3.1, and session present in 3.1.1",
		both,
		(level) => {
			const first = (flags: number) => {
				const made = connecting(level, { cleanSession: false });
				made.broker.expectsConnect();
				made.broker.sends(Uint8Array.of(0x20, 2, flags, 0));
				return made;
			};
			if (level === 3) {
				for (const flags of [0, 1, 2, 0x80, 0xff]) equal(first(flags).told, [false], "session present");
			} else {
				for (const flags of [0, 1]) equal(first(flags).told, [flags === 1], "session present");
				for (const flags of [2, 3, 0x80, 0xff]) equal(first(flags).told, [], `onConnect was told after flags ${flags}`);
				const { broker, client } = first(2);
				equal([broker.network.isOpen, client.status.violations], [false, 1], "open, and violations, after flags 2");
			}
		},
	),

	scenario(["3.1-level"], "with a Fallback, return code 1 makes the client try 3.1, and remember it", [3], () => {
		const { broker, client } = scene(3, { level: new Fallback() });
		client.start();
		broker.opens();
		broker.expects(connect({ level: 4 }));
		broker.sends(connack(Reason.UNACCEPTABLE_PROTOCOL_VERSION));
		broker.expectsClose(Reason.UNACCEPTABLE_PROTOCOL_VERSION);
		broker.opens();
		broker.expects(connect({ level: 3 }));
		broker.sends(hex("20 02 ff 00"));
		broker.expectsNoClose();
		equal(client.status.level, 3, "the level");
		broker.breaks();
		broker.opens();
		broker.expects(connect({ level: 3 }));
	}),

	scenario(
		["3.1-level"],
		"with a Fallback, a broker that closes twice in place of CONNACK makes the client try 3.1",
		[3],
		() => {
			const { broker, client } = scene(3, { level: new Fallback() });
			client.start();
			for (const level of [4, 4, 3] as const) {
				broker.opens();
				broker.expects(connect({ level }));
				if (level === 4) broker.breaks();
			}
			broker.sends(connack());
			broker.expectsNoClose();
		},
	),

	scenario(
		["3.1-level"],
		"with a Fallback, a link that does not open and a broker that says nothing do not make the client try 3.1",
		[4],
		() => {
			const { broker, client } = scene(4, { level: new Fallback(), timeout: 10 });
			client.start();
			for (let round = 0; round < 3; round++) {
				broker.opens();
				broker.expects(connect({ level: 4 }));
				broker.breaks(); // once, and not twice in a row:
				broker.cannotBeReached();
				broker.opens();
				broker.expects(connect({ level: 4 }));
				broker.waits(10);
				broker.expectsClose(Reason.CONNACK_TIMEOUT);
			}
		},
	),

	scenario(
		["3.1-level"],
		"with a Fallback, a broker that speaks 3.1.1 is talked to in 3.1.1, whatever breaks later",
		[4],
		() => {
			const { broker, client } = scene(4, { level: new Fallback() });
			client.start();
			for (let round = 0; round < 4; round++) {
				broker.opens();
				broker.expects(connect({ level: 4 }));
				broker.sends(connack());
				equal(client.status.level, 4, "the level");
				broker.breaks();
			}
		},
	),

	scenario(["3.1-level"], "without a Fallback the level stays what it is", both, (level) => {
		const { broker } = connecting(level);
		for (let round = 0; round < 4; round++) {
			broker.expects(connect({ level }));
			broker.sends(connack(Reason.UNACCEPTABLE_PROTOCOL_VERSION));
			broker.opens();
		}
	}),
];
