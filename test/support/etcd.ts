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

interface Plan {
  readonly folder: string;
  readonly places: readonly Place[];
  readonly files: Etcd['files'];
  readonly tls: boolean;
  readonly words: readonly string[];
}

async function planned({ members = 3, tls = false, words = [] }: EtcdOptions): Promise<Plan> {
  const folder = newFolder('etcd');
  const ports = await freePorts(members * 2);
  const scheme = tls ? 'https' : 'http';
  const places = Array.from({ length: members }, (_, at) => ({
    name: `m${at}`,
    client: `${scheme}://127.0.0.1:${ports[at * 2]}`,
    peer: `http://127.0.0.1:${ports[at * 2 + 1]}`,
  }));
  const files = { certificate: join(folder, 'cert'), key: join(folder, 'key'), authority: join(folder, 'ca') };
  writeFileSync(files.certificate, good.cert);
  writeFileSync(files.key, good.key, { mode: 0o600 });
  writeFileSync(files.authority, authority);
  return { folder, places, files, tls, words };
}

function launch({ folder, places, files, tls, words }: Plan, { name, client, peer }: Place): ChildProcess {
  const trust = ['--trusted-ca-file', files.authority, '--client-cert-auth'];
  const secure = tls ? ['--cert-file', files.certificate, '--key-file', files.key, ...trust] : [];
  const initial = places.map((one) => `${one.name}=${one.peer}`).join(',');
  const timing = ['--heartbeat-interval', '50', '--election-timeout', '500', '--logger', 'zap'];
  const clients = ['--listen-client-urls', client, '--advertise-client-urls', client];
  const peers = ['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer];
  const where = ['--name', name, '--data-dir', join(folder, name), '--initial-cluster', initial];
  const argv = [...where, ...clients, ...peers, ...timing, ...secure, ...words];
  const log = openSync(join(folder, `${name}.log`), 'a');
  const child = spawn('etcd', argv, { stdio: ['ignore', log, log], cwd: folder });
  child.on('error', () => undefined);
  closeSync(log);
  return child;
}

function control({ places, files, tls }: Plan, asked: readonly string[], member?: number): string {
  const ends = places.filter((_, at) => member === undefined || at === member).map(({ client }) => client);
  const own = tls ? ['--cacert', files.authority, '--cert', files.certificate, '--key', files.key] : [];
  const argv = ['--endpoints', ends.join(','), '--command-timeout', '5s', ...own, ...asked];
  const env = { ...process.env, ETCDCTL_API: '3' };
  return execFileSync('etcdctl', argv, { encoding: 'utf8', timeout: 20_000, env, stdio: ['ignore', 'pipe', 'pipe'] });
}

/** Asked of one member at a time: a stalled one does not answer. */
function leads(plan: Plan, at: number): boolean {
  try {
    const [one] = JSON.parse(control(plan, ['endpoint', 'status', '-w', 'json'], at)) as {
      Status: { leader?: number; header: { member_id: number } };
    }[];
    return one !== undefined && one.Status.leader === one.Status.header.member_id;
  } catch {
    return false;
  }
}

function healthy(plan: Plan): boolean {
  try {
    for (const at of plan.places.keys()) control(plan, ['get', 'none'], at);
    return true;
  } catch {
    return false;
  }
}

async function end(child: ChildProcess | undefined): Promise<void> {
  if (!child?.pid || child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((done) => child.once('exit', done));
  child.kill('SIGKILL');
  await ended;
}

export async function startEtcd(options: EtcdOptions = {}): Promise<Etcd> {
  const plan = await planned(options);
  const { folder, places, files } = plan;
  const children = places.map((place) => launch(plan, place));
  const ready = (): Promise<void> => until('an etcd that answers', () => healthy(plan), 60_000);
  const log = (at: number): string => readLog(join(folder, `m${at}.log`))();
  const stop = async (): Promise<void> => {
    await Promise.all(children.map(end));
    rmSync(folder, { recursive: true, force: true });
  };
  const leader = async (): Promise<number> => {
    let found = -1;
    const look = (): boolean => {
      found = places.findIndex((_, at) => leads(plan, at));
      return found >= 0;
    };
    await until('a leader', look, 30_000);
    return found;
  };
  await ready().catch(async (error: Error) => {
    const text = log(0).slice(-2000);
    await stop();
    throw new Error(`${error.message}: ${text}`);
  });
  return {
    folder,
    endpoints: places.map(({ client }) => client),
    files,
    pid: (at) => children[at]?.pid ?? 0,
    log,
    ctl: (asked, member) => control(plan, asked, member),
    leader,
    pause: (at) => void children[at]?.kill('SIGSTOP'),
    resume: (at) => void children[at]?.kill('SIGCONT'),
    kill: (at) => end(children[at]),
    run: (at) => {
      const place = places[at];
      if (place) children[at] = launch(plan, place);
    },
    ready,
    stop,
  };
}
