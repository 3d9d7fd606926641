/** CONNECT and CONNACK: who is let in, who is refused and how, and who takes whose place (sections 3.1 and 3.2). */
import assert from "node:assert/strict";
import { test } from "node:test";
import { connect, Desk, DISCONNECT, LEVELS, PINGREQ, publish, subscribe } from "./peer.js";

/** The answer to a CONNECT as bytes, and why the connection was closed. */
function answer(desk: Desk, ...parts: Parameters<ReturnType<Desk["open"]>["send"]>): [string, string | undefined] {
	const peer = desk.open().send(...parts);
	return [peer.bytes.toString("hex"), peer.closed];
}

for (const level of LEVELS) {
	test(`a client is let in, level ${level}`, () => {
		const desk = new Desk();
		assert.deepEqual(answer(desk, connect("a", { level })), ["20020000", undefined]);
		assert.deepEqual(desk.log, ["a +"]);
	});

	test(`MQTT-3.1.4-2: a second client of the same name takes over, level ${level}`, () => {
		const desk = new Desk();
		const first = desk.client("a", { level });
		const second = desk.client("a", { level });
		assert.match(first.closed ?? "", /^MQTT-3\.1\.4-2: /);
		assert.equal(second.closed, undefined);
		first.cut();
		assert.deepEqual(second.send(PINGREQ).read(), ["pingresp"]);
		assert.deepEqual(desk.statements, []);
	});

	test(`authentication refuses with return code 4 or 5, and nobody is taken over, level ${level}`, () => {
		const codes: Record<string, number> = { stranger: 5, thief: 4 };
		const desk = new Desk({
			authenticate: ({ username = "", password }) => codes[username] ?? (password?.toString() === "secret" ? 0 : 4),
		});
		const right = desk.client("a", { level, username: "owner", password: "secret" });
		for (const [username, code] of Object.entries(codes)) {
			const [bytes, closed] = answer(desk, connect("a", { level, username, password: "secret" }));
			assert.equal(bytes, `2002000${code}`);
			assert.match(closed ?? "", new RegExp(`^refused: .*\\(return code ${code}\\)$`));
		}
		assert.equal(right.closed, undefined);
		assert.deepEqual(desk.statements, []);
	});
}

test("MQTT-3.1.2-2: another protocol level gets return code 1", () => {
	const level5 = "10 0f 0004 4d515454 05 02 0000 00 0001 61 00";
	for (const bytes of [level5, "10 0d 0004 4d515454 03 02 0000 0001 61", "10 0d 0004 4d515454 84 02 0000 0001 61"]) {
		const desk = new Desk();
		const [hex, closed] = answer(desk, bytes);
		assert.equal(hex, "20020001");
		assert.match(closed ?? "", /^MQTT-3\.1\.2-2: /);
	}
});

test("MQTT-3.1.3-6: at level 4 an empty client identifier with a clean session is given a name", () => {
	const desk = new Desk();
	desk.client("");
	desk.client("");
	assert.deepEqual(desk.log, ["assigned-1 +", "assigned-2 +"]);
});

test("MQTT-3.1.3-8: at level 4 an empty client identifier with a session to keep gets return code 2", () => {
	const desk = new Desk();
	const [bytes, closed] = answer(desk, "10 0c 0004 4d515454 04 00 0000 0000");
	assert.equal(bytes, "20020002");
	assert.match(closed ?? "", /^MQTT-3\.1\.3-8: /);
});

test("at level 3 a client identifier has 1 to 23 characters, else return code 2", () => {
	const refused = ["", "x".repeat(24), "ü".repeat(24)];
	for (const clientId of refused) {
		const length = Buffer.byteLength(clientId);
		const bytes = `10 ${(14 + length).toString(16).padStart(2, "0")} 0006 4d5149736470 03 02 0000 ${length
			.toString(16)
			.padStart(4, "0")} ${Buffer.from(clientId).toString("hex")}`;
		assert.equal(answer(new Desk(), bytes)[0], "20020002");
	}
	for (const clientId of ["x", "x".repeat(23), "ü".repeat(23)]) new Desk().client(clientId, { level: 3 });
	new Desk().client("x".repeat(65_535), { level: 4 });
});

test("level 3 disregards what belongs to no will, and fields that the length leaves out", () => {
	const head = "0006 4d5149736470 03";
	const [bytes] = answer(new Desk(), `10 0f ${head} 3b 0000 0001 61`); // QoS 3 and retain without a will, bit 0
	assert.equal(bytes, "20020000");
	let seen: string | undefined = "not asked";
	const desk = new Desk({
		authenticate: ({ username, password }) => {
			seen = `${username} ${password}`;
			return 0;
		},
	});
	assert.equal(answer(desk, `10 0f ${head} c2 0000 0001 61`)[0], "20020000");
	assert.equal(seen, "undefined undefined");
	assert.equal(answer(desk, `10 12 ${head} c2 0000 0001 61 0001 75`)[0], "20020000");
	assert.equal(seen, "u undefined");
});

test("MQTT-3.1.4-5: what comes with CONNECT is handled after it, and not at all if it is refused", () => {
	const desk = new Desk({ authenticate: ({ clientId }) => (clientId === "bad" ? 5 : 0) });
	const good = desk.open().send(connect("good"), subscribe(1, ["t", 1]), publish("t", "x", 1, 2), PINGREQ);
	assert.deepEqual(good.read(), ["connack", "suback 1", "publish 1 qos 1 t=x", "puback 2", "pingresp"]);
	const bad = desk.open().send(connect("bad"), publish("t", "y", 1, 2));
	assert.deepEqual(bad.read(), ["connack"]);
	assert.equal(desk.messages.length, 1);
});

test("a link on which no CONNECT comes is closed after 10 s", () => {
	const desk = new Desk();
	const peer = desk.open();
	desk.pass(9_999);
	peer.send("10");
	assert.equal(peer.closed, undefined);
	desk.pass(1);
	assert.equal(peer.closed, "no CONNECT came in time");
});

test("a link that comes and goes without a word is not worth a line", () => {
	const desk = new Desk();
	desk.open().cut();
	assert.deepEqual(desk.log, []);
});

test("DISCONNECT ends the connection, and what comes after it is told", () => {
	const desk = new Desk();
	const peer = desk.client("a").send(DISCONNECT);
	assert.equal(peer.closed, "");
	assert.deepEqual(desk.log, ["a +", "a -: "]);
	assert.deepEqual(desk.statements, []);
	desk.client("b").send(DISCONNECT, PINGREQ);
	assert.deepEqual(desk.statements, ["MQTT-3.14.4-2"]);
});
