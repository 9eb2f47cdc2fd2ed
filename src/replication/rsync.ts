// rsync: a standby node pulls a folder from the active one, again and again. What it is behind by is the age of the
// beginning of its last complete run: all that was there then is here. The active node never pulls, whatever it is
// told; the direction follows the owner by itself.
import {
  type ActionResult,
  defineReplication,
  opt,
  type ReplicationContext,
  type ReplicationFacts,
  z,
} from '../define.ts';
import { facts } from '../dialogues/copy-facts.ts';
import { plain } from '../dialogues/quote.ts';
import { bad } from '../host/launch.ts';
import { troubleLine } from '../host/text.ts';
import type { ExecResult } from '../ports/exec.ts';

const PLACE = /^(?!-)[^\0\n]+$/;
const place = z.string().max(1000).regex(PLACE, 'expected rsync://HOST/MODULE/, HOST:/PATH/ or /PATH/');
const options = z.strictObject({
  path: opt.path('The folder on this node.'),
  from: z
    .record(z.string().max(64), place)
    .describe('Where each node’s folder is found by the others: rsync://HOST/MODULE/, HOST:/PATH/.'),
  to: z
    .record(z.string().max(64), place)
    .default({})
    .describe('Where the active node may push for the last time before a planned move, by node. Without it: none.'),
  every: opt.duration('How often it is pulled.').prefault('30s'),
  delete: opt.flag('What is gone there goes here too.').default(true),
  args: z
    .array(z.string().max(1000).regex(/^-/, 'expected an option of rsync'))
    .max(32)
    .default([])
    .describe('More options of rsync, such as --exclude=/tmp or --password-file=/etc/watchkeeper/rsync.'),
});
type Context = ReplicationContext<z.output<typeof options>>;

const RUN_MS = 3_600_000;

const kept = z.object({
  suspended: z.boolean().default(false),
  /** The last complete run: from whom, and when it began (wall, ms). */
  from: z.string().nullable().default(null),
  began: z.number().nullable().default(null),
});
type Kept = z.output<typeof kept>;
const fileOf = ({ group, source }: Context): string => `${group}.${source}.rsync`;

function recall(context: Context): Kept {
  try {
    const text = context.ports.stores.open(context.stateDir).read(fileOf(context));
    const read = kept.safeParse(JSON.parse(text?.toString('utf8') ?? '{}'));
    if (read.success) return read.data;
  } catch {
    // Nothing that can be read is nothing that is known.
  }
  return { suspended: false, from: null, began: null };
}

const keep = (context: Context, what: Kept): Promise<void> =>
  context.ports.stores.open(context.stateDir).replace(fileOf(context), JSON.stringify(what));

/** With `$owner` as the name of the node that has it. */
const placeOf = (places: Readonly<Record<string, string>>, name: string): string | null =>
  Object.hasOwn(places, name) ? (places[name] ?? '').replaceAll('$owner', name) : null;
const folder = (path: string): string => (path.endsWith('/') ? path : `${path}/`);

const CODES: Readonly<Record<number, string>> = {
  5: 'the server does not begin (module, or login)',
  10: 'no connection',
  12: 'the connection broke',
  23: 'some files could not be read',
  24: 'some files went away meanwhile',
  30: 'no data for too long',
  35: 'no connection in time',
};
/** The other side is not there. */
const isAway = ({ code }: ExecResult): boolean => code !== null && [10, 30, 35, 255].includes(code);

function why(got: ExecResult, late: boolean): string {
  const said = troubleLine(got.stderr);
  const ended =
    got.failed ?? (late || got.timedOut ? 'over its time' : (got.signal ?? `exit code ${got.code ?? 'none'}`));
  const means = got.code === null ? undefined : CODES[got.code];
  return `rsync: ${ended}${means ? `, ${means}` : ''}${said ? `: "${said}"` : ''}`;
}

/** Of --stats. */
const figure = (text: string, name: string): number | null => {
  const found = new RegExp(`^${name}: ([\\d,.]+)`, 'm').exec(text)?.[1];
  return found === undefined ? null : Number(found.replace(/[,.]/g, ''));
};

