// What Cyrus says of itself, past IMAP: can each new process read its settings, are logins shut off by hand, may its
// user write where it must, can the list of mailboxes be read, is there room on each partition. Nothing of it can be
// cured by a restart, except a lock that is never let go: that is why it is asked before Cyrus is restarted.
import { type CheckContext, type CheckResult, defineCheck, degraded, fail, opt, pass, unknown, z } from '../define.ts';
import {
  connectionsOf,
  fullQuotas,
  limitsOf,
  mailboxList,
  type Place,
  placesOf,
  replicationLogs,
  roomOf,
  type Settings,
  settingsOf,
} from '../dialogues/cyrus.ts';
import { plain, quote } from '../dialogues/quote.ts';
import { converse, type Session } from '../dialogues/session.ts';
import { complaint, isRun, runTool } from '../dialogues/tool.ts';
import { type Child, runOnDisk } from '../host/disk-child.ts';
import type { ExecResult } from '../ports/exec.ts';

const name = (about: string) =>
  z
    .string()
    .regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/, 'expected a name')
    .describe(about);

const options = z.strictObject({
  programs: opt.path('The folder of cyr_info, ctl_mboxlist, cyr_df and quota.').default('/usr/lib/cyrus/bin'),
  config: opt.path('Its settings.').default('/etc/imapd.conf'),
  master: opt.path('What its master starts.').default('/etc/cyrus.conf'),
  user: name('The user that Cyrus runs as, if its settings name none.').default('cyrus'),
  group: name('The group that Cyrus runs as, if its settings name none.').default('mail'),
  ignore: z
    .array(z.string().max(100))
    .max(100)
    // Debian's own imapd.conf has this one, and Cyrus does not know it.
    .default(['newsspool'])
    .describe('Keys of imapd.conf that Cyrus does not know, and that are no mistake.'),
  'used-warn': opt.percent('Degraded when more of a partition is used (`cyr_df`).').default(90),
  'used-crit': opt.percent('Failing when more of a partition is used.').default(97),
  connections: opt
    .percent('Degraded when a service has more connections than this share of its `maxchild`; more than all wait.')
    .default(90),
  'full-quotas': opt.count('Degraded when more quotas are used up; `quota` is asked only if this is set.').optional(),
  'replication-log': opt
    .size('Degraded when the log of a replication channel is larger: nobody takes it away.')
    .prefault('1M'),
});
type Context = CheckContext<z.output<typeof options>>;
type Verdict = CheckResult | null;

const MAX_CONF = 262_144;
const MAX_SHUTDOWN = 200;

/** Every program of Cyrus reads the same settings, and ends with 78 (sysexits) when it cannot. */
function trouble(result: ExecResult, program: string, session: Session): Verdict {
  const { seen } = session;
  if (result.timedOut) return unknown(`${program} does not end in ${Math.round(result.ms)} ms`, seen);
  if (result.code === 0) return null;
  const why = plain(complaint(result), 240);
  if (result.code === 78 || /config(uration)? file|in line \d+/.test(result.stderr))
    return fail('misconfigured', `every new process of Cyrus ends: ${why}`, seen);
  if (result.code === null) return unknown(`${program} was ended by ${result.signal}`, seen);
  return unknown(`${program} exits ${result.code}: ${why}`, seen);
}

async function ask(
  context: Context,
  session: Session,
  words: readonly [string, ...string[]],
  how: { readonly onStdout?: (piece: Buffer) => void } = {},
): Promise<ExecResult | CheckResult> {
  const { programs, config } = context.options;
  const [program, ...more] = words;
  return runTool(session, words.join(' '), [`${programs}/${program}`, '-C', config, ...more], {
    ...how,
    maxBytes: MAX_CONF,
  });
}

async function settings(context: Context, session: Session): Promise<CheckResult | Settings> {
  const result = await ask(context, session, ['cyr_info', 'conf-all']);
  if (!isRun(result)) return result;
  const bad = trouble(result, 'cyr_info', session);
  if (bad) return bad;
  const found = settingsOf(result.stdout);
  const folder = found.get('configdirectory') ?? '';
  return folder.startsWith('/')
    ? found
    : unknown(`cyr_info names no configdirectory: ${quote(result.stdout, 80)}`, session.seen);
}

