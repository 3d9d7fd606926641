/** A network and a clock that do what a test says: those on which the conformance scenarios run. */
export { ManualClock, ScriptedNetwork } from "../conformance/network.js";
