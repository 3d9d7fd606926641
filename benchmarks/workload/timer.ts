/** Moddable's `timer` for the workload: a timer that is fired by hand. */
type Callback = (timer: object) => void;

let callback: Callback = () => {};
const timer = {};

export default {
	repeat(fires: Callback) {
		callback = fires;
		return timer;
	},
	schedule() {},
};

export function fire(): void {
	callback(timer);
}
