/** Acknowledging a message later than its handler returns. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type ClientOptions, Deferral, ExactlyOnce, type Message, Reason, State } from "../../src/client.js";
import { accept, connected, reconnect, type Scene } from "../support/client.js";
import { joined, textOf, utf8 } from "../support/hex.js";
import { puback, pubcomp, publish, pubrec, pubrel, suback } from "../support/packets.js";

interface Bench extends Scene {
	deferral: Deferral;
	/** Payloads that were handed over. */
	heard: string[];
	/** The ticket of each message that was held, by its payload. */
	tickets: Record<string, number>;
	acknowledge: (...texts: string[]) => boolean[];
}

/** A client that holds each message whose payload begins with "hold". */
function bench(options: Partial<ClientOptions> = {}, deferral = new Deferral()): Bench {
	const made = connected({ cleanSession: false, exactlyOnce: new ExactlyOnce(), deferral, ...options });
	const heard: string[] = [];
	const tickets: Record<string, number> = {};
	made.client.subscribe("a", 2, (message) => {
		const text = textOf(message.payload);
		heard.push(text);
		if (text.startsWith("hold")) tickets[text] = deferral.hold(message);
	});
	made.network.receive(suback(1, 2));
	made.network.taken();
	const acknowledge = (...texts: string[]) => texts.map((text) => deferral.acknowledge(tickets[text]));
	return { ...made, deferral, heard, tickets, acknowledge };
}

const one = (text: string, id: number, dup = false) => publish("a", text, { qos: 1, id, dup });
const two = (text: string, id: number, dup = false) => publish("a", text, { qos: 2, id, dup });

for (const level of [3, 4] as const) {
	for (const [message, answer] of [
		[one("hold", 7), "PUBACK id 7"],
		[two("hold", 7), "PUBREC id 7"],
	] as const) {
		test(`level ${level}: ${answer} for a message that is held goes out when the application says so`, () => {
			const { network, sent, acknowledge, client } = bench({ level });
			network.receive(message);
			network.writable(1_000);
			assert.deepEqual(sent(), []);
			assert.equal(client.status.received, 1);
			assert.deepEqual(acknowledge("hold"), [true]);
			assert.deepEqual(sent(), [answer]);
			assert.deepEqual(acknowledge("hold"), [false], "it was acknowledged already");
			assert.deepEqual(sent(), []);
		});
	}
}

test("a message that is not held is acknowledged when its handler returns", () => {
	const { network, sent } = bench();
	network.receive(joined([one("1", 7), two("2", 8), publish("nobody/asked", "", { qos: 1, id: 9 })]));
	assert.deepEqual(sent(), ["PUBACK id 7", "PUBREC id 8", "PUBACK id 9"]);
});

test("what comes behind a message that is held waits for it, so that acknowledgements keep their order ([MQTT-4.6.0-2], -3)", () => {
	const { network, sent, acknowledge, heard } = bench({ inbox: 32 });
	network.receive(joined([one("1", 1), one("hold 2", 2), two("3", 3), one("4", 4), two("hold 5", 5), one("6", 6)]));
	network.receive(publish("nobody/asked", "", { qos: 1, id: 7 }));
	network.receive(publish("t".repeat(100), "", { qos: 2, id: 8 }));
	assert.deepEqual(heard, ["1", "hold 2", "3", "4", "hold 5", "6"]);
	assert.deepEqual(sent(), ["PUBACK id 1"]);
	assert.deepEqual(acknowledge("hold 2"), [true]);
	assert.deepEqual(sent(), ["PUBACK id 2", "PUBREC id 3", "PUBACK id 4"]);
	network.receive(pubrel(3));
	assert.deepEqual(sent(), ["PUBCOMP id 3"], "this answers no message");
	assert.deepEqual(acknowledge("hold 5"), [true]);
	assert.deepEqual(sent(), ["PUBREC id 5", "PUBACK id 6", "PUBACK id 7", "PUBREC id 8"]);
	network.receive(one("9", 9));
	assert.deepEqual(sent(), ["PUBACK id 9"], "nothing waits any more");
});

