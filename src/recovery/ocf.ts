// Runs a service by an OCF resource agent, as a cluster would. Its exit codes say how it went; what a stop leaves is
// found by pid file and executable, and ends by SIGKILL.
import { type ActionResult, defineRecovery, type Inspection, opt, type RecoveryContext, z } from '../define.ts';
import { type Action, agentCall, agentOptions, isMisconfigured, isRunning, verdictText } from '../dialogues/ocf.ts';
import { bad, launch, runOut } from '../host/launch.ts';
import { evidenceOfOwned } from '../host/evidence.ts';
import { identifies, killOwned, mainOf, ownership, stopOwned, sweepOwned, watchOwned } from '../host/owned.ts';
import type { ExecResult } from '../ports/exec.ts';

const options = z.strictObject({
  ...agentOptions,
  ...ownership,
  'start-timeout': opt.duration('How long its start may take').prefault('60s'),
  'stop-timeout': opt.duration('How long its stop may take; then SIGKILL').prefault('20s'),
  'ask-timeout': opt.duration('How long monitor, validate-all and reload may take each').prefault('20s'),
});
type Context = RecoveryContext<z.output<typeof options>>;

/** One action; what may leave a process behind gets a session of its own. */
async function ask(context: Context, action: Action, timeoutMs: number): Promise<ExecResult | { refused: string }> {
  const { options: agent, ports, service } = context;
  const level = action === 'monitor' ? { level: 0 } : {};
  const call = agentCall(ports, agent, action, { service, timeoutMs, ...level });
  if ('refused' in call) return call;
  const run = action === 'start' || action === 'reload' ? launch : runOut;
  return run(context, call.argv, timeoutMs, { env: call.env });
}

/** The end of a deed as a result. */
async function act(context: Context, action: Action, timeoutMs: number): Promise<ActionResult> {
  const got = await ask(context, action, timeoutMs);
  if ('refused' in got) return bad(got.refused, 'misconfigured');
  const { agent } = context.options;
  if (got.failed) return bad(`${agent} could not be run: ${got.failed}`, 'misconfigured');
  if (got.timedOut) return bad(`${agent} ${action} did not end within ${Math.round(got.ms)} ms`, 'hung');
  if (got.code === 0) return { ok: true, detail: `${agent} ${action} ended well in ${Math.round(got.ms)} ms` };
  return bad(verdictText(agent, action, got), isMisconfigured(got.code) ? 'misconfigured' : undefined);
}

/** Not ok only if the agent ran and said no: one without this action says nothing about the configuration. */
async function validate(context: Context): Promise<ActionResult> {
  const got = await ask(context, 'validate-all', context.options['ask-timeout']);
  if ('refused' in got) return bad(got.refused, 'misconfigured');
  const { agent } = context.options;
  if (got.code === 0) return { ok: true, detail: `${agent} finds nothing wrong` };
  const text = verdictText(agent, 'validate-all', got);
  if (got.code === null || got.code === 3)
    return { ok: true, detail: `its configuration was not validated: ${got.failed ?? text}` };
  return bad(text, 'misconfigured');
}

function stateOf(code: number | null): Inspection['state'] {
  if (isRunning(code)) return 'running';
  if (code === 7) return 'stopped';
  return code === 1 || code === 9 ? 'failed' : 'unknown';
}

async function inspect(context: Context): Promise<Inspection> {
  const { agent } = context.options;
  const got = await ask(context, 'monitor', context.options['ask-timeout']);
  const main = identifies(context) ? mainOf(context) : null;
  const base = { byHand: false, ...(main ? { main } : {}) };
  if ('refused' in got)
    return { byHand: false, state: 'unknown', detail: got.refused, evidence: { agent, monitor: 'not run' } };
  const monitor = got.failed ?? (got.timedOut ? 'timed out' : String(got.code ?? got.signal));
  const evidence = { agent, monitor, pid: String(main?.pid ?? 'none') };
  // An agent that does not come back waits for its service: where its process is seen, it runs, if badly.
  if (got.timedOut)
    return { ...base, state: main ? 'running' : 'unknown', detail: `${agent} monitor did not end in time`, evidence };
  return { ...base, state: stateOf(got.code), detail: verdictText(agent, 'monitor', got), evidence };
}

export default defineRecovery({
  about: 'Runs a service by an OCF resource agent, as a cluster does.',
  options,
  example: {
    agent: 'ocf:heartbeat:nginx',
    parameters: { configfile: '/etc/nginx/nginx.conf' },
    'pid-file': '/run/nginx.pid',
    exe: ['/usr/sbin/nginx'],
  },
  inspect,
  start: (context) => act(context, 'start', context.options['start-timeout']),
  stop: (context, { force }) =>
    force && identifies(context)
      ? killOwned(context)
      : stopOwned(context, () => act(context, 'stop', context.options['stop-timeout'])),
  reload: (context) => act(context, 'reload', context.options['ask-timeout']),
  sweep: sweepOwned,
  evidence: evidenceOfOwned,
  validate,
  watch: watchOwned,
});
