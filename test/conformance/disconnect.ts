/** DISCONNECT (section 3.14). */
import { Deferral, Reason, State, Stream } from "../../src/client.js";
import { connected, connecting, listening } from "./broker.js";
import { connack, disconnect, hex, puback, publish, suback, subscribe, utf8 } from "./packets.js";
import { both, equal, scenario } from "./scenario.js";

export default [
	scenario(
		["MQTT-3.14.1-1", "MQTT-3.14.4-1", "MQTT-2.2.2-1", "decision-disconnect", "3.1-after-disconnect"],
		"stop says DISCONNECT with flags 0, and closes without waiting for the broker",
		both,
		(level) => {
			const { broker, client } = connected(level);
			client.stop();
			equal([broker.network.isOpen, broker.network.closed], [false, 1], "open, and closes");
			broker.expects(hex("e0 00"));
			equal(client.status.reason as number, Reason.STOPPED, "the reason");
		},
	),

	scenario(
		["MQTT-3.14.4-2", "decision-disconnect", "3.1-after-disconnect"],
		"after DISCONNECT nothing more is said, whatever the application asks for and however long it takes",
		both,
		(level) => {
			const deferral = new Deferral();
			const { broker, client } = connected(level, { deferral, cleanSession: false });
			let ticket = 0;
			client.subscribe("a", 1, (message) => {
				ticket = deferral.hold(message);
			});
			broker.expects(subscribe(1, ["a", 1]));
			broker.sends(suback(1, 1), publish("a", "1", { qos: 1, id: 1 }));
			client.stop();
			broker.expects(disconnect());
			client.topic("t").publish(utf8("0"));
			client.topic("t", { qos: 1 }).publish(utf8("1"));
			client.subscribe("b", 0, () => {});
			deferral.acknowledge(ticket);
			client.stop();
			broker.waits(10_000_000);
			broker.expectsNothing();
			equal(broker.network.opened, 1, "links opened");
		},
	),

	scenario(
		["MQTT-3.14.4-2"],
		"what was to be said stands in front of DISCONNECT, and nothing behind it",
		both,
		(level) => {
			const { broker, client } = connected(level);
			broker.stopsReading();
			client.topic("t").publish(utf8("1"));
			broker.network.room = 1_000;
			client.stop();
			broker.expects(publish("t", "1"), disconnect());
		},
	),

	scenario(
		["MQTT-3.14.4-2"],
		"a handler that stops the client: its message is not acknowledged behind DISCONNECT",
		both,
		(level) => {
			const { broker, client } = connected(level);
			let calls = 0;
			client.subscribe("a", 1, () => {
				calls++;
				client.stop();
			});
			broker.expects(subscribe(1, ["a", 1]));
			broker.sends(suback(1, 1));
			broker.sends(publish("a", "1", { qos: 1, id: 1 }), publish("a", "2", { qos: 1, id: 2 }));
			broker.expects(disconnect());
			equal([calls, client.status.state], [1, State.STOPPED], "calls, and the state");
		},
	),

	scenario(["MQTT-3.14.4-1", "decision-disconnect"], "before CONNACK stop closes without DISCONNECT", both, (level) => {
		const { broker, client } = connecting(level);
		broker.expectsConnect();
		client.stop();
		broker.expectsClose(Reason.STOPPED);
		client.start();
		broker.opens();
		broker.expectsConnect();
		broker.sends(connack());
		broker.expectsNoClose();
	}),

	scenario(
		["MQTT-3.14.4-2"],
		"amid a message that goes out in pieces stop closes without DISCONNECT, which would be within it",
		both,
		(level) => {
			const payload = new Uint8Array(200).fill(0x61);
			const { broker, client } = connected(level, { output: 32 });
			broker.network.room = 40;
			client.topic("t").publish(payload);
			client.stop();
			broker.expects(publish("t", payload).subarray(0, 40));
			equal(broker.network.isOpen, false, "open");

			// The source of a stream has ten bytes, and no more for now.
			const slow = {
				read(bytes: Uint8Array, at: number, offset: number): number {
					bytes[at] = 0x61;
					return offset < 10 ? 1 : 0;
				},
			};
			const streaming = connected(level);
			new Stream(streaming.client, "t").publish(200, slow);
			streaming.client.stop();
			streaming.broker.expects(publish("t", payload).subarray(0, 6 + 10));
			equal(streaming.broker.network.isOpen, false, "open");
		},
	),

	scenario(
		["MQTT-3.14.4-1", "MQTT-4.1.0-1"],
		"stop and start keep the session: what was not acknowledged goes out again",
		both,
		(level) => {
			const { broker, client, heard } = listening(level, { cleanSession: false });
			client.topic("t", { qos: 1 }).publish(utf8("1"));
			broker.expects(publish("t", "1", { qos: 1, id: 2 }));
			client.stop();
			broker.expects(disconnect());
			client.start();
			broker.accepts({ sessionPresent: true });
			const resent = publish("t", "1", { qos: 1, id: 2, dup: true });
			if (level === 4) broker.expects(resent);
			else {
				broker.expects(subscribe(3, ["#", 1]), resent);
				broker.sends(suback(3, 1));
			}
			broker.sends(puback(2), publish("a", "1"));
			equal([heard, client.status.delivered], [["a 1"], 1], "messages, and delivered");
		},
	),
];
