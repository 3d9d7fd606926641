/** What XS adds to the language and the published typings only have together with much else. */
interface ArrayBufferConstructor {
	/** The UTF-8 bytes of a string. */
	fromString(text: string): ArrayBuffer;
}
