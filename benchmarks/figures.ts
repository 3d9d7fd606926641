/** What the budget workload costs in the real XS engine. Called by `npm run bench` and by test/engines. */
import { Engine, type Measurement } from "../test/engines/measure.js";
import { bundle } from "./bundle.js";

/** What workload/workload.ts does, and so on: each file of that folder, with its own client. */
const ALWAYS = {
	publishQos0: "QoS 0 publish",
	publishQos1: "QoS 1 publish + PUBACK",
	publishNumber: "QoS 0 publish of a number",
	receiveQos0: "receive QoS 0",
	receiveQos1: "receive QoS 1, PUBACK out",
	ping: "PINGREQ + PINGRESP",
	reconnect: "link lost and reconnected",
} as const;

const PARTS = {
	publishQos2: "QoS 2 publish to PUBCOMP",
	receiveQos2: "receive QoS 2 to PUBCOMP",
	holdQos1: "receive QoS 1, held",
	streamQos0: "stream of 1,000 bytes",
} as const;

const DISPATCH = {
	dispatch: "receive QoS 0, 32 filters",
} as const;

const OUTAGE = {
	reconnectTen: "reconnect, 10 sent again",
} as const;

const FULL = {
	dropOldest: "publish, oldest dropped",
} as const;

const RULES = {
	latest: "publish, latest replaced",
	expiry: "publish, one expired",
} as const;

const WAKE = {
	agedQos1: "QoS 1 with its age + PUBACK",
	flush: "wake with a QoS 1 publish",
} as const;

const JOURNAL = {
	journalQos1: "QoS 1 + PUBACK, journal",
	journalQos2: "QoS 2 to PUBCOMP, journal",
} as const;

/** The operations of each file. */
const WORKLOADS = {
	workload: ALWAYS,
	parts: PARTS,
	dispatch: DISPATCH,
	outage: OUTAGE,
	full: FULL,
	rules: RULES,
	wake: WAKE,
	journal: JOURNAL,
} as const;

export const OPERATIONS = {
	...ALWAYS,
	...PARTS,
	...DISPATCH,
	...OUTAGE,
	...FULL,
	...RULES,
	...WAKE,
	...JOURNAL,
};

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
	const result: Partial<Figures> = {};
	for (const [file, operations] of Object.entries(WORKLOADS)) {
		Object.assign(result, await measured(`benchmarks/workload/${file}.ts`, Object.keys(operations), through));
	}
	return result as Figures;
}

async function measured(entry: string, names: string[], through: "link" | "TcpLink"): Promise<Partial<Figures>> {
	const source = await bundle(
		entry,
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
		for (const name of names) result[name as Operation] = await engine.measure(name);
		await engine.evaluate(`if (!firmware.check()) throw new Error("the workload went wrong");`);
		return result;
	} finally {
		await engine.close();
	}
}

/** What one connected client with a topic keeps besides the buffers that its options ask for. */
export async function retained(): Promise<{ slots: number; chunkBytes: number }> {
	const CLIENTS = 32;
	const engine = await Engine.open(await bundle("benchmarks/workload/retained.ts"));
	const grown = async (name: string) => {
		await engine.call(name, 4); // what the first ones make once
		const before = await engine.live();
		await engine.call(name, CLIENTS);
		const after = await engine.live();
		return {
			slots: (after.slots - before.slots) / CLIENTS,
			chunkBytes: (after.chunkBytes - before.chunkBytes) / CLIENTS,
		};
	};
	try {
		const link = await grown("link");
		const all = await grown("make");
		return { slots: all.slots - link.slots, chunkBytes: all.chunkBytes - link.chunkBytes };
	} finally {
		await engine.close();
	}
}
