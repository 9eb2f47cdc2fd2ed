// Runs a service by its init script: of System V (the exit codes of LSB), or of OpenRC. What a stop leaves is found by
// pid file and executable, and ends by SIGKILL.
import { type ActionResult, defineRecovery, type Inspection, opt, type RecoveryContext, z } from '../define.ts';
import { refusal } from '../dialogues/plugin.ts';
import { bad, ended, launch, runOut } from '../host/launch.ts';
import { evidenceOfOwned } from '../host/evidence.ts';
import { identifies, killOwned, mainOf, ownership, stopOwned, sweepOwned, watchOwned } from '../host/owned.ts';
import { troubleLine } from '../host/text.ts';
import { validateBy } from '../host/validate.ts';

const options = z.strictObject({
  name: z
    .string()
    .max(100)
    .regex(/^[A-Za-z0-9][\w.+-]*$/, 'expected the name of an init script, such as postfix')
    .describe('The init script, without its folder'),
  system: z
    .enum(['sysv', 'openrc'])
    .default('sysv')
    .describe('`sysv`: the script itself is run; `openrc`: rc-service runs it'),
  folder: opt.path('Where init scripts are; for `sysv`').default('/etc/init.d'),
  validate: opt.argv('Reads the configuration as a start would; not 0 = do not start').optional(),
  ...ownership,
  'start-timeout': opt.duration('How long its start may take').prefault('60s'),
  'stop-timeout': opt.duration('How long its stop may take; then SIGKILL').prefault('20s'),
});
type Context = RecoveryContext<z.output<typeof options>>;

const ASK_MS = 10_000;
type State = Inspection['state'];

/** LSB: 0 runs, 1 and 2 dead with something left, 3 not running, 4 not known. */
const LSB: Readonly<Record<number, State>> = { 0: 'running', 1: 'failed', 2: 'failed', 3: 'stopped', 4: 'unknown' };
/** openrc-run: 4 stopping, 8 starting, 16 waits for something (inactive), 32 crashed. */
const OPENRC: Readonly<Record<number, State>> = {
  0: 'running',
  1: 'unknown',
  3: 'stopped',
  4: 'changing',
  8: 'changing',
  16: 'stopped',
  32: 'failed',
};

const argvOf = ({ options: wanted }: Context, verb: string): readonly string[] =>
  wanted.system === 'openrc'
    ? ['rc-service', wanted.name, verb]
    : [`${wanted.folder.replace(/(.)\/+$/, '$1')}/${wanted.name}`, verb];

/** Why its script must not be run. OpenRC's own program looks for itself. */
const refused = (context: Context): string | null =>
  context.options.system === 'openrc' ? null : refusal(context.ports, argvOf(context, '')[0] ?? '');

async function act(context: Context, verb: string, timeoutMs: number, run = runOut): Promise<ActionResult> {
  const why = refused(context);
  if (why !== null) return bad(why, 'misconfigured');
  const argv = argvOf(context, verb);
  const got = await run(context, argv, timeoutMs);
  // LSB: 5 not installed, 6 not configured.
  const cannot = context.options.system === 'sysv' && (got.code === 5 || got.code === 6);
  return cannot ? { ...ended(argv, got), cause: 'misconfigured' } : ended(argv, got);
}

/** OpenRC believes in a service that crashed or was killed, and would not start it: it has to forget it first. */
async function forget(context: Context): Promise<void> {
  if (context.options.system !== 'openrc' || mainOf(context)) return;
  const got = await runOut(context, argvOf(context, 'status'), ASK_MS);
  if (got.code === 32 || (got.code === 0 && identifies(context))) await runOut(context, argvOf(context, 'zap'), ASK_MS);
}

async function start(context: Context): Promise<ActionResult> {
  await forget(context);
  return act(context, 'start', context.options['start-timeout'], launch);
}

const stop = (context: Context, { force }: { readonly force: boolean }): Promise<ActionResult> =>
  force && identifies(context)
    ? killOwned(context)
    : stopOwned(context, () => act(context, 'stop', context.options['stop-timeout']));

async function inspect(context: Context): Promise<Inspection> {
  const main = identifies(context) ? mainOf(context) : null;
  const evidence: Record<string, string> = { pid: String(main?.pid ?? 'none') };
  const base = { ...(main ? { main } : {}), evidence };
  const why = refused(context);
  if (why !== null) return { ...base, byHand: false, state: 'unknown', detail: why };
  const got = await runOut(context, argvOf(context, 'status'), ASK_MS);
  evidence['status'] = got.failed ?? (got.timedOut ? 'timed out' : String(got.code ?? got.signal));
  const table = context.options.system === 'openrc' ? OPENRC : LSB;
  const told = (got.code === null ? undefined : table[got.code]) ?? 'unknown';
  const said = troubleLine(got.stdout, got.stderr);
  const words = `its init script says ${evidence['status']}${said ? ` "${said}"` : ''}`;
  // Where its process can be told, that is certain; a script may look at less, or hang.
  if (main && told !== 'changing')
    return { ...base, byHand: false, state: 'running', detail: `it runs as pid ${main.pid}; ${words}` };
  if (told === 'running' && identifies(context) && !main)
    return { ...base, byHand: false, state: 'failed', detail: `its main process is gone, though ${words}` };
  return { ...base, byHand: told === 'changing', state: told, detail: words };
}

export default defineRecovery({
  about: 'Runs a service by its init script, of System V or of OpenRC.',
  options,
  example: { name: 'postfix', 'pid-file': '/var/spool/postfix/pid/master.pid', exe: ['/usr/lib/postfix/sbin/master'] },
  inspect,
  start,
  stop,
  reload: (context) => act(context, 'reload', ASK_MS, launch),
  sweep: sweepOwned,
  evidence: evidenceOfOwned,
  validate: (context) => validateBy(context.ports, context.options.validate, context.signal),
  watch: watchOwned,
});
