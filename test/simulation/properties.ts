// What must hold after every step of every simulated run, and at its end (ends.ts). Each property is a sentence; a
// failure names it with its seed and step.
import * as assert from 'uvu/assert';
import { decide } from '../../src/core/decide.ts';
import { curable, movable } from '../../src/core/ladder.ts';
import { isBusy } from '../../src/core/move.ts';
import type { Effect, Event, NodeState, Rung, ServicePolicy, ServiceState } from '../../src/core/types.ts';
import { heals, mends, wakesEnd } from './ends.ts';
import { Telling } from './telling.ts';
import { type Step, World } from './world.ts';

const same = (a: unknown, b: unknown): boolean => a === b || JSON.stringify(a) === JSON.stringify(b);

/** Frozen to the ground: who writes into what it was given is caught. */
function frozen<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    for (const part of Object.values(value)) frozen(part);
    Object.freeze(value);
  }
  return value;
}

/** A state never grows beyond this, whatever happens: characters of JSON for each service, and for the node. */
const SERVICE_BOUND = 4000;
const NODE_BOUND = 4000;

/** Watches one run. */
export class Properties {
  readonly #raised = new Set<string>();
  /** The newest armed wake of each service. */
  readonly #wakes = new Map<string, { at: number; epoch: number }>();
  /** When each service was last seen failing, by an answer that counted. */
  readonly #failed = new Map<string, number>();
  /** Services that this node does not own: kept apart from the state on purpose. */
  readonly #away = new Set<string>();
  readonly edges = new Set<string>();
  readonly #telling = new Telling();

  readonly watch = (step: Step, world: World): void => {
    // Deciding everything twice costs most of the run: one step in sixty, by its number, is enough over many seeds.
    if (world.steps % 60 === world.seed % 60) this.#pure(step);
    this.#remember(step);
    this.#epochs(step);
    this.#acts(step, world);
    this.#evidence(step);
    this.#notices(step);
    this.#shape(step);
    this.#alarmClocks(step);
    this.#telling.watch(step);
  };

