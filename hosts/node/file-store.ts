/** A file as a Store: on a desk and on a gateway what flash memory is on a board. */
import {
	closeSync,
	fdatasyncSync,
	fstatSync,
	fsyncSync,
	openSync,
	readSync,
	renameSync,
	statSync,
	writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { fail, whole } from "../../src/check.js";
import type { Store } from "../../src/host.js";

export interface FileStoreOptions {
	/** The file; it is made where there is none. It is for one client at a time. */
	path: string;
	/** 2 to 65,535. Default 4. */
	pages?: number;
	/** Bytes of a page, a multiple of four, 64 to 1,048,576. Default 4096. */
	pageSize?: number;
	/**
	 * True (the default): what was written outlives a power cut. False: it outlives the end of the process, however that
	 * comes about, and not that of the operating system; it is much faster.
	 */
	sync?: boolean;
}

const ERASED = 255;

/** In place of the number of a file. */
const CLOSED = -1;

export class FileStore implements Store {
	readonly pageSize: number;
	readonly pages: number;
	private file: number;
	private readonly sync: boolean;
	private readonly erased: Uint8Array;

	/** Throws an Error if an option is wrong, the file cannot be opened, or it was made with other pages. */
	constructor(options: FileStoreOptions) {
		const { path } = options;
		if (typeof path !== "string" || path === "") fail("path must be the name of a file");
		this.pages = whole(options.pages, 4, 2, 65_535, "pages");
		this.pageSize = whole(options.pageSize, 4096, 64, 1_048_576, "pageSize (bytes)");
		if (this.pageSize % 4 !== 0) fail(`pageSize must be a multiple of 4, not ${this.pageSize}`);
		this.sync = options.sync !== false;
		this.erased = new Uint8Array(this.pageSize).fill(ERASED);
		this.file = this.open(path);
		const { size } = fstatSync(this.file);
		if (size === this.pages * this.pageSize) return;
		closeSync(this.file);
		fail(
			`${path} has ${size} bytes, and not ${this.pages} pages of ${this.pageSize}: give the pages and the pageSize that it was made with, or remove it`,
		);
	}

	private open(path: string): number {
		try {
			if (!statSync(path, { throwIfNoEntry: false })) this.make(path);
			return openSync(path, "r+");
		} catch (error) {
			return fail(`the store cannot be opened: ${(error as Error).message}`);
		}
	}

	/** An erased file. It gets its name when it is complete: a power cut leaves none that is too short. */
	private make(path: string): void {
		const unnamed = `${path}.new`;
		const file = openSync(unnamed, "w");
		try {
			for (let page = 0; page < this.pages; page++) put(file, this.erased, 0, this.pageSize, page * this.pageSize);
			if (this.sync) fsyncSync(file);
		} finally {
			closeSync(file);
		}
		renameSync(unnamed, path);
		if (!this.sync || process.platform === "win32") return; // Windows opens no folders
		const folder = openSync(dirname(path), "r");
		fsyncSync(folder);
		closeSync(folder);
	}

	read(at: number, into: Uint8Array, start: number, length: number): void {
		this.check(at, length);
		for (let done = 0; done < length; ) {
			const count = readSync(this.file, into, start + done, length - done, at + done);
			if (count === 0) fail("the store's file has become shorter");
			done += count;
		}
	}

	write(at: number, from: Uint8Array, start: number, length: number): void {
		this.check(at, length);
		put(this.file, from, start, length, at);
		if (this.sync) fdatasyncSync(this.file);
	}

	erase(page: number): void {
		this.write(page * this.pageSize, this.erased, 0, this.pageSize);
	}

	/** Gives the file back; from then on each call throws. */
	close(): void {
		if (this.file !== CLOSED) closeSync(this.file);
		this.file = CLOSED;
	}

	private check(at: number, length: number): void {
		if (this.file === CLOSED) fail("the store is closed");
		if (at < 0 || at + length > this.pages * this.pageSize) fail(`the store has no ${length} bytes at ${at}`);
	}
}

/** Writes all of it, however often the operating system has to be asked. */
function put(file: number, from: Uint8Array, start: number, length: number, at: number): void {
	for (let done = 0; done < length; ) done += writeSync(file, from, start + done, length - done, at + done);
}
