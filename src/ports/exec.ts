// Runs programs: argv only, never a shell; cleared environment; own process group; bounded time and output.
// A program that forks, shouts or refuses to die costs its caller one bounded wait.

export interface ExecOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  /** Bytes kept of stdout and of stderr each; what comes after is read and thrown away. Default 64 KiB. */
  readonly maxBytes?: number;
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
