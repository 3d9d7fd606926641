/** The session: what outlives a connection, and what does not (sections 3.1.2.4, 4.1 and 4.4). */
import { type ClientOptions, ExactlyOnce } from "../../src/client.js";
import { connected, connecting, listening, type Scene } from "./broker.js";
import * as packets from "./packets.js";
import {
	again,
	connack,
	connect,
	type Level,
	puback,
	pubcomp,
	publish,
	pubrec,
	pubrel,
	suback,
	subscribe,
	utf8,
} from "./packets.js";
import { both, equal, scenario } from "./scenario.js";

const options = (more: Partial<ClientOptions> = {}): Partial<ClientOptions> => ({
	cleanSession: false,
	exactlyOnce: new ExactlyOnce(),
	...more,
});

/** Everything that a session holds, left open: a message at each step of its way, out and in. */
function everythingOpen(level: Level, more: Partial<ClientOptions> = {}): Scene {
	const made = listening(level, options(more)); // SUBSCRIBE has identifier 1
	const { broker, client } = made;
	client.topic("q1", { qos: 1 }).publish(utf8("2"));
	client.topic("q2", { qos: 2 }).publish(utf8("3"));
	client.topic("q2", { qos: 2 }).publish(utf8("4"));
	broker.expects(
		publish("q1", "2", { qos: 1, id: 2 }),
		publish("q2", "3", { qos: 2, id: 3 }),
		publish("q2", "4", { qos: 2, id: 4 }),
	);
	broker.sends(pubrec(3), publish("in", "1", { qos: 2, id: 9 }));
	broker.expects(pubrel(3), pubrec(9));
	return made;
}

const resent = (level: Level) => [
	publish("q1", "2", { qos: 1, id: 2, dup: true }),
	again(level, pubrel(3)),
	publish("q2", "4", { qos: 2, id: 4, dup: true }),
];

const publishedAgain = [
	publish("q1", "2", { qos: 1, id: 2, dup: true }),
	publish("q2", "3", { qos: 2, id: 3, dup: true }),
	publish("q2", "4", { qos: 2, id: 4, dup: true }),
];

