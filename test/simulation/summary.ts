/** Many runs, added up. */
import type { Outcome } from "./simulation.js";
import { FAULTS } from "./world.js";

export class Summary {
	seeds = 0;
	private messages = 0;
	private simulated = 0;
	private events = 0;
	private readonly faults = new Map<string, number>();
	private readonly began = performance.now();

	add({ messages, simulated, events, faults }: Outcome): void {
		this.seeds++;
		this.messages += messages;
		this.simulated += simulated;
		this.events += events;
		for (const fault of FAULTS) this.faults.set(fault, (this.faults.get(fault) ?? 0) + faults[fault]);
	}

	get line(): string {
		const { seeds, messages, simulated, events } = this;
		const seconds = (performance.now() - this.began) / 1000;
		return (
			`${seeds} seeds (${Math.round(seeds / seconds)}/s), ${messages} messages, ${events} events, ` +
			`${(simulated / 3_600_000).toFixed(1)} h simulated`
		);
	}

	/** The faults, by kind. */
	get table(): string {
		return FAULTS.map((fault) => `${String(this.faults.get(fault) ?? 0).padStart(10)}  ${fault}`).join("\n");
	}
}
