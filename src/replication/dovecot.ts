// Dovecot 2.3: mailboxes by dsync, in two ways. `sync`: the active node runs `doveadm sync` for each user by itself and
// remembers how far it came. `replicator`: Dovecot does so, and is asked. Its status shows one waiting user where many
// wait, so that a mail which must arrive is the only proof; its age is also all that the other side knows.
import {
  type ActionResult,
  defineReplication,
  opt,
  type ReplicationContext,
  type ReplicationFacts,
  z,
} from '../define.ts';
import { facts } from '../dialogues/copy-facts.ts';
import {
  arrived,
  doveadm,
  type FarSide,
  type Here,
  isDown,
  isUser,
  newestProbe,
  replicatorRows,
  saveProbe,
  sync,
  tidyProbes,
  usersOf,
  why,
} from '../dialogues/dsync.ts';
import { makeAnew } from '../dialogues/dsync-anew.ts';
import { newToken } from '../dialogues/probe-mail.ts';
import { plain } from '../dialogues/quote.ts';
import { bad } from '../host/launch.ts';

const far = z
  .string()
  .max(300)
  .regex(/^tcp:[A-Za-z0-9_.:[\]-]+:\d{1,5}$/, 'expected tcp:HOST:PORT')
  .describe('Its doveadm as the others reach it: tcp:HOST:PORT');
const options = z.strictObject({
  way: z.enum(['sync', 'replicator']).default('sync').describe('Who runs dsync: Watchkeeper, or Dovecot’s replicator.'),
  to: z.record(z.string().max(64), far).describe('Each node’s doveadm as the others reach it.'),
  users: opt.text('Whose mail, as a mask of doveadm user.').default('*'),
  every: opt.duration('How often each user is brought over; only for sync.').prefault('10s'),
  probe: z
    .strictObject({
      user: opt.text('The user'),
      mailbox: opt.text('Its mailbox').default('Watchkeeper'),
    })
    .optional()
    .describe('Where a small mail is saved that must arrive at the other side.'),
  config: opt.path('The configuration of this Dovecot, if it is not the usual one.').optional(),
});
type Context = ReplicationContext<z.output<typeof options>>;

/** One user is given up for this round after so long. */
const USER_MS = 120_000;
/** Set while its copy is made anew: until then nobody may rely on it. */
const ANEW = 'anew';
const RESEED_MS = 1_800_000;
const LANES = 4;
const FAILING_MS = 120_000;

const here = ({ ports, signal, options: { config } }: Context): Here => ({ ports, signal, config });
/** The other nodes that can be reached. */
const others = ({ options: { to }, node, nodes }: Context): readonly { name: string; far: FarSide }[] =>
  nodes
    .filter((name) => name !== node)
    .flatMap((name) => (Object.hasOwn(to, name) ? [{ name, far: to[name] ?? '' }] : []));

// --------------------------------------------------------------------------------------------- how far each user came

const kept = z.object({
  suspended: z.boolean().default(false),
  /** By node and user: the state string of dsync, and when (wall, ms) the last good run began. */
  done: z.record(z.string(), z.object({ state: z.string().nullable(), at: z.number().nullable() })).default({}),
});
type Kept = z.output<typeof kept>;
const fileOf = ({ group, source }: Context): string => `${group}.${source}.dsync`;

function recall(context: Context): Kept {
  const known = context.memory.get('kept') as Kept | undefined;
  if (known) return known;
  let fresh: Kept = { suspended: false, done: {} };
  try {
    const text = context.ports.stores.open(context.stateDir).read(fileOf(context));
    const read = kept.safeParse(JSON.parse(text?.toString('utf8') ?? '{}'));
    if (read.success) fresh = read.data;
  } catch {
    // Nothing, or nothing that can be read: everything is brought over anew.
  }
  context.memory.set('kept', fresh);
  return fresh;
}

async function keep(context: Context): Promise<void> {
  const text = JSON.stringify(recall(context));
  await context.ports.stores.open(context.stateDir).replace(fileOf(context), text);
}

