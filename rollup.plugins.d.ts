import type { Plugin } from "rollup";

export const pureClasses: Plugin;
export const unwrapClasses: Plugin;
export const shakeMethods: Plugin;
export declare const freeSetUp: Plugin;
export declare const declareFirst: Plugin;