/** With less time than this a child that is slow to start would pass for a storage that hangs. */
const LEAST_MS = 600;

/** A child that looks at the storage of Cyrus, with what is left of the time. */
async function onDisk(context: Context, session: Session, argv: (mark: string) => readonly string[]): Promise<Child> {
  const timeoutMs = session.left();
  if (timeoutMs < LEAST_MS) return { is: 'not-run', why: 'no time was left' };
  return runOnDisk({ ...context, signal: session.signal, timeoutMs }, argv);
}

/** What it means that the child brought no answer. */
function noAnswer(child: Child, path: string, session: Session): CheckResult {
  if (child.is === 'not-run') return unknown(`${quote(path)} cannot be looked at: ${child.why}`, session.seen);
  // No restart frees a storage.
  return fail('dependency', `the storage at ${quote(path)} does not answer`, session.seen);
}

/** Its size; null when it is not there. */
async function sizeOf(context: Context, session: Session, path: string): Promise<number | CheckResult | null> {
  const child = await onDisk(context, session, (mark) => ['stat', '-L', `--printf=%s\n${mark}`, '--', path]);
  if (child.is !== 'answer') return noAnswer(child, path, session);
  const { code, stdout, stderr } = child.result;
  if (code === 0) return Number.parseInt(stdout, 10);
  if (/No such file|Not a directory/.test(stderr)) return null;
  return unknown(`${quote(path)} cannot be looked at: ${complaint(child.result)}`, session.seen);
}

/** While this file is there every client is sent away. A restart would not change that. */
async function shutOff(context: Context, session: Session, folder: string): Promise<Verdict> {
  const path = `${folder}/msg/shutdown`;
  const size = await sizeOf(context, session, path);
  if (size === null) return null;
  if (typeof size !== 'number') return size;
  const result = await runTool(session, 'shutdown file', ['head', '-c', String(MAX_SHUTDOWN), '--', path]);
  const text = isRun(result) ? result.stdout.trim().split('\n')[0] : '';
  const told = text ? `, which says ${quote(text)}` : '';
  return fail('misconfigured', `all clients are sent away while ${quote(path)} is there${told}`, session.seen);
}

async function unknownKeys(context: Context, session: Session): Promise<Verdict> {
  const result = await ask(context, session, ['cyr_info', '-M', context.options.master, 'conf-lint']);
  if (!isRun(result)) return result;
  const bad = trouble(result, 'cyr_info', session);
  if (bad) return bad;
  const keys = [...settingsOf(result.stdout).keys()].filter((key) => !context.options.ignore.includes(key));
  if (keys.length === 0) return null;
  const told = quote(keys.slice(0, 10).join(', '), 200);
  return degraded(
    'misconfigured',
    `Cyrus does not know these keys of ${context.options.config}: ${told}`,
    session.seen,
  );
}

/** May its own user work there? Root may everywhere, so that it is no measure. */
async function place(context: Context, session: Session, who: readonly string[], one: Place): Promise<Verdict> {
  const { key, path } = one;
  const { seen } = session;
  const shown = `${plain(key, 80)} (${quote(path, 120)})`;
  if (!path.startsWith('/')) return fail('misconfigured', `${shown} is no absolute path`, seen);
  const may = ['-a', '-d', path, '-a', '-r', path, '-a', '-w', path, '-a', '-x', path];
  const child = await onDisk(context, session, (mark) => [...who, 'test', '-n', mark, ...may]);
  if (child.is !== 'answer') return noAnswer(child, path, session);
  if (child.result.code === 0) return null;
  // test says nothing: words are setpriv's own trouble, such as a user that is not there.
  if (child.result.stderr.trim() !== '') return unknown(`nobody can be asked: ${complaint(child.result)}`, seen);
  const size = await sizeOf(context, session, path);
  if (size === null) return one.made ? null : fail('misconfigured', `${shown} is not there`, seen);
  if (typeof size !== 'number') return size;
  const writable = await onDisk(context, session, (mark) => ['test', '-n', mark, '-a', '-w', path]);
  if (writable.is === 'answer' && writable.result.code === 1)
    return fail('no-space', `${shown} is on a file system that is read-only`, seen);
  return fail('misconfigured', `the user of Cyrus may not read and write ${shown}`, seen);
}

