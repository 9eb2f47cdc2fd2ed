// Entries of a directory that name the node of a group: all of them are changed to the new one. Only the old value is
// ever replaced, so that a node that comes too late overwrites nothing. What was changed is kept in the state folder,
// so that taking it back touches nothing else.
import type { Change } from 'ldapts';
import { type ActionResult, defineStep, opt, type StepContext, z } from '../define.ts';
import {
  changeAll,
  changeEach,
  codeOf,
  openDirectory,
  type OpenDirectory,
  saidBy,
  TRANSACTION,
} from '../dialogues/ldap-client.ts';
import { plain, quote } from '../dialogues/quote.ts';
import { fill } from '../dialogues/words.ts';
import { NetError } from '../ports/net.ts';

const options = z.strictObject({
  url: z
    .string()
    .max(300)
    .regex(/^ldaps?:\/\/[A-Za-z0-9_.:%[\]-]+\/?$/, 'expected a URL such as ldaps://ldap.example.org')
    .describe('The server that takes changes.'),
  tls: z.enum(['off', 'required']).default('required').describe('StartTLS on ldap://. ldaps:// is TLS anyway.'),
  verify: opt.flag('Fail if the certificate is not trusted, or is for another name.').default(true),
  ca: opt.path('PEM file of authorities to trust instead of the well-known ones.').optional(),
  bind: opt.text('Bind as this entry (a DN).').optional(),
  password: opt.secret('Password of `bind`.').optional(),
  base: opt.text('Below this entry.'),
  filter: opt.text('Which entries: those with the old value, such as (mailHost=$from).'),
  transaction: opt
    .flag(
      'Change all or nothing where the server offers it (RFC 5805). false: each entry for itself. slapd 2.5 can crash ' +
        'when a client disappears in a transaction, within a moment of an answer.',
    )
    .default(true),
  set: z
    .record(
      z.string().regex(/^[A-Za-z][A-Za-z0-9;-]*$/, 'expected the name of an attribute'),
      opt.text('The new value'),
    )
    .describe(
      'What they get: {mailHost: $to}, or $to.WORD for a word of the node. Active Directory: ' +
        '{homeMDB: $to.mdb, msExchHomeServerName: $to.exchange, msExchHomeMTA: $to.mta} with filter ' +
        '(homeMDB=$from.mdb), the words being DNs of each node.',
    ),
});
type Options = z.output<typeof options>;
type Context = StepContext<Options>;

const PAGE = 500;
/** So often it is told how far it came. */
const TOLD = 250;
const MAX_ENTRIES = 500_000;
const NAMED = 5;
const ROUNDS = 3;
/** So often a connection may be lost before it is given up. */
const LOST_MAX = 3;
const PAUSE_MS = 250;
const NO_SUCH_ATTRIBUTE = 16;
const NO_SUCH_OBJECT = 32;

/** RFC 4515 section 3: what a value in a filter must not say as it is. */
const escaped = (value: string): string =>
  value.replace(/[\0()*\\]/g, (one) => `\\${one.charCodeAt(0).toString(16).padStart(2, '0')}`);

interface Plan {
  readonly filter: string;
  readonly values: readonly { readonly name: string; readonly old: string; readonly fresh: string }[];
}

/** What must be found and changed; a text: why nothing can be said. */
function planOf({ options: { filter, set }, words }: Context, from: string, to: string): Plan | string {
  const found = fill(filter, { to, from, words }, escaped);
  if (found === null) return 'a word of the filter has no value for these nodes';
  const values = [];
  for (const [name, text] of Object.entries(set)) {
    const fresh = fill(text, { to, from, words });
    // The old value is the new one as seen from the other side.
    const old = fill(text, { to: from, from: to, words });
    if (fresh === null || old === null) return `a word of ${name} has no value for these nodes`;
    if (fresh === old) return `${name} is the same on both nodes: ${quote(fresh, 60)}`;
    values.push({ name, old, fresh });
  }
  return values.length === 0 ? 'nothing is to be set' : { filter: found, values };
}

function changesOf({ ldap: { Attribute, Change: One } }: OpenDirectory, { values }: Plan): Change[] {
  return values.flatMap(({ name, old, fresh }) => [
    new One({ operation: 'delete', modification: new Attribute({ type: name, values: [old] }) }),
    new One({ operation: 'add', modification: new Attribute({ type: name, values: [fresh] }) }),
  ]);
}

