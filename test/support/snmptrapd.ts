// Net-SNMP's receiver of traps on a loopback port, with a folder of its own and our MIB: what it logs is what a network
// operations centre would see, by name.
import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { endTree, newFolder, readLog, until } from './server.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '../../..');
const MIBS = [join(root, 'node_modules/net-snmp/lib/mibs'), join(root, 'config/mibs')].join(':');

export const COMMUNITY = 'lab-noc';
export const SNMP_SECRETS = {
  SNMP_COMMUNITY: COMMUNITY,
  SNMP_AUTH: 'lab-auth-phrase',
  SNMP_PRIV: 'lab-priv-phrase',
  SNMP_WRONG: 'lab-wrong-phrase',
};
export const USER = `SHA-256 ${SNMP_SECRETS.SNMP_AUTH} AES ${SNMP_SECRETS.SNMP_PRIV}`;

export interface TrapReceiver {
  readonly port: number;
  readonly folder: string;
  readonly pid: () => number;
  /** What it took, one notification a text, as it printed it. */
  readonly taken: () => readonly string[];
  readonly log: () => string;
  /** Ends it; its memory of engines and users stays in the folder. */
  stop(): Promise<void>;
  /** Again on the same port. `forget`: without what it knew of engines, and of how often it had begun. */
  start(how?: { forget?: boolean; lines?: readonly string[] }): Promise<void>;
  remove(): Promise<void>;
}

export function freeUdpPort(address = '127.0.0.1'): Promise<number> {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  return new Promise((done) =>
    socket.bind(0, address, () => {
      const { port } = socket.address();
      socket.close(() => done(port));
    }),
  );
}

/** Hex of /proc/net/udp: is anybody bound to this port? */
function bound(port: number): boolean {
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, '0')} `;
  return ['udp', 'udp6'].some((name) => readFileSync(`/proc/net/${name}`, 'utf8').includes(wanted));
}

/** `lines` of its configuration beside what it may do: users with `createUser`, `authUser`. */
export async function trapReceiver(lines: readonly string[], address = '127.0.0.1'): Promise<TrapReceiver> {
  const folder = newFolder('snmptrapd');
  const port = await freeUdpPort(address);
  let process_: ChildProcess | null = null;
  // One a life: it begins its file anew.
  const logs: string[] = [];
  const log = (): string => logs.map((path) => readLog(path)()).join('');
  const receiver: TrapReceiver = {
    port,
    folder,
    pid: () => process_?.pid ?? 0,
    log,
    taken: () =>
      log()
        .split('@@')
        .slice(1)
        .map((text) => text.trim()),
    async stop() {
      await endTree(process_?.pid ?? 0);
      process_ = null;
    },
    async start(how = {}) {
      const memory = join(folder, 'memory');
      if (how.forget) rmSync(memory, { recursive: true, force: true });
      mkdirSync(memory, { recursive: true });
      const text = [
        `authCommunity log ${COMMUNITY}`,
        'format1 @@v1 %N %w %q\\n%v\\n',
        'format2 @@%P\\n%V|\\n%v\\n',
        ...(how.lines ?? lines),
      ];
      writeFileSync(join(folder, 'snmptrapd.conf'), `${text.join('\n')}\n`);
      const logPath = join(folder, `log-${logs.length}`);
      logs.push(logPath);
      const where = address.includes(':') ? `udp6:[${address}]:${port}` : `udp:${address}:${port}`;
      const words = ['-f', '-n', '-Lf', logPath, '-p', join(folder, 'pid')];
      process_ = spawn('snmptrapd', [...words, '-A', '-Oa', '-m', 'SNMPv2-MIB:WATCHKEEPER-MIB', '-M', MIBS, where], {
        stdio: 'ignore',
        env: { ...process.env, SNMP_PERSISTENT_DIR: memory, SNMPCONFPATH: `${folder}:${memory}`, HOME: folder },
      });
      process_.on('error', () => undefined);
      await until('snmptrapd', () => bound(port));
      // Bound, and then it reads what it may take.
      await until('snmptrapd is ready', () => /NET-SNMP version/.test(readLog(logPath)()));
    },
    async remove() {
      await receiver.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  await receiver.start();
  return receiver;
}
