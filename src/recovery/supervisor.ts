// Runs a service as a program of supervisord, by supervisorctl. supervisord starts again what dies: it is told to stop
// before anything of it is killed.
import {
  type ActionResult,
  defineRecovery,
  type Evidence,
  type Inspection,
  opt,
  type RecoveryContext,
  z,
} from '../define.ts';
import { evidenceOf, treeOf, UNSEEN } from '../host/evidence.ts';
import { killUntilGone, leftOver } from '../host/kill.ts';
import { bad, runOut } from '../host/launch.ts';
import { watchLife } from '../host/life-watch.ts';
import { freePorts } from '../host/ports-held.ts';
import { clean, count, troubleLine } from '../host/text.ts';
import { validateBy } from '../host/validate.ts';
import type { ExecResult } from '../ports/exec.ts';
import type { ProcessFacts } from '../ports/proc.ts';

const options = z.strictObject({
  program: z
    .string()
    .max(200)
    .regex(/^[A-Za-z0-9_][\w.+-]*(:[A-Za-z0-9_][\w.+-]*)?$/, 'expected one program: NAME or GROUP:NAME')
    .describe('The program, as `supervisorctl status` names it'),
  server: z
    .string()
    .max(500)
    .regex(/^(unix:\/\/\/|https?:\/\/)[^\s@]+$/, 'expected unix:///PATH or http://HOST:PORT without a user name')
    .default('unix:///run/supervisor.sock')
    .describe('Where supervisord listens'),
  config: opt.path('supervisorctl reads user name and password from this file').optional(),
  validate: opt.argv('Reads the configuration as a start would; not 0 = do not start').optional(),
  exe: z.array(opt.path('An executable')).max(32).default([]).describe('Its executables: orphans that keep a port'),
  ports: z.array(opt.port('A TCP port')).max(32).default([]).describe('TCP ports that must be free before a start'),
  'start-timeout': opt.duration('How long its start may take').prefault('60s'),
  'stop-timeout': opt.duration('How long its stop may take; then SIGKILL').prefault('15s'),
});
type Context = RecoveryContext<z.output<typeof options>>;

const ASK_MS = 10_000;
const KILL_MS = 3000;
/** A forced stop: supervisord is given so long to hear of it before its program dies. */
const HEAR_MS = 3000;

const STATES: Readonly<Record<string, Inspection['state']>> = {
  RUNNING: 'running',
  STARTING: 'changing',
  STOPPING: 'changing',
  // It ended too soon, and supervisord is about to try again.
  BACKOFF: 'changing',
  STOPPED: 'stopped',
  EXITED: 'failed',
  FATAL: 'failed',
  UNKNOWN: 'unknown',
};

export interface Status {
  readonly word: string;
  readonly detail: string;
  readonly pid: number | null;
}

/** `NAME  RUNNING  pid 12, uptime 0:00:03`, one line a program; null when the program is in none of them. */
export function parseStatus(text: string, program: string): Status | null {
  for (const line of text.split('\n').slice(0, 100)) {
    const [, name = '', word = '', rest = ''] = /^(\S{1,200})\s+([A-Z]{3,12})\b\s*(.*)$/.exec(line) ?? [];
    const same = name === program || name === `${program}:${program}`;
    if (!same || !(word in STATES)) continue;
    const pid = /^pid (\d{1,9})\b/.exec(rest)?.[1];
    return { word, detail: clean(rest), pid: pid === undefined ? null : Number(pid) };
  }
  return null;
}

function ctl(context: Context, timeoutMs: number, ...words: readonly string[]): Promise<ExecResult> {
  const { server, config } = context.options;
  const where = config === undefined ? [] : ['-c', config];
  return runOut(context, ['supervisorctl', ...where, '-s', server, ...words], timeoutMs);
}

interface Look {
  readonly status: Status | null;
  readonly main: ProcessFacts | null;
  /** Why there is no status. */
  readonly why: string;
}

async function look(context: Context): Promise<Look> {
  const { program } = context.options;
  const got = await ctl(context, ASK_MS, 'status', program);
  const status = parseStatus(got.stdout, program);
  const main = status?.pid ? context.ports.proc.facts(status.pid) : null;
  if (got.failed) return { status: null, main: null, why: `supervisorctl could not be run: ${got.failed}` };
  const why = got.timedOut ? 'supervisord gave no answer' : troubleLine(got.stdout, got.stderr) || 'nothing';
  return { status, main: main && main.state !== 'Z' ? main : null, why: `supervisorctl says "${why}"` };
}

const noSuch = (why: string): boolean => /no such (process|group)|bad name/i.test(why);

