/** src with a counter at each branch, loaded into this process. */
import { fileURLToPath } from "node:url";
import { type Node, parse } from "acorn";
import { build } from "esbuild";
import type { Library } from "./scenario.js";

export interface Instrumented {
	library: Library;
	/** How often each branch was taken. */
	hits: Uint16Array;
}

export async function instrumented(): Promise<Instrumented> {
	const { outputFiles } = await build({
		entryPoints: [fileURLToPath(new URL("../../src/client.ts", import.meta.url))],
		bundle: true,
		write: false,
		format: "iife",
		globalName: "library",
	});
	const { code, branches } = counting(outputFiles[0].text);
	const hits = new Uint16Array(branches);
	return { library: new Function("hits", `${code}\nreturn library;`)(hits), hits };
}

/** Children that are a branch each: a statement, or an expression. */
const STATEMENTS = ["consequent", "alternate", "body"];
const BRANCHES: Record<string, string[]> = {
	IfStatement: ["consequent", "alternate"],
	ForStatement: ["body"],
	WhileStatement: ["body"],
	DoWhileStatement: ["body"],
	CatchClause: ["body"],
	FunctionExpression: ["body"],
	FunctionDeclaration: ["body"],
	ArrowFunctionExpression: ["body"],
	ConditionalExpression: ["consequent", "alternate"],
	LogicalExpression: ["right"],
};

/** A text with `hits[i]++` at the beginning of each branch. */
function counting(text: string): { code: string; branches: number } {
	const inserts: { at: number; text: string }[] = [];
	let branches = 0;
	function visit(node: Node & Record<string, unknown>): void {
		const inner = BRANCHES[node.type] ?? [];
		for (const [key, child] of Object.entries(node)) {
			if (Array.isArray(child)) {
				for (const one of child) if (one?.type) visit(one);
				continue;
			}
			if (!(child as Node | null)?.type) continue;
			const { start, end, type } = child as Node;
			if (!inner.includes(key)) visit(child as typeof node);
			else if (type === "BlockStatement") {
				inserts.push({ at: start + 1, text: `hits[${branches++}]++;` });
				visit(child as typeof node);
			} else {
				const isStatement = STATEMENTS.includes(key) && type.endsWith("Statement");
				inserts.push({ at: start, text: isStatement ? `{hits[${branches++}]++;` : `(hits[${branches++}]++,` });
				visit(child as typeof node);
				inserts.push({ at: end, text: isStatement ? "}" : ")" });
			}
		}
		if (node.type === "IfStatement" && node.alternate === null) {
			inserts.push({ at: node.end, text: `else hits[${branches++}]++;` });
		}
		if (node.type === "SwitchCase") {
			const [first] = node.consequent as Node[];
			if (first) inserts.push({ at: first.start, text: `hits[${branches++}]++;` });
		}
	}
	visit({ ...parse(text, { ecmaVersion: "latest" }) });
	// The sort is stable: what was pushed first at one place stands first.
	inserts.sort((a, b) => a.at - b.at);
	let code = "";
	let from = 0;
	for (const { at, text: inserted } of inserts) {
		code += text.slice(from, at) + inserted;
		from = at;
	}
	return { code: code + text.slice(from), branches };
}
