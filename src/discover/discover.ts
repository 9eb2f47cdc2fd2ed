// The whole of discovery: kits → what is here → what each says → a proposal. It changes nothing, prints nothing, and
// gives the same text for the same machine.
import { readFile } from './ask.ts';
import { detect } from './detect.ts';
import { type Probe, propose, type Read, type Resolver, roleOf, type Service } from './propose.ts';
import { read } from './readers.ts';
import { render } from './render.ts';
import { domain, isHere } from './shape.ts';
import type { Found, Hint, Kit, Machine } from './types.ts';

export interface Discovery {
  readonly found: readonly Found[];
  readonly services: readonly Service[];
  readonly hints: readonly Hint[];
  readonly probe: Probe | null;
  readonly text: string;
}

export interface Wishes {
  readonly kits: readonly Kit[];
  /** Where the password of the probe would be. */
  readonly probeFile: string;
  readonly observe: boolean;
}

export async function discover(machine: Machine, wishes: Wishes): Promise<Discovery> {
  const { found, hints } = await detect(wishes.kits, machine);
  // One after the other: while one is understood, the words of another's program could be lost.
  const all: Read[] = [];
  for (const one of found) all.push({ found: one, reading: await read(one, machine) });
  const domains = all.flatMap(({ reading }) => reading.domains ?? []);
  const resolver = await resolverOf(found, domains, machine);
  const probe = probeOf(all, domains, machine, wishes.probeFile);
  const { services, unfit } = propose(all, resolver, probe, machine);
  const { hostname: node } = machine;
  const text = render({ node, observe: wishes.observe, services, hints: unfit, probe });
  // A trace of a product comes and goes with what runs: it is told, and does not stand in the file.
  return { found, services, hints: [...hints, ...unfit], probe, text };
}

const RESOLVERS = ['bind', 'unbound'];
const ASK_MS = 2000;

/** Whom resolv.conf(5) names first: a product of this machine, or somebody elsewhere who is asked for a name. */
async function resolverOf(found: readonly Found[], domains: readonly string[], machine: Machine): Promise<Resolver> {
  const conf = readFile(machine, '/etc/resolv.conf') ?? '';
  const servers = [...conf.matchAll(/^\s*nameserver\s+(\S+)/gm)].map(([, server = '']) => server);
  const first = servers[0] ?? '127.0.0.1';
  const own = found.filter(({ kit }) => RESOLVERS.includes(kit.name));
  const here = isHere(first, machine) && first !== '127.0.0.53';
  const usual = own.find(({ held }) => held.some(({ port, address }) => port === 53 && answersAt(address, first)));
  const product = usual ?? own[0];
  if (here && product) return { kit: product.kit.name };
  const { dns } = machine.ports;
  const questions = [
    ...domains.slice(0, 2).map((name) => ({ name, type: 'MX' as const })),
    ...[machine.hostname].flatMap((name) => (domain(name) ? [{ name, type: 'A' as const }] : [])),
    { name: 'localhost', type: 'A' as const },
  ];
  for (const { name, type } of questions) {
    const answer = await dns.ask({ name, type, signal: machine.signal, timeoutMs: ASK_MS });
    if (answer.code === 'ok') return { query: name, record: type };
  }
  return null;
}

const answersAt = (address: string, server: string): boolean => ['0.0.0.0', '::', server].includes(address);

/** The account that the deepest checks need: there must be an MTA or a store, and a domain to be in. */
function probeOf(all: readonly Read[], domains: readonly string[], machine: Machine, file: string): Probe | null {
  const mail = all.filter(({ found }) => ['mta', 'store'].includes(roleOf(found.kit.name)));
  const home = domains[0] ?? domain(machine.hostname);
  if (mail.length === 0 || home === null) return null;
  const accounts = mail.flatMap(({ reading }) => reading.accounts ?? [])[0] ?? { driver: '', file: null };
  const address = `probe@${home}`;
  const login = ['pam', 'passwd', 'shadow'].includes(accounts.driver) ? 'probe' : address;
  const table = mail.flatMap(({ reading }) => reading.table ?? [])[0] ?? null;
  return { address, login, file, ready: isThere(file, machine), accounts, table };
}

function isThere(file: string, machine: Machine): boolean {
  try {
    return machine.ports.files.facts(file) !== null;
  } catch {
    return false;
  }
}
