/** `mqtt-mote/moddable`: the client on Moddable XS. */
export { FramedLink, type FramedLinkOptions } from "../../src/serial/framed-link.js";
export { clock } from "./clock.js";
export { type DnsOptions, type DnsRequest, type Resolver, systemDns } from "./dns.js";
export { FileStore, type FileStoreOptions, type StoreFile, type StoreFolder } from "./file-store.js";
export { type FlashPartition, type FlashSectors, FlashStore, type FlashStoreOptions } from "./flash-store.js";
export { KeyValueStore, type KeyValueStoreOptions, type KeyValues } from "./key-value-store.js";
export { SerialLink, type SerialLinkOptions } from "./serial-link.js";
export { type Settings, settings } from "./settings.js";
export type { AnySocketOptions } from "./socket.js";
export { TcpLink, type TcpLinkOptions } from "./tcp-link.js";
