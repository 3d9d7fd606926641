import type { Plugin } from "rollup";
import type { Program, SourceFile, TransformerFactory } from "typescript";

export const PARTS: string[];
export const fullNames: { type: "program"; factory: (program: Program) => TransformerFactory<SourceFile> };
export const merge: Plugin;
export function publicNames(parts: string[]): string[];
export function shorten(outside?: () => string[], areBooleansNumbers?: boolean): Plugin;
export function small(outside?: () => string[]): Plugin;
