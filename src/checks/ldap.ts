// Does a directory answer, and does it know what it must know? Searches, and a write to one entry of the probe's own.
import type { Client, Entry, SearchOptions } from 'ldapts';
import { type CheckContext, type CheckResult, defineCheck, degraded, fail, opt, pass, unknown, z } from '../define.ts';
import {
  address,
  implicitTls,
  isLoopback,
  type Place,
  place,
  placeText,
  tlsOptions,
  tlsUse,
} from '../dialogues/endpoint.ts';
import { askStartTls, judgeCode, missing, onlyForUsers } from '../dialogues/ldap.ts';
import { lent } from '../dialogues/lent.ts';
import { newToken } from '../dialogues/probe-mail.ts';
import { plain, quote } from '../dialogues/quote.ts';
import { converse, type Session, secret } from '../dialogues/session.ts';
import { type Dialogue, type Loan, NetError } from '../ports/net.ts';

const MAX_ENTRIES = 1000;
const ATTRIBUTE = /^[A-Za-z][A-Za-z0-9;-]*$/;
const attribute = (about: string) =>
  z.string().max(200).regex(ATTRIBUTE, 'expected the name of an attribute').describe(about);
const distinguished = (about: string) => z.string().min(1).max(1000).describe(about);

const search = z.strictObject({
  base: distinguished('Where to search.'),
  scope: z.enum(['base', 'one', 'sub']).default('sub').describe('How deep to search.'),
  filter: opt.text('Which entries to find.').default('(objectClass=*)'),
  least: z.number().int().min(1).max(MAX_ENTRIES).default(1).describe('So many entries must be found at least.'),
  attribute: attribute('An attribute that one of them must have.').optional(),
  value: opt.text('The value that it must have there.').optional(),
});

const write = z.strictObject({
  entry: distinguished('The entry. Give the probe one of its own: the attribute is replaced in each DeepCheck.'),
  attribute: attribute('The attribute that is written and read back.').default('description'),
});

const options = z.strictObject({
  ...place(389),
  ...tlsUse,
  user: distinguished('Bind as this entry (a DN) in a DeepCheck.').optional(),
  password: opt.secret('Password of `user`.').optional(),
  suffixes: z
    .array(distinguished('A suffix.'))
    .max(50)
    .default([])
    .describe('Suffixes whose top entry must be there. Default: those that the server itself names.'),
  search: search.optional().describe('A search that must find something.'),
  write: write.optional().describe('Write an attribute and read it back.'),
  provider: z
    .string()
    .max(300)
    .regex(/^ldaps?:\/\/[A-Za-z0-9_.:%[\]-]+\/?$/, 'expected a URL such as ldap://10.0.0.1')
    .optional()
    .describe('The server that this one replicates from. Their contextCSN are compared; login and TLS are as here.'),
  lag: opt.duration('Degraded when a change of the provider is missing here for longer.').prefault('5m'),
});
type Options = z.output<typeof options>;
type Context = CheckContext<Options>;

/** A server that a library talks to for us. */
interface Directory {
  readonly session: Session;
  readonly client: Client;
  readonly loan: Loan;
}

/** An error that the server sent; all others are of the net or of the library. */
const isAnswer = (error: unknown): error is Error & { code: number } =>
  typeof (error as { code?: unknown } | null)?.code === 'number';

/** One operation. What the server refuses is a verdict. */
async function operate<T>(
  { session, loan }: Directory,
  step: string,
  call: () => Promise<T>,
  tell?: (answer: T) => string,
): Promise<{ readonly answer: T } | { readonly code: number; readonly bad: CheckResult }> {
  try {
    return { answer: await lent(session, loan, step, call, isAnswer, tell) };
  } catch (error) {
    if (!isAnswer(error)) throw error;
    const text = error.message.replace(/ Code: 0x[0-9a-f]+$/, '');
    return { code: error.code, bad: judgeCode({ code: error.code, text }, step, session) };
  }
}

async function find(
  on: Directory,
  step: string,
  base: string,
  how: SearchOptions,
): Promise<readonly Entry[] | CheckResult> {
  const limits = { sizeLimit: MAX_ENTRIES, timeLimit: Math.max(1, Math.round(on.session.timeoutMs / 1000)) };
  const found = await operate(
    on,
    step,
    () => on.client.search(base, { ...limits, ...how }),
    (answer) => `${answer.searchEntries.length} entries`,
  );
  return 'answer' in found ? found.answer.searchEntries : found.bad;
}

const isVerdict = (found: object): found is CheckResult => 'outcome' in found;

/** All values of an attribute, whatever case its name has. */
function valuesOf(entry: Entry | undefined, name: string): string[] {
  const found = Object.entries(entry ?? {}).find(([key]) => key.toLowerCase() === name.toLowerCase())?.[1] ?? [];
  return (Array.isArray(found) ? found : [found]).map(String);
}

