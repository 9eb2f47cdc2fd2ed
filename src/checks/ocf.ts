// The monitor of an OCF resource agent, at the depth that is asked for. Agents answer in exit codes; what a code means
// stands in dialogues/ocf.ts.
import {
  CAUSES,
  type CheckContext,
  type CheckResult,
  defineCheck,
  degraded,
  fail,
  pass,
  unknown,
  z,
} from '../define.ts';
import { agentCall, agentOptions, isMisconfigured, isRunning, verdictText } from '../dialogues/ocf.ts';
import type { ExecResult } from '../ports/exec.ts';

const options = z.strictObject({
  ...agentOptions,
  'quick-level': z.number().int().min(0).max(100).default(0).describe('OCF_CHECK_LEVEL of a QuickCheck'),
  'deep-level': z.number().int().min(0).max(100).default(10).describe('OCF_CHECK_LEVEL of a DeepCheck: 10 or 20'),
  cause: z.enum(CAUSES).default('refusing').describe('The cause that exit codes 1, 9, 190 and 191 stand for'),
});
type Context = CheckContext<z.output<typeof options>>;

/** exec settles at most 200 ms after its limit; that much is kept back. */
const SETTLE_MS = 250;

function judge(context: Context, got: ExecResult): CheckResult {
  const { agent, cause } = context.options;
  const { code } = got;
  const more = { metrics: [{ name: 'time', value: Math.round(got.ms * 100) / 100, unit: 'ms' }] };
  const text = verdictText(agent, 'monitor', got);
  if (code === 190 || code === 191) return degraded(cause, text, more);
  if (isRunning(code)) return pass(text, more);
  if (code === 7) return fail('dead', text, more);
  if (isMisconfigured(code)) return fail('misconfigured', text, more);
  if (code === 1 || code === 9) return fail(cause, text, more);
  return unknown(text, more);
}

export default defineCheck({
  about: 'Asks the monitor of an OCF resource agent, at a level for each depth.',
  depth: 'both',
  options,
  example: { agent: 'ocf:heartbeat:nginx', parameters: { configfile: '/etc/nginx/nginx.conf' } },
  async run(context) {
    const { options: wanted, ports, signal, service, depth } = context;
    const timeoutMs = Math.max(context.timeoutMs / 2, context.timeoutMs - SETTLE_MS);
    const level = wanted[`${depth}-level`];
    const call = agentCall(ports, wanted, 'monitor', { service, timeoutMs, level });
    if ('refused' in call) return unknown(call.refused);
    const got = await ports.exec.run(call.argv, { timeoutMs, signal, env: call.env });
    if (got.failed) return unknown(`${wanted.agent} could not be run: ${got.failed}`);
    // Whoever calls an agent sets its time; an agent that does not come back waits for its service.
    if (got.timedOut)
      return fail('hung', `${wanted.agent} monitor at level ${level} did not end within ${Math.round(timeoutMs)} ms`);
    return judge(context, got);
  },
});
