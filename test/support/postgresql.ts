// A PostgreSQL of its own, on a free port of loopback and on a socket in its folder: a primary, or a standby of one.
import { execFileSync, spawn } from 'node:child_process';
import { appendFileSync, chownSync, closeSync, mkdirSync, openSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { answers, endTree, freePorts, newFolder, readLog, type Server, until, writeCertificate } from './server.ts';

export interface Postgresql extends Server {
  readonly port: number;
  readonly socket: string;
  /** Statements as the superuser. */
  sql(text: string, database?: string): string;
}

const RELEASES = '/usr/lib/postgresql';
const program = (name: string): string => join(RELEASES, readdirSync(RELEASES).toSorted().at(-1) ?? '', 'bin', name);
const idOf = (kind: '-u' | '-g'): number => Number(execFileSync('id', [kind, 'postgres'], { encoding: 'utf8' }));

interface Options {
  readonly standbyOf?: number;
  readonly settings?: string;
  readonly tls?: boolean;
}

/** The files of a new primary, or a copy of a running one. */
function makeData(folder: string, data: string, options: Options, { uid, gid }: { uid: number; gid: number }): void {
  const password = join(folder, 'password');
  mkdirSync(data, { mode: 0o700 });
  writeFileSync(password, 'pw\n');
  writeCertificate(folder);
  for (const path of [folder, data, password, join(folder, 'key.pem')]) chownSync(path, uid, gid);
  const fresh = `-U postgres -A scram-sha-256 --pwfile ${password} --no-sync -E UTF8 --locale=C`.split(' ');
  const from = `host=127.0.0.1 port=${options.standbyOf} user=postgres password=pw`;
  const copy = ['-d', from, '-R', '-c', 'fast', '--no-sync'];
  const [name, way] = options.standbyOf === undefined ? ['initdb', fresh] : ['pg_basebackup', copy];
  const stdio: ['ignore', 'ignore', 'pipe'] = ['ignore', 'ignore', 'pipe'];
  execFileSync(program(name), ['-D', data, ...way], { uid, gid, cwd: '/', timeout: 60_000, stdio });
}

const settingsOf = (folder: string, port: number, options: Options): string => `port = ${port}
listen_addresses = '127.0.0.1'
unix_socket_directories = '${folder}'
fsync = off
max_connections = 20
ssl = ${options.tls ? 'on' : 'off'}
ssl_cert_file = '${join(folder, 'cert.pem')}'
ssl_key_file = '${join(folder, 'key.pem')}'
${options.settings ?? ''}
`;

/** Roles: `postgres` and `probe`, both with the password `pw`. */
export async function startPostgresql(options: Options = {}): Promise<Postgresql> {
  const folder = newFolder('postgresql');
  const data = join(folder, 'data');
  const [port = 0] = await freePorts(1);
  const [uid, gid] = [idOf('-u'), idOf('-g')];
  makeData(folder, data, options, { uid, gid });
  appendFileSync(join(data, 'postgresql.conf'), settingsOf(folder, port, options));
  const log = openSync(join(folder, 'log'), 'a');
  const child = spawn(program('postgres'), ['-D', data], { uid, gid, cwd: '/', stdio: ['ignore', log, log] });
  closeSync(log);
  const pid = child.pid ?? 0;
  const sql = (text: string, database = 'postgres'): string =>
    execFileSync(program('psql'), ['-h', folder, '-p', String(port), '-U', 'postgres', '-d', database, '-Atc', text], {
      env: { PGPASSWORD: 'pw', PATH: '/usr/bin:/bin' },
      encoding: 'utf8',
      timeout: 20_000,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  const server: Postgresql = {
    folder,
    port,
    socket: join(folder, `.s.PGSQL.${port}`),
    pid: () => pid,
    log: readLog(join(folder, 'log')),
    sql,
    async stop() {
      await endTree(pid);
      rmSync(folder, { recursive: true, force: true });
    },
  };
  try {
    await until('a PostgreSQL that listens', () => answers(port), 30_000);
    if (options.standbyOf === undefined) {
      await until(
        'a PostgreSQL that answers',
        () => readLog(join(folder, 'log'))().includes('ready to accept'),
        30_000,
      );
      sql("CREATE ROLE probe LOGIN PASSWORD 'pw'");
    }
  } catch (error) {
    const text = server.log();
    await server.stop();
    throw new Error(`${(error as Error).message}: ${text.slice(-2000)}`);
  }
  return server;
}
