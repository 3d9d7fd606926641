/** What XS and Moddable's modules add to the language, and the published typings only have together with much else. */
interface ArrayBufferConstructor {
	/** The UTF-8 bytes of a string. */
	fromString(text: string): ArrayBuffer;
}

/** Made by the module "system", which Moddable's modules/io/manifest.json has. */
declare var System: {
	/** The address of a name; undefined if there is none. */
	resolve(name: string, callback: (name: string, address: string | undefined) => void): void;
	/** ESP8266: sleeps for so many microseconds, and begins anew. ESP32: does nothing (8.2.3). */
	deepSleep(microseconds: number, mode?: number): void;
};
