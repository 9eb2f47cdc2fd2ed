// A Knot DNS of its own with one zone that takes signed updates.
import { spawn } from 'node:child_process';
import { appendFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { answers, endTree, freePorts, newFolder, readLog, type Server, until } from './server.ts';

export interface Knot extends Server {
  readonly port: number;
}

/** `records`: lines of the zone beside SOA and NS. `key`: who may change it. */
export async function startKnot(
  zone: string,
  records: string,
  key: { readonly name: string; readonly algorithm: string; readonly secret: string },
): Promise<Knot> {
  const folder = newFolder('knot');
  const [port = 0] = await freePorts(1);
  for (const name of ['run', 'db']) mkdirSync(join(folder, name));
  writeFileSync(
    join(folder, `${zone}.zone`),
    `$ORIGIN ${zone}.\n$TTL 60\n@ SOA ns admin 1 60 60 60 60\n@ NS ns\nns A 127.0.0.1\n${records}\n`,
  );
  writeFileSync(
    join(folder, 'knot.conf'),
    `server:
  rundir: "${folder}/run"
  listen: 127.0.0.1@${port}
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
log:
  - target: stderr
    any: info
database:
  storage: "${folder}/db"
key:
  - id: ${key.name}
    algorithm: ${key.algorithm}
    secret: ${key.secret}
acl:
  - id: mover
    key: ${key.name}
    action: update
zone:
  - domain: ${zone}
    storage: "${folder}"
    zonefile-sync: -1
    zonefile-load: whole
    journal-content: none
    acl: mover
`,
  );
  const logFile = join(folder, 'log');
  const child = spawn('knotd', ['-c', join(folder, 'knot.conf')], { stdio: ['ignore', 'pipe', 'pipe'] });
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text: Buffer) => appendFileSync(logFile, text));
  const main = child.pid ?? 0;
  await until('a Knot that runs', async () => readLog(logFile)().includes('loaded') && (await answers(port)));
  return {
    folder,
    port,
    pid: () => main,
    log: readLog(logFile),
    async stop() {
      await endTree(main);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
