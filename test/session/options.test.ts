/** What an application asks for and cannot have: a sentence that says what is wrong. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { TcpLink, type TcpLinkOptions } from "../../hosts/node/tcp-link.js";
import { type ClientOptions, Deferral, ExactlyOnce, Fallback, Stream } from "../../src/client.js";
import { connected, scene } from "../support/client.js";
import { publish } from "../support/packets.js";

/** Every complaint names its sender and what it is about. */
function complains(about: RegExp, action: () => unknown): void {
	assert.throws(action, (error: Error) => {
		assert.match(error.message, /^mqtt-mote: /);
		assert.match(error.message, about);
		return true;
	});
}

const payload = "x";
const BAD_OPTIONS: [string, unknown, RegExp][] = [
	["no link", { link: undefined }, /link is missing/],
	["level 5", { level: 5 }, /level must be 3 .* 4 .* or a new Fallback\(\)/],
	["level null", { level: null }, /level must be 3/],
	["no clientId", { clientId: undefined }, /clientId/],
	["a clientId that is a number", { clientId: 7 }, /clientId/],
	["an empty clientId with clean session 0", { clientId: "", cleanSession: false }, /clientId may be empty/],
	["an empty clientId at level 3", { clientId: "", level: 3 }, /clientId may be empty/],
	["a clientId of 24 characters at level 3", { clientId: "x".repeat(24), level: 3 }, /23 characters/],
	["an empty clientId with Fallback", { clientId: "", level: new Fallback() }, /clientId may be empty/],
	["a clientId of 24 characters with Fallback", { clientId: "x".repeat(24), level: new Fallback() }, /23 characters/],
	["a clientId of 65,536 bytes", { clientId: "x".repeat(65_536) }, /clientId has 65536 bytes/],
	["a clientId with U+0000", { clientId: "a\0" }, /clientId holds U\+0000/],
	["keepAlive NaN", { keepAlive: Number.NaN }, /keepAlive .*NaN/],
	["keepAlive -1", { keepAlive: -1 }, /keepAlive .*-1/],
	["keepAlive 65,536", { keepAlive: 65_536 }, /keepAlive .*65536/],
	["keepAlive 1.5", { keepAlive: 1.5 }, /keepAlive .*1\.5/],
	["keepAlive as a text", { keepAlive: "60" }, /keepAlive .*"60"/],
	["keepAlive null", { keepAlive: null }, /keepAlive .*null/],
	["an outbox of 63 bytes", { outbox: 63 }, /outbox .*63/],
	["an outbox of 16,777,216 bytes", { outbox: 16_777_216 }, /outbox .*16777216/],
	["an outbox of Infinity", { outbox: Number.POSITIVE_INFINITY }, /outbox .*Infinity/],
	["an output of 31 bytes", { output: 31 }, /output .*31/],
	["an inbox of 15 bytes", { inbox: 15 }, /inbox .*15/],
	["window 0", { window: 0 }, /window .*0/],
	["window 1.5", { window: 1.5 }, /window .*1\.5/],
	["window 32,768", { window: 32_768 }, /window .*32768/],
	["timeout 0", { timeout: 0 }, /timeout .*0/],
	["retryBase 0", { retryBase: 0 }, /retryBase .*0/],
	["retryCap as a text", { retryCap: "1m" }, /retryCap .*"1m"/],
	["a password without userName", { password: "p" }, /password needs a userName/],
	["a password without userName at level 3", { password: "p", level: 3 }, /password needs a userName/],
	["a userName that is not UTF-8", { userName: Uint8Array.of(0xff) }, /userName holds .* not UTF-8/],
	["a userName with U+0000", { userName: Uint8Array.of(0) }, /userName holds U\+0000/],
	["a userName that is a number", { userName: 7 }, /userName must be a text.*, not 7/],
	["a password that is a number", { userName: "u", password: 7 }, /password must be a text.*, not 7/],
	["a will without a payload", { will: { topic: "t" } }, /will\.payload must be a text.*, not undefined/],
	["a userName of 65,536 bytes", { userName: "x".repeat(65_536) }, /userName has 65536 bytes/],
	["a password of 65,536 bytes", { userName: "u", password: new Uint8Array(65_536) }, /password has 65536 bytes/],
	["a will with a wildcard", { will: { topic: "a/#", payload } }, /will\.topic "a\/#" has a wildcard/],
	["a will without a topic", { will: { topic: "", payload } }, /will\.topic "" is empty/],
	["a will of 65,536 bytes", { will: { topic: "t", payload: new Uint8Array(65_536) } }, /will\.payload has 65536/],
	["a will at QoS 3", { will: { topic: "t", payload, qos: 3 } }, /qos must be 0, 1 or 2, not 3/],
];

