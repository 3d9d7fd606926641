/** A board that says NAME/secure over TLS. Espruino's TLS needs memory in one piece: so this is small. */
import { Client } from "mqtt-mote";
import { settings, TcpLink } from "mqtt-mote/host";

const { host, port, name } = settings;

const client = new Client({
	link: new TcpLink({ host, port, tls: {} } as { host: string; port: number }),
	clientId: name,
	outbox: 512,
	output: 128,
	inbox: 64,
});

client.topic(`${name}/secure`, { qos: 1 }).publishNumber(1.5, 1);
client.start();
