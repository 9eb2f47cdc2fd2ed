// A Windows machine in a folder: one prefix of Wine with the built project and a Windows Node in it, and the driver
// that keeps it alive and answers over loopback. Everything of it ends with close().
import { execFile, execFileSync, spawn } from 'node:child_process';
import { closeSync, cpSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { answers, freePorts, newFolder, until } from '../server.ts';
import type { Question } from './driver.ts';
import { root, takeParts } from './parts.ts';

const run = promisify(execFile);
/** A loaded machine: every file that Node opens under Wine costs a few turns of the scheduler. */
const BOOT_MS = 90_000;
const ANSWER_MS = 60_000;

export interface Answered<R> {
  readonly ms: number;
  readonly result: R;
}

export interface WindowsMachine {
  ask<R>(verb: Question['verb'], service: string, more?: Partial<Question>): Promise<R>;
  /** The command line of the small service. */
  commandOf(service: string, mode: string, port: number): string;
  /** Any program of Windows, with its exit code. */
  program(...argv: readonly string[]): Promise<number>;
  /** The Linux pid of a service's process. */
  linuxPid(service: string): number;
  /** What the driver wrote. */
  log(): string;
  close(): void;
}

function environment(prefix: string, debug: string): NodeJS.ProcessEnv {
  return {
    ...process.env,
    WINEPREFIX: prefix,
    WINEARCH: 'win64',
    WINEDEBUG: debug,
    DISPLAY: '',
    // Nothing that looks for a browser, a desktop or .NET.
    WINEDLLOVERRIDES: 'mscoree=;mshtml=;winemenubuilder.exe=;explorer.exe=',
  };
}

/** A pipe would be refused by Windows' Node, and kept open by what Wine leaves running: files only. */
async function wine(env: NodeJS.ProcessEnv, log: string, argv: readonly string[], limitMs: number): Promise<number> {
  const out = openSync(log, 'a');
  const child = spawn('wine', argv, { env, stdio: ['ignore', out, out] });
  const timer = setTimeout(() => child.kill('SIGKILL'), limitMs);
  const code = await new Promise<number>((done, failed) => {
    child.on('exit', (ended) => done(ended ?? -1));
    child.on('error', failed);
  }).finally(() => {
    clearTimeout(timer);
    closeSync(out);
  });
  return code;
}

/** These packages and all that they need. */
function withDependencies(names: readonly string[]): ReadonlySet<string> {
  const found = new Set<string>();
  const add = (name: string): void => {
    if (found.has(name)) return;
    found.add(name);
    const text = readFileSync(join(root, 'node_modules', name, 'package.json'), 'utf8');
    const { dependencies = {} } = JSON.parse(text) as { dependencies?: Record<string, string> };
    for (const other of Object.keys(dependencies)) add(other);
  };
  for (const name of names) add(name);
  return found;
}

/** The project as a Windows machine would have it, in C:\wk: what is built, and the packages that the driver needs. */
async function install(prefix: string): Promise<void> {
  const parts = await takeParts();
  const home = join(prefix, 'drive_c', 'wk');
  const packages = join(home, 'node_modules');
  mkdirSync(join(packages, '@koromix'), { recursive: true });
  cpSync(parts.node, join(home, 'node.exe'));
  cpSync(parts.koffi, join(packages, '@koromix', 'koffi-win32-x64'), { recursive: true });
  cpSync(join(root, 'package.json'), join(home, 'package.json'));
  for (const folder of ['dist/src', 'dist/test/support/wine'])
    cpSync(join(root, folder), join(home, folder), { recursive: true });
  for (const name of withDependencies(['zod', 'koffi', 'winston', 'winston-transport']))
    cpSync(join(root, 'node_modules', name), join(packages, name), { recursive: true });
}

/** Without these, Node asks for the real path of each module, folder by folder: slow under Wine. */
const NODE_WORDS = ['--preserve-symlinks', '--preserve-symlinks-main'];
const PLACE = 'C:\\wk\\dist\\test\\support\\wine\\';

function findPid(service: string): number {
  const found = readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
      return line.includes('small-service.js') && line.split(/[\0 ]/).includes(service);
    } catch {
      return false; // It ended meanwhile.
    }
  });
  if (found.length !== 1) throw new Error(`${found.length} processes of ${service}`);
  return Number(found[0]);
}

