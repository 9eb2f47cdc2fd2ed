// What may come from a product into the configuration: values of a strict shape, and nothing else. A value that does
// not fit is left out, whatever it holds: it could be a secret, or a text that somebody put there for us.
import { clean } from '../core/clean.ts';

const fits =
  (shape: RegExp, most: number) =>
  (text: string | undefined): string | null => {
    const bare = text?.trim() ?? '';
    return bare.length <= most && shape.test(bare) ? bare : null;
  };

/** Names of hosts and domains as they stand in DNS (RFC 1123, with the underscore that people use). */
export const domain = fits(/^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_]([a-z0-9_-]{0,62}))+$/i, 253);
export const path = fits(/^\/[\w./@+:,=%-]+$/, 1024);
/** A name in a directory (RFC 4514), without what needs escapes. */
export const dn = fits(
  /^[A-Za-z][\w.-]*=[^\\"'<>;#\p{C},=]{1,200}(, ?[A-Za-z][\w.-]*=[^\\"'<>;#\p{C},=]{1,200})*$/u,
  400,
);
/** A name or an address, also one in brackets. */
export const host = fits(/^(?:[a-z0-9_][a-z0-9_.-]*|\[[0-9a-f:.]+\]|[0-9a-f:.]+)$/i, 253);

export function port(text: string | undefined): number | null {
  const number = /^\d{1,5}$/.test(text ?? '') ? Number(text) : 0;
  return number >= 1 && number <= 65_535 ? number : null;
}

/** Text from outside for a comment or a sentence: one line, printable, short. */
export const words = (text: string): string => clean(text.trim(), 160);

/** Does this host name mean this machine? Nothing means it as well: clients then ask the local server. */
export function isHere(host: string, machine: { hostname: string; addresses: readonly string[] }): boolean {
  const bare = host.toLowerCase().replace(/^\[|\]$/g, '');
  if (['', 'localhost', '::1', machine.hostname.toLowerCase()].includes(bare)) return true;
  return bare.startsWith('127.') || bare.startsWith('/') || machine.addresses.includes(bare);
}

/** The host and the port of `host:port`, `[::1]:port`, `host`. */
export function hostAndPort(text: string): { readonly host: string; readonly port: number | null } {
  const found = /^(?:\[([^\]]*)\]|([^:]*))(?::(\w+))?$/.exec(text.trim());
  return { host: found?.[1] ?? found?.[2] ?? '', port: port(found?.[3]) };
}
