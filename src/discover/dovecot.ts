// Dovecot: what `doveconf -a` says. It hides its own secrets, and only the settings that are named here are looked at.
import { ask, readFile } from './ask.ts';
import { shownBy } from './certificate.ts';
import { path, port } from './shape.ts';
import { needOf } from './tables.ts';
import type { Accounts, Found, Machine, Need, Overlay, Reading, Value } from './types.ts';

/** A block of the configuration: `service imap-login { … }`. */
export interface Section {
  readonly name: string;
  readonly values: ReadonlyMap<string, string>;
  readonly sections: readonly Section[];
}
interface Open {
  readonly name: string;
  readonly values: Map<string, string>;
  readonly sections: Open[];
}

const DEPTH = 16;

/** Lines of `name = value`, `name words {` and `}`. Null when the brackets do not fit. */
export function parseDoveconf(text: string): Section | null {
  const root: Open = { name: '', values: new Map(), sections: [] };
  const way: Open[] = [root];
  for (const line of text.split('\n').map((one) => one.trim())) {
    const top = way.at(-1) as Open;
    const [, key, value = ''] = /^([\w/]+) =\s?(.*)$/.exec(line) ?? [];
    if (line === '' || line.startsWith('#')) continue;
    if (key !== undefined) top.values.set(key, value.trim());
    else if (line.endsWith('{')) {
      const inner: Open = { name: line.slice(0, -1).trim().replaceAll('"', ''), values: new Map(), sections: [] };
      top.sections.push(inner);
      way.push(inner);
      if (way.length > DEPTH) return null;
    } else if (line === '}') {
      way.pop();
      if (way.length === 0) return null;
    }
  }
  return way.length === 1 ? root : null;
}

export async function dovecot(_found: Found, machine: Machine): Promise<Reading> {
  const got = await ask(machine, ['doveconf', '-a']);
  if (!('text' in got)) return { notes: [got.note] };
  const root = parseDoveconf(got.text);
  if (!root) return { notes: ['`doveconf -a` was not understood: nothing was read from it'] };
  return read(root, machine);
}

const plain = (text: string | undefined): string => (text ?? '').replace(/^"(.*)"$/, '$1').trim();

function read(root: Section, machine: Machine): Reading {
  const get = (name: string): string => plain(root.values.get(name));
  const protocols = get('protocols').split(/\s+/);
  const hasImap = protocols.includes('imap');
  const ssl = get('ssl') !== 'no';
  const imap = hasImap ? portOf(root, 'imap-login', 'imap') : null;
  const imaps = hasImap && ssl ? portOf(root, 'imap-login', 'imaps') : null;
  const pop3 = protocols.includes('pop3') ? portOf(root, 'pop3-login', 'pop3') : null;
  const sieve = protocols.includes('sieve') ? portOf(root, 'managesieve-login', 'sieve') : null;
  const certificate = get('ssl_cert').replace(/^<\s*/, '');
  const files = imaps !== null && path(certificate) !== null ? [certificate] : [];
  const shown = shownBy(machine, files, 'doveconf ssl_cert', [machine.hostname]);
  const lmtp = protocols.includes('lmtp') ? lmtpOf(root, get('base_dir')) : null;
  const store = storeOf(root, get);
  const folder = store !== null && isFolder(machine, store.value) ? store : null;
  return {
    set: {
      'imap-port': imap ?? imaps,
      'imaps-port': imaps,
      'pop3-port': pop3,
      'sieve-port': sieve,
      lmtp,
      store: folder,
      'tls-name': shown.name,
    },
    needs: needsOf(root, machine),
    overlays: [...overlaysOf(hasImap, imap, imaps), ...shown.overlays],
    notes: [
      ...shown.notes,
      ...(hasImap ? [] : ['protocols has no imap: the checks by IMAP are left out']),
      ...(store !== null && folder === null ? [`the mailboxes would be in ${store.value}, which is not there`] : []),
    ],
    accounts: accountsOf(root),
  };
}

