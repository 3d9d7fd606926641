/**
 * The protocol level by itself: MQTT 3.1.1 first, 3.1 where a broker does not speak that. It is handed in by the
 * application, as `level`; the session is its only other caller.
 */
import type { Level } from "../wire/packet.js";
import { Reason } from "./reason.js";

/** Closes without CONNACK in a row that say that the broker does not speak this level. */
const CLOSES = 2;

/** For one client. */
export class Fallback {
	/** @internal The level of the next connection. It stays what a broker has accepted. */
	level: Level = 4;
	/** The CONNECT of the other level. */
	private packet!: Uint8Array;
	private closes = 0;
	/** The level has changed since a broker accepted us. */
	private changed = false;

	/** @internal Gives the CONNECT of level 3. */
	attach(packet: Uint8Array): void {
		this.packet = packet;
		this.level = 4;
		this.accepted();
	}

	/** @internal Gives the CONNECT of the level to try next, and takes the one of the level before. */
	exchange(packet: Uint8Array): Uint8Array {
		const { packet: other } = this;
		this.packet = packet;
		return other;
	}

	/** @internal A broker has accepted us. */
	accepted(): void {
		this.closes = 0;
		this.changed = false;
	}

	/**
	 * @internal A connection has ended; `closed` if the broker did so in place of a CONNACK. True if the next one is to
	 * try the other level.
	 */
	changes(reason: Reason, closed: boolean): boolean {
		this.closes = closed ? this.closes + 1 : 0;
		if (reason !== Reason.UNACCEPTABLE_PROTOCOL_VERSION && this.closes < CLOSES) return false;
		this.closes = 0;
		this.level = this.level === 4 ? 3 : 4;
		return true;
	}

	/** @internal Is this the first change since a broker accepted us, so that the next attempt need not wait for long? */
	isFirst(): boolean {
		const first = !this.changed;
		this.changed = true;
		return first;
	}
}
