/**
 * A module for Espruino that takes the place of `require("MQTT")`: the same calls, options and events, without that module's
 * defects. The build makes `dist/espruino/MQTT.js` of it; docs/drop-in-espruino.md says what differs.
 *
 * Its callers give and take strings, and so do Espruino's sockets: so this works on strings of bytes from end to end, and of
 * `src` it needs the numbers of the packets alone. Functions cost memory on Espruino, their length does not: there are few.
 */
import { Limit, Packet } from "../../src/wire/packet.js";

/** What a connection goes through: a socket of `net` or `tls`, or an object of the application. */
interface Pipe {
	/** What a socket has not sent yet; other objects have none. */
	dSnd?: string;
	/** Whose pipe it is; null once it is nobody's. */
	_mqt?: Mqtt | null;
	write(data: string): unknown;
	end(): unknown;
	on(event: string, handler: (this: Pipe, value: never) => void): void;
	emit(event: string, value: string): void;
}

/** Every option may be left out. */
export interface Options {
	/** For `connect(options)`: the broker's name or address. */
	host?: string;
	/** Default 1883. */
	port?: number;
	/** Default: twelve random digits. */
	client_id?: string;
	/** Seconds, 1 to 65,535; default 60. */
	keep_alive?: number;
	/** Default true. */
	clean_session?: boolean;
	username?: string;
	password?: string;
	/** Default "MQTT"; "MQIsdp" at level 3. */
	protocol_name?: string;
	/** Default 4, which is MQTT 3.1.1; 3 is MQTT 3.1. */
	protocol_level?: number;
	/** Bytes of packets that may wait; default: as many as the board has JsVars. A single packet may be larger. */
	outbox?: number;
	/**
	 * Bytes that a received packet may have, and the identifiers of received messages at QoS 2, two bytes each, that the broker has
	 * not released; default: as many as the board has JsVars.
	 */
	inbox?: number;
}

interface PublishOptions {
	qos?: number;
	retain?: boolean;
	dup?: boolean;
}

declare const process: { memory(collect: boolean): { total: number } };
declare function setInterval(callback: (mqtt: Mqtt) => void, milliseconds: number, mqtt: Mqtt): number;
declare function setTimeout(callback: typeof tell, milliseconds: number, mqtt: Mqtt, error: string): number;
declare function changeInterval(timer: number, milliseconds: number): void;
declare function clearInterval(timer: number): void;

/** Only on boards whose strings may hold characters beyond a byte. */
interface Unicode {
	isUTF8(text: string): boolean;
	fromUTF8(text: string): string;
}

/** Milliseconds for a CONNACK to come, and for what is in flight when the application disconnects. */
const PATIENCE = 10_000;
/** Milliseconds between pings, at most. */
const PING_INTERVAL = 40_000;
/** Bytes that leave at a time, roughly: what an ESP8266 sends at once. */
const CHUNK = 256;
/** Bytes of acknowledgements that may wait. */
const MOST_REPLIES = 1024;
/** In the first byte of a PUBLISH. */
const DUP = 8;
/** From this first byte on, a packet that waits has an identifier: a PUBLISH at QoS 0 has a lower one. */
const IDENTIFIED = 0x32;

const chr = String.fromCharCode;

/** A value as a string of bytes. */
function bytes(value: unknown): string {
	const text = typeof value === "string" ? value : "" + value;
	// Where strings have characters of more than a byte, this one is not cut down to 172.
	if ("\u20ac".charCodeAt(0) > 255 && (E as never as Unicode).isUTF8(text))
		return (E as never as Unicode).fromUTF8(text);
	return text;
}

/** A string as it stands in a packet, with its length in front (section 1.5.3). */
function field(value: unknown): string {
	const text = bytes(value);
	if (!text || text.length > Limit.FIELD) {
		throw new Error("MQTT: a topic or name has 1 to 65,535 bytes, not " + text.length);
	}
	return chr(text.length >> 8, text.length & 255) + text;
}

function qosOf(qos: number): number {
	if (qos !== 1 && qos !== 2 && qos !== 0) throw new Error("MQTT: qos must be 0, 1 or 2, not " + qos);
	return qos;
}

function packet(header: number, head: string, tail: string): string {
	let left = head.length + tail.length;
	let text = chr(header);
	do {
		text += chr(left > 127 ? (left & 127) | 128 : left);
		left >>= 7;
	} while (left > 0);
	return text + head + tail;
}