for (const [what, options, about] of BAD_OPTIONS) {
	test(`${what} is refused with a sentence`, () => complains(about, () => scene(options as Partial<ClientOptions>)));
}

const GOOD_OPTIONS: [string, Partial<ClientOptions>][] = [
	["an empty clientId with clean session 1", { clientId: "" }],
	["a clientId of 23 characters of four bytes at level 3", { clientId: "\u{1f600}".repeat(23), level: 3 }],
	["a clientId of 65,535 bytes", { clientId: "x".repeat(65_535) }],
	["a clientId with a control character", { clientId: "\u{1}" }],
	["the smallest buffers", { outbox: 64, output: 32, inbox: 16, window: 1 }],
	["sizes that are no multiples of four", { outbox: 1_001, output: 257, inbox: 33 }],
	["a user name without a password", { userName: "u" }],
	["a will at QoS 2 without exactlyOnce", { will: { topic: "t", payload, qos: 2 } }],
	["the shortest waits", { timeout: 1, retryBase: 0.01, retryCap: 0.01 }],
];

for (const [what, options] of GOOD_OPTIONS) {
	test(`${what} is taken`, () => {
		connected(options);
	});
}

const BAD_TOPICS: [string, unknown, unknown, RegExp][] = [
	["with +", "a/+", {}, /topic "a\/\+" has a wildcard/],
	["with #", "#", {}, /topic "#" has a wildcard/],
	["that is empty", "", {}, /topic "" is empty/],
	["with U+0000", "a\0b", {}, /U\+0000/],
	["of 65,536 bytes", "x".repeat(65_536), {}, /65536 bytes; 65,535 is the most/],
	["that is missing", undefined, {}, /topic/],
	["that is a number", 7, {}, /topic/],
	["of bytes with a wildcard", Uint8Array.of(0x61, 0x2f, 0x2b), {}, /topic "" has a wildcard/],
	["of bytes that are not UTF-8", Uint8Array.of(0xff), {}, /topic holds .* not UTF-8/],
	["at QoS 2 without exactlyOnce", "a", { qos: 2 }, /qos 2 needs .* exactlyOnce: new ExactlyOnce\(\)/],
	["at QoS 3", "a", { qos: 3 }, /qos must be 0, 1 or 2, not 3/],
	["at QoS NaN", "a", { qos: Number.NaN }, /qos .*NaN/],
	['at QoS "1"', "a", { qos: "1" }, /qos .*1/],
];

for (const [what, name, options, about] of BAD_TOPICS) {
	test(`a topic ${what} is refused with a sentence`, () => {
		const { client } = scene();
		complains(about, () => client.topic(name as string, options as object));
	});
}

test("a topic of 65,535 bytes is taken, and goes out", () => {
	const { client, sent } = connected({ outbox: 64 });
	const name = "x".repeat(65_535);
	assert.equal(client.topic(name, { qos: 1 }).publish(new Uint8Array(1).fill(0x61)), true);
	assert.deepEqual(sent(), [`PUBLISH ${name} 'a' qos 1 id 1`]);
});

for (const level of [3, new Fallback()]) {
	test(`${level === 3 ? "at level 3" : "with Fallback"} a name or filter has at most 32,767 characters (3.1, section 2.5)`, () => {
		const { client } = scene({ level: level as 3 });
		for (const character of ["x", "°"]) {
			const most = character.repeat(32_767);
			client.topic(most);
			client.subscribe(most, 0, () => {});
			scene({ level: 3, will: { topic: most, payload } });
		}
		const long = "x".repeat(32_768);
		complains(/topic is longer than the 32,767 characters of MQTT 3\.1/, () => client.topic(long));
		complains(/filter is longer/, () => client.subscribe(long, 0, () => {}));
		complains(/will\.topic is longer/, () => scene({ level: 3, will: { topic: long, payload } }));
	});
}

test("a refused topic leaves no trace; 256 are taken, and not one more", () => {
	const { client, sent } = connected({ outbox: 16_384 });
	complains(/wildcard/, () => client.topic("+"));
	const topics = Array.from({ length: 256 }, (_, i) => client.topic(`t/${i}`, { qos: 1 }));
	complains(/at most 256 topics/, () => client.topic("one/more"));
	topics[255].publish(new Uint8Array(0));
	assert.deepEqual(sent(), ["PUBLISH t/255 '' qos 1 id 1"]);
});

