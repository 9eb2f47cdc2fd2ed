// Runs a service as a child of its own: own session and process group, no shell, nobody's terminal. The child outlives
// the daemon; a later daemon knows it again by pid, start time and boot. It never touches a process it did not start.
import { parseSpawnRecord } from '../ports/spawn-record.ts';
import { type ActionResult, defineRecovery, type Evidence, opt, type RecoveryContext, z } from '../define.ts';
import { evidenceOf } from '../host/evidence.ts';
import { killUntilGone, leftOver } from '../host/kill.ts';
import { watchLife } from '../host/life-watch.ts';
import { freePorts } from '../host/ports-held.ts';
import { clean, count } from '../host/text.ts';
import { validateBy } from '../host/validate.ts';
import type { ProcessFacts, SpawnRecord } from '../ports/proc.ts';

const options = z.strictObject({
  run: opt.argv('The program and its words; it must stay in the foreground'),
  cwd: opt.path('The folder it runs in').optional(),
  env: z
    .record(z.string().regex(/^[A-Za-z_]\w*$/), opt.text('A value'))
    .default({})
    .describe('Added to PATH, LANG and HOME'),
  log: opt.path('A file for its output; without it, its output is thrown away').optional(),
  'log-size': opt.size('The file is emptied above this size').prefault('1M'),
  'with-daemon': opt.flag('Ends with the daemon').default(false),
  ports: z.array(opt.port('A TCP port')).max(32).default([]).describe('TCP ports that must be free before a start'),
  validate: opt.argv('Reads the configuration as a start would; not 0 = do not start').optional(),
  'stop-timeout': opt.duration('How long it may take to end after SIGTERM; then SIGKILL').prefault('5s'),
});
type Context = RecoveryContext<z.output<typeof options>>;

const KILL_MS = 2000;
const RECORD_BYTES = 4096;
const STEP_MS = 10;

const recordPath = (context: Context): string =>
  `${context.stateDir}/child-${encodeURIComponent(context.service)}.json`;

/** Who was started last, in this boot; from memory, or as an earlier daemon wrote it down. */
function recordOf(context: Context): SpawnRecord | null {
  const { ports, memory } = context;
  if (!memory.has('record')) {
    let text: string | null = null;
    try {
      text = ports.files.readText(recordPath(context), RECORD_BYTES);
    } catch (error) {
      // Too big: not written by us. Anything else is our own trouble, and says nothing about the child.
      if ((error as { code?: string }).code !== 'E2BIG') throw error;
    }
    memory.set('record', parseSpawnRecord(text));
  }
  const record = memory.get('record') as SpawnRecord | null;
  return record && record.bootId === ports.proc.bootId() ? record : null;
}

/** The child and everything of its session, its group and its tree that lives. After its death its number is the
 *  session's and the group's as long as one of them is left, so it cannot have become somebody else's. */
function family(context: Context, record: SpawnRecord): readonly number[] {
  const { proc } = context.ports;
  const now = proc.facts(record.pid);
  if (now && now.startTicks !== record.startTicks) return [];
  return [...new Set([...proc.group(record.pid), ...(now ? proc.tree(record.pid) : [])])];
}

function living(context: Context, record: SpawnRecord): readonly ProcessFacts[] {
  return family(context, record).flatMap((pid) => {
    const found = context.ports.proc.facts(pid);
    return found && found.state !== 'Z' && found.state !== 'X' ? [found] : [];
  });
}

const bad = (detail: string, cause?: ActionResult['cause']): ActionResult => ({
  ok: false,
  detail,
  ...(cause ? { cause } : {}),
});

/** SIGKILL for the family. Children that left the session are found while their parents live: so the tree is read
 *  before the first of them dies. */
async function kill(context: Context, record: SpawnRecord): Promise<ActionResult> {
  const { proc } = context.ports;
  const before = living(context, record);
  const pids = (): readonly number[] => [
    ...new Set([...before.filter((one) => proc.alive(one)).map((one) => one.pid), ...family(context, record)]),
  ];
  const end = await killUntilGone(context.ports, { pids }, KILL_MS, context.signal);
  if (end.left.length > 0) return bad(leftOver(end.left), 'hung');
  return { ok: true, detail: `killed ${count(end.killed, 'process', 'processes')} in ${Math.round(end.ms)} ms` };
}

