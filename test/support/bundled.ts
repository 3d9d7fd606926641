/** A firmware text, bundled for a board with the settings of rollup.config.js, and what of src is in it. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Plugin, rollup } from "rollup";
import { loadConfigFile } from "rollup/loadConfigFile";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** Where the firmware would stand; there is no such file. */
const FIRMWARE = join(root, "examples/a-firmware-of-a-test.ts");

/** What every firmware has. */
export const LEAN = `
import { Client } from "mqtt-mote";
import { settings, TcpLink } from "mqtt-mote/host";
const { host, port, name } = settings;
export const client = new Client({ link: new TcpLink({ host, port }), clientId: name });
const topic = client.topic(name + "/t", { qos: 1 });
client.subscribe(name + "/f", 1, function (message) { topic.publish(message.bytes, 1); });
client.start();
`;

export interface Bundled {
	code: string;
	/** Bytes of each module of src that are in the bundle, by its path. */
	sizes: Map<string, number>;
}

/** Without `minified`, names stay as they are. */
export async function bundled(board: "moddable" | "espruino", firmware: string, minified = true): Promise<Bundled> {
	const { options } = await loadConfigFile(join(root, "rollup.config.js"), { silent: true });
	const settings = options.find(({ output }) => output[0].file?.includes(`/${board}/`));
	assert.ok(settings, `rollup.config.js has a bundle for ${board}`);
	const source: Plugin = {
		name: "firmware",
		resolveId: (id) => (id === FIRMWARE ? id : null),
		load: (id) => (id === FIRMWARE ? firmware : null),
	};
	const plugins = (settings.plugins as Plugin[]).filter(({ name }) => minified || name !== "terser");
	const build = await rollup({ ...settings, input: FIRMWARE, plugins: [source, plugins], logLevel: "silent" });
	const { output } = await build.generate(settings.output[0]);
	await build.close();
	const sizes = new Map<string, number>();
	for (const [id, { renderedLength }] of Object.entries(output[0].modules)) {
		if (id.startsWith(join(root, "src/"))) sizes.set(id.slice(root.length), renderedLength);
	}
	return { code: output[0].code, sizes };
}
