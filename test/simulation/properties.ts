// What must hold after every step of every simulated run, and at its end. Each property is a sentence; a failure names
// it with its seed and step.
import * as assert from 'uvu/assert';
import { decide } from '../../src/core/decide.ts';
import { curable, movable } from '../../src/core/ladder.ts';
import { isBusy } from '../../src/core/move.ts';
import type { Effect, NodeState, ServiceState } from '../../src/core/types.ts';
import { type Step, World } from './world.ts';

const busy = (s: ServiceState): boolean => isBusy(s.phase);

/** Watches one run. */
export class Properties {
  readonly raised = new Map<string, number>();
  /** The newest armed wake of each service. */
  readonly wakes = new Map<string, { at: number; epoch: number }>();
  edges = new Set<string>();

  readonly watch = (step: Step, world: World): void => {
    // Deciding everything twice costs most of the run: one step in twelve, by its number, is enough over many seeds.
    if (world.steps % 12 === world.seed % 12) this.#pure(step);
    this.#epochs(step);
    this.#acts(step, world);
    this.#notices(step);
    this.#alarmClocks(step);
  };

  #pure({ policy, before, event, decision }: Step): void {
    const again = decide(policy, JSON.parse(JSON.stringify(before)) as NodeState, JSON.parse(JSON.stringify(event)));
    assert.equal(JSON.stringify(again), JSON.stringify(decision), 'same input, also through JSON, same decision');
    for (const why of decision[2]) assert.ok(why.rule.length > 0 && why.text.length > 0, 'every decision has a reason');
  }

  #epochs({ before, event, decision }: Step): void {
    const after = decision[0];
    if ('epoch' in event && event.epoch !== before.services[event.service]?.epoch) {
      assert.equal(
        after.services[event.service]?.phase,
        before.services[event.service]?.phase,
        'a late answer moves nothing',
      );
      assert.not(
        decision[1].some((effect) => effect.kind === 'repair' && effect.service === event.service),
        'nor repairs',
      );
    }
    for (const [name, s] of Object.entries(after.services)) {
      const was = before.services[name];
      if (!was || was.phase === s.phase) continue;
      assert.ok(s.epoch > was.epoch, 'a change of phase bumps the epoch');
      this.edges.add(`${was.phase} --> ${s.phase}: ${event.kind}`);
    }
  }

  #acts({ policy, before, event, decision }: Step, world: World): void {
    const [after, effects] = decision;
    const repairs = effects.filter((effect) => effect.kind === 'repair');
    assert.ok(repairs.length <= policy.repairs.parallel, 'not more repairs at once than allowed');
    const acting = Object.values(after.services).filter((s) => s.phase === 'restarting').length;
    assert.ok(acting <= policy.repairs.parallel, 'one thing at a time');
    for (const effect of repairs) this.#repair(effect, { policy, before, event, decision }, world);
    if (world.onlyUnknown)
      assert.not(
        effects.some((e) => e.kind === 'repair' || e.kind === 'switchover'),
        'unknown never acts',
      );
    for (const effect of effects) {
      if (effect.kind !== 'switchover' || event.kind === 'booted') continue;
      const s = after.services[effect.service];
      const rules = policy.services[effect.service];
      const spent =
        s && rules && (s.attempts >= rules.attempts || s.repairs.length >= rules.attempts || after.strict !== null);
      const cause = s?.verdict?.cause ?? 'refusing';
      assert.ok(movable.includes(cause), `a switchover only against what stays behind, not ${cause}`);
      assert.ok(spent || (rules && !curable(rules, cause)), 'a switchover only after the ladder is at its end');
    }
    const recent = after.repairs.filter((time) => time > event.at - policy.repairs.windowMs).length;
    assert.ok(recent <= policy.repairs.max, 'the budget of the node holds');
  }

  #repair(effect: Extract<Effect, { kind: 'repair' }>, { policy, before, event, decision }: Step, world: World): void {
    const after = decision[0];
    const s = after.services[effect.service];
    const rules = policy.services[effect.service];
    if (!s || !rules) throw new Error('repair of nobody');
    assert.is(s.phase, 'restarting', 'who is repaired is in restarting');
    assert.ok(s.attempts <= rules.attempts, 'attempts never exceed the ladder');
    const inWindow = s.repairs.filter((time) => time > event.at - rules.windowMs).length;
    assert.ok(inWindow <= (after.strict === null ? rules.attempts : 1), 'the budget of the service holds');
    assert.not(policy.observe || rules.observe, 'observe-only repairs nothing');
    assert.is(after.tilt, null, 'nothing is repaired while the observer is suspect');
    assert.is(after.round.length, 0, 'nothing is repaired before the first round is complete');
    assert.ok(s.frozenUntil === null || s.frozenUntil <= event.at, 'a flapping service is not repaired');
    const cause = s.verdict?.cause ?? 'refusing';
    assert.is(s.verdict?.outcome, 'fail', 'only a failure is repaired');
    assert.ok(
      effect.rung.cures.includes(cause),
      `a rung only against what it can cure (${effect.rung.name}, ${cause})`,
    );
    for (const below of rules.depends) {
      const other = after.services[below];
      if (!other || cause === 'dead') continue;
      assert.ok(other.incident === null, `the root first: ${below} is at fault`);
    }
    assert.not(
      before.services[effect.service]?.phase === 'paused' && event.kind !== 'resumed',
      'a paused service is left alone',
    );
    assert.not(world.onlyUnknown, 'unknown never acts');
  }

  #notices({ before, decision }: Step): void {
    for (const effect of decision[1]) {
      if (effect.kind !== 'notice') continue;
      const { key, kind } = effect.notice;
      const open = this.raised.get(key) ?? 0;
      if (kind === 'raise') assert.is(open, 0, `${key} is raised once`);
      if (kind === 'clear') assert.is(open, 1, `${key} is cleared only after a raise`);
      if (kind !== 'once') this.raised.set(key, kind === 'raise' ? 1 : 0);
    }
    if (decision[0].alarms === before.alarms) return;
    const open = [...this.raised].filter(([, n]) => n === 1).map(([key]) => key);
    assert.equal(open.sort(), Object.keys(decision[0].alarms).sort(), 'alarms are the raises without their clears');
  }

  #alarmClocks({ before, event, decision }: Step): void {
    for (const effect of decision[1])
      if (effect.kind === 'wake') {
        assert.ok(effect.at > event.at, 'a wake lies in the future');
        this.wakes.set(effect.service, { at: effect.at, epoch: effect.epoch });
      }
    if (decision[0].services === before.services) return;
    for (const [name, s] of Object.entries(decision[0].services)) {
      if (busy(s)) assert.ok(s.wakeAt !== null, `busy ${s.phase} has an armed wake`);
      const changed = s !== before.services[name];
      if (!changed || s.wakeAt === null || event.kind === 'configured') continue;
      assert.equal(
        this.wakes.get(name),
        { at: s.wakeAt, epoch: s.epoch },
        `the wake of ${s.phase} is the one that is armed`,
      );
    }
  }
}

