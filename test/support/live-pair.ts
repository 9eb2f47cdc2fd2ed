// Two whole daemons as one cluster: processes of their own, comm paths with mutual TLS over addresses of loopback,
// certificates as the command line makes them, a real etcd. A judge looks on all the time.
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Status } from '../../src/daemon/status.ts';
import { type Etcd, startEtcd } from './etcd.ts';
import {
  freePorts,
  type Life,
  liveDaemon,
  type LiveDaemon,
  program,
  runProgram,
  served,
  whole,
} from './live-daemon.ts';

export const PAIR = ['n1', 'n2'] as const;
export type Name = (typeof PAIR)[number];
export const otherOf = (name: Name): Name => (name === 'n1' ? 'n2' : 'n1');
/** Two paths a node. */
export const PATHS: Readonly<Record<Name, readonly string[]>> = {
  n1: ['127.0.1.1', '127.0.2.1'],
  n2: ['127.0.1.2', '127.0.2.2'],
};

/** What a step stands for is a mark with the name of the node. `slow` makes it take its time. */
const STEP = `place=$1/$WATCHKEEPER_STEP-$WATCHKEEPER_NODE
[ -e "$1/slow" ] && sleep 0.6
case $2 in
do) touch "$place" ;;
undo) rm -f "$place" ;;
probe) [ -e "$place" ] ;;
esac
`;

/** A copy that is always well; brought up to date it writes down whether the service takes something in, and whether
 *  the disk is there. */
const COPY = `case $2 in
look) echo '{"state": "healthy", "queue": 0, "lagMs": 0}' ;;
flush)
  app=gone; disk=gone
  (: </dev/tcp/127.0.0.1/$3) 2>/dev/null && app=up
  [ -e "$1/disk-$WATCHKEEPER_NODE" ] && disk=up
  echo "app $app, disk $disk" >>"$1/flushed" ;;
esac
`;

export interface PairOptions {
  /** The group `mail` has a copy that goes one way. By rsync: of `data-NAME`, and n2 is slow to get it. */
  readonly copied?: 'command' | 'rsync';
}

export interface Pair {
  readonly etcd: Etcd;
  readonly folder: string;
  readonly port: number;
  daemon(name: Name): LiveDaemon;
  life(name: Name): Life;
  start(name: Name): Promise<void>;
  /** Certificates for both, and both daemons. */
  begin(): Promise<void>;
  /** SIGKILL for the daemon and for the services that it runs: a node that is gone. */
  die(name: Name): Promise<void>;
  /** Certificate and key that a node shows from now on, out of this folder. */
  show(name: Name, from: string): void;
  /** Nobody listens at this path of a node but this one, which answers nothing. */
  occupy(address: string): Promise<Server>;
  slow(on: boolean): void;
  /** Of a step or of the service: on which nodes it is in place. */
  placed(what: 'desk' | 'disk' | 'app'): readonly Name[];
  status(name: Name): Promise<Status>;
  group(name: Name, group: string): Promise<Status['groups'][number]>;
  /** What was seen that may never be, and for each group who had it under which epoch. */
  readonly seen: { readonly doubles: string[]; readonly owners: Map<string, string> };
  end(): Promise<void>;
}

interface Making {
  readonly folder: string;
  readonly port: number;
  readonly servicePorts: readonly number[];
  readonly etcd: Etcd;
  readonly daemons: Readonly<Record<Name, LiveDaemon>>;
  readonly options: PairOptions;
}

function configuration({ folder, port, servicePorts, etcd, daemons, options }: Making, name: Name): object {
  const daemon = daemons[name];
  const script = join(folder, 'step.sh');
  const step = (act: string): readonly string[] => ['/bin/sh', script, folder, act];
  const command = { do: step('do'), undo: step('undo'), probe: step('probe') };
  const file = (end: string): string => daemon.at(`etc/node.${end}`);
  const peers = { certificate: file('pem'), key: file('key'), authority: daemon.at('etc/authority.pem') };
  const appPort = servicePorts[PAIR.indexOf(name)] ?? 0;
  const app = served(daemon, 'app', appPort, { recover: { grace: '2s' } });
  const copy = (act: string): readonly string[] => ['/bin/bash', join(folder, 'copy.sh'), folder, act, `${appPort}`];
  const data = (one: Name): string => join(folder, `data-${one}`);
  const places = Object.fromEntries(PAIR.map((one) => [one, data(one)]));
  const args = name === 'n2' ? ['--bwlimit=100'] : [];
  const sources = {
    command: {
      command: { run: copy('look'), flush: copy('flush'), 'one-way': true },
      ...{ every: '1s', timeout: '900ms' },
    },
    rsync: {
      rsync: { path: data(name), from: places, to: places, every: '1s', args },
      ...{ every: '15s', timeout: '15s' },
    },
  };
  return whole(
    daemon,
    { app },
    {
      node: name,
      cluster: {
        ...{ name: 'pair', engine: 'etcd', endpoints: etcd.endpoints, silence: '2s' },
        nodes: Object.fromEntries(PAIR.map((one) => [one, { paths: PATHS[one] }])),
        peers: { port, every: '500ms', timeout: '400ms', ...peers },
      },
      groups: {
        mail: {
          ...{ services: ['app'], nodes: PAIR, block: '1h', objectives: { rto: '30s' } },
          steps: [{ command, name: 'disk' }],
          ...(options.copied ? { replication: [sources[options.copied]] } : {}),
        },
        desk: { nodes: PAIR, failover: { mode: 'confirm', confirm: '2m' }, steps: [{ command, name: 'desk' }] },
      },
    },
  );
}