export default [
	scenario(
		["MQTT-3.1.2-4", "MQTT-4.1.0-1", "MQTT-4.4.0-1", "3.1-clean-session"],
		"with clean session 0 the client goes on where it was, after a lost link and after stop and start",
		both,
		(level) => {
			for (const ends of ["breaks", "stop"] as const) {
				const { broker, client, heard } = everythingOpen(level);
				if (ends === "breaks") broker.breaks();
				else {
					client.stop();
					broker.expects(packets.disconnect());
					client.start();
				}
				broker.opens();
				broker.expects(connect({ level, cleanSession: false }));
				broker.sends(connack(0, level === 4));
				if (level === 4) broker.expects(...resent(level));
				else {
					broker.expects(subscribe(5, ["#", 2]), ...resent(level));
					broker.sends(suback(5, 2));
				}
				broker.sends(puback(2), pubcomp(3), pubrec(4), publish("in", "1", { qos: 2, id: 9, dup: true }));
				broker.expects(pubrel(4), pubrec(9));
				broker.sends(pubcomp(4), pubrel(9));
				broker.expects(pubcomp(9));
				equal([heard, client.status.delivered], [["in 1 QoS 2"], 3], "messages, and delivered");
				equal([client.status.stray, client.status.outbox.used], [0, 0], "stray, and bytes kept");
			}
		},
	),

	scenario(
		["MQTT-3.1.2-6", "decision-clean-session"],
		"with clean session 1 nothing of the old session is used: it subscribes anew and what came in is forgotten; what was accepted is published again",
		both,
		(level) => {
			const { broker, client, heard, told } = everythingOpen(level, { cleanSession: true });
			broker.breaks();
			broker.accepts();
			broker.expects(subscribe(5, ["#", 2]), ...publishedAgain);
			broker.sends(suback(5, 2), publish("in", "2", { qos: 2, id: 9 }));
			broker.expects(pubrec(9));
			broker.sends(puback(2), pubrec(3), pubrec(4));
			broker.expects(pubrel(3), pubrel(4));
			broker.sends(pubcomp(3), pubcomp(4));
			equal(
				[heard, told],
				[
					["in 1 QoS 2", "in 2 QoS 2"],
					[false, false],
				],
				"messages, and sessions present",
			);
			equal([client.status.delivered, client.status.outbox.used], [3, 0], "delivered, and bytes kept");
		},
	),

	scenario(
		["decision-lost-session"],
		"a broker that lost a kept session gets everything that is not completed again, and a new SUBSCRIBE",
		[4],
		(level) => {
			const { broker, client, heard, told } = everythingOpen(level);
			broker.breaks();
			broker.accepts({ sessionPresent: false });
			broker.expects(subscribe(5, ["#", 2]), ...publishedAgain);
			equal(client.status.mayRepeat > 0, true, "it is counted that a message may be repeated");
			broker.sends(suback(5, 2), publish("in", "2", { qos: 2, id: 9 }));
			broker.expects(pubrec(9));
			equal(
				[heard, told],
				[
					["in 1 QoS 2", "in 2 QoS 2"],
					[false, false],
				],
				"messages, and sessions present",
			);
		},
	),

	scenario(
		["decision-lost-session"],
		"at QoS 2 a broker that kept the session repeats nothing: the counter stays 0",
		[4],
		(level) => {
			const { broker, client } = connected(level, options());
			client.topic("q2", { qos: 2 }).publish(utf8("1"));
			broker.expects(publish("q2", "1", { qos: 2, id: 1 }));
			broker.breaks();
			broker.accepts({ sessionPresent: true });
			broker.expects(publish("q2", "1", { qos: 2, id: 1, dup: true }));
			equal(client.status.mayRepeat, 0, "messages that may be repeated");
		},
	),

	scenario(
		["MQTT-4.1.0-2"],
		"the session lasts as long as its connection, however long nothing happens",
		both,
		(level) => {
			const { broker, client, heard } = everythingOpen(level, { keepAlive: 60 });
			for (let wait = 0; wait < 10_000; wait++) {
				broker.waits(10);
				if (broker.hears().length > 0) broker.sends(packets.pingresp());
			}
			broker.sends(publish("in", "1", { qos: 2, id: 9, dup: true }), pubrel(9));
			broker.expects(pubrec(9), pubcomp(9));
			broker.sends(puback(2), pubcomp(3), pubrec(4));
			broker.expects(pubrel(4));
			equal(
				[heard, client.status.delivered, client.status.stray],
				[["in 1 QoS 2"], 2, 0],
				"messages, delivered, stray",
			);
		},
	),

	// One of them may have begun a new session whose CONNACK was lost: session present would be said of that one.
	scenario(
		["MQTT-4.1.0-1"],
		"the session outlives attempts that come to nothing, and its filters go out again",
		both,
		(level) => {
			const { broker } = everythingOpen(level);
			broker.breaks();
			broker.opens();
			broker.breaksUnheard();
			broker.opens();
			broker.expectsConnect();
			broker.sends(connack(3));
			broker.opens();
			broker.expectsConnect();
			broker.sends(connack(0, level === 4));
			broker.expects(subscribe(5, ["#", 2]), ...resent(level));
		},
	),

	scenario(
		["MQTT-3.1.2-4", "3.1-clean-session"],
		"CONNECT says clean session 0 or 1 as the option does, on every connection",
		both,
		(level) => {
			for (const cleanSession of [false, true]) {
				const { broker } = connecting(level, { cleanSession });
				for (let round = 0; round < 3; round++) {
					broker.expects(connect({ level, cleanSession }));
					broker.sends(connack(0, false));
					broker.breaks();
					broker.opens();
				}
			}
		},
	),

	scenario(
		["3.1-ordering", "MQTT-4.6.0-1"],
		"messages of one topic and QoS arrive in the order of publish, also over two lost links in a row",
		both,
		(level) => {
			const { broker, client } = connected(level, options());
			const topic = client.topic("a", { qos: 1 });
			const message = (id: number, dup: boolean) => publish("a", String(id), { qos: 1, id, dup });
			topic.publish(utf8("1"));
			topic.publish(utf8("2"));
			broker.expects(message(1, false), message(2, false));
			broker.breaks();
			topic.publish(utf8("3"));
			broker.opens();
			broker.expectsConnect();
			broker.breaks();
			topic.publish(utf8("4"));
			broker.accepts({ sessionPresent: true });
			broker.expects(message(1, true), message(2, true), message(3, false), message(4, false));
		},
	),
];
