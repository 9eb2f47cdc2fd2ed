// Is there room, and does the storage do its work? Every touch of the file system happens in a child that is given up
// when it does not come back: the daemon itself never waits for a disk.
import {
  type CheckContext,
  type CheckResult,
  defineCheck,
  degraded,
  fail,
  type Metric,
  opt,
  pass,
  unknown,
  z,
} from '../define.ts';
import { type Child, parseAnswer, probeDisk, runOnDisk } from '../host/disk-child.ts';
import { mountAt, parseMounts } from '../host/mounts.ts';
import { clean } from '../host/text.ts';

const UNIT_BYTES: Readonly<Record<string, number>> = { B: 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3, T: 1024 ** 4 };
/** `10%` of the whole, or a size such as `2G`. */
const room = (about: string, otherwise: string) =>
  z
    .string()
    .regex(/^(100|\d{1,2})(\.\d+)?%$|^\d+(\.\d+)?(B|K|M|G|T)$/, 'expected a share such as 10% or a size such as 2G')
    .default(otherwise)
    .describe(about);

const options = z.strictObject({
  path: opt.path('A folder on the file system'),
  mounted: opt.flag('The folder must be a mount point itself').default(false),
  'free-warn': room('Degraded below this much free space', '10%'),
  'free-crit': room('Failing below this much free space', '3%'),
  'inodes-warn': opt.percent('Degraded below this share of free inodes').default(10),
  'inodes-crit': opt.percent('Failing below this share of free inodes').default(3),
  samples: z.number().int().min(1).max(50).default(5).describe('Writes of a deep check, each synced to the disk'),
  'average-warn': opt.duration('Degraded above this average time of a write').prefault('20ms'),
  'max-warn': opt.duration('Degraded above this longest time of a write').prefault('40ms'),
});
type Options = z.output<typeof options>;
type Context = CheckContext<Options>;

interface Space {
  readonly freeBytes: number;
  readonly allBytes: number;
  readonly freeInodes: number;
  readonly allInodes: number;
}

/** stat(1) -f: fragment size, blocks, blocks free for users, inodes, inodes free. */
function parseSpace(text: string): Space | null {
  const [size, blocks, free, inodes, freeInodes] = text.split(' ').map(Number);
  const all = [size, blocks, free, inodes, freeInodes];
  if (!all.every((one) => one !== undefined && Number.isFinite(one) && one >= 0)) return null;
  const [bytes = 0, count = 0, left = 0, files = 0, filesLeft = 0] = all as number[];
  return { freeBytes: bytes * left, allBytes: bytes * count, freeInodes: filesLeft, allInodes: files };
}

const isBelow = (limit: string, free: number, all: number): boolean =>
  limit.endsWith('%')
    ? (free / all) * 100 < Number.parseFloat(limit)
    : free < Number.parseFloat(limit) * (UNIT_BYTES[limit.slice(-1)] ?? 1);

function human(bytes: number): string {
  for (const unit of ['T', 'G', 'M', 'K']) {
    const size = UNIT_BYTES[unit] ?? 1;
    if (bytes >= size) return `${(bytes / size).toFixed(bytes >= size * 10 ? 0 : 1)} ${unit}iB`;
  }
  return `${bytes} B`;
}

const percent = (part: number, all: number): number => (all > 0 ? Math.round((part / all) * 1000) / 10 : 100);

function judgeSpace(wanted: Options, space: Space): CheckResult {
  const { freeBytes, allBytes, freeInodes, allInodes } = space;
  const bytes = percent(freeBytes, allBytes);
  const inodes = percent(freeInodes, allInodes);
  const metrics: Metric[] = [
    { name: 'free', value: freeBytes, unit: 'B', min: 0, max: allBytes },
    { name: 'free-percent', value: bytes, unit: '%', warn: wanted['free-warn'], crit: wanted['free-crit'] },
    {
      name: 'free-inodes',
      value: inodes,
      unit: '%',
      warn: `${wanted['inodes-warn']}%`,
      crit: `${wanted['inodes-crit']}%`,
    },
  ];
  const blocks = `${human(freeBytes)} of ${human(allBytes)} (${bytes} %) free on ${wanted.path}`;
  const files = `${freeInodes} of ${allInodes} inodes (${inodes} %) free on ${wanted.path}`;
  // Some file systems have no fixed number of inodes and tell 0 of 0; a pseudo file system has no blocks.
  const has = { blocks: allBytes > 0, inodes: allInodes > 0 };
  if (has.blocks && isBelow(wanted['free-crit'], freeBytes, allBytes))
    return fail('no-space', `only ${blocks}`, { metrics });
  if (has.inodes && inodes < wanted['inodes-crit']) return fail('no-space', `only ${files}`, { metrics });
  if (has.blocks && isBelow(wanted['free-warn'], freeBytes, allBytes))
    return degraded('no-space', `only ${blocks}`, { metrics });
  if (has.inodes && inodes < wanted['inodes-warn']) return degraded('no-space', `only ${files}`, { metrics });
  return pass(blocks, { metrics });
}

/** What a child that brought no answer means; null when it brought one. */
function withoutAnswer(context: Context, child: Child): CheckResult | null {
  if (child.is === 'answer') return null;
  if (child.is === 'not-run') return unknown(`no probe could be started: ${child.why}`);
  const since = `${(child.ms / 1000).toFixed(child.ms < 10_000 ? 1 : 0)} s`;
  // Not a hang of the service: no restart frees a storage, and a process that waits for it cannot even be killed.
  return fail('dependency', `the storage at ${context.options.path} does not answer, for ${since} now`);
}

