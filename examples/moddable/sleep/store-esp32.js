/** On an ESP32: four blocks of the partition "storage", which the manifest asks for. */
import flash from "embedded:storage/flash";
import { FlashStore } from "mqtt-mote/moddable";

export default new FlashStore({ flash: flash.open({ path: "storage" }) });
