/** Packets to bytes and back, by npm's mqtt-packet: the core shares no line with the client that it judges. */
import { generate, type Packet, parser } from "mqtt-packet";
import { Violated } from "./violation.js";

export type { IConnectPacket, IPublishPacket, ISubscribePacket, IUnsubscribePacket, Packet } from "mqtt-packet";

/** At level 3 a PUBREL that is sent again has DUP (3.1, section 2.1), which mqtt-packet cannot write. */
export function encode(packet: Packet, isRepeatedPubrel = false): Buffer {
	const bytes = generate(packet);
	if (isRepeatedPubrel) bytes[0] |= 0b1000;
	return bytes;
}

/** One whole packet, which has passed the checks. What mqtt-packet refuses nonetheless ends the connection, too. */
export function decode(bytes: Buffer): Packet {
	const results: (Packet | Error)[] = [];
	const reader = parser();
	reader.on("packet", (packet) => results.push(packet));
	reader.on("error", (error: Error) => results.push(error));
	reader.parse(bytes);
	const [result] = results;
	if (result === undefined || result instanceof Error) {
		throw new Violated("MQTT-4.8.0-1", `the packet is malformed: ${result?.message ?? "it is too short"}`);
	}
	return result;
}
