// Is the unit really active? systemd's word, and the processes in its control group: `active` alone is also said of a
// unit whose processes are gone, and of a wrapper that never had any.
import { type CheckContext, type CheckResult, defineCheck, degraded, fail, pass, unknown, z } from '../define.ts';
import { type Known, readUnit, type UnitReading } from '../host/unit-state.ts';
import { UNIT, unitName } from '../ports/units.ts';

const options = z.strictObject({
  unit: z
    .string()
    .max(255)
    .regex(UNIT, 'expected the name of one service unit, such as dovecot.service or postfix@-.service')
    .describe('The unit that has the processes: postfix@-.service, not the wrapper postfix.service'),
});
type Context = CheckContext<z.output<typeof options>>;

/** Starting, stopping and systemd's own restarts may take this long before they count as being down. */
const BETWEEN_MS = 30_000;

/** How long it has been neither up nor down. */
function betweenMs(context: Context, between: boolean): number {
  const { memory, ports } = context;
  if (!between) memory.delete('since');
  else if (!memory.has('since')) memory.set('since', ports.clock.monotonic());
  return between ? ports.clock.monotonic() - (memory.get('since') as number) : 0;
}

function running(reading: UnitReading, before: Known | null): CheckResult {
  const { main, pids, evidence } = reading;
  const metrics = [
    { name: 'processes', value: pids.length },
    { name: 'restarts', value: Number(evidence['NRestarts'] ?? 0), unit: 'c' },
  ];
  if (main?.state === 'T' || main?.state === 't')
    return {
      ...fail('hung', `${reading.detail}, but its main process is stopped (state ${main.state})`, { metrics }),
      direct: true,
    };
  const changed = main && before && (before.main.pid !== main.pid || before.main.startTicks !== main.startTicks);
  return pass(`${reading.detail}${changed ? `; before it was pid ${before.main.pid}` : ''}`, { metrics });
}

function judge(context: Context, reading: UnitReading, before: Known | null): CheckResult {
  const { condition, detail } = reading;
  const between = condition === 'restarting' || condition === 'starting' || condition === 'stopping';
  const ms = betweenMs(context, between);
  switch (condition) {
    case 'running':
      return running(reading, before);
    case 'exited':
      return pass(detail);
    case 'wrapper':
      return unknown(detail);
    case 'masked':
    case 'missing':
      return fail('misconfigured', detail);
    case 'restarting':
    case 'starting':
    case 'stopping':
      return ms < BETWEEN_MS ? degraded('dead', detail) : fail('dead', `${detail}, for ${Math.round(ms / 1000)} s now`);
    default:
      return fail('dead', detail);
  }
}

/** So long a quick look trusts /proc alone: while its main process lives, a unit runs, and systemctl is dear. */
const ASK_AGAIN_MS = 60_000;

/** The main process of the last answer, if it still lives and nothing but /proc need be asked. */
function stillRuns(context: Context, before: Known | null): CheckResult | null {
  const { memory, ports } = context;
  const asked = memory.get('asked') as number | undefined;
  if (context.depth === 'deep' || !before || asked === undefined) return null;
  if (ports.clock.monotonic() - asked > ASK_AGAIN_MS) return null;
  const main = ports.proc.facts(before.main.pid);
  if (!main || main.startTicks !== before.main.startTicks || !'RSDI'.includes(main.state)) return null;
  return pass(`${unitName(context.options.unit)} runs as pid ${main.pid}`);
}

export default defineCheck({
  about: 'Is the systemd unit really active, with living processes?',
  depth: 'both',
  options,
  example: { unit: 'postfix@-.service' },
  async run(context) {
    const { options: wanted, ports, signal, memory } = context;
    const before = (memory.get('known') as Known | undefined) ?? null;
    const still = stillRuns(context, before);
    if (still) return still;
    const facts = await ports.units.show(wanted.unit, signal);
    memory.delete('asked');
    if (!facts) return unknown('systemd could not be asked: systemctl show gave no answer');
    const reading = readUnit(wanted.unit, facts, ports.proc, before);
    if (reading.main)
      memory.set('known', { invocation: facts['InvocationID'] ?? '', main: reading.main } satisfies Known);
    if (reading.main && reading.condition === 'running') memory.set('asked', ports.clock.monotonic());
    return judge(context, reading, before);
  },
});
