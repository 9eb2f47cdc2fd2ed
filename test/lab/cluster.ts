// Two mail nodes and a witness as one cluster: a member of etcd on each as a unit of its own, Watchkeeper as its unit
// on the nodes, one group with a floating address that stands for the mail service. What breaks is broken from outside.
import type { ExecResult } from '../../src/ports/exec.ts';
import { Lab } from './lab.ts';
import { eventually, must } from './command.ts';
import { DOMAIN } from './mail-files.ts';
import { bootMail, type MailNode, makeMailNode } from './mail-node.ts';
import type { LabNode } from './node.ts';
import { NETWORK } from './place.ts';
import { signal } from './processes.ts';
import { ask, askJson, startWatchkeeper } from './watchkeeper.ts';

export const FLOATING = `${NETWORK}.50`;
export const NODES = ['n1', 'n2'] as const;
export const MEMBERS = ['n1', 'n2', 'witness'] as const;
export type NodeName = (typeof NODES)[number];
export type MemberName = (typeof MEMBERS)[number];

export const addressOf = (name: MemberName): string => `${NETWORK}.${11 + MEMBERS.indexOf(name)}`;
export const otherOf = (name: NodeName): NodeName => (name === 'n1' ? 'n2' : 'n1');

export interface ClusterOptions {
  /** T in ms. */
  readonly silenceMs: number;
  /** Steps before the address, as YAML lines of a list. */
  readonly before?: string;
  /** And after it. */
  readonly after?: string;
  /** How long after a failover no other one happens by itself. */
  readonly block?: string;
  /** More of the cluster and of the group, as YAML lines. */
  readonly cluster?: string;
  readonly group?: string;
  /** Addresses of each node on a second network. */
  readonly second?: Readonly<Record<NodeName, string>>;
}

const beats = `    quick: { every: 1s, timeout: 1s, fall: 3 }
    deep: { every: 10s, timeout: 5s }
    recover: { attempts: 10, window: 2m, stable: 10s, verify: 15s, flapping: { changes: 50, window: 10m, calm: 10s } }
`;

const nodeOf = (name: NodeName, { second }: ClusterOptions): string => {
  const paths = [addressOf(name), ...(second ? [second[name]] : [])];
  return `${name}: { paths: [${paths.join(', ')}], words: { host: ${name}.${DOMAIN}, address: ${addressOf(name)} } }`;
};

export const clusterConfig = (name: NodeName, options: ClusterOptions): string => `node: ${name}
repairs: { max: 100, window: 10m }
services:
  store:
    kit: dovecot
${beats}  mta:
    kit: postfix
    depends: [store]
${beats}cluster:
  name: lab
  engine: etcd
  endpoints: [${MEMBERS.map((member) => `'http://${addressOf(member)}:2379'`).join(', ')}]
  silence: ${options.silenceMs}ms
  nodes:
    ${nodeOf('n1', options)}
    ${nodeOf('n2', options)}
${options.cluster ?? ''}groups:
  mail:
    services: [store, mta]
    standby: running
    nodes: [n1, n2]
    block: ${options.block ?? '0ms'}
${options.group ?? ''}    steps:
${options.before ?? ''}      - address: { ip: ${FLOATING}/24, interfaces: [eth0] }
${options.after ?? ''}alerts:
  log: { type: event-log }
`;

const etcdUnit = (name: MemberName): string => {
  const at = addressOf(name);
  const initial = MEMBERS.map((member) => `${member}=http://${addressOf(member)}:2380`).join(',');
  return `[Unit]
After=network.target
[Service]
Type=notify
ExecStart=/usr/bin/etcd --name ${name} --data-dir /var/lib/etcd-lab --logger=zap --log-level=warn \\
  --listen-client-urls http://${at}:2379 --advertise-client-urls http://${at}:2379 \\
  --listen-peer-urls http://${at}:2380 --initial-advertise-peer-urls http://${at}:2380 \\
  --initial-cluster ${initial} --initial-cluster-token lab --initial-cluster-state new \\
  --heartbeat-interval 50 --election-timeout 500 --pre-vote
Restart=always
RestartSec=1s
TimeoutStartSec=60
[Install]
WantedBy=multi-user.target
`;
};

/** A unit of the lab's own, on a node that is off. */
export async function startsAtBoot(node: LabNode, unit: string, text: string): Promise<void> {
  const [etc, wants] = ['/etc/systemd/system', `${node.root}/etc/systemd/system/multi-user.target.wants`];
  node.put(`${etc}/${unit}.service`, text, { mode: 0o644 });
  await must(['mkdir', '-p', wants]);
  await must(['ln', '-sf', `${etc}/${unit}.service`, `${wants}/${unit}.service`]);
}

