// What the records of the coordinator say, as this node has heard them: nodes' words, requests, answers, maintenance.
// Everything in it was written by somebody else: it is bounded, and what cannot be read is not believed.
import type { Heard, NodeFacts } from '../../core/facts.ts';
import type { MoveRequest } from '../../core/group-types.ts';
import type { Clock } from '../../ports/clock.ts';

export const KEYS = {
  node: (node: string) => `nodes/${node}`,
  request: (group: string) => `requests/${group}`,
  drills: (group: string) => `drills/${group}`,
  timed: (group: string) => `timed/${group}`,
  answer: (group: string) => `answers/${group}`,
  confirm: (group: string) => `confirms/${group}`,
  ack: (group: string) => `acks/${group}`,
  maintenance: (node: string) => `maintenance/${node}`,
} as const;

export interface Answer {
  readonly id: string;
  readonly ok: boolean;
  readonly text: string;
  readonly node: string;
}

export interface NodeMaintenance {
  readonly by: string;
  readonly comment: string;
  readonly since: string;
}

/** A move that begins at a time of the calendar. */
export interface Timed {
  readonly request: MoveRequest;
  /** RFC 3339: people choose times by the wall clock, and so does whoever lets it begin. */
  readonly at: string;
}

/** One way of a drill. */
export interface DrillLeg {
  readonly ok: boolean;
  readonly text: string;
  /** From the request until its answer. */
  readonly ms: number;
  /** As its nodes measured it; null: not known. */
  readonly rtoMs: number | null;
}

export interface Drill {
  readonly id: string;
  readonly at: string;
  readonly by: string;
  readonly from: string;
  readonly to: string;
  /** The objective of that day. */
  readonly rtoMs: number | null;
  readonly ended: boolean;
  readonly ok: boolean;
  readonly text: string;
  readonly over: DrillLeg | null;
  readonly back: DrillLeg | null;
  /** The node whose daemon holds it, and which life of that daemon: another life knows nothing of it. */
  readonly holder?: string;
  readonly life?: string;
}

/** A record of the coordinator that means something to a group, and not to the view alone. */
export type Word =
  | { readonly kind: 'owner'; readonly group: string; readonly value: string | null }
  | {
      readonly kind: 'request';
      readonly group: string;
      readonly request: MoveRequest | null;
      readonly was: string | null;
    }
  | { readonly kind: 'confirm'; readonly group: string; readonly yes: boolean; readonly by: string }
  | { readonly kind: 'ack'; readonly group: string; readonly epoch: number; readonly by: string }
  | null;

const VALUE_MAX = 256 * 1024;

function parse<T>(value: string | null): T | null {
  if (value === null || value.length > VALUE_MAX) return null;
  try {
    return JSON.parse(value) as T;
  } catch {
    return null;
  }
}

const text = (value: unknown, max = 200): value is string => typeof value === 'string' && value.length <= max;

export function readRequest(value: string | null): MoveRequest | null {
  return goodRequest(parse<MoveRequest>(value));
}

export function readTimed(value: string | null): Timed | null {
  const read = parse<Timed>(value);
  const request = goodRequest(read?.request ?? null);
  return read && request && text(read.at, 40) && Number.isFinite(Date.parse(read.at)) ? { request, at: read.at } : null;
}

export function readDrills(value: string | null): readonly Drill[] {
  const read = parse<readonly Drill[]>(value);
  const good = (one: Drill): boolean => text(one?.id) && text(one.at) && text(one.text, 500) && text(one.by);
  return Array.isArray(read) ? read.filter(good).slice(-50) : [];
}

function goodRequest(read: MoveRequest | null): MoveRequest | null {
  const good =
    read !== null &&
    text(read.id) &&
    ['switchover', 'failover', 'drill', 'switchback'].includes(read.verb) &&
    (read.to === null || text(read.to)) &&
    text(read.by) &&
    Array.isArray(read.force) &&
    read.force.every((one) => text(one));
  return good ? { ...read, comment: text(read.comment, 500) ? read.comment : '' } : null;
}

