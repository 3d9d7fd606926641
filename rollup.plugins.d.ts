import type { Plugin } from "rollup";

export const pureClasses: Plugin;
export const unwrapClasses: Plugin;
export const shakeMethods: Plugin;
