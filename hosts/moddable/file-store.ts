/**
 * A Store in a file of ECMA-419: in the simulator what flash is on a board. On an ESP32 it works, too; but littlefs copies a block for
 * each piece that is written, so that a FlashStore there lasts much longer.
 */
import { fail, whole } from "../../src/check.js";
import type { Store } from "../../src/host.js";
import { Piece } from "./piece.js";

/** What is used of an open file. */
export interface StoreFile {
	read(into: Uint8Array, at: number): unknown;
	write(bytes: Uint8Array, at: number): void;
	flush(): void;
	status(): { size: number };
	close(): void;
}

/** What is used of a folder: the default export of Moddable's module "embedded:storage/files" is one. */
export interface StoreFolder {
	openFile(options: { path: string; mode: string }): StoreFile;
	/** `mode` of what there is not is 0. */
	status(path: string): { mode: number };
	move(from: string, to: string): void;
}

export interface FileStoreOptions {
	/** The folder that the file is in. */
	files: StoreFolder;
	/** The name of the file; it is made where there is none. It is for one client at a time. */
	path: string;
	/** 2 to 65,535. Default 4. */
	pages?: number;
	/** Bytes of a page, a multiple of four, 64 to 65,536. Default 4096. */
	pageSize?: number;
}

/** Bytes that are read or written at a time. */
const PIECE = 64;

export class FileStore implements Store {
	readonly pageSize: number;
	readonly pages: number;
	private readonly file: StoreFile;
	private readonly piece = new Piece(PIECE);

	/** Throws an Error if an option is wrong, the file cannot be opened, or it was made with other pages. */
	constructor(options: FileStoreOptions) {
		const { files, path } = options;
		if (typeof path !== "string" || path === "") fail("path must be the name of a file");
		this.pages = whole(options.pages, 4, 2, 65_535, "pages");
		this.pageSize = whole(options.pageSize, 4096, 64, 65_536, "pageSize (bytes)");
		if (this.pageSize % 4 !== 0) fail(`pageSize must be a multiple of 4, not ${this.pageSize}`);
		if (files.status(path).mode === 0) this.make(files, path);
		this.file = files.openFile({ path, mode: "r+" });
		const { size } = this.file.status();
		if (size === this.pages * this.pageSize) return;
		this.file.close();
		fail(
			`${path} has ${size} bytes, and not ${this.pages} pages of ${this.pageSize}: give the pages and the pageSize that it was made with, or remove it`,
		);
	}

	/** An erased file. It gets its name when it is complete: a power cut leaves none that is too short. */
	private make(files: StoreFolder, path: string): void {
		const unnamed = `${path}.new`;
		const file = files.openFile({ path: unnamed, mode: "w" });
		for (let page = 0; page < this.pages; page++) this.fill(file, page);
		file.flush();
		file.close();
		files.move(unnamed, path);
	}

	/** With what an erased page holds. */
	private fill(file: StoreFile, page: number): void {
		const { piece, pageSize } = this;
		for (let done = 0; done < pageSize; done += PIECE) {
			piece.length = Math.min(pageSize - done, PIECE);
			piece.view.fill(255);
			file.write(piece.view, page * pageSize + done);
		}
	}

	read(at: number, bytes: Uint8Array, start: number, length: number): void {
		const { file, piece } = this;
		for (let done = 0; done < length; done += PIECE) {
			piece.length = Math.min(length - done, PIECE);
			if (file.read(piece.view, at + done) !== piece.length) fail("the store's file has become shorter");
			bytes.set(piece.view, start + done);
		}
	}

	write(at: number, bytes: Uint8Array, start: number, length: number): void {
		const { file, piece } = this;
		for (let done = 0; done < length; done += PIECE) {
			piece.take(0, bytes, start + done, Math.min(length - done, PIECE));
			file.write(piece.view, at + done);
		}
		file.flush();
	}

	erase(page: number): void {
		this.fill(this.file, page);
		this.file.flush();
	}

	/** Gives the file back; from then on each call throws. */
	close(): void {
		this.file.close();
	}
}