/** Alone with its alarm clocks, nothing busy stays so (suspect keeps asking; it says so). */
function wakesEnd(world: World): void {
  let node = world.node;
  let at = world.now;
  for (let n = 0; n < 60; n++) {
    at += 10_000_000;
    for (const name of world.names) {
      const s = node.services[name];
      if (!s || !busy(s)) continue;
      node = decide(world.policy, node, { kind: 'woke', at, service: name, epoch: s.epoch })[0];
    }
  }
  for (const [name, s] of Object.entries(node.services))
    assert.ok(!busy(s) || s.phase === 'suspect', `${name} hangs in ${s.phase}`);
}

/** When everything is truly well again, everything is found well, and no alarm stays. */
function heals(world: World): void {
  for (const name of world.names) world.truth.set(name, 'fine');
  world.quiet = true;
  for (const name of ['journal', 'configuration', 'history', 'state-lost'] as const)
    world.feed({ kind: 'condition', at: world.now, name, bad: false, detail: 'well' });
  world.run(1_500_000, false);
  if (world.onlyUnknown) return;
  for (const [name, s] of Object.entries(world.node.services)) {
    if (s.phase === 'relinquished') continue;
    assert.is(s.phase, 'healthy', `${name} is well and is seen so, not ${s.phase}: ${s.why.text}`);
  }
  assert.equal(Object.keys(world.node.alarms), [], 'no alarm stays when all is well');
}

export function simulate(seed: number): { readonly steps: number; readonly edges: ReadonlySet<string> } {
  const properties = new Properties();
  const world = new World(seed, properties.watch);
  try {
    world.start();
    world.run(30_000 + world.r.int(150_000), true);
    wakesEnd(world);
    heals(world);
  } catch (error) {
    (error as Error).message = `seed ${seed}, step ${world.steps}: ${(error as Error).message}`;
    throw error;
  }
  return { steps: world.steps, edges: properties.edges };
}
