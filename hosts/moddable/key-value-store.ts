/**
 * A Store in the key-value storage of ECMA-419: NVS on an ESP32, two sectors of flash on an ESP8266. A value is written as a whole, so a
 * page is a row of small values, its cells. A cell's value ends behind what was written into it last: what stands behind that is erased,
 * and so is a cell without a value. No copy of it is held in RAM: what a cell holds is read before more is written into it.
 */
import { fail, whole } from "../../src/check.js";
import type { Store } from "../../src/host.js";
import { Piece } from "./piece.js";

/** What is used of `keyValue.open({ path })`, of Moddable's module "embedded:storage/key-value". */
export interface KeyValues {
	/** Reads into the view, and gives the bytes read; or gives a buffer of its own; undefined if there is no such value. */
	read(key: string, into: Uint8Array): number | ArrayBuffer | undefined;
	write(key: string, value: Uint8Array): void;
	delete(key: string): void;
}

export interface KeyValueStoreOptions {
	/** An open storage, its format "buffer", as it is by itself. It is for one client. */
	storage: KeyValues;
	/** Default 2. */
	pages?: number;
	/** Bytes of a page, a multiple of 60, 60 to 7,680; default 2,520, which suits an outbox of 1,024. */
	pageSize?: number;
}

/** Bytes of a cell: an ESP8266 takes 63 at most. */
const CELL = 60;

/** All names of cells, so that none has to be made. Where this module is preloaded, they need no memory. */
const KEYS: readonly string[] = /* @__PURE__ */ Object.freeze(
	/* @__PURE__ */ Array.from({ length: 256 }, (_, i) => i.toString(36)),
);

export class KeyValueStore implements Store {
	readonly pageSize: number;
	readonly pages: number;
	private readonly storage: KeyValues;
	private readonly cell = new Piece(CELL);

	/** Throws an Error if an option is wrong. */
	constructor(options: KeyValueStoreOptions) {
		this.storage = options.storage;
		this.pages = whole(options.pages, 2, 2, KEYS.length, "pages");
		this.pageSize = whole(options.pageSize, 42 * CELL, CELL, (KEYS.length / 2) * CELL, "pageSize (bytes)");
		if (this.pageSize % CELL !== 0) fail(`pageSize must be a multiple of ${CELL}, not ${this.pageSize}`);
		const most = KEYS.length * CELL;
		if (this.pages * this.pageSize > most)
			fail(`a KeyValueStore has at most ${most} bytes, not ${this.pages} pages of ${this.pageSize}`);
	}

	read(at: number, bytes: Uint8Array, start: number, length: number): void {
		for (let done = 0; done < length; ) {
			const offset = (at + done) % CELL;
			const count = Math.min(length - done, CELL - offset);
			const used = this.load(at + done);
			const { view } = this.cell;
			for (let i = 0; i < count; i++) bytes[start + done + i] = offset + i < used ? view[offset + i] : 255;
			done += count;
		}
	}

	write(at: number, bytes: Uint8Array, start: number, length: number): void {
		const { cell, storage } = this;
		for (let done = 0; done < length; ) {
			const offset = (at + done) % CELL;
			const count = Math.min(length - done, CELL - offset);
			if (offset > 0) {
				const used = this.load(at + done);
				if (used < offset) cell.view.fill(255, used);
			}
			cell.take(offset, bytes, start + done, count);
			storage.write(this.key(at + done), cell.view);
			done += count;
		}
	}

	erase(page: number): void {
		const base = page * this.pageSize;
		for (let at = 0; at < this.pageSize; at += CELL) this.storage.delete(this.key(base + at));
	}

	private key(at: number): string {
		return KEYS[Math.floor(at / CELL)];
	}

	/** Fetches the value of the cell at this position; how long it is. */
	private load(at: number): number {
		const { cell, storage } = this;
		cell.length = CELL;
		const got = storage.read(this.key(at), cell.view);
		if (got === undefined) return 0;
		if (typeof got === "number") return got;
		cell.view.set(new Uint8Array(got));
		return got.byteLength;
	}
}
