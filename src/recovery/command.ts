// Runs a service by commands of the administrator: an init script, a product's own control program, a cluster agent.
// What a timed-out stop leaves is found by pid file, executable and port, and ends by SIGKILL.
import { type ActionResult, defineRecovery, type Inspection, opt, type RecoveryContext, z } from '../define.ts';
import { killUntilGone, leftOver } from '../host/kill.ts';
import { watchLife } from '../host/life-watch.ts';
import { readPidFile } from '../host/pid-file.ts';
import { freePorts } from '../host/ports-held.ts';
import { clean, count, troubleLine } from '../host/text.ts';
import { validateBy } from '../host/validate.ts';
import type { ProcessFacts } from '../ports/proc.ts';

/** Processes of these are killed by their executable alone: it must not be one that others run in too. */
const SHARED = /\/(python|perl|ruby|node|java|php|busybox|bash|dash|sh)[\d.]*$/;

const options = z.strictObject({
  start: opt.argv('Starts it in the background and ends'),
  stop: opt.argv('Stops it'),
  restart: opt.argv('Restarts it; without it: stop, sweep, start').optional(),
  reload: opt.argv('Makes it read its configuration again').optional(),
  status: opt.argv('Exit code 0: it runs. 1, 2: it died. 3: it is stopped (LSB)').optional(),
  validate: opt.argv('Reads the configuration as a start would; not 0 = do not start').optional(),
  'pid-file': opt.path('Where its main process writes its number').optional(),
  exe: z
    .array(opt.path('An executable').refine((path) => !SHARED.test(path), 'an interpreter runs other programs too'))
    .max(32)
    .default([])
    .describe('Executables of this service alone: every process of these is its own and may be killed'),
  ports: z.array(opt.port('A TCP port')).max(32).default([]).describe('TCP ports that must be free before a start'),
  'start-timeout': opt.duration('How long the start command may take').prefault('30s'),
  'stop-timeout': opt.duration('How long the stop command may take; then SIGKILL').prefault('10s'),
});
type Context = RecoveryContext<z.output<typeof options>>;

const KILL_MS = 3000;
const ASK_MS = 5000;

const bad = (detail: string, cause?: ActionResult['cause']): ActionResult => ({
  ok: false,
  detail,
  ...(cause ? { cause } : {}),
});

async function run(context: Context, argv: readonly string[], timeoutMs: number): Promise<ActionResult> {
  const name = clean(argv.join(' '));
  const got = await context.ports.exec.run(argv, { timeoutMs, signal: context.signal });
  if (got.code === 0) return { ok: true, detail: `"${name}" ended well in ${Math.round(got.ms)} ms` };
  if (got.failed) return bad(`"${name}" cannot be run: ${got.failed}`, 'misconfigured');
  if (got.timedOut) return bad(`"${name}" did not end within ${Math.round(got.ms)} ms`, 'hung');
  const said = troubleLine(got.stderr, got.stdout);
  return bad(`"${name}" ended with ${got.signal ?? `exit code ${got.code}`}${said ? `: "${said}"` : ''}`);
}

/** Seconds of mercy between TERM and KILL for a start command that takes too long. */
const KILL_AFTER = '1';

/** Runs what leaves a service behind. `exec` ends with a program also what it left in its process group, and many an
 *  init script leaves its daemon there: so it gets a session of its own, and timeout(1) sees to its end. */
async function launch(context: Context, argv: readonly string[], timeoutMs: number): Promise<ActionResult> {
  const words = ['setsid', '-w', 'timeout', '-k', KILL_AFTER, String(timeoutMs / 1000), ...argv];
  const name = clean(argv.join(' '));
  const got = await context.ports.exec.run(words, { timeoutMs: timeoutMs + 2000, signal: context.signal });
  if (got.code === 0) return { ok: true, detail: `"${name}" ended well in ${Math.round(got.ms)} ms` };
  if (got.failed) return bad(`"${name}" cannot be run: setsid is not there (${got.failed})`);
  if (got.code === 126 || got.code === 127)
    return bad(`"${name}" cannot be run: ${troubleLine(got.stderr)}`, 'misconfigured');
  if (got.timedOut || got.code === 124 || got.code === 137)
    return bad(`"${name}" did not end within ${Math.round(got.ms)} ms`, 'hung');
  const said = troubleLine(got.stderr, got.stdout);
  return bad(`"${name}" ended with exit code ${got.code}${said ? `: "${said}"` : ''}`);
}

/** Its processes by executable, oldest first. */
function byExe(context: Context): readonly ProcessFacts[] {
  const found = context.options.exe.flatMap((one) => context.ports.proc.byExe(one));
  return found.filter((one) => one.state !== 'Z' && one.state !== 'X').sort((a, b) => a.startTicks - b.startTicks);
}

function mainOf(context: Context): ProcessFacts | null {
  const { options: wanted, ports } = context;
  if (wanted['pid-file']) {
    const read = readPidFile(wanted['pid-file'], wanted.exe, ports.files, ports.proc);
    return read.is === 'running' ? read.main : null;
  }
  const found = byExe(context);
  const pids = new Set(found.map((one) => one.pid));
  return found.find((one) => !pids.has(one.ppid)) ?? null;
}