/** Which of the first `count` packets that wait has this identifier; -1 if none. */
function find(mqtt: Mqtt, identifier: string, count: number): number {
	for (let i = 0; i < count; i++) {
		const text = mqtt.queue[i];
		let at = 1;
		while (text.charCodeAt(at++) > 127);
		if ((text.charCodeAt(0) & 0xf0) === Packet.PUBLISH) {
			at += 2 + ((text.charCodeAt(at) << 8) | text.charCodeAt(at + 1));
		}
		if (text.substr(at, 2) === identifier) return i;
	}
	return -1;
}

/** Where the identifier of a message at QoS 2 stands that the broker has not released; -1 if it has, or never sent it. */
function unreleased(mqtt: Mqtt, identifier: string): number {
	const last = mqtt.unreleased.length - 1;
	let at = -1;
	// In some builds `indexOf` finds the first half of what it looks for at the end, and goes on finding it.
	do at = mqtt.unreleased.indexOf(identifier, at + 1);
	while (at > 0 && at < last && at & 1);
	return at & 1 ? -1 : at;
}

/** Takes a packet out of those that wait. */
function take(mqtt: Mqtt, index: number): void {
	mqtt.size -= mqtt.queue[index].length;
	mqtt.queue.splice(index, 1);
	if (index < mqtt.sent) mqtt.sent--;
	mqtt.full = false;
}

/** The connection, or the attempt at one, is over. */
function tell(mqtt: Mqtt, error: string): void {
	if (error) mqtt.emit("error", error);
	mqtt.emit("disconnected");
	mqtt.emit("close");
}

/** Lets go of the pipe. */
function release(mqtt: Mqtt): void {
	const client = mqtt.client as Pipe;
	clearInterval(mqtt.timer);
	if (mqtt.connected) {
		// What was asked of this connection and not answered is to be asked anew.
		for (let i = mqtt.queue.length; i-- > 0; ) if (mqtt.queue[i].charCodeAt(0) > 127) take(mqtt, i);
	}
	client._mqt = null;
	mqtt.client = false;
	try {
		// A socket closes when it has nothing left to send, which on a dead link is never.
		if (client.dSnd) client.dSnd = "";
		else if (mqtt.closing) client.write(chr(Packet.DISCONNECT, 0));
		client.end();
	} catch {
		// It was closed already.
	}
	mqtt.connected = mqtt.closing = false;
}

/** Sends what waits, as long as the pipe takes it. */
function pump(mqtt: Mqtt): void {
	const client = mqtt.client;
	const queue = mqtt.queue;
	try {
		while (client && client === mqtt.client && !client.dSnd) {
			// What is not a socket gets its packets one by one.
			const most = client.dSnd === undefined ? 1 : CHUNK;
			let text = mqtt.urgent;
			mqtt.urgent = "";
			while (mqtt.connected && mqtt.sent < queue.length && text.length < most) {
				let next = queue[mqtt.sent];
				const header = next.charCodeAt(0);
				if (header < IDENTIFIED) take(mqtt, mqtt.sent);
				else mqtt.sent++;
				if (header === Packet.PUBREL) next = next.substr(0, 4);
				text = text ? text + next : next;
			}
			if (text) client.write(text);
			else {
				if (mqtt.closing && queue.length === 0) {
					release(mqtt);
					tell(mqtt, "");
				}
				return;
			}
		}
	} catch (error) {
		if (client && client === mqtt.client) {
			release(mqtt);
			tell(mqtt, (error as Error).message);
		}
	}
}

/** Puts a packet behind those that wait. Its identifier, or true if it has none; false if there is no room. */
function add(mqtt: Mqtt, header: number, head: string, tail: string): number | boolean {
	// What the application asks for as soon as it is connected always has room; such requests do not outlive the connection.
	if (
		mqtt.queue.length > 0 &&
		mqtt.size + head.length + tail.length > mqtt.outbox &&
		!(mqtt.connected && header > 127)
	) {
		mqtt.refused++;
		if (!mqtt.full) mqtt.emit("error", "MQTT: no room for a message; see outbox");
		mqtt.full = true;
		return false;
	}
	let identifier = "";
	if (header >= IDENTIFIED) {
		do {
			mqtt.id = (mqtt.id % Limit.IDENTIFIER) + 1;
			identifier = chr(mqtt.id >> 8, mqtt.id & 255);
			// They are given in turn, so only the oldest can still have it.
		} while (mqtt.sent > 0 && find(mqtt, identifier, 1) === 0);
	}
	const text = packet(header, head + identifier, tail);
	mqtt.queue.push(text);
	mqtt.size += text.length;
	pump(mqtt);
	return identifier === "" || mqtt.id;
}

