// An OCF resource agent as a step: what a cluster had it do, with the same words and the same exit codes. Only a
// monitor tells whether it is in place; what start, stop, promote and demote say of themselves is no proof.
import { type ActionResult, defineStep, opt, type Probe, type StepContext, z } from '../define.ts';
import { type Action, agentCall, agentOptions, isMisconfigured, isRunning, verdictText } from '../dialogues/ocf.ts';
import { bad, launch, runOut } from '../host/launch.ts';
import type { ExecResult } from '../ports/exec.ts';

const options = z.strictObject({
  ...agentOptions,
  promotable: opt.flag('The active node has the promoted instance: it is promoted after its start').default(false),
  'keep-unpromoted': opt.flag('A promotable one goes on as an unpromoted one when the group leaves').default(false),
  'act-timeout': opt.duration('How long start, stop, promote and demote may take each').prefault('60s'),
  'monitor-timeout': opt.duration('How long monitor may take').prefault('20s'),
});
type Context = StepContext<z.output<typeof options>>;

type Asked = ExecResult | { readonly refused: string };

/** One action; what may leave a process behind gets a session of its own. */
async function ask(context: Context, action: Action, timeoutMs: number): Promise<Asked> {
  const { options: agent, ports, step } = context;
  const level = action === 'monitor' ? { level: 0 } : {};
  const call = agentCall(ports, agent, action, { service: step, timeoutMs, ...level });
  if ('refused' in call) return call;
  const run = action === 'start' || action === 'promote' ? launch : runOut;
  return run(context, call.argv, timeoutMs, { env: call.env });
}

async function act(context: Context, action: Action): Promise<ActionResult> {
  const { agent, 'act-timeout': limitMs } = context.options;
  const got = await ask(context, action, limitMs);
  if ('refused' in got) return bad(got.refused, 'misconfigured');
  if (got.failed) return bad(`${agent} could not be run: ${got.failed}`, 'misconfigured');
  if (got.timedOut) return bad(`${agent} ${action} did not end within ${Math.round(got.ms)} ms`, 'hung');
  if (got.code === 0) return { ok: true, detail: `${agent} ${action} ended well in ${Math.round(got.ms)} ms` };
  return bad(verdictText(agent, action, got), isMisconfigured(got.code) ? 'misconfigured' : undefined);
}

interface Seen {
  /** Null: its monitor did not tell. */
  readonly code: number | null;
  readonly detail: string;
}

async function monitor(context: Context): Promise<Seen> {
  const { agent } = context.options;
  const got = await ask(context, 'monitor', context.options['monitor-timeout']);
  if ('refused' in got) return { code: null, detail: got.refused };
  if (got.failed || got.timedOut)
    return { code: null, detail: `${agent} monitor: ${got.failed ?? 'it did not end in time'}` };
  return { code: got.code, detail: verdictText(agent, 'monitor', got) };
}

const isPromoted = (code: number | null): boolean => code === 8 || code === 191;

const inPlace = ({ options: { promotable } }: Context, code: number | null): boolean =>
  promotable ? isPromoted(code) : isRunning(code);

/** Only what a monitor calls stopped is gone; of a promotable one that may stay, also what is not promoted. */
const isGone = ({ options: wanted }: Context, code: number | null): boolean =>
  code === 7 || (wanted.promotable && wanted['keep-unpromoted'] && (code === 0 || code === 190));

async function probe(context: Context): Promise<Probe> {
  const { code, detail } = await monitor(context);
  if (inPlace(context, code)) return { state: 'done', detail };
  return { state: isGone(context, code) ? 'undone' : 'unknown', detail };
}

async function bring(context: Context): Promise<ActionResult> {
  const { options: wanted, lease, ports } = context;
  const late = (): boolean => lease.untilMs() <= ports.clock.monotonic();
  let seen = await monitor(context);
  for (const action of wanted.promotable ? (['start', 'promote'] as const) : (['start'] as const)) {
    if (inPlace(context, seen.code) || (action === 'start' && isRunning(seen.code))) continue;
    if (late()) return bad(`the right is gone: no ${action}`);
    const done = await act(context, action);
    if (!done.ok) return done;
    seen = await monitor(context);
  }
  if (!inPlace(context, seen.code)) return bad(seen.detail);
  return late() ? bad(`${seen.detail}, but the right ended meanwhile`) : { ok: true, detail: seen.detail };
}

async function away(context: Context, force: boolean): Promise<ActionResult> {
  const { options: wanted } = context;
  const first = await monitor(context);
  if (isGone(context, first.code)) return { ok: true, detail: first.detail };
  const said: string[] = [];
  const stays = wanted['keep-unpromoted'] && !force;
  // By force it is stopped at once: an agent stops also what is promoted.
  const actions = [...(wanted.promotable && !force ? ['demote' as const] : []), ...(stays ? [] : ['stop' as const])];
  for (const action of actions) said.push((await act(context, action)).detail);
  let last = await monitor(context);
  if (!isGone(context, last.code) && !actions.includes('stop')) {
    said.push((await act(context, 'stop')).detail);
    last = await monitor(context);
  }
  return isGone(context, last.code) ? { ok: true, detail: last.detail } : bad(`${said.join('; ')}; ${last.detail}`);
}

async function ready(context: Context): Promise<ActionResult> {
  const { agent } = context.options;
  const got = await ask(context, 'validate-all', context.options['monitor-timeout']);
  if ('refused' in got) return bad(got.refused, 'misconfigured');
  if (got.failed || got.timedOut) return bad(`${agent} validate-all: ${got.failed ?? 'it did not end in time'}`);
  // 3: it has no such action.
  if (got.code === 0 || got.code === 3) return { ok: true, detail: `${agent} finds nothing wrong` };
  return bad(verdictText(agent, 'validate-all', got), 'misconfigured');
}

export default defineStep({
  about: 'Anything that an OCF resource agent starts, stops, promotes and demotes, as in a Pacemaker cluster.',
  options,
  example: { agent: 'ocf:heartbeat:IPaddr2', parameters: { ip: '192.0.2.10', cidr_netmask: '24', nic: 'eth0' } },
  scope: 'node',
  timeoutMs: 150_000,
  probe,
  do: bring,
  undo: (context, { force }) => away(context, force),
  ready,
});
