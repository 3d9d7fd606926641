/** The same doors as link.ts, through Moddable's TcpLink over tcp.ts and timer.ts. */
import { clock } from "../../hosts/moddable/clock.js";
import { TcpLink } from "../../hosts/moddable/tcp-link.js";
import { open as tcp } from "./tcp.js";

export { fire } from "./timer.js";

/** With a clock that a workload can set. */
export const link = Object.defineProperty(new TcpLink({ host: "127.0.0.1" }), "clock", { value: { ...clock } });

export function open(): void {
	tcp.options.onWritable.call(tcp.socket, 1536);
}

export function feed(bytes: Uint8Array, length: number): void {
	tcp.packet = bytes as never;
	tcp.options.onReadable.call(tcp.socket, length);
}

export function feedIdentifier(bytes: Uint8Array, identifier: number): void {
	bytes[2] = identifier >> 8;
	bytes[3] = identifier;
	feed(bytes, 4);
}

export function lose(): void {
	tcp.options.onError.call(tcp.socket);
}
