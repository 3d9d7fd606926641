/**
 * JavaScript that runs inside a board's engine: the module `embedded:io/socket/tcp`, with the rules and the
 * quirks of Moddable's TCP for Linux. modules.ts hands it out; both engines run it.
 *
 * Sockets live in a fixed number of lines that are allocated before the firmware starts, so that a socket
 * takes from the firmware's memory what the native one takes: two slots, and one for `target`.
 */

import { EVENT_HEADER_BYTES, EventKind, OperationKind, SOCKET_BUFFER_BYTES } from "./protocol.js";

/** Sockets that a board can have open at a time. */
const LINES = 8;

export const tcpSource = `
import { numberAt, register, send, sendBytes, sendNumber, sendNumbers, spent } from "board:harness";

const FORMAT_BUFFER = 0;
const FORMAT_NUMBER = 1;

class Line {
	id;
	socket = undefined;
	format = FORMAT_BUFFER;
	connected = false;
	failed = false;
	/** Bytes that write still takes. */
	writable = 0;
	/** Bytes that were received and not read, from start on; an event lands whole before it is moved. */
	queued = 0;
	start = 0;
	received = new Uint8Array(${SOCKET_BUFFER_BYTES + EVENT_HEADER_BYTES});
	onReadable = undefined;
	onWritable = undefined;
	onError = undefined;

	constructor(id) {
		this.id = id;
	}

	open(socket, options, format) {
		this.socket = socket;
		this.format = format;
		this.connected = false;
		this.failed = false;
		this.writable = 0;
		this.queued = 0;
		this.start = 0;
		this.onReadable = options.onReadable;
		this.onWritable = options.onWritable;
		this.onError = options.onError;
	}

	release() {
		this.socket = undefined;
		this.onReadable = undefined;
		this.onWritable = undefined;
		this.onError = undefined;
	}

	/** Takes count bytes off the queue, once they are copied. */
	take(count) {
		this.start += count;
		this.queued -= count;
		sendNumber(${OperationKind.read}, this.id, count);
	}
}

const lines = [];
for (let id = 0; id < ${LINES}; id++) {
	lines.push(new Line(id));
}

function freeLine() {
	for (let id = 0; id < ${LINES}; id++) {
		if (lines[id].socket === undefined) {
			return lines[id];
		}
	}
	throw new Error("no socket");
}

/** A dotted IPv4 address as one number. Boxes the string once, which native code does not. */
function parseAddress(address) {
	const text = Object(String(address));
	const length = text.length;
	spent(2);
	let result = 0;
	let part = 0;
	let digits = 0;
	let dots = 0;
	for (let index = 0; index <= length; index++) {
		const code = index < length ? text.charCodeAt(index) : 46;
		if (code >= 48 && code <= 57) {
			part = part * 10 + code - 48;
			digits += 1;
		} else if (code === 46 && digits > 0) {
			result = result * 256 + part;
			dots += 1;
			part = 0;
			digits = 0;
		} else {
			throw new Error("invalid address");
		}
		if (part > 255 || digits > 3) {
			throw new Error("invalid address");
		}
	}
	if (dots !== 4) {
		throw new Error("invalid address");
	}
	return result;
}

function parseFormat(format) {
	if (format === undefined || format === "buffer") {
		return FORMAT_BUFFER;
	}
	if (format === "number") {
		return FORMAT_NUMBER;
	}
	throw new RangeError("unimplemented");
}

/** The bytes of a buffer or of any view, as a view of single bytes; free where it is one already. */
function bytesOf(data) {
	if (ArrayBuffer.isView(data)) {
		if (data.BYTES_PER_ELEMENT === 1) {
			return data;
		}
		spent(4);
		return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
	}
	spent(4);
	return new Uint8Array(data);
}

export default class TCP {
	#line;

	constructor(options) {
		spent(2); // the private members, beyond the two slots of a native socket
		if (options.from !== undefined) {
			throw new RangeError("unimplemented");
		}
		const format = parseFormat(options.format);
		const address = parseAddress(options.address);
		const port = options.port | 0;
		if (port < 0 || port > 65535) {
			throw new RangeError("invalid port");
		}
		const line = freeLine();
		if (options.target !== undefined) {
			this.target = options.target;
		}
		line.open(this, options, format);
		this.#line = line;
		sendNumbers(${OperationKind.connect}, line.id, address, port, options.nodelay ? 1 : 0);
	}

	close() {
		const line = this.#line;
		if (line !== undefined) {
			this.#line = undefined;
			line.release();
			send(${OperationKind.close}, line.id);
		}
	}

	read(request) {
		const line = this.#openLine();
		const queued = line.queued;
		if (queued === 0) {
			return undefined;
		}
		if (line.format === FORMAT_NUMBER) {
			const byte = line.received[line.start];
			line.take(1);
			return byte;
		}
		const start = line.start;
		if (typeof request === "object") {
			const count = request.byteLength;
			if (count === 0 || count > queued) {
				throw new Error("invalid");
			}
			const bytes = bytesOf(request);
			const received = line.received;
			for (let index = 0; index < count; index++) {
				bytes[index] = received[start + index];
			}
			line.take(count);
			return count;
		}
		const count = request === undefined ? queued : request | 0;
		if (count <= 0 || count > queued) {
			throw new Error("invalid");
		}
		const buffer = line.received.buffer.slice(start, start + count);
		line.take(count);
		return buffer;
	}

	write(data) {
		const line = this.#openLine();
		if (line.failed) {
			return undefined;
		}
		if (!line.connected) {
			throw new Error("not ready");
		}
		if (line.format === FORMAT_NUMBER) {
			if (line.writable < 1) {
				throw new Error("would block");
			}
			oneByte[0] = data;
			sendBytes(${OperationKind.write}, line.id, oneByte);
			line.writable -= 1;
			return line.writable;
		}
		const bytes = bytesOf(data);
		if (bytes.length > line.writable) {
			throw new Error("would block");
		}
		sendBytes(${OperationKind.write}, line.id, bytes);
		line.writable -= bytes.length;
		return line.writable;
	}

	get format() {
		return this.#openLine().format === FORMAT_NUMBER ? "number" : "buffer";
	}

	set format(format) {
		this.#openLine().format = parseFormat(format);
	}

	#openLine() {
		if (this.#line === undefined) {
			throw new TypeError("this socket is closed: invalid host data");
		}
		return this.#line;
	}
}

const oneByte = new Uint8Array(1);

register(${EventKind.connected}, function (id) {
	const line = lines[id];
	line.connected = true;
	line.writable = ${SOCKET_BUFFER_BYTES};
	if (line.onWritable !== undefined) {
		line.onWritable.call(line.socket, line.writable);
	}
});

register(${EventKind.writable}, function (id, event) {
	const line = lines[id];
	line.writable += numberAt(event, ${EVENT_HEADER_BYTES});
	if (line.onWritable !== undefined) {
		line.onWritable.call(line.socket, line.writable);
	}
});

register(${EventKind.readable}, function (id, event) {
	const line = lines[id];
	const received = line.received;
	if (line.start > 0) {
		received.copyWithin(0, line.start, line.start + line.queued);
		line.start = 0;
	}
	received.set(event, line.queued);
	received.copyWithin(line.queued, line.queued + ${EVENT_HEADER_BYTES}, line.queued + event.length);
	line.queued += event.length - ${EVENT_HEADER_BYTES};
	if (line.onReadable !== undefined) {
		line.onReadable.call(line.socket, line.queued);
	}
});

register(${EventKind.failed}, function (id) {
	const line = lines[id];
	line.failed = true;
	if (line.onError !== undefined) {
		line.onError.call(line.socket);
	}
});
`;
