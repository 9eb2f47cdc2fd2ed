// What the cluster is made with, and what the rest of the daemon may ask of it: without the class that does it.
import type { NodeFacts } from '../../core/facts.ts';
import type { Candidate, Survey } from '../../core/group-types.ts';
import type { CoordRecord, MemberHealth, StepServices, Written } from '../../define.ts';
import type { Ports } from '../../ports/ports.ts';
import type { Loop } from '../loop.ts';
import type { ClusterView } from './cluster-view.ts';
import type { Guard } from './guard.ts';
import type { Asking } from './paths.ts';

/** The ways to the other nodes, besides the coordinator. */
export interface Ways {
  /** Who answers now. */
  answering(): readonly string[];
  /** All of these promise to leave the group to us. */
  promise(group: string, epoch: number, nodes: readonly string[], signal: AbortSignal): Promise<boolean>;
  /** Asks one of them. */
  ask(node: string, body: object, signal: AbortSignal): Promise<Asking>;
}

export interface ClusterDoors {
  readonly ports: Ports;
  readonly loop: Loop;
  readonly services: StepServices;
  readonly stateDir: string;
  readonly version: string;
  readonly configuration: string;
  readonly instance: string;
  /** Health of a group's services on this node, in one word. */
  healthOf(services: readonly string[]): Candidate['health'];
  hoursOpen(group: string): boolean;
  readonly ways: () => Ways | null;
}

/** The face of it: for requests and drills, and for who only shows. */
export interface Clustered {
  readonly view: ClusterView;
  /** Which life of this daemon it is. */
  readonly instance: string;
  readonly members: readonly MemberHealth[];
  survey(group: string): Survey;
  facts(): NodeFacts;
  guardOf(group: string): Guard | undefined;
  monotonic(): number;
  /** Writes a record only if its newest revision is this one. */
  compare(key: string, value: string, expect: number): Promise<Written>;
  /** One record as it stands now. */
  find(key: string): Promise<CoordRecord | null>;
  /** Writes a record that is not compared; null deletes it. */
  put(key: string, value: object | null): Promise<void>;
  /** Once, after a while, unless it is closed before. */
  later(ms: number, work: () => Promise<void>): void;
}