test("messages may be acknowledged in any order; each goes out once those in front of it have", () => {
	const { network, sent, acknowledge } = bench();
	for (let id = 1; id <= 5; id++) network.receive(one(`hold ${id}`, id));
	assert.deepEqual(acknowledge("hold 3", "hold 2"), [true, true]);
	assert.deepEqual(sent(), []);
	assert.deepEqual(acknowledge("hold 1"), [true]);
	assert.deepEqual(sent(), ["PUBACK id 1", "PUBACK id 2", "PUBACK id 3"]);
	assert.deepEqual(acknowledge("hold 5", "hold 2", "hold 4"), [true, false, true]);
	assert.deepEqual(sent(), ["PUBACK id 4", "PUBACK id 5"]);
});

test("a message at QoS 0 needs no acknowledgement: its ticket is -1, and holds up nothing", () => {
	const { network, sent, tickets, acknowledge } = bench();
	for (const retain of [false, true]) {
		network.receive(publish("a", "hold 0", { retain }));
		assert.equal(tickets["hold 0"], -1);
	}
	network.receive(one("1", 1));
	assert.deepEqual(sent(), ["PUBACK id 1"]);
	assert.deepEqual(acknowledge("hold 0"), [false]);
});

test("tickets are different, and a ticket of nobody is refused", () => {
	const { network, sent, tickets, deferral } = bench();
	network.receive(joined([one("hold 1", 1), one("2", 2), one("hold 3", 3)]));
	assert.notEqual(tickets["hold 1"], tickets["hold 3"]);
	for (const ticket of [0, -1, 1e9, 0.5, Number.NaN, undefined as never]) {
		assert.equal(deferral.acknowledge(ticket), false, `ticket ${ticket}`);
	}
	assert.deepEqual(sent(), []);
});

test("tickets begin anew after 4,294,967,295, and never are 0", () => {
	const { network, sent, tickets, acknowledge, deferral } = bench();
	(deferral as unknown as { ticket: number }).ticket = 0xffff_fffd;
	network.receive(joined([one("hold 1", 1), one("hold 2", 2), one("hold 3", 3), one("hold 4", 4)]));
	assert.deepEqual(Object.values(tickets), [0xffff_fffe, 0xffff_ffff, 1, 2]);
	assert.deepEqual(acknowledge("hold 2", "hold 1", "hold 4", "hold 3"), [true, true, true, true]);
	assert.equal(sent().length, 4);
});

test("several handlers may hold the same message: they get one ticket, and it is acknowledged once", () => {
	const deferral = new Deferral();
	const made = connected({ deferral });
	const tickets: number[] = [];
	for (const filter of ["a", "+", "#"]) {
		made.client.subscribe(filter, 1, (message) => tickets.push(deferral.hold(message), deferral.hold(message)));
	}
	made.sent();
	made.network.receive(one("x", 7));
	assert.equal(tickets.length, 6);
	assert.equal(new Set(tickets).size, 1);
	assert.equal(deferral.acknowledge(tickets[0]), true);
	assert.equal(deferral.acknowledge(tickets[0]), false);
	assert.deepEqual(made.sent(), ["PUBACK id 7"]);
});

test("a message may be acknowledged within its own handler: it is when that returns", () => {
	for (const qos of [1, 2] as const) {
		const deferral = new Deferral();
		const made = connected({ deferral, exactlyOnce: new ExactlyOnce() });
		made.client.subscribe("a", 2, (message) => {
			assert.equal(deferral.acknowledge(deferral.hold(message)), true);
			assert.deepEqual(made.sent(), []);
		});
		made.sent();
		made.network.receive(publish("a", "x", { qos, id: 7 }));
		made.network.receive(publish("nobody/asked", "x", { qos: 1, id: 8 }));
		assert.equal(made.client.status.failures, 0);
		assert.deepEqual(made.sent(), [qos === 1 ? "PUBACK id 7" : "PUBREC id 7", "PUBACK id 8"]);
	}
});