async function search({ options: { base } }: Context, on: OpenDirectory, filter: string): Promise<string[]> {
  const pages = on.client.searchPaginated(base, {
    ...{ scope: 'sub', filter, attributes: ['1.1'], paged: { pageSize: PAGE } },
  });
  const found: string[] = [];
  for (;;) {
    const page = await on.call(() => pages.next());
    if (page.done === true) return found;
    found.push(...page.value.searchEntries.map(({ dn }) => dn));
    if (found.length > MAX_ENTRIES) throw new Error(`more than ${MAX_ENTRIES} entries`);
  }
}

/** Opens, works, says goodbye; expected trouble is a value. */
async function withServer<T>(context: Context, work: (on: OpenDirectory) => Promise<T>): Promise<T | string> {
  const { options: asked, ports, signal } = context;
  try {
    const on = await openDirectory(ports, signal, asked);
    try {
      return await work(on);
    } finally {
      await on.close();
    }
  } catch (error) {
    const code = codeOf(error);
    return `${plain(asked.url, 100)}: ${code === null ? '' : `code ${code} `}${saidBy(error)}`;
  }
}

// ---------------------------------------------------------------------------------- what was changed, for the way back

const journal = z.object({
  ...{ epoch: z.number(), from: z.string(), to: z.string(), entries: z.array(z.string()) },
  /** What stood there before could not be read. */
  lost: z.boolean().default(false),
});
const fileOf = ({ group, step }: Context): string => `${group}.${step}.entries`;

interface Kept {
  readonly entries: readonly string[];
  /** Not all that was changed is known. */
  readonly lost: boolean;
}

function kept(context: Context, from: string): Kept {
  try {
    const text = context.ports.stores.open(context.stateDir).read(fileOf(context));
    if (text === null) return { entries: [], lost: false };
    const { epoch, from: before, to, entries, lost } = journal.parse(JSON.parse(text.toString('utf8')));
    const mine = epoch === context.lease.epoch && before === from && to === context.to;
    return mine ? { entries, lost } : { entries: [], lost: false };
  } catch {
    return { entries: [], lost: true };
  }
}

async function keep(context: Context, from: string, entries: readonly string[]): Promise<void> {
  const before = kept(context, from);
  const all = [...new Set([...before.entries, ...entries])];
  const text = JSON.stringify({ epoch: context.lease.epoch, from, to: context.to, entries: all, lost: before.lost });
  await context.ports.stores.open(context.stateDir).replace(fileOf(context), text);
}

// ------------------------------------------------------------------------------------------------------------ changing

interface Count {
  changed: number;
  /** Did not have the old value any more: somebody else was there. */
  other: number;
  failed: number;
  readonly named: string[];
}

const none = (): Count => ({ changed: 0, other: 0, failed: 0, named: [] });
const ENDED = 'the right to change it has ended';

/** One entry of `count` is done. */
function enter(count: Count, dn: string, error: unknown): void {
  const code = codeOf(error);
  if (error === null) count.changed += 1;
  else if (code === NO_SUCH_ATTRIBUTE || code === NO_SUCH_OBJECT) count.other += 1;
  else {
    count.failed += 1;
    if (count.named.length < NAMED) count.named.push(`${quote(dn, 100)}: code ${code} ${saidBy(error).slice(0, 100)}`);
  }
}

async function offersTransaction(on: OpenDirectory): Promise<boolean> {
  const root = await on.call(() => on.client.search('', { scope: 'base', attributes: ['supportedExtension'] }));
  return [root.searchEntries[0]?.['supportedExtension'] ?? []].flat().map(String).includes(TRANSACTION);
}

interface Work {
  readonly plan: Plan;
  readonly dns: readonly string[];
  readonly count: Count;
  may(): boolean;
}

