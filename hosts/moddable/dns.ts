/** Names of brokers: asked of whatever the device has that can answer. Only firmware that gives `dns` carries this. */
import { fail } from "../../src/check.js";
import type { TcpLink } from "./tcp-link.js";

/** What a resolver of ECMA-419 is asked. */
export interface DnsRequest {
	host: string;
	onResolved(host: string, address: string): void;
	onError(host: string): void;
}

/** What is used of a resolver. Every request has to be answered, be it by a time-out of the resolver's own. */
export interface Resolver {
	resolve(request: DnsRequest): void;
}

/** A class of resolvers, with what its constructor wants to know: as `{ io: Resolver, servers: ["1.1.1.1"], socket: { io: UDP } }`. */
export interface DnsOptions {
	io: new (options: never) => Resolver;
	[option: string]: unknown;
}

/** What ESP32, ESP8266 and the simulators can do by themselves. Each request makes one function, 9 slots. */
class SystemResolver implements Resolver {
	constructor() {
		if (globalThis.System?.resolve === undefined) {
			fail("this device has no System.resolve: give dns a resolver, such as device.network.mqtt.dns");
		}
	}

	resolve(request: DnsRequest): void {
		const { host } = request;
		System.resolve(host, (_name, address) => {
			if (address) request.onResolved(host, address);
			else request.onError(host);
		});
	}
}

/** For the option `dns`: the device's own way to find a name, `System.resolve` of Moddable's module "system". */
export const systemDns: DnsOptions = Object.freeze({ io: SystemResolver });

/** One name, looked up each time that its link opens. */
export class Lookup {
	private readonly link: TcpLink;
	private readonly resolver: Resolver;
	private readonly request: DnsRequest;
	/** The link waits for an answer. The one to an earlier request will do: it is the same name. */
	private waits = false;

	constructor(link: TcpLink, host: string, options: DnsOptions) {
		this.link = link;
		this.resolver = new options.io(options as never);
		this.request = {
			host,
			onResolved: (_host, address) => this.answer(address),
			onError: () => this.answer(undefined),
		};
	}

	begin(): void {
		this.waits = true;
		try {
			this.resolver.resolve(this.request);
		} catch {
			this.answer(undefined);
		}
	}

	/** The link waits no longer. */
	end(): void {
		this.waits = false;
	}

	private answer(address: string | undefined): void {
		if (!this.waits) return;
		this.waits = false;
		this.link.resolved(address);
	}
}
