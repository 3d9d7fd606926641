/** What a rogue broker says: noise, and packets that are nearly right. */
import {
	connack,
	joined,
	packet,
	puback,
	pubcomp,
	publish,
	pubrec,
	pubrel,
	suback,
	utf8,
} from "../conformance/packets.js";
import type { Random } from "../support/random.js";

export function hostileBytes(random: Random): Uint8Array {
	const count = 1 + random.below(4);
	const pieces = random.chance(0.5) ? [connack(0, random.chance(0.3))] : [];
	for (let i = 0; i < count; i++) pieces.push(hostilePacket(random));
	const bytes = joined(pieces);
	if (random.chance(0.3)) bytes[random.below(bytes.length)] = random.below(256);
	return random.chance(0.2) ? bytes.slice(0, random.below(bytes.length) + 1) : bytes;
}

function hostilePacket(random: Random): Uint8Array {
	const identifier = random.pick([0, 1, 2, 3, random.below(65_536)]);
	const acknowledge = random.pick([puback, pubrec, pubrel, pubcomp]);
	switch (random.below(8)) {
		case 0:
			return random.bytes(1 + random.below(60));
		case 1:
			return connack(random.below(256), random.chance(0.5));
		case 2:
			return acknowledge(identifier);
		case 3:
			return suback(identifier, ...random.bytes(random.below(4)));
		case 4:
			return publish("d0/1/0", random.bytes(random.below(400)), {
				qos: random.pick([0, 1, 2]),
				id: identifier,
				dup: random.chance(0.5),
			});
		case 5: // a length that the packet does not have
			return joined([Uint8Array.of(0x30 + random.below(16), 0xff, 0xff, 0xff, random.below(256)), random.bytes(40)]);
		case 6: // a topic name that is longer than its packet, or ill-formed
			return packet(0x30, Uint8Array.of(random.below(3), random.below(256)), random.bytes(random.below(20)));
		default:
			return publish(utf8("a/#"), "x", { qos: 1, id: identifier });
	}
}
