// The comm paths of this daemon, if its configuration has any: opened, changed and closed with it, what changes told
// to the loop, their states shown.
import type { ClusterConfig, Config } from '../../config/types.ts';
import type { Ports } from '../../ports/ports.ts';
import type { Cluster } from './cluster.ts';
import type { Loop } from '../loop.ts';
import { Paths, type PathState, waysOf } from './paths.ts';

export interface CommDoors {
  readonly ports: Ports;
  readonly loop: Loop;
  readonly cluster: () => Pick<Cluster, 'promise' | 'answerTo'>;
}

/** Nothing to watch: no certificate, nobody else, or this node is not one of them. */
function watches({ cluster, node }: Config): ClusterConfig | null {
  if (!cluster?.peers.tls) return null;
  return waysOf(cluster, node).length > 0 ? cluster : null;
}

export class Comm {
  readonly #doors: CommDoors;
  #paths: Paths | null = null;
  #node = '';

  constructor(doors: CommDoors) {
    this.#doors = doors;
  }

  /** Null: paths are not watched. */
  get paths(): Paths | null {
    return this.#paths;
  }

  /** After the core knows the new configuration: it ends alarms of paths that are gone. */
  configure(config: Config): void {
    const { ports, loop, cluster } = this.#doors;
    const wanted = watches(config);
    if (!wanted || this.#node !== config.node) this.close();
    if (!wanted) return this.#forget(config);
    if (this.#paths) return this.#paths.configure(wanted);
    this.#node = config.node;
    this.#paths = new Paths({
      ...{ ports, config: wanted, node: config.node },
      onAsk: async (_from, body) => cluster().answerTo(body),
      onChange: (event) => loop.push(event),
      onPromise: (from, group, epoch) => cluster().promise(from, group, epoch),
    });
    this.#paths.start();
  }

  /** Nobody watches them any more: what was told of them ends. */
  #forget({ cluster, node }: Config): void {
    const { loop } = this.#doors;
    for (const { node: peer, to } of cluster ? waysOf(cluster, node) : [])
      if (`path/${peer}/${to}` in loop.node.alarms)
        loop.push({ kind: 'path', peer, address: to, up: true, detail: 'it is not watched any more' });
  }

  shown(wallNow: number): (Omit<PathState, 'since' | 'heardAt'> & { since: string; heardMsAgo: number | null })[] {
    const now = this.#doors.ports.clock.monotonic();
    return (this.#paths?.states() ?? []).map(({ since, heardAt, rttMs, ...rest }) => ({
      ...rest,
      rttMs: rttMs === null ? null : Math.round(rttMs * 100) / 100,
      since: new Date(wallNow - (now - since)).toISOString(),
      heardMsAgo: heardAt === null ? null : Math.round(now - heardAt),
    }));
  }

  close(): void {
    this.#paths?.close();
    this.#paths = null;
  }
}
