// Where the mail of a domain is taken: its MX records in their order, or its address (RFC 5321 section 5), or nowhere
// (null MX, RFC 7505). Asks the resolvers one after the other until one knows.
import type { Ports } from '../define.ts';
import type { DnsAnswer, DnsType } from '../ports/dns.ts';
import { plain } from './quote.ts';

export interface Look {
  readonly ports: Ports;
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
  /** Addresses of resolvers; none: those of the system. */
  readonly resolvers: readonly string[];
}

export type MailHosts =
  | { readonly hosts: readonly string[] }
  /** It takes no mail, and will not tomorrow. */
  | { readonly never: string }
  /** Nobody could say. */
  | { readonly later: string };

const MAX_HOSTS = 5;
const MAX_ADDRESSES = 3;
const KNOWN = ['ok', 'no-name', 'no-data'];

/** All that resolv.conf(5) names, for the first may be what is broken. Undefined is whatever the door takes then. */
function ofSystem(ports: Ports): readonly (string | undefined)[] {
  let text: string | null = null;
  try {
    text = ports.files.readText('/etc/resolv.conf', 65_536);
  } catch {
    // No such file, or none that may be read.
  }
  const named = [...(text ?? '').matchAll(/^nameserver[ \t]+([\da-fA-F.:]+)[ \t]*$/gm)].flatMap(([, at]) => at ?? []);
  return named.length > 0 ? named.slice(0, 3) : [undefined];
}

async function ask(look: Look, name: string, type: DnsType): Promise<DnsAnswer> {
  const { ports, signal, resolvers } = look;
  const servers = resolvers.length > 0 ? resolvers : ofSystem(ports);
  // Room for the next one when the first is silent.
  const timeoutMs = Math.max(1, Math.floor(look.timeoutMs / servers.length));
  let answer: DnsAnswer = { code: 'local', server: '', values: [], ms: 0 };
  for (const server of servers) {
    answer = await ports.dns.ask({ name, type, signal, timeoutMs, ...(server === undefined ? {} : { server }) });
    if (KNOWN.includes(answer.code) || signal.aborted) return answer;
  }
  return answer;
}

interface Mx {
  readonly preference: number;
  readonly host: string;
}

/** `10 mail.example.org`; the host of a null MX is empty, or the root. */
function mxOf(value: string): Mx {
  const [preference = '', host = ''] = value.split(' ');
  return { preference: Number(preference), host: host.replace(/\.$/, '') };
}

export async function mailHosts(look: Look, domain: string): Promise<MailHosts> {
  const literal = /^\[(?:IPv6:)?([\da-fA-F.:]+)\]$/.exec(domain)?.[1];
  if (literal !== undefined) return { hosts: [literal] };
  const { code, values, server } = await ask(look, domain, 'MX');
  // The address stands in our own file: that its domain is gone is more likely the resolver's mistake, or a slip of the
  // pen, than a reason to throw an alert away.
  if (code === 'no-name') return { later: `there is no domain ${plain(domain)}, says ${server || 'the resolver'}` };
  if (code === 'no-data') return { hosts: [domain] };
  if (code !== 'ok') return { later: `the MX of ${plain(domain)} is not known: ${server || 'the resolver'}: ${code}` };
  const found = values.map(mxOf).filter(({ host }) => host !== '');
  if (found.length === 0) return { never: `${plain(domain)} takes no mail (null MX)` };
  const hosts = found.sort((a, b) => a.preference - b.preference).map(({ host }) => host);
  return { hosts: [...new Set(hosts)].slice(0, MAX_HOSTS) };
}

/** Addresses of a host, IPv4 first; none when it has none or nobody could say. */
export async function addressesOf(look: Look, host: string): Promise<readonly string[]> {
  if (/^[\d.]+$|:/.test(host)) return [host];
  const answers = await Promise.all([ask(look, host, 'A'), ask(look, host, 'AAAA')]);
  return answers.flatMap(({ code, values }) => (code === 'ok' ? values : [])).slice(0, MAX_ADDRESSES);
}
