/** What the budget workload costs in the real XS engine. Called by `npm run bench` and by test/engines. */
import { Engine, type Measurement } from "../test/engines/measure.js";
import { bundle } from "./bundle.js";

export const OPERATIONS = {
	publishQos0: "QoS 0 publish",
	publishQos1: "QoS 1 publish + PUBACK",
	publishNumber: "QoS 0 publish of a number",
	receiveQos0: "receive QoS 0",
	receiveQos1: "receive QoS 1, PUBACK out",
	ping: "PINGREQ + PINGRESP",
	reconnect: "link lost and reconnected",
} as const;

export type Operation = keyof typeof OPERATIONS;
export type Figures = Record<Operation, Measurement>;

/** The operations that have a lower bound, and its steps. */
export async function leastSteps(): Promise<Partial<Record<Operation, number>>> {
	const engine = await Engine.open(await bundle("benchmarks/workload/least.ts"));
	try {
		const result: Partial<Record<Operation, number>> = {};
		for (const name of ["publishQos0", "publishQos1", "receiveQos0", "receiveQos1"] as const) {
			result[name] = (await engine.measure(name)).steps;
		}
		return result;
	} finally {
		await engine.close();
	}
}

/** Over a link that only counts, or through Moddable's TcpLink over a socket that does. */
export async function figures(through: "link" | "TcpLink"): Promise<Figures> {
	const source = await bundle(
		"benchmarks/workload/workload.ts",
		through === "link"
			? {}
			: {
					"workload/link.ts": "benchmarks/workload/socket.ts",
					"embedded:io/socket/tcp": "benchmarks/workload/tcp.ts",
					timer: "benchmarks/workload/timer.ts",
				},
	);
	const engine = await Engine.open(source);
	try {
		const result: Partial<Figures> = {};
		for (const name of Object.keys(OPERATIONS) as Operation[]) result[name] = await engine.measure(name);
		await engine.evaluate(`if (!firmware.check()) throw new Error("the workload went wrong");`);
		return result as Figures;
	} finally {
		await engine.close();
	}
}
