/**
 * The world outside a board: real TCP sockets and names through Node, and timers. It carries out the operations that a
 * board's engine asks for, and posts the events that come of them. It knows no engine. Called by board.ts.
 */

import { lookup } from "node:dns";
import { Socket } from "node:net";
import { bodyNumber, bodyText, EventKind, type Operation, OperationKind, SOCKET_BUFFER_BYTES } from "./protocol.js";

/** Something that happened, until the engine has time for it. */
export interface PendingEvent {
	readonly kind: number;
	readonly id: number;
	/** False once nobody waits for it any more: the socket was closed, the timer paused. */
	isCurrent(): boolean;
	/** The bytes that go with it, taken at the moment when it is handed in. */
	takeBody(): Uint8Array;
}

/** How long a closed socket may try to get its last bytes out. */
const LINGER_MS = 5_000;

const NO_BODY = new Uint8Array(0);

/** One timer of the board. It is never early, as Node's may be, and does not drift. */
class BoardTimer {
	readonly #interval: number;
	readonly #fire: () => void;
	#due: number;
	#handle: NodeJS.Timeout | undefined;

	constructor(delay: number, interval: number, fire: () => void) {
		this.#interval = interval;
		this.#fire = fire;
		this.#due = performance.now() + delay;
		this.#wait();
	}

	stop(): void {
		clearTimeout(this.#handle);
	}

	/** Waits for the next time, once the last one was handed in; false when there is none. */
	repeat(): boolean {
		if (this.#interval === 0) {
			return false;
		}
		this.#due = Math.max(this.#due + this.#interval, performance.now());
		this.#wait();
		return true;
	}

	#wait(): void {
		this.#handle = setTimeout(() => {
			if (performance.now() < this.#due) {
				this.#wait();
			} else {
				this.#fire();
			}
		}, this.#due - performance.now());
	}
}

/** One socket of the board, from `connect` to `close`. */
interface BoardSocket {
	readonly socket: Socket;
	/** Received, and not yet handed in. */
	incoming: Buffer[];
	/** Handed in, and not yet read by the firmware. */
	unreadBytes: number;
	/** Written through to the kernel since the firmware was last told. */
	drainedBytes: number;
	/** Events that wait to be handed in, one of each kind at most. */
	readablePosted: boolean;
	writablePosted: boolean;
	failedPosted: boolean;
	/** The connection ended or broke; the firmware is told once it has read all there was. */
	ended: boolean;
}

export class Bridge {
	readonly #post: (event: PendingEvent) => void;
	readonly #sockets = new Map<number, BoardSocket>();
	readonly #timers = new Map<number, BoardTimer>();
	/** Closed by the firmware, with bytes that are still on their way. */
	readonly #lingering = new Set<Socket>();

	constructor(post: (event: PendingEvent) => void) {
		this.#post = post;
	}

	/** Sockets that are open, or closed and not yet gone. */
	get socketCount(): number {
		return this.#sockets.size + this.#lingering.size;
	}

	/** Carries out one operation; false when it is none of sockets, timers or names. */
	apply(operation: Operation): boolean {
		switch (operation.kind) {
			case OperationKind.connect:
				this.#connect(operation);
				return true;
			case OperationKind.write:
				this.#write(operation);
				return true;
			case OperationKind.read:
				this.#read(operation);
				return true;
			case OperationKind.close:
				this.#close(operation.id);
				return true;
			case OperationKind.schedule:
				this.#unschedule(operation.id);
				this.#schedule(operation.id, bodyNumber(operation, 0), bodyNumber(operation, 1));
				return true;
			case OperationKind.unschedule:
				this.#unschedule(operation.id);
				return true;
			case OperationKind.resolve:
				this.#resolve(operation);
				return true;
			default:
				return false;
		}
	}

	/** Cuts all connections and forgets all timers, as when the board loses power. */
	destroy(): void {
		for (const { socket } of this.#sockets.values()) {
			socket.destroy();
		}
		for (const socket of this.#lingering) {
			socket.destroy();
		}
		for (const timer of this.#timers.values()) {
			timer.stop();
		}
		this.#sockets.clear();
		this.#lingering.clear();
		this.#timers.clear();
	}

