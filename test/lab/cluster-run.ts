// What the tests of a cluster have in common: bringing it up with its judge, the calm before a fault, and what must be
// true after every one of them.
import * as assert from 'uvu/assert';
import { type ClusterOptions, FLOATING, LabCluster, type NodeName, NODES, otherOf, type Prepare } from './cluster.ts';
import { eventually, sleep } from './command.ts';
import { Holders, monotonicMs } from './holders.ts';

export interface Calm {
  readonly active: NodeName;
  readonly spare: NodeName;
  /** The monotonic clock just before the fault. */
  readonly at: number;
}

export class ClusterRun {
  readonly cluster: LabCluster;
  readonly holders: Holders;

  private constructor(cluster: LabCluster, holders: Holders) {
    this.cluster = cluster;
    this.holders = holders;
  }

  static async up(options: ClusterOptions, prepare?: Prepare): Promise<ClusterRun> {
    const cluster = await LabCluster.up(options, prepare);
    const holders = await Holders.watch(cluster.lab, NODES, { address: FLOATING, port: 25 });
    await holders.answeredBy('n1', 0, 10_000);
    assert.equal(holders.now, ['n1']);
    return new ClusterRun(cluster, holders);
  }

  /** Everything is up, and the group is somewhere with the other node ready: from here a fault begins. */
  async calm(): Promise<Calm> {
    const { cluster, holders } = this;
    await cluster.restore();
    let active: NodeName;
    try {
      active = await eventually('a calm cluster', () => cluster.calmOn(), 60_000, 200);
    } catch (error) {
      throw new Error(`${(error as Error).message}; ${JSON.stringify(cluster.seen)}\n${await cluster.stories()}`);
    }
    await holders.answeredBy(active, monotonicMs(), 5000);
    return { active, spare: otherOf(active), at: monotonicMs() };
  }

  /** Never two, and what the judge saw when it is not so. */
  never(from: number): void {
    assert.equal(this.holders.doubles(from), [], this.holders.transcript(from));
  }

  /** It answers on `name` within the limit, and is in service there; the time in ms. */
  async moved(name: NodeName, at: number, limitMs: number): Promise<number> {
    const took = (await this.came(name, at, limitMs)) - at;
    this.never(at);
    return took;
  }

  async came(name: NodeName, at: number, limitMs: number): Promise<number> {
    try {
      return await this.holders.answeredBy(name, at, limitMs);
    } catch (error) {
      const said = await this.cluster.stories();
      throw new Error(`${(error as Error).message}; ${this.holders.transcript(at)}\n${said}`);
    }
  }

  /** For so long after the fault it stays where it is, and no client waits longer than `gapMs`. */
  async stays({ active, spare, at }: Calm, forMs: number, gapMs: number): Promise<void> {
    await sleep(forMs);
    const seen = async (): Promise<string> => `${this.holders.transcript(at)}\n${await this.cluster.stories()}`;
    if (this.holders.arrivals(spare, at) > 0) throw new Error(`it moved to ${spare}: ${await seen()}`);
    this.never(at);
    assert.equal(this.holders.now, [active], this.holders.transcript(at));
    const gap = this.holders.gap(at);
    if (gap > gapMs) throw new Error(`no answer for ${gap.toFixed(0)} ms: ${await seen()}`);
  }

  /** Somebody has it in the end, and all is well. */
  async settles(from: number): Promise<Calm> {
    const calm = await this.calm();
    this.never(from);
    return calm;
  }

  close(): void {
    this.holders.close();
    this.cluster.close();
  }
}

export const say = (text: string): void => console.log(`    ${new Date().toISOString().slice(14, 19)} ${text}`);
