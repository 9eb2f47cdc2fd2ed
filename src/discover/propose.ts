// From what was found to services: names as an administrator would give them, the values that differ from the kit, and
// who stands on whom. Pure, apart from the machine that is asked who holds a port.
import { programsOf } from './detect.ts';
import type { Accounts, Found, Machine, Need, Overlay, Reading, Value } from './types.ts';

export interface Setting {
  readonly param: string;
  readonly value: Value['value'];
  readonly from: string;
  /** Only a comment: what it needs is not there yet. */
  readonly later?: boolean;
}

export interface Service {
  readonly name: string;
  readonly about: string;
  /** Null: watched only, by the checks that stand here. */
  readonly kit: string | null;
  readonly depends: readonly { readonly name: string; readonly from: readonly string[] }[];
  readonly set: readonly Setting[];
  readonly overlays: readonly Overlay[];
  readonly notes: readonly string[];
}

export interface Read {
  readonly found: Found;
  readonly reading: Reading;
}

/** The machine's own resolver: a product that was found here, or a question to the one that is elsewhere. */
export type Resolver = { readonly kit: string } | { readonly query: string; readonly record: string } | null;

export interface Probe {
  readonly address: string;
  readonly login: string;
  readonly file: string;
  /** The file with its password is there: the checks that need it are no comment any more. */
  readonly ready: boolean;
  readonly accounts: Accounts;
  readonly table: string | null;
}

const ROLES: Readonly<Record<string, string>> = {
  apache: 'web',
  bind: 'resolver',
  clamav: 'antivirus',
  cyrus: 'store',
  dovecot: 'store',
  exim: 'mta',
  haproxy: 'balancer',
  mailman: 'lists',
  mariadb: 'database',
  nginx: 'web',
  opendkim: 'dkim',
  openldap: 'directory',
  'php-fpm': 'php',
  postfix: 'mta',
  postgresql: 'database',
  redis: 'cache',
  roundcube: 'webmail',
  rspamd: 'spamfilter',
  spamassassin: 'spamfilter',
  unbound: 'resolver',
};
/** They ask names of the outside for every mail. */
const ASKS_NAMES = ['postfix', 'exim', 'rspamd', 'spamassassin', 'opendkim', 'amavis'];
const MAIL = ['mta', 'store'];

export const roleOf = (kit: string): string => ROLES[kit] ?? kit;

/** A name for each: the role, or the product's own name where several have one role, with the instance if need be. */
export function nameAll(found: readonly Found[], resolver: Resolver): ReadonlyMap<Found, string> {
  const used = resolver !== null && 'kit' in resolver ? resolver.kit : null;
  // A name server that this machine does not ask is none of its resolvers.
  const role = ({ kit }: Found): string => {
    const usual = roleOf(kit.name);
    return usual === 'resolver' && kit.name !== used ? 'nameserver' : usual;
  };
  return new Map(
    found.map((one) => {
      const rivals = new Set(found.filter((other) => role(other) === role(one)).map(({ kit }) => kit.name));
      const name = rivals.size > 1 ? one.kit.name : role(one);
      const several = found.filter(({ kit }) => kit === one.kit).length > 1;
      const instance = several ? `-${(one.instance ?? one.unit ?? '').replace(/[^A-Za-z0-9_.-]+/g, '')}` : '';
      return [one, `${name}${instance}`.slice(0, 64)] as const;
    }),
  );
}

export function propose(
  all: readonly Read[],
  resolver: Resolver,
  probe: Probe | null,
  machine: Machine,
): { readonly services: readonly Service[]; readonly unfit: readonly { kit: string; text: string }[] } {
  const unfit: { kit: string; text: string }[] = [];
  const fit = all.filter(({ found, reading }) => {
    const missing = [...found.kit.params].find(([name, standard]) => standard === undefined && !reading.set?.[name]);
    if (missing) unfit.push({ kit: found.kit.name, text: `it is here, and its kit needs a value for ${missing[0]}` });
    return !missing;
  });
  const names = nameAll(
    fit.map(({ found }) => found),
    resolver,
  );
  const known = fit.map(({ found }) => found);
  const drafts = fit.map(({ found, reading }): Service => {
    const name = names.get(found) ?? found.kit.name;
    const needs = [...(reading.needs ?? []), ...namesOf(found, resolver)];
    return {
      name,
      about: found.kit.about,
      kit: found.kit.name,
      depends: grouped(needs.flatMap((need) => meant(need, found, known, names, machine))),
      set: [...settings(found, reading), ...(probe ? probeSettings(found, probe) : [])],
      overlays: (reading.overlays ?? []).filter(({ check }) => found.kit.checks.includes(check)),
      notes: reading.notes ?? [],
    };
  });
  const outside = resolver !== null && 'query' in resolver ? [watched(resolver)] : [];
  return { services: inOrder([...outside, ...drafts]), unfit };
}

