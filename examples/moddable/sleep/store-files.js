/** In the simulator: a file. */
import files from "embedded:storage/files";
import { FileStore } from "mqtt-mote/moddable";

export default new FileStore({ files, path: "mqtt-mote.session" });
