/**
 * A Store in raw flash: a part of a partition, one page for each of its blocks. It suits what the journal does best: bytes are written
 * once into erased ones, without any others being touched.
 */
import { fail, whole } from "../../src/check.js";
import type { Store } from "../../src/host.js";
import { Piece } from "./piece.js";

/** What is used of a partition of ECMA-419: `flash.open({ path })`, of Moddable's module "embedded:storage/flash". */
export interface FlashPartition {
	eraseBlock(block: number): void;
	read(into: Uint8Array, at: number): unknown;
	write(bytes: Uint8Array, at: number): unknown;
	status(): { blocks: number; blockLength: number };
}

/** What is used of `new Flash("storage")`, of Moddable's older module "flash": all that there is on an ESP8266. */
export interface FlashSectors {
	readonly byteLength: number;
	readonly blockSize: number;
	erase(sector: number): void;
	read(at: number, length: number): ArrayBuffer;
	write(at: number, length: number, bytes: Uint8Array): void;
}

export interface FlashStoreOptions {
	/** The partition. It is for one client, or `first` and `pages` say which part is. */
	flash: FlashPartition | FlashSectors;
	/** The first block that is used; default 0. */
	first?: number;
	/** How many blocks are used, 2 or more; default 4. */
	pages?: number;
}

/** Bytes that are read or written at a time. */
const PIECE = 64;

export class FlashStore implements Store {
	readonly pageSize: number;
	readonly pages: number;
	private readonly flash: FlashPartition | FlashSectors;
	private readonly first: number;
	private readonly piece = new Piece(PIECE);

	/** Throws an Error if the partition has no such blocks. */
	constructor(options: FlashStoreOptions) {
		const { flash } = options;
		let blocks = 0;
		if ("eraseBlock" in flash) {
			const status = flash.status();
			blocks = status.blocks;
			this.pageSize = status.blockLength;
		} else {
			this.pageSize = flash.blockSize;
			blocks = Math.floor(flash.byteLength / this.pageSize);
		}
		this.flash = flash;
		this.first = whole(options.first, 0, 0, 65_535, "first (block)");
		this.pages = whole(options.pages, 4, 2, 65_535, "pages");
		if (this.first + this.pages > blocks) {
			fail(
				`the partition has ${blocks} blocks of ${this.pageSize} bytes, and none after ${this.first + this.pages - 1}`,
			);
		}
	}

	read(at: number, bytes: Uint8Array, start: number, length: number): void {
		const { flash, piece } = this;
		const base = this.first * this.pageSize;
		for (let done = 0; done < length; done += PIECE) {
			const count = Math.min(length - done, PIECE);
			piece.length = count;
			if ("eraseBlock" in flash) {
				flash.read(piece.view, base + at + done);
				bytes.set(piece.view, start + done);
			} else bytes.set(new Uint8Array(flash.read(base + at + done, count)), start + done);
		}
	}

	write(at: number, bytes: Uint8Array, start: number, length: number): void {
		const { flash, piece } = this;
		const base = this.first * this.pageSize;
		for (let done = 0; done < length; done += PIECE) {
			piece.take(0, bytes, start + done, Math.min(length - done, PIECE));
			if ("eraseBlock" in flash) flash.write(piece.view, base + at + done);
			else flash.write(base + at + done, piece.length, piece.view);
		}
	}

	erase(page: number): void {
		const { flash, first } = this;
		if ("eraseBlock" in flash) flash.eraseBlock(first + page);
		else flash.erase(first + page);
	}
}