/** A judge that is quicker than any move: both services alive, both marks there, an epoch with two owners. */
function judge(pair: Pair): () => void {
  const { doubles, owners } = pair.seen;
  const looks = setInterval(() => {
    for (const what of ['app', 'disk', 'desk'] as const)
      if (pair.placed(what).length > 1 && doubles.length < 10) doubles.push(`${what} on both`);
  }, 10);
  let asking = false;
  const ask = async (): Promise<void> => {
    for (const name of PAIR) {
      const groups = await pair.status(name).then(
        (status) => status.groups,
        () => [],
      );
      for (const { name: group, owner, epoch } of groups) {
        if (owner === null || epoch === null) continue;
        const known = owners.get(`${group} ${epoch}`);
        if (known !== undefined && known !== owner) doubles.push(`${group}, epoch ${epoch}: ${known} and ${owner}`);
        owners.set(`${group} ${epoch}`, owner);
      }
    }
  };
  const asks = setInterval(() => {
    if (asking) return;
    asking = true;
    void ask().finally(() => {
      asking = false;
    });
  }, 200);
  return () => {
    clearInterval(looks);
    clearInterval(asks);
  };
}

async function make(options: PairOptions): Promise<Making> {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'wk-pair-')));
  writeFileSync(join(folder, 'step.sh'), STEP, { mode: 0o600 });
  writeFileSync(join(folder, 'copy.sh'), COPY, { mode: 0o600 });
  for (const name of PAIR) mkdirSync(join(folder, `data-${name}`));
  const [port = 0, ...servicePorts] = await freePorts(3);
  const daemons = { n1: liveDaemon('n1'), n2: liveDaemon('n2') };
  return { folder, port, servicePorts, daemons, options, etcd: await startEtcd() };
}

/** Certificates by the command line; what it says. */
export const certify = (out: string) =>
  runProgram([program, 'cluster', 'certificates', '--nodes', 'n1=127.0.1.1+127.0.2.1,n2', '--out', out]);

export async function livePair(options: PairOptions = {}): Promise<Pair> {
  const made = await make(options);
  const { folder, port, daemons, etcd } = made;
  const lives = new Map<Name, Life>();
  const mark = (what: string, name: Name): boolean => existsSync(join(folder, `${what}-${name}`));
  const pair: Pair = {
    ...{ etcd, folder, port, seen: { doubles: [], owners: new Map() } },
    daemon: (name) => daemons[name],
    life(name) {
      const life = lives.get(name);
      if (!life) throw new Error(`${name} does not run`);
      return life;
    },
    async start(name) {
      daemons[name].write(configuration(made, name));
      lives.set(name, await daemons[name].up());
    },
    async begin() {
      const tls = join(folder, 'tls');
      const certificates = await certify(tls);
      if (certificates.code !== 0) throw new Error(certificates.err);
      for (const name of PAIR) pair.show(name, tls);
      for (const name of PAIR) await pair.start(name);
    },
    async die(name) {
      const pid = daemons[name].pidOf('app');
      await daemons[name].stop(pair.life(name), 'SIGKILL');
      if (pid > 0) process.kill(pid, 'SIGKILL');
      for (const what of ['disk', 'desk']) rmSync(join(folder, `${what}-${name}`), { force: true });
    },
    show(name, from) {
      for (const [source, target] of [
        [`${name}.pem`, 'node.pem'],
        [`${name}.key`, 'node.key'],
        ['authority.pem', 'authority.pem'],
      ] as const)
        copyFileSync(join(from, source), daemons[name].at(`etc/${target}`));
    },
    occupy: (address) =>
      new Promise((resolve, reject) => {
        const server = createServer((socket) => socket.on('error', () => undefined).resume());
        server.once('error', reject).listen(port, address, () => resolve(server));
      }),
    slow: (on) => (on ? mkdirSync(join(folder, 'slow')) : rmSync(join(folder, 'slow'), { recursive: true })),
    placed: (what) => PAIR.filter((name) => (what === 'app' ? daemons[name].pidOf('app') > 0 : mark(what, name))),
    status: (name) => daemons[name].status(),
    async group(name, group) {
      const found = (await pair.status(name)).groups.find((one) => one.name === group);
      if (!found) throw new Error(`${name} knows no group ${group}`);
      return found;
    },
    async end() {
      leave();
      for (const name of PAIR) await daemons[name].end();
      await etcd.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  const leave = judge(pair);
  return pair;
}
