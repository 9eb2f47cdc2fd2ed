// OpenLDAP: what `slapcat -n0` says, which reads the configuration without a server, or slapd.conf where there is one
// still, and what Debian starts it with. Both hold passwords: only the settings that are named here are looked at.
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

interface Settings {
  readonly suffixes: readonly string[];
  readonly folders: readonly string[];
  readonly certificates: readonly string[];
  readonly from: string;
  readonly notes: readonly string[];
}

/** Values of a keyword of slapd.conf(5), without their quotes. */
const wordsOf = (text: string, keyword: string): readonly string[] =>
  [...text.matchAll(new RegExp(`^${keyword}[ \\t]+(?:"([^"\\n]*)"|(\\S+))[ \\t]*$`, 'gim'))].map(
    ([, quoted, bare]) => quoted ?? bare ?? '',
  );

/** slapcat cannot read the configuration of a server that still has a file. */
function fromFile(file: string, machine: Machine): Settings {
  const text = readFile(machine, file);
  const of = (keyword: string): readonly string[] => wordsOf(text ?? '', keyword);
  return {
    suffixes: of('suffix'),
    folders: of('directory'),
    certificates: of('TLSCertificateFile'),
    from: file,
    notes: text === null ? [`${file} cannot be read: nothing was read from it`] : [],
  };
}

async function fromFolder(folder: string | null, machine: Machine): Promise<Settings> {
  const where = folder === null ? [] : ['-F', folder];
  const got = await ask(machine, ['slapcat', '-n0', '-o', 'ldif-wrap=no', ...where]);
  const ldif = 'text' in got ? got.text : '';
  return {
    suffixes: valuesOf(ldif, 'olcSuffix'),
    folders: valuesOf(ldif, 'olcDbDirectory'),
    certificates: valuesOf(ldif, 'olcTLSCertificateFile'),
    from: 'slapcat -n0',
    notes: 'note' in got ? [got.note] : [],
  };
}

export async function openldap(_found: Found, machine: Machine): Promise<Reading> {
  const defaults = readFile(machine, DEFAULTS) ?? '';
  const conf = path(setting(defaults, 'SLAPD_CONF'));
  const settings = conf?.endsWith('.conf') ? fromFile(conf, machine) : await fromFolder(conf, machine);
  const { from } = settings;
  const listens = parseServices(setting(defaults, 'SLAPD_SERVICES') || 'ldap:///');
  const port = (wanted: string): Value | null => {
    const found = listens.find(({ scheme }) => scheme === wanted);
    return found ? { value: found.port, from: `${DEFAULTS}, SLAPD_SERVICES` } : null;
  };
  const suffixes = settings.suffixes.flatMap((text) => dn(text) ?? []);
  const folder = settings.folders.flatMap((text) => path(text) ?? [])[0];
  const files = settings.certificates.flatMap((text) => path(text) ?? []);
  const shown = shownBy(machine, files, from, [machine.hostname]);
  return {
    set: {
      port: port('ldap'),
      'ldaps-port': port('ldaps'),
      database: folder === undefined ? null : { value: folder, from },
      suffixes: suffixes.length === 0 ? null : { value: suffixes, from },
      'tls-name': shown.name,
    },
    overlays: shown.overlays,
    notes: [...settings.notes, ...shown.notes],
    accounts: { driver: 'ldap', file: null },
  };
}
