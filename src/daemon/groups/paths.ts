// The comm paths between this daemon and those of the other nodes: all of them watched all the time, and the ways on
// which nodes ask each other what the coordinator cannot tell them. Decides nothing about groups.
import { randomBytes } from 'node:crypto';
import { isIP, SocketAddress } from 'node:net';
import { choose, lossesOf, type PathFold } from '../../core/path-state.ts';
import type { ClusterConfig } from '../../config/types.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';
import type { PeerCredentials, PeerIdentity } from '../../ports/peers.ts';
import type { Ports } from '../../ports/ports.ts';
import { Path, type Way } from './path.ts';
import { PathServer } from './path-server.ts';
import { type Answered, type Asked, BODY_BYTES, type Reply, writeAsked } from './peer-messages.ts';
import { nodeIn, PeerTrust } from './peer-trust.ts';

export interface PathEvent {
  readonly kind: 'path';
  readonly peer: string;
  readonly address: string;
  readonly up: boolean;
  readonly detail: string;
}

export interface PathState {
  readonly node: string;
  readonly from: string;
  readonly to: string;
  readonly state: PathFold['state'];
  readonly inUse: boolean;
  readonly rttMs: number | null;
  /** Of the newest hellos, so many had no answer. */
  readonly losses: number;
  /** Monotonic clock, ms. */
  readonly since: number;
  readonly heardAt: number | null;
  readonly detail: string;
}

export interface PathsDoors {
  readonly ports: Pick<Ports, 'clock' | 'files' | 'log' | 'peers'>;
  readonly config: ClusterConfig;
  readonly node: string;
  readonly onChange: (event: PathEvent) => void;
  readonly onPromise: (
    from: string,
    group: string,
    epoch: number,
  ) => { readonly agreed: boolean; readonly why: string };
  /** Its answer is JSON of at most 60,000 bytes. What throws is told to whoever asked. */
  readonly onAsk: (from: string, body: unknown, signal: AbortSignal) => Promise<unknown>;
}

/** What came of asking a node. */
export type Asking = { readonly ok: true; readonly body: unknown } | { readonly ok: false; readonly why: string };

const ASK_MS = 5000;
const TELL_MS = 60_000;
const TOLD_MAX = 200;

/** The comm paths between this node and the others: the first address of each side is one, the second another. A node
 *  with fewer addresses has fewer paths. */
export function waysOf({ policy, peers }: ClusterConfig, node: string): Way[] {
  const own = policy.nodes[node]?.paths ?? [];
  const { port, everyMs, timeoutMs } = peers;
  return Object.entries(policy.nodes).flatMap(([other, { paths }]) =>
    other === node
      ? []
      : paths.slice(0, own.length).map((to, index) => ({
          ...{ node: other, from: own[index] ?? '', to, port, everyMs, timeoutMs },
        })),
  );
}

const keyOf = ({ node, from, to, port, everyMs, timeoutMs }: Way): string =>
  [node, from, to, port, everyMs, timeoutMs].join(' ');

/** One spelling for each address. */
function plainAddress(address: string): string {
  const [bare = ''] = address.replace(/^::ffff:(?=\d+\.)/, '').split('%');
  const kind = isIP(bare);
  return kind === 0 ? bare : new SocketAddress({ address: bare, family: kind === 6 ? 'ipv6' : 'ipv4' }).address;
}

/** Says each thing once a minute at most, and how often it happened meanwhile. */
function sparing(clock: Clock, log: Log): (about: string, text: string) => void {
  const told = new Map<string, { at: number; more: number }>();
  return (about, text) => {
    const now = clock.monotonic();
    const last = told.get(about);
    if (last && now - last.at < TELL_MS) return void last.more++;
    const [oldest] = told.keys();
    if (!last && told.size >= TOLD_MAX && oldest !== undefined) told.delete(oldest);
    told.set(about, { at: now, more: 0 });
    const more = last?.more ?? 0;
    log.warn(`comm paths: ${text}${more > 0 ? ` (${more} times more since it was said last)` : ''}`);
  };
}

