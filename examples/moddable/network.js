/**
 * Wi-Fi that comes and goes, with Moddable's own modules: it connects to the access point of the manifest's `config`, again five
 * seconds after it was lost or not found, and says whenever the board has an address. The examples wifi and sleep use it.
 */
import config from "mc/config";
import { clock } from "mqtt-mote/moddable";
import Net from "net";
import WiFi from "wifi";

/** Calls `isBack` whenever there is an address, again too. What it returns has to be kept. */
export function network(isBack) {
	const access = { ssid: config.network, password: config.passphrase };
	const again = clock.alarm(() => WiFi.connect(access));
	WiFi.mode = WiFi.Mode.station;
	return new WiFi(access, (message) => {
		if (message === WiFi.gotIP) {
			trace(`address ${Net.get("IP")}\n`);
			again.set(-1);
			isBack();
		} else if (message === WiFi.disconnected) again.set(5000);
	});
}
