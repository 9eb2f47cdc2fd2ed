// Policies of groups for tests: short times, every key set.
import type { GroupPolicy, StepPolicy } from '../../src/core/group-types.ts';

export const stepPolicy = (name: string, patch: Partial<StepPolicy> = {}): StepPolicy => ({
  ...{ name, type: name, scope: 'node', pivot: false, exclusive: true, prepares: false, timeoutMs: 1500, tries: 2 },
  ...patch,
});

export const groupPolicy = (patch: Partial<GroupPolicy> = {}): GroupPolicy => ({
  ...{ services: [], standby: 'stopped', nodes: ['n1', 'n2'], weight: 1 },
  failover: { mode: 'automatic', afterMs: 0, confirmMs: 4000, otherwise: 'move' },
  switchback: { mode: 'manual', dwellMs: 8000 },
  blockMs: 60_000,
  gate: { kind: 'none' },
  steps: [
    stepPolicy('service', { prepares: true }),
    stepPolicy('address', { pivot: true }),
    stepPolicy('dns', { scope: 'shared', exclusive: false }),
  ],
  sources: [],
  objectives: { rtoMs: null, rpoMs: null },
  factsMs: 2500,
  ...patch,
});