/** Each interval: the answer to what was sent an interval ago must be there. */
function tick(mqtt: Mqtt): void {
	if (mqtt.connected && !mqtt.closing && !mqtt.waiting) {
		mqtt.waiting = true;
		mqtt.ping();
	} else {
		const error = mqtt.closing ? "" : mqtt.connected ? "MQTT: no answer to a ping" : "MQTT: no answer to CONNECT";
		release(mqtt);
		tell(mqtt, error);
	}
}

/** What a CONNACK with return code 0 means for the messages that were sent in an earlier connection. */
function accepted(mqtt: Mqtt, isKept: boolean): void {
	if (!isKept) mqtt.unreleased = "";
	for (let i = 0; i < mqtt.sent; i++) {
		let text = mqtt.queue[i];
		if (text.charCodeAt(0) === Packet.PUBREL) {
			if (isKept) continue;
			// The broker has forgotten it.
			text = text.substr(4);
			mqtt.size -= 4;
		}
		const header = text.charCodeAt(0);
		mqtt.queue[i] = chr(isKept ? header | DUP : header & ~DUP) + text.substr(1);
	}
	mqtt.sent = 0;
	mqtt.connected = true;
	mqtt.waiting = false;
	changeInterval(mqtt.timer, Math.min(PING_INTERVAL, (mqtt.keep_alive * 2000) / 3));
	mqtt.emit("connected");
	mqtt.emit("connect");
}

// Called with the pipe as `this`; one set for all connections, without a cycle to be collected.

function onOpen(this: Pipe): void {
	const mqtt = this._mqt;
	if (!mqtt) return;
	let flags = mqtt.clean_session ? 2 : 0;
	let payload = field(mqtt.client_id);
	if (mqtt.username) {
		flags |= 0x80;
		payload += field(mqtt.username);
		if (mqtt.password) {
			flags |= 0x40;
			payload += field(mqtt.password);
		}
	}
	const { protocol_level, keep_alive } = mqtt;
	mqtt.urgent = packet(
		Packet.CONNECT,
		field(mqtt.protocol_name) + chr(protocol_level, flags, keep_alive >> 8, keep_alive & 255),
		payload,
	);
	pump(mqtt);
}

function onDrain(this: Pipe): void {
	if (this._mqt) pump(this._mqt);
}

function onError(this: Pipe, error: { message: string }): void {
	if (this._mqt) this._mqt.emit("error", error.message);
}