export interface GroupStatus {
  readonly role: string;
  readonly owner: string | null;
  readonly epoch: number | null;
  readonly health: string;
  readonly taken: string | null;
  /** The newest move or takeover, as this node reports it. */
  readonly last: {
    readonly at: string;
    readonly ok: boolean;
    readonly ms: number | null;
    readonly loss: { readonly units: number | null; readonly ms: number | null } | null;
  } | null;
  readonly why: { readonly rule: string; readonly text: string };
  readonly nodes: readonly {
    readonly node: string;
    readonly role: string | null;
    readonly ready: boolean;
    readonly unready: readonly string[];
    readonly health: string;
    readonly why: string;
  }[];
}

export interface PathShown {
  readonly node: string;
  readonly to: string;
  readonly state: string;
  readonly inUse: boolean;
}

interface Status {
  readonly paths: readonly PathShown[];
  readonly groups: readonly (GroupStatus & { readonly name: string })[];
  readonly alarms: readonly { readonly event?: string; readonly summary?: string }[];
}

export type Prepare = (cluster: LabCluster) => Promise<void>;

/** Close it when the tests are over. */
export class LabCluster {
  readonly lab: Lab;
  readonly mails = new Map<NodeName, MailNode>();
  options: ClusterOptions;

  private constructor(lab: Lab, options: ClusterOptions) {
    this.lab = lab;
    this.options = options;
  }

  /** Everything is up, and the group is in service on n1. `prepare` has the nodes' disks before they boot. */
  static async up(options: ClusterOptions, prepare: Prepare = () => Promise.resolve()): Promise<LabCluster> {
    const lab = await Lab.up({ nodes: MEMBERS });
    const cluster = new LabCluster(lab, options);
    try {
      await cluster.#start(prepare);
      return cluster;
    } catch (error) {
      lab.close();
      throw error;
    }
  }

  async #start(prepare: Prepare): Promise<void> {
    for (const name of NODES) this.mails.set(name, await makeMailNode(this.node(name)));
    await prepare(this);
    for (const name of MEMBERS) {
      await startsAtBoot(this.node(name), 'etcd-lab', etcdUnit(name));
    }
    // A member is started only when a second one answers: all of them boot at a time.
    await Promise.all(MEMBERS.map((name) => this.#boot(name)));
    await this.startDaemon('n1');
    await this.well('n1', 60_000);
    await this.startDaemon('n2');
    await this.well('n1', 60_000, true);
  }

  async #boot(name: MemberName): Promise<void> {
    const mail = name === 'witness' ? undefined : this.mails.get(name);
    if (mail) await bootMail(mail);
    else await this.node(name).boot();
  }

  node(name: MemberName): LabNode {
    return this.lab.node(name);
  }

  async startDaemon(name: NodeName): Promise<void> {
    await startWatchkeeper(this.node(name), clusterConfig(name, this.options));
    await this.node(name).exec(['systemctl', 'enable', '-q', 'watchkeeper']);
  }

  /** When the daemon was last ready, on the monotonic clock that all nodes share with the host. */
  async startedAt(name: NodeName): Promise<number> {
    const argv = ['systemctl', 'show', '-P', 'ActiveEnterTimestampMonotonic', 'watchkeeper'];
    return Number(await this.node(name).exec(argv)) / 1000;
  }

  /** Another configuration on both, taken over by `reload`. */
  async configure(options: ClusterOptions): Promise<void> {
    this.options = options;
    for (const name of NODES) {
      this.node(name).put('/etc/watchkeeper/watchkeeper.yaml', clusterConfig(name, options), { mode: 0o600 });
      const got = await ask(this.node(name), ['reload'], 20_000);
      if (got.code !== 0) throw new Error(`reload on ${name}: ${got.stderr}`);
    }
  }

  async group(name: NodeName): Promise<GroupStatus> {
    const { groups } = await askJson<Status>(this.node(name), ['status']);
    const found = groups.find((one) => one.name === 'mail');
    if (!found) throw new Error(`${name} knows no group mail`);
    return found;
  }

  /** The comm paths of a node, by their far ends. */
  async paths(name: NodeName): Promise<readonly PathShown[]> {
    return (await askJson<Status>(this.node(name), ['status'])).paths;
  }

  async alarms(name: NodeName): Promise<string> {
    return JSON.stringify((await askJson<Status>(this.node(name), ['status'])).alarms);
  }

  /** The newest sentences about the group on a node, with their rules. */
  async story(name: NodeName): Promise<string> {
    // Its code says how the group is; the answer is there all the same.
    const { story } = await askJson<{ story: readonly { rule: string; text: string }[] }>(this.node(name), [
      'explain',
      'mail',
    ]);
    return story.map(({ rule, text }) => `  [${rule}] ${text}`).join('\n');
  }

  /** What both say, for a failed test. */
  async stories(): Promise<string> {
    const told = NODES.map(
      async (name) => `${name}:\n${await this.story(name).catch((error: Error) => error.message)}`,
    );
    return (await Promise.all(told)).join('\n');
  }

