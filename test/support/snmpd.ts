// Net-SNMP's agent on a loopback port, as master of sub-agents at a socket in a folder of its own; and the tools of a
// manager, which see everything by the names of our MIB.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { mib } from '../../src/core/mib.ts';
import { endTree, newFolder, readLog, until } from './server.ts';
import { freeUdpPort } from './snmptrapd.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '../../..');

export interface Snmpd {
  readonly folder: string;
  /** Where sub-agents connect. */
  readonly socket: string;
  readonly pid: () => number;
  start(): Promise<void>;
  stop(): Promise<void>;
  signal(name: NodeJS.Signals): void;
  /** One of snmpget, snmpwalk, snmpbulkwalk …: its lines. `more`: options before the address. */
  ask(tool: string, names: readonly string[], more?: readonly string[]): Promise<readonly string[]>;
  log(): string;
  remove(): Promise<void>;
}

function run(argv: readonly string[], env: Readonly<Record<string, string>>): Promise<string> {
  return new Promise((done) => {
    const options = { env: { ...process.env, ...env }, timeout: 60_000, maxBuffer: 64_000_000 };
    execFile(argv[0] ?? '', argv.slice(1), options, (_error, stdout, stderr) => done(`${stdout}${stderr}`));
  });
}

/** `lines`: more of snmpd.conf. */
export async function snmpd(lines: readonly string[] = [], master?: string): Promise<Snmpd> {
  const folder = newFolder('snmpd');
  const port = await freeUdpPort();
  const socket = master ?? join(folder, 'master');
  const [conf, logPath] = [join(folder, 'snmpd.conf'), join(folder, 'log')];
  mkdirSync(join(folder, 'memory'));
  mkdirSync(join(folder, 'mibs'));
  writeFileSync(join(folder, 'mibs/WATCHKEEPER-MIB.txt'), mib());
  const own = [`agentAddress udp:127.0.0.1:${port}`, 'rwcommunity lab 127.0.0.1', 'master agentx'];
  writeFileSync(conf, [...own, `agentXSocket ${socket}`, 'agentXPerms 0600 0700', ...lines, ''].join('\n'));
  const env = { SNMP_PERSISTENT_DIR: join(folder, 'memory'), SNMPCONFPATH: folder, MIBS: '' };
  const tools = {
    ...env,
    MIBDIRS: `${join(root, 'node_modules/net-snmp/lib/mibs')}:${join(folder, 'mibs')}`,
    MIBS: 'SNMPv2-MIB:WATCHKEEPER-MIB',
  };
  let child: ChildProcess | null = null;
  const it: Snmpd = {
    folder,
    socket,
    pid: () => child?.pid ?? 0,
    async start() {
      child = spawn('snmpd', ['-f', '-C', '-c', conf, '-Lf', logPath], {
        stdio: 'ignore',
        env: { ...process.env, ...env },
      });
      child.on('error', () => undefined);
      const up = async (): Promise<boolean> => /sysUpTime/.test((await it.ask('snmpget', ['sysUpTime.0'])).join(''));
      await until('snmpd answers', up, 20_000);
    },
    async stop() {
      await endTree(child?.pid ?? 0);
      child = null;
      if (existsSync(socket)) rmSync(socket, { force: true });
    },
    signal: (name) => void child?.kill(name),
    async ask(tool, names, more = []) {
      const words = [tool, '-v2c', '-c', 'lab', '-t', '5', '-r', '1', ...more, `udp:127.0.0.1:${port}`, ...names];
      return (await run(words, tools)).split('\n').filter((line) => line !== '' && !line.startsWith('Created dir'));
    },
    log: readLog(logPath),
    async remove() {
      await it.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  return it;
}
