/**
 * What goes wrong with the module that the drop-in replaces, each as a sentence that holds for the drop-in and does not for
 * that module; each check throws where its sentence does not hold.
 */
import assert from "node:assert/strict";
import { type Board, broker, type MqttClient, type Packet, packets } from "./espruino-board.js";

/** Has the client connect, and the broker accept it. */
export function connected(board: Board, options: object = {}): MqttClient {
	const client = board.module.create("broker", options);
	board.watch(client);
	client.connect();
	accept(board);
	return client;
}

/** The broker accepts the connection that is being made. */
export function accept(board: Board, isPresent = false): void {
	board.settle();
	board.receive(broker.connack(0, isPresent));
}

/** What was sent in the last connection, but for its CONNECT. */
export function sent(board: Board): Packet[] {
	board.settle();
	const [first, ...others] = packets(board.socket.sent);
	assert.equal(first?.name, "CONNECT");
	return others;
}

/** Only the names. */
export const names = (all: Packet[]) => all.map(({ name }) => name).join(" ");

/** The link breaks and the application connects again. */
export function reconnect(board: Board, client: MqttClient, isPresent = false): void {
	board.break();
	client.connect();
	accept(board, isPresent);
}

/** Flags and keep alive of a CONNECT. */
function connectFields(board: Board): { flags: number; keepAlive: number } {
	const [{ rest }] = packets(board.socket.sent);
	const at = 2 + rest.charCodeAt(1) + 1;
	return { flags: rest.charCodeAt(at), keepAlive: (rest.charCodeAt(at + 1) << 8) | rest.charCodeAt(at + 2) };
}

const QOS1 = { qos: 1 };
const QOS2 = { qos: 2 };

