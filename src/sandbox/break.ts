// Breaks the sandbox's services on purpose, and heals them: by signals and files, without any daemon.
// Every fault is a real behaviour of a real process; the daemon is told nothing.
import { copyFileSync, existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { sizeOf, writeWhole } from './disk.ts';
import { clearFault, type Fault } from './fault.ts';
import { type Life, readLife } from './identity.ts';
import { placesOf, type ServiceName, services } from './places.ts';
import { readSettings } from './settings.ts';

export const hows = ['kill', 'hang', 'refuse', 'slow', 'no-space', 'misconfigure', 'loop'] as const;
export type How = (typeof hows)[number];

/** `ok: false` and why nothing was done, or what is true now. */
export interface Told {
  readonly ok: boolean;
  readonly text: string;
}
const done = (text: string): Told => ({ ok: true, text });
const refused = (text: string): Told => ({ ok: false, text });

export interface Seen {
  readonly service: ServiceName;
  readonly pid: number | null;
  readonly life: Life;
  readonly faults: readonly How[];
}

/** How long a service may take to follow. */
const FOLLOW_MS = 3000;

async function until(reached: () => boolean): Promise<boolean> {
  for (const end = performance.now() + FOLLOW_MS; performance.now() < end; await sleep(20)) if (reached()) return true;
  return reached();
}

/** What each service is and suffers now: looked up, not remembered. */
export function look(dir: string, service: ServiceName): Seen {
  const places = placesOf(dir, service);
  const { identity, life } = readLife(places.process);
  const faults: How[] = [];
  if (life === 'stopped') faults.push('hang');
  const own = life === 'dead' ? null : identity?.fault;
  if (own === 'refuse' || own === 'slow') faults.push(own);
  if (existsSync(places.ballast)) faults.push('no-space');
  if (existsSync(places.settingsBefore)) faults.push('misconfigure');
  if (existsSync(places.fault) && readFileSync(places.fault, 'utf8').includes('"loop"')) faults.push('loop');
  return { service, pid: life === 'dead' ? null : (identity?.pid ?? null), life, faults };
}

export const lookAll = (dir: string): readonly Seen[] => services.map((service) => look(dir, service));

function send(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false; // It ended by itself meanwhile, or belongs to another user.
  }
}

type Act = (dir: string, seen: Seen & { readonly pid: number }, delayMs: number) => Promise<Told>;

async function wedge(dir: string, seen: Seen & { readonly pid: number }, fault: Fault): Promise<boolean> {
  const places = placesOf(dir, seen.service);
  writeWhole(places.home, 'fault.json', `${JSON.stringify(fault)}\n`);
  return until(() => readLife(places.process).identity?.fault === fault.how);
}

const notFollowed = (seen: Seen): Told =>
  refused(`${seen.service}: process ${seen.pid} does not follow; is it broken in another way already?`);

/** Faults of a process that runs. */
const onProcess: Readonly<Record<'kill' | 'hang' | 'refuse' | 'slow', Act>> = {
  kill: async (dir, seen) => {
    const gone = send(seen.pid, 'SIGKILL') && (await until(() => look(dir, seen.service).pid !== seen.pid));
    return gone ? done(`${seen.service}: process ${seen.pid} was killed (SIGKILL)`) : notFollowed(seen);
  },
  hang: async (dir, seen) => {
    const hangs = send(seen.pid, 'SIGSTOP') && (await until(() => look(dir, seen.service).life === 'stopped'));
    if (!hangs) return notFollowed(seen);
    return done(`${seen.service}: process ${seen.pid} is stopped (SIGSTOP): its port accepts and nobody answers`);
  },
  refuse: async (dir, seen) => {
    if (!(await wedge(dir, seen, { how: 'refuse', pid: seen.pid }))) return notFollowed(seen);
    return done(`${seen.service}: process ${seen.pid} lives and has closed its port: connections are refused`);
  },
  slow: async (dir, seen, delayMs) => {
    if (!(await wedge(dir, seen, { how: 'slow', pid: seen.pid, delayMs }))) return notFollowed(seen);
    return done(`${seen.service}: process ${seen.pid} greets each new connection ${delayMs} ms late`);
  },
};

