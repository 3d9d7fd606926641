/**
 * The least that is worth a board: it publishes a number every second at QoS 1, keeps an outbox of 512 bytes, and takes as little
 * memory as it can: about half of what an ESP8266 with Espruino has.
 */
import { Client } from "mqtt-mote";
import { clock, settings, TcpLink } from "mqtt-mote/host";

const { host, port, name } = settings;

const client = new Client({
	link: new TcpLink({ host, port }),
	clientId: name,
	outbox: 512,
	output: 64,
	inbox: 32,
});
const topic = client.topic(`${name}/uptime`, { qos: 1 });

let seconds = 0;
const alarm = clock.alarm(() => {
	topic.publishNumber(++seconds, 0);
	alarm.set(1000);
});

client.start();
alarm.set(1000);