/** Takes one packet out of what has come; what is behind it waits for the handlers of this one. */
function onData(this: Pipe, data: string): void {
	const mqtt = this._mqt;
	if (!mqtt) return;
	mqtt.waiting = false;
	if (mqtt.skip > 0) {
		const { length } = data;
		data = data.substr(mqtt.skip);
		mqtt.skip -= length - data.length;
	}
	mqtt.part += data;
	const part = mqtt.part;
	let error = "";
	let isMalformed = false;
	let at = 1;
	let length = 0;
	let byte: number;
	do {
		if (at >= part.length) return;
		byte = part.charCodeAt(at);
		length |= (byte & 127) << (7 * at - 7);
		at++;
	} while (byte > 127 && at < 5);
	const header = part.charCodeAt(0);
	const type = header & 0xf0;
	const end = at + length;
	const isWhole = part.length >= end;
	const isLarge = length > mqtt.inbox;
	if (!isWhole && !isLarge && byte < 128) return;
	let identifier = part.substr(at, 2);
	/** The identifier, or the length of the topic name. */
	const number = (part.charCodeAt(at) << 8) | part.charCodeAt(at + 1);
	if (byte > 127 || mqtt.connected === (type === Packet.CONNACK)) isMalformed = true;
	else if (type === Packet.PUBLISH) {
		const qos = (header >> 1) & 3;
		const topic = at + 2;
		const payload = topic + number + (qos && 2);
		if (isLarge && part.length < (payload > topic ? payload : topic)) return;
		identifier = part.substr(payload - 2, 2);
		if (number === 0 || qos > 2 || payload > end) isMalformed = true;
		else if (isLarge) mqtt.emit("error", "MQTT: no room for a message of " + length + " bytes; see inbox");
		else if (qos < 2 || unreleased(mqtt, identifier) < 0) {
			const pub = {
				topic: part.substr(topic, number),
				message: part.substr(payload, end - payload),
				dup: (header >> 3) & 1,
				qos,
				pid: qos && identifier,
				retain: header & 1,
			};
			if (qos > 1) mqtt.unreleased += identifier;
			if (mqtt.unreleased.length > mqtt.inbox) error = "MQTT: too many messages at QoS 2 wait for their release";
			mqtt.emit("publish", pub);
			mqtt.emit("message", pub.topic, pub.message);
		}
		if (qos > 0) mqtt.urgent += chr(qos > 1 ? Packet.PUBREC : Packet.PUBACK, 2) + identifier;
	} else if (isLarge) isMalformed = true;
	else if (type === Packet.CONNACK) {
		const code = length > 1 ? number & 255 : 0;
		// At level 3 it does not say whether it had kept the session.
		if (code === 0) accepted(mqtt, !mqtt.clean_session && (mqtt.protocol_level < 4 || number > 255));
		else {
			error =
				"Connection refused, " +
				([
					"UNACCEPTABLE_PROTOCOL_VERSION",
					"IDENTIFIER_REJECTED",
					"SERVER_UNAVAILABLE",
					"BAD_USER_NAME_OR_PASSWORD",
					"NOT_AUTHORIZED",
				][code - 1] || "unknown return code: " + code + ".");
		}
	} else if (type === Packet.PINGRESP) mqtt.emit("ping_reply");
	else if (type === Packet.PINGREQ) mqtt.urgent += chr(Packet.PINGRESP, 0);
	else if (length < 2) isMalformed = true;
	else if (type === (Packet.PUBREL & 0xf0)) {
		const index = unreleased(mqtt, identifier);
		if (index >= 0) mqtt.unreleased = mqtt.unreleased.substr(0, index) + mqtt.unreleased.substr(index + 2);
		mqtt.urgent += chr(Packet.PUBCOMP, 2) + identifier;
	} else {
		const index = find(mqtt, identifier, mqtt.sent);
		if (type === Packet.PUBREC) {
			mqtt.urgent += chr(Packet.PUBREL, 2) + identifier;
			if (index >= 0 && mqtt.queue[index].charCodeAt(0) !== Packet.PUBREL) {
				// The message stays, for a broker that has forgotten it when we are back.
				mqtt.queue[index] = chr(Packet.PUBREL, 2) + identifier + mqtt.queue[index];
				mqtt.size += 4;
			}
		} else if (index >= 0) {
			take(mqtt, index);
			if (type === Packet.PUBACK) mqtt.emit("puback", number);
			else if (type === Packet.PUBCOMP) mqtt.emit("pubcomp", number);
			else if (type === Packet.UNSUBACK) mqtt.emit("unsubscribed");
			else if (type === Packet.SUBACK) mqtt.emit(part.charCodeAt(end - 1) > 2 ? "subscribed_fail" : "subscribed");
		}
	}
	if (isWhole) mqtt.part = part.substr(end);
	else {
		mqtt.part = "";
		mqtt.skip = end - part.length;
	}
	if (mqtt.urgent.length > MOST_REPLIES) error = "MQTT: the broker takes no replies";
	if (isMalformed) error = "MQTT unsupported packet type: " + (header >> 4);
	if (error) {
		release(mqtt);
		tell(mqtt, error);
	} else {
		pump(mqtt);
		if (mqtt.part) this.emit("data", "");
	}
}

function onEnd(this: Pipe): void {
	const mqtt = this._mqt;
	if (!mqtt) return;
	// What came before it counts.
	let left: number;
	do {
		left = mqtt.part.length;
		onData.call(this, "");
	} while (this._mqt && mqtt.part.length < left);
	if (!this._mqt) return;
	release(mqtt);
	tell(mqtt, "");
}

class Mqtt {
	readonly server: string | undefined;
	port: number;
	client_id: string;
	keep_alive: number;
	clean_session: boolean;
	username: string | undefined;
	password: string | undefined;
	protocol_name: string;
	protocol_level: number;
	/** The pipe; false while there is none. */
	client: Pipe | false = false;
	/** Has the broker accepted us? */
	connected = false;
	/** Packets for which there was no room. */
	refused = 0;
	readonly outbox: number;
	readonly inbox: number;
	/** Packets that wait to be sent or to be answered, the oldest first. One that is released has its PUBREL in front. */
	queue: string[] = [];
	/** How many of them were sent, in this connection or the one before. */
	sent = 0;
	/** Bytes of all of them. */
	size = 0;
	/** Has a packet been refused since there was room? */
	full = false;
	/** What goes before them: acknowledgements and pings. */
	urgent = "";
	/** Of the next packet, what has come. */
	part = "";
	/** Bytes to come of a packet that is too large. */
	skip = 0;
	/** Identifiers of messages at QoS 2 which the broker has not released, one behind the other. */
	unreleased = "";
	/** The identifier that was given last. */
	id = 0;
	timer = 0;
	/** Has nothing come since the last ping? */
	waiting = false;
	/** Has the application disconnected, while something is in flight? */
	closing = false;
	declare emit: (event: string, value?: unknown, second?: unknown) => void;

