/**
 * Control packets in words, by npm's `mqtt-packet`: an opinion on MQTT that shares no line with src.
 *
 *     readable(network.taken())   // ["PUBLISH a/b '21' qos 1 id 7", "PINGREQ"]
 *     network.receive(puback(7))
 */
import * as codec from "mqtt-packet";

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

/** Reads packets from bytes that come in pieces. */
export class PacketReader {
	/** The last bytes are the beginning of a packet. */
	incomplete = false;
	private readonly parser: codec.Parser;
	private found: codec.Packet[] = [];
	private read_ = 0;
	private whole = 0;

	constructor(level: 3 | 4 = 4) {
		this.parser = codec.parser({ protocolVersion: level });
		this.parser.on("packet", (packet) => this.found.push(packet));
		this.parser.on("error", (error) => {
			throw error;
		});
	}

	/** The packets that are complete with these bytes. */
	read(bytes: Uint8Array): codec.Packet[] {
		this.found = [];
		this.parser.parse(Buffer.from(bytes));
		return this.found;
	}
}

function line(packet: codec.Packet): string {
	const words: unknown[] = [packet.cmd.toUpperCase()];
	if (packet.cmd === "publish") {
		words.push(packet.topic, `'${packet.payload.toString()}'`);
		if (packet.qos > 0) words.push("qos", packet.qos, "id", packet.messageId);
		if (packet.retain) words.push("retain");
		if (packet.dup) words.push("dup");
	} else if (packet.cmd === "subscribe") {
		words.push("id", packet.messageId);
		for (const { topic, qos } of packet.subscriptions) words.push(topic, "qos", qos);
	} else if (packet.messageId !== undefined && packet.cmd !== "connect") words.push("id", packet.messageId);
	return words.join(" ");
}

// What a broker says

export function connack(returnCode = 0, sessionPresent = false): Uint8Array {
	return Uint8Array.of(0x20, 2, sessionPresent ? 1 : 0, returnCode);
}

export function publish(
	topic: string,
	payload: string | Uint8Array,
	options: { qos?: 0 | 1 | 2; id?: number; dup?: boolean; retain?: boolean } = {},
): Uint8Array {
	const { qos = 0, id, dup = false, retain = false } = options;
	return new Uint8Array(
		codec.generate({
			cmd: "publish",
			topic,
			payload: typeof payload === "string" ? payload : Buffer.from(payload),
			qos,
			dup,
			retain,
			messageId: id,
		}),
	);
}

function acknowledgement(header: number, id: number, ...codes: number[]): Uint8Array {
	return Uint8Array.of(header, 2 + codes.length, id >> 8, id & 255, ...codes);
}

export const puback = (id: number) => acknowledgement(0x40, id);
export const pubrec = (id: number) => acknowledgement(0x50, id);
export const pubrel = (id: number) => acknowledgement(0x62, id);
export const pubcomp = (id: number) => acknowledgement(0x70, id);
export const suback = (id: number, ...codes: number[]) => acknowledgement(0x90, id, ...codes);
export const unsuback = (id: number) => acknowledgement(0xb0, id);
export const pingresp = () => Uint8Array.of(0xd0, 0);
