// Runs a service by the scripts of a LifeKeeper resource: restore, remove, and recover where there is one. Exit code 0
// is good. What a remove leaves is found by pid file and executable, and ends by SIGKILL.
import { type ActionResult, defineRecovery, type Inspection, opt, type RecoveryContext, z } from '../define.ts';
import { refusal } from '../dialogues/plugin.ts';
import { bad, ended, launch, runOut } from '../host/launch.ts';
import { resourceOptions, type ScriptName, scriptArgv, scriptPath } from '../host/lifekeeper.ts';
import { evidenceOfOwned } from '../host/evidence.ts';
import { identifies, killOwned, mainOf, ownership, stopOwned, sweepOwned, watchOwned } from '../host/owned.ts';
import { troubleLine } from '../host/text.ts';

const options = z.strictObject({
  ...resourceOptions,
  ...ownership,
  'restore-timeout': opt.duration('How long restore and recover may take').prefault('60s'),
  'remove-timeout': opt.duration('How long remove may take; then SIGKILL').prefault('20s'),
  'check-timeout': opt.duration('How long quickCheck may take to tell whether it runs').prefault('10s'),
});
type Context = RecoveryContext<z.output<typeof options>>;

async function act(context: Context, name: ScriptName, timeoutMs: number): Promise<ActionResult> {
  const { options: wanted, ports, service } = context;
  const path = scriptPath(ports, wanted, name);
  if (path === null) return bad(`there is no script ${name} in ${wanted.folder}`, 'misconfigured');
  const refused = refusal(ports, path);
  if (refused !== null) return bad(refused, 'misconfigured');
  const argv = scriptArgv(path, wanted, service);
  return ended(argv, await (name === 'remove' ? runOut : launch)(context, argv, timeoutMs));
}

const restore = (context: Context): Promise<ActionResult> =>
  act(context, 'restore', context.options['restore-timeout']);

const stop = (context: Context, { force }: { readonly force: boolean }): Promise<ActionResult> =>
  force && identifies(context)
    ? killOwned(context)
    : stopOwned(context, () => act(context, 'remove', context.options['remove-timeout']));

async function removeAndRestore(context: Context): Promise<ActionResult> {
  const stopped = await stop(context, { force: false });
  if (!stopped.ok) return stopped;
  const swept = await sweepOwned(context);
  return swept.ok ? restore(context) : swept;
}

/** The resource's own recovery first; only when that does not help, out of service and in again. */
async function recover(context: Context): Promise<ActionResult> {
  if (scriptPath(context.ports, context.options, 'recover') === null) return removeAndRestore(context);
  const recovered = await act(context, 'recover', context.options['restore-timeout']);
  if (recovered.ok || context.signal.aborted) return recovered;
  const again = await removeAndRestore(context);
  return { ...again, detail: `${recovered.detail}; ${again.detail}` };
}

async function inspect(context: Context): Promise<Inspection> {
  const { options: wanted, ports, service } = context;
  const main = identifies(context) ? mainOf(context) : null;
  const path = scriptPath(ports, wanted, 'quickCheck');
  const evidence: Record<string, string> = { pid: String(main?.pid ?? 'none') };
  const base = { byHand: false, ...(main ? { main } : {}), evidence };
  // Its processes tell more than a check, which fails also while they live.
  if (main) return { ...base, state: 'running', detail: `it runs as pid ${main.pid}` };
  if (identifies(context)) return { ...base, state: 'failed', detail: 'its main process is gone' };
  if (path === null)
    return { ...base, state: 'unknown', detail: 'no quickCheck, pid-file or exe tells whether it runs' };
  const refused = refusal(ports, path);
  if (refused !== null) return { ...base, state: 'unknown', detail: refused };
  const got = await runOut(context, scriptArgv(path, wanted, service), wanted['check-timeout']);
  evidence['quickCheck'] = got.failed ?? (got.timedOut ? 'timed out' : String(got.code ?? got.signal));
  const said = troubleLine(got.stdout, got.stderr);
  const detail = `its quickCheck says ${evidence['quickCheck']}${said ? ` "${said}"` : ''}`;
  if (got.code === null) return { ...base, state: 'unknown', detail };
  return { ...base, state: got.code === 0 ? 'running' : 'failed', detail };
}

export default defineRecovery({
  about: 'Runs a service by the restore, remove and recover scripts of a LifeKeeper resource.',
  options,
  example: {
    folder: '/opt/LifeKeeper/subsys/gen/resources/app/actions',
    tag: 'mail',
    'pid-file': '/run/mail.pid',
  },
  inspect,
  start: restore,
  stop,
  restart: recover,
  sweep: sweepOwned,
  evidence: evidenceOfOwned,
  watch: watchOwned,
});