const identifies = (context: Context): boolean => !!context.options['pid-file'] || context.options.exe.length > 0;

/** All that is its own: the tree of its main process and its executables. By identity, so that a number that is used
 *  again while we kill is left alone. */
async function killAll(context: Context): Promise<ActionResult> {
  const { proc } = context.ports;
  const main = mainOf(context);
  const known = new Map<number, ProcessFacts>();
  const collect = (): readonly number[] => {
    if (main && proc.alive(main))
      for (const pid of proc.tree(main.pid)) {
        const found = proc.facts(pid);
        if (found) known.set(pid, found);
      }
    for (const one of byExe(context)) known.set(one.pid, one);
    return [...known.values()].filter((one) => proc.alive(one)).map((one) => one.pid);
  };
  const end = await killUntilGone(context.ports, { pids: collect }, KILL_MS, context.signal);
  if (end.left.length > 0) return bad(leftOver(end.left), 'hung');
  return { ok: true, detail: `killed ${count(end.killed, 'process', 'processes')} in ${Math.round(end.ms)} ms` };
}

async function stop(context: Context, how: { readonly force: boolean }): Promise<ActionResult> {
  if (how.force && identifies(context)) return killAll(context);
  const before = mainOf(context);
  const stopped = await run(context, context.options.stop, context.options['stop-timeout']);
  if (!identifies(context)) return stopped;
  const after = before && context.ports.proc.alive(before);
  if (stopped.ok && !after && byExe(context).length === 0) return stopped;
  const killed = await killAll(context);
  return { ...killed, detail: `${stopped.detail}; ${killed.detail}` };
}

async function sweep(context: Context): Promise<ActionResult> {
  if (mainOf(context)) return { ok: true, detail: 'nothing to sweep: it runs' };
  const killed = identifies(context) ? await killAll(context) : { ok: true, detail: 'nothing tells its processes' };
  if (!killed.ok) return killed;
  const freed = await freePorts(context.ports, context.options, context.signal);
  return freed.ok ? { ok: true, detail: `${killed.detail}; ${freed.detail}` } : bad(freed.detail, 'misconfigured');
}

const start = (context: Context): Promise<ActionResult> =>
  launch(context, context.options.start, context.options['start-timeout']);

async function restart(context: Context): Promise<ActionResult> {
  const { restart: argv, 'start-timeout': startMs, 'stop-timeout': stopMs } = context.options;
  if (argv) return launch(context, argv, startMs + stopMs);
  const stopped = await stop(context, { force: false });
  if (!stopped.ok) return stopped;
  const swept = await sweep(context);
  return swept.ok ? start(context) : swept;
}

const STATUS: Readonly<Record<number, Inspection['state']>> = { 0: 'running', 1: 'failed', 2: 'failed', 3: 'stopped' };

async function inspect(context: Context): Promise<Inspection> {
  const main = mainOf(context);
  const evidence: Record<string, string> = { pid: String(main?.pid ?? 'none') };
  const base = { byHand: false, ...(main ? { main } : {}), evidence };
  const { status } = context.options;
  if (status) {
    const got = await context.ports.exec.run(status, { timeoutMs: ASK_MS, signal: context.signal });
    evidence['status'] = got.failed ?? (got.timedOut ? 'timed out' : String(got.code));
    const state = (got.code === null ? null : STATUS[got.code]) ?? 'unknown';
    const said = troubleLine(got.stdout, got.stderr);
    return { ...base, state, detail: `its status command says ${evidence['status']}${said ? ` "${said}"` : ''}` };
  }
  if (!identifies(context))
    return { ...base, state: 'unknown', detail: 'no status, pid-file or exe tells whether it runs' };
  if (main) return { ...base, state: 'running', detail: `it runs as pid ${main.pid}` };
  return { ...base, state: 'failed', detail: 'its main process is gone' };
}

export default defineRecovery({
  about: 'Runs a service by commands of your own: start, stop, status.',
  options,
  example: {
    start: ['/etc/init.d/dovecot', 'start'],
    stop: ['/etc/init.d/dovecot', 'stop'],
    status: ['/etc/init.d/dovecot', 'status'],
    'pid-file': '/run/dovecot/master.pid',
    exe: ['/usr/sbin/dovecot'],
  },
  inspect,
  start,
  stop,
  restart,
  async reload(context) {
    const argv = context.options.reload;
    return argv ? run(context, argv, ASK_MS) : bad('it has no reload command');
  },
  sweep,
  validate: (context) => validateBy(context.ports, context.options.validate, context.signal),
  async watch(context, onChange) {
    if (!identifies(context)) return { close: () => undefined };
    const look = (): Promise<ProcessFacts | null> => Promise.resolve(mainOf(context));
    return watchLife({ ports: context.ports, look, glance: () => true, onChange });
  },
});
