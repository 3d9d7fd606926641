/** For the type checker; a bundle has the host that it is built for. */
declare module "mqtt-mote/host" {
	import type { Store } from "mqtt-mote";

	export { clock, settings, TcpLink } from "mqtt-mote/node";

	/** On Espruino. */
	export const StorageStore: new (options: { name?: string; pages?: number; pageSize?: number }) => Store;

	/** On Moddable. */
	export { FileStore } from "mqtt-mote/moddable";
}

/** Of Moddable's SDK. */
declare module "embedded:storage/files" {
	import type { StoreFolder } from "mqtt-mote/moddable";

	const files: StoreFolder;
	export default files;
}
