/**
 * Control packets in words, by npm's `mqtt-packet`: an opinion on MQTT that shares no line with src.
 *
 *     readable(network.taken())   // ["PUBLISH a/b '21' qos 1 id 7", "PINGREQ"]
 *     network.receive(puback(7))
 */
import * as codec from "mqtt-packet";
import { joined, show } from "./hex.js";

/** The packets in these bytes, a line each; throws if the last one is not complete. */
export function readable(bytes: Uint8Array, level: 3 | 4 = 4): string[] {
	return packets(bytes, level).map(line);
}

/** The packets in these bytes, as `mqtt-packet` reads them; throws if the last one is not complete. */
export function packets(bytes: Uint8Array, level: 3 | 4 = 4): codec.Packet[] {
	const reader = new PacketReader(level);
	const found = reader.read(bytes);
	if (reader.incomplete) throw new Error(`an incomplete packet at the end of ${show(bytes)}`);
	return found;
}

const DUP = 8;

/** MQTT 3.1 has DUP in PUBREL, SUBSCRIBE and UNSUBSCRIBE too (section 2.1), which `mqtt-packet` takes for malformed. */
const AGAIN = [0x62, 0x82, 0xa2].map((header) => header | DUP);

/** Reads packets from bytes that come in pieces. */
export class PacketReader {
	/** The beginning of a packet that is not complete. */
	private rest: Uint8Array = new Uint8Array(0);

	constructor(private readonly level: 3 | 4 = 4) {}

	get incomplete(): boolean {
		return this.rest.length > 0;
	}

	/** The packets that are complete with these bytes. */
	read(bytes: Uint8Array): codec.Packet[] {
		const found: codec.Packet[] = [];
		const parser = codec.parser({ protocolVersion: this.level });
		parser.on("packet", (packet) => found.push(packet));
		parser.on("error", (error) => {
			throw error;
		});
		this.rest = joined([this.rest, bytes]);
		for (let size = packetSize(this.rest); size !== undefined; size = packetSize(this.rest)) {
			const packet = Buffer.from(this.rest.subarray(0, size));
			const again = this.level === 3 && AGAIN.includes(packet[0]);
			if (again) packet[0] &= ~DUP;
			parser.parse(packet);
			if (again) (found[found.length - 1] as { dup?: boolean }).dup = true;
			this.rest = this.rest.slice(size);
		}
		return found;
	}
}

/** Bytes of the first packet; undefined if it is not complete. */
function packetSize(bytes: Uint8Array): number | undefined {
	let remaining = 0;
	for (let i = 1; i < bytes.length && i <= 4; i++) {
		remaining += (bytes[i] & 127) * 128 ** (i - 1);
		if (bytes[i] < 128) return bytes.length > i + remaining ? 1 + i + remaining : undefined;
	}
	return undefined;
}

function line(packet: codec.Packet): string {
	const words: unknown[] = [packet.cmd.toUpperCase()];
	if (packet.cmd === "publish") {
		words.push(packet.topic, `'${packet.payload.toString()}'`);
		if (packet.qos > 0) words.push("qos", packet.qos, "id", packet.messageId);
		if (packet.retain) words.push("retain");
	} else if (packet.cmd === "subscribe") {
		words.push("id", packet.messageId);
		for (const { topic, qos } of packet.subscriptions) words.push(topic, "qos", qos);
	} else if (packet.messageId !== undefined && packet.cmd !== "connect") words.push("id", packet.messageId);
	if (packet.cmd === "unsubscribe") words.push(...packet.unsubscriptions);
	if ("dup" in packet && packet.dup) words.push("dup");
	return words.join(" ");
}

/** What a broker says. */
export {
	connack,
	pingresp,
	puback,
	pubcomp,
	publish,
	pubrec,
	pubrel,
	suback,
	unsuback,
} from "../conformance/packets.js";
