/**
 * The least that any client could do for the budget workload: no connection, no checks, no outbox, no
 * dispatch; only the bytes are written, or their places found. A lower bound for `npm run bench`.
 */
const TOPIC = "sensors/kitchen/temperature";
const payload = new Uint8Array(32).fill(120);
const output = new Uint8Array(256);
const input = new Uint8Array(256);
const head = new Uint8Array(2 + TOPIC.length);
head[1] = TOPIC.length;
for (let i = 0; i < TOPIC.length; i++) head[2 + i] = TOPIC.charCodeAt(i);
export let sum = 0;
let identifier = 0;

function publish(header: number, messageIdentifier: number): number {
	let at = 2;
	output[0] = header;
	output.set(head, at);
	at += head.length;
	if (messageIdentifier !== 0) {
		output[at] = messageIdentifier >> 8;
		output[at + 1] = messageIdentifier;
		at += 2;
	}
	output.set(payload, at);
	at += payload.length;
	output[1] = at - 2;
	return at;
}

export function publishQos0(n: number): void {
	for (let i = 0; i < n; i++) sum += publish(0x30, 0);
}

export function publishQos1(n: number): void {
	for (let i = 0; i < n; i++) {
		identifier = (identifier + 1) & 0xffff;
		sum += publish(0x32, identifier);
		input[0] = 0x40;
		input[1] = 2;
		input[2] = identifier >> 8;
		input[3] = identifier;
		if (input[0] === 0x40 && input[1] === 2 && ((input[2] << 8) | input[3]) === identifier) sum++;
	}
}

/** Finds topic and payload of the PUBLISH in the input; returns where the payload begins. */
function parse(identifierBytes: number): number {
	const end = 2 + input[1];
	const topic = (input[2] << 8) | input[3];
	const start = 4 + topic + identifierBytes;
	sum += end - start;
	return start;
}

input.set([0x30, 61, 0, 27]);

export function receiveQos0(n: number): void {
	for (let i = 0; i < n; i++) sum += parse(0);
}

export function receiveQos1(n: number): void {
	for (let i = 0; i < n; i++) {
		const start = parse(2);
		output[0] = 0x40;
		output[1] = 2;
		output[2] = input[start - 2];
		output[3] = input[start - 1];
	}
}
