/** The example telemetry on a board that looks after its Wi-Fi by itself: when that is back, the client does not wait any longer. */
import { network } from "network";
import { client } from "telemetry";

// Until there is an address, attempts to connect fail at once, and the waits between them grow.
export const wifi = network(() => client.retry());