const watched = ({ query, record }: { query: string; record: string }): Service => ({
  name: 'resolver',
  about: 'The resolver that this machine asks (/etc/resolv.conf), elsewhere: watched only',
  kit: null,
  depends: [],
  set: [],
  overlays: [{ check: 'dns', set: { query, record }, from: 'answered now' }],
  notes: [],
});

const namesOf = ({ kit }: Found, resolver: Resolver): readonly Need[] => {
  if (resolver === null || !ASKS_NAMES.includes(kit.name)) return [];
  const from = '/etc/resolv.conf: it asks names of the outside';
  return [{ kits: 'kit' in resolver ? [resolver.kit] : ['resolver'], from }];
};

/** The services that a need is about: all of them here, or none. */
function meant(
  need: Need,
  of: Found,
  all: readonly Found[],
  names: ReadonlyMap<Found, string>,
  machine: Machine,
): readonly { name: string; from: string }[] {
  if ('kits' in need && need.kits.includes('resolver')) return [{ name: 'resolver', from: need.from }];
  const others = all.filter((one) => one.kit !== of.kit && fits(need, one, machine));
  return others.map((one) => ({ name: names.get(one) ?? '', from: need.from }));
}

function fits(need: Need, one: Found, machine: Machine): boolean {
  if ('kits' in need) return need.kits.includes(one.kit.name);
  if ('socket' in need) return need.socket.toLowerCase().includes(one.kit.name);
  if (one.held.some(({ port }) => port === need.port)) return true;
  // It may be down at this moment: then its usual port must do.
  const holders = machine.ports.proc.holders([need.port]);
  if (holders.length === 0) return one.kit.ports.includes(need.port);
  const programs = programsOf(one.kit, machine);
  return holders.some(({ exe }) => exe !== null && programs.includes(exe));
}

function grouped(all: readonly { name: string; from: string }[]): Service['depends'] {
  const names = [...new Set(all.map(({ name }) => name))].sort();
  return names.map((name) => ({
    name,
    from: [...new Set(all.filter((one) => one.name === name).map(({ from }) => from))],
  }));
}

/** Only what the kit knows, and does not know already. */
function settings({ kit }: Found, reading: Reading): readonly Setting[] {
  return [...kit.params].flatMap(([param, standard]) => {
    const value = reading.set?.[param];
    const same = JSON.stringify(value?.value) === JSON.stringify(standard);
    return value && !same ? [{ param, value: value.value, from: value.from }] : [];
  });
}

/** The account of the probe, as comments until the file with its password is there. */
function probeSettings({ kit }: Found, probe: Probe): readonly Setting[] {
  if (!MAIL.includes(roleOf(kit.name))) return [];
  const from = 'the account of the probe';
  const all = { probe: probe.address, user: probe.login, password: `file:${probe.file}` };
  return Object.entries(all).flatMap(([param, value]) =>
    kit.params.has(param) ? [{ param, value, from, later: !probe.ready }] : [],
  );
}

/** Those that others stand on first; a need that would close a circle is left out. */
function inOrder(services: readonly Service[]): readonly Service[] {
  const done: Service[] = [];
  const way = new Set<string>();
  const visit = (service: Service): void => {
    if (done.some(({ name }) => name === service.name)) return;
    way.add(service.name);
    const kept = service.depends.filter(({ name }) => !way.has(name));
    for (const { name } of kept) {
      const other = services.find((one) => one.name === name);
      if (other) visit(other);
    }
    way.delete(service.name);
    done.push({ ...service, depends: kept.filter(({ name }) => done.some((one) => one.name === name)) });
  };
  for (const service of services) visit(service);
  return done;
}
