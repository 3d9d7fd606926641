/** `require("mqtt-mote")` in a real Espruino interpreter on Linux: its names, its links, and what they survive. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, writeFileSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { folder, freePort, Mosquitto, missing, Program, until } from "../support/programs.js";
import { allJsVars, assertFine, board, firmware, flashed, jsVars, module, NAME, see, skip } from "./espruino.js";

/** What all of the module, connected, takes on Linux. */
const NEEDED = 2600;

/** Starts an interpreter with the module, or says why not. `program` finds `m`, the module, and `s`, the settings. */
async function run(context: TestContext, program: string, port: number): Promise<Program | undefined> {
	const total = await allJsVars();
	if (total < NEEDED) {
		context.skip(`needs ${NEEDED} JsVars; this Espruino has ${total}`);
		return undefined;
	}
	const start = `var m=require("mqtt-mote"),s=m.settings;${program.replace(/\n\s*/g, "")}`;
	return (await flashed(context, await module(), port, { name: "mqtt-mote", start }))();
}

const CLIENT = `
	var c=new m.Client({link:link,clientId:s.name,outbox:512,output:128,inbox:64,keepAlive:2,timeout:1,retryBase:0.1,retryCap:0.2,
		exactlyOnce:new m.ExactlyOnce(),
		onConnect:function(p){print("connected",p)},onDisconnect:function(r){print("ended",r,m.describe(r))}});
	c.subscribe(s.name+"/in",2,function(x){print("got",E.toString(x.payload),x.qos,x.retain,x.remaining)});
	var t=[0,1,2].map(function(q){return c.topic(s.name+"/"+q,{qos:q})});
	c.start();
	setTimeout(function(){t.forEach(function(t,q){t.publishNumber(q+0.5,1)})},500);
`;

const TCP = `var link=new m.TcpLink({host:s.host,port:s.port});${CLIENT}`;

/** It publishes at each QoS, and receives at each; the counters say so. */
async function assertTalks(context: TestContext, program: Program, broker: Mosquitto): Promise<void> {
	const seen = await broker.subscriber(`${NAME}/+`);
	await see(program, "it publishes", () => [0, 1, 2].every((qos) => seen.output.includes(`${NAME}/${qos} ${qos}.5\n`)));
	for (const qos of [0, 1, 2]) {
		await broker.publish(`${NAME}/in`, `at ${qos}`, qos);
		await see(program, "it receives", () => program.output.includes(`got at ${qos} ${qos} false 0`));
	}
	assertFine(program);
	context.diagnostic(`JsVars in use: ${jsVars(program).at(-1)}`);
}

test("the module for require publishes and receives at QoS 0, 1 and 2 by its public names", {
	skip,
}, async (context) => {
	const broker = await Mosquitto.start(context);
	const names = "print('counted',c.status.delivered,c.status.accepted,c.status.outbox.size,c.status.connections)";
	const program = await run(context, `${TCP}setTimeout(function(){c.publish=0;${names}},1500);`, broker.port);
	if (!program) return;
	await see(program, "it is connected", () => program.output.includes("connected false"));
	await assertTalks(context, program, broker);
	await see(program, "it has counted", () => /counted 2 3 512 1/.test(program.output));
});

test("TcpLink over TLS", { skip: skip || missing("openssl") }, async (context) => {
	const look = new Program(process.env.ESPRUINO ?? "", ["-e", 'try{require("tls");print("has TLS")}catch(e){}']);
	await until("it has looked", () => look.exited);
	if (!look.output.includes("has TLS")) return context.skip("this Espruino has no TLS");
	const place = folder(context);
	const [key, cert] = ["key.pem", "cert.pem"].map((name) => join(place, name));
	const made = spawnSync("openssl", [
		...["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"],
		...["-keyout", key, "-out", cert],
	]);
	assert.equal(made.status, 0);
	for (const path of [place, key, cert]) chmodSync(path, 0o755); // Mosquitto started by root is another user
	const port = await freePort();
	const config = join(place, "tls.conf");
	writeFileSync(config, `listener ${port} 127.0.0.1\nallow_anonymous true\ncertfile ${cert}\nkeyfile ${key}\n`);
	const secure = new Program("mosquitto", ["-v", "-c", config]);
	context.after(() => secure.end("SIGKILL"));
	await until("Mosquitto runs", () => secure.output.includes("running"));
	const program = await board(context, await firmware("test/engines/firmware/tls.ts"), port);
	await see(program, "its message arrives", () => /Received PUBLISH from esp .*'esp\/secure'/.test(secure.output));
	assertFine(program);
});

