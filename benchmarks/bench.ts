/**
 * `npm run bench`: what the client costs, in exact and repeatable figures of the real XS engine, beside the
 * least that any client could take, measured in the same run. The column for Moddable's own client was
 * measured once with the same engine and workload, since its code is not part of this repo.
 */
import { Engine } from "../test/engines/measure.js";
import { figures, leastSteps, OPERATIONS, type Operation, retained } from "./figures.js";
import { benchWakes } from "./wake.js";

/** Slots, chunk bytes and steps of Moddable SDK 8.2.3's mqttclient, and our budget of steps. */
const REFERENCE: Partial<Record<Operation, { moddable: string; budget: number }>> = {
	publishQos0: { moddable: "37 / 176 / 641", budget: 400 },
	publishQos1: { moddable: "50 / 296 / 1531", budget: 900 },
	receiveQos0: { moddable: "25 / 960 / 4371", budget: 450 },
	receiveQos1: { moddable: "69 / 1400 / 5323", budget: 650 },
};

await benchWakes();
console.log();

if (!Engine.available()) {
	console.log(
		"The XS engine of @agoric/xsnap could not be compiled here (it needs make and a C compiler): nothing to measure.",
	);
	process.exit(0);
}

const overLink = await figures("link");
const overTcp = await figures("TcpLink");
const least = await leastSteps();

console.log("XS 13.3 (@agoric/xsnap): a 32-byte payload to sensors/kitchen/temperature.");
console.log("Each cell: slots / chunk bytes / steps per operation.\n");
const columns = [28, 22, 26, 22, 14, 14];
const row = (cells: string[]) =>
	console.log(
		cells
			.map((cell, i) => cell.padEnd(columns[i]))
			.join("")
			.trimEnd(),
	);
row(["operation", "client, counting link", "with Moddable's TcpLink", "Moddable mqttclient", "least steps", "budget"]);
for (const [operation, name] of Object.entries(OPERATIONS) as [Operation, string][]) {
	const cell = ({ slots, chunkBytes, steps }: (typeof overLink)[Operation]) =>
		`${slots} / ${chunkBytes} / ${Math.round(steps)}`;
	const reference = REFERENCE[operation];
	const { steps } = overLink[operation];
	const verdict = reference
		? `${reference.budget}${steps > reference.budget ? ` (+${Math.round(steps - reference.budget)})` : ""}`
		: "";
	row([
		name,
		cell(overLink[operation]),
		cell(overTcp[operation]),
		reference?.moddable ?? "",
		String(least[operation] ?? ""),
		verdict,
	]);
}
console.log("\nA reconnect through TcpLink makes one socket object, here of 3 slots.");
const { slots, chunkBytes } = await retained();
console.log(
	`A connected client with a topic keeps ${slots} slots and ${chunkBytes} bytes in chunks besides its buffers: at most ${16 * slots + chunkBytes} bytes on a 32-bit board (budget: 1,000).`,
);
