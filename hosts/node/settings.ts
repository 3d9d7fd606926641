/** Where an example finds its broker on Node: in the environment. */

export interface Settings {
	/** The broker's name or address. */
	host: string;
	port: number;
	/** The client identifier, and the first level of the topics. */
	name: string;
}

/** `MQTT_HOST`, `MQTT_PORT`, `MQTT_NAME`. */
export const settings: Settings = {
	host: process.env.MQTT_HOST ?? "127.0.0.1",
	port: Number(process.env.MQTT_PORT ?? 1883),
	name: process.env.MQTT_NAME ?? "desk-1",
};
