// A whole simulated machine around the real core: services with a truth of their own, checks that take time and may
// answer late or not at all, repairs that work or do not, an administrator, crashes of the daemon. All from one seed.
import { decide, emptyNode } from '../../src/core/decide.ts';
import type {
  Cause,
  Decision,
  Effect,
  Event,
  NodeState,
  Policy,
  ServicePolicy,
  Verdict,
} from '../../src/core/types.ts';
import type { Match, Route, Routing } from '../../src/core/telling.ts';
import { policy as makePolicy, rung, servicePolicy } from '../support/policies.ts';
import { type Random, random } from '../support/random.ts';

/** What is really the matter with a service. */
export type Truth = 'fine' | Cause | 'unknowable';
export interface Step {
  /** What it was decided with, and what is in force after it. */
  readonly policy: Policy;
  readonly rules: Policy;
  readonly before: NodeState;
  readonly event: Event;
  readonly decision: Decision;
}
export type Watcher = (step: Step, world: World) => void;

const NAMES: readonly string[] = ['a', 'b', 'c', 'd', 'e'];
const CURABLE: readonly Truth[] = ['dead', 'hung', 'refusing'];
const FAULTS: readonly Truth[] = [
  'dead',
  'dead',
  'hung',
  'refusing',
  'misconfigured',
  'no-space',
  'dependency',
  'overloaded',
  'credentials',
  'expired',
  'unknowable',
];

const ANY: Match = { severity: null, services: null, events: null, causes: null, keys: null };

function makeRoute(r: Random): Route {
  const severity = r.pick([null, null, 'critical', 'major', 'warning'] as const);
  const services = r.chance(0.3) ? [r.pick(NAMES)] : null;
  return {
    match: { ...ANY, severity, services },
    to: r.pick([['noc'], ['noc', 'boss'], ['log']]),
    goOn: r.chance(0.5),
    waitMs: r.pick([0, 0, 5000]),
    remindMs: r.pick([null, 30_000, 600_000]),
    escalate: r.chance(0.4) ? [{ afterMs: 20_000, to: ['owner'] }] : [],
    quiet: r.chance(0.4) ? { during: 'night', below: r.pick(['critical', 'major'] as const) } : null,
    group: r.pick(['none', 'children', 'all']),
    record: r.chance(0.2),
  };
}

const makeRouting = (r: Random): Routing => ({
  routes: Array.from({ length: 1 + r.int(3) }, () => makeRoute(r)),
  heartbeat: r.chance(0.5) ? { everyMs: 60_000, to: ['noc'] } : null,
});

export class World {
  readonly r: Random;
  readonly seed: number;
  readonly truth = new Map<string, Truth>();
  /** A stubborn service is not cured by this many repairs. */
  readonly stubborn = new Map<string, number>();
  readonly #watch: Watcher;
  readonly #future: { readonly at: number; readonly order: number; readonly event: () => Event | null }[] = [];
  #order = 0;
  policy: Policy;
  node: NodeState = emptyNode;
  now: number;
  steps = 0;
  readonly onlyUnknown: boolean;
  quiet = false;

  /** `origin`: where the timeline begins; it must not matter. */
  constructor(seed: number, watch: Watcher, origin = 0) {
    this.seed = seed;
    this.now = origin;
    this.r = random(seed);
    this.#watch = watch;
    this.onlyUnknown = this.r.chance(0.08);
    this.policy = this.#makePolicy();
    for (const name of Object.keys(this.policy.services)) this.truth.set(name, 'fine');
  }

