/**
 * JavaScript that runs inside a board's engine: the module `board:harness`, through which the other device
 * modules talk to the desk. modules.ts hands it out; both engines run it.
 *
 * It is written so that an event costs a fixed number of slots: one view of the event's bytes. Whatever else
 * the device modules allocate where a real board's native code would not, they report to `spent`, and the
 * memory gauge takes it off. Operations are gathered in one buffer that is allocated once.
 */

import { EVENT_HEADER_BYTES, OPERATION_HEADER_BYTES, OPERATIONS_HEADER_BYTES, OperationKind } from "./protocol.js";

export const harnessSource = `
const output = new ArrayBuffer(${OPERATIONS_HEADER_BYTES}, { maxByteLength: 1 << 20 });
const outputBytes = new Uint8Array(output);
const outputFields = new DataView(output);
const handlers = [];

let host;
let encoder;
let decoder;
let ticksOfTurn = 0;
let clockOfTurn = 0;
let latestTicks = 0;
/** A promise was rejected and nobody listened: the engine tells when it collects garbage. */
let rejected = false;
let rejection;

/** Called once, before any firmware runs. services: { now(), TextEncoder, TextDecoder } */
export function install(services) {
	host = services;
	encoder = new services.TextEncoder();
	decoder = new services.TextDecoder();
}

/** Names the function that gets events of a kind, as handler(id, event); the body starts at byte ${EVENT_HEADER_BYTES}. */
export function register(kind, handler) {
	handlers[kind] = handler;
}

/** Milliseconds since the board was started; goes on within an event, and never back. */
export function ticks() {
	const now = ticksOfTurn + Math.floor(host.now() - clockOfTurn);
	if (now > latestTicks) {
		latestTicks = now;
	}
	return latestTicks;
}

/** Every entry into the engine begins here and ends by handing out the buffer of operations. */
export function beginTurn(deskTicks) {
	output.resize(${OPERATIONS_HEADER_BYTES});
	outputFields.setInt32(0, 0, true);
	ticksOfTurn = deskTicks;
	clockOfTurn = host.now();
	return output;
}

/** One event from the desk: an ArrayBuffer in, the ArrayBuffer of operations out. */
export function handle(command) {
	const event = new Uint8Array(command);
	beginTurn(numberAt(event, 8));
	if (rejected) {
		abort(rejection);
		return output;
	}
	const handler = handlers[event[0]];
	if (handler !== undefined) {
		try {
			handler(numberAt(event, 4), event);
		} catch (error) {
			abort(error);
		}
	}
	return output;
}

export function numberAt(bytes, offset) {
	return (bytes[offset] | (bytes[offset + 1] << 8) | (bytes[offset + 2] << 16) | (bytes[offset + 3] << 24)) >>> 0;
}

/** Slots that a device module allocated and that native code on a board would not. */
export function spent(slots) {
	outputFields.setInt32(0, outputFields.getInt32(0, true) + slots, true);
}

/** Makes room for an operation; answers where its body starts. */
function append(kind, id, length) {
	const start = output.byteLength;
	const body = start + ${OPERATION_HEADER_BYTES};
	output.resize(body + length);
	outputFields.setUint8(start, kind);
	outputFields.setUint32(start + 4, id, true);
	outputFields.setUint32(start + 8, length, true);
	return body;
}

export function send(kind, id) {
	append(kind, id, 0);
}

export function sendNumber(kind, id, first) {
	const body = append(kind, id, 4);
	outputFields.setUint32(body, first, true);
}

export function sendNumbers(kind, id, first, second, third) {
	const body = append(kind, id, 12);
	outputFields.setUint32(body, first, true);
	outputFields.setUint32(body + 4, second, true);
	outputFields.setUint32(body + 8, third, true);
}

/** bytes: a typed array of single bytes */
export function sendBytes(kind, id, bytes) {
	const body = append(kind, id, bytes.length);
	outputBytes.set(bytes, body);
}

/** Takes 7 slots, which the caller reports where it matters. */
export function sendText(kind, id, text) {
	sendBytes(kind, id, encoder.encode(text));
}

/** What a board does with an exception that nobody caught: it ends the machine. */
export function abort(error) {
	sendText(${OperationKind.abort}, 0, describe(error));
}

/** The next event ends the machine, as an unhandled rejection does on a board. */
export function reject(error) {
	rejected = true;
	rejection = error;
}

function describe(error) {
	try {
		return String(error);
	} catch {
		return "an exception that cannot be described";
	}
}

/** Runs what the desk wants to know, and sends the answer once there is one. */
export function evaluate(id, deskTicks, compute) {
	beginTurn(deskTicks);
	let value;
	try {
		value = compute();
	} catch (error) {
		sendText(${OperationKind.failure}, id, describe(error));
		return output;
	}
	Promise.resolve(value).then(
		(result) => {
			const text = JSON.stringify(result);
			sendText(${OperationKind.result}, id, text === undefined ? "" : text);
		},
	).catch((error) => sendText(${OperationKind.failure}, id, describe(error)));
	return output;
}

/** Moddable's global: writes its arguments to the console, without a line end of its own. */
export function trace(...parts) {
	let text = "";
	for (let index = 0; index < parts.length; index++) {
		text += parts[index];
	}
	sendText(${OperationKind.trace}, 0, text);
	spent(9);
}

/** Moddable's ArrayBuffer.fromString: 3 slots on a board. */
export function arrayBufferFromString(text) {
	const encoded = encoder.encode(text);
	spent(4);
	return encoded.buffer;
}

/** Moddable's String.fromArrayBuffer: no slots on a board. */
export function stringFromArrayBuffer(buffer) {
	const view = new Uint8Array(buffer);
	spent(4);
	return decoder.decode(view);
}
`;
