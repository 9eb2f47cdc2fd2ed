// The daemon as users run it: `bin/watchkeeper.js run` as a process, with folders of its own, asked over its socket or
// by its own command line. Everything that it or a test starts is ended by pid.
import { type ChildProcess, spawn } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ask, body } from '../../src/commands/client.ts';
import type { Answer as Explained } from '../../src/commands/explain.ts';
import type { Status } from '../../src/daemon/status.ts';
import { lives } from './pids.ts';
import { freePorts, until } from './server.ts';

export const root = fileURLToPath(new URL('../../../', import.meta.url));
export const program = join(root, 'bin/watchkeeper.js');
const smallServer = fileURLToPath(new URL('small-server.js', import.meta.url));

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface Run extends Ended {
  readonly out: string;
  readonly err: string;
}

/** One alert, as the event log writes it into its file. */
export interface Alerted {
  readonly alert: string;
  readonly event: string;
  readonly kind: 'raise' | 'clear' | 'once';
  readonly key: string;
  readonly service?: string;
  readonly incident?: string;
  readonly cause?: string;
  readonly text: string;
}

export interface Life {
  readonly child: ChildProcess;
  /** What it wrote to standard output and error. */
  told(): string;
  readonly ended: Promise<Ended>;
}

export interface LiveDaemon {
  readonly dir: string;
  readonly config: string;
  readonly socket: string;
  at(name: string): string;
  /** Replaces the configuration as editors do: write aside, rename. */
  write(config: object): void;
  /** Starts a daemon; `ready` waits until it answers. */
  start(env?: Readonly<Record<string, string>>, words?: readonly string[]): Life;
  ready(life: Life): Promise<Status>;
  /** Starts one and waits. */
  up(env?: Readonly<Record<string, string>>): Promise<Life>;
  stop(life: Life, signal?: NodeJS.Signals): Promise<Ended>;
  /** The command line, as a process; `--socket` is added. */
  cli(...words: readonly string[]): Promise<Run>;
  status(): Promise<Status>;
  service(name: string): Promise<Status['services'][number]>;
  explain(name: string): Promise<Explained>;
  alerts(): readonly Alerted[];
  /** The pid that a service of the process manager has now; 0 when it does not run. */
  pidOf(name: string): number;
  startsOf(name: string): number;
  askedOf(name: string): number;
  end(): Promise<void>;
}

/** Runs a program to its end. At most `limitMs`. */
export function runProgram(
  argv: readonly string[],
  env: Readonly<Record<string, string>> = {},
  limitMs = 30_000,
): Promise<Run> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, argv, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env['PATH'] ?? '', HOME: tmpdir(), ...env },
    });
    const told = { out: '', err: '' };
    child.stdout.on('data', (data: Buffer) => (told.out += data.toString('latin1')));
    child.stderr.on('data', (data: Buffer) => (told.err += data.toString('latin1')));
    const limit = setTimeout(() => child.kill('SIGKILL'), limitMs);
    child.once('close', (code, signal) => {
      clearTimeout(limit);
      const text = (bytes: string): string => Buffer.from(bytes, 'latin1').toString('utf8');
      resolve({ code, signal, out: text(told.out), err: text(told.err) });
    });
  });
}

const lines = (path: string): readonly string[] =>
  existsSync(path)
    ? readFileSync(path, 'utf8')
        .split('\n')
        .filter((line) => line !== '')
    : [];

function startIn(dir: string, config: string, env: Readonly<Record<string, string>>, words: readonly string[]): Life {
  const child = spawn(process.execPath, [program, 'run', '--config', config, ...words], {
    cwd: dir,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'] ?? '', HOME: dir, ...env },
  });
  let told = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (data: Buffer) => (told = (told + data.toString()).slice(-40_000)));
  const ended = new Promise<Ended>((resolve) =>
    child.once('exit', (code, signal) => {
      // What it said last is still in the pipes, which somebody it left behind may hold open.
      const over = (): void => resolve({ code, signal });
      child.once('close', over);
      setTimeout(over, 500);
    }),
  );
  return { child, told: () => told, ended };
}

/** Children of the process manager that the state folder names, and that live. */
function left(stateDir: string): readonly number[] {
  if (!existsSync(stateDir)) return [];
  return readdirSync(stateDir)
    .filter((name) => /^child-.*\.json$/.test(name))
    .map((name) => Number(/"pid":(\d+)/.exec(readFileSync(join(stateDir, name), 'utf8'))?.[1] ?? 0))
    .filter(lives);
}

