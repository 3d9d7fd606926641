/**
 * What a module of Espruino sees of its board, without the interpreter: objects that emit, timers, and a `net` whose other
 * end a test plays. As there, events wait until the code that emits them has returned; a socket queues what it is given and sends
 * it piece by piece; and time passes when the test says so.
 */
import { createContext, Script } from "node:vm";

/** An event that an object has emitted, or an error that nobody caught. */
export type Seen = [event: string, ...values: unknown[]];

interface Timer {
	callback: (...values: unknown[]) => void;
	values: unknown[];
	due: number;
	every: number;
}

/** Bytes that one pass of the interpreter sends. */
const CHUNK = 536;

/** The board's end of a connection, and for the test the other one. */
export interface Socket {
	/** What the board has given and not sent yet. */
	dSnd: string;
	/** All that has been sent. */
	sent: string;
	/** The other end reads nothing. */
	stalled: boolean;
	/** The board has ended it; or the other end has closed it. */
	ended: boolean;
	closed: boolean;
	host: string;
	port: number;
	write(data: string): boolean;
	end(): void;
}

/** The events that programs of `require("MQTT")` listen to. */
const EVENTS =
	"connected connect disconnected close error publish message subscribed subscribed_fail unsubscribed ping_reply puback pubcomp";

/** A client of the module, as far as tests use it. */
export interface MqttClient {
	connected: boolean;
	client: unknown;
	client_id: string;
	refused: number;
	connect(client?: unknown): void;
	disconnect(): void;
	publish(topic: string, message?: unknown, options?: object): number | boolean | undefined;
	subscribe(topics: unknown, options?: object): void;
	unsubscribe(topic: string): void;
	ping(): void;
	on(event: string, handler: (...values: never[]) => void): void;
	emit(event: string, ...values: unknown[]): void;
}

export interface MqttModule {
	create(server?: string, options?: object): MqttClient;
	connect(options: object): MqttClient;
}

export class Board {
	readonly sockets: Socket[] = [];
	/** What the client that `watch` was given has emitted, and uncaught errors. */
	readonly seen: Seen[] = [];
	readonly module: MqttModule;
	/** `net.connect` throws this. */
	trouble = "";
	/** `net.connect` leaves it to the test to say how it went. */
	undecided = false;
	private readonly events: (() => void)[] = [];
	private readonly timers = new Map<number, Timer>();
	private now = 0;
	private lastTimer = 0;

	/** With `code` as the module; `jsVars` is the memory that the board has. */
	constructor(code: string, jsVars = 1700) {
		const exports = {};
		const context = createContext({
			exports,
			require: (name: string) => {
				if (name !== "net") throw new Error(`there is no module ${name}`);
				return { connect: (options: Socket, callback: () => void) => this.connect(options, callback) };
			},
			process: { memory: () => ({ total: jsVars, usage: 0, free: jsVars }) },
			E: {
				isUTF8: (text: string) => /[^\0-\xff]/.test(text),
				fromUTF8: (text: string) => Buffer.from(text).toString("latin1"),
			},
			setTimeout: (callback: Timer["callback"], after: number, ...values: unknown[]) =>
				this.timer(callback, after, 0, values),
			setInterval: (callback: Timer["callback"], after: number, ...values: unknown[]) =>
				// A shorter one takes the shortest there is.
				this.timer(callback, Math.max(after, 1), Math.max(after, 1), values),
			changeInterval: (id: number, every: number) => {
				const timer = this.timers.get(id);
				if (!timer) throw new Error("there is no such timer");
				timer.every = every;
				timer.due = this.now + every;
			},
			clearTimeout: (id: number) => this.timers.delete(id),
			clearInterval: (id: number) => this.timers.delete(id),
		});
		const prototype = new Script("Object.prototype").runInContext(context);
		for (const [name, value] of Object.entries(this.emitter())) {
			Object.defineProperty(prototype, name, { value, writable: true, configurable: true });
		}
		new Script(code, { filename: "MQTT" }).runInContext(context);
		this.module = exports as MqttModule;
		this.make = new Script("(function (source) { return Object.assign({}, source); })").runInContext(context);
	}

