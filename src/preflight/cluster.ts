// Criteria about the cluster as a whole: agreement, timing, copies, what nodes say of themselves.
import {
  ALONE,
  criterion,
  type Criterion,
  error,
  type Finding,
  groupsOf,
  type Look,
  modeOf,
  NO_DAEMON,
  warning,
} from './criterion.ts';

const several = ({ config }: Look): boolean => Object.keys(config.cluster?.policy.nodes ?? {}).length > 1;

export const quorum: readonly Criterion[] = [
  criterion('quorum.engine', 'Nodes agree through a coordinator', (look) => {
    if (!several(look)) return ALONE;
    return look.config.cluster?.engine === 'standalone'
      ? [error('the engine is standalone', 'use etcd: each node would agree with itself only')]
      : [];
  }),
  criterion('quorum.members', 'There are three members or more, an odd number', (look) => {
    if (!several(look)) return ALONE;
    const count = look.cluster?.members.length ?? Object.keys(look.config.cluster?.member?.initial ?? {}).length;
    if (count === 0) return 'the members are not known here';
    if (count < 3) return [error(`there are ${count}`, 'add a witness: with two, the loss of one stops all')];
    return count % 2 === 0
      ? [warning(`there are ${count}`, 'an even number stands no more faults: add or remove one')]
      : [];
  }),
  criterion('quorum.answer', 'All members answer', ({ cluster }) => {
    if (!cluster) return NO_DAEMON;
    return cluster.members
      .filter(({ ok }) => !ok)
      .map(({ name, detail }) => error(`${name}: ${detail}`, 'start it, and look at its log'));
  }),
  criterion('quorum.spare', 'One more member could fail', ({ cluster }) => {
    if (!cluster || cluster.members.length < 2) return 'there is one member only';
    const { members } = cluster;
    const spare = members.filter(({ ok }) => ok).length - (Math.floor(members.length / 2) + 1);
    return spare >= 1
      ? []
      : [error(`${Math.max(0, spare)} could`, 'bring the missing members back before anything else')];
  }),
  criterion('quorum.leader', 'There is one leader', ({ cluster }) => {
    if (!cluster || cluster.members.length === 0) return NO_DAEMON;
    const count = cluster.members.filter(({ leader }) => leader).length;
    return count === 1 ? [] : [error(`${count} members say that they lead`, 'look at the network between the members')];
  }),
  criterion(
    'quorum.data',
    'The data of the member are readable by its daemon only',
    ({ config, look }) => {
      const dir = config.cluster?.member?.dataDir;
      if (dir === undefined) return 'this daemon runs no member';
      const found = look(dir);
      if (!found) return 'it is not there yet';
      if ((found.mode & 0o077) === 0) return [];
      return [warning(`mode ${modeOf(found.mode)}`, `chmod 700 ${dir}`, { argv: ['chmod', '700', dir] })];
    },
    true,
  ),
];

const TIMES = 'change `cluster.timing`';

export const timing: readonly Criterion[] = [
  criterion('timing.silence', 'Silence lasts several renewals', ({ config }) => {
    const t = config.cluster?.policy.timing;
    if (!t) return ALONE;
    return t.silenceMs >= 5 * t.renewMs + t.marginMs
      ? []
      : [
          error(
            `${t.silenceMs} ms, renewed every ${t.renewMs} ms`,
            `${TIMES}: silence of at least five renewals and the margin`,
          ),
        ];
  }),
  criterion('timing.least', 'Silence is long enough for the kernel to take addresses away', ({ config }) => {
    const t = config.cluster?.policy.timing;
    if (!t) return ALONE;
    return t.silenceMs >= 1500
      ? []
      : [error(`${t.silenceMs} ms`, `${TIMES}: 1500 ms at the least, 3000 ms by default`)];
  }),
  criterion('timing.failsafe', 'Others are asked for their promise before it is too late', ({ config }) => {
    const t = config.cluster?.policy.timing;
    if (!t) return ALONE;
    return t.failsafeMs < t.silenceMs - t.marginMs
      ? []
      : [error(`after ${t.failsafeMs} ms`, `${TIMES}: failsafe must end before silence less its margin`)];
  }),
  criterion('timing.round-trip', 'The coordinator answers much faster than it is written to', ({ config, cluster }) => {
    const t = config.cluster?.policy.timing;
    if (!t || !cluster) return t ? NO_DAEMON : ALONE;
    return cluster.members
      .filter(({ ms }) => ms !== null && ms > t.renewMs / 2)
      .map(({ name, ms }) =>
        warning(
          `${name} needs ${Math.round(ms ?? 0)} ms, renewed every ${t.renewMs} ms`,
          'a faster disk or network for it, or longer times',
        ),
      );
  }),
  criterion('timing.objective', 'A failover can be over within its objective', (look) => {
    const t = look.config.cluster?.policy.timing;
    if (!t) return ALONE;
    return groupsOf(look).flatMap(({ name, policy }) => {
      const { rtoMs } = policy.objectives;
      const least = t.silenceMs + policy.failover.afterMs;
      return rtoMs !== null && rtoMs <= least
        ? [
            error(
              `${name}: ${rtoMs} ms are wanted, and nothing begins before ${least} ms`,
              'a longer objective, or shorter times',
            ),
          ]
        : [];
    });
  }),
];

