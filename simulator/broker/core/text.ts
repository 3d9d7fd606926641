/** What strings on the wire must be: UTF-8, topic names, topic filters (sections 1.5.3 and 4.7). Called by the checks. */
import { isUtf8 } from "node:buffer";
import { demand } from "./violation.js";

/** Level 3 names Java's variant of UTF-8; what that writes otherwise than RFC 3629 is refused here, too. */
export function checkText(bytes: Buffer, what: string): string {
	demand(isUtf8(bytes), "MQTT-1.5.3-1", `${what} is not well-formed UTF-8`);
	demand(!bytes.includes(0), "MQTT-1.5.3-2", `${what} contains the character U+0000`);
	return bytes.toString();
}

export function checkTopicName(bytes: Buffer, what: string): void {
	const text = checkText(bytes, what);
	demand(text !== "", "MQTT-4.7.3-1", `${what} is empty`);
	demand(!/[#+]/.test(text), "MQTT-3.3.2-2", `${what} contains a wildcard`);
}

export function checkTopicFilter(bytes: Buffer): void {
	const text = checkText(bytes, "a topic filter");
	demand(text !== "", "MQTT-4.7.3-1", "a topic filter is empty");
	const levels = text.split("/");
	levels.forEach((level, index) => {
		const isLast = index === levels.length - 1;
		demand(
			!level.includes("#") || (level === "#" && isLast),
			"MQTT-4.7.1-2",
			"# in a topic filter is not alone in the last level",
		);
		demand(!level.includes("+") || level === "+", "MQTT-4.7.1-3", "+ in a topic filter is not alone in its level");
	});
}
