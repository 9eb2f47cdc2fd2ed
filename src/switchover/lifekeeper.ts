// An application of LifeKeeper as a step: its restore and remove scripts, and its quickCheck. A quickCheck that fails
// says only that it is not well: that it is gone is told by its processes, or by a remove that ended well.
import { type ActionResult, defineStep, opt, type Probe, type StepContext, z } from '../define.ts';
import { refusal, unrunnable } from '../dialogues/plugin.ts';
import { bad, ended, launch, runOut } from '../host/launch.ts';
import { resourceOptions, type ScriptName, scriptArgv, scriptPath } from '../host/lifekeeper.ts';
import { byExe, familyOf, identifies, killOwned, mainOf, ownership } from '../host/owned.ts';

const options = z.strictObject({
  ...resourceOptions,
  ...ownership,
  'restore-timeout': opt.duration('How long restore may take').prefault('60s'),
  'remove-timeout': opt.duration('How long remove may take').prefault('60s'),
  'check-timeout': opt.duration('How long quickCheck may take').prefault('15s'),
});
type Context = StepContext<z.output<typeof options>>;

/** Null: there is no such script. `code` null: it was not run to its end. */
async function script(context: Context, name: ScriptName, timeoutMs: number) {
  const { options: wanted, ports, step } = context;
  const path = scriptPath(ports, wanted, name);
  if (path === null) return null;
  const refused = refusal(ports, path);
  if (refused !== null) return { code: null, result: bad(refused, 'misconfigured') };
  const argv = scriptArgv(path, wanted, step);
  const got = await (name === 'restore' ? launch : runOut)(context, argv, timeoutMs);
  return { code: got.failed || got.timedOut ? null : got.code, result: ended(argv, got) };
}

const missing = ({ options: { folder } }: Context, name: ScriptName): ActionResult =>
  bad(`there is no script ${name} in ${folder}`, 'misconfigured');

const quickCheck = (context: Context) => script(context, 'quickCheck', context.options['check-timeout']);

/** Can its processes be told, and is none of them left? */
const hasNone = (context: Context): boolean =>
  identifies(context) && mainOf(context) === null && byExe(context).length === 0;

async function probe(context: Context): Promise<Probe> {
  const checked = await quickCheck(context);
  if (checked?.code === 0) return { state: 'done', detail: checked.result.detail };
  const detail = checked?.result.detail ?? missing(context, 'quickCheck').detail;
  // Two signs are asked for: a pid file that is not there proves nothing alone.
  if (!checked || checked.code === null) return { state: 'unknown', detail };
  if (hasNone(context)) return { state: 'undone', detail: `none of its processes runs; ${detail}` };
  return { state: 'unknown', detail };
}

async function bring(context: Context): Promise<ActionResult> {
  const { lease, ports } = context;
  const late = (): boolean => lease.untilMs() <= ports.clock.monotonic();
  const before = await quickCheck(context);
  if (before?.code === 0) return before.result;
  if (late()) return bad('the right is gone: no restore');
  const restored = await script(context, 'restore', context.options['restore-timeout']);
  if (!restored) return missing(context, 'restore');
  if (!restored.result.ok) return restored.result;
  const after = await quickCheck(context);
  if (after && !after.result.ok) return bad(`${restored.result.detail}, but ${after.result.detail}`);
  return late() ? bad(`${restored.result.detail}, but the right ended meanwhile`) : restored.result;
}

/** Its processes are looked up before: a remove takes the pid file away, and what it left would be nobody's then. */
async function away(context: Context, force: boolean): Promise<ActionResult> {
  const { proc } = context.ports;
  const family = familyOf(context);
  const lives = (): boolean => family.some((one) => proc.alive(one)) || byExe(context).length > 0;
  const said: string[] = [];
  if (force && lives()) said.push((await killOwned(context, family)).detail);
  // What is no process of its own, an address or a mount, is for its remove also by force.
  const removed = await script(context, 'remove', context.options['remove-timeout']);
  if (!removed) return missing(context, 'remove');
  said.push(removed.result.detail);
  if (lives()) said.push((await killOwned(context, family)).detail);
  if (!removed.result.ok) return { ...removed.result, detail: said.join('; ') };
  if (lives()) return bad(`${said.join('; ')}; its processes run`, 'hung');
  const after = await quickCheck(context);
  // Only a check that was run and says no goes with what the remove says of itself.
  if (after && (after.code === 0 || after.code === null)) return bad(`${said.join('; ')}, but ${after.result.detail}`);
  return { ok: true, detail: said.join('; ') };
}

async function ready(context: Context): Promise<ActionResult> {
  const { ports, options: wanted } = context;
  for (const name of ['restore', 'remove'] as const) {
    const path = scriptPath(ports, wanted, name);
    if (path === null) return missing(context, name);
    const refused = unrunnable(ports, path);
    if (refused !== null) return bad(refused, 'misconfigured');
  }
  return { ok: true, detail: 'its scripts are there' };
}

export default defineStep({
  about: 'An application of LifeKeeper, by its restore and remove scripts and its quickCheck.',
  options,
  example: { folder: '/opt/LifeKeeper/subsys/gen/resources/app/actions', tag: 'mail', 'pid-file': '/run/mail.pid' },
  scope: 'node',
  timeoutMs: 150_000,
  probe,
  do: bring,
  undo: (context, { force }) => away(context, force),
  ready,
});
