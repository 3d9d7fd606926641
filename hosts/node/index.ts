/** `mqtt-mote/node`: the same client on Node. */
export { FramedLink, type FramedLinkOptions } from "../../src/serial/framed-link.js";
export { clock } from "./clock.js";
export { FileStore, type FileStoreOptions } from "./file-store.js";
export { SerialLink, type SerialLinkOptions } from "./serial-link.js";
export { type Settings, settings } from "./settings.js";
export { TcpLink, type TcpLinkOptions } from "./tcp-link.js";