function fillUp(dir: string, service: ServiceName): Told {
  const read = readSettings(dir, service);
  if ('problem' in read) return refused(`${service}: cannot tell its size limit: ${read.problem}`);
  if (!('limitBytes' in read.settings)) return refused(`${service}: keeps nothing on disk; choose store or mta`);
  const places = placesOf(dir, service);
  const { limitBytes } = read.settings;
  const missing = limitBytes - sizeOf(places.data);
  if (missing > 0) writeFileSync(places.ballast, Buffer.alloc(missing), { mode: 0o600, flag: 'a' });
  return done(`${service}: ${places.data} holds ${sizeOf(places.data)} of ${limitBytes} bytes: full`);
}

async function misconfigure(dir: string, seen: Seen): Promise<Told> {
  const places = placesOf(dir, seen.service);
  if (!existsSync(places.settingsBefore)) {
    copyFileSync(places.settings, places.settingsBefore);
    // A line too many: what a hasty editor leaves behind.
    writeFileSync(places.settings, `${readFileSync(places.settings, 'utf8').trimEnd().slice(0, -1)}  "lsten": \n}\n`);
  }
  if (seen.pid !== null) await onProcess.kill(dir, { ...seen, pid: seen.pid }, 0);
  return done(`${seen.service}: ${places.settings} is broken, and no process runs: a start would fail`);
}

async function loop(dir: string, seen: Seen): Promise<Told> {
  const fault: Fault = { how: 'loop' };
  writeWhole(placesOf(dir, seen.service).home, 'fault.json', `${JSON.stringify(fault)}\n`);
  if (seen.life === 'stopped' && seen.pid !== null) send(seen.pid, 'SIGKILL');
  if (!(await until(() => look(dir, seen.service).pid !== seen.pid || seen.pid === null))) return notFollowed(seen);
  return done(`${seen.service}: crashes right after each start`);
}

/** Breaks a service. `delayMs` is for `slow`. */
export async function breakService(dir: string, service: ServiceName, how: How, delayMs: number): Promise<Told> {
  const seen = look(dir, service);
  if (how === 'no-space') return fillUp(dir, service);
  if (!existsSync(placesOf(dir, service).settings)) return refused(`${service}: never ran here; begin with: npm start`);
  if (how === 'misconfigure') return misconfigure(dir, seen);
  if (how === 'loop') return loop(dir, seen);
  if (seen.pid === null) return refused(`${service}: does not run; begin with: npm start`);
  return onProcess[how](dir, { ...seen, pid: seen.pid }, delayMs);
}

/** Undoes every fault of a service. It starts nothing: that is the daemon's work. */
export async function healService(dir: string, service: ServiceName): Promise<Told> {
  const places = placesOf(dir, service);
  const before = look(dir, service);
  clearFault(places.fault);
  rmSync(places.ballast, { force: true });
  if (existsSync(places.settingsBefore)) renameSync(places.settingsBefore, places.settings);
  if (before.life === 'stopped' && before.pid !== null) send(before.pid, 'SIGCONT');
  if (!(await until(() => look(dir, service).faults.length === 0)))
    return refused(`${service}: still broken: ${look(dir, service).faults.join(', ')}`);
  const was = before.faults.length === 0 ? 'was not broken' : `healed of ${before.faults.join(', ')}`;
  const now = look(dir, service);
  return done(`${service}: ${was}; ${now.pid === null ? 'does not run now' : `process ${now.pid} runs`}`);
}

/** Ends every service, politely and then not. */
export async function stopAll(dir: string): Promise<readonly Told[]> {
  const running = lookAll(dir).flatMap((seen) => (seen.pid === null ? [] : [{ ...seen, pid: seen.pid }]));
  return Promise.all(
    running.map(async (seen) => {
      const gone = (): boolean => look(dir, seen.service).pid !== seen.pid;
      send(seen.pid, 'SIGTERM');
      if (seen.life === 'stopped') send(seen.pid, 'SIGCONT');
      if (await until(gone)) return done(`${seen.service}: process ${seen.pid} ended`);
      send(seen.pid, 'SIGKILL');
      return (await until(gone))
        ? done(`${seen.service}: process ${seen.pid} had to be killed`)
        : refused(`${seen.service}: process ${seen.pid} does not end`);
    }),
  );
}