async function places(context: Context, session: Session, found: Settings): Promise<Verdict> {
  const { user, group } = context.options;
  const as = [`--reuid=${found.get('cyrus_user') || user}`, `--regid=${found.get('cyrus_group') || group}`];
  const who = ['setpriv', ...as, '--init-groups'];
  const all = placesOf(found);
  for (const one of all) {
    const bad = await place(context, session, who, one);
    if (bad) return bad;
  }
  session.note({ name: 'folders', ms: 0, ok: true, detail: `${all.length} are writable` });
  return null;
}

async function room(context: Context, session: Session): Promise<Verdict> {
  const result = await ask(context, session, ['cyr_df']);
  if (!isRun(result)) return result;
  const bad = trouble(result, 'cyr_df', session);
  if (bad) return bad;
  const [fullest] = [...roomOf(result.stdout)].sort((a, b) => b.usedPercent - a.usedPercent);
  if (!fullest) return unknown(`cyr_df names no partition: ${quote(result.stdout, 80)}`, session.seen);
  const { partition, usedPercent: used } = fullest;
  session.measure('partition-used', used, '%');
  const detail = `${used} % of the partition ${plain(partition, 80)} is used`;
  if (used > context.options['used-crit']) return fail('no-space', detail, session.seen);
  return used > context.options['used-warn'] ? degraded('no-space', detail, session.seen) : null;
}

/** Cyrus makes an empty list where it finds none, and so would the dump: it is looked for first. */
async function mailboxes(context: Context, session: Session, found: Settings): Promise<Verdict> {
  const { memory } = context;
  const path = found.get('mboxlist_db_path') || `${found.get('configdirectory')}/mailboxes.db`;
  if (found.get('mboxlist_db') !== 'sql') {
    const size = await sizeOf(context, session, path);
    if (size === null) return fail('misconfigured', `the list of mailboxes ${quote(path)} is not there`, session.seen);
    if (typeof size !== 'number') return size;
  }
  let bytes = 0;
  const reader = mailboxList(found);
  const onStdout = (piece: Buffer): void => {
    bytes += piece.length;
    reader.add(piece);
  };
  const result = await ask(context, session, ['ctl_mboxlist', '-d'], { onStdout });
  if (!isRun(result)) return result;
  const list = reader.end();
  const bad = unread(result, { bytes, count: list.count }, session) ?? trouble(result, 'ctl_mboxlist', session);
  if (bad) return bad;
  if (!list.whole) return unknown('the list of mailboxes has no end', session.seen);
  const before = (memory.get('mailboxes') as number | undefined) ?? 0;
  session.measure('mailboxes', list.count, '');
  if (list.count === 0 && before > 0)
    return fail('misconfigured', `the list of mailboxes is empty; it had ${before}`, session.seen);
  memory.set('mailboxes', list.count);
  if (!list.lost) return null;
  const lost = `${list.lost.count} mailboxes are on a partition that ${context.options.config} does not name`;
  const example = `${quote(list.lost.mailbox, 100)} on ${quote(list.lost.partition, 60)}`;
  return degraded('misconfigured', `${lost}: ${example}`, session.seen);
}