export class Paths {
  readonly #doors: PathsDoors;
  readonly #trust: PeerTrust;
  readonly #server: PathServer;
  readonly #tell: (about: string, text: string) => void;
  readonly #paths = new Map<string, Path>();
  readonly #inUse = new Map<string, Path>();
  readonly #life = randomBytes(6).toString('hex');
  readonly #stop = new AbortController();
  #config: ClusterConfig;
  #addresses = new Set<string>();
  #count = 0;

  constructor(doors: PathsDoors) {
    this.#doors = doors;
    this.#config = doors.config;
    const { clock, peers, log } = doors.ports;
    this.#tell = sparing(clock, log);
    const files = doors.config.peers.tls ?? { certificate: '', key: '', authority: '' };
    this.#trust = new PeerTrust(doors.ports, files, (renewed) => this.#renew(renewed));
    this.#server = new PathServer({
      ...{ clock, peers, credentials: () => this.#trust.credentials },
      admits: (address) => this.#admits(address),
      nodeOf: (identity) => {
        const name = this.#nameIn(identity);
        return name === doors.node ? null : name;
      },
      answer: (from, asked) => this.#answer(from, asked),
      refused: (address, why) => this.#tell(`in ${address} ${why}`, `a connection of ${address} is refused: ${why}`),
      trouble: (address, why) => {
        if (why !== null) this.#tell(`listen ${address}`, `cannot listen on ${address}: ${why}`);
      },
    });
  }

  #others = (): string[] => Object.keys(this.#config.policy.nodes).filter((node) => node !== this.#doors.node);

  #admits(address: string): boolean {
    const known = this.#addresses.has(plainAddress(address));
    if (!known) this.#tell(`at ${address}`, `${address} knocked, and is no address of another node`);
    return known;
  }

  start(): void {
    this.#trust.start();
    this.#server.start();
    this.#arrange();
  }

  /** Paths that stay as they were go on; the certificate files are looked at anew. */
  configure(config: ClusterConfig): void {
    this.#config = config;
    if (config.peers.tls) this.#trust.configure(config.peers.tls);
    this.#arrange();
  }

  #arrange(): void {
    const { node, ports } = this.#doors;
    const ways = new Map(waysOf(this.#config, node).map((way) => [keyOf(way), way]));
    for (const [key, path] of this.#paths)
      if (!ways.has(key)) {
        path.close();
        this.#paths.delete(key);
      }
    this.#addresses = new Set(
      this.#others().flatMap((other) => (this.#config.policy.nodes[other]?.paths ?? []).map(plainAddress)),
    );
    const own = this.#config.policy.nodes[node]?.paths ?? [];
    this.#server.configure(own, this.#config.peers.port);
    let index = 0;
    for (const [key, way] of ways) {
      if (this.#paths.has(key)) continue;
      const path = new Path(way, {
        ...{ clock: ports.clock, peers: ports.peers, id: () => this.#id() },
        credentials: () => this.#trust.credentials,
        trouble: () => this.#trust.trouble,
        judge: (name, identity) => this.#judge(name, identity),
        refused: (name, to, why) => this.#tell(`out ${name} ${to} ${why}`, `${name} at ${to} is refused: ${why}`),
        onFold: (one, before) => this.#onFold(one, before),
      });
      this.#paths.set(key, path);
      path.start((way.everyMs * index++) / Math.max(1, ways.size));
    }
    for (const other of this.#inUse.keys()) this.#choose(other);
  }

  #id(): string {
    this.#count++;
    return `${this.#life}-${this.#count}`;
  }

  #nameIn(identity: PeerIdentity): string | null {
    return nodeIn(identity, Object.keys(this.#config.policy.nodes));
  }

  #judge(node: string, identity: PeerIdentity): string | null {
    if (this.#doors.ports.clock.wall() > identity.notAfter) return 'its certificate has ended';
    const name = this.#nameIn(identity);
    return name === node ? null : `its certificate is for ${name ?? (identity.names.join(', ') || 'nobody')}`;
  }

  #renew(credentials: PeerCredentials): void {
    this.#server.renew(credentials);
    for (const path of this.#paths.values()) path.renew();
  }

  // ---------------------------------------------------------------------------------------------------- how they are

  #of(node: string): Path[] {
    return [...this.#paths.values()].filter(({ way }) => way.node === node);
  }

  #onFold(path: Path, before: PathFold): void {
    const { node, to } = path.way;
    const { state, detail, rttMs } = path.fold;
    if (state === before.state) return;
    this.#choose(node);
    const up = state === 'operational';
    const text = up ? `it answers within ${(rttMs ?? 0).toFixed(1)} ms` : detail;
    if (state !== 'unknown') this.#doors.onChange({ kind: 'path', peer: node, address: to, up, detail: text });
  }

  #choose(node: string): void {
    const paths = this.#of(node);
    const held = this.#inUse.get(node);
    const now = held ? paths.indexOf(held) : -1;
    const best = choose(
      paths.map(({ fold }) => fold),
      now < 0 ? null : now,
    );
    const path = best === null ? undefined : paths[best];
    if (path) this.#inUse.set(node, path);
    else this.#inUse.delete(node);
  }

  states(): PathState[] {
    return [...this.#paths.values()].map((path) => {
      const { way, fold } = path;
      const { state, rttMs, since, heardAt, detail } = fold;
      const { node, from, to } = way;
      const inUse = this.#inUse.get(node) === path;
      return { node, from, to, state, inUse, rttMs, losses: lossesOf(fold), since, heardAt, detail };
    });
  }

  /** Who was heard on any path so lately that one lost hello makes no difference. */
  answering(): string[] {
    const now = this.#doors.ports.clock.monotonic();
    const { everyMs, timeoutMs } = this.#config.peers;
    const heard = [...this.#paths.values()].filter(
      ({ fold }) => fold.heardAt !== null && now - fold.heardAt <= 2 * everyMs + timeoutMs,
    );
    return [...new Set(heard.map(({ way }) => way.node))];
  }

  // ----------------------------------------------------------------------------------------------------- what is asked

  /** On all paths to the node side by side; the first answer counts. Null: there was none in time. */
  #request(node: string, asked: Asked, signal: AbortSignal): Promise<Answered | null> {
    const paths = this.#of(node);
    const over = AbortSignal.any([signal, this.#stop.signal]);
    if (over.aborted || paths.length === 0) return Promise.resolve(null);
    const id = this.#id();
    const text = writeAsked(id, asked);
    return new Promise((resolve) => {
      const stops: (() => void)[] = [];
      const end = (answered: Answered | null): void => {
        over.removeEventListener('abort', none);
        for (const stop of stops) stop();
        resolve(answered);
      };
      const none = (): void => end(null);
      over.addEventListener('abort', none, { once: true });
      for (const path of paths) stops.push(path.ask(id, text, end));
    });
  }

  /** True only if each of the nodes said yes. Silence is no yes. */
  async promise(group: string, epoch: number, nodes: readonly string[], signal: AbortSignal): Promise<boolean> {
    const asked = { kind: 'promise', group, epoch } as const;
    const answers = await Promise.all(nodes.map((node) => this.#request(node, asked, signal)));
    return answers.every((one) => one?.agreed === true);
  }

  async ask(node: string, body: object, signal: AbortSignal): Promise<Asking> {
    if (Buffer.byteLength(JSON.stringify(body)) > BODY_BYTES) return { ok: false, why: 'the question is too long' };
    const answered = await this.#request(node, { kind: 'ask', body }, signal);
    if (!answered) return { ok: false, why: `${node} did not answer in time` };
    return answered.error === null ? { ok: true, body: answered.body } : { ok: false, why: answered.error };
  }

  async #answer(from: string, asked: Exclude<Asked, { kind: 'hello' }>): Promise<Reply> {
    const { onPromise, onAsk, ports } = this.#doors;
    if (asked.kind === 'promise') return onPromise(from, asked.group, asked.epoch);
    const late = new AbortController();
    const cancel = ports.clock.after(ASK_MS, () => late.abort(new Error('it took too long')));
    const gone = new Promise<never>((_resolve, reject) => {
      late.signal.addEventListener('abort', () => reject(late.signal.reason as Error), { once: true });
    });
    try {
      return { body: (await Promise.race([onAsk(from, asked.body, late.signal), gone])) ?? null };
    } finally {
      cancel();
    }
  }

  close(): void {
    this.#stop.abort(new Error('closed'));
    this.#trust.close();
    this.#server.close();
    for (const path of this.#paths.values()) path.close();
    this.#paths.clear();
  }
}
