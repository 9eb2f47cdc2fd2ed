// What steps do on a simulated machine, as real ones do it: serialised each, looking at the right before and after,
// with programs that go on for a moment although their daemon is dead.
import type { GroupEffect } from '../../src/core/group-events.ts';
import type { StepAct } from '../../src/core/group-types.ts';
import type { Daemon } from './cluster-daemon.ts';
import { LATE_MS, type Machine, type Place } from './cluster-machine.ts';

type Act = Extract<GroupEffect, { kind: 'group-act' }>;
type Done = (ok: boolean, detail: string) => void;

interface Job {
  readonly group: string;
  readonly step: string;
  readonly act: StepAct;
  readonly force: boolean;
  readonly epoch: number;
  readonly turn: number;
  readonly from: string | null;
  readonly planned: boolean;
  readonly timeoutMs: number;
  readonly done: Done;
  aborted: boolean;
}

export class Steps {
  readonly #daemon: Daemon;
  readonly #machine: Machine;
  readonly #chains = new Map<string, Job[]>();
  /** Groups whose address was set by this daemon, and is to be held. */
  readonly #held = new Set<string>();
  #orphaned = false;

  constructor(daemon: Daemon) {
    this.#daemon = daemon;
    this.#machine = daemon.machine;
  }

  act(effect: Act): void {
    const { group, step, act, turn } = effect;
    for (const jobs of this.#chains.values())
      for (const job of jobs) if (job.group === group && job.turn >= 0 && job.turn < turn) job.aborted = true;
    const done: Done = (ok, detail) =>
      this.#daemon.feed({ kind: 'group-step', group, turn, step, act, ok, detail: detail.slice(0, 40) });
    this.#enqueue({ ...effect, done, aborted: false });
  }

  /** The right is gone: everything of this node, last in first out, without waiting for anybody's word. */
  undoAll(group: string): void {
    this.#held.delete(group);
    for (const jobs of this.#chains.values()) for (const job of jobs) if (job.group === group) job.aborted = true;
    const steps = this.#daemon.policy.groups?.[group]?.steps ?? [];
    const rest = { group, act: 'undo', force: true, epoch: 0, turn: -1, from: null, planned: false } as const;
    for (const { name, scope, timeoutMs } of [...steps].reverse())
      if (scope === 'node') this.#enqueue({ ...rest, step: name, timeoutMs, done: () => {}, aborted: false });
  }

  orphan(): void {
    this.#orphaned = this.#daemon.cluster.random.chance(0.5);
  }

  #enqueue(job: Job): void {
    const key = `${job.group}/${job.step}`;
    const chain = this.#chains.get(key) ?? [];
    this.#chains.set(key, chain);
    chain.push(job);
    if (chain.length === 1) this.#start(key, chain);
  }

  #start(key: string, chain: Job[]): void {
    const [job] = chain;
    if (!job) return;
    let ended = false;
    const done: Done = (ok, detail) => {
      if (ended || !this.#daemon.alive) return;
      ended = true;
      chain.shift();
      job.done(ok && !(job.aborted && job.act === 'do'), job.aborted ? 'aborted' : detail);
      this.#start(key, chain);
    };
    if (job.aborted && job.turn >= 0) return done(false, 'aborted');
    this.#daemon.later(job.timeoutMs + 200, () => done(false, 'over its time'));
    this.#run(job, done);
  }

  #run(job: Job, done: Done): void {
    const { cluster } = this.#daemon;
    const { act, step } = job;
    const later = (ms: number, run: () => void): void => this.#daemon.later(ms, run);
    if (act === 'flush')
      return later(20 + cluster.random.int(300), () => done(cluster.flush(this.#daemon, job.group), 'flush'));
    if (act === 'prepare' || act === 'unprepare')
      return later(10 + cluster.random.int(60), () =>
        done(act === 'unprepare' || !cluster.fails(this.#machine.name), act),
      );
    if (cluster.fails(this.#machine.name) && act === 'do') return later(20, () => done(false, 'it failed'));
    if (step === 'service') return act === 'do' ? this.#startService(job, done) : this.#stopService(job, done);
    if (step === 'address') return act === 'do' ? this.#addAddress(job, done) : this.#removeAddress(job, done);
    if (step === 'dns') return this.#dns(job, done);
    return this.#fence(job, done);
  }

  /** The right under this very epoch, in ms that are left. */
  #left(job: { group: string; epoch: number }): number {
    const { hold } = this.#daemon.right(job.group);
    return hold?.epoch === job.epoch ? this.#daemon.until(job.group) - this.#machine.clock : Number.NEGATIVE_INFINITY;
  }

  #place(job: { group: string }): Place {
    return this.#machine.place(job.group);
  }

  // ------------------------------------------------------------------------------------------------ services

  #startService(job: Job, done: Done): void {
    const { random, timing } = this.#daemon.cluster;
    if (this.#left(job) <= timing.marginMs || job.aborted) return done(false, 'no right');
    const ms = 20 + random.int(300);
    this.#machine.kernel(ms, () => {
      const dead = !this.#daemon.alive || job.aborted;
      if (dead && (this.#orphaned || job.aborted)) return;
      const place = this.#place(job);
      if (place.service) return;
      place.service = true;
      this.#daemon.cluster.changed('start', this.#machine.name, job.group);
    });
    this.#daemon.later(ms + 1, () => done(this.#left(job) > 0, 'started'));
  }

  #stopService(job: Job, done: Done): void {
    const { random } = this.#daemon.cluster;
    const place = this.#place(job);
    const ms = job.force ? 5 + random.int(50) : 50 + random.int(600);
    this.#machine.kernel(ms, () => {
      if (!place.hangs) place.service = false;
      this.#daemon.cluster.changed('stop', this.#machine.name, job.group);
    });
    this.#daemon.later(place.hangs ? job.timeoutMs : ms + 1, () =>
      done(!place.service, place.service ? 'it hangs' : 'down'),
    );
  }

  // ------------------------------------------------------------------------------------------------ the address

  #fits(group: string, epoch: number): boolean {
    return this.#left({ group, epoch }) >= this.#daemon.cluster.lifeMs + LATE_MS;
  }