/** Throws what ends it; `count` holds what was done until then. */
async function change(context: Context, on: OpenDirectory, { plan, dns, count, may }: Work): Promise<void> {
  if (!may()) throw new Error(ENDED);
  if (!context.options.transaction || !(await offersTransaction(on)))
    return oneByOne(context, on, { plan, dns, count, may });
  try {
    if (!(await changeAll(on, dns, changesOf(on, plan), may))) throw new Error(ENDED);
    count.changed += dns.length;
    context.progress(dns.length, dns.length, 'entries in one transaction');
    return;
  } catch (error) {
    if (codeOf(error) === null) throw error;
  }
  // One entry that cannot be changed ended it for all: then each for itself, where no transaction was.
  const fresh = await openDirectory(context.ports, context.signal, context.options);
  try {
    await oneByOne(context, fresh, { plan, dns, count, may });
  } finally {
    await fresh.close();
  }
}

async function oneByOne(context: Context, on: OpenDirectory, { plan, dns, count, may }: Work): Promise<void> {
  let done = 0;
  const whole = await changeEach(on, dns, changesOf(on, plan), may, (dn, error) => {
    enter(count, dn, error);
    done += 1;
    if (done % TOLD === 0 || done === dns.length) context.progress(done, dns.length, 'entries');
  });
  if (!whole) throw new Error(ENDED);
}

const textOf = ({ changed, other, failed, named }: Count): string =>
  `${changed} entries changed${other > 0 ? `, ${other} were changed by somebody else` : ''}` +
  `${failed > 0 ? `, ${failed} could not be: ${named.join('; ')}` : ''}`;

interface Lost {
  readonly lost: string;
}

/** What was under way when a connection ended is done or not: only who reads again knows. The rest is thrown on. */
function whenLost(error: unknown): Lost {
  if (error instanceof NetError) return { lost: saidBy(error) };
  throw error;
}

const whyOf = (done: Lost | string): string => (typeof done === 'string' ? done : done.lost);

/** After a loss the next connection may fail as well: a server that is still busy with the end of the one before. */
async function anotherTry({ ports, signal }: Context, done: Lost | string, lost: string[]): Promise<boolean> {
  if (lost.length === LOST_MAX || (typeof done === 'string' && lost.length === 0)) return false;
  lost.push(whyOf(done));
  await ports.clock.sleep(PAUSE_MS, signal).catch(() => undefined);
  return true;
}

const again = (lost: readonly string[]): string =>
  lost.length === 0 ? '' : `; an answer was lost (${lost.join('; ')}), and what stands there was read again`;

/** Entries whose change was not answered, and that have the old value no more. */
function unanswered(dns: readonly string[], left: readonly string[], answered: number): number {
  const still = new Set(left);
  return Math.max(0, dns.filter((dn) => !still.has(dn)).length - answered);
}

async function bring(context: Context): Promise<ActionResult> {
  const { from, to, lease, ports, signal } = context;
  if (from === null || from === to) return { ok: true, detail: 'nobody else had it: nothing to change' };
  const plan = planOf(context, from, to);
  if (typeof plan === 'string') return { ok: false, detail: plan };
  const may = (): boolean => !signal.aborted && lease.untilMs() > ports.clock.monotonic();
  const total = none();
  const lost: string[] = [];
  let under: { readonly dns: readonly string[]; readonly answered: number } | null = null;
  const rounds = async (on: OpenDirectory): Promise<ActionResult> => {
    for (let round = 0; ; round += 1) {
      const dns = await search(context, on, plan.filter);
      if (under) total.changed += unanswered(under.dns, dns, total.changed + total.other - under.answered);
      under = null;
      if (dns.length === 0) return { ok: true, detail: textOf(total) };
      if (round === ROUNDS || total.failed > 0)
        return { ok: false, detail: `${textOf(total)}; ${dns.length} have the old value` };
      await keep(context, from, dns);
      under = { dns, answered: total.changed + total.other };
      await change(context, on, { plan, dns, count: total, may });
      under = null;
    }
  };
  for (;;) {
    const done = await withServer<ActionResult | Lost>(context, (on) => rounds(on).catch(whenLost));
    if (typeof done === 'object' && 'ok' in done) return { ok: done.ok, detail: `${done.detail}${again(lost)}` };
    if (!(await anotherTry(context, done, lost)) || !may())
      return { ok: false, detail: `${whyOf(done)}; ${textOf(total)}${again(lost)}` };
  }
}

