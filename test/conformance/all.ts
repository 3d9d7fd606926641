/** All scenarios, each file by its subject. Free of any runtime: the XS engine loads this file too. */
import connack from "./connack.js";
import connect from "./connect.js";
import disconnect from "./disconnect.js";
import keepAlive from "./keep-alive.js";
import malformed from "./malformed.js";
import pieces from "./pieces.js";
import publish from "./publish.js";
import qos1 from "./qos1.js";
import qos2 from "./qos2.js";
import receive from "./receive.js";
import type { Scenario } from "./scenario.js";
import session from "./session.js";
import strings from "./strings.js";
import subscribe from "./subscribe.js";

export const scenarios: readonly Scenario[] = [
	...connect,
	...connack,
	...publish,
	...qos1,
	...qos2,
	...receive,
	...subscribe,
	...session,
	...keepAlive,
	...disconnect,
	...strings,
	...malformed,
	...pieces,
];
