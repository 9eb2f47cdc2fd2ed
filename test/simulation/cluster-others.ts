// What a simulated daemon says of itself, and how it asks the others: for a survey, and for their promise.
import type { SurveyReason } from '../../src/core/group-events.ts';
import type { Candidate } from '../../src/core/group-types.ts';
import type { Daemon } from './cluster-daemon.ts';

export type Facts = Omit<Candidate, 'reachable' | 'ageMs'>;
export type Told = readonly (readonly [string, Facts])[];

const SURVEY_MS = 150;
const ASK_MS = 400;

export function factsOf(daemon: Daemon, group: string): Facts {
  const { cluster, machine, timing } = daemon;
  const state = daemon.node.groups?.[group];
  const truth = cluster.truthOf(machine.name, group);
  const load = cluster.groups.filter((other) => other !== group && daemon.node.groups?.[other]?.role === 'active');
  const failedAt = state?.failedAt ?? null;
  return {
    node: machine.name,
    maintenance: truth.maintenance,
    settled: daemon.heard && daemon.at >= daemon.startedAt + timing.silenceMs && daemon.node.round.length === 0,
    unready: truth.unready ? ['it is not ready'] : [],
    health: truth.health,
    replication: truth.replication,
    dataEpoch: state?.dataEpoch ?? 0,
    load: load.length,
    // Also while it is active: whoever asks wants to know whether anything is in place there.
    dirty: state?.dirty ?? true,
    holding: (state?.role ?? 'standby') !== 'standby',
    failedMsAgo: failedAt === null ? null : daemon.at - failedAt,
  };
}

const othersOf = ({ cluster, machine }: Daemon): readonly string[] =>
  cluster.names.filter((name) => name !== machine.name);

/** Who answers over a comm path says the newest of itself; of the rest, what the coordinator shows, with its age. */
export function survey(daemon: Daemon, group: string, turn: number, why: SurveyReason): void {
  const { cluster, machine } = daemon;
  const heard = new Map<string, Facts>();
  for (const other of othersOf(daemon))
    cluster.call(
      daemon,
      other,
      (peer) => peer.facts(group),
      (facts) => void heard.set(other, facts),
    );
  daemon.later(SURVEY_MS, () => {
    const candidates = cluster.names.flatMap((name): Candidate[] => {
      if (name === machine.name) return [{ ...daemon.facts(group), reachable: true, ageMs: 0 }];
      const told = daemon.told.get(name);
      const live = heard.get(name);
      const facts = live ?? told?.facts.find(([one]) => one === group)?.[1];
      if (!facts) return [];
      const ageMs = live ? 0 : daemon.at - (told?.at ?? 0);
      return [{ ...facts, reachable: ageMs <= (daemon.policy.groups?.[group]?.factsMs ?? 0), ageMs }];
    });
    const seen = { candidates, answering: [...heard.keys()] };
    daemon.feed({ kind: 'group-surveyed', group, turn, why, survey: seen, hours: true });
  });
}

/** Failsafe: all others must agree. */
export function askAll(daemon: Daemon, group: string, epoch: number): void {
  const { cluster, machine } = daemon;
  const sentAt = daemon.at;
  const others = othersOf(daemon);
  const agreed = new Set<string>();
  for (const other of others)
    cluster.call(
      daemon,
      other,
      (peer) => peer.promise(group, machine.name, epoch),
      (yes) => void (yes && agreed.add(other)),
    );
  daemon.later(ASK_MS, () => {
    daemon.own(group, { kind: 'promised', sentAt: agreed.size === others.length ? sentAt : null });
  });
}
