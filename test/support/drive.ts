// Drives the core by hand on a virtual clock, for table tests and stories: events in, alarm clocks rung when their time
// comes, nothing else happens by itself.
import { decide, emptyNode } from '../../src/core/decide.ts';
import type {
  Cause,
  Decision,
  Depth,
  Effect,
  Event,
  NodeState,
  Notice,
  Policy,
  RepairResult,
  ServiceState,
  Verdict,
} from '../../src/core/types.ts';

export interface Step {
  readonly event: Event;
  readonly before: NodeState;
  readonly decision: Decision;
}

type Kind<K extends Event['kind']> = Extract<Event, { kind: K }>;
type Without<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;

export const passes = (detail = 'ok'): Verdict => ({ outcome: 'pass', detail, check: 'check' });
export const fails = (cause: Cause, detail = `it is ${cause}`): Verdict => ({
  outcome: 'fail',
  cause,
  detail,
  check: 'check',
  ...(cause === 'dead' ? { conclusive: true } : {}),
});
export const degrades = (cause: Cause, detail = 'slow'): Verdict => ({
  outcome: 'degraded',
  cause,
  detail,
  check: 'check',
});
export const cannotTell = (detail = 'no idea'): Verdict => ({ outcome: 'unknown', detail, check: 'check' });

/** The alarm clock of telling, among those of services. */
const BELL = ' bell';

export class Drive {
  now = 0;
  policy: Policy;
  node: NodeState = emptyNode;
  readonly steps: Step[] = [];
  readonly #wakes = new Map<string, { readonly at: number; readonly epoch: number }>();

  constructor(policy: Policy) {
    this.policy = policy;
  }

  /** One event, now. */
  feed(event: Without<Event, 'at'>): Step {
    const whole = { ...event, at: this.now } as Event;
    const before = this.node;
    const decision = decide(this.policy, before, whole);
    if (whole.kind === 'configured') this.policy = whole.policy;
    this.node = decision[0];
    for (const effect of decision[1]) if (effect.kind === 'wake') this.#wakes.set(effect.service, effect);
    for (const effect of decision[1]) if (effect.kind === 'ring') this.#wakes.set(BELL, { at: effect.at, epoch: 0 });
    const step = { event: whole, before, decision };
    this.steps.push(step);
    return step;
  }

  /** Lets time pass; alarm clocks ring in their order. */
  wait(ms: number): void {
    const end = this.now + ms;
    for (let n = 0; n < 1000; n++) {
      const due = [...this.#wakes].filter(([, wake]) => wake.at <= end).sort(([, a], [, b]) => a.at - b.at)[0];
      if (!due) break;
      const [service, { at, epoch }] = due;
      this.#wakes.delete(service);
      if (service !== BELL && epoch !== this.node.services[service]?.epoch) continue;
      this.now = Math.max(this.now, at);
      this.feed(service === BELL ? { kind: 'rang' } : { kind: 'woke', service, epoch });
    }
    this.now = end;
  }

  start(): this {
    this.feed({ kind: 'configured', policy: this.policy });
    this.feed({ kind: 'booted', fresh: true });
    return this;
  }

  /** Started, and every DeepCheck of the first round passed. */
  well(): this {
    this.start();
    for (const name of Object.keys(this.policy.services)) this.deep(name, passes());
    this.steps.length = 0;
    return this;
  }

  checked(service: string, depth: Depth, verdict: Verdict, epoch = this.of(service).epoch): Step {
    return this.feed({ kind: 'checked', service, depth, verdict, epoch });
  }
  quick = (service: string, verdict: Verdict): Step => this.checked(service, 'quick', verdict);
  deep = (service: string, verdict: Verdict): Step => this.checked(service, 'deep', verdict);

  repaired(service: string, did: RepairResult['did'] = 'done', more: Partial<RepairResult> = {}): Step {
    const result: RepairResult = { ok: did === 'done' || did === 'adopted', did, detail: `${did} it`, ...more };
    return this.feed({ kind: 'repaired', service, epoch: this.of(service).epoch, result });
  }

  died = (service: string, detail = 'exit code 1'): Step => this.feed({ kind: 'died', service, detail });
  started = (service: string, detail = 'new pid 7'): Step => this.feed({ kind: 'started', service, detail });
  pause = (service: string, ms: number): Step =>
    this.feed({ kind: 'paused', service, until: this.now + ms, by: 'ops', comment: 'work' });
  condition = (name: Kind<'condition'>['name'], bad: boolean, detail = 'trouble'): Step =>
    this.feed({ kind: 'condition', name, bad, detail });
  configure = (policy: Policy): Step => this.feed({ kind: 'configured', policy });
  /** The daemon dies and starts again: its state goes through JSON, its alarm clocks are lost. */
  reboot(): Step {
    this.node = JSON.parse(JSON.stringify(this.node)) as NodeState;
    this.#wakes.clear();
    return this.feed({ kind: 'booted', fresh: false });
  }

  of(service: string): ServiceState {
    const state = this.node.services[service];
    if (!state) throw new Error(`no service ${service}`);
    return state;
  }
  phase = (service: string): string => this.of(service).phase;
  get alarms(): readonly string[] {
    return Object.keys(this.node.alarms).sort();
  }
}

export const effectsOf = <K extends Effect['kind']>(
  step: Step | undefined,
  kind: K,
): readonly Extract<Effect, { kind: K }>[] =>
  (step?.decision[1] ?? []).filter((effect): effect is Extract<Effect, { kind: K }> => effect.kind === kind);

export const noticesOf = (step: Step | undefined): readonly Notice[] =>
  effectsOf(step, 'notice').map((effect) => effect.notice);

export const ruleOf = (step: Step | undefined): string | undefined => step?.decision[2][0]?.rule;
export const refusedBy = (step: Step | undefined): readonly string[] =>
  (step?.decision[2] ?? []).flatMap((why) => (why.refused ?? []).map((one) => one.rule));