	/** An object of the board's own, which can emit, with the properties of this one. */
	readonly make: <T extends object>(source: T) => T & MqttClient;

	/** Notes what this client emits. */
	watch(client: MqttClient): void {
		for (const event of EVENTS.split(" ")) {
			client.on(event, (...values) => this.seen.push([event, ...values.filter((value) => value !== undefined)]));
		}
	}

	/** The socket that was opened last. */
	get socket(): Socket {
		const socket = this.sockets.at(-1);
		if (!socket) throw new Error("no socket was opened");
		return socket;
	}

	/** How many timers run. */
	get running(): number {
		return this.timers.size;
	}

	/** The names of the events so far, and forgets them. */
	told(): string {
		return this.seen
			.splice(0)
			.map(([event]) => event)
			.join(" ");
	}

	/** Runs what waits: events, and what sockets have to send. */
	settle(): void {
		for (let isBusy: boolean = true; isBusy; ) {
			for (let event = this.events.shift(); event; event = this.events.shift()) this.run(event);
			isBusy = false;
			for (const socket of this.sockets) {
				if (socket.closed || socket.stalled) continue;
				if (socket.dSnd !== "") {
					socket.sent += socket.dSnd.slice(0, CHUNK);
					socket.dSnd = socket.dSnd.slice(CHUNK);
					if (socket.dSnd === "" && !socket.ended) this.emit(socket, "drain");
					isBusy = true;
				} else if (socket.ended) {
					this.close(socket);
					isBusy = true;
				}
			}
		}
	}

	/** Lets `milliseconds` pass. */
	pass(milliseconds: number): void {
		const end = this.now + milliseconds;
		for (;;) {
			this.settle();
			let next: [number, Timer] | undefined;
			for (const entry of this.timers) if (!next || entry[1].due < next[1].due) next = entry;
			if (!next || next[1].due > end) break;
			const [id, timer] = next;
			this.now = Math.max(this.now, timer.due);
			if (timer.every > 0) timer.due += timer.every;
			else this.timers.delete(id);
			this.run(() => timer.callback(...timer.values));
		}
		this.now = end;
		this.settle();
	}

	/** Has the program call this after so many milliseconds. */
	after(milliseconds: number, callback: () => void): void {
		this.timer(callback, milliseconds, 0, []);
	}

	/** The other end sends these bytes. */
	receive(bytes: string, socket = this.socket): void {
		for (let at = 0; at < bytes.length; at += CHUNK) {
			this.settle();
			if (socket.closed) return;
			// The interpreter looks at its sockets once no event waits, and then calls at once.
			this.run(() => this.call(socket, "data", bytes.slice(at, at + CHUNK)));
		}
		this.settle();
	}

	/** The connection has broken. */
	break(socket = this.socket, error = ""): void {
		if (error) this.emit(socket, "error", { code: -9, message: error });
		this.close(socket);
		this.settle();
	}

	/** The socket is gone, and its events still wait. */
	close(socket: Socket): void {
		if (socket.closed) return;
		socket.closed = true;
		this.emit(socket, "end");
		this.emit(socket, "close", false);
	}

	/** An undecided socket has opened. */
	open(socket = this.socket): void {
		this.emit(socket, "connect");
		this.settle();
	}

	private connect({ host, port }: Socket, callback: () => void): Socket {
		if (this.trouble) throw new Error(this.trouble);
		const socket: Socket = this.make({
			...{ dSnd: "", sent: "", stalled: false, ended: false, closed: false, host, port },
			write(this: Socket, data: string) {
				if (this.closed || this.ended) throw new Error("This socket is closed");
				this.dSnd += data;
				return false;
			},
			end(this: Socket) {
				this.ended = true;
			},
		});
		(socket as never as MqttClient).on("connect", callback);
		this.sockets.push(socket);
		if (!this.undecided) this.emit(socket, "connect");
		return socket;
	}

	private timer(callback: Timer["callback"], after: number, every: number, values: unknown[]): number {
		this.timers.set(++this.lastTimer, { callback, values, due: this.now + after, every });
		return this.lastTimer;
	}