/** Questions and answers in lines of JSON. */
function talk(socket: Socket) {
  const waiting = new Map<number, (answered: Answered<unknown>) => void>();
  let last = 0;
  socket.on('error', () => undefined);
  createInterface({ input: socket }).on('line', (line) => {
    const answered = JSON.parse(line) as Answered<unknown> & { readonly id: number };
    waiting.get(answered.id)?.(answered);
    waiting.delete(answered.id);
  });
  return (question: Omit<Question, 'id'>): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const id = ++last;
      const what = `${question.verb} ${question.service}`;
      const timer = setTimeout(() => reject(new Error(`no answer to ${what} in ${ANSWER_MS} ms`)), ANSWER_MS);
      waiting.set(id, ({ result }) => {
        clearTimeout(timer);
        const { broken } = (result ?? {}) as { broken?: string };
        if (broken) reject(new Error(`${what}: ${broken}`));
        else resolve(result);
      });
      socket.write(`${JSON.stringify({ id, ...question })}\n`);
    });
}

/** Ends every process of the prefix, and waits for the last of them. */
function end(env: NodeJS.ProcessEnv): void {
  for (const word of ['-k', '-w'])
    try {
      execFileSync('wineserver', [word], { env, stdio: 'ignore', timeout: 15_000 });
    } catch {
      // It had ended before.
    }
}

/** `debug`: what Wine tells in the log, in its own words. */
export async function openMachine({ debug = '-all' } = {}): Promise<WindowsMachine> {
  const folder = newFolder('wine');
  const prefix = join(folder, 'prefix');
  const log = join(folder, 'log');
  const env = environment(prefix, debug);
  let open = true;
  let socket: Socket | undefined;
  const close = (): void => {
    if (!open) return;
    open = false;
    socket?.destroy();
    end(env);
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  process.once('exit', close);
  try {
    await wine(env, log, ['wineboot', '-i'], BOOT_MS);
    // It says "Windows 7" by default, and Node would not start.
    await wine(env, log, ['winecfg', '-v', 'win10'], BOOT_MS);
    await install(prefix);
    const [port = 0] = await freePorts(1);
    const argv = ['C:\\wk\\node.exe', ...NODE_WORDS, `${PLACE}driver.js`, String(port)];
    const out = openSync(log, 'a');
    spawn('wine', argv, { env, stdio: ['ignore', out, out] }).on('error', () => undefined);
    closeSync(out);
    await until('the driver under Wine', () => answers(port), BOOT_MS);
    socket = connect({ host: '127.0.0.1', port });
    const question = talk(socket);
    return {
      ask: async <R>(verb: Question['verb'], service: string, more: Partial<Question> = {}) =>
        (await question({ verb, service, ...more })) as R,
      commandOf: (service, mode, listen) =>
        ['C:\\wk\\node.exe', ...NODE_WORDS, `${PLACE}small-service.js`, service, mode, listen].join(' '),
      program: (...words) => wine(env, log, words, BOOT_MS),
      linuxPid: findPid,
      log: () => (existsSync(log) ? readFileSync(log, 'utf8') : ''),
      close,
    };
  } catch (error) {
    const said = existsSync(log) ? readFileSync(log, 'utf8').slice(-2000) : '';
    close();
    throw new Error(`${(error as Error).message}\n${said}`);
  }
}

/** Why there can be no Windows machine here; null when there can. Downloads on the way what is missing. */
export async function whyNoMachine(): Promise<string | null> {
  if (process.platform !== 'linux' || process.arch !== 'x64') return 'Wine runs Windows programs on Linux, x64, only';
  try {
    await run('wine', ['--version'], { timeout: 30_000, env: { ...process.env, WINEDEBUG: '-all' } });
  } catch (error) {
    return `there is no Wine: ${(error as Error).message.split('\n')[0]}`;
  }
  try {
    await takeParts();
    return null;
  } catch (error) {
    return `Node for Windows could not be had: ${(error as Error).message.split('\n')[0]}`;
  }
}
