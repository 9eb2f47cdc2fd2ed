// How close is the service to its limits? Open files of a process, tasks of its control group, processes of its user.
// At a limit it goes on running and refuses work; whether it leaks or is only busy, a restart cannot know.
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
import { readGroup, unitOption } from '../host/control-group.ts';
import { readPidFile } from '../host/pid-file.ts';
import { clean, count } from '../host/text.ts';
import { livingIn } from '../host/unit-state.ts';
import type { ProcessFacts } from '../ports/proc.ts';

const options = z
  .strictObject({
    unit: unitOption,
    'pid-file': opt.path('Where its main process writes its number').optional(),
    exe: opt.path('Its executable').optional(),
    warn: opt.percent('Degraded above this share of a limit').default(80),
    crit: opt.percent('Failing above this share of a limit').default(95),
  })
  .refine((some) => some.unit ?? some['pid-file'] ?? some.exe, 'expected unit, pid-file or exe');
type Context = CheckContext<z.output<typeof options>>;

/** One limit and what is used of it. */
interface Use {
  readonly name: 'open-files' | 'tasks' | 'processes';
  readonly of: string;
  readonly used: number;
  readonly limit: number;
}

/** More than these are not looked at one by one. */
const MOST = 500;
const MOST_BYTES = 16_384;

interface Found {
  readonly processes: readonly ProcessFacts[];
  readonly group: string | null;
}

/** The service's processes, or why none can be told. */
async function find(context: Context): Promise<Found | CheckResult> {
  const { ports, signal, options: wanted } = context;
  const { proc } = ports;
  if (wanted.unit !== undefined) {
    const facts = await ports.units.show(wanted.unit, signal);
    if (!facts) return unknown('systemd could not be asked: systemctl show gave no answer');
    const group = facts['ControlGroup'] ?? '';
    return { processes: livingIn(group, proc), group: group === '' ? null : group };
  }
  if (wanted['pid-file'] !== undefined) {
    const exe = wanted.exe === undefined ? [] : [wanted.exe];
    const read = readPidFile(wanted['pid-file'], exe, ports.files, proc);
    if (read.is === 'unusable') return unknown(read.why);
    if (read.is === 'gone') return { processes: [], group: null };
    const tree = proc.tree(read.main.pid).flatMap((pid) => proc.facts(pid) ?? []);
    return { processes: tree, group: null };
  }
  return { processes: proc.byExe(wanted.exe ?? ''), group: null };
}

/** A file of /proc; null when its process has ended. */
function read(context: Context, pid: number, name: string): string | null {
  try {
    return context.ports.files.readText(`/proc/${pid}/${name}`, MOST_BYTES);
  } catch (error) {
    if ((error as { code?: string }).code === 'ESRCH') return null;
    throw error;
  }
}

/** The soft limit of this name; null when there is none. */
export function softLimit(text: string, name: string): number | null {
  const line = text.split('\n').find((one) => one.startsWith(name));
  const soft = line?.slice(name.length).trim().split(/\s+/)[0];
  return soft !== undefined && /^\d+$/.test(soft) ? Number(soft) : null;
}

/** Since Linux 6.2 the size of the folder tells; before, its names are counted. */
function openFiles(context: Context, pid: number): number | null {
  const { files } = context.ports;
  try {
    const size = files.facts(`/proc/${pid}/fd`)?.size ?? 0;
    return size > 0 ? size : files.list(`/proc/${pid}/fd`).length;
  } catch (error) {
    if (/ENOENT|ESRCH/.test((error as { code?: string }).code ?? '')) return null;
    throw error;
  }
}

function fileUses(context: Context, processes: readonly ProcessFacts[]): readonly Use[] {
  return processes.slice(0, MOST).flatMap((one) => {
    const limits = read(context, one.pid, 'limits');
    const limit = softLimit(limits ?? '', 'Max open files');
    const used = limit === null ? null : openFiles(context, one.pid);
    if (limit === null || used === null || limit === 0) return [];
    return [{ name: 'open-files', of: `pid ${one.pid} (${clean(one.comm)})`, used, limit } as const];
  });
}

