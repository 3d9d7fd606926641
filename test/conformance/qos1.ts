/** QoS 1 out: at least once (section 4.3.2), and packet identifiers (section 2.3.1). */
import { type ClientOptions, ExactlyOnce } from "../../src/client.js";
import { connected } from "./broker.js";
import { puback, pubcomp, publish, pubrec, pubrel, suback, subscribe, unsuback, unsubscribe, utf8 } from "./packets.js";
import { both, equal, scenario } from "./scenario.js";

const kept: Partial<ClientOptions> = { cleanSession: false };
const nothing = () => {};

export default [
	scenario(
		["MQTT-4.3.2-1", "MQTT-3.3.1-1"],
		"a new message has an unused identifier and no DUP, and is kept until its PUBACK comes",
		both,
		(level) => {
			const { broker, client } = connected(level, kept);
			const topic = client.topic("a", { qos: 1 });
			topic.publish(utf8("1"));
			topic.publish(utf8("2"));
			broker.expects(publish("a", "1", { qos: 1, id: 1 }), publish("a", "2", { qos: 1, id: 2 }));
			equal([client.status.delivered, client.status.outbox.used > 0], [0, true], "delivered, and bytes kept");
			broker.sends(puback(1));
			broker.breaks();
			broker.accepts({ sessionPresent: true });
			broker.expects(publish("a", "2", { qos: 1, id: 2, dup: true }));
			broker.sends(puback(2));
			equal([client.status.delivered, client.status.outbox.used], [2, 0], "delivered, and bytes kept");
			broker.breaks();
			broker.accepts({ sessionPresent: true });
			broker.expectsNothing();
		},
	),

	scenario(
		["MQTT-4.4.0-1", "MQTT-4.6.0-1", "MQTT-3.3.1-1", "MQTT-2.3.1-3", "MQTT-4.1.0-1"],
		"after every reconnect what has no PUBACK goes out again: in order, with DUP and its identifier, in front of what is new",
		both,
		(level) => {
			const { broker, client } = connected(level, kept);
			const topic = client.topic("a", { qos: 1, retain: true });
			const message = (id: number, dup: boolean) => publish("a", String(id), { qos: 1, id, retain: true, dup });
			for (const text of ["1", "2", "3", "4"]) topic.publish(utf8(text));
			broker.expects(message(1, false), message(2, false), message(3, false), message(4, false));
			broker.sends(puback(2));
			broker.breaks();
			topic.publish(utf8("5"));
			broker.accepts({ sessionPresent: true });
			broker.expects(message(1, true), message(3, true), message(4, true), message(5, false));
			broker.sends(puback(5), puback(3));
			broker.breaks();
			broker.accepts({ sessionPresent: true });
			broker.expects(message(1, true), message(4, true));
		},
	),

	scenario(
		["MQTT-3.3.1-1"],
		"a message that never went out, for want of a window, has no DUP when it does",
		both,
		(level) => {
			const { broker, client } = connected(level, { ...kept, window: 1 });
			const topic = client.topic("a", { qos: 1 });
			topic.publish(utf8("1"));
			topic.publish(utf8("2"));
			broker.expects(publish("a", "1", { qos: 1, id: 1 }));
			broker.breaks();
			broker.accepts({ sessionPresent: true });
			broker.expects(publish("a", "1", { qos: 1, id: 1, dup: true }));
			broker.sends(puback(1));
			broker.expects(publish("a", "2", { qos: 1, id: 2 }));
		},
	),

	scenario(
		["3.1-retry"],
		"nothing is said again on a link that lives, however long its acknowledgement takes",
		both,
		(level) => {
			const { broker, client } = connected(level, { keepAlive: 0, exactlyOnce: new ExactlyOnce() });
			client.topic("a", { qos: 1 }).publish(utf8("1"));
			client.topic("a", { qos: 2 }).publish(utf8("2"));
			client.topic("a", { qos: 2 }).publish(utf8("3"));
			broker.expects(...[1, 2, 3].map((id) => publish("a", String(id), { qos: id === 1 ? 1 : 2, id })));
			broker.sends(pubrec(3));
			broker.expects(pubrel(3));
			for (let hour = 0; hour < 24; hour++) {
				broker.waits(3_600);
				broker.readsAgain();
			}
			broker.expectsNothing();
			broker.expectsNoClose();
		},
	),

	scenario(
		["MQTT-2.3.1-2", "MQTT-2.3.1-1"],
		"publishing, subscribing and unsubscribing take their identifiers from one row",
		both,
		(level) => {
			const { broker, client } = connected(level, { exactlyOnce: new ExactlyOnce() });
			client.topic("a", { qos: 1 }).publish(utf8("1"));
			const subscription = client.subscribe("b", 0, nothing);
			client.topic("a", { qos: 2 }).publish(utf8("2"));
			broker.expects(
				publish("a", "1", { qos: 1, id: 1 }),
				subscribe(2, ["b", 0]),
				publish("a", "2", { qos: 2, id: 3 }),
			);
			broker.sends(suback(2, 0));
			client.unsubscribe(subscription);
			client.topic("a", { qos: 1 }).publish(utf8("5"));
			broker.expects(unsubscribe(4, "b"), publish("a", "5", { qos: 1, id: 5 }));
		},
	),

	scenario(
		["MQTT-2.3.1-2", "MQTT-4.3.2-1"],
		"identifiers end at 65,535 and begin anew at 1, and those in use are passed over until they are answered",
		both,
		(level) => {
			const { broker, client } = connected(level, { keepAlive: 0, exactlyOnce: new ExactlyOnce() });
			const topics = [0, 1, 2].map((qos) => client.topic("a", { qos: qos as 0 }));
			const payload = new Uint8Array(0);
			let next = 1;
			/** Publishes at QoS 1 under every identifier from the next one up to this, and PUBACK comes at once. */
			const upTo = (last: number) => {
				for (; next <= last; next++) {
					topics[1].publish(payload);
					const heard = broker.hears();
					if (heard.length !== 7 || heard[5] * 256 + heard[6] !== next)
						throw new Error(`identifier ${next} did not come`);
					broker.sends(puback(next));
				}
			};
			topics[1].publish(payload); // 1
			topics[2].publish(payload); // 2, and PUBREC comes
			broker.expects(publish("a", "", { qos: 1, id: 1 }), publish("a", "", { qos: 2, id: 2 }));
			broker.sends(pubrec(2));
			broker.expects(pubrel(2));
			const subscription = client.subscribe("b", 0, nothing); // 3, answered
			broker.expects(subscribe(3, ["b", 0]));
			broker.sends(suback(3, 0));
			client.subscribe("c", 0, nothing); // 4
			client.unsubscribe(subscription); // 5
			broker.expects(subscribe(4, ["c", 0]), unsubscribe(5, "b"));
			next = 6;
			upTo(65_535);
			topics[1].publish(payload);
			topics[1].publish(payload);
			broker.expects(publish("a", "", { qos: 1, id: 3 }), publish("a", "", { qos: 1, id: 6 }));
			broker.sends(puback(1), pubcomp(2), puback(3), suback(4, 0), unsuback(5), puback(6));
			next = 7;
			upTo(65_535);
			next = 1;
			upTo(7);
		},
	),

	scenario(["decision-stray"], "a PUBACK for nothing in flight is ignored and counted", both, (level) => {
		const { broker, client } = connected(level, kept);
		client.topic("a", { qos: 1 }).publish(utf8("1"));
		broker.expects(publish("a", "1", { qos: 1, id: 1 }));
		broker.sends(puback(2), puback(0xffff), puback(0x101));
		equal([client.status.stray, client.status.delivered], [3, 0], "stray and delivered");
		broker.sends(puback(1), puback(1));
		equal([client.status.stray, client.status.delivered], [4, 1], "stray and delivered");
		broker.expectsNothing();
		broker.expectsNoClose();
	}),

	scenario(["decision-stray"], "PUBREC and PUBCOMP for a message at QoS 1 are ignored and counted", both, (level) => {
		const { broker, client } = connected(level, { ...kept, exactlyOnce: new ExactlyOnce() });
		client.topic("a", { qos: 1 }).publish(utf8("1"));
		broker.expects(publish("a", "1", { qos: 1, id: 1 }));
		broker.sends(pubrec(1), pubcomp(1));
		equal([client.status.stray, client.status.delivered], [2, 0], "stray and delivered");
		broker.breaks();
		broker.accepts({ sessionPresent: true });
		broker.expects(publish("a", "1", { qos: 1, id: 1, dup: true }));
		broker.sends(puback(1));
		equal(client.status.delivered, 1, "delivered");
	}),
];
