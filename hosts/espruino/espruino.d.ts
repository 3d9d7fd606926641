/** What this host uses of Espruino. */

interface EspruinoSocket {
	/** What has not been sent yet. */
	dSnd?: string;
	/** Set by this host: whose socket it is. */
	link: unknown;
	write(text: string): boolean;
	end(): void;
	on(event: "data", handler: (this: EspruinoSocket, text: string) => void): void;
	on(event: "drain" | "close", handler: (this: EspruinoSocket) => void): void;
}

interface EspruinoAddress {
	host: string;
	port: number;
	ca?: string | undefined;
	cert?: string | undefined;
	key?: string | undefined;
}

declare function require(name: "net" | "tls"): {
	connect(options: EspruinoAddress, connected: (this: EspruinoSocket, socket: EspruinoSocket) => void): EspruinoSocket;
};
declare function require(name: "Storage"): {
	readJSON(name: string, quiet: boolean): unknown;
	read(name: string, offset: number, length: number): string | undefined;
	/** Into erased bytes of the file; with a size, the first time. False if it has no room. */
	write(name: string, text: string, offset: number, size?: number): boolean;
	erase(name: string): void;
};

/** A UART. */
interface EspruinoSerial {
	/** Set by this host: whose UART it is. */
	link?: unknown;
	setup(baudRate: number, options: object | undefined): void;
	write(bytes: Uint8Array): void;
	on(event: "data", handler: (this: EspruinoSerial, text: string) => void): void;
}

declare function setTimeout<T extends unknown[]>(
	callback: (...values: T) => void,
	milliseconds: number,
	...values: T
): number;
declare function clearTimeout(timer: number): void;
/** Seconds, from the clock of the board. */
declare function getTime(): number;

declare const E: {
	/** A text of which each character is one byte; of a whole array it is the same memory. */
	toString(bytes: Uint8Array): string;
	/** The UTF-8 bytes of a text. */
	toUint8Array(text: string): Uint8Array;
};
