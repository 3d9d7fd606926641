/**
 * The telemetry profile, to be measured: `go` publishes that many messages at a QoS, one in each turn of Espruino's loop and, at QoS 1,
 * when the one before is acknowledged, and prints what they took; `cycle` connects so often. benchmarks/espruino.ts calls them.
 */
import { Client } from "mqtt-mote";
import { settings, TcpLink } from "mqtt-mote/host";

declare function print(...values: unknown[]): void;
declare function getTime(): number;
declare function setTimeout(callback: () => void, milliseconds: number): void;
declare const global: { go: (qos: 0 | 1, count: number) => void; burst: () => void; cycle: (count: number) => void };

const { host, port, name } = settings;

/** Connections that are still to be made. */
let cycles = 0;

const client = new Client({
	link: new TcpLink({ host, port }),
	clientId: name,
	outbox: 512,
	output: 128,
	inbox: 64,
	onConnect: () => {
		if (cycles > 0) setTimeout(again, 200);
	},
});
const topics = [client.topic("sensors/kitchen/temperature"), client.topic("sensors/kitchen/temperature", { qos: 1 })];
const payload = new Uint8Array(32);

let topic = topics[0];
let left = 0;
let begun = 0;

function one(): void {
	const isFree = topic === topics[0] || client.status.outbox.used === 0;
	if (left > 0 && isFree && topic.publish(payload)) left--;
	if (left > 0 || !isFree) setTimeout(one, 0);
	else print("took", getTime() - begun);
}

global.go = (qos, count) => {
	topic = topics[qos];
	left = count;
	begun = getTime();
	one();
};

global.burst = () => {
	let taken = 0;
	for (let i = 0; i < 100; i++) if (topics[0].publish(payload)) taken++;
	print("burst", taken, client.status.rejected);
};

function again(): void {
	client.stop();
	client.start();
	if (--cycles === 0) setTimeout(() => print("took", 0), 1500); // a closed socket may linger for a second
}

global.cycle = (count) => {
	cycles = count;
	again();
};

client.start();