/** A server on loopback whose sockets go with the test. */
async function listening(context: TestContext, connected: (socket: Socket) => void): Promise<number> {
	const sockets: Socket[] = [];
	const server: Server = createServer((socket) => {
		sockets.push(socket);
		socket.on("error", () => {});
		connected(socket);
	});
	context.after(() => {
		for (const socket of sockets) socket.destroy();
		server.close();
	});
	await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
	return (server.address() as { port: number }).port;
}

test("a server that accepts and says nothing is left after the timeout, and takes no memory", {
	skip,
}, async (context) => {
	const port = await listening(context, () => {});
	const program = await run(context, TCP, port);
	if (!program) return;
	const failures = () => program.output.split("no CONNACK").length - 1;
	await see(program, "two attempts have ended", () => failures() >= 2);
	const [before] = jsVars(program).slice(-1);
	await see(program, "four more have", () => failures() >= 6);
	assert.ok(Math.min(...jsVars(program).slice(-5)) <= before + 3, `${before} JsVars became ${jsVars(program).at(-1)}`);
});

test("a link that goes silent is noticed within 1.5 times the keep alive", { skip }, async (context) => {
	let silent = 0;
	const port = await listening(context, (socket) => {
		socket.once("data", () => {
			socket.write(Buffer.of(0x20, 2, 0, 0));
			silent = Date.now();
			socket.on("close", () => context.diagnostic(`noticed after ${Date.now() - silent} ms at a keep alive of 2,000`));
		});
	});
	const program = await run(context, TCP, port);
	if (!program) return;
	await see(program, "it is connected", () => program.output.includes("connected"));
	await see(program, "it has noticed", () => program.output.includes("ended"));
	assert.ok(Date.now() - silent < 3000 + 300, `${Date.now() - silent} ms`);
	assertFine(program);
});

test("a host that has no address is tried again", { skip }, async (context) => {
	const link = `var link=new m.TcpLink({host:"no-such-host.invalid"});${CLIENT}`;
	const program = await run(context, link, 1883);
	if (!program) return;
	await see(program, "it has been tried", () => program.output.split("ended 7").length > 3);
	assertFine(program);
});

test("SerialLink, framed, on a pty with the companion broker's serial line", {
	skip: skip || missing("socat"),
}, async (context) => {
	const place = folder(context);
	const [board, desk] = ["board", "desk"].map((name) => join(place, name));
	const socat = new Program("socat", [`pty,raw,echo=0,link=${board}`, `pty,raw,echo=0,link=${desk}`]);
	context.after(() => socat.end("SIGKILL"));
	await until("the ptys are there", () => spawnSync("ls", [board, desk]).status === 0);
	const port = await freePort();
	const root = fileURLToPath(new URL("../..", import.meta.url));
	const broker = new Program(
		"node",
		["bin/mqtt-mote.js", "broker", "--port", String(port), "--serial", `${desk}@115200`],
		{ cwd: root },
	);
	context.after(() => broker.end());
	await until("the broker runs", () => broker.output.includes(String(port)), 30_000);
	const link = `var link=new m.FramedLink(new m.SerialLink({port:Serial1,setup:{path:"${board}"}}),{buffer:256});${CLIENT}`;
	const program = await run(context, link, port);
	if (!program) return;
	await see(program, "it is connected", () => program.output.includes("connected false"));
	const publish = ["-h", "127.0.0.1", "-p", String(port), "-q", "2", "-t", `${NAME}/in`, "-r", "-m", "over the wire"];
	const publisher = new Program("mosquitto_pub", publish);
	await until("it is published", () => publisher.exited);
	await see(program, "it receives", () => /got over the wire 2 (true|false) 0/.test(program.output));
	assertFine(program);
});