interface Round {
  readonly failed: readonly string[];
  readonly lagMs: number | null;
  readonly users: number;
  readonly strange: number;
}

interface Pair {
  readonly name: string;
  readonly far: FarSide;
  readonly user: string;
  readonly key: string;
}

/** Each user with each other side, and how many cannot be named there. A text: there is nothing to bring over. */
async function pairsOf(context: Context): Promise<{ pairs: readonly Pair[]; strange: number } | string> {
  const found = await usersOf(here(context), context.options.users);
  if (typeof found === 'string') return found;
  const pairs = others(context).flatMap((other) =>
    found.users.map((user) => ({ ...other, user, key: `${other.name} ${user}` })),
  );
  if (pairs.length === 0) return found.users.length === 0 ? 'no users are found' : 'no other node is known';
  return { pairs, strange: found.strange };
}

/** How long ago the last good run of the one who waited longest began; null: somebody never came over. */
function lagOf(context: Context, pairs: readonly Pair[]): number | null {
  const { done } = recall(context);
  const now = context.ports.clock.wall();
  return pairs
    .map(({ key }) => done[key]?.at ?? null)
    .map((when) => (when === null ? null : now - when))
    .reduce<number | null>((most, age) => (most === null || age === null || age < 0 ? null : Math.max(most, age)), 0);
}