async function inspect(context: Context): Promise<Inspection> {
  const { program } = context.options;
  const { status, main, why } = await look(context);
  if (!status) return { state: 'unknown', byHand: false, detail: why, evidence: { program, status: 'none' } };
  const evidence = { program, status: status.word, said: status.detail, pid: String(main?.pid ?? 'none') };
  const detail = `supervisord says that ${program} is ${status.word}${status.detail ? ` (${status.detail})` : ''}`;
  // `Not started`: nobody ever did. With a time: somebody stopped it.
  const stopped = status.word === 'STOPPED' && !/not started/i.test(status.detail);
  const byHand = stopped || status.word === 'STOPPING' || status.word === 'STARTING';
  return { state: STATES[status.word] ?? 'unknown', byHand, detail, ...(main ? { main } : {}), evidence };
}

function answer(got: ExecResult, what: string): ActionResult {
  const said = troubleLine(got.stdout, got.stderr);
  if (got.failed) return bad(`supervisorctl could not be run: ${got.failed}`);
  if (got.timedOut) return bad(`it did not ${what} within ${Math.round(got.ms)} ms`, 'hung');
  if (got.code === 0 && !/\bERROR\b/.test(got.stdout)) return { ok: true, detail: `"${said}"` };
  return bad(`supervisorctl says "${said}"`, noSuch(said) ? 'misconfigured' : undefined);
}

async function start(context: Context): Promise<ActionResult> {
  const { program, 'start-timeout': limitMs } = context.options;
  const got = await ctl(context, limitMs, 'start', program);
  if (/already started/i.test(got.stdout)) return { ok: true, detail: `${program} runs already` };
  return answer(got, 'start');
}

/** SIGKILL for a tree, by identity. */
async function killTree(context: Context, family: readonly ProcessFacts[]): Promise<ActionResult> {
  const { proc } = context.ports;
  const known = new Map(family.map((one) => [one.pid, one]));
  const pids = (): readonly number[] => {
    const main = family[0];
    const more = main && proc.alive(main) ? proc.tree(main.pid) : [];
    for (const pid of more) {
      const found = proc.facts(pid);
      if (found) known.set(pid, found);
    }
    return [...known.values()].filter((one) => proc.alive(one)).map((one) => one.pid);
  };
  const end = await killUntilGone(context.ports, { pids }, KILL_MS, context.signal);
  if (end.left.length > 0) return bad(leftOver(end.left), 'hung');
  return { ok: true, detail: `killed ${count(end.killed, 'process', 'processes')} in ${Math.round(end.ms)} ms` };
}

/** Until supervisord is at the stop, or done with it: whoever is killed earlier is only started again. */
async function heard(context: Context): Promise<void> {
  const { clock } = context.ports;
  const until = clock.monotonic() + HEAR_MS;
  while (clock.monotonic() < until && !context.signal.aborted) {
    const { status } = await look(context);
    if (status && status.word !== 'RUNNING' && status.word !== 'STARTING' && status.word !== 'BACKOFF') return;
  }
}

async function stop(context: Context, { force }: { readonly force: boolean }): Promise<ActionResult> {
  const { ports, options: wanted } = context;
  const { status, main, why } = await look(context);
  if (!status) return bad(why, noSuch(why) ? 'misconfigured' : undefined);
  if (status.word === 'STOPPED' || status.word === 'FATAL' || status.word === 'EXITED')
    return { ok: true, detail: `${wanted.program} is ${status.word}` };
  const family = treeOf(ports, main);
  const stopping = ctl(context, wanted['stop-timeout'], 'stop', wanted.program);
  if (force) {
    await Promise.race([stopping, heard(context)]);
    const killed = await killTree(context, family);
    const stopped = answer(await stopping, 'stop');
    return stopped.ok && killed.ok ? killed : { ...stopped, ok: false, detail: `${killed.detail}; ${stopped.detail}` };
  }
  const stopped = answer(await stopping, 'stop');
  if (stopped.ok && !family.some((one) => ports.proc.alive(one))) return stopped;
  const killed = await killTree(context, family);
  return { ...killed, detail: `${stopped.detail}; ${killed.detail}` };
}

async function sweep(context: Context): Promise<ActionResult> {
  const { main } = await look(context);
  if (main) return { ok: true, detail: `nothing to sweep: pid ${main.pid} runs` };
  const freed = await freePorts(context.ports, context.options, context.signal);
  return freed.ok ? { ok: true, detail: freed.detail } : bad(freed.detail, 'misconfigured');
}

async function evidence(context: Context): Promise<Evidence> {
  const { status, main } = await look(context);
  if (!status) return UNSEEN;
  return evidenceOf(context.ports, { living: treeOf(context.ports, main), main, claim: context.options });
}

export default defineRecovery({
  about: 'Runs a service as a program of supervisord.',
  options,
  example: { program: 'mail', server: 'unix:///run/supervisor.sock' },
  inspect,
  start,
  stop,
  sweep,
  evidence,
  validate: (context) => validateBy(context.ports, context.options.validate, context.signal),
  async watch(context, onChange) {
    return watchLife({
      ports: context.ports,
      async look() {
        const { status, main } = await look(context);
        return status?.word === 'RUNNING' ? main : null;
      },
      glance: () => true,
      onChange,
    });
  },
});
