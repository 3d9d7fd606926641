/**
 * The bytes between the desk and what runs inside a board's engine. The desk hands in one event at a time;
 * the engine runs the firmware's callback and answers with the operations that it asked for meanwhile.
 * Nothing here knows which engine it is. Used by board.ts, bridge.ts, both engines and modules.ts.
 *
 * An event: kind, three bytes unused, identifier, ticks, then its body. Operations: the slots that the
 * harness itself took, then for each: kind, three bytes unused, identifier, length, then so many bytes.
 * All numbers are 32 bits, little-endian.
 */

/** Desk to engine. */
export const EventKind = {
	/** Nothing happened: measures what an event costs by itself. */
	idle: 0,
	timer: 1,
	connected: 2,
	readable: 3,
	writable: 4,
	failed: 5,
	resolved: 6,
} as const;

/** Engine to desk. */
export const OperationKind = {
	connect: 1,
	write: 2,
	read: 3,
	close: 4,
	schedule: 5,
	unschedule: 6,
	trace: 7,
	abort: 8,
	result: 9,
	failure: 10,
	resolve: 11,
} as const;

export const EVENT_HEADER_BYTES = 12;
export const OPERATIONS_HEADER_BYTES = 4;
export const OPERATION_HEADER_BYTES = 12;

/** What a socket of a board holds in each direction, as in Moddable's TCP for Linux. */
export const SOCKET_BUFFER_BYTES = 1536;

export interface Operation {
	readonly kind: number;
	readonly id: number;
	readonly body: Uint8Array;
}

const decoder = new TextDecoder();

export function encodeEvent(kind: number, id: number, ticks: number, body: Uint8Array): Uint8Array {
	const event = new Uint8Array(EVENT_HEADER_BYTES + body.length);
	const fields = new DataView(event.buffer);
	fields.setUint8(0, kind);
	fields.setUint32(4, id, true);
	fields.setUint32(8, ticks, true);
	event.set(body, EVENT_HEADER_BYTES);
	return event;
}

/** The slots that the harness took for itself during a turn, beyond the fixed cost of an event. */
export function harnessSlots(operations: Uint8Array): number {
	return fieldsOf(operations).getInt32(0, true);
}

export function decodeOperations(operations: Uint8Array): Operation[] {
	const fields = fieldsOf(operations);
	const decoded: Operation[] = [];
	let offset = OPERATIONS_HEADER_BYTES;
	while (offset < operations.length) {
		const length = fields.getUint32(offset + 8, true);
		const start = offset + OPERATION_HEADER_BYTES;
		decoded.push({
			kind: fields.getUint8(offset),
			id: fields.getUint32(offset + 4, true),
			body: operations.slice(start, start + length),
		});
		offset = start + length;
	}
	return decoded;
}

export function bodyText(operation: Operation): string {
	return decoder.decode(operation.body);
}

/** The `index`-th 32-bit number of an operation's body. */
export function bodyNumber(operation: Operation, index: number): number {
	return fieldsOf(operation.body).getUint32(index * 4, true);
}

function fieldsOf(bytes: Uint8Array): DataView {
	return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
