// Performs the steps of one group on this node: one act at a time a step, each within its time and under its right, and
// what is in place is held while the right lasts. Judges nothing: answers go back as events.
import type { GroupEffect } from '../../core/group-events.ts';
import type { GroupPolicy } from '../../core/group-types.ts';
import type { ActionResult, Lease, Probe, StepContext, StepServices, SwitchStep } from '../../define.ts';
import type { GroupConfig } from '../../config/types.ts';
import type { Ports } from '../../ports/ports.ts';
import { within } from '../../ports/limit.ts';

type Act = Extract<GroupEffect, { kind: 'group-act' }>;

export interface StepDoors {
  readonly ports: Ports;
  readonly node: string;
  readonly words: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly stateDir: string;
  readonly services: StepServices;
  plugin(type: string): SwitchStep | undefined;
  /** Until when the right of this epoch lasts on the monotonic clock; -Infinity: it is gone. */
  untilMs(epoch: number): number;
  /** Brings the copies up to date, that of the node it goes to above all. */
  flush(to: string | null, signal: AbortSignal): Promise<ActionResult>;
  /** Settles when nothing is copied to this node any more. */
  copied(): Promise<void>;
  done(act: Act, result: ActionResult): void;
  progress(text: string): void;
}

interface Step {
  readonly name: string;
  readonly plugin: SwitchStep;
  readonly options: unknown;
  readonly memory: Map<string, unknown>;
  readonly scope: 'node' | 'shared';
  /** Acts and holds that have begun and not ended, whoever still waits for them. */
  readonly under: Set<Promise<unknown>>;
  stop: AbortController | null;
  turn: number;
  placed: boolean;
  hold: AbortController | null;
  epoch: number;
}

/** An act that was given up has so long to notice before the next one begins beside it. */
const NOTICE_MS = 100;
const PROBE_MS = 2000;
const EMERGENCY_MS = 15_000;
const HOLD_MS = 2000;
const READY_MS = 10_000;

export class GroupSteps {
  readonly #group: string;
  readonly #doors: StepDoors;
  #steps: readonly Step[];
  #held = '';

  constructor(config: GroupConfig, policy: GroupPolicy, doors: StepDoors) {
    this.#group = config.name;
    this.#doors = doors;
    this.#steps = this.#make(config, policy, []);
  }

