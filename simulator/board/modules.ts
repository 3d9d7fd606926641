/**
 * The modules that a Moddable bundle imports, as source text, by the name that it imports them by.
 * Called by both engines.
 */

import { harnessSource } from "./device-harness.js";
import { systemSource } from "./device-system.js";
import { tcpSource } from "./device-tcp.js";
import { timerSource, timeSource } from "./device-timer.js";

/** Everything that firmware may import from its board. */
export const DEVICE_MODULES = ["embedded:io/socket/tcp", "timer", "time", "system", "mc/config"] as const;

/** The source of each module of a board with this configuration, the harness included. */
export function deviceModules(config: Record<string, unknown>): Record<string, string> {
	return {
		"board:harness": harnessSource,
		"embedded:io/socket/tcp": tcpSource,
		timer: timerSource,
		time: timeSource,
		system: systemSource,
		"mc/config": `export default ${JSON.stringify(config)};`,
	};
}

export function unknownModule(name: string): string {
	return `the simulated board has no module "${name}"; it has ${DEVICE_MODULES.join(", ")}`;
}