function refusal(path: string, said: string): CheckResult {
  if (/No such file|Not a directory/.test(said)) return fail('misconfigured', `there is no folder ${path}`);
  if (/Permission denied/.test(said)) return unknown(`the probe may not look into ${path}`);
  if (/Input\/output error|Stale file handle|Transport endpoint/.test(said))
    return fail('dependency', `the storage at ${path} gives errors: "${said}"`);
  return unknown(`stat said "${said}"`);
}

/** Read-only, or not mounted where it should be: a message, or null. Asks the kernel's table, never the disk; which
 *  point the path belongs to is asked once. */
async function mountTrouble(context: Context): Promise<CheckResult | null> {
  const { memory, options: wanted, ports } = context;
  const mounts = parseMounts(ports.files.readText('/proc/self/mountinfo', 1_048_576) ?? '');
  if (wanted.mounted && !mountAt(mounts, wanted.path.replace(/(.)\/+$/, '$1')))
    return fail('dependency', `nothing is mounted at ${wanted.path}`);
  let point = memory.get('point') as string | undefined;
  if (point === undefined || !mountAt(mounts, point)) {
    const child = await runOnDisk(context, (mark) => ['stat', '-L', `--printf=%m\n${mark}`, '--', wanted.path]);
    if (child.is !== 'answer') return withoutAnswer(context, child);
    if (child.result.code !== 0) return refusal(wanted.path, clean(child.result.stderr));
    point = child.result.stdout.split('\n', 1)[0] ?? '/';
    memory.set('point', point);
  }
  const mount = mountAt(mounts, point);
  if (!mount?.readOnly) return null;
  return fail('no-space', `${point} is mounted read-only (${clean(mount.kind)} on ${clean(mount.source)})`);
}

async function quick(context: Context): Promise<CheckResult> {
  const { path } = context.options;
  const trouble = await mountTrouble(context);
  if (trouble) return trouble;
  const child = await runOnDisk(context, (mark) => ['stat', '-f', '-c', `%S %b %a %c %d ${mark}`, '--', path]);
  if (child.is !== 'answer') return withoutAnswer(context, child) ?? unknown('no answer');
  if (child.result.code !== 0) return refusal(path, clean(child.result.stderr));
  const space = parseSpace(child.result.stdout.split(' ').slice(0, 5).join(' '));
  return space ? judgeSpace(context.options, space) : unknown(`stat said "${clean(child.result.stdout)}"`);
}

const NO_SPACE: Readonly<Record<string, string>> = {
  ENOSPC: 'has no space left',
  EDQUOT: 'is over its quota',
  EROFS: 'is read-only',
};

function judgeFault(path: string, code: string, doing: string): CheckResult {
  const full = NO_SPACE[code];
  if (full) return fail('no-space', `the file system at ${path} ${full} (${code} at ${doing})`);
  if (code === 'ENOENT' || code === 'ENOTDIR') return fail('misconfigured', `there is no folder ${path}`);
  if (code === 'EACCES' || code === 'EPERM') return unknown(`the probe may not write into ${path}`);
  if (code === 'EBADMSG') return fail('dependency', `the storage at ${path} gives back other data than was written`);
  if (code === 'EEXIST' || code === 'ELOOP')
    return unknown(`the name of the probe in ${path} is taken by somebody else`);
  if (code === 'EMFILE' || code === 'ENFILE' || code === 'ENOMEM') return unknown(`the probe itself failed: ${code}`);
  return fail('dependency', `the storage at ${path} gives errors: ${code} at ${doing}`);
}

function judgeTimes(wanted: Options, samplesMs: readonly number[], space: CheckResult): CheckResult {
  const round = (ms: number): number => Math.round(ms * 100) / 100;
  const average = round(samplesMs.reduce((sum, ms) => sum + ms, 0) / samplesMs.length);
  const longest = round(Math.max(...samplesMs));
  const metrics: Metric[] = [
    ...(space.metrics ?? []),
    { name: 'write-average', value: average, unit: 'ms', warn: String(wanted['average-warn']) },
    { name: 'write-max', value: longest, unit: 'ms', warn: String(wanted['max-warn']) },
  ];
  const text = `${samplesMs.length} synced writes took ${average} ms on average, ${longest} ms at most`;
  if (average > wanted['average-warn'] || longest > wanted['max-warn'])
    return degraded('overloaded', `the storage at ${wanted.path} is slow: ${text}`, { metrics });
  return { ...space, detail: `${space.detail}; ${text}`, metrics };
}

async function deep(whole: Context): Promise<CheckResult> {
  // Half of the time for each of the two children.
  const context = { ...whole, timeoutMs: whole.timeoutMs / 2 };
  const { path, samples } = context.options;
  const space = await quick(context);
  if (space.outcome === 'fail' || space.outcome === 'unknown') return space;
  const child = await probeDisk(context, path, samples);
  if (child.is !== 'answer') return withoutAnswer(context, child) ?? unknown('no answer');
  const answer = parseAnswer(child.result.stdout);
  if (!answer) return unknown(`the probe ended with ${child.result.signal ?? child.result.code} and no answer`);
  return answer.ok ? judgeTimes(context.options, answer.samplesMs, space) : judgeFault(path, answer.code, answer.doing);
}

export default defineCheck({
  about: 'Is there room on the file system, can it be written, and how fast?',
  depth: 'both',
  options,
  example: { path: '/var/spool/postfix', 'free-warn': '10%', 'free-crit': '500M' },
  run: (context) => (context.depth === 'quick' ? quick(context) : deep(context)),
});
