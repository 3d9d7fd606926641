/** How a message at QoS 1 or 2 is acknowledged; the first two are its QoS. */
export const enum Answer {
	/** QoS 1: PUBACK. */
	ACKNOWLEDGE = 1,
	/** QoS 2: its identifier is kept, and PUBREC. */
	ACCEPT = 2,
	/** QoS 2, and it was handed over before: PUBREC. */
	REPEAT = 3,
}
