/**
 * Sockets of any class in the shape of the device's own. Some of them, such as Moddable's TLSSocket, call their callbacks with
 * another `this`, and know no `target`. Only firmware that gives `socket` carries this.
 */
import type { Socket, SocketClass, SocketOptions, TcpLink } from "./tcp-link.js";

/** What is used of a socket. */
interface AnySocket {
	read(into: Uint8Array): number | undefined;
	write(bytes: Uint8Array): number | undefined;
	close(): void;
}

/** A class of sockets, with what its constructor wants to know beside address, host and port. */
export interface AnySocketOptions {
	io: new (options: never) => AnySocket;
	[option: string]: unknown;
}

/** A class in the shape that TcpLink wants. A connection takes some 60 slots beside what the socket itself takes. */
export function adapted(given: AnySocketOptions): SocketClass {
	return class implements Socket {
		readonly target: TcpLink;
		private readonly socket: AnySocket;

		constructor(options: SocketOptions) {
			const { target } = options;
			this.target = target;
			this.socket = new given.io({
				...given,
				...options,
				target: undefined,
				onReadable: (count: number) => target.readable(this, count),
				onWritable: (count: number) => target.writable(this, count),
				onError: () => target.broken(this),
			} as never);
		}

		read(into: Uint8Array): number | undefined {
			return this.socket.read(into);
		}

		write(bytes: Uint8Array): number | undefined {
			return this.socket.write(bytes);
		}

		close(): void {
			try {
				this.socket.close();
			} catch {
				// It has closed itself already.
			}
		}
	};
}