  /** Waits until the group is in service on `name`; `spare`: and the other node could take it. */
  async well(name: NodeName, limitMs: number, spare = false): Promise<GroupStatus> {
    let last: GroupStatus | null = null;
    const good = async (): Promise<GroupStatus | null> => {
      last = await this.group(name).catch(() => null);
      if (!last || last.owner !== name || last.role !== 'active') return null;
      return !spare || last.nodes.every((one) => one.node === name || one.ready) ? last : null;
    };
    try {
      return await eventually(`mail on ${name}`, good, limitMs, 200);
    } catch (error) {
      throw new Error(`${(error as Error).message}; it says ${JSON.stringify(last)}`);
    }
  }

  /** What both said when they were last asked whether all is well. */
  seen: readonly (GroupStatus | null)[] = [];

  /** Who has it, when both nodes say the same, it is in service there and the other one is ready; else null. */
  async calmOn(): Promise<NodeName | null> {
    this.seen = await Promise.all(NODES.map((name) => this.group(name).catch(() => null)));
    const [first, second] = this.seen;
    const owner = NODES.find((name) => name === first?.owner);
    if (!owner || !first || first.owner !== second?.owner) return null;
    const holder = owner === 'n1' ? first : second;
    const ready = holder.nodes.every(({ node, ready: may }) => node === owner || may);
    return holder.role === 'active' && ready ? owner : null;
  }

  // ------------------------------------------------------------------------------------------------------- etcd

  #etcdctl(name: MemberName, words: readonly string[]): Promise<ExecResult> {
    const how = [`--endpoints=http://${addressOf(name)}:2379`, '--command-timeout=1s'];
    return this.node(name).attempt(['env', 'ETCDCTL_API=3', 'etcdctl', ...how, ...words], { timeoutMs: 4000 });
  }

  /** Which member leads, as it says itself. */
  async leader(): Promise<MemberName> {
    const found = async (): Promise<MemberName | null> => {
      for (const name of MEMBERS) {
        if (this.node(name).first === null) continue;
        const text = (await this.#etcdctl(name, ['endpoint', 'status', '-w', 'json'])).stdout;
        const [, own = 'none'] = /"member_id":(\d+)/.exec(text) ?? [];
        if (/"leader":(\d+)/.exec(text)?.[1] === own) return name;
      }
      return null;
    };
    return eventually('a leader of etcd', found, 20_000, 200);
  }

  async lead(name: MemberName): Promise<void> {
    for (let tries = 0; tries < 20; tries += 1) {
      const now = await this.leader();
      if (now === name) return;
      const hex = /,\s*([0-9a-f]+),/.exec((await this.#etcdctl(name, ['endpoint', 'status'])).stdout)?.[1] ?? '';
      await this.#etcdctl(now, ['move-leader', hex]);
    }
    throw new Error(`${name} does not lead etcd`);
  }

  // ------------------------------------------------------------------------------------------------------ faults

  /** Signals the daemon itself, not what systemd started for it. */
  signalDaemon(name: NodeName, what: NodeJS.Signals, needed = true): void {
    const all = this.node(name)
      .processes()
      .filter(({ command }) => /watchkeeper\S* run$/.test(command));
    if (needed && all.length !== 1) throw new Error(`${all.length} daemons on ${name}`);
    signal(all, what);
  }

  signalEtcd(name: MemberName, what: NodeJS.Signals): void {
    signal(
      this.node(name)
        .processes()
        .filter(({ exe }) => exe === '/usr/bin/etcd'),
      what,
    );
  }

  /** Rules in the switch: nothing inside a node changes. `from → to` pairs of ports, dropped. */
  async drop(pairs: readonly (readonly [from: MemberName, to: MemberName])[]): Promise<void> {
    await this.filter(pairs.map(([from, to]) => `iifname "p-${from}" oifname "p-${to}" drop`));
  }

  /** The switch has these rules of nft(8), and no others. */
  async filter(rules: readonly string[]): Promise<void> {
    const chain = `chain f {\n    type filter hook forward priority 0; policy accept;\n    ${rules.join('\n    ')}\n  }`;
    const fresh = rules.length === 0 ? '' : `table bridge wk {\n  ${chain}\n}\n`;
    const input = `table bridge wk {}\ndelete table bridge wk\n${fresh}`;
    await must(['ip', 'netns', 'exec', `${this.lab.prefix}-sw`, 'nft', '-f', '-'], { input });
  }

  heal(): Promise<void> {
    return this.filter([]);
  }

  /** Boots it as a machine whose power is back: everything that is enabled starts. */
  async powerOn(name: MemberName): Promise<void> {
    await this.#boot(name);
  }

  /** After a test that failed: everything is plugged in, thawed and on. */
  async restore(): Promise<void> {
    await this.heal();
    for (const name of MEMBERS) {
      const node = this.node(name);
      node.freeze(false);
      await node.network(true);
      if (node.first === null) await this.powerOn(name);
    }
    for (const name of NODES) this.signalDaemon(name, 'SIGCONT', false);
  }

  close(): void {
    this.lab.close();
  }
}