/** Only what this move changed, and only where the new value still stands. */
async function takeBack(context: Context): Promise<ActionResult> {
  const { from, to, signal } = context;
  if (from === null || from === to) return { ok: true, detail: 'nothing was changed' };
  const plan = planOf(context, to, from);
  if (typeof plan === 'string') return { ok: false, detail: plan };
  const { entries, lost: unread } = kept(context, from);
  const why = unread ? '; the list of what was changed could not be read' : '';
  if (entries.length === 0) return { ok: !unread, detail: unread ? why.slice(2) : 'nothing was changed' };
  const count = none();
  const lost: string[] = [];
  const back = async (on: OpenDirectory): Promise<null> => {
    let dns = entries;
    if (lost.length > 0) {
      const left = new Set(await search(context, on, plan.filter));
      dns = entries.filter((dn) => left.has(dn));
      count.changed += unanswered(entries, dns, count.changed + count.other);
    }
    if (dns.length > 0) await change(context, on, { plan, dns, count, may: () => !signal.aborted });
    return null;
  };
  for (;;) {
    const done = await withServer<Lost | null>(context, (on) => back(on).catch(whenLost));
    const text = `${textOf(count)}${again(lost)}${why}`;
    if (done === null) return { ok: count.failed === 0 && !unread, detail: text };
    if (!(await anotherTry(context, done, lost)) || signal.aborted)
      return { ok: false, detail: `${whyOf(done)}; ${text}` };
  }
}

async function look(context: Context) {
  const { from, to } = context;
  if (from === null || from === to) return { state: 'done', detail: 'nobody else had it' } as const;
  const plan = planOf(context, from, to);
  if (typeof plan === 'string') return { state: 'unknown', detail: plan } as const;
  const left = await withServer(context, async (on) => (await search(context, on, plan.filter)).length);
  if (typeof left === 'string') return { state: 'unknown', detail: left } as const;
  return { state: left === 0 ? 'done' : 'undone', detail: `${left} entries have the old value` } as const;
}

/** May it write? A value that is not there is taken away: who has the right is told so (code 16), and nothing
 *  changes. */
async function couldWrite(context: Context, on: OpenDirectory, plan: Plan): Promise<ActionResult> {
  const { base } = context.options;
  const limits = { scope: 'sub' as const, attributes: ['1.1'], paged: { pageSize: 1 } };
  const pages = on.client.searchPaginated(base, { filter: plan.filter, ...limits });
  const page = await on.call(() => pages.next());
  const dn = page.done === true ? undefined : page.value.searchEntries[0]?.dn;
  if (dn === undefined) return { ok: true, detail: 'it answers; no entry has the old value, so no right was tried' };
  for (const { name, fresh } of plan.values) {
    const { Attribute, Change: One } = on.ldap;
    const modification = new Attribute({ type: name, values: [fresh] });
    const nothing = new One({ operation: 'delete', modification });
    try {
      // Taken away and put back in one change, so that even a value that came meanwhile stays.
      await on.call(() => on.client.modify(dn, [nothing, new One({ operation: 'add', modification })]));
    } catch (error) {
      const code = codeOf(error);
      if (code === null) throw error;
      if (code !== NO_SUCH_ATTRIBUTE) return { ok: false, detail: `${name}: code ${code} ${saidBy(error)}` };
    }
  }
  return { ok: true, detail: 'it answers, and the entries can be changed' };
}

async function ready(context: Context): Promise<ActionResult> {
  const { from, to } = context;
  const plan = from === null || from === to ? null : planOf(context, from, to);
  if (typeof plan === 'string') return { ok: false, detail: plan };
  const done = await withServer(context, async (on) =>
    plan === null ? { ok: true, detail: 'it answers' } : couldWrite(context, on, plan),
  );
  return typeof done === 'string' ? { ok: false, detail: done } : done;
}

export default defineStep({
  about: 'Entries of an LDAP directory that name the node, such as mailHost: changed where the old value stands.',
  options,
  example: {
    url: 'ldaps://ldap.example.org',
    bind: 'cn=watchkeeper,dc=example,dc=org',
    password: 'file:/etc/watchkeeper/ldap',
    base: 'ou=people,dc=example,dc=org',
    filter: '(mailHost=$from)',
    set: { mailHost: '$to' },
  },
  scope: 'shared',
  timeoutMs: 120_000,
  probe: look,
  do: bring,
  undo: takeBack,
  ready,
});
