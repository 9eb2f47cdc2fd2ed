// What must come true in the end, when nothing hinders it any more: each group is in service on one node, and
// everything says so; nobody is alarmed.
import * as assert from 'uvu/assert';
import type { OwnerRecord } from '../../src/core/group-types.ts';
import { ownerKey, requestKey } from './cluster-daemon.ts';
import { acknowledge, confirm } from './cluster-mischief.ts';
import type { Cluster } from './cluster-world.ts';

/** Peace: everything is whole again, and whoever is asked says yes. */
function peace(c: Cluster): void {
  c.note('peace');
  c.quiet = true;
  c.net.cut.clear();
  c.net.slow = false;
  c.store.slowMs = 0;
  c.store.recover();
  c.slowDisk.clear();
  c.failing.clear();
  for (const [name, machine] of c.machines) {
    if (machine.frozen) machine.thaw();
    if (machine.stopped) machine.resume();
    c.powerOn(name);
    c.boot(name);
    for (const group of c.groups) {
      machine.place(group).hangs = false;
      const truth = c.truthOf(name, group);
      Object.assign(truth, { maintenance: false, unready: false, health: 'ok' });
      if (truth.replication) truth.replication = c.copy('healthy', 0);
    }
  }
}

export function heals(c: Cluster): void {
  peace(c);
  for (let n = 0; n < 20; n++) {
    c.queue.runUntil(c.queue.now + 8_000);
    if (c.groups.every((group) => isWell(c, group))) break;
    for (const group of c.groups) {
      // Without a person a group may wait for ever, and says so.
      const { mode } = c.policies[group]?.failover ?? {};
      if (mode === 'manual' && n > 6 && !owned(c, group))
        c.store.put(requestKey(group), {
          ...{ verb: 'failover', to: null, by: 'op', id: `end${n}`, comment: '' },
          force: ['block', 'failed-before', 'data-loss', 'old-data'],
        });
      confirm(c, group, true);
      acknowledge(c, group);
    }
  }
  for (const group of c.groups) settled(c, group);
}

const roles = (c: Cluster, group: string): string =>
  [...c.daemons]
    .map(([name, d]) => `${name} ${d.node.groups?.[group]?.role} (${d.node.groups?.[group]?.why.text})`)
    .join('; ');

const owned = (c: Cluster, group: string): boolean =>
  [...c.daemons.values()].some((d) => d.node.groups?.[group]?.role === 'active');

function isWell(c: Cluster, group: string): boolean {
  try {
    settled(c, group);
    return true;
  } catch {
    return false;
  }
}

/** I-21, I-22, I-24. */
function settled(c: Cluster, group: string): void {
  const states = [...c.daemons.values()].map((d) => [d.machine.name, d.node.groups?.[group]] as const);
  const active = states.filter(([, s]) => s?.role === 'active').map(([name]) => name);
  // One node cannot carry two, or the one that is to take it only looks on.
  const gate = (c.groups.length > 1 && c.seed % 5 === 0) || c.seed % 37 === 0;
  if (active.length === 0 && gate) return excused(c, group);
  assert.is(active.length, 1, `I-24: ${group} is active on one node: ${roles(c, group)}`);
  const [home = ''] = active;
  const record = c.store.get(ownerKey(group)).value as OwnerRecord | null;
  assert.is(record?.node, home, 'the record says so');
  assert.ok(c.machine(home).answers(group), `its address answers: ${roles(c, group)}`);
  const names = c.policies[group]?.steps.map((step) => step.name) ?? [];
  if (names.includes('service')) assert.ok(c.machine(home).runs(group), 'its service runs');
  if (names.includes('dns')) assert.is(c.dns.get(group), home, 'the name points to it');
  for (const [name, state] of states) {
    assert.is(state?.saga, null, `${name} has nothing under way: ${roles(c, group)}`);
    assert.is(state?.request, null, `${name}: no request stays for ever`);
    if (name === home) continue;
    assert.is(state?.role, 'standby', `${name} stands by`);
    assert.is(state?.dirty, false, `nothing is left on ${name}`);
    assert.not(c.machine(name).answers(group), `the address is not on ${name}`);
    if (names.includes('service')) assert.not(c.machine(name).runs(group), `its service does not run on ${name}`);
  }
  assert.is(c.store.get(requestKey(group)).value, null, 'no request stays for ever');
  for (const d of c.daemons.values()) {
    const left = Object.keys(d.node.alarms).filter((key) => key.startsWith(`group/${group}/`));
    assert.equal(left, [], `I-21: no alarm stays on ${d.machine.name}`);
    for (const [name, s] of Object.entries(d.node.services))
      if (d.machine.name === home && c.policies[group]?.services.includes(name))
        assert.is(s.phase, 'healthy', `${name} is seen to be well on ${home}`);
  }
}

/** A gate that stays shut: somebody must be told. */
function excused(c: Cluster, group: string): void {
  const told = [...c.daemons.values()].some((d) =>
    Object.keys(d.node.alarms).some((key) => key.startsWith(`group/${group}/`)),
  );
  assert.ok(told, `I-22: ${group} is nowhere, and somebody is told`);
}
