// The state diagram of one service, drawn from the core itself: states that simulated machines reach, each asked what
// it makes of every event. A changed edge is then a visible difference in review. `npm run generate`
import { decide } from '../src/core/decide.ts';
import type { Cause, Depth, Event, Outcome, Phase, RepairResult, ServiceState, Verdict } from '../src/core/types.ts';
import { type Step, World } from '../test/simulation/world.ts';

const SEEDS = 160;
const RUN_MS = 120_000;

interface Labelled {
  readonly label: string;
  readonly event: Event;
}

const verdict = (outcome: Outcome, cause?: Cause): Verdict => ({
  outcome,
  detail: 'asked',
  check: 'check',
  ...(cause ? { cause } : {}),
  ...(cause === 'dead' ? { conclusive: true } : {}),
});

const ANSWERS: readonly (readonly [string, Depth, Verdict])[] = [
  ['QuickCheck fails', 'quick', verdict('fail', 'hung')],
  ['process gone', 'quick', verdict('fail', 'dead')],
  ['QuickCheck passes', 'quick', verdict('pass')],
  ['QuickCheck cannot tell', 'quick', verdict('unknown')],
  ['DeepCheck fails', 'deep', verdict('fail', 'hung')],
  ['disk is full', 'deep', verdict('fail', 'no-space')],
  ['DeepCheck passes', 'deep', verdict('pass')],
  ['DeepCheck passes', 'deep', verdict('degraded', 'overloaded')],
  ['DeepCheck cannot tell', 'deep', verdict('unknown')],
];
const ENDS: readonly RepairResult['did'][] = ['done', 'failed', 'held', 'adopted', 'refused'];

/** Everything that can happen to a service in this state. */
function everything(service: string, s: ServiceState, now: number): readonly Labelled[] {
  const { epoch } = s;
  const at = now;
  const of = { at, service };
  return [
    ...ANSWERS.map(([label, depth, said]) => ({
      label,
      event: { kind: 'checked', ...of, epoch, depth, verdict: said } as const,
    })),
    ...ENDS.map((did) => ({
      label: `repair ${did}`,
      event: { kind: 'repaired', ...of, epoch, result: { ok: did === 'done', did, detail: 'asked' } } as const,
    })),
    { label: 'switched', event: { kind: 'switched', ...of, epoch, ok: true, detail: 'asked' } },
    { label: 'not switched', event: { kind: 'switched', ...of, epoch, ok: false, detail: 'asked' } },
    { label: 'its time is over', event: { kind: 'woke', ...of, epoch, at: Math.max(at, s.wakeAt ?? 0) } },
    { label: 'process gone', event: { kind: 'died', ...of, detail: 'asked' } },
    { label: 'started by somebody', event: { kind: 'started', ...of, detail: 'asked' } },
    { label: 'paused', event: { kind: 'paused', ...of, until: at + 1000, by: 'x', comment: 'x' } },
    { label: 'resumed', event: { kind: 'resumed', ...of, by: 'x' } },
    { label: 'reset', event: { kind: 'reset', ...of, by: 'x' } },
    { label: 'acquired', event: { kind: 'acquired', ...of } },
    { label: 'evicted', event: { kind: 'evicted', ...of, detail: 'asked' } },
    { label: 'daemon stood still', event: { kind: 'stalled', at, ms: 5000 } },
    { label: 'daemon started', event: { kind: 'booted', at, fresh: false } },
  ];
}

/** What of a state may make a difference to where it goes. One look at each kind is enough. */
const kindOf = ({ rules, decision }: Step, name: string, s: ServiceState): string => {
  const policy = rules.services[name];
  const [node] = decision;
  const below = (policy?.depends ?? []).map((other) => node.services[other]);
  const spent = s.attempts >= (policy?.attempts ?? 0);
  return [
    s.phase,
    s.waitsFor,
    s.verdict?.cause,
    s.rung === null,
    s.fails > 0,
    spent,
    s.awaiting.length > 0,
    s.blockedBy !== null,
    policy?.then,
    policy?.ladder.length,
    policy?.observe || rules.observe,
    node.tilt !== null,
    node.round.length > 0,
    below.some((other) => other?.phase === 'failed' || other?.phase === 'paused'),
    below.some((other) => other !== undefined && other.incident !== null),
    Object.values(node.services).some((other) => other.phase === 'restarting'),
    s.frozenUntil !== null,
    s.phase === 'failed' ? s.why.rule : '',
  ].join(' ');
};

/** Edges: from, to, and the labels of what leads there. */
export function edges(): ReadonlyMap<string, ReadonlySet<string>> {
  const seen = new Set<string>();
  const found = new Map<string, Set<string>>();
  const note = (from: Phase, to: Phase, label: string): void => {
    if (from === to) return;
    const key = `${from} --> ${to}`;
    const labels = found.get(key) ?? new Set();
    found.set(key, labels.add(label));
  };
  const look = (step: Step): void => {
    const [node] = step.decision;
    if (node.services === step.before.services) return;
    for (const [name, s] of Object.entries(node.services)) {
      if (s === step.before.services[name]) continue;
      const kind = kindOf(step, name, s);
      if (seen.has(kind)) continue;
      seen.add(kind);
      for (const { label, event } of everything(name, s, step.event.at + 1)) {
        const after = decide(step.rules, node, event)[0].services[name];
        if (after) note(s.phase, after.phase, label);
      }
    }
  };
  for (let seed = 1; seed <= SEEDS; seed++) {
    const world = new World(seed, look);
    world.start();
    world.run(RUN_MS, true);
  }
  return found;
}

const PHASES: readonly Phase[] = [
  'healthy',
  'suspect',
  'restarting',
  'verifying',
  'waiting',
  'switching',
  'failed',
  'paused',
  'relinquished',
];

/** The page `test/golden/edges.md`. */
export function diagram(): string {
  const found = edges();
  const lines = PHASES.flatMap((from) =>
    PHASES.flatMap((to) => {
      const labels = found.get(`${from} --> ${to}`);
      return labels ? [`  ${from} --> ${to}: ${[...labels].sort().join(', ')}`] : [];
    }),
  );
  return [
    '# The phases of one service',
    '',
    'Made by `npm run generate` from the core itself: every phase that simulated machines reach, and where each event',
    'leads from there. What is not drawn changes no phase.',
    '',
    '```mermaid',
    'stateDiagram-v2',
    '  [*] --> suspect: configured',
    ...lines,
    '```',
    '',
  ].join('\n');
}
