// OpenLDAP: what `slapcat -n0` says, which reads the configuration without a server, and what Debian starts it with. The
// output holds hashed passwords: only the attributes that are named here are looked at.
import { ask, readFile } from './ask.ts';
import { shownBy } from './certificate.ts';
import { dn, hostAndPort, path } from './shape.ts';
import type { Found, Machine, Reading, Value } from './types.ts';

const DEFAULTS = '/etc/default/slapd';

/** Values of an attribute in LDIF, lines that go on joined; without those in base64. */
export function valuesOf(ldif: string, attribute: string): readonly string[] {
  const joined = ldif.replace(/\r?\n /g, '');
  const start = `${attribute.toLowerCase()}: `;
  return joined
    .split('\n')
    .flatMap((line) => (line.toLowerCase().startsWith(start) ? [line.slice(start.length).trim()] : []));
}

/** A setting of a file that a shell reads. */
const setting = (text: string, name: string): string =>
  new RegExp(`^\\s*${name}=["']?([^"'\\n]*)["']?\\s*$`, 'm').exec(text)?.[1]?.trim() ?? '';

/** `ldap:///`, `ldap://127.0.0.1:3389/`: scheme, host and port. */
export function parseServices(text: string) {
  return text.split(/\s+/).flatMap((url) => {
    const [, scheme = '', at = ''] = /^(ldaps?):\/\/([^/]*)/.exec(url) ?? [];
    if (scheme === '') return [];
    const { host, port } = hostAndPort(at);
    return [{ scheme, host, port: port ?? (scheme === 'ldap' ? 389 : 636) }];
  });
}

export async function openldap(_found: Found, machine: Machine): Promise<Reading> {
  const defaults = readFile(machine, DEFAULTS) ?? '';
  const conf = path(setting(defaults, 'SLAPD_CONF'));
  const source = conf === null ? [] : [conf.endsWith('.conf') ? '-f' : '-F', conf];
  const got = await ask(machine, ['slapcat', '-n0', '-o', 'ldif-wrap=no', ...source]);
  const ldif = 'text' in got ? got.text : '';
  const listens = parseServices(setting(defaults, 'SLAPD_SERVICES') || 'ldap:///');
  const ldap = listens.find(({ scheme }) => scheme === 'ldap');
  const ldaps = listens.find(({ scheme }) => scheme === 'ldaps');
  const suffix = valuesOf(ldif, 'olcSuffix').flatMap((text) => dn(text) ?? [])[0];
  const folder = valuesOf(ldif, 'olcDbDirectory').flatMap((text) => path(text) ?? [])[0];
  const files = valuesOf(ldif, 'olcTLSCertificateFile').flatMap((text) => path(text) ?? []);
  const shown = shownBy(machine, files, 'slapcat olcTLSCertificateFile', [machine.hostname]);
  const base: Value | null = suffix === undefined ? null : { value: suffix, from: 'slapcat olcSuffix' };
  const from = `${DEFAULTS}, SLAPD_SERVICES`;
  return {
    set: {
      port: ldap ? { value: ldap.port, from } : null,
      'ldaps-port': ldaps ? { value: ldaps.port, from } : null,
      database: folder === undefined ? null : { value: folder, from: 'slapcat olcDbDirectory' },
      base,
      suffix: base,
      'tls-name': shown.name,
    },
    overlays: shown.overlays,
    notes: [...('note' in got ? [got.note] : []), ...shown.notes],
    accounts: { driver: 'ldap', file: null },
  };
}
