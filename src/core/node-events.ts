// What an event means for the whole node: a start, a new configuration, trouble of the daemon itself.
import { condition, keyed, renamed } from './alarms.ts';
import type { EventName } from './catalogue.ts';
import { initial, isBusy } from './move.ts';
import type { ConditionName, Event, NodeState, Policy, ServiceState } from './types.ts';
import { move, say, tell, type Work } from './work.ts';

export function booted(work: Work, event: Extract<Event, { kind: 'booted' }>): void {
  const names = Object.keys(work.policy.services);
  const away = Object.values(work.node.services).filter((s) => !isBusy(s.phase) && s.phase !== 'healthy').length;
  work.node = { ...work.node, round: names, tilt: null, doubts: {} };
  if (event.fresh) say(work, 'booted', `started with ${names.length} services; nothing is known yet`);
  else say(work, 'booted', `started again with ${names.length} services, ${away} of them kept as they were`);
  tell(work, null, null, { event: 'daemon-started', summary: `watching ${names.length} services`, action: 'looking' });
  for (const name of names) move(work, name, event);
  // Who is kept as it was (paused, failed, switching) is not asked for a first word.
  const asked = names.filter((name) => work.node.services[name]?.phase === 'suspect');
  work.node = { ...work.node, round: asked };
}

/** A new policy: new services are looked at, gone ones end with their alarms, the rest stay as they are. */
export function configured(work: Work, policy: Policy): void {
  const next: Work = { ...work, policy };
  const known = work.node.services;
  const services: Record<string, ServiceState> = {};
  for (const name of Object.keys(policy.services))
    services[name] = Object.hasOwn(known, name) ? (known[name] as ServiceState) : { ...initial(name), since: work.at };
  const round = work.node.round.filter((name) => name in services);
  const doubts = Object.fromEntries(Object.entries(work.node.doubts).filter(([name]) => name in services));
  const [alarms, notices] = renamed(work.policy, policy, work.node.alarms, work.at);
  next.node = { ...work.node, services, round, doubts, alarms };
  next.own = true;
  const added = Object.keys(services).filter((name) => !(name in known));
  const gone = Object.keys(known).filter((name) => !(name in services));
  const text = [
    `${Object.keys(services).length} services`,
    added.length > 0 ? `new: ${added.join(', ')}` : '',
    gone.length > 0 ? `gone: ${gone.join(', ')}` : '',
  ]
    .filter((part) => part !== '')
    .join('; ');
  say(next, 'configured', text);
  tell(next, null, null, { event: 'configuration-loaded', summary: text, action: 'in force' });
  for (const notice of notices) next.effects.push({ kind: 'notice', notice });
  const booting = { kind: 'booted', at: work.at, fresh: true } as const;
  for (const name of added) move(next, name, booting);
  work.node = next.node;
}

const CONDITIONS: Readonly<Record<ConditionName, EventName>> = {
  configuration: 'configuration-refused',
  journal: 'journal-trouble',
  'state-lost': 'state-lost',
  history: 'history-trouble',
  secrets: 'secret-unreadable',
  plugin: 'plugin-trouble',
  outbox: 'outbox-trouble',
  channel: 'channel-trouble',
  agent: 'agent-trouble',
  coordinator: 'coordinator-trouble',
  member: 'member-down',
};

/** While these are bad, budgets are stricter: what was done before may have been forgotten, or will be. */
const STRICT: ReadonlySet<ConditionName> = new Set(['journal', 'state-lost']);

export function onCondition(work: Work, event: Extract<Event, { kind: 'condition' }>): void {
  const name = CONDITIONS[event.name];
  const [alarms, notices] = condition(work.policy, work.node.alarms, name, event.bad, event.detail, work.at);
  const before = work.node;
  const strict = STRICT.has(event.name)
    ? event.bad
      ? event.detail
      : anyStrict(alarms)
        ? before.strict
        : null
    : before.strict;
  if (alarms === before.alarms && strict === before.strict) return;
  work.node = { ...before, alarms, strict };
  for (const notice of notices) work.effects.push({ kind: 'notice', notice });
  say(work, name, event.bad ? event.detail : `over: ${event.detail}`);
}

const COPY = { ok: null, warn: 'replication-behind', fail: 'replication-failed' } as const;

export function onCopy(work: Work, { of, source, level, detail }: Extract<Event, { kind: 'copy' }>): void {
  const summary = `${of}: ${source}: ${detail}`;
  const { alarms: before } = work.node;
  const key = `copy/${of}/${source}`;
  const [alarms, notices] = keyed(work.policy, before, key, COPY[level], summary, work.at);
  if (alarms === before) return;
  work.node = { ...work.node, alarms };
  for (const notice of notices) work.effects.push({ kind: 'notice', notice });
  say(work, level === 'ok' ? 'copy-well' : (COPY[level] ?? 'copy'), summary);
}

const anyStrict = (alarms: NodeState['alarms']): boolean =>
  Object.values(alarms).some((alarm) => alarm.event === 'journal-trouble' || alarm.event === 'state-lost');
