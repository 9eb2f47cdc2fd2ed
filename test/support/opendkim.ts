// An OpenDKIM of its own that verifies: a milter on loopback or on a unix socket.
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { endTree, newFolder, readLog, type Server, spawnTo, until } from './server.ts';

export interface OpenDkim extends Server {
  readonly socket: string;
}

export async function startOpenDkim(): Promise<OpenDkim> {
  const folder = newFolder('opendkim');
  const [socket, logFile] = [join(folder, 'socket'), join(folder, 'log')];
  writeFileSync(
    join(folder, 'opendkim.conf'),
    `Socket local:${socket}\nMode v\nSyslog no\nBackground no\nUserID root\nPidFile ${folder}/pid\n`,
  );
  const main = spawnTo(['opendkim', '-f', '-x', join(folder, 'opendkim.conf')], logFile);
  await until('an OpenDKIM that listens', () => existsSync(socket), 20_000);
  return {
    folder,
    socket,
    pid: () => main,
    log: readLog(logFile),
    async stop() {
      await endTree(main);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
