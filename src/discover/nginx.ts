// nginx: what `nginx -T` says of its web servers, and what the page that is proposed answers at this moment.
import { ask } from './ask.ts';
import { type Directive, named, parseBraces } from './braces.ts';
import { shownBy } from './certificate.ts';
import { domain, host, path, port } from './shape.ts';
import type { Found, Machine, Overlay, Reading, Value } from './types.ts';

const FROM = 'nginx -T';
const PAGE_MS = 3000;

export interface Listen {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
  readonly names: readonly string[];
  readonly certificate: string | null;
}

/** Every TCP address that a `server` of `http` listens at; null when the text was not understood. */
export function parseNginx(text: string): readonly Listen[] | null {
  const files = filesOf(text);
  const main = files?.[0];
  if (!files || !main) return null;
  const folder = main.path.replace(/[^/]*$/, '');
  const https = named(included(main.block, files, folder), 'http');
  return https.flatMap(({ block }) => {
    const inner = included(block ?? [], files, folder);
    return named(inner, 'server').flatMap((server) => listensOf(server, inner));
  });
}

interface File {
  readonly path: string;
  readonly block: readonly Directive[];
}

/** `nginx -T` prints each file after a line with its name, and leaves `include` as it is. */
function filesOf(text: string): readonly File[] | null {
  const parts = text.split(/^# configuration file (.*):$/m);
  const pairs = parts.length === 1 ? ['', text] : parts.slice(1);
  const files: File[] = [];
  for (let at = 0; at + 1 < pairs.length; at += 2) {
    const block = parseBraces(pairs[at + 1] ?? '');
    if (!block) return null;
    files.push({ path: pairs[at] ?? '', block });
  }
  return files;
}

const DEPTH = 8;

/** What stands in a block, with the files that it includes in the places where it does. */
function included(block: readonly Directive[], files: readonly File[], folder: string, depth = 0): Directive[] {
  return block.flatMap((one) => {
    const [word, pattern = ''] = one.words;
    if (word !== 'include') return [one];
    if (depth >= DEPTH) return [];
    const whole = pattern.startsWith('/') ? pattern : `${folder}${pattern}`;
    const fits = new RegExp(`^${whole.replace(/[^\w/]/g, '\\$&').replaceAll('\\*', '[^/]*')}$`);
    return files
      .filter(({ path: name }) => fits.test(name))
      .flatMap((file) => included(file.block, files, folder, depth + 1));
  });
}

function listensOf({ block }: Directive, outer: readonly Directive[]): readonly Listen[] {
  const names = named(block, 'server_name').flatMap(({ words }) =>
    words.slice(1).flatMap((name) => domain(name) ?? []),
  );
  const given = named(block, 'ssl_certificate')[0] ?? named(outer, 'ssl_certificate')[0];
  const certificate = path(given?.words[1]);
  const listens = named(block, 'listen').map(({ words }) => words.slice(1));
  return (listens.length > 0 ? listens : [['80']]).flatMap(([where = '', ...flags]) => {
    if (where.startsWith('unix:')) return [];
    const [, before = '', number] = /^(?:(\[[^\]]*\]|[^:]*):)?(\d+)$/.exec(where) ?? [];
    const at = number === undefined ? { host: where, port: 80 } : { host: before, port: port(number) };
    const bare = at.host.replace(/^\*$/, '');
    if (at.port === null || (bare !== '' && host(bare) === null)) return [];
    return [{ host: bare, port: at.port, tls: flags.includes('ssl'), names, certificate }];
  });
}

/** The address that a client of this machine asks. */
const asked = (address: string): string => {
  if (address === '' || address === '0.0.0.0') return '127.0.0.1';
  return address === '[::]' ? '[::1]' : address;
};
/** Addresses that take every client come first, IPv4 before IPv6. */
const rank = ({ host: at, port: number, tls }: Listen): number =>
  (tls ? 100 : 0) +
  (number === 80 || number === 443 ? 0 : 10) +
  (at === '' || at.startsWith('0') ? 0 : 1) +
  (at.startsWith('[') ? 2 : 0);

export async function nginx(_found: Found, machine: Machine): Promise<Reading> {
  const got = await ask(machine, ['nginx', '-T']);
  if (!('text' in got)) return { notes: [got.note] };
  const listens = parseNginx(got.text);
  if (!listens) return { notes: [`\`${FROM}\` was not understood: nothing was read from it`] };
  const best = [...listens].sort((a, b) => rank(a) - rank(b))[0];
  if (!best) return { notes: ['no server of it listens on a TCP port'] };
  return read(
    best,
    [...listens].sort((a, b) => rank(a) - rank(b)).find(({ tls }) => tls),
    machine,
  );
}

async function read(best: Listen, secure: Listen | undefined, machine: Machine): Promise<Reading> {
  const usual = best.port === (best.tls ? 443 : 80);
  const url = `http${best.tls ? 's' : ''}://${asked(best.host)}${usual ? '' : `:${best.port}`}/`;
  const files = secure?.certificate ? [secure.certificate] : [];
  const shown = shownBy(machine, files, `${FROM} ssl_certificate`, secure?.names ?? []);
  const secured = secure && shown.name ? secure : null;
  const status = await statusOf(url, machine);
  // Asked by its address, it cannot show a certificate for that: the check of the certificate is another one.
  const unverified: Overlay = { check: 'http', set: { verify: false }, from: 'asked by its address' };
  return {
    set: {
      url: { value: url, from: FROM },
      port: { value: best.port, from: FROM },
      status,
      'tls-name': shown.name,
      'tls-port': secured && { value: secured.port, from: FROM },
      'tls-host': secured && { value: asked(secured.host).replace(/^\[|\]$/g, ''), from: FROM },
    },
    overlays: [...(best.tls ? [unverified] : []), ...shown.overlays],
    notes: shown.notes,
  };
}

/** A page that is not for everybody says 401, 403 or 404 when all is well. */
async function statusOf(url: string, machine: Machine): Promise<Value | null> {
  try {
    const { signal } = machine;
    const tls = { verify: false };
    const answer = await machine.ports.http.request({ url, signal, timeoutMs: PAGE_MS, maxBytes: 1024, tls });
    const strange = answer.status >= 400 && answer.status < 500 && answer.status !== 429;
    return strange ? { value: [answer.status], from: 'what it answers now: choose a better page' } : null;
  } catch {
    return null; // It does not answer now, which says nothing of what it should.
  }
}
