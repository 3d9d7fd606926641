/**
 * JavaScript that runs inside a board's engine: the module `system`, which makes the global `System` as Moddable's does. The board
 * loads it before its firmware. modules.ts hands it out; both engines run it.
 */

import { EVENT_HEADER_BYTES, EventKind, OperationKind } from "./protocol.js";

export const systemSource = `
import { register, sendText, spent, stringFromArrayBuffer } from "board:harness";

/** Requests that wait for their answer: pairs of a name and a callback. */
const waiting = new Map();
let count = 0;

globalThis.System = class System {
	static resolve(name, callback) {
		const id = count++;
		waiting.set(id, { name: String(name), callback });
		sendText(${OperationKind.resolve}, id, name);
		spent(13);
	}
};

register(${EventKind.resolved}, function (id, event) {
	const { name, callback } = waiting.get(id);
	waiting.delete(id);
	const address = event.length > ${EVENT_HEADER_BYTES} ? stringFromArrayBuffer(event.slice(${EVENT_HEADER_BYTES}).buffer) : undefined;
	callback.call(globalThis, name, address);
});
`;
