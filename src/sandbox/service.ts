// The life of a sandbox service as a process: arguments, settings, ports, the faults it puts on itself, the end.
//   node SERVICE.js [--dir DIR]            runs it
//   node SERVICE.js [--dir DIR] --check-config     reads the settings as a start would: exit 0, or 78 and a sentence
// Exit codes: 0 told to end, 1 crashed, 69 a port is taken, 78 bad settings.
import { watch } from 'node:fs';
import { parseArgs } from 'node:util';
import { clearFault, readFault } from './fault.ts';
import type { Gate } from './gate.ts';
import { self, writeIdentity } from './identity.ts';
import { defaultDir, type Places, placesOf, type ServiceName } from './places.ts';
import { prepare, readSettings, type Settings } from './settings.ts';

export interface Running {
  readonly gates: readonly Gate[];
  /** What is still to be done before the end; bounded by the caller. */
  close(): void;
}

/** How long a crashing service lives: long enough for its start to look good. */
const CRASH_MS = 150;
const say = (service: string, text: string): boolean => process.stdout.write(`${service}: ${text}\n`);

function end(service: string, code: number, text: string): never {
  process.stderr.write(`${service}: ${text}\n`);
  process.exit(code);
}

async function openAll(service: string, gates: readonly Gate[], places: Places): Promise<void> {
  try {
    for (const gate of gates) await gate.open();
  } catch (error) {
    const { code, address, port, message } = error as NodeJS.ErrnoException & { address?: string; port?: number };
    if (code !== 'EADDRINUSE') throw error;
    const advice = `stop that one, or choose another port in ${places.settings} and in the checks`;
    end(service, 69, `${address}:${port} is taken by another program: ${advice} (${message})`);
  }
}

/** Brings the gates in line with the fault that is asked for, and says so in process.json. */
async function obey(service: string, gates: readonly Gate[], places: Places): Promise<void> {
  const fault = readFault(places.fault, process.pid);
  if (fault?.how === 'loop') setTimeout(() => end(service, 1, 'fatal: broken by `sandbox break`'), CRASH_MS);
  for (const gate of gates) gate.delayMs = fault?.how === 'slow' ? fault.delayMs : 0;
  if (fault?.how === 'refuse') for (const gate of gates) gate.close();
  else await openAll(service, gates, places);
  writeIdentity(places.process, self(fault?.how ?? null));
}

/** Runs a service until it is told to end. */
export async function serve<S extends ServiceName>(
  service: S,
  start: (settings: Settings<S>, dir: string, data: string) => Running,
): Promise<void> {
  const { values } = parseArgs({ options: { dir: { type: 'string' }, 'check-config': { type: 'boolean' } } });
  const dir = values.dir ?? defaultDir;
  const places = placesOf(dir, service);
  prepare(dir);
  const read = readSettings(dir, service);
  if ('problem' in read) end(service, 78, read.problem);
  if (values['check-config']) return void say(service, 'settings are good');

  const running = start(read.settings, dir, places.data);
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      for (const gate of running.gates) gate.close();
      running.close();
      process.exit(0);
    });
  }
  if (!readFault(places.fault, process.pid)) clearFault(places.fault);
  // One change at a time, and never lost: what comes while we obey, from the very beginning on, is obeyed afterwards.
  let turn = obey(service, running.gates, places);
  watch(places.home, (_kind, name) => {
    if (name === 'fault.json') turn = turn.then(() => obey(service, running.gates, places));
  });
  await turn;
  say(service, `runs as process ${process.pid}`);
}
