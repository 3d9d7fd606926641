/**
 * What makes a bundle small on Espruino, where each function, parameter and property takes a JsVar of 12 bytes for as long as
 * it is there. These plugins see the whole program, as ES5 with its own names; terser shortens them afterwards. They
 * change the client's own modules alone (`src` and `hosts/espruino`), and the calls of them.
 */

import { fileURLToPath } from "node:url";
import { minify } from "terser";
import ts from "typescript";
import { declared, shake } from "./rollup.plugins.js";

const root = fileURLToPath(new URL(".", import.meta.url));

/** Whose names may change. */
const OURS = ["src/", "hosts/espruino/"].map((folder) => root + folder);

/** Nodes within a node, in the order of the text. */
function children(node) {
	return Object.values(node)
		.flat()
		.filter((one) => typeof one?.type === "string")
		.sort((a, b) => a.start - b.start);
}

/** Calls `look` for each node, the outer ones first, with what it stands in. */
function walk(node, look, parents = []) {
	look(node, parents);
	const inside = [...parents, node];
	for (const child of children(node)) walk(child, look, inside);
}

/**
 * The code of a program with some of its nodes as `change` says them; it may `print` what is in them, and names what it has
 * left out between.
 */
function rewrite(code, program, change) {
	const print = (node, parents) => {
		const inside = [...parents, node];
		const text = change(node, parents, (child, ...between) => print(child, [...inside, ...between]));
		if (text !== undefined) return text;
		let result = "";
		let from = node.start;
		for (const child of children(node)) {
			result += code.slice(from, child.start) + print(child, inside);
			from = child.end;
		}
		return result + code.slice(from, node.end);
	};
	return print(program, []);
}

const nameOf = (node) => (node?.type === "MemberExpression" && !node.computed ? node.property.name : undefined);

/** `X.prototype.name = function ...` */
function methodIn(node) {
	const { left, right } = node.type === "ExpressionStatement" ? node.expression : {};
	if (right?.type !== "FunctionExpression" || nameOf(left?.object) !== "prototype") return undefined;
	return { of: left.object.object.name, name: nameOf(left), value: right };
}

/** `Object.defineProperty(X.prototype, "name", { get: function ... })` */
function getterIn(node) {
	const { callee, arguments: given } = node.type === "ExpressionStatement" ? node.expression : {};
	if (nameOf(callee) !== "defineProperty" || nameOf(given[0]) !== "prototype") return undefined;
	const get = given[2].properties.find(({ key }) => key.name === "get");
	return { of: given[0].object.name, name: given[1].value, value: get.value };
}

/** Is the value of the last of these nodes used? */
function isUsed(node, parents) {
	const outer = parents.at(-1);
	const further = () => isUsed(outer, parents.slice(0, -1));
	switch (outer.type) {
		case "ExpressionStatement":
			return false;
		case "SequenceExpression":
			return outer.expressions.at(-1) === node && further();
		case "LogicalExpression":
			return outer.left === node || further();
		case "ConditionalExpression":
			return outer.test === node || further();
		case "ForStatement":
			return outer.test === node;
		case "UnaryExpression":
			return outer.operator !== "void";
		default:
			return true;
	}
}

const isNothing = (node) => node.name === "undefined" || (node.type === "UnaryExpression" && node.operator === "void");

const isPure = (node) =>
	["Identifier", "ThisExpression", "Literal"].includes(node.type) ||
	(nameOf(node) !== undefined && isPure(node.object));

/** What makes an object and does nothing else. */
const isMaking = (node) =>
	node.type === "NewExpression" && /^Uint(8|32)Array$/.test(node.callee.name) && node.arguments[0]?.type === "Literal";

/**
 * All there is to know of each property: what it is set to, how often it is read, and how often only its elements are
 * written. A name that is used from `outside` is set to something, and read.
 */
