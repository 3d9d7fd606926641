/**
 * Aedes as the companion broker hosts it, in a process that can be killed: `aedes-process.ts PORT FILE`. What it passes on to
 * subscribers it adds to the file first, a payload in each line, and what is in the file outlives the process.
 */
import { openSync, writeSync } from "node:fs";
import { aedesEngine } from "../../simulator/broker/aedes.js";
import { TcpEndpoint } from "../../simulator/broker/tcp.js";

const [port, file] = process.argv.slice(2);
const passed = openSync(file, "a");
const engine = await aedesEngine({
	message: ({ payload }) => writeSync(passed, `${Buffer.from(payload).toString("latin1")}\n`),
});
await TcpEndpoint.listen(engine, Number(port));
// Whoever has started it holds the other end: nobody is left to end it.
process.stdin.on("end", () => process.exit()).resume();
console.log("running");
