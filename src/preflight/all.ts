// All criteria, in the order in which they are asked and shown.
import { addresses, kernel } from './addresses.ts';
import { boot } from './boot.ts';
import { folders, logs, space } from './machine.ts';
import { nodes, quorum, replication, timing } from './cluster.ts';
import { certificates, fencing, secrets } from './guarding.ts';
import { clocks } from './clocks.ts';
import type { Criterion, Finding, Look } from './criterion.ts';
import { dns, paths, ports } from './network.ts';
import { mail, users, versions } from './same.ts';
import { names } from './names.ts';
import { groupSteps } from './steps.ts';

export const criteria: readonly Criterion[] = [
  ...[...names, ...clocks, ...versions, ...mail, ...users],
  ...[...quorum, ...timing, ...paths, ...addresses, ...kernel, ...dns, ...ports],
  ...[...certificates, ...secrets, ...replication, ...nodes, ...groupSteps, ...fencing],
  ...[...folders, ...space, ...logs, ...boot],
];

export interface Judgement {
  readonly id: string;
  readonly about: string;
  readonly fixable: boolean;
  readonly outcome: 'ok' | 'warning' | 'error' | 'skipped';
  /** Why it could not be asked. */
  readonly skipped: string | null;
  readonly findings: readonly Finding[];
}

/** Asks one; a criterion that breaks is one that could not be asked. */
export async function judge(one: Criterion, look: Look): Promise<Judgement> {
  const { id, about, fixable } = one;
  const judged = await one.check(look).catch((fault: Error) => `it broke: ${fault.message}`);
  if (typeof judged === 'string') return { id, about, fixable, outcome: 'skipped', skipped: judged, findings: [] };
  const worst = judged.some(({ level }) => level === 'error') ? 'error' : 'warning';
  return { id, about, fixable, outcome: judged.length === 0 ? 'ok' : worst, skipped: null, findings: judged };
}
