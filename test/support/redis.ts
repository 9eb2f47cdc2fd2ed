// A Redis of its own, on a free port of loopback. `redis-cli` talks to it where a test must do what the check may not.
import { execFileSync, spawn } from 'node:child_process';
import { closeSync, openSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { answers, endTree, freePorts, newFolder, readLog, type Server, until } from './server.ts';

export interface Redis extends Server {
  readonly port: number;
  /** One command of redis-cli, as the default user. */
  cli(...words: readonly string[]): string;
}

export async function startRedis(...settings: readonly string[]): Promise<Redis> {
  const folder = newFolder('redis');
  const [port = 0] = await freePorts(1);
  const log = openSync(join(folder, 'log'), 'a');
  const always = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '', '--daemonize', 'no'];
  const child = spawn('redis-server', [...always, ...settings], { stdio: ['ignore', log, log] });
  closeSync(log);
  const pid = child.pid ?? 0;
  const stop = async (): Promise<void> => {
    await endTree(pid);
    rmSync(folder, { recursive: true, force: true });
  };
  const ready = until('a Redis that listens', () => answers(port), 20_000);
  await ready.catch(async (error: Error) => {
    const text = readLog(join(folder, 'log'))();
    await stop();
    throw new Error(`${error.message}: ${text}`);
  });
  return {
    folder,
    port,
    pid: () => pid,
    log: readLog(join(folder, 'log')),
    cli: (...words) => execFileSync('redis-cli', ['-p', String(port), ...words], { encoding: 'utf8', timeout: 10_000 }),
    stop,
  };
}
