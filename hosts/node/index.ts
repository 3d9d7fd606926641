/** `mqtt-mote/node`: the same client on Node. */
export { clock } from "./clock.js";
export { FileStore, type FileStoreOptions } from "./file-store.js";
export { type Settings, settings } from "./settings.js";
export { TcpLink, type TcpLinkOptions } from "./tcp-link.js";