  #pure({ policy, before, event, decision }: Step): void {
    const input = frozen(JSON.parse(JSON.stringify(before)) as NodeState);
    const again = decide(policy, input, frozen(JSON.parse(JSON.stringify(event)) as Event));
    assert.equal(JSON.stringify(again), JSON.stringify(decision), 'same input, also through JSON, same decision');
    for (const why of decision[2]) assert.ok(why.rule.length > 0 && why.text.length > 0, 'every decision has a reason');
    const [after] = decision;
    const names = Object.keys(after.services).length;
    assert.ok(JSON.stringify(after).length <= NODE_BOUND + names * SERVICE_BOUND, 'the state has a bound');
    if (!('epoch' in event && 'service' in event) || after.services[event.service]?.epoch === event.epoch) return;
    const [twice, effects] = decide(policy, after, event);
    assert.ok(same(twice.services, after.services), 'an answer that came twice counts once');
    assert.not(
      effects.some((e) => e.kind === 'repair' || e.kind === 'switchover' || e.kind === 'stop'),
      'nor acts twice',
    );
  }

  #remember({ before, event }: Step): void {
    // A service that was taken out and comes back is a new one: who owns it is said anew.
    if (event.kind === 'configured')
      for (const name of this.#away) if (!(name in event.policy.services)) this.#away.delete(name);
    if (!('service' in event)) return;
    const { service } = event;
    const was = before.services[service];
    if (event.kind === 'evicted') this.#away.add(service);
    else if (event.kind === 'acquired') this.#away.delete(service);
    else if (event.kind === 'switched' && event.ok && was?.phase === 'switching' && was.epoch === event.epoch)
      this.#away.add(service);
    else if (event.kind === 'died') this.#failed.set(service, event.at);
    else if (event.kind === 'checked' && event.verdict.outcome === 'fail' && event.epoch === was?.epoch)
      this.#failed.set(service, event.at);
  }

  #epochs({ before, event, decision }: Step): void {
    const after = decision[0];
    const late = 'service' in event && 'epoch' in event && event.epoch !== before.services[event.service]?.epoch;
    const idle = event.kind === 'stepped' || event.kind === 'condition';
    if (late || idle)
      for (const [name, s] of Object.entries(after.services)) {
        const was = before.services[name];
        // The end of a doubt is noticed at any event: those who waited for it are asked anew.
        const thawed = before.tilt !== null && after.tilt === null && was?.waitsFor === 'tilt';
        assert.ok(s === was || thawed, `${late ? 'a late answer' : event.kind} changes no service, not ${name}`);
      }
    for (const [name, s] of Object.entries(after.services)) {
      const was = before.services[name];
      if (!was || was === s) continue;
      assert.ok(s.epoch >= was.epoch, 'epochs never go back');
      assert.ok(s.incidents >= was.incidents, 'nor do the numbers of incidents');
      if (was.phase === s.phase) continue;
      assert.ok(s.epoch > was.epoch, 'a change of phase bumps the epoch');
      this.edges.add(`${was.phase} --> ${s.phase}: ${event.kind}`);
    }
  }

  #acts(step: Step, world: World): void {
    const { rules, event, decision } = step;
    const [after, effects, whys] = decision;
    const repairs = effects.filter((effect) => effect.kind === 'repair');
    assert.ok(repairs.length <= rules.repairs.parallel, 'not more repairs at once than allowed');
    if (repairs.length > 0) {
      const acting = Object.values(after.services).filter((s) => s.phase === 'restarting').length;
      assert.ok(acting <= rules.repairs.parallel, 'one thing at a time');
      const recent = after.repairs.filter((time) => time > event.at - rules.repairs.windowMs).length;
      assert.ok(recent <= rules.repairs.max, 'the budget of the node holds');
    }
    for (const effect of effects) {
      if (effect.kind !== 'repair' && effect.kind !== 'switchover' && effect.kind !== 'stop') continue;
      const why = whys.find((one) => one.service === effect.service);
      assert.ok(
        why && same(why, after.services[effect.service]?.why),
        `every ${effect.kind} has a reason that is kept`,
      );
      if (effect.kind === 'stop') assert.is(event.kind, 'evicted', 'only what is taken away is stopped');
      else this.#act(effect, step, world);
    }
  }

  /** What a repair and a switchover have in common, and what each needs. */
  #act(effect: Extract<Effect, { kind: 'repair' | 'switchover' }>, step: Step, world: World): void {
    const [after] = step.decision;
    const s = after.services[effect.service];
    const rules = step.rules.services[effect.service];
    if (!s || !rules) throw new Error(`${effect.kind} of nobody`);
    assert.not(this.#away.has(effect.service), 'a node that does not own a service leaves it alone');
    assert.is(s.epoch, effect.epoch, 'an effect carries the epoch under which it is answered');
    if (effect.kind === 'switchover' && step.event.kind === 'booted') return; // One that was under way is resumed.
    assert.not(world.onlyUnknown, 'unknown never acts');
    assert.not(step.rules.observe || rules.observe, 'observe-only does nothing');
    assert.is(after.tilt, null, 'nothing is done while the observer is suspect');
    assert.is(after.round.length, 0, 'nothing is done before the first round is complete');
    assert.is(s.verdict?.outcome, 'fail', 'only a failure is acted upon');
    assert.ok(s.incident !== null, 'and it is an incident');
    if (effect.kind === 'repair') this.#repair(effect, s, rules, step);
    else this.#switchover(s, rules, after);
  }

  #switchover(s: ServiceState, rules: ServicePolicy, after: NodeState): void {
    const cause = s.verdict?.cause ?? 'refusing';
    const spent = s.attempts >= rules.attempts || s.repairs.length >= rules.attempts || after.strict !== null;
    assert.is(rules.then, 'switchover', 'a switchover only where it is configured');
    assert.ok(movable.includes(cause), `a switchover only against what stays behind, not ${cause}`);
    assert.ok(spent || !curable(rules, s.verdict), 'a switchover only after the ladder is at its end');
  }

  #repair(effect: Extract<Effect, { kind: 'repair' }>, s: ServiceState, rules: ServicePolicy, step: Step): void {
    const { before, event, decision } = step;
    const [after] = decision;
    const was = before.services[effect.service];
    assert.is(s.phase, 'restarting', 'who is repaired is in restarting');
    assert.ok(s.attempts <= rules.attempts, 'attempts never exceed the ladder');
    assert.is(s.attempts, (was?.attempts ?? 0) + 1, 'each repair is one attempt');
    assert.is(effect.attempt, s.attempts, 'and says which');
    const inWindow = s.repairs.filter((time) => time > event.at - rules.windowMs).length;
    assert.ok(inWindow <= (after.strict === null ? rules.attempts : 1), 'the budget of the service holds');
    assert.ok(s.repairs.includes(event.at) && after.repairs.includes(event.at), 'and every repair is charged to both');
    assert.ok((was?.frozenUntil ?? 0) <= event.at, 'a flapping service is not repaired');
    const cause = s.verdict?.cause ?? 'refusing';
    const part = s.verdict?.part ?? '';
    const knows = (one: Rung): boolean => one.name !== 'part' || (one.parts ?? []).includes(part);
    const able = rules.ladder.filter((one) => one.cures.includes(cause) && knows(one));
    if (effect.rung.name === 'part') assert.is(effect.part, part, 'the part that is at fault, and no other');
    assert.ok(able.includes(effect.rung), `a rung only against what it can cure (${effect.rung.name}, ${cause})`);
    const tried = was?.tried ?? [];
    const names = able.map((one) => (one.name === 'part' ? `part ${part}` : one.name));
    const mildest = able.find((_, index) => !tried.includes(names[index] ?? '')) ?? able.at(-1);
    assert.is(effect.rung, mildest, 'the mildest rung that was not tried; the last again when all were');
    assert.equal(s.tried, [...tried, names[able.indexOf(effect.rung)]], 'and it counts as tried');
    const seen = this.#failed.get(effect.service) ?? Number.NEGATIVE_INFINITY;
    assert.ok(event.at - seen <= rules.confirmMs, 'each repair is preceded by a fresh look');
    assert.ok(was?.phase !== 'paused', 'a paused service is left alone');
    const open = (was?.awaiting ?? []).filter((other) => !('service' in event) || other !== event.service);
    const waits = cause !== 'dead' && was?.phase === 'suspect' ? open : [];
    assert.equal(waits, [], 'what it depends on is asked first');
    for (const below of rules.depends) {
      if (cause === 'dead') continue;
      const other = after.services[below];
      assert.ok(!other || other.incident === null, `the root first: ${below} is at fault`);
      assert.ok(other?.phase !== 'paused', `nor while ${below} is being worked on`);
    }
  }

  /** Evidence that could not be gathered refutes nothing: what was seen of the same failure decides the repair. */
  #evidence({ before, event, decision }: Step): void {
    if (event.kind !== 'checked' || event.epoch !== before.services[event.service]?.epoch) return;
    const was = before.services[event.service];
    const known = was?.verdict?.seen;
    const { unseen, check, cause } = event.verdict;
    const again = known && unseen?.includes(known.by) && known.check === check && known.cause === cause;
    if (!again || (was?.phase === 'verifying' && was.rung !== null)) return;
    const repair = decision[1].find((effect) => effect.kind === 'repair' && effect.service === event.service);
    if (!repair) return;
    const now = decision[0].services[event.service]?.verdict;
    assert.equal([now?.cause, now?.part], [was?.verdict?.cause, was?.verdict?.part], 'what was seen holds');
  }

  #notices({ before, decision }: Step): void {
    for (const effect of decision[1]) {
      if (effect.kind !== 'notice' || effect.notice.kind === 'once' || effect.again) continue;
      const { key, kind } = effect.notice;
      if (kind === 'raise') assert.not(this.#raised.has(key), `${key} is raised once`);
      else assert.ok(this.#raised.has(key), `${key} is cleared only after a raise`);
      if (kind === 'raise') this.#raised.add(key);
      else this.#raised.delete(key);
    }
    if (decision[0].alarms === before.alarms) return;
    const open = [...this.#raised].sort();
    assert.equal(open, Object.keys(decision[0].alarms).sort(), 'alarms are the raises without their clears');
  }

  /** What every state looks like, wherever it came from. */
  #shape({ rules, before, event, decision }: Step): void {
    const [after] = decision;
    if (after === before) return;
    if (event.kind === 'configured') {
      assert.equal(Object.keys(after.services), Object.keys(event.policy.services), 'what is configured is watched');
      for (const alarm of Object.values(after.alarms))
        assert.ok(alarm.service === null || after.services[alarm.service], 'what is gone leaves no alarm');
      for (const name of Object.keys(before.services))
        if (name in after.services) assert.is(after.services[name], before.services[name], 'what stays stays as it is');
      assert.is(after.repairs, before.repairs, 'budgets outlive a reload');
    }
    for (const name of after.round)
      assert.is(after.services[name]?.phase, 'suspect', 'the round waits for no one else');
    for (const [name, s] of Object.entries(after.services)) {
      if (s === before.services[name]) continue;
      const policy = rules.services[name];
      assert.ok(s.flips.length <= Math.max(policy?.flap.changes ?? 0, 6), 'memory of falls has a bound');
      assert.ok(s.attempts >= 0 && s.repairs.length <= 6, 'so has memory of repairs');
      assert.is(s.tried?.length, s.attempts, 'each attempt is known');
      assert.is(s.phase === 'paused', s.pause !== null, 'paused has a pause');
      if (s.pause) assert.is(s.wakeAt, s.pause.until, 'and every pause ends');
      if (s.phase === 'healthy') assert.ok(s.incident === null && s.blockedBy === null, 'well is well');
      if (s.incident === null) continue;
      const alarm = after.alarms[`service/${name}/failing`] ?? after.alarms[`service/${name}/blocked`];
      assert.ok(alarm, `an open incident of ${name} has an alarm`);
      if (s.phase === 'failed') assert.ok(after.alarms[`service/${name}/given-up`], 'giving up is loud');
    }
  }

  #alarmClocks({ before, event, decision }: Step): void {
    for (const effect of decision[1])
      if (effect.kind === 'wake') {
        assert.ok(effect.at > event.at, 'a wake lies in the future');
        this.#wakes.set(effect.service, { at: effect.at, epoch: effect.epoch });
      }
    if (decision[0].services === before.services) return;
    for (const [name, s] of Object.entries(decision[0].services)) {
      const changed = s !== before.services[name];
      if (isBusy(s.phase)) assert.ok(s.wakeAt !== null, `busy ${s.phase} has an armed wake`);
      if (!changed || s.wakeAt === null) continue;
      const wake = this.#wakes.get(name);
      assert.ok(wake?.at === s.wakeAt && wake.epoch === s.epoch, `the wake of ${s.phase} is the one that is armed`);
    }
  }
}

export interface Run {
  readonly steps: number;
  readonly edges: ReadonlySet<string>;
}

export function simulate(seed: number): Run {
  const properties = new Properties();
  const world = new World(seed, properties.watch);
  try {
    world.start();
    world.run(30_000 + world.r.int(150_000), true);
    wakesEnd(world);
    heals(world);
    if (seed % 8 === 0) mends(world);
  } catch (error) {
    (error as Error).message = `seed ${seed}, step ${world.steps}: ${(error as Error).message}`;
    throw error;
  }
  return { steps: world.steps, edges: properties.edges };
}