/** Brings over all users that are due, those first that waited longest. A text: why nobody could be. */
async function round(context: Context, everyMs: number): Promise<Round | string> {
  const { ports, signal } = context;
  const found = await pairsOf(context);
  if (typeof found === 'string') return found;
  const { pairs, strange } = found;
  const { done } = recall(context);
  const at = (key: string): number | null => done[key]?.at ?? null;
  const due = pairs
    .filter(({ key }) => ports.clock.wall() - (at(key) ?? 0) >= everyMs || ports.clock.wall() < (at(key) ?? 0))
    .toSorted((a, b) => (at(a.key) ?? 0) - (at(b.key) ?? 0));
  const failed: string[] = [];
  const next = due.values();
  const lane = async (): Promise<void> => {
    for (const { user, far: side, name, key } of next) {
      if (signal.aborted) return;
      const began = ports.clock.wall();
      const before = done[key];
      const got = await sync(here(context), user, side, before?.state ?? '', USER_MS);
      if (got.ok) done[key] = { state: got.state, at: began };
      // What it remembers may be what is wrong: the next run compares everything.
      else done[key] = { state: null, at: before?.at ?? null };
      if (!got.ok) failed.push(`${plain(user, 60)} to ${name}: ${got.detail}`);
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  await keep(context);
  return { failed, lagMs: lagOf(context, pairs), users: pairs.length, strange };
}

async function lookSync(context: Context): Promise<ReplicationFacts> {
  if (recall(context).suspended) return facts('suspended', 'it is suspended by an operator');
  const got = await round(context, context.options.every);
  if (typeof got === 'string') return facts('failed', got);
  const { failed, lagMs, users, strange } = got;
  const [first] = failed;
  if (strange > 0) return facts('failed', `${strange} users have names that are not brought over`, null, null);
  if (lagMs === null)
    return facts(first === undefined ? 'initializing' : 'failed', first ?? 'not all users came over yet');
  if (first !== undefined)
    return facts(failed.length === users ? 'failed' : 'synchronizing', first, failed.length, lagMs);
  return facts('healthy', `${users} users, the oldest run began ${Math.round(lagMs / 1000)} s ago`, 0, lagMs);
}

async function lookReplicator(context: Context): Promise<ReplicationFacts> {
  const got = await doveadm(here(context), ['-f', 'tab', 'replicator', 'status', context.options.users]);
  if (got.code !== 0) return facts(isDown(got) ? 'service-down' : 'failed', `doveadm replicator: ${why(got)}`);
  const rows = replicatorRows(got.stdout);
  if (rows === null || got.truncated) return facts('failed', 'doveadm replicator says nothing that is known');
  if (rows.length === 0) return facts('initializing', 'the replicator knows no user');
  const failing = rows.filter(({ failed }) => failed);
  const waiting = rows.filter(({ failed, waits }) => failed || waits);
  const now = context.ports.clock.monotonic();
  if (failing.length === 0) context.memory.delete('failing');
  else if (!context.memory.has('failing')) context.memory.set('failing', now);
  const ages = waiting.map(({ successMs }) => successMs);
  const lagMs = ages.reduce((most, age) => (most === null || age === null ? null : Math.max(most, age)), 0);
  if (failing.length > 0) {
    const long = now - ((context.memory.get('failing') as number | undefined) ?? now) >= FAILING_MS;
    const detail = `the replicator fails for ${failing.length} of ${rows.length} users, ${failing[0]?.user} first`;
    // More may wait than it knows of.
    return facts(long || failing.length === rows.length ? 'failed' : 'synchronizing', detail, null, lagMs);
  }
  if (waiting.length === 0) return facts('healthy', `the replicator has nothing to do for ${rows.length} users`, 0, 0);
  return facts('synchronizing', `${waiting.length} of ${rows.length} users wait`, waiting.length, lagMs);
}

/** The side that receives knows what has come: the newest probe mail. */
async function lookStandby(context: Context): Promise<ReplicationFacts> {
  const { probe } = context.options;
  if (context.memory.has(ANEW)) return facts('initializing', 'it is made anew now');
  if (recall(context).suspended) return facts('suspended', 'it is suspended by an operator');
  if (!probe) {
    const got = await doveadm(here(context), ['service', 'status']);
    if (got.code !== 0) return facts('service-down', `doveadm: ${why(got)}`);
    return facts('synchronizing', 'it runs; without a probe mailbox this side cannot know what is missing');
  }
  const newest = await newestProbe(here(context), probe);
  if (newest === null) return facts('initializing', 'no probe mail has come yet');
  if (typeof newest !== 'number') return facts(isDown(newest) ? 'service-down' : 'failed', `doveadm: ${why(newest)}`);
  const lagMs = Math.max(0, context.ports.clock.wall() - newest);
  return facts('healthy', `all of ${Math.round(lagMs / 1000)} s ago is here, by the newest probe mail`, null, lagMs);
}

// ---------------------------------------------------------------------------------------------------------------- acts

/** Until when (wall, ms) all of all users is at the other side; a text: that is not known. Over there the date of the
 *  probe mail is all that is known: it must speak for every user, and not for its own alone. */
async function wholeUntil(context: Context): Promise<number | string> {
  const { clock } = context.ports;
  if (context.options.way !== 'sync') return clock.wall();
  const found = await pairsOf(context);
  if (typeof found === 'string') return found;
  if (found.strange > 0) return `${found.strange} users have names that are not brought over`;
  const lagMs = lagOf(context, found.pairs);
  return lagMs === null ? 'not all users came over yet' : clock.wall() - lagMs;
}

/** Saves, brings over (or lets it be), and looks there until it is seen. */
async function prove(context: Context): Promise<ActionResult> {
  const { options: asked, signal, ports } = context;
  const { probe } = asked;
  if (!probe) return bad('no probe mailbox is configured');
  if (!isUser(probe.user)) return bad('the user of the probe has a name that is not taken');
  const sides = others(context);
  if (sides.length === 0) return bad('no other node is known');
  const until = await wholeUntil(context);
  if (typeof until === 'string') return bad(until);
  const token = newToken();
  const trouble = await saveProbe(here(context), probe, token, until);
  if (trouble !== null) return bad(trouble);
  for (const { name, far: side } of sides) {
    if (asked.way === 'sync') {
      const { ok, detail } = await sync(here(context), probe.user, side, '', USER_MS);
      if (!ok) return bad(`${name}: ${detail}`);
    }
    let seen = await arrived(here(context), probe, token, side);
    while (seen !== true) {
      if (signal.aborted) return bad(`${name}: ${seen === false ? 'the mail did not arrive in time' : seen}`);
      await ports.clock.sleep(250, signal).catch(() => undefined);
      if (!signal.aborted) seen = await arrived(here(context), probe, token, side);
    }
  }
  await tidyProbes(here(context), probe, token);
  return { ok: true, detail: `a mail arrived at ${sides.map(({ name }) => name).join(', ')}` };
}

async function flush(context: Context): Promise<ActionResult> {
  const { active, options: asked, signal, ports } = context;
  if (!active) return bad('only the active node can bring over what it has');
  if (asked.way === 'sync') {
    if (recall(context).suspended) return bad('it is suspended by an operator');
    const got = await round(context, 0);
    if (typeof got === 'string') return bad(got);
    const { failed, lagMs, users, strange } = got;
    const ok = failed.length === 0 && lagMs !== null && strange === 0 && !signal.aborted;
    return ok ? { ok, detail: `${users} users are brought over` } : bad(failed[0] ?? 'not all users were brought over');
  }
  const asking = await doveadm(here(context), ['replicator', 'replicate', '-p', 'high', asked.users]);
  if (asking.code !== 0) return bad(`doveadm replicator: ${why(asking)}`);
  for (;;) {
    const { state, detail } = await lookReplicator(context);
    if (state === 'healthy') return asked.probe ? prove(context) : { ok: true, detail };
    if (signal.aborted) return bad(detail);
    await ports.clock.sleep(250, signal).catch(() => undefined);
  }
}

/** Every user as the active node has it: what is only here goes. Never where the group is active, and it ends when that
 *  changes: nobody's newest mail may be compared away. */
async function reseed(context: Context): Promise<ActionResult> {
  const { active, owner, node, signal, options: asked } = context;
  if (active || owner === node) return bad('the active node keeps its mail');
  if (owner === null) return bad('nobody is active: there is nobody to take it from');
  const far = Object.hasOwn(asked.to, owner) ? asked.to[owner] : undefined;
  if (far === undefined) return bad(`where ${plain(owner, 60)} is found is not configured`);
  const found = await usersOf(here(context), asked.users);
  if (typeof found === 'string') return bad(found);
  const users = asked.probe && isUser(asked.probe.user) ? [...found.users, asked.probe.user] : found.users;
  const failed: string[] = [];
  let done = 0;
  const next = new Set(users).values();
  const lane = async (): Promise<void> => {
    for (const user of next) {
      if (signal.aborted) return;
      const trouble = await makeAnew(here(context), user, far, RESEED_MS);
      if (trouble === null) done += 1;
      else failed.push(`${plain(user, 60)}: ${trouble}`);
    }
  };
  context.memory.set(ANEW, true);
  await Promise.all(Array.from({ length: LANES }, lane)).finally(() => context.memory.delete(ANEW));
  // How far others had come from here says nothing any more.
  recall(context).done = {};
  await keep(context);
  const text = `${done} users are as on ${owner}`;
  if (signal.aborted) return bad(`it was given up: ${text}`);
  if (failed.length > 0) return bad(`${text}, ${failed.length} are not: ${failed[0]}`);
  if (found.strange > 0) return bad(`${text}, ${found.strange} have names that are not brought over`);
  return { ok: true, detail: text };
}

async function pause(context: Context, suspended: boolean): Promise<ActionResult> {
  if (context.options.way === 'replicator') return bad('the replicator of Dovecot knows no pause');
  recall(context).suspended = suspended;
  await keep(context);
  return { ok: true, detail: suspended ? 'nothing is brought over from here' : 'it goes on' };
}

export default defineReplication({
  about: 'Mailboxes of Dovecot 2.3 by dsync: run for each user by Watchkeeper, or by its replicator.',
  options,
  example: {
    to: { n1: 'tcp:10.0.0.11:12345', n2: 'tcp:10.0.0.12:12345' },
    probe: { user: 'probe@example.org' },
  },
  ageOnly: true,
  look: (context) => {
    if (!context.active) return lookStandby(context);
    return context.options.way === 'sync' ? lookSync(context) : lookReplicator(context);
  },
  prove,
  flush,
  suspend: (context) => pause(context, true),
  resume: (context) => pause(context, false),
  reseed,
});
