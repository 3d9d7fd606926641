/** The command line's commands and options in one table: what it accepts, and what --help says. Called by cli.ts. */
import { statSync } from "node:fs";
import { isIPv4 } from "node:net";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import type { SerialDevice } from "./broker/serial.js";
import { MQTT_PORT } from "./broker/tcp.js";
import type { EngineName } from "./companion.js";
import { Complaint } from "./complaint.js";

export interface BrokerAddress {
	/** A name or an IPv4 address. */
	host: string;
	port: number;
}

export interface StartOptions {
	broker?: BrokerAddress;
	boards: number;
	name: string;
	port?: number;
	/** IPv4 address. */
	host?: string;
	serial?: SerialDevice[];
	companion?: EngineName;
	engine?: "xs" | "node";
	/** Absolute path. */
	firmware?: string;
	plain: boolean;
}

export interface BrokerOptions {
	port?: number;
	/** IPv4 address. */
	host?: string;
	serial?: SerialDevice[];
	engine?: EngineName;
}

export type Request =
	| { command: "help"; text: string }
	| { command: "version" }
	| { command: "start"; options: StartOptions }
	| { command: "broker"; options: BrokerOptions };

interface Option {
	/** What stands for the value in the help; without it the option is a switch. */
	value?: string;
	help: string;
	/** The value that a text means, or undefined if it means none; `must` says then what it must be. */
	read?(text: string): unknown;
	must?: string;
	/** May be given several times: the value is a list. */
	isMany?: boolean;
}

const MOST_BOARDS = 50;

/** Bits per second on a serial line. */
const BAUD = 115_200;

const ENGINE_OF_BROKER: Option = {
	value: "NAME",
	help: "the companion's engine: strict, which names each violation, or aedes; strict if left out",
	read: (text) => (text === "strict" || text === "aedes" ? text : undefined),
	must: "strict or aedes",
};

const OPTIONS: Record<string, Option> = {
	broker: {
		value: "URL",
		help: "publish to the broker at mqtt://HOST[:PORT] in place of the companion",
		read: readUrl,
		must: "mqtt://HOST or mqtt://HOST:PORT",
	},
	boards: {
		value: "N",
		help: `how many boards to run, 1 to ${MOST_BOARDS}; one if left out`,
		read: (text) => readNumber(text, 1, MOST_BOARDS),
		must: `a number from 1 to ${MOST_BOARDS}`,
	},
	name: {
		value: "NAME",
		help: "the boards are called NAME-1, NAME-2, ...; board-1, ... if left out",
		read: (text) => (/^[A-Za-z0-9_-]{1,20}$/.test(text) ? text : undefined),
		must: "1 to 20 letters, digits, hyphens and underscores",
	},
	port: {
		value: "N",
		help: `the companion's port; ${MQTT_PORT} if left out, or a free one, as with 0`,
		read: (text) => readNumber(text, 0, 65_535),
		must: "a number from 0 to 65535",
	},
	host: {
		value: "ADDRESS",
		help: "the companion's IPv4 address, 0.0.0.0 for all of this machine; only this machine reaches it if left out",
		read: (text) => (isIPv4(text) ? text : undefined),
		must: "an IPv4 address of this machine, or 0.0.0.0",
	},
	serial: {
		value: "DEVICE",
		help: `a board on a wire, for the companion: PATH, PATH@BAUD, PATH@BAUD,raw; ${BAUD} and frames if left out`,
		read: readDevice,
		must: `PATH@BAUD or PATH@BAUD,raw, such as /dev/ttyUSB0@${BAUD}`,
		isMany: true,
	},
	companion: ENGINE_OF_BROKER,
	engine: {
		value: "NAME",
		help: "xs, as on real boards, or node; xs if left out and it was compiled",
		read: (text) => (text === "xs" || text === "node" ? text : undefined),
		must: "xs or node",
	},
	firmware: {
		value: "FILE",
		help: "run this bundle for Moddable in place of examples/telemetry.ts",
		read: (text) => (statSync(text, { throwIfNoEntry: false })?.isFile() ? resolve(text) : undefined),
		must: "a file that exists",
	},
	plain: { help: "print lines only, as when the output is not a terminal" },
};

/** A command that is not named is the first one. */
const COMMANDS: Record<string, { help: string; options: string[]; own?: Record<string, Option> }> = {
	start: {
		help: "runs simulated boards, and a companion broker for them",
		options: ["boards", "broker", "port", "host", "serial", "companion", "engine", "firmware", "name", "plain"],
	},
	broker: {
		help: "runs the companion broker alone, and prints what reaches it",
		options: ["port", "host", "serial", "engine"],
		own: { engine: ENGINE_OF_BROKER },
	},
};

