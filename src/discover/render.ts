// The proposal as the text of a configuration file, with comments that say where each value was read.
import { words } from './shape.ts';
import type { Value } from './types.ts';
import type { Probe, Service, Setting } from './propose.ts';

export interface Content {
  readonly node: string;
  /** The first step: only look. Left out when the file that is there has gone beyond it. */
  readonly observe: boolean;
  readonly services: readonly Service[];
  readonly hints: readonly { readonly kit: string; readonly text: string }[];
  readonly probe: Probe | null;
}

/** A comment is one line of printable text, whatever it quotes. */
const comment = (text: string): string => `# ${words(text)}`;

/** Needs no quotes in YAML, inside of { } neither, and is a text there. */
const PLAIN = /^(?!(?:true|false|null|yes|no|on|off|y|n)$)[A-Za-z/][\w./@+=-]*(?::[\w./@+=-]+)*$/i;

export function scalar(value: Value['value'] | boolean): string {
  if (typeof value === 'object') return `[${value.map(scalar).join(', ')}]`;
  if (typeof value !== 'string' || (PLAIN.test(value) && !value.endsWith(':'))) return String(value);
  return `'${words(value).replaceAll("'", "''")}'`;
}

export function render(content: Content): string {
  const { services, hints, probe, node, observe } = content;
  const lines = [
    `# The products that \`watchkeeper init\` found on ${words(node)}, and where it read each value. The file is yours now: init`,
    '# never writes over it; called again, it shows what differs. What does not stand here comes from the kits, and',
    '# `watchkeeper config show --effective` prints it. Obeyed by `watchkeeper run`, checked by `watchkeeper config check`.',
    ...(observe
      ? ['observe: true # first only look and tell; when that was right for a day, remove this line and reload']
      : []),
    '',
    'services:',
    ...services.flatMap((service, at) => [...(at > 0 ? [''] : []), ...block(service)]),
    '',
    'alerts:',
    '  log: { type: event-log, facility: mail }',
    ...(probe && !probe.ready ? ['', ...instructions(probe).map((line) => (line ? `# ${line}` : '#'))] : []),
    ...(hints.length > 0 ? ['', '# Not proposed:'] : []),
    ...hints.map(({ kit, text }) => comment(`${kit}: ${text}`)),
  ];
  return `${lines.join('\n')}\n`;
}

function block(service: Service): readonly string[] {
  const { name, about, kit, depends, set, overlays, notes } = service;
  return [
    `  ${comment(about)}`,
    `  ${name}:`,
    ...(kit === null ? [] : [`    kit: ${kit}`]),
    ...(depends.length > 0 ? ['    depends:'] : []),
    ...depends.map(({ name: other, from }) => `      - ${other} ${comment(from.join('; '))}`),
    ...settingLines(set),
    ...(overlays.length > 0 ? ['    checks:'] : []),
    ...overlays.map(({ check, set: changes, from }) => {
      const pairs = Object.entries(changes).map(([key, value]) => `${key}: ${scalar(value)}`);
      return `      - { ${kit === null ? 'type' : 'name'}: ${check}, ${pairs.join(', ')} } ${comment(from)}`;
    }),
    ...notes.map((note) => `    ${comment(note)}`),
  ];
}

function settingLines(set: readonly Setting[]): readonly string[] {
  if (set.length === 0) return [];
  const empty = set.every(({ later }) => later);
  return [
    `${empty ? '#' : ''}    set:`,
    ...set.map(({ param, value, from, later }) => {
      const text = `${param}: ${scalar(value)}`;
      // What is right once the mark is taken away.
      return later ? `#      ${text}` : `      ${text} ${comment(from)}`;
    }),
  ];
}

/** How a person makes the account of the probe, for the accounts that were found. */
export function instructions(probe: Probe): readonly string[] {
  const { address, table } = probe;
  const file = words(probe.file);
  return [
    `The deepest checks send a mail to an account of their own, log in, read it and remove it. Make ${words(address)}:`,
    `1. (umask 077; openssl rand -base64 18 >${file}) makes its password, for root's eyes only`,
    `2. ${account(probe)}`,
    ...(table === null ? [] : [`   and add it to ${words(table)}, where Postfix looks for mailboxes`]),
    '3. remove the one # before probe, user and password above (and before set, where one stands there), then:',
    '   watchkeeper config check && watchkeeper reload',
  ];
}

function account({ accounts: { driver, file }, address, login }: Probe): string {
  const where = file === null ? '' : ` ${words(file)}`;
  switch (driver) {
    case 'passwd-file':
      return `add a line to${where}: ${words(address)}:HASH, where \`doveadm pw -s SHA512-CRYPT\` asks for it and gives HASH`;
    case 'pam':
    case 'passwd':
    case 'shadow':
      return `useradd --create-home --shell /usr/sbin/nologin ${login}, then \`passwd ${login}\` with that password`;
    case 'ldap':
      return `add an entry to the directory like those of your users, with mail ${words(address)} and that password`;
    case 'sql':
      return `add a row to the database like those of your users, for ${words(address)} with that password`;
    default:
      return `make the mailbox ${words(address)} as you make others, with that password`;
  }
}
