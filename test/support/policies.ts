// Policies for tests: short times, every key set.
import { defaultCures } from '../../src/core/ladder.ts';
import type { Policy, Rung, RungName, ServicePolicy } from '../../src/core/types.ts';

export const rung = (name: RungName): Rung => ({ name, cures: defaultCures[name] });

export const servicePolicy = (patch: Partial<ServicePolicy> = {}): ServicePolicy => ({
  depends: [],
  fall: 2,
  rise: 1,
  unknowns: 3,
  confirmMs: 5000,
  ladder: [rung('restart'), rung('kill-and-start')],
  attempts: 3,
  windowMs: 1_800_000,
  backoff: { firstMs: 1000, factor: 2, maxMs: 10_000 },
  repairMs: 20_000,
  verifyMs: 10_000,
  stableMs: 600_000,
  graceMs: 5000,
  settleMs: 0,
  byHandMs: 60_000,
  then: 'give-up',
  switchMs: 60_000,
  againMs: 3_600_000,
  observe: false,
  flap: { changes: 6, windowMs: 600_000, calmMs: 600_000 },
  ...patch,
});

export const policy = (services: Readonly<Record<string, ServicePolicy>>, patch: Partial<Policy> = {}): Policy => ({
  node: 'n1',
  services,
  observe: false,
  repairs: { max: 20, windowMs: 3_600_000, parallel: 1 },
  tilt: { stallMs: 10_000, share: 0.6, least: 3, windowMs: 10_000, limitMs: 60_000 },
  ...patch,
});
