/** SUBSCRIBE and UNSUBSCRIBE, and their answers (sections 3.8 to 3.11). */
import { type ClientOptions, ExactlyOnce, Reason } from "../../src/client.js";
import { connected, listening, scene } from "./broker.js";
import { again, hex, puback, publish, pubrec, suback, subscribe, unsuback, unsubscribe, utf8 } from "./packets.js";
import { both, equal, refuses, scenario } from "./scenario.js";

const nothing = () => {};
const exactlyOnce = (): Partial<ClientOptions> => ({ exactlyOnce: new ExactlyOnce() });
const kept: Partial<ClientOptions> = { cleanSession: false };

export default [
	scenario(
		["MQTT-3.8.1-1", "MQTT-2.2.2-1", "MQTT-2.3.1-1", "MQTT-3.8.3-3", "MQTT-3.8.3-4"],
		"SUBSCRIBE has flags 0010, an identifier that is not zero, a filter, and QoS 0, 1 or 2",
		both,
		(level) => {
			const { broker, client } = connected(level, exactlyOnce());
			client.subscribe("a/+", 0, nothing);
			broker.expects(hex("82 08", "00 01", "00 03 61 2f 2b", "00"));
			client.subscribe("a/+", 1, nothing);
			broker.expects(hex("82 08", "00 02", "00 03 61 2f 2b", "01"));
			client.subscribe("a/+", 2, nothing);
			broker.expects(hex("82 08", "00 03", "00 03 61 2f 2b", "02"));
		},
	),

	scenario(
		["MQTT-3.8.3-3", "MQTT-3.8.3-4"],
		"several filters go out in one SUBSCRIBE, each with its QoS behind it",
		both,
		(level) => {
			const { broker, client } = connected(level, exactlyOnce());
			client.subscribeAll([
				{ filter: "a", qos: 2, handler: nothing },
				{ filter: "b/#", qos: 0, handler: nothing },
				{ filter: "c", qos: 1, handler: nothing },
			]);
			broker.expects(hex("82 10", "00 01", "00 01 61 02", "00 03 62 2f 23 00", "00 01 63 01"));
		},
	),

	scenario(["MQTT-3.8.3-3", "decision-input"], "subscribing to no filter is refused", both, (level) => {
		const { broker, client } = connected(level);
		refuses(/at least one filter/, () => client.subscribeAll([]));
		broker.expectsNothing();
	}),

	scenario(
		["MQTT-3.10.3-2"],
		"no UNSUBSCRIBE goes out without a filter: for nothing, or for what has ended already",
		both,
		(level) => {
			const { broker, client } = connected(level);
			const subscription = client.subscribe("a", 0, nothing);
			broker.expects(subscribe(1, ["a", 0]));
			broker.sends(suback(1, 0));
			client.unsubscribe([]);
			broker.expectsNothing();
			client.unsubscribe(subscription);
			broker.expects(unsubscribe(2, "a"));
			client.unsubscribe(subscription);
			client.unsubscribe([subscription, subscription]);
			broker.expectsNothing();
		},
	),

	scenario(["MQTT-3.8.3-4", "MQTT-3.3.1-4", "decision-input"], "subscribing at QoS 3 is refused", both, (level) => {
		const { broker, client } = connected(level, exactlyOnce());
		refuses(/qos.*3/, () => client.subscribe("a", 3 as 2, nothing));
		refuses(/qos.*3/, () => client.subscribeAll([{ filter: "a", qos: 3 as 2, handler: nothing }]));
		broker.expectsNothing();
	}),

	scenario(["MQTT-3.9.3-1"], "the codes of a SUBACK are for the filters in their order", both, (level) => {
		const { broker, client } = connected(level, exactlyOnce());
		const filters = ["a", "b", "c", "d"].map((filter) => ({ filter, qos: 2 as const, handler: nothing }));
		const granted = client.subscribeAll(filters);
		const other = client.subscribe("e", 1, nothing);
		broker.expects(subscribe(1, ["a", 2], ["b", 2], ["c", 2], ["d", 2]), subscribe(2, ["e", 1]));
		const answers = () => [...granted, other].map((subscription) => subscription.granted);
		equal(answers(), [-1, -1, -1, -1, -1], "granted");
		broker.sends(suback(1, 1, 0x80, 0, 2));
		equal(answers(), [1, 0x80, 0, 2, -1], "granted");
		broker.sends(suback(2, 0));
		equal(answers(), [1, 0x80, 0, 2, 0], "granted");
	}),

	scenario(
		["MQTT-3.9.3-2", "decision-suback"],
		"a SUBACK with a code other than 0, 1, 2 and 128 closes the link",
		both,
		(level) => {
			for (const code of [3, 4, 0x7f, 0x81, 0xff]) {
				for (const codes of [
					[code, 0],
					[0, code],
				]) {
					const { broker, client } = connected(level);
					client.subscribeAll(["a", "b"].map((filter) => ({ filter, qos: 1, handler: nothing })));
					broker.expects(subscribe(1, ["a", 1], ["b", 1]));
					broker.sends(suback(1, ...codes));
					broker.expectsClose(Reason.MALFORMED_CODE);
				}
			}
		},
	),

	scenario(
		["MQTT-3.9.3-1", "decision-suback"],
		"a SUBACK with more or fewer codes than filters closes the link",
		both,
		(level) => {
			for (const codes of [[0], [0, 0, 0], [0x80]]) {
				const { broker, client } = connected(level);
				const granted = client.subscribeAll(["a", "b"].map((filter) => ({ filter, qos: 1, handler: nothing })));
				broker.expects(subscribe(1, ["a", 1], ["b", 1]));
				broker.sends(suback(1, ...codes));
				broker.expectsClose(Reason.MALFORMED_CODE);
				equal(
					granted.map((subscription) => subscription.granted),
					[-1, -1],
					"granted",
				);
			}
		},
	),

	scenario(["3.1-suback", "MQTT-3.9.3-2"], "code 128 is a refusal at both levels", both, (level) => {
		const { broker, client } = connected(level);
		const subscription = client.subscribe("a", 1, nothing);
		broker.expects(subscribe(1, ["a", 1]));
		broker.sends(suback(1, 0x80));
		broker.expectsNoClose();
		equal(subscription.granted, 0x80, "granted");
	}),

	scenario(
		["decision-stray"],
		"SUBACK and UNSUBACK for nothing that was asked are ignored and counted",
		both,
		(level) => {
			const { broker, client } = connected(level);
			const subscription = client.subscribe("a", 1, nothing);
			broker.expects(subscribe(1, ["a", 1]));
			broker.sends(suback(2, 0), unsuback(1), unsuback(7));
			equal([subscription.granted, client.status.stray], [-1, 3], "granted, and stray");
			broker.sends(suback(1, 1), suback(1, 0x80));
			equal([subscription.granted, client.status.stray], [1, 4], "granted, and stray");

			broker.network.room = 10;
			const filter = "x".repeat(300); // larger than the output
			const large = client.subscribe(filter, 1, nothing);
			broker.sends(suback(2, 1)); // to what has not gone out yet
			equal([large.granted, client.status.stray], [-1, 5], "granted, and stray");
			broker.readsAgain();
			broker.expects(subscribe(2, [filter, 1]));
			broker.sends(suback(2, 0));
			equal([large.granted, client.status.stray], [0, 5], "granted, and stray");
			broker.expectsNoClose();
		},
	),

	scenario(["MQTT-2.3.1-3"], "answers may come in another order than their questions", both, (level) => {
		const { broker, client } = connected(level);
		const first = client.subscribe("a", 1, nothing);
		const second = client.subscribe("b", 1, nothing);
		broker.expects(subscribe(1, ["a", 1]), subscribe(2, ["b", 1]));
		broker.sends(suback(2, 0), suback(1, 1));
		equal([first.granted, second.granted], [1, 0], "granted");
	}),

	scenario(
		["MQTT-3.10.1-1", "MQTT-2.2.2-1", "MQTT-2.3.1-1", "MQTT-3.10.3-2"],
		"UNSUBSCRIBE has flags 0010, an identifier that is not zero, and the filters",
		both,
		(level) => {
			const { broker, client } = connected(level);
			const [a, b, c] = ["a/+", "b", "c"].map((filter) => client.subscribe(filter, 0, nothing));
			broker.expects(subscribe(1, ["a/+", 0]), subscribe(2, ["b", 0]), subscribe(3, ["c", 0]));
			broker.sends(suback(1, 0), suback(2, 0), suback(3, 0));
			client.unsubscribe(a);
			broker.expects(hex("a2 07", "00 04", "00 03 61 2f 2b"));
			client.unsubscribe([b, c]);
			broker.expects(hex("a2 08", "00 05", "00 01 62", "00 01 63"));
			broker.sends(unsuback(5), unsuback(4));
			equal(client.status.stray, 0, "stray");
		},
	),

	scenario(["MQTT-3.8.3-1", "MQTT-3.10.3-1"], "filters go out in UTF-8", both, (level) => {
		const { broker, client } = connected(level);
		const filter = "°/€/\u{1f321}/+";
		const bytes = hex("c2 b0 2f", "e2 82 ac 2f", "f0 9f 8c a1 2f", "2b");
		const subscription = client.subscribe(filter, 0, nothing);
		broker.expects(subscribe(1, [bytes, 0]));
		broker.sends(suback(1, 0));
		client.unsubscribe(subscription);
		broker.expects(unsubscribe(2, bytes));
	}),

	scenario(
		["MQTT-4.5.0-2"],
		"after unsubscribing no handler is called, and what still comes is acknowledged",
		both,
		(level) => {
			const { broker, client, heard, listen } = connected(level, exactlyOnce());
			const subscription = client.subscribe("a", 2, listen);
			broker.expects(subscribe(1, ["a", 2]));
			broker.sends(suback(1, 2), publish("a", "1"));
			client.unsubscribe(subscription);
			broker.expects(unsubscribe(2, "a"));
			broker.sends(publish("a", "2", { qos: 1, id: 1 }), publish("a", "3", { qos: 2, id: 2 }));
			broker.expects(puback(1), pubrec(2));
			broker.sends(unsuback(2), publish("a", "4", { qos: 1, id: 1 }));
			broker.expects(puback(1));
			equal(heard, ["a 1"], "messages");
		},
	),

	scenario(
		["MQTT-4.7.1-2", "decision-input"],
		"a filter with a # that is not its whole last level is refused",
		both,
		(level) => {
			const { broker, client } = connected(level);
			for (const filter of ["a#", "a/#/c", "#/a", "a/b#", "##", "#a"]) {
				refuses(/filter .* has a # that is not its whole last level/, () => client.subscribe(filter, 0, nothing));
			}
			broker.expectsNothing();
			for (const filter of ["#", "/#", "a/#", "a/b/#", "+/#"]) client.subscribe(filter, 0, nothing);
			broker.expects(...["#", "/#", "a/#", "a/b/#", "+/#"].map((filter, i) => subscribe(i + 1, [filter, 0])));
		},
	),

	scenario(
		["MQTT-4.7.1-3", "decision-input"],
		"a filter with a + that is not a whole level is refused",
		both,
		(level) => {
			const { broker, client } = connected(level);
			for (const filter of ["a+", "+a", "a/+b", "a/b+/c", "++"]) {
				refuses(/filter .* has a \+ that is not a whole level/, () => client.subscribe(filter, 0, nothing));
			}
			broker.expectsNothing();
			for (const filter of ["+", "/+", "+/", "+/+", "a/+/c"]) client.subscribe(filter, 0, nothing);
			broker.expects(...["+", "/+", "+/", "+/+", "a/+/c"].map((filter, i) => subscribe(i + 1, [filter, 0])));
		},
	),

	scenario(
		["MQTT-4.7.1-2", "MQTT-4.7.1-3"],
		"# stands for its parent and all levels below, + for exactly one level",
		both,
		(level) => {
			const matching: Record<string, string[]> = {
				"a/#": ["a", "a/", "a/b", "a/b/c"],
				"a/+": ["a/", "a/b"],
				"+": ["a", "b"],
				"+/+": ["a/", "/a", "/", "a/b"],
				"/+": ["/a", "/"],
				"#": ["a", "a/", "/a", "/", "a/b", "a/b/c", "b"],
				"a/b": ["a/b"],
			};
			for (const filter of Object.keys(matching)) {
				const { broker, client } = connected(level);
				const topics: string[] = [];
				client.subscribe(filter, 0, (message) => topics.push(String.fromCharCode(...message.topic)));
				broker.expects(subscribe(1, [filter, 0]));
				broker.sends(suback(1, 0));
				for (const topic of matching["#"]) broker.sends(publish(topic, ""));
				equal(topics.sort(), [...matching[filter]].sort(), `topics that match ${filter}`);
			}
		},
	),

	scenario(
		["MQTT-3.1.2-4", "MQTT-4.1.0-1"],
		"what the broker has granted is not asked again on a session that it kept",
		[4],
		(level) => {
			const { broker } = listening(level, kept);
			for (let round = 0; round < 3; round++) {
				broker.breaks();
				broker.accepts({ sessionPresent: true });
				broker.expectsNothing();
			}
		},
	),

	scenario(
		["MQTT-3.1.2-6", "MQTT-2.3.1-2"],
		"a new session knows no subscription: all are asked again, under new identifiers and without DUP",
		both,
		(level) => {
			for (const cleanSession of level === 4 ? [true, false] : [true]) {
				const { broker, client } = connected(level, { cleanSession });
				const subscription = client.subscribe("a", 1, nothing);
				client.subscribe("b", 0, nothing);
				broker.expects(subscribe(1, ["a", 1]), subscribe(2, ["b", 0]));
				broker.sends(suback(1, 1));
				broker.breaks();
				broker.accepts({ sessionPresent: false });
				broker.expects(subscribe(3, ["a", 1]), subscribe(4, ["b", 0]));
				equal(subscription.granted, -1, "granted");
				broker.sends(suback(3, 0));
				equal(subscription.granted, 0, "granted");
			}
		},
	),

	scenario(
		["MQTT-2.3.1-3", "MQTT-3.8.1-1", "MQTT-3.10.1-1", "3.1-header-flags"],
		"SUBSCRIBE and UNSUBSCRIBE without an answer go out again on a kept session, under their identifiers; DUP only at level 3",
		both,
		(level) => {
			const { broker, client } = connected(level, kept);
			const gone = client.subscribe("gone", 0, nothing);
			broker.expects(subscribe(1, ["gone", 0]));
			broker.sends(suback(1, 0));
			client.subscribe("a", 1, nothing);
			client.subscribeAll(["b", "c"].map((filter) => ({ filter, qos: 0, handler: nothing })));
			client.unsubscribe(gone);
			const asked = [subscribe(2, ["a", 1]), subscribe(3, ["b", 0], ["c", 0]), unsubscribe(4, "gone")];
			broker.expects(...asked);
			for (let round = 0; round < 3; round++) {
				broker.breaks();
				broker.accepts({ sessionPresent: true });
				broker.expects(...asked.map((packet) => again(level, packet)));
			}
			broker.sends(suback(3, 0, 0), unsuback(4), suback(2, 1));
			equal(client.status.stray, 0, "stray");
		},
	),

	scenario(["MQTT-3.1.2-6"], "an UNSUBSCRIBE without an answer is not said again in a new session", both, (level) => {
		const { broker, client } = connected(level);
		const subscription = client.subscribe("a", 0, nothing);
		broker.expects(subscribe(1, ["a", 0]));
		broker.sends(suback(1, 0));
		client.unsubscribe(subscription);
		broker.expects(unsubscribe(2, "a"));
		broker.breaks();
		broker.accepts();
		broker.expectsNothing();
	}),

	scenario(
		["3.1-clean-session"],
		"3.1 cannot say whether the session is present: with clean session 0 the client asks again on each connection for what it has not ended",
		[3],
		(level) => {
			const { broker, client, told } = listening(level, kept);
			const gone = client.subscribe("gone", 0, nothing);
			broker.expects(subscribe(2, ["gone", 0]));
			broker.sends(suback(2, 0));
			client.unsubscribe(gone);
			broker.expects(unsubscribe(3, "gone"));
			broker.sends(unsuback(3));
			for (let id = 4; id <= 6; id++) {
				broker.breaks();
				broker.accepts();
				broker.expects(subscribe(id, ["#", 1]));
				broker.sends(suback(id, 1));
			}
			equal(told, [false, false, false, false], "onConnect was told");
		},
	),

	scenario(
		["MQTT-3.8.3-1", "decision-input"],
		"subscribing without a filter or a handler is refused",
		both,
		(level) => {
			const { client } = scene(level);
			refuses(/filter/, () => client.subscribe(undefined as unknown as string, 0, nothing));
			refuses(/handler/, () => client.subscribe("a", 0, undefined as unknown as () => void));
		},
	),

	scenario(
		["MQTT-4.1.0-1"],
		"what is published and subscribed while there is no link goes out on the next one",
		both,
		(level) => {
			const { broker, client } = connected(level, kept);
			broker.breaks();
			client.subscribe("a", 1, nothing);
			client.topic("t", { qos: 1 }).publish(utf8("1"));
			broker.accepts({ sessionPresent: true });
			broker.expects(subscribe(1, ["a", 1]), publish("t", "1", { qos: 1, id: 2 }));
		},
	),
];
