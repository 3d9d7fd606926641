/**
 * What our bundles need beyond Rollup itself. `rollup.config.js` uses these for firmware, benchmarks/bundle.ts for what
 * is measured.
 */

import { fileURLToPath } from "node:url";

/** Where the client is, and its host for Moddable; as source and as it is published. */
const SOURCES = ["src/", "hosts/moddable/", "dist/src/", "dist/hosts/moddable/"].map((folder) =>
	fileURLToPath(new URL(folder, import.meta.url)),
);

/** What a bundle's surroundings call of the client: the simulator, and a link that is not in the bundle. */
const SAID_OUTSIDE = [".stop", ".used", ".onWritable", ".onReceived", ".onClosed"];

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
 *
 * So it is with options: `if (options.a !== undefined || options.b !== undefined) ...` goes from the client's code if nothing
 * outside of it says `a` or `b`.
 */
export const shakeMethods = {
	name: "shake-methods",
	renderChunk(code, { modules }) {
		return shake(this, code, modules);
	},
};

/** The same, where more names are said `outside` of the bundle. */
export function shake(context, code, modules, outside = []) {
	const ours = namesOfOurs(context, modules);
	const isOurs = (node) => ours.has(assignedMethod(node)?.of ?? node.id?.name);
	const nodes = context.parse(code).body;
	const roots = new Set([...SAID_OUTSIDE, ...outside.map((name) => `.${name}`)]);
	for (const node of nodes) {
		if (!isOurs(node) || !/^(Function|Class|Expression)/.test(node.type))
			for (const name of namesIn(node)) roots.add(name);
	}
	/** What is only for options that nobody gives. */
	const unasked = nodes.filter(isOurs).flatMap((node) => [...unaskedIn(node, roots)]);
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
		const part = { start: node.start, end: node.end, names: new Set(namesIn(inside, unasked)) };
		parts.set(name, [...(parts.get(name) ?? []), part]);
		return part;
	};
	for (const node of nodes) {
		const method = assignedMethod(node);
		if (!isOurs(node)) continue;
		if (method) add(`.${method.name}`, node, method.value).of = method.of;
		else if (node.type === "FunctionDeclaration") add(node.id.name, node, { params: node.params, body: node.body });
		else if (node.type === "ClassDeclaration") {
			// The class goes as a whole or stays; of one that stays, methods go.
			const rest = [];
			for (const member of node.body.body) {
				const { key, computed, kind, type } = member;
				if (type === "MethodDefinition" && kind !== "constructor" && !computed && !member.static) {
					add(`.${key.name}`, member, member.value).of = node.id.name;
				} else rest.push(member);
			}
			const part = add(node.id.name, { start: node.end, end: node.end }, { superClass: node.superClass, rest });
			part.whole = { start: node.start, end: node.end };
		}
	}
	for (const name of roots) say(name);
	const kept = new Set();
	const early = new Map();
	for (let part = waiting.pop(); part; part = waiting.pop()) {
		// A method of a class that nobody makes is not called, whoever says its name.
		if (part.of !== undefined && !said.has(part.of)) {
			early.set(part.of, [...(early.get(part.of) ?? []), part]);
			continue;
		}
		kept.add(part);
		for (const name of part.names) {
			say(name);
			waiting.push(...(early.get(name) ?? []));
			early.delete(name);
		}
	}
	const gone = [...parts.values()]
		.flat()
		.filter((part) => !kept.has(part))
		.map((part) => part.whole ?? part)
		.concat(unasked)
		.sort((a, b) => a.start - b.start);
	let result = "";
	let from = 0;
	for (const { start, end } of gone) {
		if (start < from) continue; // within what is gone
		result += code.slice(from, start);
		from = end;
	}
	return result + code.slice(from);
}

