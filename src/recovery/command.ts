// Runs a service by commands of the administrator: an init script, a product's own control program, a cluster agent.
// What a timed-out stop leaves is found by pid file, executable and port, and ends by SIGKILL.
import { type ActionResult, defineRecovery, type Inspection, opt, type RecoveryContext, z } from '../define.ts';
import { bad, ended, launch, runOut } from '../host/launch.ts';
import { evidenceOfOwned } from '../host/evidence.ts';
import { identifies, killOwned, mainOf, ownership, stopOwned, sweepOwned, watchOwned } from '../host/owned.ts';
import { troubleLine } from '../host/text.ts';
import { validateBy } from '../host/validate.ts';

const options = z.strictObject({
  start: opt.argv('Starts it in the background and ends'),
  stop: opt.argv('Stops it'),
  restart: opt.argv('Restarts it; without it: stop, sweep, start').optional(),
  reload: opt.argv('Makes it read its configuration again').optional(),
  status: opt.argv('Exit code 0: it runs. 1, 2: it died. 3: it is stopped (LSB)').optional(),
  validate: opt.argv('Reads the configuration as a start would; not 0 = do not start').optional(),
  ...ownership,
  'start-timeout': opt.duration('How long the start command may take').prefault('30s'),
  'stop-timeout': opt.duration('How long the stop command may take; then SIGKILL').prefault('10s'),
});
type Context = RecoveryContext<z.output<typeof options>>;

const ASK_MS = 5000;

const run = async (context: Context, argv: readonly string[], timeoutMs: number): Promise<ActionResult> =>
  ended(argv, await runOut(context, argv, timeoutMs));
const launched = async (context: Context, argv: readonly string[], timeoutMs: number): Promise<ActionResult> =>
  ended(argv, await launch(context, argv, timeoutMs));

const stop = (context: Context, how: { readonly force: boolean }): Promise<ActionResult> =>
  how.force && identifies(context)
    ? killOwned(context)
    : stopOwned(context, () => run(context, context.options.stop, context.options['stop-timeout']));

const start = (context: Context): Promise<ActionResult> =>
  launched(context, context.options.start, context.options['start-timeout']);

async function restart(context: Context): Promise<ActionResult> {
  const { restart: argv, 'start-timeout': startMs, 'stop-timeout': stopMs } = context.options;
  if (argv) return launched(context, argv, startMs + stopMs);
  const stopped = await stop(context, { force: false });
  if (!stopped.ok) return stopped;
  const swept = await sweepOwned(context);
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
  sweep: sweepOwned,
  evidence: evidenceOfOwned,
  validate: (context) => validateBy(context.ports, context.options.validate, context.signal),
  watch: watchOwned,
});