  #make(config: GroupConfig, policy: GroupPolicy, old: readonly Step[]): readonly Step[] {
    return config.steps.flatMap(({ name, type, options }) => {
      const plugin = this.#doors.plugin(type);
      const rules = policy.steps.find((one) => one.name === name);
      if (!plugin || !rules) return [];
      const kept = old.find((one) => one.name === name && one.plugin === plugin);
      if (kept && JSON.stringify(kept.options) === JSON.stringify(options)) return [kept];
      const fresh = { under: new Set<Promise<unknown>>(), stop: null, turn: -1, hold: null, epoch: 0 };
      const placed = kept?.placed ?? false;
      return [{ ...fresh, placed, name, plugin, options, memory: new Map<string, unknown>(), scope: rules.scope }];
    });
  }

  /** A new configuration: what did not change keeps what it knows. */
  configure(config: GroupConfig, policy: GroupPolicy): void {
    this.#steps = this.#make(config, policy, this.#steps);
  }

  #context(step: Step, act: Pick<Act, 'epoch' | 'from' | 'to' | 'planned'>, signal: AbortSignal): StepContext<never> {
    const { ports, node, words, stateDir, services } = this.#doors;
    const lease: Lease = { epoch: act.epoch, untilMs: () => this.#doors.untilMs(act.epoch) };
    return {
      ...{ options: step.options as never, ports, signal, node, group: this.#group, step: step.name, lease },
      ...{ to: act.to ?? node, from: act.from, planned: act.planned, words, services, memory: step.memory, stateDir },
      progress: (done, total, text) => this.#doors.progress(`${step.name}: ${done} of ${total} ${text}`.trim()),
    };
  }

  async act(act: Act): Promise<void> {
    // What was begun under another turn is nobody's any more.
    for (const other of this.#steps) if (other.turn !== act.turn) other.stop?.abort(new Error('its turn is over'));
    const step = this.#steps.find(({ name }) => name === act.step);
    if (act.act === 'flush') {
      const signal = within(act.timeoutMs);
      this.#doors.done(act, await this.#doors.flush(act.to, signal).catch(broke));
      return;
    }
    if (!step) {
      this.#doors.done(act, { ok: false, detail: `the configuration has no step ${act.step} any more` });
      return;
    }
    step.turn = act.turn;
    const result = await this.#run(step, act.timeoutMs, (signal) => this.#perform(step, act, signal));
    this.#doors.done(act, result);
  }

  /** One act at a time a step. One that is still under way is told to end, and has a moment to notice. */
  async #run(
    step: Step,
    timeoutMs: number,
    work: (signal: AbortSignal) => Promise<ActionResult>,
  ): Promise<ActionResult> {
    const { clock } = this.#doors.ports;
    step.stop?.abort(new Error('another act takes its place'));
    step.hold?.abort(new Error('another act takes its place'));
    const stop = new AbortController();
    step.stop = stop;
    if (step.under.size > 0) await Promise.race([Promise.all(step.under), clock.sleep(NOTICE_MS)]);
    if (stop.signal.aborted) return { ok: false, detail: 'another act took its place' };
    const cancel = clock.after(timeoutMs, () => stop.abort(new Error('timeout')));
    const late = new Promise<ActionResult>((resolve) => {
      const over = (): void => void clock.after(500, () => resolve({ ok: false, detail: 'it did not end in time' }));
      stop.signal.addEventListener('abort', over, { once: true });
    });
    const result = await Promise.race([this.#track(step, work(stop.signal).catch(broke)), late]);
    cancel();
    return result;
  }

  #track<T>(step: Step, work: Promise<T>): Promise<T> {
    step.under.add(work);
    const done = (): void => void step.under.delete(work);
    work.then(done, done);
    return work;
  }

  async #perform(step: Step, act: Act, signal: AbortSignal): Promise<ActionResult> {
    const context = this.#context(step, act, signal);
    const { plugin } = step;
    if (act.act === 'undo') return this.#undo(step, context, act.force);
    if (act.act === 'prepare') return (await plugin.prepare?.(context)) ?? NOTHING;
    if (act.act === 'unprepare') return (await plugin.unprepare?.(context)) ?? NOTHING;
    // Within the time of this act; and the right is looked at after the wait.
    await this.#doors.copied();
    if (signal.aborted) return { ok: false, detail: 'the copy from the node that had it did not end in time' };
    if (this.#doors.untilMs(act.epoch) <= this.#doors.ports.clock.monotonic())
      return { ok: false, detail: 'the right is gone' };
    step.epoch = act.epoch;
    const probe = await this.#probe(step, context);
    const result = probe.state === 'done' ? { ok: true, detail: `already: ${probe.detail}` } : await plugin.do(context);
    // What came after it was given up is not held: another act is about to take it back.
    if (signal.aborted) return result;
    step.placed = result.ok;
    if (result.ok) this.#holdOne(step);
    return result;
  }

  async #probe(step: Step, context: StepContext<never>): Promise<Probe> {
    const signal = within(PROBE_MS, context.signal);
    const unknown = (error: Error): Probe => ({ state: 'unknown', detail: error.message });
    return step.plugin.probe({ ...context, signal }).catch(unknown);
  }

  /** What began before and has not ended may come after the undo and put it back: then nothing is proved. It is waited
   *  for, and undone once more. */
  async #undo(step: Step, context: StepContext<never>, force: boolean): Promise<ActionResult> {
    step.placed = false;
    const before = [...step.under];
    const first = await step.plugin.undo(context, { force });
    const open = before.filter((one) => step.under.has(one));
    if (open.length === 0) return first;
    const ended = Promise.all(open).then(() => true);
    const over = new Promise<boolean>((resolve) => {
      context.signal.addEventListener('abort', () => resolve(false), { once: true });
    });
    if (!(await Promise.race([ended, over])))
      return { ok: false, detail: `${first.detail}; but something that began before has not ended yet` };
    return step.plugin.undo(context, { force });
  }

  /** The right is gone: what is in place here goes at once, what ends with the right first. Nobody is asked, nothing is
   *  written down before. */
  async emergency(epoch: number): Promise<void> {
    const act = { epoch, from: this.#doors.node, to: null, planned: false };
    const away = (step: Step): Promise<ActionResult> =>
      this.#run(step, EMERGENCY_MS, (signal) => this.#undo(step, this.#context(step, act, signal), true));
    const local = this.#steps.filter(({ scope }) => scope === 'node').toReversed();
    await Promise.all(local.filter(({ plugin }) => plugin.hold).map(away));
    for (const step of local) if (!step.plugin.hold) await away(step);
  }

  /** A good renewal: what ends with the right is extended. */
  hold(): void {
    for (const step of this.#steps) this.#holdOne(step);
  }

  #holdOne(step: Step): void {
    const { hold } = step.plugin;
    if (!hold || !step.placed || step.hold) return;
    const stop = new AbortController();
    step.hold = stop;
    const cancel = this.#doors.ports.clock.after(HOLD_MS, () => stop.abort(new Error('timeout')));
    const act = { epoch: step.epoch, from: null, to: this.#doors.node, planned: false };
    const work = hold(this.#context(step, act, stop.signal)).catch(broke);
    void this.#track(step, work).then((result) => {
      cancel();
      if (step.hold === stop) step.hold = null;
      if (!result.ok && step.placed) this.#say(`${step.name} could not be held: ${result.detail}`);
    });
  }

  #say(text: string): void {
    if (text === this.#held) return;
    this.#held = text;
    this.#doors.ports.log.warn(`${this.#group}: ${text}`);
  }

  /** Nothing is in place here that would stay without this daemon and must not be in place twice. */
  get endsByItself(): boolean {
    return this.#steps.every(
      ({ placed, scope, plugin }) =>
        !placed || scope === 'shared' || plugin.hold !== undefined || plugin.exclusive === false,
    );
  }

  /** What could not be done on this node now; empty: it is ready. */
  async ready(owner: string | null): Promise<readonly string[]> {
    const asked = this.#steps.map(async ({ name }) => {
      const result = await this.readyOne(name, owner);
      return result.ok ? [] : [`${name}: ${result.detail}`.slice(0, 300)];
    });
    return (await Promise.all(asked)).flat();
  }

  async readyOne(name: string, owner: string | null): Promise<ActionResult> {
    const { node } = this.#doors;
    const act = { epoch: 0, from: owner, to: node, planned: true };
    const step = this.#steps.find((one) => one.name === name);
    if (!step) return { ok: false, detail: `there is no step ${name}` };
    if (!step.plugin.ready) return { ok: true, detail: 'it asks for nothing' };
    return step.plugin.ready(this.#context(step, act, within(READY_MS))).catch(broke);
  }

  close(): void {
    for (const { stop } of this.#steps) stop?.abort(new Error('closed'));
  }
}

const NOTHING: ActionResult = { ok: true, detail: 'nothing to do' };
const broke = (error: Error): ActionResult => ({ ok: false, detail: `it broke: ${error.message}` });
