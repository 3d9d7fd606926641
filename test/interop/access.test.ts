/** What a broker may refuse: a name, a password, an identifier, a filter. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { Aedes, type AedesOptions } from "aedes";
import { type Client, type ClientOptions, ExactlyOnce, Reason } from "../../src/client.js";
import { board, bytes, collect, peer, started, watch } from "../support/peers.js";
import { folder, Mosquitto, missing, Program, until } from "../support/programs.js";
import { aedes as aedesBroker, host, LEVELS, mosquitto as mosquittoBroker } from "./brokers.js";

/** An aedes with rules of its own; the port. */
async function aedes(context: TestContext, options: AedesOptions): Promise<number> {
	const broker = await Aedes.createBroker(options);
	return host(context, {
		handle: (stream) => broker.handle(stream),
		close: () => new Promise((resolve) => broker.close(resolve)),
	});
}

const USERS = [
	{ userName: "ann", password: "opensesame" },
	{ userName: "grün", password: "pässword" },
];

/** No text: UTF-8 would not allow it. */
const BYTES = bytes("\xff\x00\xfe");

/** A Mosquitto that knows the users; the port. */
async function guarded(context: TestContext): Promise<number> {
	const users = join(folder(context), "users");
	writeFileSync(users, USERS.map(({ userName, password }) => `${userName}:${password}\n`).join(""));
	const program = new Program("mosquitto_passwd", ["-U", users]);
	await until("the passwords are hashed", () => program.exited);
	const { port } = await Mosquitto.start(context, `user root\nallow_anonymous false\npassword_file ${users}`);
	return port;
}

/** Why the broker refuses this client, a Reason; NONE if it accepts it. */
async function refusal(context: TestContext, port: number, options: Partial<ClientOptions>): Promise<Reason> {
	const client: Client = board(context, port, options);
	client.start();
	const { status } = client;
	await until("the broker has answered", () => status.connections > 0 || status.endings.some((count) => count > 0));
	client.stop();
	return status.connections > 0 ? Reason.NONE : (status.endings.findIndex((count) => count > 0) as Reason);
}

for (const level of LEVELS) {
	test(`Mosquitto, level ${level}: user names and passwords`, {
		skip: missing("mosquitto", "mosquitto_passwd"),
	}, async (context) => {
		const port = await guarded(context);
		const tries: [options: Partial<ClientOptions>, expected: Reason][] = [
			...USERS.map((user): [Partial<ClientOptions>, Reason] => [user, Reason.NONE]),
			[{ userName: bytes("ann"), password: bytes("opensesame") }, Reason.NONE],
			[{ userName: "ann", password: "wrong" }, Reason.NOT_AUTHORIZED],
			[{ userName: "ann", password: BYTES }, Reason.NOT_AUTHORIZED],
			[{ userName: "bob", password: "opensesame" }, Reason.NOT_AUTHORIZED],
			[{ userName: "ann" }, Reason.NOT_AUTHORIZED],
			[{}, Reason.NOT_AUTHORIZED],
		];
		for (const [options, expected] of tries) {
			assert.equal(await refusal(context, port, { level, ...options }), expected, JSON.stringify(options));
		}
	});

	test(`aedes, level ${level}: user names and passwords, and all reasons to refuse`, async (context) => {
		const seen: [string | undefined, Buffer | undefined][] = [];
		const port = await aedes(context, {
			authenticate(_client, name, password, done) {
				seen.push([name, password]);
				if (!name?.startsWith("code")) return done(null, name !== "refused");
				done(Object.assign(new Error(name), { returnCode: Number(name.slice(4)) }), false);
			},
		});
		const tries: [options: Partial<ClientOptions>, expected: Reason][] = [
			[{ userName: "grün", password: "pässword" }, Reason.NONE],
			[{ userName: bytes("ann"), password: BYTES }, Reason.NONE],
			[{ userName: "ann" }, Reason.NONE],
			[{}, Reason.NONE],
			[{ userName: "refused" }, Reason.NOT_AUTHORIZED],
			[{ userName: "code2" }, Reason.IDENTIFIER_REJECTED],
			[{ userName: "code3" }, Reason.SERVER_UNAVAILABLE],
			[{ userName: "code4" }, Reason.BAD_USER_NAME_OR_PASSWORD],
			[{ userName: "code5" }, Reason.NOT_AUTHORIZED],
		];
		for (const [options, expected] of tries) {
			assert.equal(await refusal(context, port, { level, ...options }), expected, JSON.stringify(options));
		}
		assert.deepEqual(seen.slice(0, 4), [
			["grün", Buffer.from("pässword")],
			["ann", Buffer.from(BYTES)],
			["ann", undefined],
			[undefined, undefined],
		]);
	});
}

test("Mosquitto: an empty identifier, where it is allowed and where it is not", {
	skip: mosquittoBroker.skip,
}, async (context) => {
	const open = await Mosquitto.start(context);
	assert.equal(await refusal(context, open.port, { clientId: "" }), Reason.NONE);
	const closed = await Mosquitto.start(context, "allow_anonymous true\nallow_zero_length_clientid false");
	assert.equal(await refusal(context, closed.port, { clientId: "" }), Reason.IDENTIFIER_REJECTED);
});

