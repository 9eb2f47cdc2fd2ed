// Is the machine itself under strain? Load, memory, swap and pressure from /proc; the deep side adds what machine it
// is. Strain is only ever degraded: a restart of a service does not cure a busy machine.
import { type CheckContext, type CheckResult, defineCheck, degraded, type Metric, opt, pass, z } from '../define.ts';
import { clean } from '../host/text.ts';
import type { Inventory, LoadFacts } from '../ports/sysinfo.ts';

const options = z.strictObject({
  load: z.number().min(0.1).max(1000).default(4).describe('Degraded above this 1-minute load for each core'),
  'memory-available': opt.percent('Degraded below this share of available memory').default(5),
  'swap-used': opt.percent('Degraded above this share of used swap').default(90),
  'pressure-cpu': opt.percent('Degraded above this share of time in which tasks waited for a CPU (10 s)').default(80),
  'pressure-memory': opt.percent('The same for memory').default(20),
  'pressure-io': opt.percent('The same for storage').default(60),
  uptime: opt.duration('Degraded while the machine has been up for less than this').prefault('0s'),
});
type Options = z.output<typeof options>;

const percent = (part: number, all: number): number => (all > 0 ? Math.round((part / all) * 1000) / 10 : 0);
const MIB = 1024 ** 2;

interface Strain {
  readonly metric: Metric;
  readonly bad: boolean;
  readonly text: string;
}

const WAITED_FOR = { cpu: 'a CPU', memory: 'memory', io: 'storage' } as const;

function pressures(wanted: Options, facts: LoadFacts): Strain[] {
  return (['cpu', 'memory', 'io'] as const).flatMap((kind) => {
    const value = facts.pressure[kind];
    const limit = wanted[`pressure-${kind}`];
    if (value === null) return []; // A kernel without pressure stall information.
    const text = `tasks waited for ${WAITED_FOR[kind]} ${value} % of the time`;
    return [{ metric: { name: `pressure-${kind}`, value, unit: '%', warn: String(limit) }, bad: value > limit, text }];
  });
}

function strains(wanted: Options, facts: LoadFacts): Strain[] {
  const available = percent(facts.memoryAvailable, facts.memoryTotal);
  const swap = percent(facts.swapTotal - facts.swapFree, facts.swapTotal);
  const most = wanted.load * facts.cores;
  const upMs = facts.uptimeMs;
  return [
    {
      metric: { name: 'load1', value: facts.load1, warn: String(most), min: 0 },
      bad: facts.load1 > most,
      text: `the load is ${facts.load1} on ${facts.cores} cores`,
    },
    {
      metric: { name: 'memory-available', value: available, unit: '%', warn: `${wanted['memory-available']}:` },
      bad: facts.memoryTotal > 0 && available < wanted['memory-available'],
      text: `${Math.round(facts.memoryAvailable / MIB)} MiB of memory are available (${available} %)`,
    },
    {
      metric: { name: 'swap-used', value: swap, unit: '%', warn: String(wanted['swap-used']) },
      bad: facts.swapTotal > 0 && swap > wanted['swap-used'],
      text: `${swap} % of the swap is used`,
    },
    {
      metric: { name: 'uptime', value: Math.round(upMs / 1000), unit: 's' },
      bad: upMs < wanted.uptime,
      text: `the machine was started ${Math.round(upMs / 1000)} s ago`,
    },
    ...pressures(wanted, facts),
  ];
}

const describe = (facts: Inventory): string =>
  clean(
    `${facts.host}: ${facts.os}, ${facts.kernel}, ${facts.cpu}${facts.virtual ? `, on ${facts.virtual}` : ''}, disks ${
      facts.disks.map((one) => `${one.name} ${Math.round(one.bytes / 1024 ** 3)} GiB`).join(' ') || 'none'
    }`,
  );

/** The inventory never decides: without it the rest still stands. */
async function inventory(context: CheckContext<Options>): Promise<string> {
  try {
    return describe(await context.ports.sysinfo.inventory());
  } catch (error) {
    return `no inventory: ${clean(error instanceof Error ? error.message : String(error))}`;
  }
}

async function run(context: CheckContext<Options>): Promise<CheckResult> {
  const started = context.ports.clock.monotonic();
  const all = strains(context.options, context.ports.sysinfo.load());
  const metrics = all.map((one) => one.metric);
  const bad = all.filter((one) => one.bad).map((one) => one.text);
  const rest = (bad.length > 0 ? bad : all.slice(0, 2).map((one) => one.text)).join(', ');
  const steps =
    context.depth === 'deep'
      ? [
          {
            name: 'inventory',
            ok: true,
            detail: await inventory(context),
            ms: context.ports.clock.monotonic() - started,
          },
        ]
      : [];
  const more = { metrics, ...(steps.length > 0 ? { steps } : {}) };
  return bad.length > 0 ? degraded('overloaded', rest, more) : pass(rest, more);
}

export default defineCheck({
  about: 'Is the machine under strain, and what machine is it?',
  depth: 'both',
  options,
  example: { load: 4, 'memory-available': 5 },
  run,
});
