// Postfix: what `postconf` says. Of main.cf the settings that are named here, of master.cf the network services.
import { ask } from './ask.ts';
import { shownBy } from './certificate.ts';
import { domain, hostAndPort, isHere, path, port, words } from './shape.ts';
import { mapsIn, needOf } from './tables.ts';
import type { Found, Machine, Need, Reading, Value } from './types.ts';

const WANTED = [
  'myhostname',
  'mydomain',
  'mydestination',
  'virtual_mailbox_domains',
  'virtual_mailbox_maps',
  'virtual_transport',
  'mailbox_transport',
  'local_transport',
  'queue_directory',
  'smtpd_sasl_type',
  'smtpd_sasl_path',
  'smtpd_tls_security_level',
  'smtpd_use_tls',
  'smtpd_tls_cert_file',
  'smtpd_tls_chain_files',
  'smtpd_milters',
  'content_filter',
];

/** `name = value` lines; a line that begins with a blank goes on. */
export function parseSettings(text: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  let last = '';
  for (const line of text.split('\n')) {
    const [, name, value = ''] = /^(\w+) =\s?(.*)$/.exec(line) ?? [];
    if (name !== undefined) found.set((last = name), value.trim());
    else if (/^\s+\S/.test(line) && last !== '') found.set(last, `${found.get(last) ?? ''} ${line.trim()}`.trim());
  }
  return found;
}

export interface Listener {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly command: string;
  readonly options: ReadonlyMap<string, string>;
}

/** Names of ports that Debian's master.cf uses (services(5)). */
const PORTS: Readonly<Record<string, number>> = {
  smtp: 25,
  submission: 587,
  smtps: 465,
  submissions: 465,
  ssmtp: 465,
};

/** The services of master.cf that listen to the network and speak SMTP. */
export function parseMaster(text: string): readonly Listener[] {
  return text
    .replace(/\n[ \t]+/g, ' ')
    .split('\n')
    .flatMap((line) => {
      const [name = '', type, , , , , , command = '', ...args] = line.trim().split(/\s+/);
      if (type !== 'inet' || !/^(smtpd|postscreen)$/.test(command)) return [];
      const [, host = '', word = name] = /^(?:(.*):)?([^:]+)$/.exec(name) ?? [];
      const number = PORTS[word] ?? port(word);
      if (number === null) return [];
      const given = args.join(' ').matchAll(/-o\s*(?:\{\s*)?(\w+)\s*=\s*((?:(?! -o)[^}])*)/g);
      const options = new Map([...given].map(([, key = '', value = '']) => [key, value.trim()] as const));
      return [{ name: word, host: host.replace(/^\[|\]$/g, ''), port: number, command, options }];
    });
}

const list = (text: string | undefined): readonly string[] => (text ?? '').split(/[\s,]+/).filter(Boolean);

/** Argv in front of `postconf`, for an instance other than the first. */
const postconf = ({ instance }: Found): readonly string[] =>
  instance === null || instance === '-' ? ['postconf'] : ['postmulti', '-i', instance, '-x', 'postconf'];

export async function postfix(found: Found, machine: Machine): Promise<Reading> {
  const [one, two, three] = await Promise.all([
    ask(machine, [...postconf(found), '-x', ...WANTED]),
    ask(machine, [...postconf(found), '-M']),
    ask(machine, [...postconf(found), '-n', '-x']),
  ]);
  if (!('text' in one)) return { notes: [one.note] };
  if (!('text' in two)) return { notes: [two.note] };
  return read(parseSettings(one.text), parseMaster(two.text), 'text' in three ? three.text : '', machine);
}

function read(
  settings: ReadonlyMap<string, string>,
  listeners: readonly Listener[],
  own: string,
  machine: Machine,
): Reading {
  const get = (name: string): string => settings.get(name) ?? '';
  const { mx, submission, smtps } = roles(listeners);
  const offers = /^(may|encrypt)$/.test(mx?.options.get('smtpd_tls_security_level') ?? get('smtpd_tls_security_level'));
  const tls = offers || get('smtpd_use_tls') === 'yes';
  const setting = list(get('smtpd_tls_chain_files')).length > 0 ? 'smtpd_tls_chain_files' : 'smtpd_tls_cert_file';
  const files = list(get(setting)).filter((file) => path(file) !== null);
  const name = domain(get('myhostname'));
  const shown = shownBy(machine, tls ? files : [], `postconf ${setting}`, [name]);
  const domains = domainsOf(get);
  const table = list(get('virtual_mailbox_maps'))[0];
  const master = (one: Listener | undefined): Value | null => (one && { value: one.port, from: 'postconf -M' }) || null;
  const queue = path(get('queue_directory'));
  return {
    set: {
      port: master(mx),
      'submission-port': master(submission),
      'smtps-port': master(smtps),
      spool: queue === null ? null : { value: queue, from: 'postconf queue_directory' },
      'tls-name': shown.name,
    },
    needs: needsOf(get, own, listeners, machine),
    overlays: shown.overlays,
    notes: [...shown.notes, ...(mx ? [] : ['master.cf has no smtpd that listens to the network'])],
    domains,
    ...(table === undefined || domains.length === 0 ? {} : { table: words(table) }),
  };
}