export const defects: [sentence: string, check: (board: Board) => void][] = [
	[
		"a refusal is told as an error with its reason, and not as connected",
		(board) => {
			const client = board.module.create("broker");
			board.watch(client);
			client.connect();
			board.settle();
			board.receive(broker.connack(5));
			assert.deepEqual(board.seen[0], ["error", "Connection refused, NOT_AUTHORIZED"]);
			assert.equal(client.connected, false);
			assert.match(board.told(), /^error disconnected close$/);
		},
	],
	[
		"clean_session: false is what CONNECT says",
		(board) => {
			connected(board, { clean_session: false });
			assert.equal(connectFields(board).flags, 0);
		},
	],
	[
		"with a keep_alive of 1 to 7 seconds a ping comes in each of them, and not all the time",
		(board) => {
			for (let seconds = 1; seconds <= 7; seconds++) {
				connected(board, { keep_alive: seconds });
				let pings = 0;
				for (let tenths = 1; tenths <= 30 * seconds; tenths++) {
					board.socket.sent = "";
					board.pass(100);
					if (board.socket.sent === broker.pingreq()) {
						pings++;
						board.receive(broker.pingresp());
					}
				}
				assert.ok(pings >= 3 && pings <= 6, `${pings} pings in 3 times ${seconds} s`);
				board.break();
			}
		},
	],
	[
		"a link without an answer to a ping is given up within 1.5 keep alive",
		(board) => {
			const client = connected(board, { keep_alive: 60 });
			board.told();
			board.pass(90_000);
			assert.match(board.told(), /disconnected close$/);
			assert.equal(client.connected, false);
			assert.equal(board.socket.ended, true);
		},
	],
	[
		"a message at QoS 1 that was not acknowledged is sent again in the next connection",
		(board) => {
			const client = connected(board);
			client.publish("a", "first", QOS1);
			client.publish("a", "second", QOS1);
			const [{ identifier }] = sent(board);
			board.receive(broker.puback(identifier));
			reconnect(board, client);
			const [again, ...others] = sent(board);
			assert.deepEqual([again.topic, again.rest, again.flags], ["a", "second", 2]);
			assert.equal(others.length, 0);
		},
	],
	[
		"it has the same identifier, and DUP, where the broker has kept the session",
		(board) => {
			const client = connected(board, { clean_session: false });
			client.publish("a", "first", QOS1);
			const [{ identifier }] = sent(board);
			reconnect(board, client, true);
			const [again] = sent(board);
			assert.deepEqual([again.rest, again.identifier, again.flags], ["first", identifier, 2 | 8]);
		},
	],
	[
		"a message at QoS 2 that is sent twice is delivered once",
		(board) => {
			connected(board);
			board.told();
			board.receive(broker.publish("a", "once", 2, 7));
			board.receive(broker.publish("a", "once", 2, 7, true));
			assert.equal(board.told(), "publish message");
			assert.equal(names(sent(board)), "PUBREC PUBREC");
			board.receive(broker.pubrel(7));
			board.receive(broker.publish("a", "another", 2, 7));
			assert.equal(board.told(), "publish message");
		},
	],
	[
		"nor twice because the link broke before its release",
		(board) => {
			const client = connected(board, { clean_session: false });
			board.receive(broker.publish("a", "once", 2, 7));
			reconnect(board, client, true);
			board.told();
			board.receive(broker.publish("a", "once", 2, 7, true));
			assert.equal(board.told(), "");
			assert.equal(names(sent(board)), "PUBREC");
		},
	],
	[
		"a release at QoS 2 that was not answered is sent again",
		(board) => {
			const client = connected(board, { clean_session: false });
			client.publish("a", "once", QOS2);
			const [{ identifier }] = sent(board);
			board.receive(broker.pubrec(identifier));
			assert.equal(names(sent(board)), "PUBLISH PUBREL");
			reconnect(board, client, true);
			assert.equal(names(sent(board)), "PUBREL");
			board.receive(broker.pubcomp(identifier));
			reconnect(board, client, true);
			assert.equal(names(sent(board)), "");
		},
	],
	[
		"where the other end stops reading, what is published does not fill the memory",
		(board) => {
			const client = connected(board);
			board.socket.stalled = true;
			for (let count = 0; count < 1000; count++) client.publish("sensors/kitchen/temperature", "x".repeat(32));
			assert.ok(board.socket.dSnd.length < 300, `${board.socket.dSnd.length} bytes wait in the socket`);
			board.settle();
			assert.ok(client.refused > 900 && client.refused < 1000, "most is refused, and counted");
			assert.equal(client.publish("a", "b"), false);
		},
	],
	[
		"what is published while the link is down is sent when it is back",
		(board) => {
			const client = connected(board);
			board.break();
			client.publish("a", "0");
			client.publish("a", "1", QOS1);
			client.connect();
			accept(board);
			assert.deepEqual(
				sent(board).map(({ rest }) => rest),
				["0", "1"],
			);
		},
	],
	[
		"what is published and subscribed before the broker has answered is sent",
		(board) => {
			const client = board.module.connect({ host: "broker" });
			client.publish("a", "early");
			client.subscribe("b");
			accept(board);
			assert.equal(names(sent(board)), "PUBLISH SUBSCRIBE");
		},
	],
	[
		"publishing undefined, as the result of an eval may be, leaves the connection as it is",
		(board) => {
			const client = connected(board);
			board.told();
			client.publish("a", undefined);
			assert.deepEqual([sent(board)[0]?.rest, client.connected, board.told()], ["undefined", true, ""]);
		},
	],
	[
		"half a packet from a broken link does not spoil the next connection",
		(board) => {
			const client = connected(board);
			board.receive(broker.publish("a", "a long message").slice(0, 9));
			board.break();
			board.told();
			client.connect();
			accept(board);
			assert.equal(board.told(), "connected connect");
		},
	],
	[
		"a connection that fails at once is told to those who listen from then on",
		(board) => {
			board.trouble = "Unable to create socket";
			board.watch(board.module.connect({ host: "broker" }));
			board.pass(1);
			assert.deepEqual(board.seen[0], ["error", "Unable to create socket"]);
			assert.equal(board.told(), "error disconnected close");
		},
	],
	[
		"a connection that fails later is told too",
		(board) => {
			board.undecided = true;
			board.watch(board.module.connect({ host: "broker" }));
			board.settle();
			board.break(board.socket, "not found");
			assert.deepEqual(board.seen[0], ["error", "not found"]);
			assert.equal(board.told(), "error disconnected close");
		},
	],
	[
		"a connection that stays open neither way is given up",
		(board) => {
			board.undecided = true;
			board.watch(board.module.connect({ host: "broker" }));
			board.pass(11_000);
			assert.match(board.told(), /disconnected close$/);
			assert.equal(board.socket.ended, true);
		},
	],
	[
		"a link that closes before the broker has answered is told at once",
		(board) => {
			board.watch(board.module.connect({ host: "broker" }));
			board.settle();
			board.break();
			assert.equal(board.told(), "disconnected close");
		},
	],
	[
		"a subscription that is refused is told as subscribed_fail",
		(board) => {
			const client = connected(board);
			client.subscribe("secret");
			const [{ identifier }] = sent(board);
			board.told();
			board.receive(broker.suback(identifier, 0x80));
			assert.equal(board.told(), "subscribed_fail");
		},
	],
	[
		"connect twice opens one connection",
		(board) => {
			const client = board.module.create("broker");
			board.watch(client);
			client.connect();
			client.connect();
			accept(board);
			client.connect();
			board.settle();
			assert.equal(board.sockets.length, 1);
			assert.equal(board.told(), "connected connect");
		},
	],
	[
		"the end of an old socket is not the end of the new one",
		(board) => {
			const client = connected(board);
			board.told();
			const old = board.socket;
			old.stalled = true;
			client.disconnect();
			client.connect();
			accept(board);
			old.stalled = false;
			board.settle();
			assert.equal(old.closed, true);
			assert.match(board.told(), /connected connect$/);
			assert.equal(client.connected, true);
		},
	],
	[
		"an object of the application can be connected through again, and each packet counts once",
		(board) => {
			const written: string[] = [];
			const pipe = board.make({ write: (data: string) => written.push(data), end: () => {} });
			const client = board.module.create("broker");
			board.watch(client);
			for (let time = 0; time < 3; time++) {
				client.connect(pipe);
				pipe.emit("data", broker.connack());
				board.settle();
				board.told();
				pipe.emit("data", broker.publish("a", "b", 1, 5));
				board.settle();
				assert.equal(board.told(), "publish message");
				assert.equal(names(packets(written.splice(0).join(""))), "CONNECT PUBACK");
				pipe.emit("end");
				board.settle();
				assert.equal(board.told(), "disconnected close");
			}
		},
	],
	[
		"messages that came in front of the end of such an object's data count",
		(board) => {
			const pipe = board.make({ write: () => {}, end: () => {} });
			const client = board.module.create();
			board.watch(client);
			client.connect(pipe);
			pipe.emit("data", broker.connack() + broker.publish("a", "b") + broker.publish("c", "d"));
			pipe.emit("end");
			board.settle();
			assert.equal(board.told(), "connected connect publish message publish message disconnected close");
		},
	],
	[
		"subscribing and unsubscribing on a socket that has just died throws nothing",
		(board) => {
			const client = connected(board);
			board.told();
			board.close(board.socket);
			client.subscribe("a");
			client.unsubscribe("a");
			board.settle();
			assert.equal(board.told(), "error disconnected close");
		},
	],
	[
		"text beyond ASCII has its length in bytes, in topics, messages and names",
		(board) => {
			const client = connected(board, { client_id: "\u4e2d", username: "\u20ac", password: "\u20ac\u20ac" });
			client.publish("\u0142\u20ac", "\u4e2d\u6587");
			client.subscribe("\u0142/+");
			const [publish, subscribe] = sent(board);
			const utf8 = (value: string) => Buffer.from(value, "latin1").toString("utf8");
			assert.deepEqual([utf8(publish.topic), utf8(publish.rest)], ["\u0142\u20ac", "\u4e2d\u6587"]);
			assert.equal(utf8(subscribe.rest.slice(2, -1)), "\u0142/+");
		},
	],
	[
		"bytes that are not MQTT end the connection",
		(board) => {
			connected(board);
			board.told();
			board.receive("\x30\xff\xff\xff\xff\xff\x01");
			assert.equal(board.told(), "error disconnected close");
		},
	],
	[
		"DUP is not set on a message at QoS 0, where MQTT forbids it",
		(board) => {
			connected(board).publish("a", "b", { dup: true });
			assert.equal(sent(board)[0].flags, 0);
		},
	],
	[
		"publish says by which identifier puback tells of the message",
		(board) => {
			const client = connected(board);
			const identifier = client.publish("a", "b", QOS1);
			assert.equal(identifier, sent(board)[0].identifier);
			board.receive(broker.puback(Number(identifier)));
			assert.deepEqual(board.seen.at(-1), ["puback", identifier]);
		},
	],
	[
		"an identifier is not given again while its message is in flight",
		(board) => {
			const client = connected(board);
			client.publish("a", "never acknowledged", QOS1);
			const [{ identifier: first }] = sent(board);
			for (let count = 0; count < 65_600; count++) {
				board.socket.sent = "";
				client.publish("a", "b", QOS1);
				board.settle();
				const [{ identifier }] = packets(board.socket.sent);
				assert.ok(identifier > 0 && identifier !== first, `${identifier} is given`);
				board.receive(broker.puback(identifier));
			}
		},
	],
	[
		"disconnecting amid messages that came together throws nothing",
		(board) => {
			const client = connected(board);
			client.on("message", () => client.disconnect());
			board.told();
			board.receive([1, 2, 3].map((identifier) => broker.publish("a", "b", 1, identifier)).join(""));
			assert.doesNotMatch(board.told(), /uncaught/);
		},
	],
	[
		"a message at QoS 1 that is published in front of disconnect is acknowledged first",
		(board) => {
			const client = connected(board);
			board.told();
			client.publish("a", "b", QOS1);
			client.disconnect();
			const [{ identifier }] = sent(board);
			assert.equal(board.socket.ended, false);
			board.receive(broker.puback(identifier));
			assert.equal(board.told(), "puback disconnected close");
			assert.equal(names(sent(board)), "PUBLISH DISCONNECT");
		},
	],
	[
		"a topic with a wildcard is not published to, and a QoS that there is not is not asked for",
		(board) => {
			const client = connected(board);
			assert.throws(() => client.publish("a/+", "b"), /\+ or # in the topic a\/\+/);
			assert.throws(() => client.publish("", "b"), /1 to 65,535 bytes, not 0/);
			assert.throws(() => client.publish("a", "b", { qos: 3 }), /qos must be 0, 1 or 2, not 3/);
			assert.throws(() => client.publish("a".repeat(65_536), "b"), /1 to 65,535 bytes, not 65536/);
			assert.throws(() => client.subscribe("a", { qos: 3 }), /qos must be 0, 1 or 2, not 3/);
			assert.throws(() => client.subscribe(""), /1 to 65,535 bytes, not 0/);
		},
	],
	[
		"a keep_alive that CONNECT cannot say is refused",
		(board) => {
			assert.throws(() => board.module.create("broker", { keep_alive: 65_536 }), /1 to 65535 seconds, not 65536/);
			assert.throws(() => board.module.create("broker", { keep_alive: -1 }), /not -1/);
		},
	],
	[
		"at level 3 the protocol has its name",
		(board) => {
			connected(board, { protocol_level: 3 });
			assert.equal(board.socket.sent.slice(2, 11), "\0\x06MQIsdp\x03");
		},
	],
	[
		"a socket with something left to send on a dead link is let go",
		(board) => {
			const client = connected(board, { keep_alive: 10 });
			board.socket.stalled = true;
			client.publish("a", "b");
			board.pass(15_000);
			assert.equal(board.socket.dSnd, "");
			assert.equal(board.socket.ended, true);
		},
	],
];
