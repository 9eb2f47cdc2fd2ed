// A MariaDB of its own, on a free port of loopback and on a socket in its folder.
import { execFileSync, spawn } from 'node:child_process';
import { chownSync, closeSync, mkdirSync, openSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { answers, endTree, freePorts, newFolder, readLog, type Server, until, writeCertificate } from './server.ts';

export interface Mariadb extends Server {
  readonly port: number;
  readonly socket: string;
  /** Statements as root, over the socket. */
  sql(text: string): string;
}

let servers = 0;

/** The user `probe` has the password `pw` and the database `lab`. `settings`: words such as `--max-connections=2`. */
export async function startMariadb(...settings: readonly string[]): Promise<Mariadb> {
  const folder = newFolder('mariadb');
  const data = join(folder, 'data');
  const socket = join(folder, 'socket');
  const [port = 0] = await freePorts(1);
  const id = (kind: string): number => Number(execFileSync('id', [kind, 'mysql'], { encoding: 'utf8' }));
  const [uid, gid] = [id('-u'), id('-g')];
  mkdirSync(data);
  const { cert, key } = writeCertificate(folder);
  for (const path of [folder, data, cert, key]) chownSync(path, uid, gid);
  const install = ['--no-defaults', `--datadir=${data}`, '--auth-root-authentication-method=normal', '--skip-test-db'];
  const small = ['--innodb-buffer-pool-size=16M', '--innodb-log-file-size=8M', '--innodb-flush-log-at-trx-commit=0'];
  execFileSync('mariadb-install-db', [...install, '--user=mysql', ...small], { stdio: 'ignore', timeout: 90_000 });
  servers += 1;
  const always = [`--datadir=${data}`, `--socket=${socket}`, `--port=${port}`, '--bind-address=127.0.0.1'];
  const files = [
    `--pid-file=${join(folder, 'pid')}`,
    `--tmpdir=${folder}`,
    '--skip-name-resolve',
    `--server-id=${servers}`,
  ];
  const tls = [`--ssl-cert=${cert}`, `--ssl-key=${key}`];
  const log = openSync(join(folder, 'log'), 'a');
  const child = spawn('mariadbd', ['--no-defaults', ...always, ...files, ...tls, ...small, ...settings], {
    ...{ uid, gid, cwd: '/' },
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  const pid = child.pid ?? 0;
  const sql = (text: string): string =>
    execFileSync('mariadb', ['--no-defaults', `--socket=${socket}`, '-uroot', '-N', '-e', text], {
      encoding: 'utf8',
      timeout: 20_000,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  const stop = async (): Promise<void> => {
    await endTree(pid);
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await until('a MariaDB that greets', () => answers(port, /./s), 60_000);
    sql("CREATE DATABASE lab; CREATE USER probe@'%' IDENTIFIED BY 'pw'; GRANT ALL ON lab.* TO probe@'%'");
  } catch (error) {
    const text = readLog(join(folder, 'log'))();
    await stop();
    throw new Error(`${(error as Error).message}: ${text.slice(-2000)}`);
  }
  return { folder, port, socket, pid: () => pid, log: readLog(join(folder, 'log')), sql, stop };
}
