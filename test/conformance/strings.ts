/** Texts that an application gives: what goes out as a string, and what is refused (sections 1.5.3 and 4.7.3). */
import type { Client } from "../../src/client.js";
import { connected, connecting, scene } from "./broker.js";
import { connect, hex, type Level, publish, subscribe, utf8 } from "./packets.js";
import { both, equal, refuses, scenario } from "./scenario.js";

const nothing = () => {};

/** Every place of a text, with this text in it. */
function everywhere(level: Level, client: Client, text: string): Record<string, () => unknown> {
	return {
		clientId: () => scene(level, { clientId: text }),
		"will.topic": () => scene(level, { will: { topic: text, payload: "" } }),
		userName: () => scene(level, { userName: text }),
		topic: () => client.topic(text),
		filter: () => client.subscribe(text, 0, nothing),
	};
}

const half = String.fromCharCode(0xd800);
const otherHalf = String.fromCharCode(0xdfff);

export default [
	scenario(
		["MQTT-1.5.3-1", "decision-input"],
		"half of a surrogate pair is refused wherever a text goes",
		both,
		(level) => {
			const { broker, client } = connected(level);
			for (const text of [half, otherHalf, `a${half}`, `${otherHalf}b`, otherHalf + half]) {
				const places = everywhere(level, client, text);
				for (const place of Object.keys(places)) refuses(new RegExp(`${place}.*surrogate`), places[place]);
			}
			broker.expectsNothing();
		},
	),

	scenario(
		["MQTT-1.5.3-2", "MQTT-4.7.3-2", "decision-input"],
		"U+0000 is refused wherever a text goes",
		both,
		(level) => {
			const { broker, client } = connected(level);
			for (const text of ["\0", "a\0", "\0a", "a\0b"]) {
				const places = everywhere(level, client, text);
				for (const place of Object.keys(places)) refuses(new RegExp(`${place}.*U\\+0000`), places[place]);
			}
			broker.expectsNothing();
		},
	),

	scenario(
		["MQTT-1.5.3-1", "MQTT-3.3.2-1", "decision-input"],
		"a topic name in bytes is refused if it is no UTF-8",
		both,
		(level) => {
			const { broker, client } = connected(level);
			for (const bytes of ["c2", "80", "c0 80", "ed a0 80", "f4 90 80 80", "ff", "61 00"]) {
				refuses(/topic/, () => client.topic(hex(bytes)));
			}
			broker.expectsNothing();
			client.topic(hex("c2 b0")).publish(utf8("1"));
			broker.expects(publish("°", "1"));
		},
	),

	scenario(["MQTT-1.5.3-3"], "a U+FEFF in a text goes out, at the start as well", both, (level) => {
		const text = "\ufeffa\ufeff";
		const bytes = hex("ef bb bf 61 ef bb bf");
		const options = { clientId: text, will: { topic: text, payload: text }, userName: text, password: text };
		const { broker } = connecting(level, options);
		broker.expects(
			connect({ level, clientId: bytes, will: { topic: bytes, payload: bytes }, userName: bytes, password: bytes }),
		);
		const made = connected(level);
		made.client.topic(text).publish(utf8("1"));
		made.client.subscribe(text, 0, nothing);
		made.broker.expects(publish(bytes, "1"), subscribe(1, [bytes, 0]));
	}),

	scenario(
		["decision-control-characters"],
		"control characters in names and filters are taken, both ways",
		both,
		(level) => {
			const { broker, client, heard, listen } = connected(level);
			for (const text of ["\u0001", "\u001f", "\u007f", "\u009f", "a\tb\n"]) {
				client.topic(text).publish(utf8("1"));
				broker.expects(publish(text, "1"));
				broker.sends(publish(text, "1"));
			}
			client.subscribe("\u0001/+", 0, listen);
			broker.expects(subscribe(1, ["\u0001/+", 0]));
			broker.sends(hex("90 03 00 01 00"), publish("\u0001/\u0002", "1"));
			equal(heard, ["\u0001/\u0002 1"], "messages");
			broker.expectsNoClose();
		},
	),

	scenario(
		["3.1-utf8"],
		"3.1 gets UTF-8 as 3.1.1 does: four bytes for a character beyond U+FFFF, and no U+0000",
		[3],
		(level) => {
			const { broker, client } = connected(level);
			client.topic("\u{1f321}").publish(utf8("1"));
			broker.expects(hex("30 07", "00 04 f0 9f 8c a1", "31"));
			refuses(/U\+0000/, () => client.topic("\0"));
		},
	),

	scenario(["MQTT-4.7.3-1", "decision-input"], "an empty topic name or filter is refused", both, (level) => {
		const { broker, client } = connected(level);
		refuses(/topic .*is empty/, () => client.topic(""));
		refuses(/topic .*is empty/, () => client.topic(new Uint8Array(0)));
		refuses(/filter .*is empty/, () => client.subscribe("", 0, nothing));
		refuses(/will\.topic .*is empty/, () => scene(level, { will: { topic: "", payload: "" } }));
		broker.expectsNothing();
		client.topic("/").publish(utf8("1"));
		client.topic(" ").publish(utf8("2"));
		broker.expects(publish("/", "1"), publish(" ", "2"));
	}),

	scenario(
		["MQTT-4.7.3-3", "decision-input"],
		"a text of 65,535 bytes goes out, and one of 65,536 is refused",
		both,
		(level) => {
			const longest = `${"€".repeat(21_844)}abc`; // 21,847 characters
			const { broker, client } = connected(level);
			client.topic(longest).publish(utf8("1"));
			broker.expects(publish(longest, "1"));
			client.subscribe(longest, 0, nothing);
			broker.expects(subscribe(1, [longest, 0]));
			const longer = `${longest}d`;
			refuses(/topic .*65536 bytes/, () => client.topic(longer));
			refuses(/filter .*65536 bytes/, () => client.subscribe(longer, 0, nothing));
			refuses(/will\.topic .*65536 bytes/, () => scene(level, { will: { topic: longer, payload: "" } }));
			refuses(/will\.payload .*65536 bytes/, () =>
				scene(level, { will: { topic: "t", payload: new Uint8Array(65_536) } }),
			);
			refuses(/userName .*65536 bytes/, () => scene(level, { userName: longer }));
			refuses(/password .*65536 bytes/, () => scene(level, { userName: "u", password: new Uint8Array(65_536) }));
			broker.expectsNothing();
		},
	),

	scenario(
		["3.1-topic-length", "decision-input"],
		"topic names have at most 32,767 characters in 3.1, and 65,535 bytes in 3.1.1",
		both,
		(level) => {
			const [most, over] = ["x".repeat(32_767), "x".repeat(32_768)];
			const { broker, client } = connected(level);
			client.topic(most).publish(utf8("1"));
			broker.expects(publish(most, "1"));
			if (level === 3) {
				refuses(/topic .*32,?767 characters/, () => client.topic(over));
				refuses(/filter .*32,?767 characters/, () => client.subscribe(over, 0, nothing));
				refuses(/will\.topic .*32,?767 characters/, () => scene(3, { will: { topic: over, payload: "" } }));
			} else {
				client.topic("x".repeat(65_535)).publish(utf8("1"));
				broker.expects(publish("x".repeat(65_535), "1"));
			}
		},
	),

	scenario(
		["decision-input"],
		"an inbox that no topic name fits into, and other sizes out of range, are refused",
		both,
		(level) => {
			refuses(/inbox .*15/, () => scene(level, { inbox: 15 }));
			refuses(/outbox .*63/, () => scene(level, { outbox: 63 }));
			refuses(/output .*31/, () => scene(level, { output: 31 }));
			refuses(/window .*0/, () => scene(level, { window: 0 }));
			refuses(/keepAlive .*65536/, () => scene(level, { keepAlive: 65_536 }));
			refuses(/level must be 3 .*4/, () => scene(level, { level: 5 as 4 }));
		},
	),
];