function properties(program, outside) {
	const all = new Map();
	const of = (name) => {
		if (!all.has(name)) all.set(name, { values: [], reads: 0, elements: 0, isMethod: false, isOption: false });
		return all.get(name);
	};
	const fromOutside = (name) => {
		of(name).reads++;
		of(name).values.push({ type: "Outside" });
	};
	walk(program, (node, parents) => {
		if (node.type === "Property") {
			const property = of(node.key.name ?? node.key.value);
			property.values.push(node.value);
			property.isOption = true;
		}
		if (node.type === "Literal" && typeof node.value === "string") fromOutside(node.value);
		const name = nameOf(node);
		if (name === undefined) return;
		const outer = parents.at(-1);
		const isTarget = outer.type === "AssignmentExpression" ? outer.left === node : outer.type === "UpdateExpression";
		if (isElementWrite(node, parents)) of(name).elements++;
		else if (!isTarget) of(name).reads++;
		else if (outer.operator === "=") {
			if (nameOf(node.object) === "prototype") of(name).isMethod = true;
			of(name).values.push(outer.right);
		} else {
			of(name).values.push(outer);
			if (isUsed(outer, parents.slice(0, -1))) of(name).reads++;
		}
	});
	for (const name of outside) fromOutside(name);
	return all;
}

/** `x.name[...]++` or `x.name[...] = ...`, of which nobody asks the value. */
function isElementWrite(node, parents) {
	const [around, element] = [parents.at(-2), parents.at(-1)];
	if (element?.type !== "MemberExpression" || !element.computed || element.object !== node) return false;
	if (!isPure(element.property)) return false;
	const isWrite =
		around?.type === "UpdateExpression" || (around?.type === "AssignmentExpression" && around.left === element);
	return isWrite && !isUsed(around, parents.slice(0, -2));
}

