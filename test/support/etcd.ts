// Members of a real etcd on free ports of loopback, each to be stalled, killed and started again by its number.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { closeSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { authority, good } from './certificates.ts';
import { freePorts, newFolder, readLog, until } from './server.ts';

export interface EtcdOptions {
  readonly members?: number;
  /** With certificates (of test/support/certificates.ts) on both sides. */
  readonly tls?: boolean;
  /** Further words of the command line. */
  readonly words?: readonly string[];
}

export interface Etcd {
  readonly folder: string;
  readonly endpoints: readonly string[];
  /** Paths of the certificate, its key and the authority, with `tls`. */
  readonly files: { readonly certificate: string; readonly key: string; readonly authority: string };
  pid(member: number): number;
  log(member: number): string;
  /** One command of etcdctl on all members, or on one. Throws what it says. */
  ctl(words: readonly string[], member?: number): string;
  /** The number of the member that leads. */
  leader(): Promise<number>;
  pause(member: number): void;
  resume(member: number): void;
  /** SIGKILL, and gone. */
  kill(member: number): Promise<void>;
  /** Runs it (again), without waiting. */
  run(member: number): void;
  ready(): Promise<void>;
  stop(): Promise<void>;
}

interface Place {
  readonly name: string;
  readonly client: string;
  readonly peer: string;
}

export async function startEtcd({ members = 3, tls = false, words = [] }: EtcdOptions = {}): Promise<Etcd> {
  const folder = newFolder('etcd');
  const ports = await freePorts(members * 2);
  const scheme = tls ? 'https' : 'http';
  const places = Array.from(
    { length: members },
    (_, at): Place => ({
      name: `m${at}`,
      client: `${scheme}://127.0.0.1:${ports[at * 2]}`,
      peer: `http://127.0.0.1:${ports[at * 2 + 1]}`,
    }),
  );
  const files = { certificate: join(folder, 'cert'), key: join(folder, 'key'), authority: join(folder, 'ca') };
  writeFileSync(files.certificate, good.cert);
  writeFileSync(files.key, good.key, { mode: 0o600 });
  writeFileSync(files.authority, authority);
  const children: (ChildProcess | undefined)[] = [];
  const pid = (at: number): number => children[at]?.pid ?? 0;
  const place = (at: number): Place => places[at] as Place;
  const trust = ['--trusted-ca-file', files.authority, '--client-cert-auth'];
  const secure = tls ? ['--cert-file', files.certificate, '--key-file', files.key, ...trust] : [];
  const initial = places.map(({ name, peer }) => `${name}=${peer}`).join(',');
  const run = (at: number): void => {
    const { name, client, peer } = place(at);
    const log = openSync(join(folder, `${name}.log`), 'a');
    const timing = ['--heartbeat-interval', '50', '--election-timeout', '500', '--logger', 'zap'];
    const client2 = ['--listen-client-urls', client, '--advertise-client-urls', client];
    const peer2 = ['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer];
    const where = ['--name', name, '--data-dir', join(folder, name), '--initial-cluster', initial];
    const argv = [...where, ...client2, ...peer2, ...timing, ...secure, ...words];
    children[at] = spawn('etcd', argv, { stdio: ['ignore', log, log], cwd: folder });
    closeSync(log);
  };
  const kill = async (at: number): Promise<void> => {
    const child = children[at];
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((done) => child.once('exit', done));
    child.kill('SIGKILL');
    await ended;
  };
  const ctl = (asked: readonly string[], member?: number): string => {
    const ends = member === undefined ? places.map(({ client }) => client).join(',') : place(member).client;
    const own = tls ? ['--cacert', files.authority, '--cert', files.certificate, '--key', files.key] : [];
    const argv = ['--endpoints', ends, '--command-timeout', '5s', ...own, ...asked];
    const env = { ...process.env, ETCDCTL_API: '3' };
    return execFileSync('etcdctl', argv, { encoding: 'utf8', timeout: 20_000, env, stdio: ['ignore', 'pipe', 'pipe'] });
  };
  const healthy = (): boolean => {
    try {
      for (let at = 0; at < members; at++) ctl(['get', 'none'], at);
      return true;
    } catch {
      return false;
    }
  };
  const ready = (): Promise<void> => until('an etcd that answers', healthy, 60_000);
  const signal = (at: number, name: NodeJS.Signals): void => void (pid(at) && process.kill(pid(at), name));
  const stop = async (): Promise<void> => {
    await Promise.all(places.map((_, at) => kill(at)));
    rmSync(folder, { recursive: true, force: true });
  };
  /** Asked of one member at a time: a stalled one does not answer. */
  const leads = (at: number): boolean => {
    try {
      const [one] = JSON.parse(ctl(['endpoint', 'status', '-w', 'json'], at)) as {
        Status: { leader?: number; header: { member_id: number } };
      }[];
      return one !== undefined && one.Status.leader === one.Status.header.member_id;
    } catch {
      return false;
    }
  };
  const leader = async (): Promise<number> => {
    let found = -1;
    await until('a leader', () => (found = places.findIndex((_, at) => leads(at))) >= 0, 30_000);
    return found;
  };
  for (let at = 0; at < members; at++) run(at);
  await ready().catch(async (error: Error) => {
    const text = readLog(join(folder, 'm0.log'))().slice(-2000);
    await stop();
    throw new Error(`${error.message}: ${text}`);
  });
  return {
    folder,
    endpoints: places.map(({ client }) => client),
    files,
    pid,
    log: (at) => readLog(join(folder, `${place(at).name}.log`))(),
    ctl,
    leader,
    pause: (at) => signal(at, 'SIGSTOP'),
    resume: (at) => signal(at, 'SIGCONT'),
    kill,
    run,
    ready,
    stop,
  };
}
