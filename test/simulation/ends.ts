// What must come true in the end, when nothing hinders it any more.
import * as assert from 'uvu/assert';
import { decide } from '../../src/core/decide.ts';
import { isBusy } from '../../src/core/move.ts';
import type { World } from './world.ts';

/** Alone with its alarm clocks, nothing busy stays so, but suspect: it keeps asking, and says so. */
export function wakesEnd(world: World): void {
  let { node } = world;
  let at = world.now;
  for (let n = 0; n < 60; n++) {
    at += 10_000_000;
    for (const name of world.names) {
      const s = node.services[name];
      if (!s || !(isBusy(s.phase) || s.phase === 'paused')) continue;
      node = decide(world.policy, node, { kind: 'woke', at, service: name, epoch: s.epoch })[0];
    }
  }
  for (const [name, s] of Object.entries(node.services)) {
    assert.ok(!isBusy(s.phase) || s.phase === 'suspect', `${name} hangs in ${s.phase}`);
    assert.ok(s.phase !== 'paused', `${name} is paused for ever`);
    if (s.phase === 'suspect' && s.incident === null)
      assert.ok(node.alarms[`service/${name}/unknown`], `nobody can tell how ${name} is, and nobody is told`);
  }
  assert.equal(node.round, [], 'the first round ends');
}

/** When everything is truly well again, everything is found well, and no alarm stays. */
export function heals(world: World): void {
  for (const name of world.names) world.truth.set(name, 'fine');
  world.quiet = true;
  for (const name of ['journal', 'configuration', 'history', 'state-lost'] as const)
    world.feed({ kind: 'condition', at: world.now, name, bad: false, detail: 'well' });
  world.run(1_500_000, false);
  if (world.onlyUnknown) return;
  for (const [name, s] of Object.entries(world.node.services)) {
    if (s.phase === 'relinquished') continue;
    assert.is(s.phase, 'healthy', `${name} is well and is seen so, not ${s.phase}: ${s.why.text}`);
    assert.is(s.attempts, 0, `${name} is stable`);
  }
  assert.equal(Object.keys(world.node.alarms), [], 'no alarm stays when all is well');
  assert.is(world.node.tilt, null);
}

/** When every process dies and a repair helps, every service is brought back, whatever happened before. */
export function mends(world: World): void {
  const { policy, node } = world;
  const hopeless = Object.entries(policy.services).some(
    ([name, rules]) => rules.ladder.length === 0 || rules.observe || node.services[name]?.phase === 'relinquished',
  );
  if (world.onlyUnknown || policy.observe || hopeless) return;
  for (const name of world.names) {
    world.truth.set(name, 'dead');
    world.stubborn.set(name, 0);
  }
  world.run(1_300_000, false);
  for (const [name, s] of Object.entries(world.node.services))
    assert.is(s.phase, 'healthy', `${name} can be repaired and is not: ${s.phase}, ${s.why.text}`);
}