/** Terser without new names: folds what has become constant. */
async function fold(code) {
	const { code: result } = await minify(code, {
		ecma: 5,
		toplevel: true,
		compress: {
			ecma: 5,
			passes: 2,
			hoist_funs: false,
			inline: false,
			reduce_funcs: false,
			sequences: false,
			keep_fargs: false,
			pure_funcs: PURE,
			conditionals: true,
			join_vars: false,
			collapse_vars: false,
			pure_getters: true,
		},
		mangle: false,
		format: { beautify: true, comments: /#__PURE__/ },
	});
	return result;
}

/** Functions whose only effect is what they return. */
const PURE = ["wellFormed", "hasWildcard", "nameError", "filterError", "textError", "characters", "lengthSize"];

/**
 * Options and parts that no firmware gives are `undefined`, and so is what is made of them; what is only written, such as
 * counters that nobody reads, is not written; a parameter or a field that is the same number everywhere is that number.
 * Of the names that `isOurs`; those of `outside` are used from outside of the bundle.
 */
export async function forgetUnused(code, parse, isOurs, outside, asked, shake) {
	for (let last = ""; last !== code; ) {
		last = code;
		code = await fold(shake(code));
		code = forget(code, parse(code), isOurs, outside, asked);
	}
	return code;
}

function forget(code, program, isOurs, outside, asked) {
	const all = properties(program, outside);
	const candidates = [...all].filter(([name, { isMethod }]) => isOurs(name) && !isMethod);
	const ungiven = new Set(candidates.map(([name]) => name));
	// What is copied from something that nobody gives is given by nobody.
	for (let count = -1; count !== ungiven.size; ) {
		count = ungiven.size;
		for (const name of ungiven) {
			const isGiven = (value) => !isNothing(value) && !ungiven.has(nameOf(value));
			if (all.get(name).values.some(isGiven)) ungiven.delete(name);
		}
	}
	const fixed = new Map();
	const unread = new Set();
	for (const [name, { values, reads, elements, isOption }] of candidates) {
		const [first] = values;
		const isFixed = !isOption && first?.type === "Literal" && typeof first.value === "number";
		if (isFixed && values.every((one) => one.type === "Literal" && one.value === first.value))
			fixed.set(name, first.raw);
		if (reads === 0 && (elements === 0 || values.every(isMaking))) unread.add(name);
	}
	const isForgotten = (name) => unread.has(name) || ungiven.has(name) || fixed.has(name);
	const constants = constantParameters(program);
	const isUnasked = (node) => node.object?.name === "options" && isOurs(nameOf(node)) && !asked.has(nameOf(node));
	return rewrite(code, program, (node, parents, print) => {
		const outer = parents.at(-1);
		if (node.type === "AssignmentExpression" || node.type === "UpdateExpression") {
			const target = node.left ?? node.argument;
			const name = nameOf(target);
			const element = target.computed && isPure(target.property) ? nameOf(target.object) : undefined;
			if (isForgotten(name) && isPure(target.object) && node.operator === "=") {
				return isMaking(node.right) && !isUsed(node, parents) ? "0" : print(node.right);
			}
			if ((unread.has(name) || unread.has(element)) && !isUsed(node, parents))
				return node.right ? print(node.right) : "0";
		}
		if (node.type === "ObjectExpression") {
			const kept = node.properties.filter(
				({ key, value }) => !(isForgotten(key.name ?? key.value) && isPureValue(value)),
			);
			if (kept.length < node.properties.length) return `{ ${kept.map((one) => print(one)).join(", ")} }`;
		}
		if (/^(number|whole)$/.test(node.callee?.name) && isNothing(node.arguments[0])) return print(node.arguments[1]);
		const name = nameOf(node);
		if (isUnasked(node) && ASKING.has(functionOf(parents))) return "(void 0)";
		if (name !== undefined && isPure(node.object) && !(outer.left === node && outer.type === "AssignmentExpression")) {
			if (ungiven.has(name)) return "(void 0)";
			if (fixed.has(name)) return `(${fixed.get(name)})`;
		}
		return constants(node, parents, print);
	});
}

/** The functions and methods whose `options` come from a firmware. */
const ASKING = new Set(["Client", "topic", "Stream", "TcpLink", "SerialLink", "StorageStore"]);

/** The name of the outermost function or method that nodes with these parents stand in. */
function functionOf([, statement]) {
	return statement && (statement.id?.name ?? methodIn(statement)?.name);
}

const isPureValue = (node) => isPure(node) || isNothing(node) || node.type === "Literal";

/** Changes functions that get the same literal for a parameter in all their calls. */
function constantParameters(program) {
	const functions = new Map();
	for (const node of program.body)
		if (node.type === "FunctionDeclaration") functions.set(node.id.name, { node, calls: [] });
	walk(program, (node, parents) => {
		// A name that means something else somewhere is left alone.
		if (parents.length > 1) for (const { name } of declaredBy(node)) functions.delete(name);
		if (node.type !== "Identifier" || !functions.has(node.name)) return;
		const outer = parents.at(-1);
		if (outer.type === "FunctionDeclaration" && outer.id === node) return;
		if (outer.type === "MemberExpression" && outer.object !== node && !outer.computed) return;
		if (outer.type === "Property" && outer.value !== node) return;
		if (outer.type === "MemberExpression" && nameOf(outer) === "prototype") return;
		const isCall = /^(Call|New)Expression$/.test(outer.type) && outer.callee === node;
		if (isCall) functions.get(node.name).calls.push(outer);
		else functions.delete(node.name);
	});
	const changes = new Map();
	for (const [name, { node, calls }] of functions) {
		if (calls.length === 0) continue;
		const values = node.params.map((_, i) => {
			const [first] = calls.map((call) => call.arguments[i]);
			if (!first || !(isNothing(first) || (first.type === "Literal" && typeof first.value !== "object")))
				return undefined;
			const text = isNothing(first) ? "void 0" : first.raw;
			const isSame = calls.every(
				({ arguments: given }) => given[i] && (isNothing(given[i]) ? "void 0" : given[i].raw) === text,
			);
			return isSame ? text : undefined;
		});
		if (values.every((one) => one === undefined)) continue;
		changes.set(name, values);
	}
	return (node, _, print) => {
		const name = node.type === "FunctionDeclaration" ? node.id.name : node.callee?.name;
		const values = changes.get(name);
		if (values === undefined) return undefined;
		const rest = (list) =>
			list
				.filter((_one, i) => values[i] === undefined)
				.map((one) => print(one))
				.join(", ");
		if (node.type === "FunctionDeclaration") {
			const given = node.params.flatMap(({ name: param }, i) =>
				values[i] === undefined ? [] : [`${param} = ${values[i]}`],
			);
			return `function ${name}(${rest(node.params)}) { var ${given.join(", ")}; ${node.body.body.map((one) => print(one)).join("\n")} }`;
		}
		return `${node.type === "NewExpression" ? "new " : ""}${name}(${rest(node.arguments)})`;
	};
}

/** What a node declares within a function. */
const declaredBy = ({ type, params = [], param, id }) =>
	[...params, param, type === "VariableDeclarator" || type === "FunctionExpression" ? id : undefined].filter(Boolean);

/** What JavaScript itself has properties of, and what Espruino and the settings file call things. */
const LANGUAGE = [
	Object,
	Function,
	Array,
	String,
	Number,
	Boolean,
	Date,
	RegExp,
	Promise,
	Error,
	ArrayBuffer,
	DataView,
];
const TYPED = [Uint8Array, Object.getPrototypeOf(Uint8Array)];

/**
 * Names on Espruino cost memory by the letter, so all properties get short ones but these. A firmware that calls more of
 * Espruino's objects adds their names here.
 */
export const kept = [
	...[...LANGUAGE, ...TYPED].flatMap((one) => [one, one.prototype].flatMap(Object.getOwnPropertyNames)),
	...[Math, JSON].flatMap(Object.getOwnPropertyNames),
	...["get", "enumerable", "configurable", "toUint8Array", "readJSON", "writeJSON", "read", "write", "erase"],
	...["connect", "host", "port", "name", "on", "end", "dSnd", "ca", "cert", "key", "setup"],
];
const FOREIGN = new Set(kept);

/** What is `this` in a method is a parameter in the function that it becomes. */
const SELF = "self$";

/**
 * Methods become functions with the object as their first parameter, and classes that have none left become functions that
 * fill an object: without prototypes. A method stays one where its name means something else, too.
 */
export function dissolve(code, program, isOurs, outside) {
	const all = properties(program, outside);
	const methods = program.body.map(methodIn).filter(Boolean);
	const getters = new Map();
	for (const node of program.body) {
		const { of, name, value } = getterIn(node) ?? {};
		if (of !== undefined && name.includes("$") && all.get(name).values.length === 1)
			getters.set(name, { name: `${name}Of${of}`, value });
	}
	const called = new Map();
	walk(program, (node, parents) => {
		const outer = parents.at(-1);
		const name = nameOf(node);
		if (name !== undefined && outer.type === "CallExpression" && outer.callee === node)
			called.set(name, (called.get(name) ?? 0) + 1);
	});
	const functions = new Map();
	for (const { of, name } of methods) {
		const { values, reads } = all.get(name);
		if (isOurs(name) && values.length === 1 && reads === (called.get(name) ?? 0)) functions.set(name, `${name}Of${of}`);
	}
	const makers = new Set();
	for (const { type, id } of program.body) if (type === "FunctionDeclaration") makers.add(id.name);
	const made = new Set();
	walk(program, (node, parents) => {
		if (parents.length > 1) for (const { name } of declaredBy(node)) makers.delete(name);
		const outer = parents.at(-1);
		if (node.type !== "Identifier" || !makers.has(node.name) || outer.id === node) return;
		if (
			(outer.type === "MemberExpression" && outer.object !== node) ||
			(outer.type === "Property" && outer.value !== node)
		)
			return;
		const statement = nameOf(outer) === "prototype" ? parents[1] : undefined;
		const isGone = statement && (functions.has(methodIn(statement)?.name) || getters.has(getterIn(statement)?.name));
		if (outer.type === "NewExpression" && outer.callee === node) made.add(node.name);
		else if (!isGone) makers.delete(node.name);
	});
	const isMaker = (name) => makers.has(name) && made.has(name);
	const list = (nodes, print) => nodes.map((one) => print(one));
	return rewrite(code, program, (node, parents, print) => {
		const around = parents.find(({ type }) => /Function/.test(type));
		const inner = parents.findLast(({ type }) => /Function/.test(type));
		const method = parents[1] && (methodIn(parents[1]) ?? getterIn(parents[1]));
		const isMade = around?.type === "FunctionDeclaration" && isMaker(around.id.name);
		if (
			node.type === "ThisExpression" &&
			around === inner &&
			(isMade || functions.has(method?.name) || getters.has(method?.name))
		)
			return SELF;
		if (node.type === "ReturnStatement" && !node.argument && around === inner && isMade) return `return ${SELF};`;
		if (node.type === "FunctionDeclaration" && isMaker(node.id.name)) {
			const statements = list(node.body.body, print).join("\n");
			return `function ${node.id.name}(${[SELF, ...list(node.params, print)].join(", ")}) { ${statements} return ${SELF}; }`;
		}
		if (node.type === "NewExpression" && isMaker(node.callee.name)) {
			return `${node.callee.name}(${["{}", ...list(node.arguments, print)].join(", ")})`;
		}
		const own = methodIn(node);
		if (own && functions.has(own.name)) {
			const { params, body } = own.value;
			const head = `${functions.get(own.name)}(${[SELF, ...params.map(({ name }) => name)].join(", ")})`;
			return `function ${head} ${print(body, node.expression, own.value)}`;
		}
		const getter = getters.get(getterIn(node)?.name);
		if (getter) {
			const { expression } = node;
			const { value } = getter;
			return `function ${getter.name}(${SELF}) ${print(value.body, expression, expression.arguments[2], value)}`;
		}
		if (getters.has(nameOf(node))) return `${getters.get(nameOf(node)).name}(${print(node.object)})`;
		const name = node.type === "CallExpression" ? nameOf(node.callee) : undefined;
		if (functions.has(name))
			return `${functions.get(name)}(${list([node.callee.object, ...node.arguments], print).join(", ")})`;
		return undefined;
	});
}

/**
 * A transformer for TypeScript: methods and accessors of our own classes and interfaces get the name of who declares them
 * behind their own, so that one name means one thing: `open` of a Link and `open` of a Session differ.
 */
export const fullNames = {
	type: "program",
	factory: (program) => (context) => (file) => {
		const checker = program.getTypeChecker();
		const { factory } = context;
		const isOurs = (declaration) => {
			const { fileName, isDeclarationFile } = declaration.getSourceFile();
			return !isDeclarationFile && OURS.some((folder) => fileName.startsWith(folder));
		};
		const isNamed = ({ kind, parent }) =>
			[ts.SyntaxKind.MethodDeclaration, ts.SyntaxKind.MethodSignature, ts.SyntaxKind.GetAccessor].includes(kind) &&
			(ts.isClassDeclaration(parent) || ts.isInterfaceDeclaration(parent));
		/** What classes and interfaces above the one that this stands in have under its name. */
		const above = ({ parent }, name) =>
			(parent.heritageClauses ?? [])
				.flatMap(({ types }) => types)
				.map((type) => checker.getTypeAtLocation(type).getProperty(name))
				.filter(Boolean);
		const full = (symbol) => {
			const declarations = symbol?.declarations ?? [];
			const declaration = declarations.find((one) => isNamed(one) && isOurs(one));
			if (declaration) {
				const [wider] = above(declaration, symbol.name);
				return `${symbol.name}$${(wider ? checker.getTypeAtLocation(wider.declarations[0].parent) : checker.getTypeAtLocation(declaration.parent)).symbol.name}`;
			}
			// A firmware's own class may be one of our interfaces.
			const inherited = declarations.flatMap((one) => above(one, symbol.name));
			return inherited.map(full).find((name) => name !== undefined);
		};
		const identifier = (symbol) => {
			const name = full(symbol);
			return name && factory.createIdentifier(name);
		};
		const visit = (node) => {
			const changed = ts.visitEachChild(node, visit, context);
			if (ts.isPropertyAccessExpression(node)) {
				const name = identifier(checker.getSymbolAtLocation(node.name));
				if (!name) return changed;
				return ts.isPropertyAccessChain(changed)
					? factory.updatePropertyAccessChain(changed, changed.expression, changed.questionDotToken, name)
					: factory.updatePropertyAccessExpression(changed, changed.expression, name);
			}
			if (ts.isBindingElement(node)) {
				const { text } = node.propertyName ?? node.name;
				if (!ts.isObjectBindingPattern(node.parent) || node.dotDotDotToken || text === undefined) return changed;
				const name = identifier(checker.getTypeAtLocation(node.parent).getProperty(text));
				return name
					? factory.updateBindingElement(changed, undefined, name, changed.name, changed.initializer)
					: changed;
			}
			const isShorthand = ts.isShorthandPropertyAssignment(node);
			const isProperty = ts.isPropertyAssignment(node) || ts.isPropertyDeclaration(node) || isShorthand;
			if (!isProperty && !ts.isMethodDeclaration(node) && !ts.isGetAccessor(node)) return changed;
			const symbol = ts.isObjectLiteralExpression(node.parent)
				? checker.getContextualType(node.parent)?.getProperty(node.name.text)
				: checker.getSymbolAtLocation(node.name);
			const name = identifier(symbol);
			if (!name) return changed;
			const { modifiers, asteriskToken, questionToken, typeParameters, parameters, type, body } = changed;
			if (isShorthand) return factory.createPropertyAssignment(name, node.name);
			if (ts.isPropertyAssignment(node)) return factory.updatePropertyAssignment(changed, name, changed.initializer);
			if (ts.isPropertyDeclaration(node)) {
				return factory.updatePropertyDeclaration(changed, modifiers, name, questionToken, type, changed.initializer);
			}
			if (ts.isGetAccessor(node))
				return factory.updateGetAccessorDeclaration(changed, modifiers, name, parameters, type, body);
			return factory.updateMethodDeclaration(
				changed,
				modifiers,
				asteriskToken,
				name,
				questionToken,
				typeParameters,
				parameters,
				type,
				body,
			);
		};
		return ts.visitNode(file, visit);
	},
};

/** The module for `require`, as source. */
export const MODULE = `${root}hosts/espruino/module.ts`;

/**
 * The names that a program says which uses some of what a module exports: options, methods, fields of status, those of what it is
 * handed and of what it hands in. They are taken from the types; what is private or `@internal` is not among them.
 */
export function publicNames(parts, entry = MODULE) {
	const { config } = ts.readConfigFile(`${root}hosts/espruino/tsconfig.bundle.json`, ts.sys.readFile);
	const { options } = ts.parseJsonConfigFileContent(config, ts.sys, `${root}hosts/espruino`);
	const program = ts.createProgram([entry, `${root}hosts/espruino/espruino.d.ts`], options);
	const checker = program.getTypeChecker();
	const file = program.getSourceFile(entry);
	const exported = new Map(checker.getExportsOfModule(checker.getSymbolAtLocation(file)).map((one) => [one.name, one]));
	const names = new Set(parts);
	const seen = new Set();
	const isOurs = (declaration) => {
		const { fileName } = declaration.getSourceFile();
		return OURS.some((folder) => fileName.startsWith(folder));
	};
	/** Is this a class that the program cannot have, as the parts that it has chosen lack it? */
	const isLacking = (type) => {
		const name = type.symbol?.name;
		return (
			(type.symbol?.flags ?? 0) & ts.SymbolFlags.Class &&
			!parts.includes(name) &&
			!HANDED.has(name) &&
			isOurs(type.symbol.declarations[0])
		);
	};
	const given = (type) => (type.isUnion() ? type.types : [type]).filter((one) => !(one.flags & ts.TypeFlags.Undefined));
	const visit = (type) => {
		if (seen.has(type)) return;
		seen.add(type);
		if (type.isUnionOrIntersection()) for (const one of type.types) visit(one);
		if (isLacking(type)) return;
		for (const property of checker.getPropertiesOfType(type)) {
			const declaration = property.valueDeclaration ?? property.declarations?.[0];
			if (!declaration || !isOurs(declaration)) continue;
			if (ts.getCombinedModifierFlags(declaration) & (ts.ModifierFlags.Private | ts.ModifierFlags.Protected)) continue;
			if (ts.getJSDocTags(declaration).some(({ tagName }) => tagName.text === "internal")) continue;
			const value = checker.getTypeOfSymbolAtLocation(property, file);
			if (given(value).every(isLacking)) continue;
			names.add(property.name);
			visit(value);
		}
		for (const signature of [...type.getCallSignatures(), ...type.getConstructSignatures()]) {
			for (const one of signature.parameters) visit(checker.getTypeOfSymbolAtLocation(one, file));
			visit(signature.getReturnType());
		}
	};
	for (const part of parts) {
		const symbol = exported.get(part);
		if (!symbol)
			throw new Error(
				`there is no part "${part}"; hosts/espruino/module.ts exports ${[...exported.keys()].join(", ")}`,
			);
		const original = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
		if (original.flags & ts.SymbolFlags.Value) visit(checker.getTypeOfSymbolAtLocation(original, file));
	}
	names.delete("prototype");
	return [...names];
}

/** Classes that a program is handed without making any. */
const HANDED = new Set(["Topic", "Subscription", "Message"]);

/** What the module exports that is a value. */
export const PARTS = [
	...["Client", "TcpLink", "clock", "settings", "StorageStore", "SerialLink", "FramedLink"],
	...["ExactlyOnce", "Deferral", "Fallback", "Journal", "Stream", "Age", "Diagnostics", "describe"],
];

/**
 * Which names the modules of a bundle say: the client's `own`, those that the firmware has `asked` for, and of these the ones
 * that `fullNames` has not seen, as they did not come through the compiler or stand in objects that no type describes.
 */
function namesIn(chunk, parse) {
	const own = new Set();
	const asked = new Set();
	const unseen = new Set();
	for (const [id, { code }] of Object.entries(chunk.modules)) {
		if (code === null) continue;
		const isOwn = OURS.some((folder) => id.startsWith(folder));
		const names = isOwn ? own : new Set();
		walk(parse(code), (node) => {
			const key = node.type === "Property" ? (node.key.name ?? node.key.value) : undefined;
			const name = nameOf(node) ?? key;
			if (name !== undefined) names.add(name);
			// A method of an object of which no type says that it is one of our interfaces.
			const given = node.type === "AssignmentExpression" ? nameOf(node.left) : key;
			if (!isOwn && given !== undefined && (node.value ?? node.right).type === "FunctionExpression") unseen.add(given);
			if (node.type === "Literal" && /^\w+\$\w+$/.test(node.value)) names.add(node.value);
		});
		if (isOwn) continue;
		const isSeen = [...names].some((name) => name.includes("$"));
		for (const name of names) {
			asked.add(name);
			if (!isSeen) unseen.add(name);
		}
	}
	return { own, asked, unseen };
}

/** Names that a firmware says without their declarer, as one that is JavaScript does, are what they were. */
function plainNames(code, isSaid) {
	return code.replace(/\b([a-z]\w*)\$([A-Z]\w*)\b/g, (full, name) => (isSaid(name) ? name : full));
}

/** All of it, for a bundle of which `outside` says the names that are used from outside. */
export const small = (outside = () => []) => ({
	name: "small",
	async renderChunk(code, chunk) {
		const parse = (text) => this.parse(text);
		const { own, asked, unseen } = namesIn(chunk, parse);
		for (const name of outside()) {
			asked.add(name);
			unseen.add(name);
		}
		for (const name of [...own]) own.add(name.split("$")[0]);
		const isOurs = (name) => own.has(name) && !FOREIGN.has(name);
		const used = (text) => shake(this, text, chunk.modules, outside());
		const plain = plainNames(code, (name) => unseen.has(name));
		const least = await forgetUnused(plain, parse, isOurs, outside(), asked, used);
		return dissolve(least, parse(least), isOurs, outside());
	},
});

/**
 * What runs for each message stays a function of its own; the rest, what runs for each connection or more rarely, becomes cases
 * of one function. That saves 5 JsVars and one for each parameter, for each of them; a call takes as long as it takes to
 * pass over the cases in front.
 */
export const merge = {
	name: "merge",
	renderChunk(code, { modules }) {
		const program = this.parse(code);
		const core = new Set();
		for (const [id, { code: text }] of Object.entries(modules)) {
			if (!CORE.test(id) || text === null) continue;
			for (const node of this.parse(text).body) for (const name of declared(node)) core.add(name);
		}
		const candidates = new Map();
		for (const node of program.body) {
			if (node.type !== "FunctionDeclaration") continue;
			const { name } = node.id;
			if (core.has(name.split("Of").at(-1)) && !HOT.has(name.split("$")[0]) && node.params.length <= PARAMETERS) {
				candidates.set(name, node);
			}
		}
		walk(program, (node, parents) => {
			if (parents.length > 1) for (const { name } of declaredBy(node)) candidates.delete(name);
			if (node.type !== "Identifier" || !candidates.has(node.name)) return;
			const outer = parents.at(-1);
			const around = parents[1].id?.name ?? "";
			const isOften = !HOT.has(around.split("$")[0]) && parents.some(({ type }) => /^(Do|While|For)/.test(type));
			if (outer.id === node || (outer.type === "CallExpression" && outer.callee === node && !isOften)) return;
			if (
				(outer.type === "MemberExpression" && outer.object !== node) ||
				(outer.type === "Property" && outer.value !== node)
			)
				return;
			candidates.delete(node.name);
		});
		if (candidates.size < 2) return code;
		const order = [...candidates.values()].sort((a, b) => a.end - a.start - (b.end - b.start));
		const numbers = new Map(order.map((node, i) => [node.id.name, i]));
		const most = Math.max(...order.map(({ params }) => params.length));
		const generic = Array.from({ length: most }, (_, i) => `p${i}$`);
		const replace = (within, skip) =>
			rewrite(code, within, (node, parents, print) => {
				if (skip && parents.length === 1 && candidates.has(node.id?.name)) return "";
				if (node.type === "CallExpression" && numbers.has(node.callee.name)) {
					return `rarely$(${[numbers.get(node.callee.name), ...node.arguments.map((one) => print(one))].join(", ")})`;
				}
				const renamed = skip ? -1 : within.params.findIndex(({ name }) => name === node.name);
				if (node.type !== "Identifier" || renamed < 0) return undefined;
				const outer = parents.at(-1);
				if ((outer.type === "MemberExpression" && outer.property === node && !outer.computed) || outer.key === node)
					return undefined;
				return generic[renamed];
			});
		const cases = order.map((node, i) => {
			const text = replace(node, false);
			return `case ${i}: ${text.slice(text.indexOf("{") + 1, text.lastIndexOf("}"))}\nreturn;`;
		});
		const merged = `function rarely$(${["n$", ...generic].join(", ")}) { switch (n$) { ${cases.join("\n")} } }\n`;
		return merged + replace(program, true);
	},
};

/** The most parameters of a function that is merged: each takes memory while any of them runs. */
const PARAMETERS = 5;

/** Where the client is that every firmware has. */
const CORE = /src\/(memory|wire)\/|src\/session\/(session|subscription|topic)\.|src\/client\.|hosts\/espruino\//;

/** What of it runs for each message. */
const HOT = new Set([
	...["publish", "publishNumber", "writeDecimal", "append", "sent", "transmit", "send", "onReceived", "onWritable"],
	...[
		"decode",
		"acknowledged",
		"acknowledge",
		"message",
		"identify",
		"equals",
		"reply",
		"writeReply",
		"nextIdentifier",
		"find",
	],
	...["pump", "fill", "look", "putRecord", "settled", "set", "fire", "assemble", "matches", "next", "wellFormed"],
	...["keep", "wake", "release", "refuse", "lengthSize", "writePublish", "nameIsLegal", "put", "writeLength"],
]);

/**
 * Makes names short: the client's own, and none that only the firmware says, which may be Espruino's. Booleans become numbers where
 * nothing asks for more than their truth.
 */
export const shorten = (outside = () => [], areBooleansNumbers = true) => ({
	name: "terser",
	async renderChunk(code, chunk) {
		const { own, asked } = namesIn(chunk, (text) => this.parse(text));
		const reserved = [...kept, ...outside(), ...[...asked].filter((name) => !own.has(name) && !name.includes("$"))];
		const { code: result } = await minify(code, {
			ecma: 5,
			toplevel: true,
			compress: {
				ecma: 5,
				passes: 3,
				hoist_funs: false,
				booleans_as_integers: areBooleansNumbers,
				reduce_funcs: false,
				pure_getters: true,
			},
			mangle: { toplevel: true, reserved: ["of", "static"], properties: { builtins: true, reserved } },
			format: { ecma: 5, ascii_only: true, comments: false },
		});
		return result;
	},
});