export const replication: readonly Criterion[] = [
  criterion('replication.source', 'What may not be lost has a copy that is watched', (look) =>
    groupsOf(look).flatMap(({ name, policy }) =>
      policy.gate.kind !== 'none' && policy.sources.length === 0
        ? [error(`${name} asks for its copy and has no source`, 'name its sources of replication')]
        : [],
    ),
  ),
  criterion('replication.state', 'Every copy is healthy', (look) =>
    copies(look, ({ state, detail }) =>
      state === 'healthy' || state === 'synchronizing' ? null : `${state}: ${detail}`,
    ),
  ),
  criterion('replication.lag', 'Every copy is as near as the objective wants', (look) => {
    if (!look.cluster) return NO_DAEMON;
    return groupsOf(look).flatMap(({ name, policy }) => {
      const limit = policy.objectives.rpoMs;
      const found = limit === null ? [] : copiesOf(look, name).filter(({ copy }) => (copy.lagMs ?? 0) > limit);
      return found.map(({ node, copy }) =>
        error(`${name} on ${node} is ${copy.lagMs} ms behind`, 'find what keeps replication: disk, network, a queue'),
      );
    });
  }),
  criterion('replication.epoch', 'Every standby has the data of the newest owner', (look) => {
    if (!look.cluster) return NO_DAEMON;
    return groupsOf(look).flatMap(({ name, policy }) => {
      if (policy.sources.length === 0) return [];
      const rows = look.cluster?.groups.find((one) => one.name === name)?.nodes ?? [];
      const newest = Math.max(0, ...rows.map(({ dataEpoch }) => dataEpoch));
      return rows
        .filter(({ dataEpoch }) => dataEpoch < newest)
        .map(({ node, dataEpoch }) =>
          error(
            `${name} on ${node} is of epoch ${dataEpoch}, the newest is ${newest}`,
            'bring its copy up to date, or make it anew',
          ),
        );
    });
  }),
  criterion('replication.ready', 'Another node could take each group now', (look) => {
    if (!look.cluster) return NO_DAEMON;
    return look.cluster.groups
      .filter(({ name, nodes }) => (look.only === null || look.only === name) && nodes.length > 1)
      .filter(({ nodes }) => !nodes.some(({ ready, owner }) => ready && !owner))
      .map(({ name }) => error(`${name}: none`, `watchkeeper explain ${name} says why`));
  }),
];

interface Copy {
  readonly node: string;
  readonly copy: { readonly state: string; readonly lagMs: number | null; readonly detail: string };
}

const copiesOf = ({ cluster }: Look, group: string): readonly Copy[] =>
  (cluster?.groups.find(({ name }) => name === group)?.nodes ?? []).flatMap(({ node, owner, replication: copy }) =>
    copy && !owner ? [{ node, copy }] : [],
  );

function copies(look: Look, fault: (copy: Copy['copy']) => string | null): readonly Finding[] | string {
  if (!look.cluster) return NO_DAEMON;
  return groupsOf(look).flatMap(({ name }) =>
    copiesOf(look, name).flatMap(({ node, copy }) => {
      const why = fault(copy);
      return why === null ? [] : [error(`${name} on ${node}: ${why}`, 'look at the source on that node')];
    }),
  );
}

export const nodes: readonly Criterion[] = [
  criterion('nodes.unready', 'No node says that it lacks something that it would need', (look) => {
    if (!look.cluster) return NO_DAEMON;
    return look.cluster.groups
      .filter(({ name }) => look.only === null || look.only === name)
      .flatMap(({ name, nodes: all }) =>
        all.flatMap(({ node, owner, unready }) =>
          unready.map((text) =>
            (owner || text === 'not asked yet' ? warning : error)(
              `${name} on ${node}: ${text}`,
              `put it right on ${node}: preflight ${name} there says more`,
            ),
          ),
        ),
      );
  }),
];