test("a message may be acknowledged within the handler of a later one", () => {
	const deferral = new Deferral();
	const made = connected({ deferral });
	const tickets: number[] = [];
	made.client.subscribe("a", 1, (message) => {
		for (const ticket of tickets.splice(0)) assert.equal(deferral.acknowledge(ticket), true);
		tickets.push(deferral.hold(message));
	});
	made.sent();
	for (let id = 1; id <= 5; id++) {
		made.network.receive(one("x", id));
		assert.deepEqual(made.sent(), id === 1 ? [] : [`PUBACK id ${id - 1}`]);
	}
	assert.equal(made.client.status.failures, 0);
});

test("a message that is acknowledged within the handler of the one behind it leaves nothing waiting", () => {
	const deferral = new Deferral();
	const made = connected({ deferral });
	const tickets: number[] = [];
	made.client.subscribe("a", 1, (message) => {
		if (tickets.length === 0) tickets.push(deferral.hold(message));
		else deferral.acknowledge(tickets[0]);
	});
	made.sent();
	made.network.receive(joined([one("x", 1), one("y", 2), one("z", 3)]));
	assert.deepEqual(made.sent(), ["PUBACK id 1", "PUBACK id 2", "PUBACK id 3"]);
});

test("a handler that holds its message and throws: it is neither held nor acknowledged, and holds up nothing", () => {
	const deferral = new Deferral();
	const made = connected({ deferral });
	let ticket = 0;
	made.client.subscribe("a", 1, (message) => {
		ticket = deferral.hold(message);
		throw new Error("no");
	});
	made.sent();
	made.network.receive(one("x", 7));
	assert.equal(deferral.acknowledge(ticket), false);
	made.network.receive(publish("b", "y", { qos: 1, id: 8 }));
	assert.deepEqual(made.sent(), ["PUBACK id 8"]);
	assert.equal(deferral.acknowledge(ticket), false);
});

test("a message whose handler threw holds its place for nobody, while another one is held", () => {
	const deferral = new Deferral();
	const made = connected({ deferral });
	let ticket = 0;
	made.client.subscribe("a", 1, (message) => {
		ticket = deferral.hold(message);
	});
	made.client.subscribe("b", 1, () => {
		throw new Error("no");
	});
	made.sent();
	made.network.receive(one("x", 1));
	made.network.receive(publish("b", "y", { qos: 1, id: 2 }));
	made.network.receive(publish("c", "z", { qos: 1, id: 3 }));
	assert.deepEqual(made.sent(), []);
	assert.equal(deferral.acknowledge(ticket), true);
	assert.deepEqual(made.sent(), ["PUBACK id 1", "PUBACK id 3"]);
});

for (const holding of [0, 1, 4]) {
	test(`a message in parts may be held at part ${holding}: it is acknowledged once all have come, and the application says so`, () => {
		const deferral = new Deferral();
		const made = connected({ deferral, inbox: 32, exactlyOnce: new ExactlyOnce() });
		let part = 0;
		let ticket = 0;
		made.client.subscribe("a", 2, (message) => {
			if (part++ === holding) ticket = deferral.hold(message);
		});
		made.sent();
		made.network.receive(two("0123456789".repeat(20), 7));
		assert.ok(part > 5);
		assert.deepEqual(made.sent(), []);
		made.network.receive(publish("b", "", { qos: 1, id: 8 }));
		assert.deepEqual(made.sent(), []);
		assert.equal(deferral.acknowledge(ticket), true);
		assert.deepEqual(made.sent(), ["PUBREC id 7", "PUBACK id 8"]);
	});
}

test("a message in parts that is acknowledged before its last part has come is acknowledged then", () => {
	const deferral = new Deferral();
	const made = connected({ deferral, inbox: 32 });
	let ticket = 0;
	made.client.subscribe("a", 1, (message) => {
		if (message.offset === 0) ticket = deferral.hold(message);
	});
	made.sent();
	const bytes = one("0123456789".repeat(20), 7);
	made.network.receive(bytes.subarray(0, 100));
	assert.notEqual(ticket, 0);
	deferral.acknowledge(ticket);
	assert.deepEqual(made.sent(), []);
	made.network.receive(bytes.subarray(100));
	deferral.acknowledge(ticket);
	assert.deepEqual(made.sent(), ["PUBACK id 7"]);
});

