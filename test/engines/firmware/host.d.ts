/** For the type checker; a bundle has the host that it is built for. */
declare module "mqtt-mote/host" {
	export { clock, settings, TcpLink } from "mqtt-mote/node";
}
