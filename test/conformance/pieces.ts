/** A stream of bytes has no borders: however a session's bytes are cut or joined, it is the same session. */
import { ExactlyOnce } from "../../src/client.js";
import { type Scene, scene } from "./broker.js";
import {
	connack,
	connect,
	joined,
	type Level,
	pingreq,
	pingresp,
	puback,
	pubcomp,
	publish,
	pubrec,
	pubrel,
	suback,
	subscribe,
	textOf,
	unsuback,
	unsubscribe,
	utf8,
} from "./packets.js";
import { both, equal, scenario } from "./scenario.js";

const LARGE = "0123456789".repeat(30);

/** What the broker says once it has heard all that the client has to say. */
const SAID = joined([
	suback(1, 2, 0x80),
	publish("a", "0", { retain: true }),
	publish("a/b", "1", { qos: 1, id: 1 }),
	puback(4),
	pubrec(6),
	publish("a/b", "2", { qos: 2, id: 2 }),
	pubrec(7),
	unsuback(3),
	pubcomp(6),
	publish("a/b", "2", { qos: 2, id: 2, dup: true }),
	pubrel(2),
	pingresp(),
	publish("large", LARGE, { qos: 2, id: 3 }),
	puback(5),
	pubcomp(7),
	publish("a/b", "", { qos: 2, id: 2 }),
	pubrel(3),
	pubrel(2),
	publish("a/topic/that/is/longer/than/the/inbox/of/this/client/which/is/64/bytes", "", { qos: 1, id: 9 }),
	publish("€/\u{1f321}", "°", { qos: 1, id: 0xffff }),
	pubrel(8),
]);

const ANSWERS = [
	puback(1),
	pubrel(6),
	pubrec(2),
	pubrel(7),
	pubrec(2),
	pubcomp(2),
	pubrec(3),
	pubrec(2),
	pubcomp(3),
	pubcomp(2),
	puback(9),
	puback(0xffff),
	pubcomp(8),
];

const EVENTS = ["a 0", "a/b 1", "a/b 2", `large ${LARGE}`, "a/b ", "€/\u{1f321} °"];

/** A client that has said all that it has to say, and what its handlers get, messages in parts put together. */
function prepared(level: Level): Scene & { events: string[] } {
	const events: string[] = [];
	let payload = "";
	const made = scene(level, { exactlyOnce: new ExactlyOnce(), cleanSession: false, keepAlive: 10, inbox: 64 });
	const { broker, client } = made;
	client.start();
	broker.opens();
	broker.expects(connect({ level, cleanSession: false, keepAlive: 10 }));
	for (const byte of connack()) broker.sends(Uint8Array.of(byte));
	broker.waits(5);
	broker.expects(pingreq());
	client.subscribeAll([
		{
			filter: "#",
			qos: 2,
			handler(message) {
				payload += textOf(message.payload);
				if (message.remaining > 0) return;
				events.push(`${textOf(message.topic)} ${payload}`);
				payload = "";
			},
		},
		{ filter: "refused", qos: 0, handler() {} },
	]);
	const gone = client.subscribe("gone", 0, () => {});
	broker.expects(subscribe(1, ["#", 2], ["refused", 0]), subscribe(2, ["gone", 0]));
	broker.sends(suback(2, 0));
	client.unsubscribe(gone);
	for (const qos of [0, 1, 2] as const) {
		const topic = client.topic(`q${qos}`, { qos });
		topic.publish(utf8("first"));
		topic.publish(utf8("second"));
	}
	broker.expects(
		unsubscribe(3, "gone"),
		publish("q0", "first"),
		publish("q0", "second"),
		publish("q1", "first", { qos: 1, id: 4 }),
		publish("q1", "second", { qos: 1, id: 5 }),
		publish("q2", "first", { qos: 2, id: 6 }),
		publish("q2", "second", { qos: 2, id: 7 }),
	);
	return { ...made, events };
}

/** The session comes out the same if the broker's bytes come in pieces that end at these places. */
function comesOut(level: Level, ends: number[]): void {
	const { broker, client, events } = prepared(level);
	let at = 0;
	for (const end of [...ends, SAID.length]) {
		broker.sends(SAID.subarray(at, end));
		at = end;
	}
	broker.expects(...ANSWERS);
	equal(events, EVENTS, "messages");
	const { delivered, stray, skipped, violations, outbox } = client.status;
	equal([delivered, stray, skipped, violations, outbox.used], [4, 1, 1, 0, 0], "the counters");
	broker.waits(6); // PINGRESP has come
	broker.expectsNoClose();
}

function all(step: number): number[] {
	const ends: number[] = [];
	for (let end = step; end < SAID.length; end += step) ends.push(end);
	return ends;
}

export default [
	scenario(
		["MQTT-7.1.2-1", "MQTT-7.0.0-2"],
		"a whole session that comes packet by packet, or all at once",
		both,
		(level) => {
			comesOut(level, []);
		},
	),

	scenario(
		["MQTT-7.1.2-1"],
		"a whole session split at any byte is the same session, with the same bytes back",
		both,
		(level) => {
			for (let at = 1; at < SAID.length; at++) comesOut(level, [at]);
		},
	),

	scenario(["MQTT-7.1.2-1"], "a whole session in pieces of 1 to 40 bytes is the same session", both, (level) => {
		for (let size = 1; size <= 40; size++) comesOut(level, all(size));
	}),

	scenario(["MQTT-7.1.2-1"], "a whole session split and joined at random is the same session", both, (level) => {
		let state = 1;
		const below = (limit: number) => {
			state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
			return (state >>> 8) % limit;
		};
		for (let round = 0; round < 100; round++) {
			const longest = 2 + below(80);
			const ends: number[] = [];
			for (let end = 1 + below(longest); end < SAID.length; end += 1 + below(longest)) ends.push(end);
			comesOut(level, ends);
		}
	}),
];