/** What the client's own modules declare. */
function namesOfOurs(context, modules) {
	const ours = new Set();
	for (const [id, { code }] of Object.entries(modules)) {
		if (!SOURCES.some((folder) => id.startsWith(folder))) continue;
		for (const node of context.parse(code ?? "").body) for (const name of declared(node)) ours.add(name);
	}
	return ours;
}

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
export function declared({ type, id, declarations = [], declaration }) {
	if (type === "ExportNamedDeclaration" && declaration) return declared(declaration);
	return id ? [id.name] : declarations.map((one) => one.id.name);
}

/** The `if` statements in a piece of code that only ask for options of which none is said. */
function* unaskedIn(node, said) {
	if (node === null || typeof node !== "object") return;
	if (node.type === "IfStatement" && !node.alternate) {
		const options = [...optionsIn(node.test)];
		if (options.every((name) => name !== undefined && !said.has(`.${name}`))) {
			yield node;
			return;
		}
	}
	for (const value of Object.values(node)) yield* unaskedIn(value, said);
}

/** The names of `options.a !== undefined || options.b !== undefined`; undefined for what is anything else. */
function* optionsIn({ type, operator, left, right }) {
	if (type === "LogicalExpression" && operator === "||") {
		yield* optionsIn(left);
		yield* optionsIn(right);
		return;
	}
	const isAsked = type === "BinaryExpression" && operator === "!==" && right.name === "undefined";
	yield isAsked && left.object?.name === "options" && !left.computed ? left.property.name : undefined;
}

/** The names that a piece of code says, but for some parts: identifiers as they are, properties with a point in front. */
function* namesIn(node, without = []) {
	if (Array.isArray(node)) {
		for (const one of node) yield* namesIn(one, without);
		return;
	}
	if (node === null || typeof node !== "object" || without.includes(node)) return;
	if (node.type === "MemberExpression" && !node.computed) {
		yield* namesIn(node.object, without);
		yield `.${node.property.name}`;
		return;
	}
	if (node.type === "Property" && !node.computed) {
		// A key is said where an object is taken apart, not where one is made.
		if (node.value.type !== "FunctionExpression") yield `.${node.key.name ?? node.key.value}`;
		yield* namesIn(node.value, without);
		return;
	}
	if (node.type === "Identifier") yield node.name;
	if (node.type === "Literal" && typeof node.value === "string") yield `.${node.value}`;
	for (const value of Object.values(node)) if (typeof value === "object") yield* namesIn(value, without);
}

/**
 * On Espruino each function takes memory for as long as it can be called. What only the set-up of a firmware calls, the
 * code that runs as the bundle is loaded, is let go behind the bundle's last statement. What may be called later stays:
 * all that functions say which live on, the ones within others included, and what is used as a value. (In the client's
 * own code no method is.)
 */
export const freeSetUp = {
	name: "free-set-up",
	renderChunk(code, { modules }) {
		const ours = namesOfOurs(this, modules);
		const methods = [];
		const functions = [];
		const living = new Set();
		const say = (names, but = new Set()) => {
			for (const name of names) if (!but.has(name)) living.add(name);
		};
		for (const node of this.parse(code).body) {
			const method = assignedMethod(node);
			if (method?.value.type === "FunctionExpression") {
				const { of, name, value } = method;
				methods.push({
					name: `.${name}`,
					inside: value.body,
					locals: localsOf(value),
					free: `delete ${of}.prototype.${name};\n`,
				});
				say(livingIn(value.body, ours.has(of), ours), localsOf(value));
			} else if (node.type === "FunctionDeclaration") {
				const { name } = node.id;
				functions.push({ name, inside: node.body, locals: localsOf(node), free: `${name} = undefined;\n` });
				say(livingIn(node.body, ours.has(name), ours), localsOf(node));
			} else say(livingIn(node, false, ours));
		}
		const parts = [...methods, ...functions];
		for (let count = -1; count !== living.size; ) {
			count = living.size;
			for (const { name, inside, locals } of parts) if (living.has(name)) say(namesIn(inside), locals);
		}
		const dead = parts.filter(({ name }) => !living.has(name));
		return code + dead.map(({ free }) => free).join("");
	},
};