	constructor(server: string | undefined, options: Options) {
		const { total } = process.memory(false);
		const { keep_alive, protocol_level } = options;
		let id = "";
		while (id.length < 12)
			id += Math.floor((1 + Math.random()) * 65_536)
				.toString(16)
				.substr(1);
		this.server = server;
		this.port = options.port || 1883;
		this.client_id = options.client_id || id;
		this.keep_alive = keep_alive || 60;
		if (!(this.keep_alive > 0 && this.keep_alive <= 65_535)) {
			throw new Error("MQTT: keep_alive must be 1 to 65535 seconds, not " + keep_alive);
		}
		this.clean_session = options.clean_session !== false;
		this.username = options.username;
		this.password = options.password;
		this.protocol_level = protocol_level || 4;
		this.protocol_name = options.protocol_name || (protocol_level === 3 ? "MQIsdp" : "MQTT");
		this.outbox = options.outbox || total;
		this.inbox = options.inbox || total;
	}

	connect(pipe?: Pipe): void {
		let client = pipe;
		if (this.client) {
			// The link that there is stays, unless the application has another one or has disconnected.
			if (!this.closing && (!client || client === this.client)) return;
			release(this);
		}
		try {
			if (!client)
				client = require("net").connect(
					{ host: this.server as string, port: this.port },
					onOpen as never,
				) as never as Pipe;
		} catch (error) {
			// Later, for an application that is about to say who listens.
			setTimeout(tell, 0, this, (error as Error).message);
			return;
		}
		if (client._mqt === undefined) {
			client.on("data", onData);
			client.on("drain", onDrain);
			client.on("end", onEnd);
			client.on("error", onError);
		}
		client._mqt = this;
		this.client = client;
		this.part = this.urgent = "";
		this.skip = 0;
		this.timer = setInterval(tick, PATIENCE, this);
		if (pipe) onOpen.call(pipe);
	}

	disconnect(): void {
		if (!this.client) return;
		if (this.connected) {
			this.closing = true;
			changeInterval(this.timer, PATIENCE);
			pump(this);
		} else {
			release(this);
			tell(this, "");
		}
	}

	/** The packet's identifier, which `puback` or `pubcomp` tells again; true at QoS 0; false if there is no room. */
	publish(topic: string, message: unknown, options?: PublishOptions): number | boolean {
		const { qos, retain, dup }: PublishOptions = options || {};
		const name = field(topic);
		const client = this.client;
		if (name.indexOf("+", 2) >= 0 || name.indexOf("#", 2) >= 0) throw new Error("MQTT: + or # in the topic " + topic);
		let header = Packet.PUBLISH | (retain ? 1 : 0);
		if (!qos && client && this.connected && this.sent === this.queue.length && !this.urgent && !client.dSnd) {
			// Nothing waits in front of it, and nothing will come back.
			try {
				client.write(packet(header, name, bytes(message)));
			} catch (error) {
				release(this);
				tell(this, (error as Error).message);
			}
			return true;
		}
		if (qos) header |= (qosOf(qos) << 1) | (dup ? DUP : 0);
		return add(this, header, name, bytes(message));
	}

	/** One filter, several, or an object of filters with the QoS of each. */
	subscribe(topics: string | string[] | { [topic: string]: number }, options?: PublishOptions): void {
		const isOne = typeof topics === "string";
		const names = isOne ? [topics] : Array.isArray(topics) ? topics : Object.keys(topics);
		for (let i = 0; i < names.length; i++) {
			const qos = isOne || names === topics ? options?.qos : (topics as never)[names[i]];
			add(this, Packet.SUBSCRIBE, "", field(names[i]) + chr(qosOf(qos || 0)));
		}
	}

	unsubscribe(topic: string): void {
		add(this, Packet.UNSUBSCRIBE, "", field(topic));
	}

	ping(): void {
		if (!this.connected) return;
		this.urgent += chr(Packet.PINGREQ, 0);
		pump(this);
	}
}

export function create(server?: string, options?: Options): Mqtt {
	return new Mqtt(server, options || {});
}

export function connect(options: Options): Mqtt {
	const mqtt = new Mqtt(options.host, options);
	mqtt.connect();
	return mqtt;
}