export interface ClusterView {
  readonly heard: Map<string, Heard>;
  readonly requests: Map<string, MoveRequest>;
  readonly timed: Map<string, Timed>;
  readonly answers: Map<string, Answer>;
  readonly maintenance: Map<string, NodeMaintenance>;
}

export const emptyView = (): ClusterView => ({
  ...{ heard: new Map(), requests: new Map(), timed: new Map(), answers: new Map(), maintenance: new Map() },
});

/** Takes one record; says what it means for a group. */
export function heed(view: ClusterView, key: string, value: string | null, now: number): Word {
  const [kind = '', name = '', rest] = key.split('/');
  switch (kind) {
    case 'groups':
      return rest === 'owner' ? { kind: 'owner', group: name, value } : null;
    case 'nodes':
      hearNode(view, name, value, now);
      return null;
    case 'requests': {
      const was = view.requests.get(name)?.id ?? null;
      const request = readRequest(value);
      if (request) view.requests.set(name, request);
      else view.requests.delete(name);
      return { kind: 'request', group: name, request, was };
    }
    case 'timed': {
      const timed = readTimed(value);
      if (timed) view.timed.set(name, timed);
      else view.timed.delete(name);
      return null;
    }
    case 'answers': {
      const answer = parse<Answer>(value);
      if (answer && text(answer.id) && text(answer.text, 2000)) view.answers.set(name, answer);
      return null;
    }
    case 'confirms': {
      const said = parse<{ yes: boolean; by: string }>(value);
      return said && text(said.by) ? { kind: 'confirm', group: name, yes: said.yes === true, by: said.by } : null;
    }
    case 'acks': {
      const said = parse<{ epoch: number; by: string }>(value);
      return said && text(said.by) && Number.isSafeInteger(said.epoch)
        ? { kind: 'ack', group: name, epoch: said.epoch, by: said.by }
        : null;
    }
    case 'maintenance': {
      const said = parse<NodeMaintenance>(value);
      if (said && text(said.by)) view.maintenance.set(name, said);
      else view.maintenance.delete(name);
      return null;
    }
    default:
      return null;
  }
}

function hearNode({ heard }: ClusterView, node: string, value: string | null, at: number): void {
  const facts = parse<NodeFacts>(value);
  if (value === null) heard.delete(node);
  else if (facts?.schema === 1 && facts.node === node && typeof facts.groups === 'object')
    heard.set(node, { facts, at });
}

/** What is not on record any more after all was read anew. */
export function forget(view: ClusterView, keys: ReadonlySet<string>): readonly Exclude<Word, null>[] {
  const gone = (known: Iterable<string>, key: (name: string) => string): string[] =>
    [...known].filter((name) => !keys.has(key(name)));
  for (const node of gone(view.heard.keys(), KEYS.node)) view.heard.delete(node);
  for (const node of gone(view.maintenance.keys(), KEYS.maintenance)) view.maintenance.delete(node);
  for (const group of gone(view.timed.keys(), KEYS.timed)) view.timed.delete(group);
  return gone(view.requests.keys(), KEYS.request).map((group) => {
    const was = view.requests.get(group)?.id ?? null;
    view.requests.delete(group);
    return { kind: 'request', group, request: null, was };
  });
}

const FRESH_MS = 300;

interface Asked {
  ask(node: string, body: object, signal: AbortSignal): Promise<{ readonly ok: boolean; readonly body?: unknown }>;
}

/** A node's word about itself, straight from it: what it wrote at the coordinator may be of before. */
export async function freshen(ways: Asked, view: ClusterView, node: string, clock: Clock): Promise<void> {
  const stop = new AbortController();
  const cancel = clock.after(FRESH_MS, () => stop.abort(new Error('no answer')));
  const answer = await ways.ask(node, { what: 'facts' }, stop.signal).catch(() => null);
  cancel();
  if (answer?.ok) hearNode(view, node, JSON.stringify(answer.body), clock.monotonic());
}