/** Who is who of the listeners. One that is bound to this machine alone is for a filter that gives mail back. */
function roles(all: readonly Listener[]) {
  const open = all.filter(({ host }) => !/^(127\.|localhost$|::1$)/.test(host));
  const wrapped = ({ options }: Listener): boolean => options.get('smtpd_tls_wrappermode') === 'yes';
  const smtps = open.find((one) => wrapped(one));
  const plain = open.filter((one) => !wrapped(one));
  const submission = plain.find(({ port: number }) => number === 587);
  const rest = plain.filter((one) => one !== submission);
  const mx = rest.find(({ port: number }) => number === 25) ?? rest[0] ?? submission ?? all[0];
  return { mx, submission, smtps };
}

/** Domains whose mail stays here, those with mailboxes first. */
function domainsOf(get: (name: string) => string): readonly string[] {
  const named = (setting: string) => list(get(setting)).flatMap((text) => domain(text) ?? []);
  const local = named('mydestination').filter((text) => !/^localhost\./i.test(text));
  return [...new Set([...named('virtual_mailbox_domains'), ...local])];
}

function needsOf(
  get: (name: string) => string,
  own: string,
  listeners: readonly Listener[],
  machine: Machine,
): readonly Need[] {
  const needs: Need[] = [];
  const auth = listeners.some(({ options }) => options.get('smtpd_sasl_auth_enable') === 'yes');
  const uses = auth || /^smtpd_sasl_auth_enable = yes$/m.test(own);
  const way = get('smtpd_sasl_path');
  const remote = way.startsWith('inet:') && !isHere(hostAndPort(way.slice(5)).host, machine);
  if (uses && !remote && get('smtpd_sasl_type') === 'dovecot')
    needs.push({ kits: ['dovecot'], from: 'postconf smtpd_sasl_type' });
  for (const name of ['virtual_transport', 'mailbox_transport', 'local_transport'])
    needs.push(...viaLmtp(get(name), `postconf ${name}`, machine));
  for (const milter of list(get('smtpd_milters'))) needs.push(...at(milter, 'postconf smtpd_milters', machine));
  const filter = /^[\w-]+:(.+)$/.exec(get('content_filter'))?.[1];
  if (filter !== undefined) needs.push(...at(`inet:${filter}`, 'postconf content_filter', machine));
  for (const [, policy = ''] of own.matchAll(/check_policy_service\s*\{?\s*((?:inet|unix):[^\s,}]+)/g))
    needs.push(...at(policy, 'postconf, check_policy_service', machine));
  for (const { type, file } of mapsIn(own)) needs.push(...needOf(machine, type, file, `postconf, a map of ${type}`));
  return needs;
}

/** `lmtp:unix:private/dovecot-lmtp`, `lmtp:inet:host:port`, `lmtp:[host]:port`: the store, if it is here. */
function viaLmtp(transport: string, from: string, machine: Machine): readonly Need[] {
  const rest = /^(?:lmtp|dovecot)(?::(.*))?$/.exec(transport);
  if (!rest) return [];
  const where = rest[1] ?? '';
  const here =
    where === '' || where.startsWith('unix:') || isHere(hostAndPort(where.replace(/^inet:/, '')).host, machine);
  return here ? [{ kits: ['dovecot', 'cyrus'], from }] : [];
}

/** `inet:host:port`, `inet:port@host` or `unix:path`. */
function at(text: string, from: string, machine: Machine): readonly Need[] {
  const socket = /^(?:unix|local):(.+)$/.exec(text)?.[1];
  if (socket !== undefined) return [{ socket: words(socket), from }];
  const [, number, other] = /^inet:(\d+)@(.+)$/.exec(text) ?? [];
  const named =
    number === undefined ? hostAndPort(text.replace(/^inet:/, '')) : { host: other ?? '', port: port(number) };
  return named.port !== null && isHere(named.host, machine) ? [{ port: named.port, from }] : [];
}