async function stop(context: Context, how: { readonly force: boolean }): Promise<ActionResult> {
  const record = recordOf(context);
  if (!record || living(context, record).length === 0) return { ok: true, detail: 'it does not run' };
  const { clock, proc } = context.ports;
  if (how.force || !proc.alive(record)) return kill(context, record);
  const limitMs = context.options['stop-timeout'];
  const started = clock.monotonic();
  proc.signal(record.pid, 'SIGTERM');
  while (proc.alive(record)) {
    if (clock.monotonic() - started >= limitMs || context.signal.aborted) {
      const killed = await kill(context, record);
      return { ...killed, detail: `it did not end within ${Math.round(limitMs)} ms; ${killed.detail}` };
    }
    await clock.sleep(STEP_MS);
  }
  const rest = await kill(context, record);
  return rest.ok ? { ok: true, detail: `it ended in ${Math.round(clock.monotonic() - started)} ms` } : rest;
}

async function start(context: Context): Promise<ActionResult> {
  const before = recordOf(context);
  if (before && context.ports.proc.alive(before)) return { ok: true, detail: `it runs already as pid ${before.pid}` };
  const { run, cwd, env, log } = context.options;
  const got = await context.ports.proc.spawn(run, {
    env,
    recordPath: recordPath(context),
    ...(cwd ? { cwd } : {}),
    ...(log ? { logPath: log, logMaxBytes: context.options['log-size'] } : {}),
  });
  if ('failed' in got) {
    const missing = got.failed === 'ENOENT' || got.failed === 'EACCES';
    return bad(`"${clean(run[0] ?? '')}" could not be started: ${got.failed}`, missing ? 'misconfigured' : undefined);
  }
  context.memory.set('record', got);
  return { ok: true, detail: `started as pid ${got.pid}` };
}

async function sweep(context: Context): Promise<ActionResult> {
  const record = recordOf(context);
  if (record && context.ports.proc.alive(record))
    return { ok: true, detail: `nothing to sweep: pid ${record.pid} runs` };
  const left = record ? living(context, record).length : 0;
  const killed = record && left > 0 ? await kill(context, record) : { ok: true, detail: 'nothing of it was left' };
  if (!killed.ok) return killed;
  const freed = await freePorts(context.ports, { ports: context.options.ports, exe: [] }, context.signal);
  return freed.ok ? { ok: true, detail: `${killed.detail}; ${freed.detail}` } : bad(freed.detail, 'misconfigured');
}

function evidence(context: Context): Promise<Evidence> {
  const record = recordOf(context);
  const found = record ? living(context, record) : [];
  const main = found.find((one) => one.pid === record?.pid) ?? null;
  const claim = { ports: context.options.ports, exe: [] };
  return Promise.resolve(evidenceOf(context.ports, { living: found, main, claim }));
}

export default defineRecovery({
  about: 'Runs a service as a child of its own, which outlives the daemon unless told otherwise.',
  options,
  example: { run: ['/usr/bin/python3', '-m', 'http.server', '8080'], ports: [8080], 'with-daemon': true },
  async inspect(context) {
    const record = recordOf(context);
    const found = record ? living(context, record) : [];
    const main = found.find((one) => one.pid === record?.pid);
    const evidence = {
      pid: String(record?.pid ?? 'none'),
      processes: String(found.length),
      state: main?.state ?? 'gone',
    };
    if (!record) return { state: 'stopped', byHand: false, detail: 'it was never started in this boot', evidence };
    if (!main) return { state: 'failed', byHand: false, detail: `its process, pid ${record.pid}, is gone`, evidence };
    const how = main.state === 'T' ? ', and is stopped (SIGSTOP)' : '';
    return { state: 'running', byHand: false, detail: `it runs as pid ${main.pid}${how}`, main, evidence };
  },
  start,
  stop,
  sweep,
  evidence,
  validate: (context) => validateBy(context.ports, context.options.validate, context.signal),
  async watch(context, onChange) {
    const { log, 'log-size': logBytes } = context.options;
    const alive = (): SpawnRecord | null => {
      const record = recordOf(context);
      return record && context.ports.proc.alive(record) ? record : null;
    };
    return watchLife({
      ports: context.ports,
      look: () => Promise.resolve(alive()),
      glance: () => alive() !== null,
      onChange,
      ...(log ? { tidy: () => context.ports.proc.boundLog(log, logBytes) } : {}),
    });
  },
  async release(context) {
    if (context.options['with-daemon']) await stop(context, { force: false });
  },
});