  #makePolicy(): Policy {
    const { r } = this;
    const services: Record<string, ServicePolicy> = {};
    NAMES.slice(0, 1 + r.int(5)).forEach((name, index, names) => {
      services[name] = this.#makeService(names.slice(0, index));
    });
    const max = 2 + r.int(10);
    return makePolicy(services, {
      ...(r.chance(0.7) ? { routing: makeRouting(r) } : {}),
      observe: r.chance(0.05),
      repairs: { max, windowMs: 600_000, parallel: 1 + r.int(2) },
    });
  }

  #makeService(others: readonly string[]): ServicePolicy {
    const { r } = this;
    const below = others.filter(() => r.chance(0.35));
    return servicePolicy({
      depends: below,
      fall: 1 + r.int(3),
      rise: 1 + r.int(2),
      unknowns: 1 + r.int(3),
      attempts: 1 + r.int(4),
      ladder: r.pick([
        [rung('restart')],
        [rung('reload'), rung('restart'), rung('kill-and-start')],
        [rung('restart'), rung('kill-and-start')],
        [{ ...rung('part'), parts: ['auth'] }, rung('restart')],
        [],
      ]),
      then: r.pick(['give-up', 'switchover']),
      observe: r.chance(0.06),
      againMs: r.chance(0.5) ? 300_000 : null,
      byHandMs: r.chance(0.8) ? 60_000 : null,
      flap: { changes: 3 + r.int(4), windowMs: 120_000, calmMs: 60_000 },
      windowMs: 120_000 + r.int(600_000),
      stableMs: 60_000,
    });
  }

  /** A new configuration: a service comes, goes, or has other rules. Dependencies still only look one way. */
  reload(): void {
    const { r } = this;
    const services: Record<string, ServicePolicy> = { ...this.policy.services };
    const name = r.pick(NAMES);
    const index = NAMES.indexOf(name);
    if (r.chance(0.5) || Object.keys(services).length < 2)
      services[name] = this.#makeService(NAMES.slice(0, index).filter((other) => other in services));
    else delete services[name];
    for (const [other, rules] of Object.entries(services))
      services[other] = { ...rules, depends: rules.depends.filter((below) => below in services) };
    if (!this.truth.has(name)) this.truth.set(name, 'fine');
    this.feed({ kind: 'configured', at: this.now, policy: { ...this.policy, services } });
  }

  get names(): readonly string[] {
    return Object.keys(this.policy.services);
  }

  later(ms: number, event: () => Event | null): void {
    this.#future.push({ at: this.now + ms, order: this.#order++, event });
  }

  /** One event through the core, with what it asks for set going. */
  feed(event: Event): void {
    const before = this.node;
    const { policy } = this;
    const decision = decide(policy, before, event);
    this.node = decision[0];
    if (event.kind === 'configured') this.policy = event.policy;
    this.steps++;
    this.#watch({ policy, rules: this.policy, before, event, decision }, this);
    for (const effect of decision[1]) this.#perform(effect);
  }

  #perform(effect: Effect): void {
    const { r } = this;
    switch (effect.kind) {
      case 'check': {
        const { service, depth } = effect;
        const epoch = effect.epoch === -1 ? (this.node.services[service]?.epoch ?? 0) : effect.epoch;
        if (!this.quiet && r.chance(0.04)) return; // An answer that never comes.
        this.later(5 + r.int(depth === 'deep' ? 1500 : 400), () => this.checked(service, depth, epoch));
        return;
      }
      case 'repair': {
        const { service, epoch, rung: tried } = effect;
        this.later(50 + r.int(3000), () => this.#repaired(service, epoch, tried.cures));
        return;
      }
      case 'switchover': {
        const { service, epoch } = effect;
        if (!this.quiet && r.chance(0.3)) return;
        this.later(100, () => ({
          kind: 'switched',
          at: this.now,
          service,
          epoch,
          ok: !this.quiet && r.chance(0.3),
          detail: 'simulated',
        }));
        return;
      }
      case 'wake': {
        const { service, epoch, at } = effect;
        this.later(Math.max(0, at - this.now), () => ({ kind: 'woke', at: this.now, service, epoch }));
        return;
      }
      case 'ring':
        this.later(Math.max(0, effect.at - this.now), () => ({ kind: 'rang', at: this.now }));
        return;
      default:
    }
  }

  checked(service: string, depth: 'quick' | 'deep', epoch: number): Event {
    return { kind: 'checked', at: this.now, service, depth, epoch, verdict: this.verdict(service, depth) };
  }

  verdict(service: string, depth: 'quick' | 'deep'): Verdict {
    const truth = this.truth.get(service) ?? 'fine';
    if (this.onlyUnknown || truth === 'unknowable') return { outcome: 'unknown', detail: 'no idea', check: depth };
    const down = (this.policy.services[service]?.depends ?? []).find((other) =>
      CURABLE.includes(this.truth.get(other) ?? 'fine'),
    );
    if (truth === 'fine' && down !== undefined)
      return { outcome: 'fail', cause: 'hung', detail: `waits for ${down}`, check: depth };
    if (truth === 'fine') return { outcome: 'pass', detail: 'ok', check: depth };
    if (truth === 'overloaded' || truth === 'credentials')
      return { outcome: 'degraded', cause: truth, detail: truth, check: depth };
    // Some troubles hide from a QuickCheck.
    if (depth === 'quick' && truth !== 'dead' && this.seed % 3 === 0)
      return { outcome: 'pass', detail: 'port answers', check: depth };
    return {
      outcome: 'fail',
      cause: truth,
      detail: truth,
      check: depth,
      ...this.#evidence(truth),
      ...(truth === 'dead' || (truth === 'hung' && this.seed % 4 === 0) ? { conclusive: true } : {}),
    };
  }

  /** In two of five runs a part is at fault; which one is seen only two times of three. */
  #evidence(cause: Cause): Partial<Verdict> {
    if (this.seed % 5 > 1) return {};
    const check = 'probe';
    if (this.steps % 3 === 0) return { check, unseen: ['processes', 'log'] };
    return { check, part: this.seed % 5 === 0 ? 'auth' : 'lmtp', seen: { by: 'processes', check, cause } };
  }

  #repaired(service: string, epoch: number, cures: readonly Cause[]): Event {
    const { r } = this;
    const truth = this.truth.get(service) ?? 'fine';
    const left = this.stubborn.get(service) ?? 0;
    const base = { kind: 'repaired', at: this.now, service, epoch } as const;
    if (!this.quiet && r.chance(0.05)) return { ...base, result: { ok: false, did: 'held', detail: 'by hand' } };
    if (!this.quiet && r.chance(0.05)) {
      this.truth.set(service, 'fine');
      return { ...base, result: { ok: true, did: 'adopted', detail: 'runs again' } };
    }
    if (!this.quiet && r.chance(0.05))
      return { ...base, result: { ok: false, did: 'refused', cause: 'misconfigured', detail: 'bad file' } };
    if (truth !== 'fine' && truth !== 'unknowable' && cures.includes(truth as Cause)) {
      if (left > 0) this.stubborn.set(service, left - 1);
      else this.truth.set(service, 'fine');
    }
    const ok = this.quiet || r.chance(0.9);
    return { ...base, result: { ok, did: ok ? 'done' : 'failed', detail: 'simulated' } };
  }

  /** The daemon dies and comes back: state through JSON, timers lost, answers of the old life still on their way. */
  crash(): void {
    this.node = JSON.parse(JSON.stringify(this.node)) as NodeState;
    if (this.r.chance(0.5)) this.#future.length = 0;
    this.feed({ kind: 'booted', at: this.now, fresh: false });
  }

  /** Something happens to a service, to the machine, or to the administrator's mind. */
  mischief(): void {
    const { r } = this;
    const service = r.pick(this.names);
    const at = this.now;
    const dice = r.int(26);
    if (dice > 20) return this.#word(dice);
    if (dice < 9) {
      const truth = r.pick(FAULTS);
      this.truth.set(service, truth);
      this.stubborn.set(service, r.chance(0.3) ? r.int(6) : 0);
      if (truth === 'dead' && !this.onlyUnknown && r.chance(0.5))
        this.feed({ kind: 'died', at, service, detail: 'exit 1' });
    } else if (dice < 11) this.truth.set(service, 'fine');
    else if (dice === 11)
      this.feed({ kind: 'paused', at, service, until: at + 1 + r.int(60_000), by: 'op', comment: 'work' });
    else if (dice === 12) this.feed({ kind: 'resumed', at, service, by: 'op' });
    else if (dice === 13) this.feed({ kind: 'reset', at, service, by: 'op' });
    else if (dice === 14) this.feed({ kind: 'stalled', at, ms: 1000 + r.int(60_000) });
    else if (dice === 15) this.crash();
    else if (dice === 16) this.feed({ kind: 'started', at, service, detail: 'by hand' });
    else if (dice === 17) this.feed({ kind: r.pick(['acquired', 'evicted'] as const), at, service, detail: 'lease' });
    else if (dice === 18)
      this.feed({
        kind: 'condition',
        at,
        name: r.pick(['journal', 'configuration', 'history', 'state-lost']),
        bad: r.chance(0.5),
        detail: 'x',
      });
    else if (dice === 19) this.reload();
    else this.feed({ kind: 'stepped', at, ms: r.pick([3_600_000, -3_600_000, 315_360_000_000, -315_360_000_000]) });
  }

  /** What people and the calendar say about telling. */
  #word(dice: number): void {
    const { r, now: at } = this;
    const until = at + 1 + r.int(60_000);
    const said = { at, until, by: 'op', comment: 'known' };
    const services = r.chance(0.5) ? [r.pick(this.names)] : null;
    if (dice === 21) this.feed({ kind: 'silenced', ...said, id: `s${r.int(3)}`, match: { ...ANY, services } });
    else if (dice === 22) this.feed({ kind: 'unsilenced', at, id: `s${r.int(3)}`, by: 'op' });
    else if (dice === 23) this.feed({ kind: 'quiet', at, name: 'night', until });
    else if (dice === 24) {
      const key = Object.keys(this.node.alarms)[0] ?? 'none';
      this.feed({ kind: 'acked', at, key, by: 'op', comment: '' });
    } else if (r.chance(0.7))
      this.feed({ kind: 'maintained', ...said, name: `m${r.int(2)}`, services: services ?? this.names });
    else this.feed({ kind: 'maintenance-over', at, name: `m${r.int(2)}`, by: 'op' });
  }

  /** Lets time run: checks on their beat, due events in order. */
  run(ms: number, mischief: boolean): void {
    const end = this.now + ms;
    while (this.now < end) {
      const beat = this.now + (this.quiet ? 8000 + this.r.int(20_000) : 200 + this.r.int(3000));
      this.#drain(Math.min(beat, end));
      this.now = Math.min(beat, end);
      for (const name of this.names) {
        const epoch = this.node.services[name]?.epoch ?? 0;
        const depth = this.r.chance(0.2) ? 'deep' : 'quick';
        const lateMs = this.r.int(500);
        const old = !this.quiet && this.r.chance(0.05) ? 1 : 0;
        this.later(lateMs, () => this.checked(name, depth, epoch - old));
      }
      if (this.node.tilt) this.feed({ kind: 'tick', at: this.now });
      if (mischief && this.r.chance(0.25)) this.mischief();
    }
  }

  #drain(until: number): void {
    for (let n = 0; n < 10_000; n++) {
      let first = -1;
      this.#future.forEach((one, index) => {
        const best = this.#future[first];
        if (!best || one.at < best.at || (one.at === best.at && one.order < best.order)) first = index;
      });
      const due = this.#future[first];
      if (!due || due.at > until) return;
      this.#future.splice(first, 1);
      this.now = Math.max(this.now, due.at);
      const event = due.event();
      if (event) this.feed(event);
    }
    throw new Error('the core asks for more and more in no time');
  }

  start(): void {
    this.feed({ kind: 'configured', at: this.now, policy: this.policy });
    this.feed({ kind: 'booted', at: this.now, fresh: true });
  }
}