async function copy({ options: asked, ports, signal }: Context, from: string, to: string, extra: readonly string[]) {
  const usual = ['-aH', '--numeric-ids', '--stats', '--timeout=30', ...(asked.delete ? ['--delete-delay'] : [])];
  const remote = /^(rsync:|[^/]*::)/.test(from + to) ? ['--contimeout=10'] : [];
  const words = ['rsync', ...usual, ...remote, ...extra, ...asked.args, '--', from, to];
  return ports.exec.run(words, { timeoutMs: RUN_MS, signal });
}

async function pull(context: Context, extra: readonly string[]): Promise<ReplicationFacts> {
  const { active, owner, node, options: asked, ports, signal } = context;
  if (active || owner === null || owner === node) return facts('failed', 'there is nobody to pull from');
  const from = placeOf(asked.from, owner);
  if (from === null) return facts('failed', `where ${plain(owner, 60)} is found is not configured`);
  const before = recall(context);
  const began = ports.clock.wall();
  const got = await copy(context, folder(from), folder(asked.path), extra);
  const now = ports.clock.wall();
  // Files that went away while it ran are no trouble: the next run sees that they are gone.
  if (got.code === 0 || got.code === 24) {
    await keep(context, { ...before, from: owner, began });
    const files = figure(got.stdout, 'Number of regular files transferred');
    const bytes = figure(got.stdout, 'Total transferred file size');
    const measures = [
      ...(files === null ? [] : [{ name: 'files', value: files, unit: '' }]),
      ...(bytes === null ? [] : [{ name: 'bytes', value: bytes, unit: 'B' }]),
    ];
    const detail = `${files ?? 'some'} files came over in ${Math.round(now - began)} ms`;
    return { ...facts('healthy', detail, null, Math.max(0, now - began)), measures };
  }
  const detail = why(got, signal.aborted);
  const last = before.from === owner && before.began !== null && before.began <= now ? now - before.began : null;
  return facts(isAway(got) ? 'service-down' : 'failed', detail, null, last);
}

async function look(context: Context): Promise<ReplicationFacts> {
  const { active, owner, options: asked, ports, memory } = context;
  const before = recall(context);
  if (before.suspended) return facts('suspended', 'it is suspended by an operator');
  if (active) {
    if (ports.files.facts(asked.path)?.kind !== 'directory')
      return facts('failed', `${plain(asked.path)} is no folder`);
    return facts('healthy', 'others pull from here; what they have, they know', 0, 0);
  }
  if (owner === null) return facts('synchronizing', 'nobody is active: there is nobody to pull from');
  const age = before.from === owner && before.began !== null ? ports.clock.wall() - before.began : null;
  if (age !== null && age >= 0 && age < asked.every && memory.get('well') === owner)
    return facts('healthy', `the last complete run began ${Math.round(age / 1000)} s ago`, null, age);
  const got = await pull(context, []);
  memory.set('well', got.state === 'healthy' ? owner : null);
  return got;
}

/** Who is active cannot make others pull; it can push, if it is told where. */
async function flush(context: Context): Promise<ActionResult> {
  const { active, node, nodes, options: asked, signal } = context;
  if (!active) return bad('only the active node can bring over what it has');
  const others = nodes.filter((name) => name !== node);
  const sides = others.flatMap((name) => placeOf(asked.to, name) ?? []);
  if (sides.length === 0 || sides.length < others.length)
    return bad(
      'others pull from here: where it may push before a planned move is not configured (to)',
      'misconfigured',
    );
  for (const side of sides) {
    const got = await copy(context, folder(asked.path), folder(side), []);
    if (got.code !== 0) return bad(why(got, signal.aborted));
  }
  return { ok: true, detail: `pushed to ${others.join(', ')}` };
}

async function pause(context: Context, suspended: boolean): Promise<ActionResult> {
  await keep(context, { ...recall(context), suspended });
  return { ok: true, detail: suspended ? 'nothing is pulled any more' : 'it goes on' };
}

export default defineReplication({
  about: 'A folder that the other nodes pull from the active one with rsync.',
  options,
  example: {
    path: '/srv/mail',
    from: { n1: 'rsync://10.0.0.11/mail/', n2: 'rsync://10.0.0.12/mail/' },
  },
  ageOnly: true,
  oneWay: () => true,
  look,
  flush,
  suspend: (context) => pause(context, true),
  resume: (context) => pause(context, false),
  async reseed(context) {
    const got = await pull(context, ['--checksum']);
    return { ok: got.state === 'healthy', detail: got.detail };
  },
});
