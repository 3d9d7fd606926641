/** QoS 2 out: exactly once (section 4.3.3). */
import { type ClientOptions, ExactlyOnce } from "../../src/client.js";
import { connected, scene } from "./broker.js";
import { again, hex, puback, pubcomp, publish, pubrec, pubrel, utf8 } from "./packets.js";
import { both, equal, refuses, scenario } from "./scenario.js";

const options = (more: Partial<ClientOptions> = {}): Partial<ClientOptions> => ({
	cleanSession: false,
	exactlyOnce: new ExactlyOnce(),
	...more,
});

const message = (id: number, dup = false) => publish("a", String(id), { qos: 2, id, dup });

export default [
	scenario(
		["MQTT-4.3.3-1", "MQTT-3.6.1-1", "MQTT-2.3.1-6", "MQTT-2.2.2-1"],
		"PUBREC is answered with PUBREL under the same identifier, and PUBCOMP ends it",
		both,
		(level) => {
			const { broker, client } = connected(level, options());
			client.topic("a", { qos: 2 }).publish(utf8("21"));
			broker.expects(hex("34 07", "00 01 61", "00 01", "32 31"));
			equal(client.status.delivered, 0, "delivered");
			broker.sends(hex("50 02 00 01"));
			broker.expects(hex("62 02 00 01"));
			equal(client.status.delivered, 0, "delivered");
			broker.sends(hex("70 02 00 01"));
			broker.expectsNothing();
			equal([client.status.delivered, client.status.outbox.used], [1, 0], "delivered, and bytes kept");
			broker.breaks();
			broker.accepts({ sessionPresent: true });
			broker.expectsNothing();
		},
	),

	scenario(
		["MQTT-4.3.3-1", "MQTT-4.4.0-1", "MQTT-3.3.1-1", "MQTT-2.3.1-3"],
		"without PUBREC the PUBLISH goes out again after a reconnect, with DUP and its identifier",
		both,
		(level) => {
			const { broker, client } = connected(level, options());
			client.topic("a", { qos: 2 }).publish(utf8("1"));
			broker.expects(message(1));
			for (let round = 0; round < 3; round++) {
				broker.breaks();
				broker.accepts({ sessionPresent: true });
				broker.expects(message(1, true));
			}
			broker.sends(pubrec(1));
			broker.expects(pubrel(1));
		},
	),

	scenario(
		["MQTT-4.3.3-1", "MQTT-4.4.0-1", "MQTT-2.3.1-3", "MQTT-3.6.1-1", "3.1-header-flags"],
		"after PUBREC the client says PUBREL after each reconnect, and never PUBLISH again; DUP only at level 3",
		both,
		(level) => {
			const { broker, client } = connected(level, options());
			client.topic("a", { qos: 2 }).publish(utf8("1"));
			broker.expects(message(1));
			broker.sends(pubrec(1));
			broker.expects(pubrel(1));
			for (let round = 0; round < 3; round++) {
				broker.breaks();
				broker.accepts({ sessionPresent: true });
				broker.expects(level === 3 ? hex("6a 02 00 01") : hex("62 02 00 01"));
			}
			broker.sends(pubcomp(1));
			equal([client.status.delivered, client.status.outbox.used], [1, 0], "delivered, and bytes kept");
			broker.breaks();
			broker.accepts({ sessionPresent: true });
			broker.expectsNothing();
		},
	),

	scenario(["MQTT-4.3.3-1"], "a PUBREC that comes again is answered with PUBREL again", both, (level) => {
		const { broker, client } = connected(level, options());
		client.topic("a", { qos: 2 }).publish(utf8("1"));
		broker.expects(message(1));
		broker.sends(pubrec(1), pubrec(1));
		broker.expects(pubrel(1), pubrel(1));
		broker.breaks();
		broker.accepts({ sessionPresent: true });
		broker.expects(again(level, pubrel(1)));
		broker.sends(pubrec(1)); // the PUBLISH before had come twice
		broker.expects(pubrel(1));
		broker.sends(pubcomp(1));
		equal([client.status.delivered, client.status.stray], [1, 0], "delivered and stray");
	}),

	scenario(["MQTT-4.3.3-1"], "an identifier is free again after PUBCOMP, and not before", both, (level) => {
		const { broker, client } = connected(level, options());
		const topic = client.topic("a", { qos: 2 });
		topic.publish(utf8("1"));
		broker.expects(message(1));
		broker.sends(pubrec(1));
		broker.expects(pubrel(1));
		topic.publish(utf8("2"));
		broker.expects(message(2));
		broker.sends(pubcomp(1), pubrec(2));
		broker.expects(pubrel(2));
		broker.sends(pubcomp(2));
		equal(client.status.delivered, 2, "delivered");
	}),

	scenario(["MQTT-4.6.0-4"], "PUBRELs go out in the order of the PUBRECs", both, (level) => {
		const { broker, client } = connected(level, options());
		const topic = client.topic("a", { qos: 2 });
		for (const text of ["1", "2", "3", "4"]) topic.publish(utf8(text));
		broker.expects(message(1), message(2), message(3), message(4));
		broker.sends(pubrec(3), pubrec(1));
		broker.sends(pubrec(4));
		broker.sends(pubrec(2));
		broker.expects(pubrel(3), pubrel(1), pubrel(4), pubrel(2));
	}),

	scenario(["MQTT-4.6.0-4"], "PUBRELs keep the order of the PUBRECs while nothing can be sent", both, (level) => {
		const { broker, client } = connected(level, options({ output: 32 }));
		const topic = client.topic("a", { qos: 2 });
		for (let id = 1; id <= 9; id++) topic.publish(utf8(String(id)));
		broker.expects(...[1, 2, 3, 4, 5, 6, 7, 8, 9].map((id) => message(id)));
		broker.stopsReading();
		for (let id = 1; id <= 9; id++) broker.sends(pubrec(id));
		broker.expectsNothing();
		broker.readsAgain();
		broker.expects(...[1, 2, 3, 4, 5, 6, 7, 8, 9].map(pubrel));
	}),

	scenario(
		["MQTT-4.4.0-1", "MQTT-4.6.0-1", "MQTT-4.6.0-4", "3.1-ordering"],
		"after a reconnect PUBLISHes and PUBRELs go out in the order in which their messages first did",
		both,
		(level) => {
			const { broker, client } = connected(level, options());
			const atLeastOnce = client.topic("b", { qos: 1 });
			const exactlyOnce = client.topic("a", { qos: 2 });
			const first = (id: number, dup = false) => publish("b", String(id), { qos: 1, id, dup });
			exactlyOnce.publish(utf8("1"));
			atLeastOnce.publish(utf8("2"));
			exactlyOnce.publish(utf8("3"));
			exactlyOnce.publish(utf8("4"));
			atLeastOnce.publish(utf8("5"));
			broker.expects(message(1), first(2), message(3), message(4), first(5));
			broker.sends(pubrec(1), pubrec(3));
			broker.expects(pubrel(1), pubrel(3));
			broker.breaks();
			exactlyOnce.publish(utf8("6"));
			broker.accepts({ sessionPresent: true });
			broker.expects(
				again(level, pubrel(1)),
				first(2, true),
				again(level, pubrel(3)),
				message(4, true),
				first(5, true),
				message(6),
			);
		},
	),

	scenario(["decision-stray"], "PUBACK, and PUBCOMP in front of PUBREC, are ignored and counted", both, (level) => {
		const { broker, client } = connected(level, options());
		client.topic("a", { qos: 2 }).publish(utf8("1"));
		broker.expects(message(1));
		broker.sends(puback(1), pubcomp(1));
		equal([client.status.stray, client.status.delivered], [2, 0], "stray and delivered");
		broker.expectsNothing();
		broker.sends(pubrec(1));
		broker.expects(pubrel(1));
		broker.sends(puback(1));
		equal([client.status.stray, client.status.delivered], [3, 0], "stray and delivered");
		broker.breaks();
		broker.accepts({ sessionPresent: true });
		broker.expects(again(level, pubrel(1)));
		broker.sends(pubcomp(1));
		equal(client.status.delivered, 1, "delivered");
	}),

	scenario(["decision-stray"], "PUBREC and PUBCOMP for nothing in flight are ignored and counted", both, (level) => {
		for (const exactlyOnce of [undefined, new ExactlyOnce()]) {
			const { broker, client } = connected(level, { exactlyOnce });
			broker.sends(pubrec(7), pubcomp(7), pubrec(0xffff));
			equal(client.status.stray, 3, "stray");
			broker.expectsNothing();
			broker.expectsNoClose();
		}
	}),

	scenario(
		["decision-lost-session", "MQTT-3.3.1-1", "MQTT-2.3.1-3"],
		"a broker that lost the session gets the message again, with DUP, though PUBREC had come; it counts as possibly repeated",
		[4],
		(level) => {
			const { broker, client } = connected(level, options());
			const topic = client.topic("a", { qos: 2 });
			topic.publish(utf8("1"));
			topic.publish(utf8("2"));
			broker.expects(message(1), message(2));
			broker.sends(pubrec(1));
			broker.expects(pubrel(1));
			broker.breaks();
			broker.accepts({ sessionPresent: false });
			broker.expects(message(1, true), message(2, true));
			equal(client.status.mayRepeat > 0, true, "it is counted that a message may be repeated");
			broker.sends(pubcomp(1));
			equal([client.status.stray, client.status.delivered], [1, 0], "stray and delivered");
			broker.sends(pubrec(1));
			broker.expects(pubrel(1));
			broker.sends(pubcomp(1));
			equal(client.status.delivered, 1, "delivered");
		},
	),

	scenario(
		["decision-clean-session", "MQTT-3.1.2-6"],
		"with clean session 1 what is not completed is published again in the new session, with DUP and its identifier",
		both,
		(level) => {
			const { broker, client } = connected(level, options({ cleanSession: true }));
			client.topic("b", { qos: 1 }).publish(utf8("1"));
			client.topic("a", { qos: 2 }).publish(utf8("2"));
			client.topic("a", { qos: 2 }).publish(utf8("3"));
			broker.expects(publish("b", "1", { qos: 1, id: 1 }), message(2), message(3));
			broker.sends(pubrec(2));
			broker.expects(pubrel(2));
			broker.breaks();
			client.topic("a", { qos: 2 }).publish(utf8("4"));
			broker.accepts();
			broker.expects(publish("b", "1", { qos: 1, id: 1, dup: true }), message(2, true), message(3, true), message(4));
			broker.sends(pubrec(2));
			broker.expects(pubrel(2));
		},
	),

	scenario(["decision-input"], "QoS 2 without ExactlyOnce is refused, and the refusal names it", both, (level) => {
		const { client } = scene(level);
		refuses(/exactlyOnce/i, () => client.topic("a", { qos: 2 }));
		refuses(/exactlyOnce/i, () => client.subscribe("a", 2, () => {}));
	}),
];
