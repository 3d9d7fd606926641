/** Virtual time: what is to happen, in order. Nothing waits for anything real. */

interface Event {
	/** Milliseconds since the run began. */
	at: number;
	/** Events of the same time happen in the order in which they were asked for. */
	order: number;
	fire: () => void;
}

export class Time {
	now = 0;
	/** Events that have happened. */
	count = 0;
	private asked = 0;
	/** A binary heap: the next event is the first one. */
	private readonly heap: Event[] = [];

	/** Calls `fire` after so many milliseconds. */
	after(delay: number, fire: () => void): void {
		const { heap } = this;
		const event = { at: this.now + delay, order: this.asked++, fire };
		let at = heap.length;
		for (let parent = (at - 1) >> 1; at > 0 && isBefore(event, heap[parent]); parent = (at - 1) >> 1) {
			heap[at] = heap[parent];
			at = parent;
		}
		heap[at] = event;
	}

	/** Lets the next event happen; false if there is none. */
	step(): boolean {
		const { heap } = this;
		const [first] = heap;
		const last = heap.pop();
		if (first === undefined || last === undefined) return false;
		let at = 0;
		for (let child = 1; child < heap.length; child = 2 * at + 1) {
			if (child + 1 < heap.length && isBefore(heap[child + 1], heap[child])) child++;
			if (!isBefore(heap[child], last)) break;
			heap[at] = heap[child];
			at = child;
		}
		if (heap.length > 0) heap[at] = last;
		this.now = first.at;
		this.count++;
		first.fire();
		return true;
	}
}

function isBefore(one: Event, other: Event): boolean {
	return one.at < other.at || (one.at === other.at && one.order < other.order);
}
