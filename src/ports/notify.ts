// Tells the service manager how the daemon is: sd_notify(3) over the datagram socket that it named. Without such a
// socket every call does nothing. The watchdog ping is sent by the caller, from the loop whose life it proves.
import { libc } from './libc.ts';

type Env = Readonly<Record<string, string | undefined>>;

export interface Notify {
  /** True when a service manager listens. */
  readonly active: boolean;
  /** How often `watchdog` is to be called: half of WATCHDOG_USEC, or null when no watchdog was asked for. */
  readonly watchdogMs: number | null;
  ready(): void;
  /** A reload begins; `ready` ends it. */
  reloading(): void;
  stopping(): void;
  /** One line for `systemctl status`. */
  status(text: string): void;
  watchdog(): void;
  /** Gives up what is still to be sent. */
  close(): void;
}

/** The manager may be behind for a moment; a lost READY or STOPPING would cost the start. */
const RETRY_MS = 50;
const RETRIES = 200;

function watchdogMs(env: Env, pid: number): number | null {
  const usec = Number(env['WATCHDOG_USEC']);
  const meant = env['WATCHDOG_PID'];
  if (!Number.isSafeInteger(usec) || usec <= 0) return null;
  if (meant !== undefined && meant !== '' && Number(meant) !== pid) return null;
  return Math.max(1, Math.floor(usec / 2000));
}

function sender(path: string): { send(text: string): boolean } {
  return { send: (text) => libc()?.sendTo(path, Buffer.from(text, 'utf8')) === 'sent' };
}

/** Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID from `env`; `pid` is our own. */
export function openNotify(env: Env, pid: number): Notify {
  const path = env['NOTIFY_SOCKET'];
  const active = path !== undefined && /^[/@]./.test(path) && libc() !== null;
  const door = sender(path ?? '');
  const pending: string[] = [];
  let tries = 0;
  let timer: NodeJS.Timeout | undefined;
  const flush = (): void => {
    timer = undefined;
    while (pending[0] !== undefined && door.send(pending[0])) {
      pending.shift();
      tries = 0;
    }
    if (pending.length === 0) return;
    if (++tries > RETRIES) pending.length = 0;
    else timer = setTimeout(flush, RETRY_MS);
    timer?.unref();
  };
  const surely = (text: string): void => {
    if (!active) return;
    pending.push(text);
    // In order: what waits goes first.
    if (!timer) flush();
  };
  const perhaps = (text: string): void => {
    if (active && pending.length === 0) door.send(text);
  };
  return {
    active,
    watchdogMs: active ? watchdogMs(env, pid) : null,
    ready: () => surely('READY=1'),
    // CLOCK_MONOTONIC in microseconds: systemd compares it with the time of its own request (Type=notify-reload).
    reloading: () => surely(`RELOADING=1\nMONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`),
    stopping: () => surely('STOPPING=1'),
    status: (text) => perhaps(`STATUS=${text.replaceAll(/\s+/g, ' ').slice(0, 500)}`),
    watchdog: () => perhaps('WATCHDOG=1'),
    close() {
      clearTimeout(timer);
      pending.length = 0;
    },
  };
}
