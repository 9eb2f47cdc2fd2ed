// What must hold of telling after every step: no channel believes what is not so, none is passed over without a reason,
// and nobody is repaired while somebody works on it.
import * as assert from 'uvu/assert';
import { matches, whereTo } from '../../src/core/route.ts';
import { raiseOf } from '../../src/core/alarms.ts';
import type { Effect, Policy } from '../../src/core/types.ts';
import type { Step } from './world.ts';

type Told = Extract<Effect, { kind: 'notice' }>;

export class Telling {
  /** `channel key` of every alarm that a channel believes to be active. */
  readonly #believed = new Set<string>();
  #ringAt: number | null = null;

  watch(step: Step): void {
    const { decision, rules } = step;
    for (const effect of decision[1]) {
      if (effect.kind === 'ring') this.#ringAt = effect.at;
      if (effect.kind === 'notice') this.#told(effect, step);
      if (effect.kind === 'repair') this.#spared(effect.service, step);
    }
    const [after] = decision;
    if (!rules.routing || (after.alarms === step.before.alarms && after.notify === step.before.notify)) return;
    this.#complete(step, rules);
    if (after.notify.ringAt !== null) assert.is(this.#ringAt, after.notify.ringAt, 'the bell that is known is armed');
  }

  #told({ notice, to, again }: Told, { rules, event, decision }: Step): void {
    if (!rules.routing) return assert.is(to, undefined, 'without routes everybody is told');
    const { key, kind } = notice;
    const heard = (to ?? []).map((channel) => `${channel} ${key}`);
    if (kind === 'clear') {
      for (const one of heard) assert.ok(this.#believed.delete(one), `${one}: an end without a beginning`);
      const left = [...this.#believed].filter((one) => one.endsWith(` ${key}`));
      assert.equal(left, [], 'whoever heard of it hears of its end');
    }
    if (kind !== 'raise') return;
    for (const one of heard) {
      const anew = again === undefined || again === 'held' || again === 'escalation';
      if (anew) assert.not(this.#believed.has(one), `${one}: told as new twice`);
      else assert.ok(this.#believed.has(one), `${one}: told again, and never before`);
      this.#believed.add(one);
    }
    const { silences } = decision[0].notify;
    const quiet = Object.values(silences).some((one) => one.until > event.at && matches(one.match, notice));
    const records = new Set(rules.routing.routes.filter(({ record }) => record).flatMap((route) => route.to));
    if (quiet)
      assert.ok(
        (to ?? []).every((channel) => records.has(channel)),
        `${key}: told although it is silenced`,
      );
  }

  /** Every channel that should know of an active alarm knows, or waits for a reason that is written down. */
  #complete({ decision, event }: Step, policy: Policy): void {
    const [{ alarms, services, notify }] = decision;
    const { routing } = policy;
    if (!routing) return;
    for (const one of this.#believed)
      assert.ok(one.slice(one.indexOf(' ') + 1) in alarms, `${one}: believed, and over`);
    for (const alarm of Object.values(alarms)) {
      const view = { routing, notify, alarms, services, at: event.at };
      for (const { channel } of whereTo(view, { ...raiseOf(alarm, policy), at: event.at })) {
        const known = this.#believed.has(`${channel} ${alarm.key}`);
        const told = notify.told[alarm.key];
        assert.is(Object.hasOwn(told?.to ?? {}, channel), known, `${channel} ${alarm.key}: what was told is known`);
        if (!known) assert.ok(told?.held[channel], `${channel} ${alarm.key}: passed over without a reason`);
      }
    }
  }

  #spared(service: string, { decision, event }: Step): void {
    const work = Object.values(decision[0].notify.maintenance);
    const busy = work.some((one) => one.until > event.at && one.services.includes(service));
    assert.not(busy, `${service} is repaired while somebody works on it`);
  }
}