async function startTls(
  context: Context,
  session: Session,
  dialogue: Dialogue,
  at: Place,
): Promise<CheckResult | null> {
  const use = context.options;
  const go = await session.step(
    'StartTLS',
    () => askStartTls(dialogue),
    (answer) => `code ${answer.code}`,
  );
  if (go.code !== 0) return use.tls === 'offered' ? null : judgeCode(go, 'StartTLS', session);
  await session.step(
    'TLS',
    () => dialogue.startTls(tlsOptions(context.ports, use, at)),
    (seen) => `${seen.protocol} ${seen.subject}`,
  );
  return null;
}

/** Connects; with `deep` also StartTLS and bind. */
async function connect(
  context: Context,
  session: Session,
  at: Place,
  tls: Options['tls'],
  deep: boolean,
): Promise<Directory | CheckResult> {
  const { user, password } = context.options;
  const dialogue = await session.step('connect', () =>
    session.open({ ...address(at), ...implicitTls(context.ports, { ...context.options, tls }, at) }),
  );
  if (deep && (tls === 'offered' || tls === 'required')) {
    const refused = await startTls(context, session, dialogue, at);
    if (refused) return refused;
  }
  const { Client: LdapClient } = await import('ldapts');
  const loan = dialogue.lend({ first: /^0/ });
  // The address stands for nothing: the connection is there already.
  const client = new LdapClient({
    url: 'ldap://127.0.0.1',
    createConnection: (() => loan.socket) as never,
    strictDN: false,
  });
  const on = { session, client, loan };
  if (!deep || user === undefined || password === undefined) return on;
  if (dialogue.certificate === null && !isLoopback(at)) {
    return unknown('the probe sends no password over a connection without TLS', session.seen);
  }
  const word = secret(context.ports, password);
  // An empty password is no login but an anonymous one (RFC 4513 section 5.1.2).
  if (word === '') return unknown('the password of the probe is empty', session.seen);
  const bound = await operate(on, 'bind', () => client.bind(user, word));
  return 'bad' in bound ? bound.bad : on;
}

/** The root entry; null when only users may see it and we are none. */
async function root(context: Context, on: Directory, bound: boolean): Promise<Entry | CheckResult | null> {
  const how = { scope: 'base' as const, attributes: ['namingContexts', 'supportedLDAPVersion'] };
  const found = await operate(on, 'root entry', () => on.client.search('', how));
  if ('bad' in found) return !bound && onlyForUsers(found.code) ? null : found.bad;
  const [entry] = found.answer.searchEntries;
  return entry ?? fail('misconfigured', `${placeText(context.options)} shows no root entry`, on.session.seen);
}

async function suffixes(on: Directory, names: readonly string[]): Promise<CheckResult | null> {
  for (const name of names) {
    const found = await find(on, `suffix ${plain(name, 60)}`, name, { scope: 'base', attributes: ['1.1'] });
    if (isVerdict(found)) return found;
    if (found.length === 0) return fail('misconfigured', `the suffix ${quote(name, 80)} is empty`, on.session.seen);
  }
  return null;
}

async function expected(on: Directory, wanted: z.output<typeof search>): Promise<CheckResult | null> {
  const { base, scope, filter, least, value } = wanted;
  const { FilterParser } = await import('ldapts');
  try {
    FilterParser.parseString(filter);
  } catch (error) {
    return unknown(`the filter of the search cannot be read: ${quote((error as Error).message)}`, on.session.seen);
  }
  const found = await find(on, 'search', base, { scope, filter, attributes: [wanted.attribute ?? '1.1'] });
  if (isVerdict(found)) return found;
  on.session.measure('entries', found.length);
  const what = `the search for ${quote(filter, 80)}`;
  if (found.length < least) {
    return fail('misconfigured', `${what} finds ${found.length} entries, not ${least}`, on.session.seen);
  }
  const { attribute: name } = wanted;
  if (name === undefined) return null;
  const values = found.flatMap((entry) => valuesOf(entry, name));
  if (value === undefined ? values.length > 0 : values.includes(value)) return null;
  const lacks = value === undefined ? name : `${name}: ${plain(value, 60)}`;
  return fail('misconfigured', `${what} finds no entry with ${quote(lacks, 120)}`, on.session.seen);
}

async function store(on: Directory, where: z.output<typeof write>): Promise<CheckResult | null> {
  const { Attribute, Change } = await import('ldapts');
  const token = newToken();
  const modification = new Attribute({ type: where.attribute, values: [token] });
  const put = await operate(on, 'write', () =>
    on.client.modify(where.entry, new Change({ operation: 'replace', modification })),
  );
  if ('bad' in put) return put.bad;
  const found = await find(on, 'read back', where.entry, { scope: 'base', attributes: [where.attribute] });
  if (isVerdict(found)) return found;
  if (valuesOf(found[0], where.attribute).includes(token)) return null;
  return fail('misconfigured', 'the value that was just written is not there', on.session.seen);
}

async function csnOf(on: Directory, suffix: string, step: string): Promise<readonly string[] | CheckResult> {
  const found = await find(on, step, suffix, { scope: 'base', attributes: ['contextCSN'] });
  return isVerdict(found) ? found : valuesOf(found[0], 'contextCSN');
}