/** The names that a function declares for itself. */
function localsOf(node, names = new Set()) {
	for (const { name } of node.params ?? []) names.add(name);
	if (node.type === "VariableDeclarator") names.add(node.id.name);
	for (const value of Object.values(node).flat()) if (typeof value?.type === "string") localsOf(value, names);
	return names;
}

/**
 * What code that runs once leaves behind: the names within functions, and of what is used but not called. With `isOurs`
 * properties that are used but not called are taken for data.
 */
function* livingIn(node, isOurs, ours) {
	if (node === null || typeof node !== "object") return;
	if (Array.isArray(node)) {
		for (const one of node) yield* livingIn(one, isOurs, ours);
	} else if (/Function/.test(node.type)) yield* namesIn(node);
	else if (node.type === "CallExpression" || node.type === "NewExpression") {
		const { callee } = node;
		// A function that is handed to one of the client's own is called by that one.
		const isHanded = (one) => one.type === "Identifier" && ours.has(callee.name) && ours.has(one.name);
		yield* livingIn(
			node.arguments.filter((one) => !isHanded(one)),
			isOurs,
			ours,
		);
		if (callee.type === "MemberExpression" && !callee.computed) yield* livingIn(callee.object, isOurs, ours);
		else if (callee.type !== "Identifier") yield* livingIn(callee, isOurs, ours);
	} else if (node.type === "MemberExpression" && !node.computed) {
		yield* livingIn(node.object, isOurs, ours);
		if (!isOurs) yield `.${node.property.name}`;
	} else if (node.type === "Property" && !node.computed) yield* livingIn(node.value, isOurs, ours);
	else if (node.type === "Identifier") yield node.name;
	else for (const value of Object.values(node)) yield* livingIn(value, isOurs, ours);
}

/**
 * Espruino hoists nothing: where a variable is used and its `var` stands behind that, or in a branch that is not taken, the
 * use means another variable of that name further out. Minified code does so. Here such functions declare it first.
 */
export const declareFirst = {
	name: "declare-first",
	renderChunk(code) {
		const insertions = [];
		const look = (node) => {
			const names = new Set(usedEarly(node, look));
			if (names.size > 0) insertions.push({ at: node.body.start + 1, text: `var ${[...names].join()};` });
		};
		for (const node of this.parse(code).body) usedEarly({ body: node }, look).next();
		let result = "";
		let from = 0;
		for (const { at, text } of insertions.sort((a, b) => a.at - b.at)) {
			result += code.slice(from, at) + text;
			from = at;
		}
		return result + code.slice(from);
	},
};

/** The variables of a function that are used where their `var` may not have been executed; functions within go to `look`. */
function* usedEarly({ params = [], body }, look) {
	const declared = new Map(params.map((param) => [param.name, []]));
	const uses = [];
	/** `branch`: the places, from the outside, which may be passed by. */
	const walk = (node, branch) => {
		if (node === null || typeof node !== "object") return;
		if (/Function/.test(node.type)) look(node);
		else if (node.type === "VariableDeclarator") {
			walk(node.init, branch);
			if (!declared.has(node.id.name)) declared.set(node.id.name, branch);
		} else if (node.type === "MemberExpression" && !node.computed) walk(node.object, branch);
		else if (node.type === "Property") walk(node.value, branch);
		else if (node.type === "Identifier") uses.push({ name: node.name, branch, isKnown: declared.has(node.name) });
		else
			for (const [part, inside] of Object.entries(node))
				walk(inside, mayBePassed(node, part) ? [...branch, inside] : branch);
	};
	walk(body, []);
	for (const { name, branch, isKnown } of uses) {
		const where = declared.get(name);
		if (where !== undefined && !(isKnown && where.every((place, i) => branch[i] === place))) yield name;
	}
}

/** Is this a part of a statement or an expression that is not always executed? */
function mayBePassed({ type }, part) {
	if (/^If|^Conditional/.test(type)) return part !== "test";
	if (/^For|^While/.test(type)) return part === "body";
	return (
		(type === "LogicalExpression" && part === "right") ||
		type === "SwitchCase" ||
		type === "TryStatement" ||
		type === "CatchClause"
	);
}
