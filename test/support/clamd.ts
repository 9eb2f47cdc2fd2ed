// A clamd of its own with one signature: that of the EICAR test text. A signature of one's
// own has no age: only the makers of ClamAV can sign a database that has one.
import { createHash } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { answers, endTree, freePorts, newFolder, readLog, type Server, spawnTo, until } from './server.ts';

export interface Clamd extends Server {
  readonly socket: string;
  readonly port: number;
}

/** In parts, so that no scanner takes this file for the thing itself. */
const TEST_VIRUS = ['X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STAND', 'ARD-ANTIVIRUS-TEST-FILE!$H+H*'].join('');

/** `knows`: it has the signature. Without, it has one of something else. */
export async function startClamd(knows = true): Promise<Clamd> {
  const folder = newFolder('clamd');
  const [port = 0] = await freePorts(1);
  const [socket, database, logFile] = [join(folder, 'socket'), join(folder, 'db'), join(folder, 'log')];
  mkdirSync(database);
  const text = knows ? TEST_VIRUS : 'something else of a length';
  const md5 = createHash('md5').update(text).digest('hex');
  writeFileSync(join(database, 'own.hdb'), `${md5}:${text.length}:Lab.Test\n`);
  writeFileSync(
    join(folder, 'clamd.conf'),
    `LocalSocket ${socket}
TCPSocket ${port}
TCPAddr 127.0.0.1
DatabaseDirectory ${database}
TemporaryDirectory ${folder}
Foreground yes
User root
MaxThreads 2
SelfCheck 3600
`,
  );
  const main = spawnTo(['clamd', '-c', join(folder, 'clamd.conf')], logFile);
  // It listens on the port a moment before it does on the socket, and takes commands after both.
  const ready = async (): Promise<boolean> => /Self checking every/.test(readLog(logFile)()) && (await answers(port));
  await until('a clamd that listens', ready, 60_000);
  return {
    folder,
    socket,
    port,
    pid: () => main,
    log: readLog(logFile),
    async stop() {
      await endTree(main);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
