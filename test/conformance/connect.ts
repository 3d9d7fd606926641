/** CONNECT: that it comes first and once, and what stands in it (section 3.1). */
import type { ClientOptions } from "../../src/client.js";
import { connected, connecting, scene } from "./broker.js";
import { type Connect, connack, connect, hex, type Level, publish, subscribe, utf8 } from "./packets.js";
import { both, each, equal, refuses, scenario } from "./scenario.js";

const nothing = () => {};

/** The flags of CONNECT, the byte behind name and level. */
const flagsOf = (bytes: Uint8Array, level: Level) => bytes[level === 3 ? 11 : 9];

const will = { topic: "t", payload: "m" };

/** Every combination of the optional fields of CONNECT. */
function combinations(level: Level): Record<string, Connect & Partial<ClientOptions>> {
	const cases: Record<string, Connect & Partial<ClientOptions>> = {};
	const credentials = [{}, { userName: "u" }, { userName: "u", password: "p" }];
	const wills = [
		undefined,
		...([0, 1, 2] as const).flatMap((qos) => [true, false].map((retain) => ({ ...will, qos, retain }))),
	];
	for (const cleanSession of [true, false]) {
		for (const one of wills) {
			for (const names of credentials) {
				const options = { cleanSession, will: one, ...names };
				cases[JSON.stringify(options)] = { level, ...options };
			}
		}
	}
	return cases;
}

