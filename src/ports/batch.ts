// One long-lived child that reads commands line by line (ip(8), nft(8)): a command is at work within a millisecond of
// being written, and no process has to be started between a decision and its effect. One command at a time; a child
// that does not answer is killed and replaced, and what it was told counts as not done.
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { clock } from './clock.ts';
import { program } from './program.ts';

const OUTPUT_MAX = 1024 * 1024;
/** A timer that comes so late was not held up by the child. */
const STALLED_MS = 100;

export interface BatchOptions {
  readonly argv: readonly string[];
  /** Asked after every command: once `answered` is found in what it says, the one before has been carried out. */
  readonly after: string;
  readonly answered: RegExp;
  readonly answerMs: number;
}

export interface BatchAnswer {
  readonly out: string;
  readonly err: string;
}

interface Job {
  readonly line: string;
  readonly still: () => boolean;
  resolve(answer: BatchAnswer | 'late' | null): void;
}

export class Batch {
  readonly #options: BatchOptions;
  readonly #queue: Job[] = [];
  #child: ChildProcessWithoutNullStreams | null = null;
  #busy: Job | null = null;
  #out = '';
  #err = '';
  #timer: NodeJS.Timeout | null = null;

  constructor(options: BatchOptions) {
    this.#options = options;
  }

  /** Null: it did not answer, and what it was told counts as not done. `still` is asked in the moment before it is
   *  told: if false, it is told nothing, and the answer is `late`. */
  ask(line: string): Promise<BatchAnswer | null>;
  ask(line: string, still: () => boolean): Promise<BatchAnswer | 'late' | null>;
  ask(line: string, still: () => boolean = () => true): Promise<BatchAnswer | 'late' | null> {
    return new Promise((resolve) => {
      this.#queue.push({ line, still, resolve });
      this.#next();
    });
  }

  #next(): void {
    const job = this.#busy ? undefined : this.#queue.shift();
    if (!job) return;
    this.#busy = job;
    this.#child ??= this.#start();
    // It may have waited for others, and the whole machine may have stood still meanwhile.
    if (!job.still()) return this.#finish('late');
    if (!this.#child) return this.#finish(null);
    this.#out = '';
    this.#err = '';
    this.#wait();
    this.#child.stdin.write(`${job.line}\n${this.#options.after}\n`);
  }

  #wait(): void {
    const { answerMs } = this.#options;
    const due = clock.monotonic() + answerMs;
    this.#timer = setTimeout(() => {
      // Whoever stood still himself meanwhile says nothing of the child: its answer may lie there unread. With nft its
      // tables would go, which keep closed what froze beside it.
      if (clock.monotonic() - due > STALLED_MS) this.#wait();
      else this.#drop();
    }, answerMs);
  }

  #finish(answer: BatchAnswer | 'late' | null): void {
    const job = this.#busy;
    this.#busy = null;
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
    job?.resolve(answer);
    this.#next();
  }

  #drop(): void {
    this.#child?.kill('SIGKILL');
    this.#child = null;
    if (this.#busy) this.#finish(null);
  }

  #heard(text: string): void {
    this.#out += text;
    if (this.#out.length > OUTPUT_MAX || this.#err.length > OUTPUT_MAX) return this.#drop();
    const job = this.#busy;
    if (!job || !this.#options.answered.test(this.#out)) return;
    // A complaint that was written before comes by another pipe: it is read before this turn ends.
    setImmediate(() => {
      if (this.#busy === job) this.#finish({ out: this.#out, err: this.#err });
    });
  }

  #start(): ChildProcessWithoutNullStreams | null {
    const { argv } = this.#options;
    try {
      // Without a home: nft(8) keeps what it was told there.
      const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LANG: 'C', HOME: '/nonexistent' };
      const made = spawn(program(argv), argv.slice(1), { env, stdio: 'pipe' });
      const ended = (): void => {
        if (made !== this.#child) return;
        this.#child = null;
        if (this.#busy) this.#finish(null);
      };
      made.stdout.setEncoding('latin1').on('data', (text: string) => made === this.#child && this.#heard(text));
      made.stderr.setEncoding('latin1').on('data', (text: string) => {
        if (made === this.#child) this.#err += text;
      });
      made.on('error', ended).on('exit', ended);
      made.stdin.on('error', () => undefined);
      // It is no reason to go on: it ends with its standard input.
      made.unref();
      for (const pipe of [made.stdin, made.stdout, made.stderr]) (pipe as unknown as { unref(): void }).unref();
      return made;
    } catch {
      return null;
    }
  }

  /** Another child from now on. */
  renew(): void {
    this.#drop();
  }

  close(): void {
    for (const job of this.#queue.splice(0)) job.resolve(null);
    this.#drop();
  }
}
