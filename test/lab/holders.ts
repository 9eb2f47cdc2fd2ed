// The judge of a cluster: which nodes had the address when, and whom a client reached at it. It stands outside of all
// nodes and keeps everything, so that a test can ask about any span of it: two holders at once is the one thing that
// must never be.
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { eventually } from './command.ts';
import type { Lab } from './lab.ts';
import { repository } from './repository.ts';

const program = (name: string): string => join(repository, 'dist/test/lab', name);
export const monotonicMs = (): number => Number(process.hrtime.bigint()) / 1e6;

export interface Sight {
  readonly at: number;
  readonly nodes: readonly string[];
}

export interface Greeting {
  readonly at: number;
  readonly from: string;
}

export interface HoldersOptions {
  readonly address: string;
  readonly port: number;
  /** Pause of the client between two questions. */
  readonly everyMs?: number;
}

/** Close it when the test is over. */
export class Holders {
  readonly sights: Sight[] = [];
  readonly greetings: Greeting[] = [];
  readonly #children: ChildProcess[] = [];

  static async watch(lab: Lab, names: readonly string[], options: HoldersOptions): Promise<Holders> {
    const holders = new Holders();
    const { address, port, everyMs = 10 } = options;
    // A process that stays in each node's network whatever happens to the node.
    const places = names.map((name) => {
      const sleeper = spawn('ip', ['netns', 'exec', `${lab.prefix}-${name}`, 'sleep', '86400'], { stdio: 'ignore' });
      holders.#children.push(sleeper);
      return `${name}=${sleeper.pid}`;
    });
    // `ip netns exec` enters first and is sleep then; before that it would show the host's own addresses.
    await new Promise((resolve) => setTimeout(resolve, 300));
    const eyes = spawn(process.execPath, [program('holder-eyes.js'), address, ...places], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    holders.#children.push(eyes);
    holders.#read(eyes, (at, what) => holders.sights.push({ at, nodes: what === '-' ? [] : what.split(',') }));
    const client = lab.spawnClient([process.execPath, program('holder-client.js'), address, `${port}`, `${everyMs}`]);
    holders.#children.push(client);
    holders.#read(client, (at, from) => holders.greetings.push({ at, from }));
    await eventually('the eyes', () => holders.sights.length > 0, 30_000, 10);
    return holders;
  }

  #read(child: ChildProcess, heard: (at: number, what: string) => void): void {
    if (!child.stdout) throw new Error('it has no output');
    createInterface({ input: child.stdout }).on('line', (line) => {
      const [at = '', what = ''] = line.split(' ');
      heard(Number(at), what);
    });
  }

  /** Who has it now. */
  get now(): readonly string[] {
    return this.sights.at(-1)?.nodes ?? [];
  }

  /** Every time that more than one had it, in words; empty: never. */
  doubles(from = 0): readonly string[] {
    return this.sights.flatMap(({ at, nodes }, index) => {
      const end = this.sights[index + 1]?.at ?? monotonicMs();
      return nodes.length > 1 && end >= from ? [`${nodes.join(' and ')} for ${(end - at).toFixed(0)} ms`] : [];
    });
  }

  /** How long more than one had it within that span, in ms. */
  doubledMs(from: number, to: number): number {
    const spans = this.sights.map(({ at, nodes }, index) => {
      const end = this.sights[index + 1]?.at ?? to;
      return nodes.length > 1 ? Math.max(0, Math.min(end, to) - Math.max(at, from)) : 0;
    });
    return spans.reduce((sum, each) => sum + each, 0);
  }

  /** How often it came to a node since then. */
  arrivals(node: string, from: number): number {
    const before = this.sights.findLast(({ at }) => at <= from)?.nodes ?? [];
    let had = before.includes(node);
    let count = 0;
    for (const { nodes } of this.sights.filter(({ at }) => at > from)) {
      if (nodes.includes(node) && !had) count += 1;
      had = nodes.includes(node);
    }
    return count;
  }

  /** The longest time without an answer since then, in ms, and the present one if it still lasts. */
  gap(from: number, to = monotonicMs()): number {
    const times = [from, ...this.greetings.map(({ at }) => at).filter((at) => at > from && at < to), to];
    return Math.max(0, ...times.slice(1).map((at, index) => at - (times[index] ?? at)));
  }

  /** When this node first answered after then; throws when it does not within the limit. */
  async answeredBy(node: string, from: number, limitMs: number): Promise<number> {
    const found = (): Greeting | null => this.greetings.find((one) => one.at > from && one.from === node) ?? null;
    return (await eventually(`an answer of ${node}`, found, limitMs, 5)).at;
  }

  /** All of them since then, for a failed test. */
  transcript(from: number): string {
    const sights = this.sights.filter(({ at }) => at > from - 1000);
    return sights.map(({ at, nodes }) => `${(at - from).toFixed(0)} ms: ${nodes.join(' and ') || 'nobody'}`).join('; ');
  }

  close(): void {
    for (const child of this.#children) child.kill('SIGKILL');
  }
}