function taskUse(context: Context, group: string | null): readonly Use[] {
  if (group === null) return [];
  const max = Number(readGroup(context.ports, 'pids', group, 'pids.max')?.trim() ?? Number.NaN);
  const used = Number(readGroup(context.ports, 'pids', group, 'pids.current')?.trim() ?? Number.NaN);
  // `max`: no limit.
  if (!Number.isFinite(max) || !Number.isFinite(used) || max === 0) return [];
  return [{ name: 'tasks', of: `its control group`, used, limit: max }];
}

const field = (text: string | null, name: string): number =>
  Number(
    text
      ?.split('\n')
      .find((line) => line.startsWith(`${name}:`))
      ?.split(/\s+/)[1] ?? Number.NaN,
  );

/** RLIMIT_NPROC counts the threads of a user, of all his programs. It does not bind root. Looks at every process: only
 *  when there is time for it. */
function processUses(context: Context, processes: readonly ProcessFacts[]): readonly Use[] {
  const limits = new Map<number, number>();
  for (const one of processes.slice(0, MOST)) {
    const uid = field(read(context, one.pid, 'status'), 'Uid');
    const limit = softLimit(read(context, one.pid, 'limits') ?? '', 'Max processes');
    if (uid > 0 && limit) limits.set(uid, Math.min(limit, limits.get(uid) ?? limit));
  }
  if (limits.size === 0) return [];
  const used = new Map<number, number>();
  for (const name of context.ports.files.list('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const status = read(context, Number(name), 'status');
    const uid = field(status, 'Uid');
    if (limits.has(uid)) used.set(uid, (used.get(uid) ?? 0) + (field(status, 'Threads') || 0));
  }
  return [...limits].map(([uid, limit]) => ({
    ...{ name: 'processes' as const, of: `user ${uid}`, used: used.get(uid) ?? 0, limit },
  }));
}

const share = (use: Use): number => Math.round((use.used / use.limit) * 1000) / 10;
const WORDS = { 'open-files': 'open files', tasks: 'tasks', processes: 'processes' };
const sentence = (use: Use): string => `${use.of} has ${use.used} of ${use.limit} ${WORDS[use.name]} (${share(use)} %)`;

function judge(wanted: z.output<typeof options>, uses: readonly Use[], processes: number): CheckResult {
  const worst = [...uses].sort((one, other) => share(other) - share(one));
  const names = [...new Set(worst.map((one) => one.name))];
  const limits = { warn: String(wanted.warn), crit: String(wanted.crit) };
  const metrics = names.flatMap((name): Metric[] => {
    const use = worst.find((one) => one.name === name);
    return use ? [{ name, value: share(use), unit: '%', ...limits, min: 0, max: 100 }] : [];
  });
  const first = worst[0];
  if (!first) return pass(`none of its ${count(processes, 'process', 'processes')} has a limit`, { metrics });
  if (share(first) >= wanted.crit) return fail('overloaded', sentence(first), { metrics });
  if (share(first) >= wanted.warn) return degraded('overloaded', sentence(first), { metrics });
  return pass(`the nearest to a limit: ${sentence(first)}`, { metrics });
}

export default defineCheck({
  about: 'How close are its processes to their limits of open files, tasks and processes?',
  depth: 'both',
  options,
  example: { unit: 'dovecot.service', warn: 80, crit: 95 },
  async run(context) {
    const found = await find(context);
    if ('outcome' in found) return found;
    const processes = found.processes.filter((one) => one.state !== 'Z' && one.state !== 'X');
    // Whether it should run is asked by others.
    if (processes.length === 0) return unknown('it has no process that could be looked at');
    const uses = [...fileUses(context, processes), ...taskUse(context, found.group)];
    const more = context.depth === 'deep' ? processUses(context, processes) : [];
    return judge(context.options, [...uses, ...more], processes.length);
  },
});
