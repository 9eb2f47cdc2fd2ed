// Measures one outage as a client sees it: from the moment of the fault until the first greeting after it.
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { sleep } from '../lab/command.ts';
import type { Lab } from '../lab/lab.ts';
import type { LabNode } from '../lab/node.ts';
import { repository } from '../lab/repository.ts';

interface Seen {
  readonly at: number;
  readonly state: string;
}

const monotonicMs = (): number => Number(process.hrtime.bigint()) / 1e6;

/** A client that asks all the time. Close it when the runs are over. */
export class Client {
  readonly #changes: Seen[] = [];
  readonly #child: ReturnType<Lab['spawnClient']>;

  constructor(lab: Lab, node: LabNode, port: number, greeting: string) {
    const program = join(repository, 'dist/test/bench/probe.js');
    this.#child = lab.spawnClient([process.execPath, program, node.address, String(port), greeting]);
    if (!this.#child.stdout) throw new Error('the probe has no output');
    createInterface({ input: this.#child.stdout }).on('line', (line) => {
      const [at, state = ''] = line.split(' ');
      this.#changes.push({ at: Number(at), state });
    });
  }

  #last(): Seen | undefined {
    return this.#changes.at(-1);
  }

  /** Waits until the greeting came without a break for `calmMs`. */
  async calm(calmMs: number, limitMs: number): Promise<boolean> {
    const end = monotonicMs() + limitMs;
    while (monotonicMs() < end) {
      const last = this.#last();
      if (last?.state === 'ok' && monotonicMs() - last.at > calmMs) return true;
      await sleep(20);
    }
    return false;
  }

  /** Does the fault, and gives the seconds until the service greets again; null when not within the limit. */
  async outage(fault: () => void, limitMs: number): Promise<number | null> {
    const before = this.#changes.length;
    const at = monotonicMs();
    fault();
    while (monotonicMs() < at + limitMs) {
      const after = this.#changes.slice(before).filter((seen) => seen.at > at);
      const down = after.findIndex((seen) => seen.state !== 'ok');
      const up = down === -1 ? undefined : after.slice(down).find((seen) => seen.state === 'ok');
      if (up) return (up.at - at) / 1000;
      await sleep(20);
    }
    return null;
  }

  close(): void {
    this.#child.kill('SIGKILL');
  }
}
