/** Where an example finds its broker on Moddable: in the `config` part of the manifest. */
import config from "mc/config";

export interface Settings {
	/** The broker's IPv4 address. */
	host: string;
	port: number;
	/** The client identifier, and the first level of the topics. */
	name: string;
}

export const settings: Settings = config as unknown as Settings;
