/** `mqtt-mote/moddable`: the client on Moddable XS. */
export { clock } from "./clock.js";
export { type Settings, settings } from "./settings.js";
export { TcpLink, type TcpLinkOptions } from "./tcp-link.js";
