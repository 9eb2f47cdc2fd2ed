// Lookup tables that ask a directory or a database: does that server stand on this machine? Of their files only the
// lines with the host are read; the passwords that stand beside them go nowhere.
import { readFile } from './ask.ts';
import { isHere, words } from './shape.ts';
import type { Machine, Need } from './types.ts';

export const SERVERS: Readonly<Record<string, readonly string[]>> = {
  ldap: ['openldap'],
  ldaps: ['openldap'],
  mysql: ['mariadb'],
  pgsql: ['postgresql'],
  redis: ['redis'],
};

/** Maps of Postfix such as `proxy:ldap:/etc/postfix/users.cf`, in any of its settings. */
export function mapsIn(text: string): readonly { readonly type: string; readonly file: string | null }[] {
  const found = text.matchAll(/(?:^|[\s,{(:=])(ldap|mysql|pgsql):([^\s,{}()]*)/g);
  return [...found]
    .slice(0, 200)
    .map(([, type = '', name = '']) => ({ type, file: name.startsWith('/') ? name : null }));
}

/** The hosts of a file of Postfix (`server_host`, `hosts`) or of Dovecot (`uris`, `hosts`, `connect`). */
export function hostsIn(text: string): readonly string[] {
  return text.split('\n').flatMap((line) => {
    const [, key = '', value = ''] = /^\s*(server_host|hosts|uris|connect)\s*=\s*(.*)$/.exec(line) ?? [];
    if (key === '') return [];
    if (key !== 'connect')
      return value
        .split(/[\s,]+/)
        .filter(Boolean)
        .map(bareHost);
    return [...value.matchAll(/(?:^|\s)host=(\S+)/g)].map(([, host = '']) => bareHost(host));
  });
}

/** `ldap://host:389`, `inet:host:port`, `unix:/path`, `host:port` → the host. */
function bareHost(text: string): string {
  const rest = text.replace(/^(ldaps?|ldapi|inet|unix|postgresql|mysql):(\/\/(?!\/))?/i, '').replace(/^.*@/, '');
  if (rest.startsWith('/') || text.toLowerCase().startsWith('ldapi')) return '/';
  return /^\[([^\]]*)\]/.exec(rest)?.[1] ?? rest.split(/[:/?]/)[0] ?? '';
}

/** The need for the server of a table, if it is (or may be) on this machine. */
export function needOf(machine: Machine, type: string, file: string | null, from: string): readonly Need[] {
  const kits = SERVERS[type];
  if (!kits) return [];
  const hosts = hostsIn((file && readFile(machine, file)) ?? '');
  if (hosts.length > 0 && !hosts.some((host) => isHere(host, machine))) return [];
  return [{ kits, from: file === null ? from : `${from}, ${words(file)}` }];
}
