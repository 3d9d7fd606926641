/** Espruino's typed arrays have no `copyWithin`; the client only moves bytes down, or to where they are not. */
if (!Uint8Array.prototype.copyWithin) {
	Uint8Array.prototype.copyWithin = function (this: Uint8Array, to: number, from: number, end: number) {
		this.set(this.subarray(from, end), to);
		return this;
	} as never;
}
