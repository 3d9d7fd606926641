/**
 * A board that sleeps: it wakes, measures, sends what it has measured, and sleeps on for ten minutes. Espruino's deep sleep is a
 * reset: what the broker has not acknowledged outlives it in a journal in Storage. The broker is told only every SENDS wakes; in
 * between the network is not needed, which saves the battery. Espruino on ESP8266 and ESP32.
 *
 * On an ESP8266, pin D16 has to be connected to RST, or it does not wake.
 */
import { Client, Journal } from "mqtt-mote";
import { StorageStore, settings, TcpLink } from "mqtt-mote/host";

/** Microseconds that it sleeps. */
declare const ESP8266: { deepSleep(microseconds: number): void } | undefined;
declare const ESP32: { deepSleep(microseconds: number): void } | undefined;
declare function require(name: "Storage"): {
	readJSON(name: string, quiet: boolean): number | undefined;
	writeJSON(name: string, value: number): void;
};

/** Seconds that it sleeps, and that one wake takes at most. */
const SLEEP = 600;
const BUDGET = 20;

/** It sends at each third wake. */
const SENDS = 3;

const { host, port, name } = settings;

const client = new Client({
	link: new TcpLink({ host, port }),
	clientId: name,
	cleanSession: false,
	outbox: 512,
	output: 128,
	inbox: 64,
	journal: new Journal(new StorageStore({ pages: 2, pageSize: 1280 })),
});
const reading = client.topic(`${name}/reading`, { qos: 1 });

/** How often it has woken. */
const wake = (require("Storage").readJSON("wakes", true) || 0) + 1;
require("Storage").writeJSON("wakes", wake);

// In place of a sensor: the number of the wake.
reading.publishNumber(wake, 0);

function sleep(): void {
	if (typeof ESP8266 !== "undefined") ESP8266.deepSleep(SLEEP * 1_000_000);
	else if (typeof ESP32 !== "undefined") ESP32.deepSleep(SLEEP * 1_000_000);
}

if (wake % SENDS === 0) client.flush(BUDGET, sleep);
else sleep();
