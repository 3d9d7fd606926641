/**
 * Storage of Moddable's modules on a desk, in the shape of the SDK's own classes (8.2.3), whose power can be cut at any byte. What a
 * store must not do is thrown and kept in `complaints`.
 */
import type { StoreFile, StoreFolder } from "../../hosts/moddable/file-store.js";
import type { FlashPartition, FlashSectors } from "../../hosts/moddable/flash-store.js";
import type { KeyValues } from "../../hosts/moddable/key-value-store.js";

export class PowerCut extends Error {}

/** Steps until the power is cut, for all that shares it. */
export class Power {
	left = Number.POSITIVE_INFINITY;
	used = 0;
	readonly complaints: string[] = [];

	get isCut(): boolean {
		return this.left < 0;
	}

	/** How many of these steps can still be done. */
	spend(steps: number): number {
		const possible = Math.max(0, Math.min(steps, this.left));
		this.left -= steps;
		this.used += possible;
		return possible;
	}

	/** All of it, or nothing. */
	once(): void {
		if (this.spend(1) < 1) throw new PowerCut("no power");
	}

	need(): void {
		if (this.isCut) throw new PowerCut("no power");
	}

	complain(what: string): never {
		this.complaints.push(what);
		throw new Error(what);
	}
}

/** NOR flash: bits are only cleared, and set again a block at a time. */
class Nor {
	readonly bytes: Uint8Array;

	constructor(
		readonly power: Power,
		readonly blocks: number,
		readonly blockLength: number,
	) {
		this.bytes = new Uint8Array(blocks * blockLength).fill(0x5a); // what a firmware before this one has left
	}

	erase(block: number): void {
		if (!Number.isInteger(block) || block < 0 || block >= this.blocks)
			this.power.complain(`there is no block ${block}`);
		const steps = this.power.spend(3);
		const start = block * this.blockLength;
		if (steps >= 1) this.bytes.fill(255, start, start + this.blockLength / 2);
		if (steps === 3) this.bytes.fill(255, start, start + this.blockLength);
		if (steps < 3) throw new PowerCut("the power was cut amid an erase");
	}

	read(at: number, length: number): Uint8Array {
		this.power.need();
		if (!(length > 0) || at < 0 || at + length > this.bytes.length) this.power.complain(`no ${length} bytes at ${at}`);
		return this.bytes.slice(at, at + length);
	}

	write(at: number, bytes: Uint8Array): void {
		if (at < 0 || at + bytes.length > this.bytes.length) this.power.complain(`no ${bytes.length} bytes at ${at}`);
		for (const byte of bytes.subarray(0, this.power.spend(bytes.length))) {
			if (this.bytes[at] !== 255) this.power.complain(`byte ${at} was written, and had not been erased`);
			this.bytes[at++] &= byte;
		}
		this.power.need();
	}
}

/** As `flash.open({ path })` of "embedded:storage/flash". */
export class Partition implements FlashPartition {
	private readonly nor: Nor;

	constructor(power: Power, blocks: number, blockLength: number) {
		this.nor = new Nor(power, blocks, blockLength);
	}

	eraseBlock(block: number): void {
		this.nor.erase(block);
	}

	read(into: Uint8Array, at: number): number {
		into.set(this.nor.read(at, into.byteLength));
		return into.byteLength;
	}

	write(bytes: Uint8Array, at: number): void {
		this.nor.write(at, bytes);
	}

	status(): { size: number; blocks: number; blockLength: number } {
		const { bytes, blocks, blockLength } = this.nor;
		return { size: bytes.length, blocks, blockLength };
	}
}

/** As `new Flash("storage")` of the module "flash". */
export class Sectors implements FlashSectors {
	private readonly nor: Nor;

	constructor(power: Power, blocks: number, blockSize: number) {
		this.nor = new Nor(power, blocks, blockSize);
	}

	get byteLength(): number {
		return this.nor.bytes.length;
	}

	get blockSize(): number {
		return this.nor.blockLength;
	}

	erase(sector: number): void {
		this.nor.erase(sector);
	}

	read(at: number, length: number): ArrayBuffer {
		return this.nor.read(at, length).buffer as ArrayBuffer;
	}

	write(at: number, length: number, bytes: Uint8Array): void {
		if (bytes.byteLength < length) this.nor.power.complain("invalid");
		this.nor.write(at, bytes.subarray(0, length));
	}
}

/** As `keyValue.open({ path })` of "embedded:storage/key-value": a value is the old one or the new one, whenever the power is cut. */
export class Values implements KeyValues {
	readonly values = new Map<string, Uint8Array>();

	/** `intoView`: as on boards, which read into the view they are given; else as on macOS, which makes a buffer. */
	constructor(
		private readonly power: Power,
		private readonly intoView: boolean,
	) {}

	read(key: string, into: Uint8Array): number | ArrayBuffer | undefined {
		this.power.need();
		const value = this.values.get(key);
		if (value === undefined) return undefined;
		if (!this.intoView) return value.slice().buffer as ArrayBuffer;
		if (into.byteLength < value.length) throw new RangeError("buffer too small");
		into.set(value);
		return value.length;
	}

	write(key: string, value: Uint8Array): void {
		if (key.length < 1 || key.length > 15) this.power.complain(`no key on an ESP32: ${key}`);
		if (value.byteLength < 1 || value.byteLength > 63)
			this.power.complain(`no value on an ESP8266: ${value.byteLength} bytes`);
		this.power.once();
		this.values.set(key, value.slice());
	}

	delete(key: string): void {
		this.power.once();
		this.values.delete(key);
	}
}

/** As the default export of "embedded:storage/files". What was written is there at once, byte by byte. */
export class Folder implements StoreFolder {
	readonly files = new Map<string, number[]>();
	/** How often a file was flushed. */
	flushes = 0;

	constructor(private readonly power: Power) {}

	openFile({ path, mode }: { path: string; mode: string }): StoreFile {
		const { power, files } = this;
		if (mode !== "w" && mode !== "r+") power.complain(`invalid mode ${mode}`);
		if (mode === "w") files.set(path, []);
		const bytes = files.get(path);
		if (!bytes) throw new Error("No such file or directory");
		let isOpen = true;
		const check = () => {
			power.need();
			if (!isOpen) throw new TypeError("invalid host data");
		};
		return {
			read: (into, at) => {
				check();
				if (mode === "w") power.complain("write-only");
				const part = bytes.slice(at, at + into.byteLength);
				into.set(part);
				return part.length;
			},
			write: (from, at) => {
				check();
				if (at > bytes.length) power.complain("a hole in the file");
				for (const byte of from.subarray(0, power.spend(from.length))) bytes[at++] = byte;
				power.need();
			},
			flush: () => {
				check();
				this.flushes++;
			},
			status: () => ({ size: bytes.length }),
			close: () => {
				isOpen = false;
			},
		};
	}

	status(path: string): { mode: number } {
		return { mode: this.files.has(path) ? 0o100644 : 0 };
	}

	move(from: string, to: string): void {
		this.power.once();
		this.files.set(to, this.files.get(from) ?? this.power.complain(`no file ${from}`));
		this.files.delete(from);
	}
}