	#connect(operation: Operation): void {
		const { id } = operation;
		const address = bodyNumber(operation, 0);
		const port = bodyNumber(operation, 1);
		const noDelay = bodyNumber(operation, 2) === 1;
		const socket = new Socket({ allowHalfOpen: true });
		const entry: BoardSocket = {
			socket,
			incoming: [],
			unreadBytes: 0,
			drainedBytes: 0,
			readablePosted: false,
			writablePosted: false,
			failedPosted: false,
			ended: false,
		};
		this.#sockets.set(id, entry);
		socket.once("connect", () => this.#postSocket(EventKind.connected, id, entry));
		socket.on("data", (bytes: Buffer) => {
			entry.incoming.push(bytes);
			socket.pause();
			this.#offerIncoming(id, entry);
		});
		socket.once("end", () => this.#end(id, entry));
		socket.once("close", () => {
			this.#lingering.delete(socket);
			this.#end(id, entry);
		});
		socket.on("error", () => {}); // "close" follows
		socket.setNoDelay(noDelay);
		socket.connect(port, dotted(address));
	}

	/** Hands in what the board has room for, and lets the network go on once all is handed in. */
	#offerIncoming(id: number, entry: BoardSocket): void {
		const room = SOCKET_BUFFER_BYTES - entry.unreadBytes;
		if (entry.incoming.length > 0) {
			if (room > 0 && !entry.readablePosted) {
				entry.readablePosted = true;
				this.#postSocket(EventKind.readable, id, entry, () => {
					entry.readablePosted = false;
					return this.#takeIncoming(id, entry);
				});
			}
		} else if (!entry.ended) {
			entry.socket.resume();
		} else if (entry.unreadBytes === 0 && !entry.failedPosted) {
			entry.failedPosted = true;
			this.#postSocket(EventKind.failed, id, entry);
		}
	}

	#takeIncoming(id: number, entry: BoardSocket): Uint8Array {
		const room = SOCKET_BUFFER_BYTES - entry.unreadBytes;
		const all = Buffer.concat(entry.incoming);
		const taken = all.subarray(0, room);
		entry.incoming = all.length > taken.length ? [all.subarray(taken.length)] : [];
		entry.unreadBytes += taken.length;
		this.#offerIncoming(id, entry);
		return taken;
	}

	#read(operation: Operation): void {
		const entry = this.#sockets.get(operation.id);
		if (entry !== undefined) {
			entry.unreadBytes -= bodyNumber(operation, 0);
			this.#offerIncoming(operation.id, entry);
		}
	}

	#write({ id, body }: Operation): void {
		const entry = this.#sockets.get(id);
		if (entry === undefined || entry.socket.destroyed) {
			return;
		}
		entry.socket.write(body, (error) => {
			if (error) {
				return;
			}
			entry.drainedBytes += body.length;
			if (!entry.writablePosted && !entry.ended) {
				entry.writablePosted = true;
				this.#postSocket(EventKind.writable, id, entry, () => {
					const count = new Uint8Array(4);
					new DataView(count.buffer).setUint32(0, entry.drainedBytes, true);
					entry.drainedBytes = 0;
					entry.writablePosted = false;
					return count;
				});
			}
		});
	}

	#end(id: number, entry: BoardSocket): void {
		entry.ended = true;
		if (this.#sockets.get(id) === entry) {
			this.#offerIncoming(id, entry);
		}
	}

	#close(id: number): void {
		const entry = this.#sockets.get(id);
		this.#sockets.delete(id);
		if (entry === undefined || entry.socket.destroyed) {
			return;
		}
		const { socket } = entry;
		if (socket.connecting) {
			socket.destroy();
			return;
		}
		this.#lingering.add(socket);
		const patience = setTimeout(() => socket.destroy(), LINGER_MS);
		socket.once("close", () => clearTimeout(patience));
		socket.end(() => socket.destroy());
	}

	#schedule(id: number, delay: number, interval: number): void {
		const timer = new BoardTimer(delay, interval, () => {
			this.#post({
				kind: EventKind.timer,
				id,
				isCurrent: () => this.#timers.get(id) === timer,
				takeBody: () => {
					if (!timer.repeat()) {
						this.#timers.delete(id);
					}
					return NO_BODY;
				},
			});
		});
		this.#timers.set(id, timer);
	}

	#unschedule(id: number): void {
		const timer = this.#timers.get(id);
		if (timer !== undefined) {
			timer.stop();
			this.#timers.delete(id);
		}
	}

	/** The event's body is the address, or empty. */
	#resolve(operation: Operation): void {
		lookup(bodyText(operation), { family: 4 }, (_error, address) => {
			const body = address === undefined ? NO_BODY : new TextEncoder().encode(address);
			this.#post({ kind: EventKind.resolved, id: operation.id, isCurrent: () => true, takeBody: () => body });
		});
	}

	#postSocket(kind: number, id: number, entry: BoardSocket, takeBody: () => Uint8Array = () => NO_BODY): void {
		if (this.#sockets.get(id) === entry) {
			this.#post({ kind, id, isCurrent: () => this.#sockets.get(id) === entry, takeBody });
		}
	}
}

function dotted(address: number): string {
	return [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join(".");
}
