/**
 * A board on a battery: it wakes, measures, publishes within 20 seconds, and sleeps for ten minutes. What the broker has not
 * acknowledged by then stays in the board's flash for the next time.
 */
import { Client, Journal } from "mqtt-mote";
import { clock, settings, TcpLink } from "mqtt-mote/moddable";
import { network } from "network";
import store from "store";

/** Seconds from one wake to the next; an ESP8266 sleeps 4,294 at most. */
const SLEEP = 600;

const { host, port, name } = settings;

const client = new Client({
	link: new TcpLink({ host, port }),
	clientId: name,
	cleanSession: false,
	outbox: 512,
	journal: new Journal(store, SLEEP),
});
const temperature = client.topic(`${name}/temperature`, { qos: 1, whenFull: "drop-oldest" });

const alarm = clock.alarm(wake);

function wake() {
	temperature.publishNumber(20 + clock.random(), 2); // in place of a sensor
	client.flush(20, sleep);
}

function sleep(delivered, left) {
	trace(`${delivered} delivered, ${left} left\n`);
	// An ESP8266 is off then, and begins anew: its pin GPIO16 has to be wired to RST. On an ESP32 this does nothing (SDK 8.2.3), and
	// simulators have none: there it goes on here, awake.
	globalThis.System?.deepSleep?.(SLEEP * 1_000_000);
	alarm.set(SLEEP * 1000);
}

// The journal has the reading before there is a network.
wake();
export const wifi = network(() => client.retry());
