/** Espruino's typed arrays have no `copyWithin`; the client only moves elements down, or to where they are not. */
function polyfill(prototype: { copyWithin?: unknown }): void {
	if (prototype.copyWithin) return;
	prototype.copyWithin = function (this: Uint8Array, to: number, from: number, end: number) {
		this.set(this.subarray(from, end), to);
		return this;
	};
}

polyfill(Uint8Array.prototype);
polyfill(Uint16Array.prototype);
polyfill(Uint32Array.prototype);
