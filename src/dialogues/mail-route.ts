// The ways out for mail: how they are written, in which order they are tried, and how one of them is gone. A way that
// leads through a service which does not work now is tried last.
import { opt, z } from '../define.ts';
import { addressesOf, type Look, mailHosts } from './mx.ts';
import { type Limits, type MailServer, type Posted, type Posting, post, type TlsPolicy } from './post.ts';
import { OwnTrouble, authorities, secret } from './session.ts';

export const DIRECT = 'direct-to-mx';
const PLACE = /^(smtp|smtps|submission):\/\/(\[[\da-fA-F:.%]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?$/;
const PORTS: Readonly<Record<string, number>> = { smtp: 25, submission: 587, smtps: 465 };

const url = (about: string) =>
  z
    .string()
    .max(300)
    .regex(
      /^(direct-to-mx|(smtp|smtps|submission):\/\/(\[[\da-fA-F:.%]+\]|[A-Za-z0-9._-]+)(:\d{1,5})?)$/,
      'expected smtp://HOST[:PORT], submission://HOST, smtps://HOST or direct-to-mx; a login goes into user and password',
    )
    .describe(about);

const settings = z.strictObject({
  url: url('`smtp://HOST[:PORT]` (25), `submission://HOST` (587), `smtps://HOST` (465), or `direct-to-mx`.'),
  through: opt.service('The service that it leads through: while that one fails, this way is tried last.').optional(),
  user: opt.text('Login, if one is needed.').optional(),
  password: opt.secret('Password of `user`.').optional(),
  tls: z
    .enum(['required', 'opportunistic', 'none'])
    .optional()
    .describe(
      '`required`: TLS with a good certificate; `opportunistic`: with any, or without; `none`. Default: by the `url`.',
    ),
  ca: opt.path('PEM file of authorities to trust instead of the well-known ones.').optional(),
  servername: opt.host('The name that the certificate must be for, if it is not the host.').optional(),
  port: opt.port('Port of the MX hosts, where port 25 is redirected. For `direct-to-mx` only.').optional(),
  resolvers: z
    .array(opt.text('`ADDRESS` or `ADDRESS:PORT`.').regex(/^[\da-fA-F.:[\]]+$/, 'expected an address'))
    .max(4)
    .optional()
    .describe('Resolvers to ask, in this order. For `direct-to-mx` only. Default: those of the system.'),
});
type Settings = z.output<typeof settings>;

/** Loopback, private and link-local addresses (RFC 1918, 4193, 3927, 4291), written as addresses. */
const NEAR =
  /^(10|192\.168|172\.(1[6-9]|2\d|3[01])|169\.254)(\.\d+)+$|^(f[cd][\da-f]{2}|fe[89ab][\da-f]):[\da-f:.%]*$/i;
const isLoopback = (host: string): boolean => /^(localhost|127(\.\d+){3}|::1)$/.test(host);
const isNear = (host: string): boolean => isLoopback(host) || NEAR.test(host);

export interface Route extends Settings {
  readonly host: string;
  readonly at: number;
  readonly implicit: boolean;
  readonly policy: TlsPolicy;
}

/** A route as it is gone. Without a word of the file: a login and submission need TLS, a relay too unless it is on this
 *  machine or given by a private address, and what an MX shows proves nothing (its name came by DNS). */
function routeOf(given: string | Settings): Route {
  const one = typeof given === 'string' ? settings.parse({ url: given }) : given;
  const [, scheme = '', name = '', port] = PLACE.exec(one.url) ?? [];
  const host = name.replace(/^\[|\]$/g, '');
  const near = one.user === undefined ? isNear(host) : isLoopback(host);
  const relaxed = scheme === '' || (scheme === 'smtp' && near);
  return {
    ...one,
    host,
    at: port === undefined ? (PORTS[scheme] ?? one.port ?? 25) : Number(port),
    implicit: scheme === 'smtps',
    policy: one.tls ?? (relaxed ? 'opportunistic' : 'required'),
  };
}

/** What a route may not be, beside the types of its keys. */
function faultOf(given: string | Settings): { readonly key: string; readonly text: string } | null {
  if (typeof given === 'string') return null;
  const route = routeOf(given);
  const direct = route.url === DIRECT;
  if (route.at < 1 || route.at > 65_535) return { key: 'url', text: 'a port is at most 65535' };
  if ((route.user === undefined) !== (route.password === undefined))
    return { key: 'user', text: 'user and password come together' };
  if (direct && route.user !== undefined) return { key: 'user', text: 'there is no login at an MX' };
  if (!direct && (route.port !== undefined || route.resolvers !== undefined))
    return { key: 'url', text: 'port and resolvers are for direct-to-mx: elsewhere the port is in the url' };
  if (route.user !== undefined && route.policy !== 'required' && !isLoopback(route.host))
    return { key: 'tls', text: 'no password is sent over a connection without checked TLS: set tls to required' };
  if (route.implicit && route.policy === 'none') return { key: 'tls', text: 'smtps is TLS from the first byte' };
  return null;
}

export const routes = z
  .array(z.union([url('A way without settings.'), settings]))
  .min(1)
  .max(8)
  .superRefine((all, context) => {
    all.forEach((one, index) => {
      const fault = faultOf(one);
      if (fault) context.addIssue({ code: 'custom', message: fault.text, path: [index, fault.key] });
    });
  });

/** In the order of the file, but what leads through a failing service last. */
export function inOrder(given: z.output<typeof routes>, failing: readonly string[]): readonly Route[] {
  const all = given.map(routeOf);
  const through = ({ through: service }: Route): boolean => service !== undefined && failing.includes(service);
  return [...all.filter((one) => !through(one)), ...all.filter(through)];
}

export const label = (route: Route): string => route.url;

/** One server; where TLS is only wished for and does not come about, once more without it. */
async function postTo(server: MailServer, posting: Posting, limits: Limits): Promise<Posted> {
  const started = limits.ports.clock.monotonic();
  const posted = await post(server, posting, limits);
  const left = limits.timeoutMs - (limits.ports.clock.monotonic() - started);
  if (posted.fault?.kind !== 'tls' || server.tls !== 'opportunistic' || server.implicit || left < 1) return posted;
  return post({ ...server, tls: 'none' }, posting, { ...limits, timeoutMs: left });
}

const domainOf = (address: string): string => address.slice(address.lastIndexOf('@') + 1).toLowerCase();

/** The MX hosts of one domain, one address after the other, until one of them answers for the mail. */
async function direct(route: Route, domain: string, posting: Posting, limits: Limits): Promise<Posted> {
  const { ports, signal, timeoutMs } = limits;
  const until = ports.clock.monotonic() + timeoutMs;
  const left = (): number => Math.max(1, until - ports.clock.monotonic());
  const look = (): Look => ({ ports, signal, timeoutMs: left() / 3, resolvers: route.resolvers ?? [] });
  const found = await mailHosts(look(), domain);
  const all = posting.recipients;
  if ('never' in found) return { accepted: [], refused: new Map(all.map((one) => [one, found.never])), fault: null };
  if ('later' in found) return { accepted: [], refused: new Map(), fault: { text: found.later, kind: 'net' } };
  const faults: string[] = [];
  for (const [index, host] of found.hosts.entries()) {
    const addresses = await addressesOf(look(), host);
    if (addresses.length === 0) faults.push(`${host}: it has no address`);
    for (const [turn, address] of addresses.entries()) {
      if (signal.aborted || left() <= 1) break;
      const share = left() / (found.hosts.length - index + addresses.length - turn - 1);
      const ca = authorities(ports, route.ca).ca;
      const server = { host: address, port: route.at, implicit: false, tls: route.policy, ca };
      const named = { ...server, servername: route.servername ?? host };
      const posted = await postTo(named, posting, { ...limits, timeoutMs: share });
      if (posted.fault === null || posted.accepted.length > 0 || posted.refused.size > 0) return posted;
      faults.push(`${host}: ${posted.fault.text}`);
    }
  }
  return { accepted: [], refused: new Map(), fault: { text: faults.slice(0, 3).join('; '), kind: 'net' } };
}

function serverOf(route: Route, limits: Limits): MailServer {
  const { user, password, host } = route;
  return {
    host,
    port: route.at,
    implicit: route.implicit,
    tls: route.policy,
    servername: route.servername,
    ca: authorities(limits.ports, route.ca).ca,
    login:
      user === undefined || password === undefined ? undefined : { user, password: secret(limits.ports, password) },
  };
}

async function everyDomain(route: Route, posting: Posting, limits: Limits): Promise<Posted> {
  const domains = [...new Set(posting.recipients.map(domainOf))];
  const share = { ...limits, timeoutMs: limits.timeoutMs / domains.length };
  const told: Posted[] = [];
  for (const domain of domains) {
    const recipients = posting.recipients.filter((one) => domainOf(one) === domain);
    told.push(await direct(route, domain, { ...posting, recipients }, share));
  }
  return {
    accepted: told.flatMap(({ accepted }) => accepted),
    refused: new Map(told.flatMap(({ refused }) => [...refused])),
    fault: told.find(({ fault }) => fault !== null)?.fault ?? null,
  };
}

/** Goes one way. Our own trouble, such as a password that cannot be read, is a fault of the way too. */
export async function go(route: Route, posting: Posting, limits: Limits): Promise<Posted> {
  try {
    if (route.url === DIRECT) return await everyDomain(route, posting, limits);
    return await postTo(serverOf(route, limits), posting, limits);
  } catch (error) {
    if (!(error instanceof OwnTrouble)) throw error;
    return { accepted: [], refused: new Map(), fault: { text: error.message, kind: 'login' } };
  }
}
