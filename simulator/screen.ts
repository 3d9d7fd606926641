/**
 * What the command line shows: lines that scroll, and on a terminal a block of status lines below them that
 * is drawn again in place. Called by the commands.
 */
import type { WriteStream } from "node:tty";

/** How long lines are gathered before they are drawn, in milliseconds. */
const GATHER_MS = 40;

/** The most that the status block takes of a terminal's height. */
const STATUS_SHARE = 0.6;

export class Screen {
	/** True if there is a status block. */
	readonly isLive: boolean;
	readonly #output: NodeJS.WriteStream;
	#lines: string[] = [];
	#status: string[] = [];
	/** The status lines that stand on the terminal now. */
	#drawn: string[] = [];
	#timer: NodeJS.Timeout | undefined;
	#muted = false;

	constructor(output: NodeJS.WriteStream, plain: boolean) {
		this.#output = output;
		this.isLive = output.isTTY === true && !plain && process.env.TERM !== "dumb";
		if (this.isLive) (output as WriteStream).on("resize", () => this.#drawSoon());
	}

	/** One line that scrolls by. */
	print(line: string): void {
		if (this.#muted) return;
		if (!this.isLive) {
			this.#output.write(`${line}\n`);
			return;
		}
		this.#lines.push(line);
		this.#drawSoon();
	}

	/** The lines of the status block, from now on. */
	showStatus(lines: string[]): void {
		this.#status = lines;
		if (this.isLive) this.#drawSoon();
	}

	/** Draws what waits. The terminal is left as it is, with the cursor at the start of a line. */
	flush(): void {
		clearTimeout(this.#timer);
		this.#timer = undefined;
		if (!this.isLive || this.#muted) return;
		const { columns, rows } = this.#output as WriteStream;
		// A terminal that has become narrower has wrapped what was drawn.
		const height = this.#drawn.reduce((sum, line) => sum + Math.max(1, Math.ceil(line.length / columns)), 0);
		this.#drawn = shorten(this.#status, Math.floor(rows * STATUS_SHARE)).map((line) => line.slice(0, columns - 1));
		const up = height > 0 ? `\x1b[${height}A` : "";
		const text = [...this.#lines, ...this.#drawn].map((line) => `${line}\n`).join("");
		this.#lines = [];
		this.#output.write(`\r${up}\x1b[J${text}`);
	}

	/** Draws what waits, and a last line below it all. */
	end(line: string): void {
		this.flush();
		if (!this.#muted) this.#output.write(`${line}\n`);
	}

	/** Writes nothing any more: nobody reads the output. */
	mute(): void {
		this.#muted = true;
	}

	#drawSoon(): void {
		this.#timer ??= setTimeout(() => this.flush(), GATHER_MS);
	}
}

function shorten(lines: string[], most: number): string[] {
	const room = Math.max(3, most);
	if (lines.length <= room) return lines;
	return [...lines.slice(0, room - 1), `... and ${lines.length - room + 1} lines more in a taller window`];
}
