// Several daemons' worth of comm paths in one process, on addresses of loopback.
import { clock } from '../../src/ports/clock.ts';
import { files } from '../../src/ports/files.ts';
import { peers } from '../../src/ports/peers.ts';
import type { ClusterConfig } from '../../src/config/types.ts';
import { type PathEvent, Paths, type PathsDoors } from '../../src/daemon/groups/paths.ts';
import type { TlsFilesOf } from './peer-certificates.ts';

export type Nodes = Readonly<Record<string, readonly string[]>>;

export const clusterConfig = (
  nodes: Nodes,
  port: number,
  tls: TlsFilesOf | null,
  times: { readonly everyMs: number; readonly timeoutMs: number } = { everyMs: 100, timeoutMs: 500 },
): ClusterConfig => ({
  ...{ name: 'test', engine: 'none', options: {}, words: {}, member: null },
  policy: {
    timing: { silenceMs: 3000, renewMs: 200, marginMs: 300, failsafeMs: 1000 },
    nodes: Object.fromEntries(
      Object.entries(nodes).map(([node, paths]) => [node, { site: null, capacity: null, paths }]),
    ),
  },
  peers: { port, ...times, tls },
});

export interface OnePaths {
  readonly paths: Paths;
  readonly events: PathEvent[];
  readonly logged: string[];
  readonly promised: string[];
  /** What it says when it is asked for a promise. */
  agree: boolean;
}

export function openPaths(node: string, config: ClusterConfig, patch: Partial<PathsDoors> = {}): OnePaths {
  const events: PathEvent[] = [];
  const logged: string[] = [];
  const promised: string[] = [];
  const log = (text: string): void => void logged.push(text);
  const one: OnePaths = {
    ...{ events, logged, promised, agree: true },
    paths: new Paths({
      ports: { clock, files, peers, log: { debug: log, info: log, warn: log, error: log } },
      ...{ config, node },
      onChange: (event) => void events.push(event),
      onPromise: (from, group, epoch) => {
        promised.push(`${from} ${group} ${epoch}`);
        return { agreed: one.agree, why: 'as told' };
      },
      onAsk: async (from, body) => ({ from, body }),
      ...patch,
    }),
  };
  one.paths.start();
  return one;
}
