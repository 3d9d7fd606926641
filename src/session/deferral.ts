/**
 * Acknowledging a message later than its handler returns. It is handed in by the application; the session is
 * its only other caller.
 *
 *     const deferral = new Deferral();
 *     const client = new Client({ ..., deferral });
 *     client.subscribe("orders/+", 1, (message) => { ticket = deferral.hold(message); ... });
 *     ... deferral.acknowledge(ticket);
 *
 * Acknowledgements go out in the order of their messages ([MQTT-4.6.0-2], [MQTT-4.6.0-3]): those of later messages wait
 * behind one that is held. If the link breaks, what is held is void: the broker sends those messages again
 * if it kept the session. Mosquitto does so only then, not on a live link, and sends at most 20 messages ahead: a
 * message that is held for good stops what comes after it.
 */
import { whole } from "../check.js";
import { Decoded } from "../wire/decode.js";
import type { Message } from "../wire/message.js";
import { Answer } from "./answer.js";
import { Reason } from "./reason.js";
import type { Session } from "./session.js";

/** For one client. */
export class Deferral {
	/** The ticket of each message that waits, oldest first; 0 if it waits only behind others. */
	private readonly tickets: Uint32Array;
	/** Its identifier, and what it is answered above that. */
	private readonly answers: Uint32Array;
	private count = 0;
	private ticket = 0;
	/** The handler that runs has asked for the message to be held. */
	private holding = false;
	private session!: Session;

	/**
	 * `messages`: how many may wait at a time, those behind a held one included, 8 bytes each, 1 to 65,535. One more
	 * closes the link (Reason.REPLY_OVERFLOW): the default of 32 is above what brokers send at a time.
	 */
	constructor(messages?: number) {
		const size = whole(messages, 32, 1, 65_535, "messages");
		this.tickets = new Uint32Array(size);
		this.answers = new Uint32Array(size);
	}

	/** @internal */
	attach(session: Session): void {
		this.session = session;
	}

	/**
	 * Within a handler: the message will be acknowledged by `acknowledge`, and not when the handler returns. Returns
	 * the ticket for it, 1 to 4,294,967,295; -1 where there is nothing to acknowledge: at QoS 0, and after `stop`.
	 */
	hold(message: Message): number {
		if ((message.header & 6) === 0 || this.session.goesOn() !== Decoded.MORE) return -1;
		if (!this.holding) {
			this.holding = true;
			this.ticket = (this.ticket + 1) >>> 0 || 1;
		}
		return this.ticket;
	}

	/**
	 * Acknowledges a message that is held. False if there is none with this ticket: it was acknowledged already, its
	 * handler threw, or the link has broken since.
	 */
	acknowledge(ticket: number): boolean {
		const { tickets, session } = this;
		if (this.holding && ticket === this.ticket) {
			this.holding = false; // its handler has not returned yet
			return true;
		}
		let at = 0;
		while (at < this.count && tickets[at] !== ticket) at++;
		if (at === this.count || ticket === 0) return false;
		tickets[at] = 0;
		while (this.count > 0 && tickets[0] === 0) {
			const { answers } = this;
			const answer = answers[0];
			this.count--;
			for (let i = 0; i < this.count; i++) {
				tickets[i] = tickets[i + 1];
				answers[i] = answers[i + 1];
			}
			session.answer(answer >> 16, answer & 0xffff);
		}
		session.pump();
		return true;
	}

	/** @internal How many messages at QoS 2 wait; -1 if one of them has this identifier. */
	waiting(identifier: number): number {
		let count = 0;
		for (let i = 0; i < this.count; i++) {
			if (this.answers[i] >> 16 !== Answer.ACCEPT) continue;
			if ((this.answers[i] & 0xffff) === identifier) return -1;
			count++;
		}
		return count;
	}

	/** @internal A handler threw: the message is not held, and not acknowledged. */
	release(): void {
		this.holding = false;
	}

	/**
	 * @internal Gives an answer of `session.answer` to a message whose handlers have returned, unless it is held, or
	 * another one in front of it.
	 */
	answer(answer: Answer, identifier: number): Decoded {
		const { count, holding, session } = this;
		if (!holding && count === 0) return session.answer(answer, identifier);
		this.holding = false;
		if (count === this.tickets.length) return session.disconnect(Reason.REPLY_OVERFLOW);
		this.tickets[count] = holding ? this.ticket : 0;
		this.answers[count] = (answer << 16) | identifier;
		this.count++;
		return Decoded.MORE;
	}

	/** @internal The link is closed. */
	reset(): void {
		this.count = 0;
		this.holding = false;
	}
}