/** For how long the newest change of the provider is missing here: since it was made, or since that was seen first. */
function behindMs(context: Context, suffix: string, theirs: readonly string[], ours: readonly string[]): number {
  const { memory, ports } = context;
  const key = `behind ${suffix}`;
  const newest = missing(theirs, ours);
  if (newest === null) {
    memory.delete(key);
    return 0;
  }
  const now = ports.clock.monotonic();
  const known = memory.get(key) as { readonly csns: readonly string[]; readonly since: number } | undefined;
  // What was missing at first has come meanwhile: the wait begins anew with what is missing now.
  const still = known !== undefined && missing(known.csns, ours) !== null;
  const since = still ? known.since : now;
  memory.set(key, still ? known : { csns: theirs, since });
  return Math.max(now - since, ports.clock.wall() - newest.wallMs);
}

async function replication(context: Context, on: Directory, names: readonly string[]): Promise<CheckResult | null> {
  const { provider, lag, port } = context.options;
  if (provider === undefined) return null;
  const { protocol, hostname, port: other } = new URL(provider);
  const at = { host: hostname.replace(/^\[|\]$/g, ''), port: Number(other) || (protocol === 'ldaps:' ? 636 : port) };
  const theirs = await fromProvider(context, on.session, at, protocol === 'ldaps:', names);
  if (!(theirs instanceof Map)) return theirs as CheckResult;
  for (const [name, csns] of theirs as Map<string, readonly string[]>) {
    const ours = await csnOf(on, name, 'own CSN');
    if (isVerdict(ours)) return ours as CheckResult;
    if (csns.length === 0) continue;
    const ms = behindMs(context, name, csns, ours as readonly string[]);
    on.session.measure('behind', ms / 1000, 's');
    if (ms > lag) {
      const told = `a change of its provider is missing for ${Math.round(ms / 1000)} s in ${quote(name, 80)}`;
      return degraded('dependency', told, on.session.seen);
    }
  }
  return null;
}

/** A provider in trouble is not this server's fault. */
async function fromProvider(
  context: Context,
  session: Session,
  at: Place,
  implicit: boolean,
  names: readonly string[],
): Promise<Map<string, readonly string[]> | CheckResult> {
  const blame = (detail: string): CheckResult =>
    degraded('dependency', `its provider ${placeText(at)}: ${detail}`, session.seen);
  const csns = new Map<string, readonly string[]>();
  try {
    const on = await connect(context, session, at, implicit ? 'implicit' : context.options.tls, true);
    if (isVerdict(on)) return on.outcome === 'unknown' ? on : blame(on.detail);
    for (const name of names) {
      const found = await csnOf(on, name, 'CSN of the provider');
      if (isVerdict(found)) return blame((found as CheckResult).detail);
      csns.set(name, found as readonly string[]);
    }
    await on.client.unbind();
  } catch (error) {
    if (!(error instanceof NetError) || error.code === 'local') throw error;
    return blame(plain(error.message));
  }
  return csns;
}

async function deep(context: Context, on: Directory, top: Entry | null): Promise<CheckResult | null> {
  const { options: asked } = context;
  const names = asked.suffixes.length > 0 ? asked.suffixes : valuesOf(top ?? undefined, 'namingContexts');
  return (
    (await suffixes(on, names)) ??
    (asked.search ? await expected(on, asked.search) : null) ??
    (asked.write ? await store(on, asked.write) : null) ??
    replication(context, on, names)
  );
}

async function talk(context: Context, session: Session): Promise<CheckResult | null> {
  const { tls, user } = context.options;
  const isDeep = context.depth === 'deep';
  const on = await connect(context, session, context.options, tls, isDeep);
  if (isVerdict(on)) return on;
  const top = await root(context, on, isDeep && user !== undefined);
  if (top !== null && isVerdict(top)) return top as CheckResult;
  const bad = isDeep ? await deep(context, on, top as Entry | null) : null;
  // Says goodbye and closes; waits for nothing.
  await on.client.unbind().catch(() => undefined);
  return bad;
}

export default defineCheck({
  about: 'Quick: the root entry of an LDAP server. Deep: StartTLS, bind, each suffix, a search, a write, replication.',
  depth: 'both',
  options,
  example: { host: '127.0.0.1', user: 'cn=probe,dc=example,dc=org', password: 'file:/etc/watchkeeper/ldap' },
  async run(context) {
    const where = placeText(context.options);
    return converse(context, where, async (session) => {
      const started = context.ports.clock.monotonic();
      const bad = await talk(context, session);
      const ms = context.ports.clock.monotonic() - started;
      session.measure('time', ms, 'ms');
      if (bad) return { ...bad, detail: `${where}: ${bad.detail}`, ...session.seen };
      const did = context.depth === 'deep' ? 'answers as it must' : 'answers';
      return pass(`${where} ${did} (${ms.toFixed(0)} ms)`, session.seen);
    });
  },
});
