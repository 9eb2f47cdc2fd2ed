// One DNS question to one server, through c-ares: no thread pool, so a stuck disk cannot stop it, and no hosts file.
import { Resolver } from 'node:dns/promises';

export const DNS_TYPES = ['A', 'AAAA', 'CAA', 'CNAME', 'MX', 'NS', 'PTR', 'SOA', 'SRV', 'TXT'] as const;
export type DnsType = (typeof DNS_TYPES)[number];

export interface DnsQuestion {
  readonly name: string;
  readonly type: DnsType;
  /** An address, with a port if it is not 53: `10.0.0.53`, `127.0.0.1:5353`, `[::1]:5353`.
   *  Default: the first of resolv.conf(5). */
  readonly server?: string;
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
}

export type DnsCode =
  | 'ok'
  | 'no-name' // NXDOMAIN
  | 'no-data' // the name is there, and has nothing of this type
  | 'server-failure' // SERVFAIL: the server could not find out
  | 'refused' // REFUSED or NOTIMP (RFC 1035): the server will not answer us
  | 'closed' // nobody listens there
  | 'timeout'
  | 'garbled'
  | 'local'; // our own trouble, or a question that cannot be asked

export interface DnsAnswer {
  readonly code: DnsCode;
  /** The server that was asked, as in the question. */
  readonly server: string;
  /** One text a record: an address, `10 mail.example.org` for MX, the joined text for TXT. Sorted; at most 100. */
  readonly values: readonly string[];
  readonly ms: number;
}

export interface Dns {
  /** Never throws for what the server does. */
  ask(question: DnsQuestion): Promise<DnsAnswer>;
}

const CODES: Readonly<Record<string, DnsCode>> = {
  ENOTFOUND: 'no-name',
  ENODATA: 'no-data',
  ESERVFAIL: 'server-failure',
  EREFUSED: 'refused',
  ENOTIMP: 'refused',
  ECONNREFUSED: 'closed',
  ETIMEOUT: 'timeout',
  ECANCELLED: 'timeout',
  EFORMERR: 'garbled',
  EBADRESP: 'garbled',
};
const MAX_VALUES = 100;

/** A record as one text. The shapes are those of node:dns, by type. */
function recordText(record: unknown): string {
  if (typeof record === 'string') return record;
  if (Array.isArray(record)) return record.join('');
  const fields = Object.entries(record as Readonly<Record<string, unknown>>).filter(([name]) => name !== 'type');
  return fields
    .sort(([a], [b]) => Number(b === 'priority') - Number(a === 'priority'))
    .map(([, value]) => String(value))
    .join(' ');
}

async function ask(question: DnsQuestion): Promise<DnsAnswer> {
  const started = performance.now();
  // c-ares doubles its patience at the second try: a third of ours, then two.
  const resolver = new Resolver({ timeout: Math.max(1, Math.floor(question.timeoutMs / 3)), tries: 2 });
  let server = question.server ?? '';
  const done = (code: DnsCode, values: readonly string[] = []): DnsAnswer => ({
    code,
    server,
    values,
    ms: performance.now() - started,
  });
  const stop = (): void => resolver.cancel();
  const timer = setTimeout(stop, question.timeoutMs);
  question.signal.addEventListener('abort', stop, { once: true });
  try {
    if (server === '') server = resolver.getServers()[0] ?? '127.0.0.1';
    resolver.setServers([server]);
    if (question.signal.aborted) return done('timeout');
    const found: unknown = await resolver.resolve(question.name, question.type);
    const records = Array.isArray(found) ? found : [found];
    return done('ok', records.slice(0, MAX_VALUES).map(recordText).sort());
  } catch (error) {
    return done(CODES[(error as NodeJS.ErrnoException).code ?? ''] ?? 'local');
  } finally {
    clearTimeout(timer);
    question.signal.removeEventListener('abort', stop);
  }
}

export const dns: Dns = { ask };
