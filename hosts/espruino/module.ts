/** What `require("mqtt-mote")` gives on Espruino: the client and its parts with this host, in one file. */
export * from "../../src/client.js";
export * from "./index.js";