	private emitter() {
		const board = this;
		return {
			on(this: object, event: string, handler: unknown) {
				const key = `#on${event}`;
				const handlers = (Reflect.get(this, key) ?? []) as unknown[];
				Object.defineProperty(this, key, { value: [...handlers, handler], configurable: true, enumerable: false });
				return this;
			},
			emit(this: object, event: string, ...values: unknown[]) {
				board.emit(this, event, ...values);
			},
		};
	}

	private emit(object: object, event: string, ...values: unknown[]): void {
		if (Reflect.get(object, `#on${event}`)) this.events.push(() => this.call(object, event, ...values));
	}

	private call(object: object, event: string, ...values: unknown[]): void {
		for (const handler of (Reflect.get(object, `#on${event}`) ?? []) as ((...values: unknown[]) => void)[]) {
			handler.apply(object, values);
		}
	}

	private run(callback: () => void): void {
		try {
			callback();
		} catch (error) {
			this.seen.push(["uncaught", (error as Error).message]);
		}
	}
}

/** What the other end says: packets as strings of bytes. */
export const broker = {
	connack: (code = 0, isPresent = false) => String.fromCharCode(0x20, 2, isPresent ? 1 : 0, code),
	publish: (topic: string, message: string, qos = 0, identifier = 0, isDuplicate = false) =>
		packet(0x30 | (qos << 1) | (isDuplicate ? 8 : 0), text(topic) + (qos > 0 ? two(identifier) : "") + message),
	puback: (identifier: number) => packet(0x40, two(identifier)),
	pubrec: (identifier: number) => packet(0x50, two(identifier)),
	pubrel: (identifier: number) => packet(0x62, two(identifier)),
	pubcomp: (identifier: number) => packet(0x70, two(identifier)),
	suback: (identifier: number, code: number) => packet(0x90, two(identifier) + String.fromCharCode(code)),
	unsuback: (identifier: number) => packet(0xb0, two(identifier)),
	pingreq: () => packet(0xc0, ""),
	pingresp: () => packet(0xd0, ""),
};

const two = (value: number) => String.fromCharCode(value >> 8, value & 255);
const text = (value: string) => two(value.length) + value;

function packet(header: number, body: string): string {
	let length = "";
	let left = body.length;
	do {
		length += String.fromCharCode(left > 127 ? (left & 127) | 128 : left);
		left >>= 7;
	} while (left > 0);
	return String.fromCharCode(header) + length + body;
}

/** A packet that a client has sent. */
export interface Packet {
	name: string;
	/** DUP, QoS and RETAIN of a PUBLISH. */
	flags: number;
	identifier: number;
	topic: string;
	/** The payload of a PUBLISH; of others what stands behind the identifier, or all. */
	rest: string;
}

const NAMES =
	"- CONNECT CONNACK PUBLISH PUBACK PUBREC PUBREL PUBCOMP SUBSCRIBE SUBACK UNSUBSCRIBE UNSUBACK PINGREQ PINGRESP DISCONNECT -";

/** The packets in what a client has sent; throws if that is not whole packets. */
export function packets(bytes: string): Packet[] {
	const all: Packet[] = [];
	let at = 0;
	const byte = () => {
		const value = bytes.charCodeAt(at++);
		if (!(value < 256)) throw new Error("the packet ends early, or holds a character that is no byte");
		return value;
	};
	while (at < bytes.length) {
		const header = byte();
		let length = 0;
		let more = 128;
		for (let weight = 1; more > 127; weight *= 128) {
			more = byte();
			length += (more & 127) * weight;
		}
		if (at + length > bytes.length) throw new Error("the packet ends early");
		const end = at + length;
		const name = NAMES.split(" ")[header >> 4];
		const one: Packet = { name, flags: header & 15, identifier: 0, topic: "", rest: "" };
		if (name === "PUBLISH") {
			const size = (byte() << 8) | byte();
			one.topic = bytes.slice(at, at + size);
			at += size;
		}
		if (name === "PUBLISH" ? one.flags & 6 : name !== "CONNECT" && length > 0) one.identifier = (byte() << 8) | byte();
		if (at > end) throw new Error("a field is longer than its packet");
		one.rest = bytes.slice(at, end);
		at = end;
		all.push(one);
	}
	return all;
}