/** Throws a Complaint that says what is wrong. */
export function readArguments(argv: string[]): Request {
	const options = parseOptions();
	const { tokens } = parseArgs({ args: argv, options, strict: false, tokens: true });
	const positional = tokens.find((token) => token.kind === "positional");
	const named = positional?.value;
	// An option that is not known may be why what follows it looks like a command.
	const unknown = tokens.find((token) => token.kind === "option" && !Object.hasOwn(options, token.name));
	if (named !== undefined && !Object.hasOwn(COMMANDS, named) && (named === argv[0] || unknown === undefined)) {
		const names = Object.keys(COMMANDS).join(" and ");
		throw wrong(`there is no command "${named}"; the commands are ${names}, and mqtt-mote --help tells more`);
	}
	if (unknown?.kind === "option") {
		throw wrong(`there is no option ${unknown.rawName}; mqtt-mote --help lists the options`);
	}
	const command = named ?? Object.keys(COMMANDS)[0];
	const values: Record<string, unknown> = {};
	for (const token of tokens) {
		if (token.kind === "positional") {
			if (token === positional) continue;
			throw wrong(`"${token.value}" is too much; mqtt-mote ${command} --help shows what ${command} takes`);
		}
		if (token.kind === "option") {
			if (token.name === "help") return { command: "help", text: help(named) };
			if (token.name === "version") return { command: "version" };
			const value = readOption(command, token.name, token.value, token.inlineValue);
			const before = (values[token.name] ?? []) as unknown[];
			values[token.name] = OPTIONS[token.name].isMany ? [...before, value] : value;
		}
	}
	if (values.broker !== undefined && values.companion !== undefined) {
		throw wrong("--companion is for the companion broker, and with --broker there is none");
	}
	if (values.broker !== undefined && values.port !== undefined) {
		throw wrong("--port is for the companion broker; write another broker's port into --broker mqtt://HOST:PORT");
	}
	if (values.broker !== undefined && (values.host ?? values.serial) !== undefined) {
		throw wrong("--host and --serial are for the companion broker, and with --broker there is none");
	}
	if (command === "broker") return { command, options: values };
	return { command: "start", options: { boards: 1, name: "board", plain: false, ...values } };
}

function readOption(command: string, name: string, text: string | undefined, isInline = false): unknown {
	const option = optionOf(command, name);
	if (!COMMANDS[command].options.includes(name)) {
		throw wrong(`${command} has no option --${name}; mqtt-mote ${command} --help lists its options`);
	}
	if (option.read === undefined) {
		if (text !== undefined) throw wrong(`--${name} takes no value; leave "${text}" out`);
		return true;
	}
	const missing = text === undefined || text === "" || (!isInline && /^-[^0-9]/.test(text));
	if (missing) throw wrong(`--${name} needs a value: ${option.must}`);
	const value = option.read(text);
	if (value === undefined) throw wrong(`--${name} must be ${option.must}, not "${text}"`);
	return value;
}

/** What an option means to a command: boards have an engine, and so has the broker. */
function optionOf(command: string, name: string): Option {
	return COMMANDS[command].own?.[name] ?? OPTIONS[name];
}

/** All of it, or one command's part. */
function help(named: string | undefined): string {
	const lines: string[] = [];
	if (named === undefined) {
		lines.push(
			"mqtt-mote: simulated sensor boards that speak MQTT, and a companion broker for a bench",
			"",
			"Usage: mqtt-mote [COMMAND] [OPTIONS]",
			"",
			"  --help     shows this, or with a command only what belongs to it",
			"  --version  shows the version",
		);
	}
	for (const [name, command] of Object.entries(COMMANDS)) {
		if (named !== undefined && named !== name) continue;
		const usage = named === undefined ? "" : "Usage: ";
		const isDefault = name === Object.keys(COMMANDS)[0] ? " (also if no command is named)" : "";
		if (lines.length > 0) lines.push("");
		lines.push(`${usage}mqtt-mote ${name} [OPTIONS]`, `  ${command.help}${isDefault}`);
		for (const key of command.options) {
			const option = optionOf(name, key);
			const left = `--${key}${option.value === undefined ? "" : ` ${option.value}`}`;
			lines.push(`  ${left.padEnd(17)} ${option.help}`);
		}
	}
	return lines.join("\n");
}

function parseOptions() {
	const options: Record<string, { type: "string" | "boolean"; short?: string }> = {
		help: { type: "boolean", short: "h" },
		version: { type: "boolean" },
	};
	for (const [name, option] of Object.entries(OPTIONS)) {
		options[name] = { type: option.read === undefined ? "boolean" : "string" };
	}
	return options;
}

function readNumber(text: string, lowest: number, highest: number): number | undefined {
	const value = /^[0-9]{1,9}$/.test(text) ? Number(text) : -1;
	return value >= lowest && value <= highest ? value : undefined;
}

function readDevice(text: string): SerialDevice | undefined {
	const parts = /^([^,@]+)(?:@([0-9]+))?(,raw)?$/.exec(text);
	const baudRate = readNumber(parts?.[2] ?? String(BAUD), 1, 20_000_000);
	return parts === null || baudRate === undefined
		? undefined
		: { path: parts[1], baudRate, raw: parts[3] !== undefined };
}

function readUrl(text: string): BrokerAddress | undefined {
	const parts = /^mqtt:\/\/([A-Za-z0-9._-]+)(?::([0-9]+))?\/?$/.exec(text);
	const port = readNumber(parts?.[2] ?? String(MQTT_PORT), 1, 65_535);
	return parts === null || port === undefined ? undefined : { host: parts[1], port };
}

function wrong(sentence: string): Complaint {
	return new Complaint(sentence, 2);
}
