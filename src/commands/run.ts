// `watchkeeper run`: the daemon itself, from the file to the last signal. Exit codes: 0 stopped as asked, 75 another
// daemon runs, 77 a folder is not ours, 78 bad configuration.
import { randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { loadNamed } from '../config/load.ts';
import { formatProblem } from '../config/problems.ts';
import type { Config, Good, Loaded } from '../config/types.ts';
import type { Control, ControlDoors } from '../daemon/control.ts';
import { Daemon } from '../daemon/daemon.ts';
import { askHistory, openRecorder } from '../daemon/recorder.ts';
import { makeReload, type Reload, watchFiles } from '../daemon/reload.ts';
import { clock } from '../ports/clock.ts';
import { files } from '../ports/files.ts';
import { type Lock, LockError, takeLock } from '../ports/lock.ts';
import { isJournal, type LogLevel, type OpenLog, openLog } from '../ports/log.ts';
import { type Notify, openNotify } from '../ports/notify.ts';
import type { Ports } from '../ports/ports.ts';
import { realPorts } from '../ports/real.ts';
import { openStore, type Store } from '../ports/store.ts';
import { pluginsNamed } from '../registry.ts';
import { EXIT, type Io } from './io.ts';
import type { LiveTable } from './live-table.ts';

export interface RunOptions {
  readonly config: string;
  readonly live?: boolean;
  readonly observe?: boolean;
  readonly logLevel?: LogLevel;
}

/** What the process lends to the daemon: only main.ts has it. */
export interface Process {
  readonly pid: number;
  readonly uid: number | null;
  readonly version: string;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  on(signal: NodeJS.Signals, run: () => void): void;
}

const LIVE_MS = 250;

export async function run(options: RunOptions, io: Io, self: Process): Promise<number> {
  const loader = async (): Promise<Loaded> => {
    const here = { files, hostname: hostname(), uid: self.uid };
    const loaded = await loadNamed(options.config, here, pluginsNamed);
    return options.observe && 'config' in loaded ? { ...loaded, config: observing(loaded.config) } : loaded;
  };
  const loaded = await loader();
  if ('problems' in loaded) {
    for (const problem of loaded.problems) io.err(`${formatProblem(problem)}\n`);
    return EXIT.badConfiguration;
  }
  for (const warning of loaded.warnings) io.err(`${formatProblem(warning)}\n`);
  const { config } = loaded;
  const locks: Lock[] = [];
  try {
    const store = openStore(config.stateDir);
    // Its group may come as far as the socket.
    mkdirSync(config.runDir, { recursive: true, mode: 0o750 });
    // Two locks: whoever shares only the run-dir would take the control socket away from the one that has it.
    for (const path of [join(config.stateDir, 'lock'), join(config.runDir, 'control.lock')]) {
      const lock = takeLock(path, self.pid);
      if (lock === 'held') {
        io.err(`watchkeeper: another daemon runs on ${dirname(path)}\n`);
        return EXIT.tryAgain;
      }
      locks.push(lock);
    }
    return await serve(options, loaded, store, loader, io, self);
  } catch (error) {
    if (!(error instanceof LockError) && (error as NodeJS.ErrnoException).syscall === undefined) throw error;
    io.err(`watchkeeper: ${(error as Error).message}\n`);
    return EXIT.notAllowed;
  } finally {
    for (const lock of locks) lock.close();
  }
}

const observing = (config: Config): Config => ({ ...config, policy: { ...config.policy, observe: true } });

async function serve(
  options: RunOptions,
  loaded: Good,
  store: Store,
  loader: () => Promise<Loaded>,
  io: Io,
  self: Process,
): Promise<number> {
  const { config } = loaded;
  const journald = isJournal(io.env, self.pid, 2);
  const live = options.live ? await openLive(io, self) : null;
  const log = openLog({
    level: options.logLevel ?? (live ? 'error' : 'info'),
    underSystemd: journald,
    out: self.stderr,
  });
  const ports = realPorts({ env: io.env, pid: self.pid, underSystemd: journald, out: self.stdout, log });
  const notify = openNotify(io.env, self.pid);
  let daemon: Daemon | null = null;
  const onHistory = (detail: string | null): void =>
    daemon?.historyTrouble(detail !== null, detail ?? 'it is written again');
  const { recorder, history } = openRecorder(join(store.dir, 'history.db'), config.historyMs, ports, onHistory);
  daemon = new Daemon(config, {
    ports,
    plugins: loaded.plugins,
    store,
    recorder,
    version: self.version,
    configuration: options.config,
    pid: self.pid,
    instance: randomUUID(),
    onBeat: watchdog(notify),
    ...(live ? { onTold: (told) => told.forEach((one) => live.say(sentence(one.time, one.service, one.text))) } : {}),
  });
  const { reload: load, preview } = makeReload(daemon, loader, loaded, (text) => log.warn(text));
  const tellCount = (): void => {
    const count = daemon.services.names.length;
    notify.status(`watching ${count} ${count === 1 ? 'service' : 'services'}`);
  };
  const reload = telling(load, notify, log, tellCount);
  const started = daemon.start();
  // From here on a signal is an order: by default SIGHUP would be the end.
  const over = asked(self, () => started.then(reload).catch((error: Error) => log.error(`reload: ${error.message}`)));
  await started;
  const doors = {
    daemon,
    wall: () => clock.wall(),
    reload,
    preview,
    history: (question: Readonly<Record<string, string>>) => askHistory(history, question, clock.wall()),
  };
  const control = await openServer(join(config.runDir, 'control.sock'), doors).catch(async (error: Error) => {
    await daemon.close();
    throw error;
  });
  const watching = watchFiles(options.config, clock, daemon, loader, reload);
  const stopLive = live ? showLive(daemon, live, ports) : () => undefined;
  notify.ready();
  tellCount();
  await over;
  notify.stopping();
  watching.close();
  stopLive();
  await control.close();
  await daemon.close();
  notify.close();
  await log.close();
  return EXIT.done;
}

/** A right to be renewed does not wait for the library of the server, which takes a while to load. */
async function openServer(path: string, doors: ControlDoors): Promise<Control> {
  await doors.daemon.begun;
  const { openControl } = await import('../daemon/control.ts');
  return openControl(path, doors);
}

/** Resolves at SIGTERM or SIGINT. SIGHUP reloads. */
const asked = (self: Process, reload: () => Promise<unknown>): Promise<void> =>
  new Promise((resolve) => {
    self.on('SIGTERM', resolve);
    self.on('SIGINT', resolve);
    self.on('SIGHUP', () => void reload());
  });

/** A reload as systemd wants to see it: RELOADING with the time, READY when it is over. */
const telling =
  (reload: Reload, notify: Notify, log: OpenLog, tellCount: () => void): Reload =>
  async () => {
    notify.reloading();
    const problems = await reload().finally(() => notify.ready());
    tellCount();
    for (const line of problems) log.error(line);
    return problems;
  };

/** Pings the service manager's watchdog from the loop's own beat: a stuck loop stops pinging. */
function watchdog(notify: Notify): () => void {
  if (notify.watchdogMs === null) return () => undefined;
  let due = 0;
  const { watchdogMs } = notify;
  return () => {
    const now = clock.monotonic();
    if (now < due) return;
    due = now + watchdogMs;
    notify.watchdog();
  };
}

const sentence = (time: string, service: string | null, text: string): string =>
  `${time.slice(11, 19)} ${service === null ? '' : `${service}: `}${text}`;

async function openLive(io: Io, { stdout }: Process): Promise<LiveTable> {
  const { liveTable } = await import('./live-table.ts');
  return liveTable(stdout, { noColour: (io.env['NO_COLOR'] ?? '') !== '' });
}

function showLive(daemon: Daemon, live: LiveTable, ports: Ports): () => void {
  let cancel: () => void = () => undefined;
  const paint = (): void => {
    const status = daemon.status();
    live.show({ ...status, services: status.services.map((one) => ({ ...one, next: one.next.text })) });
    cancel = ports.clock.after(LIVE_MS, paint);
  };
  paint();
  return () => {
    cancel();
    live.close();
  };
}
