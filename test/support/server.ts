// What the starters of real servers share: a folder, free ports, waiting, and an end for every process.
import { execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { good } from './certificates.ts';
import { lives, processTree } from './pids.ts';

/** Users of lab.test, each with the password `pw`. */
export const USERS = ['probe', 'u1', 'u2', 'u3', 'u4', 'u5'];

export interface Server {
  readonly folder: string;
  /** The main process. */
  pid(): number;
  /** Its log, as far as it came. */
  log(): string;
  stop(): Promise<void>;
}

/** So many ports that were free a moment ago. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
      return server;
    }),
  );
  return Promise.all(
    servers.map(async (server) => {
      const address = server.address();
      await new Promise((done) => server.close(done));
      return typeof address === 'object' && address ? address.port : 0;
    }),
  );
}

const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

/** Until `ready` says so; throws after `ms`. */
export async function until(what: string, ready: () => boolean | Promise<boolean>, ms = 10_000): Promise<void> {
  for (const end = performance.now() + ms; performance.now() < end; await pause(25)) if (await ready()) return;
  throw new Error(`${what} did not happen within ${ms} ms`);
}

/** True when a connection to the port begins with `greeting` (or is made at all). */
export function answers(port: number, greeting?: RegExp): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    const end = (ok: boolean): void => {
      socket.destroy();
      resolve(ok);
    };
    socket.setTimeout(1000, () => end(false));
    socket.on('error', () => end(false));
    if (greeting) socket.on('data', (data) => end(greeting.test(data.toString())));
    else socket.on('connect', () => end(true));
  });
}

function signalAll(pids: readonly number[], signal: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, signal);
    } catch {
      // ESRCH: it is gone.
    }
  }
}

/** Ends a tree: asks, then kills what is left, stopped processes too. */
export async function endTree(pid: number): Promise<void> {
  if (pid <= 1) return;
  const tree = processTree(pid);
  signalAll(tree, 'SIGCONT');
  signalAll([pid], 'SIGTERM');
  await until('the end', () => !tree.some(lives), 1500).catch(() => undefined);
  signalAll([...new Set([...tree, ...processTree(pid)])].filter(lives), 'SIGKILL');
  await until('the end', () => !tree.some(lives), 3000);
}

export function newFolder(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `wk-${name}-`));
  chmodSync(folder, 0o755);
  return folder;
}

/** Certificate and key of the tests' own authority, for mail.test and 127.0.0.1. */
export function writeCertificate(
  folder: string,
  pair: { cert: string; key: string } = good,
): { cert: string; key: string } {
  const paths = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') };
  writeFileSync(paths.cert, pair.cert);
  writeFileSync(paths.key, pair.key, { mode: 0o600 });
  return paths;
}

export const readLog = (path: string) => (): string => (existsSync(path) ? readFileSync(path, 'utf8') : '');
export const pidIn = (path: string): number => Number(existsSync(path) ? readFileSync(path, 'utf8').trim() : 0);

/** Runs a program that puts itself into the background. Its output goes to a file: its children keep that open. */
export function launch(argv: readonly string[], logPath: string): void {
  const log = openSync(logPath, 'a');
  try {
    execFileSync(argv[0] ?? '', argv.slice(1), { stdio: ['ignore', log, log], timeout: 30_000 });
  } catch (error) {
    throw new Error(`${argv.join(' ')}: ${(error as Error).message}\n${readFileSync(logPath, 'utf8')}`);
  } finally {
    closeSync(log);
  }
}

/** Starts a program that stays in the foreground. Its output goes to a file, so that its end cannot break the test. */
export function spawnTo(argv: readonly string[], logPath: string): number {
  const log = openSync(logPath, 'a');
  const child = spawn(argv[0] ?? '', argv.slice(1), { stdio: ['ignore', log, log] });
  child.on('error', () => undefined);
  closeSync(log);
  return child.pid ?? 0;
}

/** States of all threads of a process (proc(5)). */
function threadStates(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`).map(
      (thread) => /\) (\S)/.exec(readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8'))?.[1] ?? '',
    );
  } catch {
    return [];
  }
}

/** Stops these processes (SIGSTOP) for the time of `work`. A process with threads needs a moment to stand still. */
export async function frozen(pids: readonly number[], work: () => Promise<void>): Promise<void> {
  if (pids.length === 0) throw new Error('there is nothing to stop');
  signalAll(pids, 'SIGSTOP');
  try {
    // One that was just ending is a zombie: its parent stands still as well.
    await until('standing still', () => pids.flatMap(threadStates).every((state) => /^[TZX]$/.test(state)));
    await work();
  } finally {
    signalAll(pids, 'SIGCONT');
  }
}

/** The same for a process and all below it. */
export const stopped = (pid: number, work: () => Promise<void>): Promise<void> => frozen(processTree(pid), work);
