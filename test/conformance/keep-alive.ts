/** Keep alive (sections 3.1.2.10, 3.12 and 3.13). */
import { Reason } from "../../src/client.js";
import { connected, connecting, scene } from "./broker.js";
import { connack, connect, hex, pingreq, pingresp, puback, publish, show, suback, subscribe } from "./packets.js";
import { both, equal, refuses, scenario } from "./scenario.js";

export default [
	scenario(
		["MQTT-3.1.2-23"],
		"CONNECT tells the keep alive that the option says, 0 to 65,535 seconds",
		both,
		(level) => {
			for (const keepAlive of [0, 1, 10, 255, 256, 65_535]) {
				connecting(level, { keepAlive }).broker.expects(connect({ level, keepAlive }));
			}
			refuses(/keepAlive .*65536/, () => scene(level, { keepAlive: 65_536 }));
			refuses(/keepAlive .*-1/, () => scene(level, { keepAlive: -1 }));
		},
	),

	scenario(
		["MQTT-3.1.2-23", "MQTT-2.2.2-1"],
		"a client that has nothing to say says PINGREQ within each keep alive, for as long as PINGRESP comes",
		both,
		(level) => {
			for (const keepAlive of [1, 60, 65_535]) {
				const { broker } = connected(level, { keepAlive });
				let quiet = 0; // in hundredths of the keep alive
				for (let pings = 0; pings < 20; quiet++) {
					if (quiet > 100) throw new Error(`no packet within ${keepAlive} s`);
					broker.waits(keepAlive / 100);
					const heard = broker.hears();
					if (heard.length === 0) continue;
					equal(show(heard), "c0 00", "what it says");
					broker.sends(hex("d0 00"));
					quiet = 0;
					pings++;
				}
				broker.expectsNoClose();
			}
		},
	),

	scenario(["MQTT-3.1.2-23"], "no keep alive passes without a packet, however publishing falls", both, (level) => {
		for (const every of [30, 44, 46, 70, 89, 91, 99, 110, 150, 290]) {
			const { broker, client } = connected(level, { keepAlive: 100 });
			const topic = client.topic("t", { qos: 1 });
			let quiet = 0;
			for (let second = 1, id = 1; second <= 2_000; second++) {
				if (second % every === 0) topic.publish(new Uint8Array(1));
				broker.waits(1);
				const heard = broker.hears();
				if (heard[0] === 0x32) broker.sends(puback(id++));
				if (heard.length > 0) broker.sends(pingresp());
				quiet = heard.length > 0 ? 0 : quiet + 1;
				if (quiet > 100) throw new Error(`publishing every ${every} s: silent at ${second} s`);
			}
			broker.expectsNoClose();
		}
	}),

	scenario(["MQTT-3.1.2-23"], "the keep alive runs from CONNECT, not from CONNACK", both, (level) => {
		for (let delay = 0; delay <= 9; delay++) {
			const { broker } = connecting(level, { keepAlive: 10, timeout: 10 });
			broker.expectsConnect();
			broker.waits(delay);
			broker.sends(connack());
			broker.waits(10 - delay);
			broker.expects(pingreq());
		}
	}),

	scenario(["MQTT-3.1.2-23"], "a broker that is slow to answer requests does not keep PINGREQ away", both, (level) => {
		const { broker, client } = connected(level, { keepAlive: 10 });
		const filters = ["a", "b", "c", "d"];
		for (const filter of filters) client.subscribe(filter, 0, () => {});
		broker.expects(...filters.map((filter, i) => subscribe(i + 1, [filter, 0])));
		let quiet = 0;
		for (let second = 1; second <= 16; second++) {
			broker.waits(1);
			if (second % 4 === 0) broker.sends(suback(second / 4, 0));
			const heard = broker.hears();
			if (heard.length > 0) broker.sends(pingresp());
			quiet = heard.length > 0 ? 0 : quiet + 1;
			if (quiet > 10) throw new Error(`silent for ${quiet} s`);
		}
		broker.expectsNoClose();
	}),

	scenario(["MQTT-3.1.2-23"], "what comes in does not stand for what goes out", both, (level) => {
		const { broker, client } = connected(level, { keepAlive: 10 });
		client.topic("t").publish(new Uint8Array(0));
		broker.expects(publish("t", ""));
		for (let second = 0; second < 10; second++) {
			broker.sends(publish("a", "1"));
			broker.waits(1);
		}
		broker.expects(pingreq());
	}),

	scenario(["MQTT-3.1.2-23"], "keep alive 0 is off: no PINGREQ, and silence closes nothing", both, (level) => {
		const { broker } = connected(level, { keepAlive: 0 });
		broker.waits(100_000);
		broker.expectsNothing();
		broker.expectsNoClose();
	}),

	scenario(
		["MQTT-3.1.2-23"],
		"a PINGRESP that does not come closes the link within one and a half keep alives",
		both,
		(level) => {
			const { broker, client } = connected(level, { keepAlive: 60 });
			for (let second = 0; second < 90 && broker.network.isOpen; second++) broker.waits(1);
			broker.expects(pingreq());
			broker.expectsClose(Reason.PINGRESP_TIMEOUT);
			equal(client.status.violations, 0, "violations");
			broker.accepts();
		},
	),
];
