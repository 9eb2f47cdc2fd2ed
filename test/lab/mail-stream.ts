// Numbered mails from the client to the address of a cluster, and which of them a user finds there: what was accepted
// is known by its 250 and the machine's monotonic clock, and outlives every node.
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { eventually } from './command.ts';
import type { Lab } from './lab.ts';
import { PASSWORD } from './mail-files.ts';
import { repository } from './repository.ts';

const program = join(repository, 'dist/test/lab/mail-user.js');

export interface Accepted {
  readonly at: number;
  readonly n: number;
}

export interface StreamOptions {
  readonly address: string;
  readonly user: string;
  /** Pause between two mails. */
  readonly everyMs: number;
}

/** Close it when the test is over. */
export class MailStream {
  readonly #lab: Lab;
  readonly #options: StreamOptions;
  readonly #child: ChildProcess;
  readonly accepted: Accepted[] = [];

  constructor(lab: Lab, options: StreamOptions) {
    this.#lab = lab;
    this.#options = options;
    const { address, user, everyMs } = options;
    this.#child = lab.spawnClient([process.execPath, program, 'send', address, user, PASSWORD, `${everyMs}`]);
    if (!this.#child.stdout) throw new Error('it has no output');
    createInterface({ input: this.#child.stdout }).on('line', (line) => {
      const [at, n] = line.split(' ').map(Number);
      if (at !== undefined && n !== undefined) this.accepted.push({ at, n });
    });
  }

  /** Another mail is accepted after then. */
  async goesOn(from: number, limitMs: number): Promise<void> {
    await eventually('a mail that is accepted', () => (this.accepted.at(-1)?.at ?? 0) > from, limitMs);
  }

  /** What was accepted before then and cannot be read at the address now. */
  async missing(before = Number.POSITIVE_INFINITY): Promise<readonly Accepted[]> {
    const wanted = this.accepted.filter(({ at }) => at < before);
    const { address, user } = this.#options;
    const got = await this.#lab.client([process.execPath, program, 'read', address, user, PASSWORD]);
    if (got.code !== 0) throw new Error(`the inbox cannot be read: ${got.stderr.slice(-300)}`);
    const found = new Set(got.stdout.split('\n').filter(Boolean).map(Number));
    return wanted.filter(({ n }) => !found.has(n));
  }

  /** All that was accepted can be read, soon; how many could not at first. */
  async complete(limitMs: number): Promise<number> {
    let first: number | null = null;
    let last: readonly Accepted[] = [];
    const whole = async (): Promise<boolean> => {
      last = await this.missing();
      first ??= last.length;
      return last.length === 0;
    };
    await eventually('all mails', whole, limitMs, 200).catch((error: Error) => {
      throw new Error(`${error.message}; missing of ${this.accepted.length}: ${JSON.stringify(last)}`);
    });
    return first ?? 0;
  }

  /** No more mails. */
  close(): void {
    this.#child.kill('SIGKILL');
  }
}
