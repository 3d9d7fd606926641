export function xsProgram(source: string, _config: Record<string, unknown>): string {
	return `
globalThis.firmware = undefined; globalThis.loadFailure = undefined;
new Compartment({ globals: {}, resolveHook: (name) => name, loadHook: async (name) => ({ source: new ModuleSource(${JSON.stringify(source)}) }) }).import("main").then((ns) => { firmware = ns.namespace ?? ns; }, (e) => { loadFailure = String(e); });`;
}
