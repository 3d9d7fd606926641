/** PUBLISH in: who gets it, and how it is answered (sections 3.3.4, 4.3, 4.5 and 4.6). */
import { type ClientOptions, Deferral, ExactlyOnce, type Message, Reason } from "../../src/client.js";
import { connected, listening } from "./broker.js";
import { hex, puback, pubcomp, publish, pubrec, pubrel, suback, subscribe, textOf } from "./packets.js";
import { both, equal, scenario } from "./scenario.js";

const options = (more: Partial<ClientOptions> = {}): Partial<ClientOptions> => ({
	cleanSession: false,
	exactlyOnce: new ExactlyOnce(),
	...more,
});

const once = (id: number, text: string, dup = false) => publish("a", text, { qos: 1, id, dup });
const exactly = (id: number, text: string, dup = false) => publish("a", text, { qos: 2, id, dup });

export default [
	scenario(
		["MQTT-3.3.4-1", "MQTT-2.3.1-6", "MQTT-2.2.2-1"],
		"QoS 0 is not answered, QoS 1 with PUBACK, QoS 2 with PUBREC and PUBREL with PUBCOMP, under its identifier",
		both,
		(level) => {
			const { broker, heard } = listening(level, options());
			broker.sends(publish("a", "0"));
			broker.expectsNothing();
			broker.sends(hex("32 06", "00 01 61", "12 34", "31"));
			broker.expects(hex("40 02 12 34"));
			broker.sends(hex("34 06", "00 01 61", "ff ff", "32"));
			broker.expects(hex("50 02 ff ff"));
			broker.sends(hex("62 02 ff ff"));
			broker.expects(hex("70 02 ff ff"));
			equal(heard, ["a 0", "a 1 QoS 1", "a 2 QoS 2"], "messages");
		},
	),

	scenario(
		["MQTT-3.3.4-1", "MQTT-4.3.2-2"],
		"the answer goes out once the handler has returned, not before",
		both,
		(level) => {
			const { broker, client } = connected(level, options());
			let calls = 0;
			client.subscribe("a", 2, () => {
				calls++;
				broker.expectsNothing();
			});
			broker.expects(subscribe(1, ["a", 2]));
			broker.sends(suback(1, 2), once(1, "1"));
			broker.expects(puback(1));
			broker.sends(exactly(2, "2"));
			broker.expects(pubrec(2));
			equal([calls, client.status.failures], [2, 0], "calls, and those that threw");
		},
	),

	scenario(
		["MQTT-4.3.2-2"],
		"after PUBACK a PUBLISH with the same identifier is a new message, whatever its DUP says",
		both,
		(level) => {
			const { broker, heard } = listening(level, options());
			broker.sends(once(7, "1"));
			broker.expects(puback(7));
			broker.sends(once(7, "2"));
			broker.expects(puback(7));
			broker.sends(once(7, "2", true));
			broker.expects(puback(7));
			equal(heard, ["a 1 QoS 1", "a 2 QoS 1", "a 2 QoS 1 DUP"], "messages");
		},
	),

	scenario(
		["MQTT-4.3.3-2"],
		"a message at QoS 2 that comes again before its PUBREL gets PUBREC again, and is not handed over again",
		both,
		(level) => {
			const { broker, heard } = listening(level, options());
			broker.sends(exactly(7, "1"));
			broker.expects(pubrec(7));
			for (let copy = 0; copy < 3; copy++) {
				broker.sends(exactly(7, "1", true));
				broker.expects(pubrec(7));
			}
			if (level === 4) {
				broker.sends(exactly(7, "1"));
				broker.expects(pubrec(7));
			}
			broker.sends(pubrel(7));
			broker.expects(pubcomp(7));
			equal(heard, ["a 1 QoS 2"], "messages");
		},
	),

	scenario(
		["MQTT-4.3.3-2"],
		"after PUBCOMP the identifier is free: the next PUBLISH under it is a new message",
		both,
		(level) => {
			const { broker, heard } = listening(level, options());
			for (const [text, dup] of [
				["1", false],
				["2", false],
				["3", true],
			] as const) {
				broker.sends(exactly(7, text, dup));
				broker.expects(pubrec(7));
				broker.sends(pubrel(7));
				broker.expects(pubcomp(7));
			}
			equal(heard, ["a 1 QoS 2", "a 2 QoS 2", "a 3 QoS 2 DUP"], "messages");
		},
	),

	scenario(["MQTT-4.3.3-2"], "each identifier at QoS 2 is remembered by itself", both, (level) => {
		const { broker, heard } = listening(level, options());
		broker.sends(exactly(1, "1"), exactly(2, "2"), exactly(3, "3"));
		broker.expects(pubrec(1), pubrec(2), pubrec(3));
		broker.sends(pubrel(2));
		broker.expects(pubcomp(2));
		broker.sends(exactly(1, "1", true), exactly(2, "4"), exactly(3, "3", true));
		broker.expects(pubrec(1), pubrec(2), pubrec(3));
		equal(heard, ["a 1 QoS 2", "a 2 QoS 2", "a 3 QoS 2", "a 4 QoS 2"], "messages");
	}),

	scenario(
		["MQTT-4.3.3-2", "decision-stray"],
		"every PUBREL gets its PUBCOMP, one that comes again or for nothing too",
		both,
		(level) => {
			const { broker, client } = listening(level, options());
			broker.sends(exactly(7, "1"));
			broker.expects(pubrec(7));
			broker.sends(pubrel(7), pubrel(7));
			broker.expects(pubcomp(7), pubcomp(7));
			broker.sends(pubrel(0x1234));
			broker.expects(pubcomp(0x1234));
			equal(client.status.stray, 2, "stray");
			const without = connected(level);
			without.broker.sends(pubrel(9));
			without.broker.expects(pubcomp(9));
		},
	),

	scenario(
		["MQTT-4.3.3-2", "MQTT-4.1.0-1", "MQTT-3.1.2-4", "MQTT-4.4.0-1"],
		"what came at QoS 2 is remembered over a lost link: the repeat is answered and not handed over",
		both,
		(level) => {
			const { broker, client, heard, listen } = connected(level, options());
			client.subscribe("a", 2, listen);
			broker.expects(subscribe(1, ["a", 2]));
			broker.sends(suback(1, 2), exactly(7, "1"), exactly(8, "2"));
			broker.expects(pubrec(7), pubrec(8));
			broker.breaks();
			broker.accepts({ sessionPresent: true });
			if (level === 3) {
				broker.expects(subscribe(2, ["a", 2])); // 3.1 cannot tell whether the session is present
				broker.sends(suback(2, 2));
			}
			broker.sends(exactly(7, "1", true), pubrel(8));
			broker.expects(pubrec(7), pubcomp(8));
			broker.sends(pubrel(7));
			broker.expects(pubcomp(7));
			equal(heard, ["a 1 QoS 2", "a 2 QoS 2"], "messages");
		},
	),

	scenario(
		["MQTT-4.3.3-2", "3.1-clean-session"],
		"3.1 cannot say that the session is gone: there a PUBLISH without DUP is new, though its identifier is known",
		[3],
		(level) => {
			const { broker, heard } = listening(level, options());
			broker.sends(exactly(7, "1"));
			broker.expects(pubrec(7));
			broker.breaks();
			broker.accepts();
			broker.expects(subscribe(2, ["#", 2]));
			broker.sends(suback(2, 2), exactly(7, "2"));
			broker.expects(pubrec(7));
			broker.sends(exactly(7, "2", true), pubrel(7));
			broker.expects(pubrec(7), pubcomp(7));
			equal(heard, ["a 1 QoS 2", "a 2 QoS 2"], "messages");
		},
	),

	scenario(
		["MQTT-3.1.2-6", "decision-clean-session"],
		"with clean session 1 what came at QoS 2 is forgotten with the link",
		both,
		(level) => {
			const { broker, heard } = listening(level, options({ cleanSession: true, exactlyOnce: new ExactlyOnce(1) }));
			broker.sends(exactly(7, "1"));
			broker.expects(pubrec(7));
			broker.breaks();
			broker.accepts();
			broker.expects(subscribe(2, ["#", 2]));
			broker.sends(suback(2, 2), exactly(7, "2"));
			broker.expects(pubrec(7));
			equal(heard, ["a 1 QoS 2", "a 2 QoS 2"], "messages");
		},
	),

	scenario(
		["MQTT-3.1.2-6", "decision-lost-session"],
		"a broker that lost the session begins anew: what came at QoS 2 before is forgotten",
		[4],
		(level) => {
			const { broker, heard } = listening(level, options({ exactlyOnce: new ExactlyOnce(1) }));
			broker.sends(exactly(7, "1"));
			broker.expects(pubrec(7));
			broker.breaks();
			broker.accepts({ sessionPresent: false });
			broker.expects(subscribe(2, ["#", 2]));
			broker.sends(suback(2, 2), exactly(7, "2"));
			broker.expects(pubrec(7));
			equal(heard, ["a 1 QoS 2", "a 2 QoS 2"], "messages");
		},
	),

	scenario(["MQTT-4.5.0-2"], "a message that nobody asked for is acknowledged as its QoS demands", both, (level) => {
		const { broker, client } = connected(level, options());
		broker.sends(publish("b", "0"), publish("b", "1", { qos: 1, id: 1 }), publish("b", "2", { qos: 2, id: 2 }));
		broker.expects(puback(1), pubrec(2));
		broker.sends(pubrel(2));
		broker.expects(pubcomp(2));
		equal([client.status.received, client.status.unhandled], [0, 3], "received and unhandled");
	}),

	scenario(
		["MQTT-4.5.0-2"],
		"a message whose topic name does not fit the inbox is acknowledged, and a repeat at QoS 2 counts as one",
		both,
		(level) => {
			const { broker, client, heard } = listening(level, options({ inbox: 32 }));
			const topic = "t".repeat(100);
			broker.sends(publish(topic, "0"), publish(topic, "1", { qos: 1, id: 1 }), publish(topic, "2", { qos: 2, id: 2 }));
			broker.expects(puback(1), pubrec(2));
			equal(client.status.skipped, 3, "skipped");
			broker.sends(publish(topic, "2", { qos: 2, id: 2, dup: true }), pubrel(2), publish("a", "1"));
			broker.expects(pubrec(2), pubcomp(2));
			equal(client.status.skipped, 3, "skipped");
			equal(heard, ["a 1"], "messages");
		},
	),

	scenario(
		["MQTT-3.3.4-1", "MQTT-4.3.3-2"],
		"a message that comes in parts is answered once, behind the last one",
		both,
		(level) => {
			const parts: string[] = [];
			const { broker, client } = connected(level, options({ inbox: 32 }));
			client.subscribe("a", 2, (message) => parts.push(textOf(message.payload)));
			broker.expects(subscribe(1, ["a", 2]));
			broker.sends(suback(1, 2));
			const text = "0123456789".repeat(10);
			for (const qos of [1, 2] as const) {
				const bytes = publish("a", text, { qos, id: 7 });
				for (let at = 0; at < bytes.length; at++) {
					broker.expectsNothing();
					broker.sends(bytes.subarray(at, at + 1));
				}
				broker.expects(qos === 1 ? puback(7) : pubrec(7));
				equal(parts.splice(0).join(""), text, "the payload");
			}
			broker.sends(publish("a", text, { qos: 2, id: 7, dup: true }));
			broker.expects(pubrec(7));
			equal(parts, [], "parts of the repeat");
		},
	),

	scenario(["MQTT-4.6.0-2"], "PUBACKs go out in the order of the PUBLISHes", both, (level) => {
		const { broker } = listening(level);
		broker.sends(once(3, "1"), once(1, "2"));
		broker.sends(once(2, "3"));
		broker.expects(puback(3), puback(1), puback(2));
		broker.stopsReading();
		for (const id of [9, 5, 7, 8, 6]) broker.sends(once(id, "4"));
		broker.expectsNothing();
		broker.readsAgain();
		broker.expects(puback(9), puback(5), puback(7), puback(8), puback(6));
	}),

	scenario(["MQTT-4.6.0-3"], "PUBRECs go out in the order of the PUBLISHes", both, (level) => {
		const { broker } = listening(level, options());
		broker.sends(exactly(3, "1"), exactly(1, "2"));
		broker.sends(exactly(2, "3"));
		broker.expects(pubrec(3), pubrec(1), pubrec(2));
		broker.stopsReading();
		for (const id of [9, 5, 7, 8, 6]) broker.sends(exactly(id, "4"));
		broker.expectsNothing();
		broker.readsAgain();
		broker.expects(pubrec(9), pubrec(5), pubrec(7), pubrec(8), pubrec(6));
	}),

	scenario(
		["MQTT-4.6.0-2", "MQTT-4.6.0-3", "MQTT-4.5.0-2"],
		"messages that are acknowledged later, in whatever order, are answered in the order in which they came",
		both,
		(level) => {
			const deferral = new Deferral();
			const tickets: number[] = [];
			const { broker, client } = connected(level, options({ deferral, inbox: 32 }));
			client.subscribe("held", 2, (message) => tickets.push(deferral.hold(message)));
			broker.expects(subscribe(1, ["held", 2]));
			broker.sends(suback(1, 2));
			broker.sends(
				publish("held", "", { qos: 1, id: 11 }),
				publish("held", "", { qos: 2, id: 12 }),
				publish("other", "", { qos: 1, id: 13 }),
				publish("held", "", { qos: 1, id: 14 }),
				publish("a/name/that/does/not/fit/the/inbox", "", { qos: 1, id: 17 }),
				publish("other", "", { qos: 2, id: 15 }),
			);
			broker.expectsNothing();
			equal(deferral.acknowledge(tickets[1]), true, "acknowledged");
			broker.expectsNothing();
			deferral.acknowledge(tickets[0]);
			broker.expects(puback(11), pubrec(12), puback(13));
			equal(deferral.acknowledge(tickets[0]), false, "acknowledged twice");
			deferral.acknowledge(tickets[2]);
			broker.expects(puback(14), puback(17), pubrec(15));
			broker.sends(publish("other", "", { qos: 1, id: 16 }));
			broker.expects(puback(16));
		},
	),

	scenario(
		["MQTT-4.3.3-2"],
		"a message at QoS 2 that comes again while it is held is not handed over again, and is answered once it is acknowledged",
		both,
		(level) => {
			const deferral = new Deferral();
			const tickets: number[] = [];
			const { broker, client } = connected(level, options({ deferral }));
			client.subscribe("a", 2, (message: Message) => tickets.push(deferral.hold(message)));
			broker.expects(subscribe(1, ["a", 2]));
			broker.sends(suback(1, 2), exactly(7, "1"), exactly(7, "1", true));
			broker.expectsNothing();
			equal(tickets.length, 1, "calls");
			deferral.acknowledge(tickets[0]);
			const heard = broker.hears();
			equal([heard[0], heard.length % 4], [0x50, 0], "PUBREC");
			broker.sends(pubrel(7));
			broker.expects(pubcomp(7));
		},
	),

	scenario(["MQTT-4.6.0-3"], "the PUBREC of a repeat waits behind a held message as any other does", both, (level) => {
		const deferral = new Deferral();
		const tickets: number[] = [];
		const { broker, client } = connected(level, options({ deferral }));
		client.subscribe("held", 2, (message) => tickets.push(deferral.hold(message)));
		broker.expects(subscribe(1, ["held", 2]));
		broker.sends(suback(1, 2), exactly(7, "1"));
		broker.expects(pubrec(7));
		broker.sends(publish("held", "2", { qos: 2, id: 8 }), exactly(7, "1", true));
		broker.expectsNothing();
		deferral.acknowledge(tickets[0]);
		broker.expects(pubrec(8), pubrec(7));
	}),

	scenario(
		["MQTT-4.3.3-2"],
		"a PUBREL while the PUBREC of a repeat waits behind a held message frees the identifier for good",
		both,
		(level) => {
			const deferral = new Deferral();
			const tickets: number[] = [];
			const { broker, client, heard, listen } = connected(level, options({ deferral }));
			client.subscribe("held", 2, (message) => tickets.push(deferral.hold(message)));
			client.subscribe("a", 2, listen);
			broker.expects(subscribe(1, ["held", 2]), subscribe(2, ["a", 2]));
			broker.sends(suback(1, 2), suback(2, 2), exactly(7, "1"));
			broker.expects(pubrec(7));
			broker.sends(publish("held", "2", { qos: 2, id: 8 }), exactly(7, "1", true), pubrel(7));
			broker.expects(pubcomp(7));
			deferral.acknowledge(tickets[0]);
			broker.hears();
			broker.sends(exactly(7, "3"));
			broker.expects(pubrec(7));
			equal(heard, ["a 1 QoS 2", "a 3 QoS 2"], "messages");
		},
	),

	scenario(["MQTT-4.8.0-2"], "more held messages than there is memory for close the link", both, (level) => {
		const deferral = new Deferral(2);
		const { broker, client } = connected(level, options({ deferral }));
		client.subscribe("a", 1, (message) => deferral.hold(message));
		broker.expects(subscribe(1, ["a", 1]));
		broker.sends(suback(1, 1), once(1, "1"), once(2, "2"));
		broker.expectsNoClose();
		broker.sends(once(3, "3"));
		broker.expectsClose(Reason.REPLY_OVERFLOW);
	}),

	scenario(
		["MQTT-4.5.0-2"],
		"what is held when the link is lost is void: the broker sends it again, and that one is answered",
		both,
		(level) => {
			const deferral = new Deferral();
			const tickets: number[] = [];
			const { broker, client } = connected(level, options({ deferral, cleanSession: true }));
			client.subscribe("a", 2, (message: Message) => tickets.push(deferral.hold(message)));
			broker.expects(subscribe(1, ["a", 2]));
			broker.sends(suback(1, 2), once(7, "1"), exactly(8, "2"));
			broker.breaks();
			equal(deferral.acknowledge(tickets[0]), false, "acknowledged");
			broker.accepts();
			broker.expects(subscribe(2, ["a", 2]));
			broker.sends(suback(2, 2), once(7, "1", true), exactly(8, "2", true));
			equal(deferral.acknowledge(tickets[1]), false, "acknowledged");
			broker.expectsNothing();
			equal(tickets.length, 4, "calls");
			deferral.acknowledge(tickets[2]);
			deferral.acknowledge(tickets[3]);
			broker.expects(puback(7), pubrec(8));
		},
	),

	scenario(
		["MQTT-4.8.0-2"],
		"more messages at QoS 2 at a time than there is memory for close the link, and none is answered without being remembered",
		both,
		(level) => {
			const { broker, heard } = listening(level, options({ exactlyOnce: new ExactlyOnce(2) }));
			broker.sends(exactly(1, "1"), exactly(2, "2"));
			broker.expects(pubrec(1), pubrec(2));
			broker.sends(exactly(1, "1", true), pubrel(1), exactly(3, "3"));
			broker.expects(pubrec(1), pubcomp(1), pubrec(3));
			broker.sends(exactly(4, "4"), exactly(5, "5"));
			broker.expectsClose(Reason.EXACTLY_ONCE_OVERFLOW);
			equal(heard, ["a 1 QoS 2", "a 2 QoS 2", "a 3 QoS 2"], "messages");

			const deferral = new Deferral();
			const holding = connected(level, options({ exactlyOnce: new ExactlyOnce(1), deferral }));
			holding.client.subscribe("a", 2, (message) => deferral.hold(message));
			holding.broker.expects(subscribe(1, ["a", 2]));
			holding.broker.sends(suback(1, 2), exactly(1, "1"));
			holding.broker.expectsNoClose();
			holding.broker.sends(exactly(2, "2"));
			holding.broker.expectsClose(Reason.EXACTLY_ONCE_OVERFLOW);
		},
	),

	scenario(
		["MQTT-4.3.3-2", "MQTT-4.8.0-2"],
		"a message at QoS 2 that there was no memory for is handed over once, when it comes again",
		both,
		(level) => {
			const { broker, heard } = listening(level, options({ exactlyOnce: new ExactlyOnce(1) }));
			broker.sends(exactly(1, "1"), exactly(2, "2"));
			broker.hears();
			equal(broker.network.isOpen, false, "open");
			broker.accepts({ sessionPresent: true });
			broker.hears();
			broker.sends(pubrel(1), exactly(2, "2", true));
			broker.expects(pubcomp(1), pubrec(2));
			equal(heard, ["a 1 QoS 2", "a 2 QoS 2 DUP"], "messages");
		},
	),

	scenario(["MQTT-4.8.0-2"], "more answers than can wait while nothing can be sent close the link", both, (level) => {
		const { broker } = listening(level);
		broker.stopsReading();
		for (let id = 1; id <= 1_000 && broker.network.isOpen; id++) broker.sends(once(id, "1"));
		broker.expectsClose(Reason.REPLY_OVERFLOW);
		broker.accepts();
	}),

	scenario(
		["MQTT-4.8.0-1"],
		"a message at QoS 2 closes the link of a client without ExactlyOnce, which cannot have asked for it",
		both,
		(level) => {
			const { broker, heard } = listening(level);
			broker.sends(exactly(1, "1"), publish("a", "2"));
			broker.expectsClose(Reason.UNEXPECTED_PACKET);
			equal(heard, [], "messages");
		},
	),
];
