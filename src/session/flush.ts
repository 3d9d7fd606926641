/**
 * One wake of a board that sleeps: what waits is published and acknowledged, and the client stops. `Client.flush` makes it, the
 * session tells it what happens.
 *
 * CONNECT and PUBLISH leave together, which saves a round trip (section 3.1.4 allows it). A broker that takes nothing before
 * its CONNACK closes, and accepts the next connection, which waits; or it answers nothing. From then on all wait, until one
 * that did is lost in front of CONNACK, too: then it was the link.
 */
import type { Alarm } from "../host.js";
import { Reason } from "./reason.js";
import { Flag, type Session, State } from "./session.js";

/** PUBLISH packets in front of CONNACK: aedes takes 42 packets there. */
const EARLY = 40;

export type Flushed = (delivered: number, left: number) => void;

export class Flush {
	private readonly session: Session;
	private readonly alarm: Alarm;
	private done: Flushed | undefined;
	/** Milliseconds, and when they are over, by the clock. */
	private budget = 0;
	private deadline = 0;
	/** The alarm has not fired yet: when it does, that is no end. */
	private isNew = false;
	/** Messages that had been delivered when it began, and when this connection did. */
	private before = 0;
	private beforeConnection = 0;
	/** PUBLISH packets that had been sent when this connection began. */
	private sentBefore = 0;
	/** On this connection they may go out before CONNACK, */
	private isEarly = false;
	/** a first one has begun to, */
	private hasBegun = false;
	/** and some at QoS 1 have. */
	private wasEarly = false;
	/** They might on the connection before, and it ended without a CONNACK. */
	private isDoubtful = false;

	constructor(session: Session) {
		this.session = session;
		this.alarm = session.link.clock.alarm(() => this.onAlarm());
	}

	/** False if one is going on. */
	begin(budget: number, done: Flushed): boolean {
		const { session, alarm } = this;
		if (this.done) return false;
		this.done = done;
		this.isNew = true;
		this.isEarly = this.hasBegun = this.wasEarly = false;
		this.before = this.beforeConnection = session.delivered;
		this.budget = budget;
		this.deadline = session.link.clock.time() + budget;
		session.flushing = this;
		session.start();
		session.retry();
		if (session.untilAttempt() >= budget) this.isNew = false;
		alarm.set(0);
		return true;
	}

	/** The link is open, and CONNECT goes out: may PUBLISH follow at once? */
	opened(): boolean {
		const { session } = this;
		this.beforeConnection = session.delivered;
		this.isEarly = (session.flags & Flag.PATIENT) === 0 && !this.isDoubtful;
		this.hasBegun = this.wasEarly = false;
		this.sentBefore = session.sent;
		return this.isEarly;
	}

	/**
	 * Before CONNACK: may the record that the outbox looks at go out? Not at QoS 2: if this connection is lost, its bytes may
	 * reach the broker behind those of the next one, where the same identifier would be that of a new message.
	 */
	admits(): boolean {
		const { outbox, sent, topics } = this.session;
		if (sent - this.sentBefore >= EARLY || topics[outbox.handle].qos === 2) return false;
		this.hasBegun = true;
		return true;
	}

	/** The broker has accepted us. */
	connected(): void {
		const { session } = this;
		if (this.isDoubtful) session.setPatient(true); // this one has waited
		this.isDoubtful = false;
		this.wasEarly = session.outbox.inFlight > 0;
	}

	/** A connection in this state has ended. */
	ended(state: State, reason: Reason): void {
		const { session } = this;
		if (!this.done) return; // told already
		if (reason === Reason.STOPPED) {
			this.tell(); // by the application
			return;
		}
		if (state === State.CONNECTING && reason > Reason.STOPPED) {
			this.isDoubtful = this.hasBegun;
			if (!this.isEarly) session.setPatient(false);
		}
		if (session.untilAttempt() < this.left()) return;
		this.isNew = false;
		this.alarm.set(0);
	}

	/** Milliseconds of the budget; the clock may be set. */
	private left(): number {
		const left = (this.deadline - this.session.link.clock.time()) | 0;
		return left < this.budget ? left : this.budget;
	}

	/** Something has come in, or gone out: was it the last that was to be done? */
	look(): void {
		if (this.session.isIdle()) this.finish();
	}

	private onAlarm(): void {
		if (!this.isNew) {
			this.finish();
			return;
		}
		this.isNew = false;
		const left = this.left();
		this.alarm.set(left > 0 ? left : 0);
		this.look();
	}

	private finish(): void {
		const { session } = this;
		const isUnanswered = this.wasEarly && session.delivered === this.beforeConnection;
		if (session.state === State.CONNECTED && isUnanswered) session.setPatient(true);
		session.stop(); // which tells
	}

	private tell(): void {
		const { session, done, alarm } = this;
		this.done = session.flushing = undefined;
		alarm.set(-1);
		try {
			(done as Flushed)(session.delivered - this.before, session.outbox.count());
		} catch (error) {
			session.report(error);
		}
	}
}
