// Which reader speaks for which kit. A product without one gives its unit and its ports only.
import { bind } from './bind.ts';
import { dovecot } from './dovecot.ts';
import { nginx } from './nginx.ts';
import { opendkim } from './opendkim.ts';
import { openldap } from './openldap.ts';
import { postfix } from './postfix.ts';
import { postgresql } from './postgresql.ts';
import type { Found, Machine, Reader, Reading, Value } from './types.ts';

const READERS: Readonly<Record<string, Reader>> = { bind, dovecot, nginx, opendkim, openldap, postfix, postgresql };

/** What a product says of itself, and what can be seen of it from outside: its unit, and where it listens. */
export async function read(found: Found, machine: Machine): Promise<Reading> {
  const reader = READERS[found.kit.name];
  const reading = reader ? await reader(found, machine) : {};
  const set = { ...reading.set };
  if (!reader) set['port'] ??= onlyPort(found);
  if (found.unit !== null) set['unit'] = { value: found.unit, from: 'systemd' };
  const host = onlyAddress(found, set);
  for (const name of ['host', 'server']) if (host) set[name] ??= host;
  return { ...reading, set, notes: [...(reading.notes ?? []), ...(reader ? [] : elsewhere(found))] };
}

/** A port that is not the usual one, if it is the only one that there is. */
function onlyPort({ kit, held }: Found): Value | null {
  const ports = [...new Set(held.map(({ port }) => port))];
  const usual = kit.params.get('port');
  const [port] = ports;
  if (port === undefined || ports.length > 1 || typeof usual !== 'number') return null;
  return { value: port, from: 'it listens there' };
}

/** An address to ask, when it listens neither on all of them nor on that of the machine itself. */
function onlyAddress({ kit, held }: Found, set: Reading['set']): Value | null {
  const main = ['port', 'imap-port'].find((name) => kit.params.has(name));
  const port = main === undefined ? null : (set?.[main]?.value ?? kit.params.get(main));
  const addresses = held.filter((one) => one.port === port).map(({ address }) => address);
  const mapped = addresses.map((address) => address.replace(/^::ffff:(?=\d+\.)/, ''));
  if (mapped.length === 0 || mapped.some((one) => ['0.0.0.0', '::', '127.0.0.1'].includes(one))) return null;
  const here = mapped.find((one) => one === '::1') ?? [...mapped].sort()[0] ?? '';
  return { value: here, from: 'it listens on this address only' };
}

/** Ports that the kit would ask, and where nobody of this product listens. */
function elsewhere({ kit, held }: Found): readonly string[] {
  const ports = [...new Set(held.map(({ port }) => port))];
  const missing = kit.ports.filter((port) => !ports.includes(port));
  if (ports.length === 0 || missing.length === 0 || kit.params.has('port')) return [];
  const shown = ports.slice(0, 8).join(', ');
  return [`it listens on ${shown}, and not on ${missing.join(', ')}: see the parameters of the kit`];
}
