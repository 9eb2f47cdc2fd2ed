// What a command may write to and know. main.ts makes it; nothing else reads argv, env or the terminal.

export interface Io {
  out(text: string): void;
  err(text: string): void;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly isTty: boolean;
  readonly width: number;
}

/** Exit codes of DESIGN section 9: sysexits.h, and what a Nagios plugin says. */
export const EXIT = {
  done: 0,
  failed: 1,
  usage: 64,
  noDaemon: 69,
  tryAgain: 75,
  notAllowed: 77,
  badConfiguration: 78,
  noQuorum: 106,
  unsafe: 107,
  timedOut: 124,
} as const;

/** What `status` and `check` answer with: 0 ok, 1 degraded, 2 failing, 3 unknown. */
export const HEALTH_EXIT: Readonly<Record<string, number>> = { ok: 0, degraded: 1, failing: 2, unknown: 3 };
