/** `mqtt-mote/moddable`: the client on Moddable XS. */
export { clock } from "./clock.js";
export { type DnsOptions, type DnsRequest, type Resolver, systemDns } from "./dns.js";
export { type Settings, settings } from "./settings.js";
export type { AnySocketOptions } from "./socket.js";
export { TcpLink, type TcpLinkOptions } from "./tcp-link.js";
