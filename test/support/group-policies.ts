// Policies of groups for tests: short times, every key set.
import type { GroupPolicy, StepPolicy, Timing } from '../../src/core/group-types.ts';

export const TIMING: Timing = { silenceMs: 3000, renewMs: 200, marginMs: 300, failsafeMs: 1000 };

export const stepPolicy = (patch: Partial<StepPolicy> & Pick<StepPolicy, 'name'>): StepPolicy => ({
  ...{ type: 'note', scope: 'node', pivot: false, exclusive: true, prepares: false, timeoutMs: 5000, tries: 2 },
  ...patch,
});

export const groupPolicy = (patch: Partial<GroupPolicy> = {}): GroupPolicy => ({
  ...{ services: [], standby: 'running', nodes: ['n1', 'n2'], weight: 1 },
  failover: { mode: 'automatic', afterMs: 0, confirmMs: 60_000, otherwise: 'stay' },
  switchback: { mode: 'manual', dwellMs: 60_000 },
  ...{ blockMs: 3_600_000, gate: { kind: 'none' }, sources: [], factsMs: 15_000 },
  steps: [
    stepPolicy({ name: 'store' }),
    stepPolicy({ name: 'address', pivot: true }),
    stepPolicy({ name: 'zone', scope: 'shared' }),
  ],
  objectives: { rtoMs: null, rpoMs: null },
  ...patch,
});
