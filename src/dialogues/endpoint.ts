// Where a server is and how TLS is used there: options that all network checks share.
import { opt, type Ports, z } from '../define.ts';
import type { TlsOptions } from '../ports/net.ts';
import { authorities } from './session.ts';

/** Host and port, or a unix socket. */
export const place = (port: number) => ({
  host: opt.host('Host name or address. An address needs no resolver.').default('127.0.0.1'),
  port: opt.port('TCP port.').default(port),
  path: opt.path('A unix socket instead of host and port.').optional(),
});

export interface Place {
  readonly host: string;
  readonly port: number;
  readonly path?: string | undefined;
}

/** `127.0.0.1:25`, `[::1]:25` or the socket's path. */
export function placeText(place: Place): string {
  if (place.path !== undefined) return place.path;
  return place.host.includes(':') ? `[${place.host}]:${place.port}` : `${place.host}:${place.port}`;
}

/** What `open` takes. */
export function address(place: Place): { path: string } | { host: string; port: number } {
  return place.path !== undefined ? { path: place.path } : { host: place.host, port: place.port };
}

export const tlsUse = {
  tls: z
    .enum(['off', 'offered', 'required', 'implicit'])
    .default('offered')
    .describe('`off`; `offered`: STARTTLS if the server offers it; `required`: STARTTLS or fail; `implicit`: at once.'),
  verify: opt
    .flag('Fail if the certificate is not trusted, or is for another name. The `tls` check does this with more words.')
    .default(false),
  servername: opt.host('The name that the certificate must be for, if it is not `host`.').optional(),
  ca: opt.path('PEM file of authorities to trust instead of the well-known ones.').optional(),
};

export interface TlsUse {
  readonly tls: 'off' | 'offered' | 'required' | 'implicit';
  readonly verify: boolean;
  readonly servername?: string | undefined;
  readonly ca?: string | undefined;
}

export function tlsOptions(ports: Ports, use: TlsUse, place: Place): TlsOptions {
  const name = use.servername ?? (place.path === undefined ? place.host : undefined);
  return { ...(name === undefined ? {} : { servername: name }), verify: use.verify, ...authorities(ports, use.ca) };
}

/** The same for `open`, when TLS begins at once. */
export function implicitTls(ports: Ports, use: TlsUse, place: Place): { tls?: TlsOptions } {
  return use.tls === 'implicit' ? { tls: tlsOptions(ports, use, place) } : {};
}

/** True when what is said there stays on this machine. */
export function isLoopback(place: Place): boolean {
  return (
    place.path !== undefined || place.host === 'localhost' || place.host === '::1' || place.host.startsWith('127.')
  );
}
