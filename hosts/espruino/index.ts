/** `mqtt-mote/espruino`: the client on Espruino. */
import "./polyfill.js";

export { FramedLink, type FramedLinkOptions } from "../../src/serial/framed-link.js";
export { clock } from "./clock.js";
export { SerialLink, type SerialLinkOptions } from "./serial-link.js";
export { type Settings, settings } from "./settings.js";
export { StorageStore, type StorageStoreOptions } from "./storage-store.js";
export { TcpLink, type TcpLinkOptions } from "./tcp-link.js";
