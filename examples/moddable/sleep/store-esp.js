/** On an ESP8266: four sectors of the flash that is left for files. A firmware that has files there takes another `first`. */
import Flash from "flash";
import { FlashStore } from "mqtt-mote/moddable";

export default new FlashStore({ flash: new Flash("storage") });
