/** Where an example finds its broker on Espruino: in the file `mqtt-mote.json` of its Storage. */

export interface Settings {
	/** The broker's name or address. */
	host: string;
	port: number;
	/** The client identifier, and the first level of the topics. */
	name: string;
}

const stored = require("Storage").readJSON("mqtt-mote.json", true) as Settings | undefined;

export const settings: Settings = stored || { host: "192.168.1.10", port: 1883, name: "espruino-1" };
