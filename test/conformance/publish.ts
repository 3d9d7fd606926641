/** PUBLISH out: its bytes at every QoS, and QoS 0 (sections 3.3 and 4.3.1). */
import { type ClientOptions, ExactlyOnce, Stream } from "../../src/client.js";
import { connected, scene } from "./broker.js";
import { connect, hex, puback, pubcomp, publish, pubrec, pubrel, utf8 } from "./packets.js";
import { both, equal, refuses, scenario } from "./scenario.js";

const exactlyOnce = (): Partial<ClientOptions> => ({ exactlyOnce: new ExactlyOnce(), cleanSession: false });

/** A source that has all its bytes at hand. */
function sourceOf(payload: Uint8Array) {
	return {
		offsets: [] as number[],
		ends: [] as boolean[],
		read(bytes: Uint8Array, at: number, offset: number, count: number): number {
			this.offsets.push(offset);
			bytes.set(payload.subarray(offset, offset + count), at);
			return Math.min(count, payload.length - offset);
		},
		done(delivered: boolean): void {
			this.ends.push(delivered);
		},
	};
}

const large = Uint8Array.from({ length: 1_000 }, (_, i) => i);

export default [
	scenario(
		["MQTT-3.3.1-2", "MQTT-4.3.1-1", "MQTT-2.3.1-5", "MQTT-3.3.2-1"],
		"a PUBLISH at QoS 0 is the topic name and the payload: no DUP, no identifier",
		both,
		(level) => {
			const { broker, client } = connected(level);
			client.topic("a/b").publish(utf8("21"));
			broker.expects(hex("30 07", "00 03 61 2f 62", "32 31"));
			client.topic("a/b", { retain: true }).publish(utf8("21"));
			broker.expects(hex("31 07", "00 03 61 2f 62", "32 31"));
		},
	),

	scenario(
		["MQTT-2.3.1-1", "MQTT-3.3.2-1", "MQTT-2.2.2-1"],
		"a PUBLISH at QoS 1 and 2 has an identifier that is not zero behind the topic name",
		both,
		(level) => {
			const { broker, client } = connected(level, exactlyOnce());
			client.topic("a/b", { qos: 1 }).publish(utf8("21"));
			broker.expects(hex("32 09", "00 03 61 2f 62", "00 01", "32 31"));
			client.topic("a/b", { qos: 2, retain: true }).publish(utf8("21"));
			broker.expects(hex("35 09", "00 03 61 2f 62", "00 02", "32 31"));
		},
	),

	scenario(["MQTT-3.3.1-2", "MQTT-4.3.1-1"], "a message at QoS 0 is said once, and never with DUP", both, (level) => {
		const { broker, client } = connected(level, { cleanSession: false });
		const topic = client.topic("a");
		topic.publish(utf8("1"));
		broker.expects(publish("a", "1"));
		broker.breaks();
		topic.publish(utf8("2"));
		broker.accepts({ sessionPresent: true });
		broker.expects(publish("a", "2"));
		broker.breaks();
		broker.accepts({ sessionPresent: true });
		broker.expectsNothing();
	}),

	scenario(
		["MQTT-3.3.1-2"],
		"a message at QoS 0 that was cut off by a lost link begins anew, without DUP",
		both,
		(level) => {
			const { broker, client } = connected(level, { outbox: 2_048 });
			broker.network.room = 100;
			client.topic("a").publish(large);
			equal(broker.hears().length, 100, "bytes sent");
			broker.breaks();
			broker.accepts();
			broker.expects(publish("a", large));
		},
	),

	scenario(
		["MQTT-3.3.2-2", "MQTT-4.7.1-1", "decision-input"],
		"a topic name with a wildcard is refused",
		both,
		(level) => {
			const { broker, client } = connected(level);
			for (const name of ["#", "+", "a/#", "a/+/b", "a#", "+a", "a+b"]) {
				refuses(/topic .* has a wildcard/, () => client.topic(name));
				refuses(/topic .* has a wildcard/, () => client.topic(utf8(name)));
				refuses(/will\.topic .* has a wildcard/, () => scene(level, { will: { topic: name, payload: "" } }));
			}
			broker.expectsNothing();
		},
	),

	scenario(["MQTT-3.3.1-4", "decision-input"], "a topic at QoS 3 is refused", both, (level) => {
		const { client } = connected(level, exactlyOnce());
		refuses(/qos.*3/, () => client.topic("a", { qos: 3 as 2 }));
	}),

	scenario(["3.1-zero-byte-retained"], "an empty message with RETAIN goes out as it is", both, (level) => {
		const { broker, client } = connected(level);
		client.topic("a", { retain: true }).publish(new Uint8Array(0));
		broker.expects(hex("31 03", "00 01 61"));
	}),

	scenario(
		["MQTT-3.3.2-1", "MQTT-2.3.1-1", "MQTT-2.3.1-5"],
		"a message larger than the output, copied or streamed, is one PUBLISH with the same bytes",
		both,
		(level) => {
			const { broker, client } = connected(level, { ...exactlyOnce(), outbox: 4_096, output: 64 });
			for (const qos of [0, 1, 2] as const) {
				const id = (copy: number) => (qos === 0 ? undefined : 2 * qos - 2 + copy);
				client.topic("a/b", { qos }).publish(large);
				broker.expects(publish("a/b", large, { qos, id: id(1) }));
				const source = sourceOf(large);
				equal(new Stream(client, "a/b", { qos }).publish(large.length, source), true, "taken");
				broker.expects(publish("a/b", large, { qos, id: id(2) }));
				equal(source.ends, qos === 0 ? [true] : [], "done");
			}
		},
	),

	scenario(
		["MQTT-3.3.1-1", "MQTT-2.3.1-3", "MQTT-4.4.0-1"],
		"a streamed message without its acknowledgement is read and said again, with DUP and its identifier",
		both,
		(level) => {
			for (const qos of [1, 2] as const) {
				const { broker, client } = connected(level, { ...exactlyOnce(), output: 256 });
				const source = sourceOf(large);
				const stream = new Stream(client, "a", { qos });
				stream.publish(large.length, source);
				broker.expects(publish("a", large, { qos, id: 1 }));
				broker.breaks();
				broker.accepts({ sessionPresent: true });
				broker.expects(publish("a", large, { qos, id: 1, dup: true }));
				equal(source.offsets.filter((offset) => offset === 0).length, 2, "readings from the start");
				equal(stream.busy, true, "busy");
				broker.sends(qos === 1 ? puback(1) : pubrec(1));
				if (qos === 2) {
					broker.expects(pubrel(1));
					broker.sends(pubcomp(1));
				}
				equal([stream.busy, source.ends], [false, [true]], "busy, and done");
				broker.breaks();
				broker.accepts({ sessionPresent: true });
				broker.expectsNothing();
			}
		},
	),

	scenario(
		["MQTT-7.0.0-2"],
		"a broker that says only what it must, CONNACK and acknowledgements, is enough for all there is to publish",
		both,
		(level) => {
			const { broker, client } = scene(level, { exactlyOnce: new ExactlyOnce(), keepAlive: 0 });
			for (const qos of [0, 1, 2] as const) client.topic(`q${qos}`, { qos }).publish(utf8("1"));
			client.start();
			broker.opens();
			broker.expects(connect({ level, keepAlive: 0 }));
			broker.sends(hex("20 02 00 00"));
			broker.expects(publish("q0", "1"), publish("q1", "1", { qos: 1, id: 1 }), publish("q2", "1", { qos: 2, id: 2 }));
			broker.sends(puback(1), pubrec(2));
			broker.expects(pubrel(2));
			broker.sends(pubcomp(2));
			broker.waits(100_000);
			broker.expectsNothing();
			equal([client.status.delivered, client.status.outbox.used], [2, 0], "delivered, and bytes kept");
		},
	),
];
