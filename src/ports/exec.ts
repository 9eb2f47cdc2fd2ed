// Runs programs: argv only, never a shell; cleared environment; own process group; bounded time and output.
// A program that forks, shouts or refuses to die costs its caller one bounded wait.
import { type ChildProcess, spawn } from 'node:child_process';
import { program } from './program.ts';

export interface ExecOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  /** Bytes kept of stdout and of stderr each; what comes after is read and thrown away. Default 64 KiB. */
  readonly maxBytes?: number;
  /** Gets stdout piece by piece, all of it; nothing of stdout is kept then. */
  readonly onStdout?: (piece: Buffer) => void;
  readonly input?: string | Uint8Array;
  /** Added to the fixed PATH, LANG=C and HOME. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

export interface ExecResult {
  /** Exit code, or null when a signal or the time limit ended it, or when it could not be started. */
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly timedOut: boolean;
  /** Why it could not be started (`ENOENT`, `EACCES`, `EAGAIN` …), or null. */
  readonly failed: string | null;
  readonly truncated: boolean;
  readonly ms: number;
}

export interface Exec {
  /** Never throws for what the program does; settles at most 200 ms after `timeoutMs`, whatever it does. */
  run(argv: readonly string[], options: ExecOptions): Promise<ExecResult>;
}

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Settles this long after 'exit' even if a grandchild still holds stdout open. */
const LINGER_MS = 50;
/** After the time limit: SIGTERM, then SIGKILL, then we stop waiting, whatever it does. */
const TERM_MS = 50;
const GIVE_UP_MS = 150;

interface Kept {
  add(chunk: Buffer): void;
  text(): string;
  truncated(): boolean;
}

/** Keeps the first `max` bytes of a stream, and notes that there were more. */
function keep(max: number): Kept {
  const chunks: Buffer[] = [];
  let size = 0;
  let truncated = false;
  return {
    add(chunk) {
      const room = max - size;
      if (chunk.length > room) truncated = true;
      if (room <= 0) return;
      const kept = chunk.length > room ? chunk.subarray(0, room) : chunk;
      chunks.push(kept);
      size += kept.length;
    },
    text: () => Buffer.concat(chunks).toString('utf8'),
    truncated: () => truncated,
  };
}

function killGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // ESRCH: the whole group is gone.
  }
}

function environment(extra: ExecOptions['env']): NodeJS.ProcessEnv {
  return { PATH, LANG: 'C', LC_ALL: 'C', HOME: process.getuid?.() === 0 ? '/root' : '/', ...extra };
}

/** Runs one program to its end or its limit. See Exec.run. */
function run(argv: readonly string[], options: ExecOptions): Promise<ExecResult> {
  const started = performance.now();
  const out = keep(options.maxBytes ?? 65_536);
  const err = keep(options.maxBytes ?? 65_536);
  return new Promise((resolve) => {
    const timers: NodeJS.Timeout[] = [];
    let settled = false;
    let timedOut = false;
    const settle = (code: number | null, signal: string | null, failed: string | null): void => {
      if (settled) return;
      settled = true;
      for (const timer of timers) clearTimeout(timer);
      options.signal?.removeEventListener('abort', stop);
      child?.stdout?.destroy();
      child?.stderr?.destroy();
      resolve({
        code: timedOut ? null : code,
        signal,
        stdout: out.text(),
        stderr: err.text(),
        timedOut,
        failed,
        truncated: out.truncated() || err.truncated(),
        ms: performance.now() - started,
      });
    };
    const stop = (): void => {
      timedOut = true;
      killGroup(child?.pid, 'SIGTERM');
      timers.push(setTimeout(() => killGroup(child?.pid, 'SIGKILL'), TERM_MS));
      timers.push(setTimeout(() => settle(null, 'SIGKILL', null), GIVE_UP_MS));
    };
    let child: ChildProcess | undefined;
    try {
      child = spawn(program(argv), argv.slice(1), {
        detached: true,
        shell: false,
        cwd: options.cwd ?? '/',
        env: environment(options.env),
        stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      });
    } catch (error) {
      return settle(null, null, (error as NodeJS.ErrnoException).code ?? 'EINVAL');
    }
    child.on('error', (error: NodeJS.ErrnoException) => settle(null, null, error.code ?? 'EIO'));
    child.stdout?.on('data', options.onStdout ?? ((chunk: Buffer) => out.add(chunk)));
    child.stderr?.on('data', (chunk: Buffer) => err.add(chunk));
    child.stdin?.on('error', () => undefined); // EPIPE: it did not want its input.
    if (options.input !== undefined) child.stdin?.end(options.input);
    child.on('exit', (code, signal) => {
      // A grandchild in the group may hold the pipes and go on: it ends with its parent.
      timers.push(setTimeout(() => killGroup(child?.pid, 'SIGKILL'), LINGER_MS / 2));
      // A loop that was busy for so long has not read the pipes yet: what is in them is read before an immediate.
      timers.push(setTimeout(() => setImmediate(() => settle(code, signal, null)), LINGER_MS));
    });
    child.on('close', (code, signal) => {
      killGroup(child?.pid, 'SIGKILL');
      settle(code, signal, null);
    });
    timers.push(setTimeout(stop, options.timeoutMs));
    if (options.signal?.aborted) stop();
    else options.signal?.addEventListener('abort', stop, { once: true });
  });
}

export const exec: Exec = { run };
