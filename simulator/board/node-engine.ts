/**
 * Firmware in Node's own engine, in a context of its own: for machines where XS could not be compiled. The
 * same bundle, the same device modules, no memory gauge. Called by board.ts, and loaded only when needed.
 */

import { type Context, createContext, Script } from "node:vm";
import { type Plugin, rollup } from "rollup";
import type { Engine } from "./engine.js";
import { deviceModules, unknownModule } from "./modules.js";

/** How long the firmware may run at a stretch. */
const WATCHDOG_MS = 5_000;

/** Installs the harness before any module of the firmware runs, which the order of the imports sees to. */
const MAIN_MODULE = `
import "board:install";
import "system";
import * as firmware from "board:firmware";
globalThis.firmware = firmware;
`;

/** The coders are wrapped, so that what they return belongs to the firmware's world. */
const INSTALL_MODULE = `
import * as harness from "board:harness";
desk.harness = harness;
harness.install({
	now: () => desk.now(),
	TextEncoder: class {
		encode(text) { return new Uint8Array(desk.encode(text)); }
	},
	TextDecoder: class {
		decode(bytes) { return desk.decode(bytes); }
	},
});
delete globalThis.console;
globalThis.trace = harness.trace;
ArrayBuffer.fromString ??= harness.arrayBufferFromString;
String.fromArrayBuffer ??= harness.stringFromArrayBuffer;
desk.output = harness.beginTurn(desk.ticks);
`;

const handleScript = new Script("desk.output = desk.harness.handle(desk.event)");
const evaluateScript = new Script(
	"desk.output = desk.harness.evaluate(desk.id, desk.ticks, () => (0, eval)(desk.script))",
);
const abortScript = new Script("desk.harness.abort(desk.error)");

/** What passes between this file and the scripts above, as the context's global `desk`. */
interface Desk {
	now(): number;
	encode(text: string): Uint8Array;
	decode(bytes: Uint8Array): string;
	harness?: unknown;
	output?: ArrayBuffer;
	event?: ArrayBufferLike;
	id?: number;
	ticks?: number;
	script?: string;
	error?: unknown;
}

export class NodeEngine implements Engine {
	readonly kind = "node";
	readonly #config: Record<string, unknown>;
	readonly #desk: Desk;
	readonly #context: Context;

	static async start(config: Record<string, unknown>): Promise<NodeEngine> {
		return new NodeEngine(config);
	}

	private constructor(config: Record<string, unknown>) {
		const encoder = new TextEncoder();
		const decoder = new TextDecoder();
		this.#config = config;
		this.#desk = {
			now: () => performance.now(),
			encode: (text) => encoder.encode(text),
			decode: (bytes) => decoder.decode(bytes),
		};
		// Promises are settled before an entry into the context returns, as in XS.
		this.#context = createContext({ desk: this.#desk }, { microtaskMode: "afterEvaluate" });
	}

	async load(bundle: string, ticks: number): Promise<Uint8Array> {
		const program = new Script(await oneScript(bundle, this.#config));
		this.#desk.ticks = ticks;
		try {
			this.#enter(program);
		} catch (error) {
			if (this.#desk.harness === undefined) {
				throw error;
			}
			this.#desk.error = error;
			this.#enter(abortScript);
		}
		return this.#operations();
	}

	async deliver(event: Uint8Array): Promise<Uint8Array> {
		this.#desk.event = event.buffer.slice(event.byteOffset, event.byteOffset + event.byteLength);
		this.#enter(handleScript);
		return this.#operations();
	}

	async evaluate(id: number, ticks: number, script: string): Promise<Uint8Array> {
		Object.assign(this.#desk, { id, ticks, script });
		this.#enter(evaluateScript);
		return this.#operations();
	}

	async gauge(): Promise<undefined> {
		return undefined;
	}

	async resetGauge(): Promise<void> {}

	async close(): Promise<void> {}

	#enter(script: Script): void {
		script.runInContext(this.#context, { timeout: WATCHDOG_MS });
	}

	#operations(): Uint8Array {
		return new Uint8Array(this.#desk.output as ArrayBuffer).slice();
	}
}

/** The bundle and the device modules in one script, since Node's contexts take no modules. */
async function oneScript(bundle: string, config: Record<string, unknown>): Promise<string> {
	const sources: Record<string, string> = {
		...deviceModules(config),
		"board:install": INSTALL_MODULE,
		"board:firmware": bundle,
		"board:main": MAIN_MODULE,
	};
	const fromSources: Plugin = {
		name: "board-modules",
		resolveId(name) {
			if (sources[name] === undefined) {
				throw new Error(unknownModule(name));
			}
			return name;
		},
		load: (name) => sources[name],
	};
	const build = await rollup({
		input: "board:main",
		plugins: [fromSources],
		treeshake: false,
		onLog: () => {},
	});
	const { output } = await build.generate({ format: "iife" });
	await build.close();
	return output[0].code;
}
