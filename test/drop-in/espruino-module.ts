/** The module that stands for `require("MQTT")`, as it is built, and the one of Espruino where it can be found. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { rollup } from "rollup";
import { loadConfigFile } from "rollup/loadConfigFile";

const root = fileURLToPath(new URL("../..", import.meta.url));

let built: Promise<string> | undefined;

export function ours(): Promise<string> {
	built ??= build();
	return built;
}

async function build(): Promise<string> {
	const { options } = await loadConfigFile(join(root, "rollup.config.js"), { silent: true });
	const settings = options.find(({ output }) => output[0].file?.endsWith("/espruino/MQTT.js"));
	assert.ok(settings, "rollup.config.js has the drop-in");
	const result = await rollup({ ...settings, input: join(root, settings.input as string), logLevel: "silent" });
	const { output } = await result.generate(settings.output[0]);
	await result.close();
	return output[0].code;
}

/** A folder with the repository espruino/EspruinoDocs. */
const { ESPRUINODOCS } = process.env;

export const noDocs = ESPRUINODOCS ? false : "needs ESPRUINODOCS, a folder of github.com/espruino/EspruinoDocs";

/** A file of that repository. */
export function docs(path: string): string {
	return readFileSync(join(ESPRUINODOCS ?? "", path), "utf8");
}
