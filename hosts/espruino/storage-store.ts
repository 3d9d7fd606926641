/**
 * A Store in Espruino's Storage: one file for each page. Bytes are written into the erased part of a file, which Storage allows
 * once; an erased page is a new file, and the old one is trash until Storage tidies up by itself.
 */
import { fail, whole } from "../../src/check.js";
import type { Store } from "../../src/host.js";

/** With a write at offset 0 Storage begins a new file: so what is written later stands behind so many bytes. */
const HEAD = 4;

export interface StorageStoreOptions {
	/** What the names of the files begin with, 1 to 24 characters; default "mqtt-mote.". */
	name?: string;
	/** Default 2. */
	pages?: number;
	/** Bytes of a page, a multiple of four; default 2,560, which suits an outbox of 1,024. */
	pageSize?: number;
}

export class StorageStore implements Store {
	readonly pages: number;
	readonly pageSize: number;
	private readonly name: string;

	/** Throws an Error if an option is out of range. */
	constructor(options: StorageStoreOptions) {
		const { name } = options;
		this.name = name === undefined ? "mqtt-mote." : name;
		if (this.name.length < 1 || this.name.length > 24) fail("name of a StorageStore has 1 to 24 characters");
		this.pages = whole(options.pages, 2, 2, 99, "pages");
		this.pageSize = whole(options.pageSize, 2560, 64, 65_536, "pageSize (bytes)") & ~3;
	}

	read(at: number, bytes: Uint8Array, start: number, length: number): void {
		while (length > 0) {
			const offset = at % this.pageSize;
			const count = this.pageSize - offset < length ? this.pageSize - offset : length;
			const text = require("Storage").read(this.file(at), HEAD + offset, count);
			if (text === undefined) bytes.fill(255, start, start + count);
			else bytes.set(text as never, start);
			at += count;
			start += count;
			length -= count;
		}
	}

	write(at: number, bytes: Uint8Array, start: number, length: number): void {
		while (length > 0) {
			const offset = at % this.pageSize;
			const count = this.pageSize - offset < length ? this.pageSize - offset : length;
			const text = E.toString(bytes.slice(start, start + count) as Uint8Array);
			if (!require("Storage").write(this.file(at), text, HEAD + offset)) fail("Storage did not take a write");
			at += count;
			start += count;
			length -= count;
		}
	}

	erase(page: number): void {
		const name = this.file(page * this.pageSize);
		require("Storage").erase(name);
		if (!require("Storage").write(name, "page", 0, HEAD + this.pageSize)) fail("Storage has no room for a page");
	}

	private file(at: number): string {
		return this.name + Math.floor(at / this.pageSize);
	}
}