/** What the checks by IMAP are told when only one of the two ports is there, or none. */
function overlaysOf(hasImap: boolean, imap: Value | null, imaps: Value | null): readonly Overlay[] {
  const off = (check: string): Overlay => ({ check, set: { off: true }, from: 'doveconf protocols' });
  if (!hasImap || (!imap && !imaps)) return [off('imap')];
  if (imap || !imaps) return [];
  const from = 'doveconf, service imap-login: only imaps listens';
  return [
    { check: 'imap', set: { tls: 'implicit' }, from },
    { check: 'imaps', set: { off: true }, from },
  ];
}

/** The port of a listener; null when it is switched off with 0. */
function portOf(root: Section, service: string, listener: string): Value | null {
  const found = child(child(root, `service ${service}`), `inet_listener ${listener}`);
  const number = port(plain(found?.values.get('port')));
  return number === null ? null : { value: number, from: `doveconf, service ${service}` };
}

const child = (of: Section | undefined, name: string): Section | undefined =>
  of?.sections.find((one) => one.name === name);

/** The socket of LMTP: one that somebody placed for an MTA before Dovecot's own. */
function lmtpOf(root: Section, base: string): Value | null {
  const sockets = (child(root, 'service lmtp')?.sections ?? [])
    .filter(({ name, values }) => name.startsWith('unix_listener ') && plain(values.get('mode')) !== '0')
    .map(({ name }) => name.slice('unix_listener '.length).trim());
  const best = sockets.find((name) => name.startsWith('/')) ?? sockets[0];
  const whole = path(best?.startsWith('/') ? best : `${base}/${best ?? ''}`);
  return best === undefined || whole === null ? null : { value: whole, from: 'doveconf, service lmtp' };
}

/** The folder that all mailboxes are in: the fixed part of `maildir:/srv/mail/%n`, of INBOX=, or of the home. */
function storeOf(root: Section, get: (name: string) => string): (Value & { readonly value: string }) | null {
  const where = get('mail_location');
  const homes = root.sections.filter(({ name }) => name === 'userdb').map(({ values }) => plain(values.get('args')));
  const home = homes.map((args) => /(?:^|\s)home=(\S+)/.exec(args)?.[1]).find(Boolean);
  const candidates = [
    [/:INBOX=(\/[^:%]*)/.exec(where)?.[1], 'doveconf mail_location'],
    [/^\w+:(\/[^:%]*)/.exec(where)?.[1], 'doveconf mail_location'],
    [/^(\/[^%]*)/.exec(get('mail_home'))?.[1], 'doveconf mail_home'],
    [/^(\/[^%]*)/.exec(home ?? '')?.[1], 'doveconf, home of the userdb'],
  ] as const;
  for (const [text, from] of candidates) {
    const fixed = path(text?.replace(/(?!^)\/+$/, ''));
    if (fixed !== null) return { value: fixed, from };
  }
  return null;
}

function isFolder(machine: Machine, folder: string): boolean {
  try {
    const real = machine.ports.files.realPath(folder);
    return real !== null && machine.ports.files.facts(real)?.kind === 'directory';
  } catch {
    return false;
  }
}

/** A directory or a database of users, if it is on this machine. */
function needsOf(root: Section, machine: Machine): readonly Need[] {
  return root.sections.flatMap(({ name, values }) => {
    const [driver, file] = [plain(values.get('driver')), path(plain(values.get('args')))];
    if (name !== 'passdb' && name !== 'userdb') return [];
    if (driver === 'ldap') return needOf(machine, 'ldap', file, `doveconf ${name}`);
    if (driver !== 'sql') return [];
    const kind = /^\s*driver\s*=\s*(mysql|pgsql)\s*$/m.exec((file && readFile(machine, file)) ?? '')?.[1];
    return kind ? needOf(machine, kind, file, `doveconf ${name}`) : [];
  });
}

/** Where the probe must be made: the first passdb that lets anybody in. */
function accountsOf(root: Section): Accounts {
  const first = root.sections.find(({ name, values }) => name === 'passdb' && values.get('deny') !== 'yes');
  const args = plain(first?.values.get('args')).split(/\s+/);
  const file = args.flatMap((word) => path(word) ?? []).at(-1) ?? null;
  return { driver: plain(first?.values.get('driver')), file };
}
