/** Moddable's TCP socket for the workload: it counts what is written, and reads the packet that is fed. */

interface Options {
	readonly target: unknown;
	onReadable(this: CountingSocket, count: number): void;
	onWritable(this: CountingSocket, count: number): void;
	onError(this: CountingSocket): void;
}

/** The socket that was opened last, its callbacks, and what it reads. */
export const open = {
	socket: undefined as never as CountingSocket,
	options: undefined as never as Options,
	packet: new Uint8Array(64),
};

export default class CountingSocket {
	readonly target: unknown;
	written = 0;

	constructor(options: Options) {
		this.target = options.target;
		open.socket = this;
		open.options = options;
	}
	read(into: Uint8Array): number {
		into.set(open.packet);
		return into.length;
	}
	write(bytes: Uint8Array): number {
		this.written += bytes.length;
		return 1536;
	}
	close(): void {}
}