export function liveDaemon(name: string): LiveDaemon {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), `wk-${name}-`)));
  const at = (file: string): string => join(dir, file);
  mkdirSync(at('etc'), { mode: 0o700 });
  const [config, socket] = [at('etc/watchkeeper.yaml'), at('run/control.sock')];
  const running = new Set<Life>();
  const status = (): Promise<Status> => body<Status>(ask(socket, 'GET', '/api/v1/status'));
  const daemon: LiveDaemon = {
    dir,
    config,
    socket,
    at,
    write(text) {
      writeFileSync(at('etc/.new'), JSON.stringify(text, null, 2), { mode: 0o600 });
      renameSync(at('etc/.new'), config);
    },
    start(env = {}, words = []) {
      const life = startIn(dir, config, env, words);
      running.add(life);
      void life.ended.then(() => running.delete(life));
      return life;
    },
    async ready(life) {
      let seen: Status | null = null;
      const look = async (): Promise<boolean> => {
        if (life.child.exitCode !== null) throw new Error(`it ended with ${life.child.exitCode}: ${life.told()}`);
        seen = await status().catch(() => null);
        return seen?.daemon.pid === life.child.pid;
      };
      await until(`the daemon answers: ${life.told()}`, look, 20_000);
      return seen as unknown as Status;
    },
    async up(env) {
      const life = daemon.start(env);
      await daemon.ready(life);
      return life;
    },
    stop(life, signal = 'SIGTERM') {
      life.child.kill(signal);
      return life.ended;
    },
    cli: (...words) => runProgram([program, ...words, '--socket', socket]),
    status,
    async service(wanted) {
      const found = (await status()).services.find((one) => one.name === wanted);
      if (!found) throw new Error(`no service ${wanted}`);
      return found;
    },
    explain: (wanted) => body<Explained>(ask(socket, 'GET', `/api/v1/explain/${encodeURIComponent(wanted)}`)),
    alerts: () =>
      lines(at('events.log'))
        .filter((line) => line.endsWith('}'))
        .map((line) => JSON.parse(line) as Alerted),
    pidOf: (service) => {
      const pid = Number(lines(at(`${service}.starts`)).at(-1) ?? 0);
      return lives(pid) ? pid : 0;
    },
    startsOf: (service) => lines(at(`${service}.starts`)).length,
    askedOf: (service) => (lines(at(`${service}.asked`))[0] ?? '').length,
    async end() {
      for (const life of running) life.child.kill('SIGKILL');
      await Promise.all([...running].map((life) => life.ended));
      for (const pid of left(at('state'))) process.kill(pid, 'SIGKILL');
      rmSync(dir, { recursive: true, force: true });
    },
  };
  appendFileSync(at('events.log'), '');
  return daemon;
}

export interface ServiceWords {
  readonly [key: string]: unknown;
  readonly recover?: object;
}

/** A service that the process manager runs, asked for its banner. Short beats, generous limits. */
export function served(daemon: LiveDaemon, name: string, port: number, more: ServiceWords = {}): object {
  const { recover = {}, ...rest } = more;
  return {
    quick: { every: '500ms', timeout: '500ms' },
    deep: { every: '3s', timeout: '2s' },
    checks: [{ type: 'tcp', port, expect: '220' }],
    manager: { type: 'process', run: ['node', smallServer, daemon.dir, name, String(port)], 'stop-timeout': '1s' },
    recover: {
      ladder: ['restart', 'kill-and-start'],
      attempts: 3,
      window: '10m',
      backoff: { first: '200ms', max: '500ms' },
      repair: '10s',
      verify: '10s',
      grace: '5s',
      stable: '5m',
      again: 'never',
      flapping: { changes: 100, window: '10m' },
      ...recover,
    },
    ...rest,
  };
}

/** A service that is only watched, by a check of one's own. */
export const watched = (check: object, more: object = {}): object => ({
  quick: { every: '500ms', timeout: '500ms' },
  deep: { every: '3s', timeout: '2s' },
  checks: [check],
  ...more,
});

/** A whole configuration: folders below the daemon's own, alerts as JSON lines in events.log. */
export const whole = (daemon: LiveDaemon, services: object, more: object = {}): object => ({
  node: 'n1',
  'state-dir': daemon.at('state'),
  'run-dir': daemon.at('run'),
  services,
  // Few services, all broken at once by a test: no reason to doubt the observer. After a stall it doubts as ever.
  tilt: { least: 50, stall: '2s' },
  alerts: { log: { type: 'event-log', target: 'file', path: daemon.at('events.log') } },
  ...more,
});

/** Until these services are all well; else it throws with how they are. */
export async function allWell(daemon: LiveDaemon, names: readonly string[], ms = 20_000): Promise<void> {
  let seen: readonly string[] = [];
  const look = async (): Promise<boolean> => {
    const { services } = await daemon.status();
    const wanted = services.filter(({ name }) => names.includes(name));
    seen = wanted.map((one) => `${one.name} ${one.health}, ${one.phase}: ${one.why.text}`);
    return wanted.length === names.length && wanted.every((one) => one.health === 'ok');
  };
  await until('all well', look, ms).catch((error: Error) => {
    throw new Error(`${error.message}; ${seen.join('; ')}`);
  });
}

export { freePorts, until };