  #addAddress(job: Job, done: Done): void {
    const { group, epoch } = job;
    if (!this.#fits(group, epoch) || job.aborted) return done(false, 'the right ends too soon');
    this.#command(group, epoch, (ok) => {
      if (ok && !job.aborted) this.#held.add(group);
      done(ok, ok ? 'added' : 'too late');
    });
  }

  /** One command through the long-lived child, and a look at the clock when it has returned. */
  #command(group: string, epoch: number, then: (ok: boolean) => void): void {
    const { cluster } = this.#daemon;
    const place = this.#machine.place(group);
    const ms = 2 + cluster.random.int(cluster.random.chance(0.05) ? 300 : 25);
    this.#machine.kernel(ms, () => {
      if (!this.#daemon.alive && this.#orphaned) return;
      this.#machine.setAddress(group, cluster.lifeMs, () => cluster.changed('address', this.#machine.name, group));
    });
    this.#daemon.later(ms + 0.5, () => {
      if (!place.address) return then(false);
      const until = this.#machine.clock + this.#left({ group, epoch });
      if (place.address.endsAt + LATE_MS <= until) return then(true);
      place.address = null;
      then(false);
    });
  }

  #removeAddress(job: Job, done: Done): void {
    this.#held.delete(job.group);
    const ms = 2 + this.#daemon.cluster.random.int(20);
    const place = this.#place(job);
    this.#machine.kernel(ms, () => {
      place.address = null;
    });
    this.#daemon.later(ms + 0.5, () => done(place.address === null, 'removed'));
  }

  /** After every good renewal: for longer, or again if it ended while nobody looked. */
  hold(group: string): void {
    const key = `${group}/address`;
    const { hold } = this.#daemon.right(group);
    const chain = this.#chains.get(key) ?? [];
    if (!hold || chain.length > 0 || !this.#held.has(group) || !this.#fits(group, hold.epoch)) return;
    const rest = {
      act: 'do',
      force: false,
      epoch: hold.epoch,
      turn: -2,
      from: null,
      planned: true,
      timeoutMs: 1000,
    } as const;
    const job: Job = { ...rest, group, step: 'address', done: () => {}, aborted: false };
    this.#chains.set(key, chain);
    chain.push(job);
    this.#command(group, hold.epoch, () => {
      chain.shift();
      this.#start(key, chain);
    });
  }

  // ------------------------------------------------------------------------------------------------ others

  /** Read, then changed only if it still says what was read; and only while there is time for the change to arrive. */
  #dns(job: Job, done: Done): void {
    const { cluster } = this.#daemon;
    const name = this.#machine.name;
    const { group, epoch, act } = job;
    this.#daemon.later(5 + cluster.random.int(20), () => {
      const old = cluster.dns.get(group) ?? '';
      const want = act === 'do' ? name : (job.from ?? '');
      if (act === 'undo' && old !== name) return done(true, 'not ours');
      // A change may be on its way for a second, and must not arrive after somebody else's.
      if (this.#left(job) < 1000) return done(false, 'no right');
      if (old === want) {
        cluster.updateDns(group, old, want, epoch);
        return done(true, 'it says so already');
      }
      cluster.net.send(name, 'dns', () => {
        const ok = cluster.updateDns(group, old, want, epoch);
        cluster.net.send('dns', name, () => this.#machine.process(() => done(ok, ok ? 'changed' : 'it was changed')));
      });
    });
  }

  #fence(job: Job, done: Done): void {
    const { cluster } = this.#daemon;
    const { from, act, planned } = job;
    if (act === 'undo' || planned || from === null || from === this.#machine.name)
      return done(true, 'nothing to fence');
    this.#daemon.later(100 + cluster.random.int(800), () => {
      if (cluster.fails(this.#machine.name)) return done(false, 'the fence does not answer');
      cluster.powerOff(from);
      done(true, 'off');
    });
  }
}