const BAD_FILTERS: [string, unknown, unknown, unknown, RegExp][] = [
	["a filter a+", "a+", 0, () => {}, /filter "a\+" has a \+ that is not a whole level/],
	["a filter a/#/b", "a/#/b", 0, () => {}, /filter "a\/#\/b" has a #/],
	["an empty filter", "", 0, () => {}, /filter "" is empty/],
	["a filter of 65,536 bytes", "x".repeat(65_536), 0, () => {}, /65536 bytes/],
	["a filter that is a number", 7, 0, () => {}, /filter/],
	["QoS 2 without exactlyOnce", "a", 2, () => {}, /qos 2 needs .* exactlyOnce: new ExactlyOnce\(\)/],
	["QoS 3", "a", 3, () => {}, /qos must be 0, 1 or 2, not 3/],
	["no handler", "a", 0, undefined, /handler/],
];

for (const [what, filter, qos, handler, about] of BAD_FILTERS) {
	test(`subscribing with ${what} is refused with a sentence, and nothing goes out`, () => {
		const { client, sent } = connected();
		complains(about, () => client.subscribe(filter as string, qos as 0, handler as () => void));
		assert.deepEqual(sent(), []);
	});
}

test("subscribing to no filter at all is refused with a sentence", () => {
	const { client, sent } = connected();
	complains(/at least one filter/, () => client.subscribeAll([]));
	assert.deepEqual(sent(), []);
});

test("one bad filter among several is refused with a sentence, and none of them is subscribed", () => {
	const { client, network, sent } = connected();
	const handler = () => assert.fail("a handler was called");
	const good = { filter: "a", qos: 1, handler } as const;
	complains(/filter "b\+"/, () => client.subscribeAll([good, { ...good, filter: "b+" }]));
	complains(/handler/, () => client.subscribeAll([good, { ...good, handler: undefined as never }]));
	complains(/exactlyOnce/, () => client.subscribeAll([good, { ...good, qos: 2 }]));
	network.receive(publish("a", "1"));
	assert.deepEqual(sent(), []);
	assert.equal(client.status.unhandled, 1);
});

for (const [what, make, about] of [
	["ExactlyOnce for 0 identifiers", () => new ExactlyOnce(0), /identifiers .*0/],
	["ExactlyOnce for 65,536 identifiers", () => new ExactlyOnce(65_536), /identifiers .*65536/],
	["ExactlyOnce for 1.5 identifiers", () => new ExactlyOnce(1.5), /identifiers .*1\.5/],
	["Deferral for 0 messages", () => new Deferral(0), /messages .*0/],
	["Deferral for 65,536 messages", () => new Deferral(65_536), /messages .*65536/],
	['Deferral for "32" messages', () => new Deferral("32" as never), /messages .*"32"/],
	["a stream to a name with a wildcard", () => new Stream(scene().client, "a/+"), /topic "a\/\+" has a wildcard/],
	["a stream at QoS 2 without exactlyOnce", () => new Stream(scene().client, "a", { qos: 2 }), /exactlyOnce/],
] as const) {
	test(`${what} is refused with a sentence`, () => complains(about, make));
}

test("a stream is one of the 256 topics of a client", () => {
	const { client } = scene();
	for (let i = 0; i < 255; i++) client.topic(`t/${i}`);
	new Stream(client, "s");
	complains(/at most 256 topics/, () => client.topic("one/more"));
	complains(/at most 256 topics/, () => new Stream(client, "one/more"));
});

const BAD_LINKS: [string, unknown, RegExp][] = [
	["a port that is no number", { host: "h", port: "1883" }, /port .*"1883"/],
	["port NaN", { host: "h", port: Number.NaN }, /port .*NaN/],
	["port 0", { host: "h", port: 0 }, /port .*0/],
	["port 65,536", { host: "h", port: 65_536 }, /port .*65536/],
	["port 18.83", { host: "h", port: 18.83 }, /port .*18\.83/],
	["no host", {}, /host/],
	["an empty host", { host: "" }, /host/],
];

for (const [what, options, about] of BAD_LINKS) {
	test(`a TCP link with ${what} is refused with a sentence`, () => {
		complains(about, () => new TcpLink(options as TcpLinkOptions));
	});
}

test("half of a surrogate pair is refused with a sentence, wherever a text goes", () => {
	const link = () => new TcpLink({ host: "localhost" });
	complains(/surrogate/, () => scene({ link: link(), clientId: "\ud800" }));
	complains(/surrogate/, () => scene({ link: link(), will: { topic: "\udc00", payload } }));
	complains(/surrogate/, () => scene({ link: link() }).client.topic("a/\ud800"));
	complains(/surrogate/, () => scene({ link: link() }).client.subscribe("\udfff/#", 0, () => {}));
});