test("a message in parts that was held, and cut off by a broken link, holds up nothing on the next one", () => {
	const { network, sent, ...made } = bench({ inbox: 32 });
	network.receive(one(`hold ${"0123456789".repeat(20)}`, 7).subarray(0, 100));
	reconnect({ network, sent, ...made }, true);
	network.receive(one("2", 8));
	assert.deepEqual(sent(), ["PUBACK id 8"]);
});

test("what is held when the link breaks is void; the broker sends it again, and it gets another ticket", () => {
	const made = bench();
	const { network, sent, acknowledge, tickets, heard } = made;
	network.receive(joined([one("hold 1", 1), two("hold 2", 2), one("3", 3)]));
	const before = { ...tickets };
	reconnect(made, true);
	assert.deepEqual(sent(), []);
	assert.deepEqual(acknowledge("hold 1", "hold 2"), [false, false]);
	network.receive(joined([one("hold 1", 1, true), two("hold 2", 2, true), one("3", 3, true)]));
	assert.deepEqual(heard, ["hold 1", "hold 2", "3", "hold 1", "hold 2", "3"], "QoS 2 too: there was no PUBREC");
	assert.deepEqual(sent(), []);
	assert.equal(made.deferral.acknowledge(before["hold 1"]), false);
	assert.equal(made.deferral.acknowledge(before["hold 2"]), false);
	assert.deepEqual(acknowledge("hold 2", "hold 1"), [true, true]);
	assert.deepEqual(sent(), ["PUBACK id 1", "PUBREC id 2", "PUBACK id 3"]);
});

test("nothing can be acknowledged after stop, nor between connections", () => {
	const made = bench();
	const { network, client, acknowledge, sent } = made;
	network.receive(one("hold 1", 1));
	client.stop();
	sent();
	assert.deepEqual(acknowledge("hold 1"), [false]);
	client.start();
	assert.deepEqual(acknowledge("hold 1"), [false]);
	accept(made, true);
	assert.deepEqual(acknowledge("hold 1"), [false]);
	assert.deepEqual(sent(), []);
});

test("a message at QoS 2 that is held and comes again is not handed over again, and not answered in front of its turn", () => {
	for (const level of [3, 4] as const) {
		const { network, sent, acknowledge, heard } = bench({ level, inbox: 32 });
		network.receive(two("hold", 7));
		for (const dup of [true, false]) network.receive(two("hold", 7, dup));
		network.receive(two("hold".padEnd(100), 7, true));
		assert.deepEqual(heard, ["hold"]);
		assert.deepEqual(sent(), []);
		acknowledge("hold");
		assert.deepEqual(sent(), ["PUBREC id 7"]);
		network.receive(two("hold", 7, true));
		assert.deepEqual(heard, ["hold"]);
		assert.deepEqual(sent(), ["PUBREC id 7"]);
		network.receive(pubrel(7));
		assert.deepEqual(sent(), ["PUBCOMP id 7"]);
	}
});

test("a message at QoS 1 and one at QoS 2 under the same identifier are not mistaken for each other", () => {
	const { network, sent, acknowledge, heard } = bench();
	network.receive(joined([one("hold 1", 7), two("hold 2", 7)]));
	assert.deepEqual(heard, ["hold 1", "hold 2"]);
	acknowledge("hold 2", "hold 1");
	assert.deepEqual(sent(), ["PUBACK id 7", "PUBREC id 7"]);
});

