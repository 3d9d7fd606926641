#!/usr/bin/env node
// The command `mqtt-mote`: lets Node read TypeScript, and runs the command line.
import { fileURLToPath } from "node:url";
import { register } from "tsx/esm/api";

register({ tsconfig: fileURLToPath(new URL("../tsconfig.base.json", import.meta.url)) });
await import("../simulator/cli.ts");