export default [
	scenario(["MQTT-3.1.0-1"], "CONNECT is the first packet, whatever waits to be said", both, (level) => {
		const { broker, client } = scene(level);
		client.topic("t", { qos: 1 }).publish(utf8("1"));
		client.topic("t").publish(utf8("0"));
		client.subscribe("a", 0, nothing);
		client.start();
		broker.opens();
		broker.readsAgain();
		broker.expects(connect({ level }));
	}),

	scenario(["MQTT-3.1.0-2"], "CONNECT is said once on each connection, however long that lasts", both, (level) => {
		const { broker, client } = connected(level, { keepAlive: 10 });
		client.start();
		broker.expectsNothing();
		for (let minute = 0; minute < 60; minute++) {
			broker.waits(4);
			broker.sends(hex("d0 00"));
			equal(broker.hears().includes(0x10), false, `CONNECT in minute ${minute}`);
		}
		broker.breaks();
		broker.accepts();
	}),

	scenario(["3.1-level"], "the protocol is MQIsdp 3 or MQTT 4, as the option says", both, (level) => {
		const { broker } = connecting(level);
		broker.expects(
			level === 3
				? hex("10 0f", "00 06 4d 51 49 73 64 70", "03", "02", "00 3c", "00 01 63")
				: hex("10 0d", "00 04 4d 51 54 54", "04", "02", "00 3c", "00 01 63"),
		);
	}),

	scenario(
		["MQTT-3.1.3-1", "MQTT-3.1.3-3", "MQTT-3.1.2-9", "MQTT-3.1.2-19", "MQTT-3.1.2-21"],
		"the payload is client identifier, will topic, will message, user name, password, in this order",
		both,
		(level) => {
			const { broker } = connecting(level, {
				clientId: "id",
				cleanSession: false,
				keepAlive: 10,
				will: { ...will, qos: 1, retain: true },
				userName: "user",
				password: "pass",
			});
			const fields = ["00 02 69 64", "00 01 74", "00 01 6d", "00 04 75 73 65 72", "00 04 70 61 73 73"];
			if (level === 3) broker.expects(hex("10 22 00 06 4d 51 49 73 64 70 03", "ec", "00 0a", ...fields));
			else broker.expects(hex("10 20 00 04 4d 51 54 54 04", "ec", "00 0a", ...fields));
		},
	),

	scenario(
		[
			...["MQTT-3.1.2-9", "MQTT-3.1.2-11", "MQTT-3.1.2-13", "MQTT-3.1.2-14", "MQTT-3.1.2-15", "MQTT-3.1.2-18"],
			...["MQTT-3.1.2-19", "MQTT-3.1.2-20", "MQTT-3.1.2-21", "MQTT-3.1.2-22", "3.1-user-password"],
		],
		"a flag is set if and only if its field is there, for every combination of will, user name and password",
		both,
		(level) => {
			each(combinations(level), (options) => {
				const { broker } = connecting(level, options);
				broker.expects(connect(options));
			});
		},
	),

	scenario(["MQTT-3.1.2-3"], "the reserved flag of CONNECT is 0, whatever the options", both, (level) => {
		each(combinations(level), (options) => {
			const { broker } = connecting(level, options);
			equal(flagsOf(broker.hears(), level) & 1, 0, "the reserved flag");
		});
	}),

	scenario(
		["MQTT-3.1.2-11", "MQTT-3.1.2-13", "MQTT-3.1.2-15"],
		"without a will its QoS and RETAIN are 0",
		both,
		(level) => {
			const { broker } = connecting(level, { userName: "u", password: "p" });
			equal(flagsOf(broker.hears(), level) & 0x3c, 0, "the flags of the will");
		},
	),

	scenario(["MQTT-3.1.2-14"], "a will at QoS 3 is refused", both, (level) => {
		refuses(/qos.*3/, () => scene(level, { will: { ...will, qos: 3 as 2 } }));
	}),

	scenario(
		["MQTT-3.1.2-22", "3.1-user-password", "decision-input"],
		"a password without a user name is refused",
		both,
		(level) => {
			refuses(/password needs a userName/, () => scene(level, { password: "p" }));
			refuses(/password needs a userName/, () => scene(level, { password: Uint8Array.of(1) }));
		},
	),

	scenario(
		["MQTT-3.1.2-19", "MQTT-3.1.2-21"],
		"an empty user name and an empty password are fields too",
		both,
		(level) => {
			const { broker } = connecting(level, { userName: "", password: "" });
			broker.expects(connect({ level, userName: "", password: "" }));
		},
	),

	scenario(
		["MQTT-3.1.3-4", "MQTT-3.1.3-10", "MQTT-3.1.3-11"],
		"client identifier, will topic and user name go out in UTF-8",
		both,
		(level) => {
			const text = "°€\u{1f321}";
			const bytes = hex("c2 b0", "e2 82 ac", "f0 9f 8c a1");
			const { broker } = connecting(level, { clientId: text, will: { topic: text, payload: text }, userName: text });
			broker.expects(connect({ level, clientId: bytes, will: { topic: bytes, payload: bytes }, userName: bytes }));
		},
	),

	scenario(
		["MQTT-3.1.3-11", "decision-input"],
		"a user name in bytes goes out as it is, and is refused if it is no UTF-8",
		both,
		(level) => {
			const { broker } = connecting(level, { userName: hex("c2 b0") });
			broker.expects(connect({ level, userName: "°" }));
			for (const bytes of ["c2", "ed a0 80", "00", "ff"])
				refuses(/userName/, () => scene(level, { userName: hex(bytes) }));
		},
	),

	scenario(["MQTT-3.1.3-2"], "every connection is made under the same client identifier", both, (level) => {
		const { broker, client } = connecting(level, { clientId: "the/same", cleanSession: false });
		const packet = connect({ level, clientId: "the/same", cleanSession: false });
		broker.expects(packet);
		for (let round = 0; round < 3; round++) {
			broker.breaks();
			broker.opens();
			broker.expects(packet);
			broker.sends(connack());
		}
		client.stop();
		broker.hears();
		client.start();
		broker.opens();
		broker.expects(packet);
	}),

	scenario(["MQTT-3.1.3-7"], "the client identifier may be empty with clean session 1, and only so", [4], (level) => {
		const { broker } = connecting(level, { clientId: "" });
		broker.expects(hex("10 0c 00 04 4d 51 54 54 04", "02", "00 3c", "00 00"));
		refuses(/clientId may be empty only with cleanSession/, () => scene(level, { clientId: "", cleanSession: false }));
	}),

	scenario(
		["3.1-client-id", "decision-input"],
		"3.1 has client identifiers of 1 to 23 characters, 3.1.1 of up to 65,535 bytes",
		both,
		(level) => {
			for (const clientId of ["x", "x".repeat(23), "\u{1f321}".repeat(23)]) {
				connecting(level, { clientId }).broker.expects(connect({ level, clientId }));
			}
			if (level === 3) {
				refuses(/clientId may be empty only with .*level 4/, () => scene(3, { clientId: "" }));
				refuses(/clientId is longer than the 23 characters/, () => scene(3, { clientId: "x".repeat(24) }));
			} else {
				for (const clientId of ["x".repeat(24), "x".repeat(65_535)]) {
					connecting(4, { clientId }).broker.expects(connect({ level, clientId }));
				}
				refuses(/clientId has 65536 bytes/, () => scene(4, { clientId: "x".repeat(65_536) }));
			}
		},
	),

	scenario(
		["3.1-will-message"],
		"will message and password are UTF-8 if they are given as texts, and go out as they are if given as bytes",
		both,
		(level) => {
			const { broker } = connecting(level, { will: { topic: "t", payload: "°" }, userName: "u", password: "€" });
			broker.expects(
				connect({ level, will: { topic: "t", payload: hex("c2 b0") }, userName: "u", password: hex("e2 82 ac") }),
			);
			const bytes = hex("00 c2 b0 7f");
			const options = { will: { topic: "t", payload: bytes }, userName: "u", password: bytes };
			connecting(level, options).broker.expects(connect({ level, ...options }));
		},
	),

	scenario(
		["3.1-before-connack", "decision-disconnect"],
		"nothing but CONNECT goes out before CONNACK",
		both,
		(level) => {
			const { broker, client } = connecting(level, { timeout: 10 });
			broker.expects(connect({ level }));
			client.topic("t").publish(utf8("0"));
			client.topic("t", { qos: 1 }).publish(utf8("1"));
			client.subscribe("a", 0, nothing);
			broker.readsAgain();
			broker.waits(9);
			broker.expectsNothing();
			broker.sends(connack());
			broker.expects(subscribe(1, ["a", 0]), publish("t", "0"), publish("t", "1", { qos: 1, id: 2 }));
		},
	),
];