for (const size of [1, 2, 32]) {
	test(`a Deferral for ${size}: as many may wait, those behind a held one included; one more closes the link`, () => {
		const made = bench({}, size === 32 ? new Deferral() : new Deferral(size));
		const { network, client, reasons, acknowledge, sent } = made;
		for (let round = 0; round < 3; round++) {
			network.receive(one("hold", 1));
			for (let id = 2; id <= size; id++) network.receive(one("x", id));
			assert.deepEqual(sent(), []);
			assert.deepEqual(acknowledge("hold"), [true]);
			assert.equal(sent().length, size);
		}
		network.receive(one("hold", 1));
		for (let id = 2; id <= size; id++) network.receive(one("x", id));
		assert.deepEqual(reasons, []);
		network.receive(one("x", size + 1));
		assert.deepEqual(reasons, [Reason.REPLY_OVERFLOW]);
		assert.equal(client.status.violations, 0);
		assert.deepEqual(acknowledge("hold"), [false]);
		assert.deepEqual(sent(), []);
		reconnect(made, true);
		network.receive(one("x", 1));
		assert.deepEqual(sent(), ["PUBACK id 1"]);
	});
}

test("messages at QoS 0, and our own, go on while one is held", () => {
	const { client, network, sent, heard } = bench();
	network.receive(one("hold", 1));
	network.receive(publish("a", "0"));
	assert.deepEqual(heard, ["hold", "0"]);
	client.topic("t", { qos: 1 }).publish(utf8("x"));
	client.topic("t", { qos: 2 }).publish(utf8("y"));
	network.receive(joined([puback(2), pubrec(3), pubcomp(3)]));
	assert.deepEqual(sent(), ["PUBLISH t 'x' qos 1 id 2", "PUBLISH t 'y' qos 2 id 3", "PUBREL id 3"]);
	assert.equal(client.status.delivered, 2);
});

test("an acknowledgement given while the link takes nothing goes out once it does", () => {
	const { network, sent, acknowledge, client } = bench({ output: 32 });
	network.receive(joined([one("hold 1", 1), one("2", 2)]));
	network.room = 0;
	client.topic("t").publish(new Uint8Array(100));
	assert.deepEqual(acknowledge("hold 1"), [true]);
	network.writable(10_000);
	assert.deepEqual(sent().slice(1), ["PUBACK id 1", "PUBACK id 2"]);
});

test("more acknowledgements at once than can wait close the link", () => {
	const made = bench({ output: 32 }, new Deferral(200));
	const { network, acknowledge, reasons, client } = made;
	network.receive(one("hold", 1));
	for (let id = 2; id <= 200; id++) network.receive(one("x", id));
	network.room = 0;
	acknowledge("hold");
	assert.deepEqual(reasons, [Reason.REPLY_OVERFLOW]);
	assert.equal(client.status.state, State.WAITING);
	reconnect(made, true);
	network.receive(one("x", 1));
	assert.deepEqual(made.sent(), ["PUBACK id 1"], "what was left is void");
});

test("as many acknowledgements at once as there are go out if the link takes them", () => {
	const { network, acknowledge, reasons, sent } = bench({ output: 32 }, new Deferral(200));
	network.receive(one("hold", 1));
	for (let id = 2; id <= 200; id++) network.receive(one("x", id));
	assert.deepEqual(acknowledge("hold"), [true]);
	assert.deepEqual(reasons, []);
	assert.equal(sent().length, 200);
});

test("a table of QoS 2 that is too small for what was held closes the link", () => {
	const made = bench({ exactlyOnce: new ExactlyOnce(1) });
	const { network, acknowledge, reasons } = made;
	network.receive(two("hold 1", 1));
	network.receive(two("2", 2));
	if (reasons.length === 0) acknowledge("hold 1");
	assert.deepEqual(reasons, [Reason.EXACTLY_ONCE_OVERFLOW]);
});

test("a message that is held too late, and acknowledged, holds up nothing", () => {
	const deferral = new Deferral();
	const made = connected({ deferral });
	let kept: Message | undefined;
	made.client.subscribe("a", 1, (message) => {
		kept = message;
	});
	made.sent();
	made.network.receive(one("x", 1));
	assert.deepEqual(made.sent(), ["PUBACK id 1"]);
	assert.ok(kept);
	deferral.acknowledge(deferral.hold(kept));
	made.network.receive(one("y", 2));
	assert.deepEqual(made.sent(), ["PUBACK id 2"]);
});
