/** What the broker says to the workload, and what the workload publishes: 32 bytes to a topic of 27. */
export const TOPIC = "sensors/kitchen/temperature";
export const payload = new Uint8Array(32).fill(120);

export const CONNACK = new Uint8Array([0x20, 2, 1, 0]);
export const SUBACK = new Uint8Array([0x90, 3, 0, 1, 1]);

/** A PUBLISH of the payload with this first byte; above QoS 0 under identifier 7. */
export function publish(header: number): Uint8Array {
	const packet = [header, 0, 0, TOPIC.length];
	for (let i = 0; i < TOPIC.length; i++) packet.push(TOPIC.charCodeAt(i));
	if ((header & 6) !== 0) packet.push(0, 7);
	for (let i = 0; i < payload.length; i++) packet.push(120);
	packet[1] = packet.length - 2;
	return new Uint8Array(packet);
}
