/**
 * What our bundles need beyond Rollup itself. `rollup.config.js` uses these for firmware, benchmarks/bundle.ts for what
 * is measured.
 */

import { fileURLToPath } from "node:url";

/** Where the client is, as source and as it is published. */
const SOURCES = [fileURLToPath(new URL("src/", import.meta.url)), fileURLToPath(new URL("dist/src/", import.meta.url))];

/** What the simulator calls of the client that a bundle exports. */
const SAID_OUTSIDE = [".stop", ".used"];

/** TypeScript's mark on each ES5 class, in a form that Rollup knows: a class that is not used can go. */
export const pureClasses = {
	name: "pure-classes",
	transform: (code) => code.replaceAll("/** @class */", "/*#__PURE__*/"),
};

/**
 * TypeScript wraps each ES5 class in a function that is called once. On Espruino that costs memory for every
 * method: the class's statements go to the top level instead.
 */
export const unwrapClasses = {
	name: "unwrap-classes",
	renderChunk(code) {
		let result = "";
		let from = 0;
		for (const { type, start, end, declarations } of this.parse(code).body) {
			const call = type === "VariableDeclaration" && declarations[0].init;
			if (call?.type !== "CallExpression" || call.callee.type !== "FunctionExpression") continue;
			const { body } = call.callee.body;
			if (call.arguments.length > 0 || body.at(-1).argument?.name !== declarations[0].id.name) continue;
			result += code.slice(from, start) + code.slice(body[0].start, body.at(-1).start);
			from = end;
		}
		return result + code.slice(from);
	},
};

/**
 * A bundler keeps all methods of a class. This one takes out, of the client's own classes, those whose name nothing in
 * the bundle says, and the functions and classes that only they use. The bundle is all there is, so a name that is
 * not said is not called; a name in a string counts as said.
 */
export const shakeMethods = {
	name: "shake-methods",
	renderChunk(code, { modules }) {
		const ours = new Set();
		for (const [id, { code: text }] of Object.entries(modules)) {
			if (!SOURCES.some((folder) => id.startsWith(folder))) continue;
			for (const node of this.parse(text ?? "").body) for (const name of declared(node)) ours.add(name);
		}
		/** What can go, by the name that would call for it: where it stands, and the names that it says itself. */
		const parts = new Map();
		const said = new Set();
		const waiting = [];
		const say = (name) => {
			if (said.has(name)) return;
			said.add(name);
			waiting.push(...(parts.get(name) ?? []));
		};
		const add = (name, node, inside = node) => {
			const names = new Set();
			for (const one of namesIn(inside)) names.add(one);
			const part = { start: node.start, end: node.end, names };
			parts.set(name, [...(parts.get(name) ?? []), part]);
		};
		const roots = new Set(SAID_OUTSIDE);
		const root = (node) => {
			for (const name of namesIn(node)) roots.add(name);
		};
		for (const node of this.parse(code).body) {
			const method = assignedMethod(node);
			if (method && ours.has(method.of)) add(`.${method.name}`, node, method.value);
			else if (!ours.has(node.id?.name)) root(node);
			else if (node.type === "FunctionDeclaration") add(node.id.name, node, { params: node.params, body: node.body });
			else if (node.type === "ClassDeclaration") {
				// The class goes as a whole or stays; of one that stays, methods go.
				const rest = [];
				for (const member of node.body.body) {
					const { key, computed, kind, type } = member;
					if (type === "MethodDefinition" && kind !== "constructor" && !computed && !member.static) {
						add(`.${key.name}`, member, member.value);
					} else rest.push(member);
				}
				add(node.id.name, { start: node.end, end: node.end }, { superClass: node.superClass, rest });
				const last = parts.get(node.id.name).at(-1);
				last.whole = { start: node.start, end: node.end };
			} else root(node);
		}
		for (const name of roots) say(name);
		const kept = new Set();
		for (let part = waiting.pop(); part; part = waiting.pop()) {
			kept.add(part);
			for (const name of part.names) say(name);
		}
		const gone = [...parts.values()]
			.flat()
			.filter((part) => !kept.has(part))
			.map((part) => part.whole ?? part)
			.sort((a, b) => a.start - b.start);
		let result = "";
		let from = 0;
		for (const { start, end } of gone) {
			if (start < from) continue; // a method of a class that is gone
			result += code.slice(from, start);
			from = end;
		}
		return result + code.slice(from);
	},
};

/** `X.prototype.name = function ...` or `Object.defineProperty(X.prototype, "name", ...)`. */
function assignedMethod(node) {
	const expression = node.type === "ExpressionStatement" ? node.expression : undefined;
	const isPrototype = (target) => target?.type === "MemberExpression" && target.property.name === "prototype";
	if (expression?.type === "AssignmentExpression" && isPrototype(expression.left.object) && !expression.left.computed) {
		return { of: expression.left.object.object.name, name: expression.left.property.name, value: expression.right };
	}
	if (expression?.type === "CallExpression" && expression.callee.property?.name === "defineProperty") {
		const [target, name, value] = expression.arguments;
		if (isPrototype(target)) return { of: target.object.name, name: name.value, value };
	}
	return undefined;
}

/** The names that a statement declares. */
function declared({ type, id, declarations = [], declaration }) {
	if (type === "ExportNamedDeclaration" && declaration) return declared(declaration);
	return id ? [id.name] : declarations.map((one) => one.id.name);
}

/** The names that a piece of code says: identifiers as they are, properties with a point in front. */
function* namesIn(node) {
	if (Array.isArray(node)) {
		for (const one of node) yield* namesIn(one);
		return;
	}
	if (node === null || typeof node !== "object") return;
	if (node.type === "MemberExpression" && !node.computed) {
		yield* namesIn(node.object);
		yield `.${node.property.name}`;
		return;
	}
	if (node.type === "Property" && !node.computed) {
		// A key is said where an object is taken apart, not where one is made.
		if (node.value.type !== "FunctionExpression") yield `.${node.key.name ?? node.key.value}`;
		yield* namesIn(node.value);
		return;
	}
	if (node.type === "Identifier") yield node.name;
	if (node.type === "Literal" && typeof node.value === "string") yield `.${node.value}`;
	for (const value of Object.values(node)) if (typeof value === "object") yield* namesIn(value);
}