test("aedes: an empty identifier is accepted; at level 3 an identifier may be too long for it", async (context) => {
	const port = await aedes(context, { maxClientsIdLength: 8 });
	assert.equal(await refusal(context, port, { clientId: "" }), Reason.NONE);
	assert.equal(await refusal(context, port, { clientId: "123456789", level: 3 }), Reason.IDENTIFIER_REJECTED);
	assert.equal(await refusal(context, port, { clientId: "12345678", level: 3 }), Reason.NONE);
});

/** Where Debian and others put the plugin of Mosquitto that can refuse filters. */
const PLUGIN = [
	"/usr/lib",
	...(existsSync("/usr/lib") ? readdirSync("/usr/lib").map((name) => `/usr/lib/${name}`) : []),
]
	.map((path) => `${path}/mosquitto_dynamic_security.so`)
	.find((path) => existsSync(path));

const RULES = {
	defaultACLAccess: { publishClientSend: true, publishClientReceive: true, subscribe: true, unsubscribe: true },
	clients: [],
	groups: [{ groupname: "all", roles: [{ rolename: "all" }] }],
	anonymousGroup: "all",
	roles: [{ rolename: "all", acls: [{ acltype: "subscribeLiteral", topic: "secret", allow: false }] }],
};

/**
 * Subscribes to many filters with one packet, of which the broker refuses "secret", and looks what comes. `granted` is
 * what the broker says of "secret".
 */
async function subscribeToAll(context: TestContext, port: number, level: 3 | 4, granted: number): Promise<void> {
	const client = board(context, port, { level, exactlyOnce: new ExactlyOnce() });
	const seen: string[] = [];
	const filters = Array.from({ length: 40 }, (_, i) => (i === 17 ? "secret" : `open/${i}`));
	const subscriptions = client.subscribeAll(
		filters.map((filter, i) => ({
			filter,
			qos: (i % 3) as 0 | 1 | 2,
			handler: (message) => seen.push(`${Buffer.from(message.topic)} ${message.qos}`),
		})),
	);
	await started(client, ...subscriptions);
	const expected = filters.map((filter, i) => (filter === "secret" ? granted : i % 3));
	assert.deepEqual(
		subscriptions.map((subscription) => subscription.granted),
		expected,
	);
	const other = await peer(context, port, level);
	for (const filter of filters) await other.publishAsync(filter, "x", { qos: 2 });
	await until("all have come", () => seen.length >= filters.length - 1);
	const open = filters.map((filter, i) => `${filter} ${i % 3}`).filter((_, i) => i !== 17);
	assert.deepEqual(seen.sort(), open.sort());
	assert.equal(client.status.connections, 1);
}

for (const level of LEVELS) {
	// Level 3 has no code for it: Mosquitto then says that it has granted what was asked for.
	const granted = level === 4 ? 128 : 2;
	test(`Mosquitto, level ${level}: of 40 filters in one packet it refuses one, and says ${granted}`, {
		skip: mosquittoBroker.skip || (PLUGIN === undefined && "needs Mosquitto's plugin mosquitto_dynamic_security.so"),
	}, async (context) => {
		const rules = join(folder(context), "rules.json");
		writeFileSync(rules, JSON.stringify(RULES));
		const plugin = `user root\nallow_anonymous true\nplugin ${PLUGIN}\nplugin_opt_config_file ${rules}`;
		const { port } = await Mosquitto.start(context, plugin);
		await subscribeToAll(context, port, level, granted);
	});

	test(`aedes, level ${level}: of 40 filters in one packet it refuses one, and says 128`, async (context) => {
		const port = await aedes(context, {
			authorizeSubscribe: (_client, subscription, done) =>
				done(null, subscription.topic === "secret" ? null : subscription),
		});
		await subscribeToAll(context, port, level, 128);
	});
}

for (const { name, skip, start } of [mosquittoBroker, aedesBroker]) {
	for (const level of LEVELS) {
		test(`${name}, level ${level}: what is unsubscribed does not come any more, the rest does`, {
			skip,
		}, async (context) => {
			const port = await start(context);
			const client = board(context, port, { level, cleanSession: false, exactlyOnce: new ExactlyOnce() });
			const filters = Array.from({ length: 30 }, (_, i) => `topic/${i}`);
			const collected = filters.map((filter) => collect(client, filter, 2));
			const subscriptions = collected.map(([, subscription]) => subscription);
			const [twice, again] = collect(client, "topic/0", 2);
			const other = await peer(context, port, level);
			const marks = await watch(other, "mark", 1);
			const mark = client.topic("mark", { qos: 1 });
			await started(client, ...subscriptions, again);
			const publishAll = async (count: number) => {
				for (const filter of filters) await other.publishAsync(filter, "", { qos: 2 });
				await until("they have come", () => client.status.received === count);
			};
			await publishAll(30);
			client.unsubscribe(subscriptions[0]); // the other one has the same filter: it goes on
			client.unsubscribe(subscriptions.slice(1, 25));
			client.unsubscribe(subscriptions[25]);
			// What the broker gets now it gets behind the UNSUBSCRIBEs.
			assert.ok(mark.publish(bytes("")));
			await until("the broker has unsubscribed them", () => marks.length === 1);
			await publishAll(30 + 5);
			client.stop();
			await started(client, ...subscriptions.slice(26), again);
			await publishAll(30 + 5 + 5);
			const counts = [...collected.map(([seen]) => seen.length), twice.length];
			const expected = [...filters.map((_, i) => (i < 26 ? 1 : 3)), 3];
			assert.deepEqual(counts, expected);
			assert.equal(client.status.unhandled, 0);
		});
	}
}