/** What it means when the dump came to no good end, as far as that is a matter of the list itself. */
function unread(result: ExecResult, { bytes, count }: { bytes: number; count: number }, session: Session): Verdict {
  const { seen } = session;
  if (result.timedOut && bytes === 0)
    return fail(
      'hung',
      `nobody can read the list of mailboxes: its lock is held, for ${Math.round(result.ms)} ms`,
      seen,
    );
  if (result.timedOut) return unknown(`the list of mailboxes is too long for the time (${count} were read)`, seen);
  if (/can't read mailboxes file/.test(result.stderr))
    return fail(
      'misconfigured',
      'the list of mailboxes cannot be read: it is damaged, or not the property of Cyrus',
      seen,
    );
  if (result.signal === 'SIGSEGV' || result.signal === 'SIGABRT' || result.signal === 'SIGBUS')
    return degraded(
      'misconfigured',
      `who reads the list of mailboxes crashes (${result.signal}): is it damaged?`,
      seen,
    );
  return null;
}

async function connections(context: Context, session: Session): Promise<Verdict> {
  const result = await ask(context, session, ['cyr_info', 'proc']);
  if (!isRun(result)) return result;
  const bad = trouble(result, 'cyr_info', session);
  if (bad) return bad;
  const found = connectionsOf(result.stdout);
  session.measure(
    'connections',
    [...found.values()].reduce((sum, count) => sum + count, 0),
    '',
  );
  let text: string | null = null;
  try {
    text = context.ports.files.readText(context.options.master, MAX_CONF);
  } catch {
    // Without it no limit is known. That Cyrus cannot read it either is its master's to say.
  }
  for (const [service, limit] of limitsOf(text ?? '')) {
    const count = found.get(service) ?? 0;
    if (count * 100 > limit * context.options.connections)
      return degraded('overloaded', `${service} has ${count} connections, its maxchild is ${limit}`, session.seen);
  }
  return null;
}

async function replication(context: Context, session: Session, found: Settings): Promise<Verdict> {
  const limit = context.options['replication-log'];
  const latch = found.get('sync_shutdown_file') ?? '';
  const logs = replicationLogs(found);
  if (logs.length > 0 && latch.startsWith('/')) {
    const there = await sizeOf(context, session, latch);
    if (typeof there === 'number')
      return degraded('misconfigured', `replication is shut off while ${quote(latch)} is there`, session.seen);
  }
  for (const path of logs) {
    const size = await sizeOf(context, session, path);
    if (size === null) continue;
    if (typeof size !== 'number') return size;
    session.measure('replication-log', size, 'B');
    if (size > limit)
      return degraded('dependency', `replication falls behind: ${quote(path)} has ${size} bytes`, session.seen);
  }
  return null;
}

async function quotas(context: Context, session: Session): Promise<Verdict> {
  const limit = context.options['full-quotas'];
  if (limit === undefined) return null;
  const reader = fullQuotas();
  const result = await ask(context, session, ['quota'], { onStdout: reader.add });
  if (!isRun(result)) return result;
  const bad = trouble(result, 'quota', session);
  if (bad) return bad;
  const full = reader.end();
  session.measure('full-quotas', full, '');
  return full > limit ? degraded('no-space', `${full} quotas are used up`, session.seen) : null;
}

/** What is failing ends it; of the rest the first is told, and a question that nobody could answer comes last. */
async function deep(context: Context, session: Session, found: Settings): Promise<Verdict> {
  const questions = [places, mailboxes, room, connections, replication, unknownKeys, quotas];
  const told: CheckResult[] = [];
  for (const question of questions) {
    const bad = await question(context, session, found);
    if (bad?.outcome === 'fail') return bad;
    if (bad) told.push(bad);
  }
  return told.find((one) => one.outcome === 'degraded') ?? told[0] ?? null;
}

export default defineCheck({
  about:
    'Quick: settings that Cyrus can read, and no shutdown. Deep: its folders, the list of mailboxes, room, limits.',
  depth: 'both',
  options,
  example: { 'full-quotas': 50 },
  async run(context) {
    return converse(context, 'cyrus', async (session) => {
      const found = await settings(context, session);
      if ('outcome' in found) return { ...found, detail: plain(found.detail, 400) };
      const bad =
        (await shutOff(context, session, found.get('configdirectory') ?? '')) ??
        (context.depth === 'deep' ? await deep(context, session, found) : null);
      if (bad) return { ...bad, detail: plain(bad.detail, 400) };
      const count = Number(context.memory.get('mailboxes') ?? 0);
      const more = context.depth === 'deep' ? `, and its list of ${count} mailboxes can be read` : '';
      return pass(`Cyrus can read its settings${more}`, session.seen);
    });
  },
});
