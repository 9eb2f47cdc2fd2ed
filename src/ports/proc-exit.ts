// The moment a process dies: a pidfd (pidfd_open(2)) in Node's own event loop, through koffi. No thread, no timer, and
// nothing to do while nothing dies. Where there is no pidfd or no koffi: one look at /proc every 100 ms for all.
import { closeSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { ProcessIdentity } from '../core/types.ts';

/** The same number on every architecture that Node runs on. */
const SYS_PIDFD_OPEN = 434;
const FALLBACK_MS = 100;

interface Poll {
  unref(): void;
  close(): void;
}
interface Kernel {
  /** A descriptor, or -1. */
  pidfdOpen(pid: number): number;
  poll(fd: number, ready: () => void): Poll;
}

let kernel: Kernel | null | undefined;
const open = new Set<() => void>();

/** Loaded at the first use: the command line never pays for it. */
function loadKernel(): Kernel | null {
  if (process.platform !== 'linux') return null;
  try {
    const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
    // Node turns its loop once more while it ends. News that came then would find no JavaScript, and abort.
    process.once('exit', () => {
      for (const close of open) close();
    });
    const syscall = koffi.load(null).func('long syscall(long, long, unsigned int)');
    return {
      pidfdOpen: (pid) => Number(syscall(SYS_PIDFD_OPEN, pid, 0)),
      poll: (fd, ready) => koffi.node.poll(fd, { readable: true }, ready),
    };
  } catch {
    return null;
  }
}

/** Calls back when the process behind the descriptor ends; null when there is no such descriptor. */
function watchKernel(identity: ProcessIdentity, ended: () => void): (() => void) | null {
  if (kernel === undefined) kernel = loadKernel();
  const fd = kernel?.pidfdOpen(identity.pid) ?? -1;
  if (!kernel || fd < 0) return null;
  const close = (): void => {
    if (!open.delete(close)) return;
    poll.close();
    closeSync(fd);
  };
  const poll = kernel.poll(fd, () => {
    close();
    // Out of the native callback first: what is thrown or awaited there would bypass Node's own bookkeeping.
    setImmediate(ended);
  });
  poll.unref();
  open.add(close);
  return close;
}

/** One slow look for all that the kernel cannot tell us about. */
function makeLook(alive: (identity: ProcessIdentity) => boolean) {
  const watched = new Map<symbol, { identity: ProcessIdentity; ended: () => void }>();
  let timer: NodeJS.Timeout | undefined;
  const look = (): void => {
    for (const [key, { identity, ended }] of watched) {
      if (alive(identity)) continue;
      watched.delete(key);
      ended();
    }
    rest();
  };
  const rest = (): void => {
    if (watched.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
  return (identity: ProcessIdentity, ended: () => void): (() => void) => {
    const key = Symbol();
    watched.set(key, { identity, ended });
    timer ??= setInterval(look, FALLBACK_MS).unref();
    return () => {
      watched.delete(key);
      rest();
    };
  };
}

/** See Proc.onExit. Watching never keeps the process itself alive. `bySight`: as where there is no pidfd. */
export function makeExitWatch(alive: (identity: ProcessIdentity) => boolean, bySight = false) {
  const slowLook = makeLook(alive);
  return (identity: ProcessIdentity, ended: () => void): (() => void) => {
    let over = false;
    const tell = (): void => {
      if (over) return;
      over = true;
      ended();
    };
    const stop = (bySight ? null : watchKernel(identity, tell)) ?? slowLook(identity, tell);
    // The descriptor may be another's, if the pid was used again before it was opened.
    if (!alive(identity)) setImmediate(tell);
    return () => {
      over = true;
      stop();
    };
  };
}
