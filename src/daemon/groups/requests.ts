// Looks after the requests for moves at the coordinator: puts one there unless another is, withdraws what nobody takes
// up, and lets a timed one begin at its time. Every node does so; the first that lives acts.
import { randomBytes } from 'node:crypto';
import type { GroupEffect } from '../../core/group-events.ts';
import type { MoveRequest } from '../../core/group-types.ts';
import type { Config } from '../../config/types.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Clustered } from './cluster-doors.ts';
import { type Answer, KEYS, readTimed } from './cluster-view.ts';
import type { Loop } from '../loop.ts';

export const TEND_MS = 1000;
/** A request at which nobody works for so long is withdrawn. */
export const IDLE_MS = 15_000;
/** A timed request that could not begin for so long after its time is dropped: the moment was chosen for a reason. */
const LATE_MS = 60_000;

export const newId = (): string => `m-${randomBytes(5).toString('hex')}`;

export interface RequestDoors {
  readonly cluster: Clustered;
  readonly loop: Loop;
  readonly clock: Clock;
}

/** Nobody else asks for anything of this group: written only where nothing is. */
export async function place(cluster: Clustered, group: string, request: MoveRequest): Promise<boolean> {
  return (await cluster.compare(KEYS.request(group), JSON.stringify(request), 0)).ok;
}

/** One look at all groups; to be called every second. */
export function tending(
  doors: RequestDoors,
  also: (group: string) => Promise<void> = async () => undefined,
): () => Promise<void> {
  const idle = new Map<string, { readonly id: string; readonly since: number }>();
  return async () => {
    for (const group of Object.keys(doors.loop.policy.groups ?? {})) {
      await withdraw(doors, group, idle);
      await begin(doors, group);
      await also(group);
    }
  };
}

/** The first node of the group that lives, as this one sees it. */
function isFirst({ cluster, loop }: RequestDoors, group: string): boolean {
  const living = cluster.survey(group).candidates.filter(({ reachable }) => reachable);
  const [first] = living;
  return first === undefined || first.node === loop.policy.node;
}

const BUSY = new Set(['activating', 'deactivating']);

function isUnderWay({ cluster, loop, clock }: RequestDoors, group: string): boolean {
  const fresh = loop.policy.groups?.[group]?.factsMs ?? 15_000;
  const others = [...cluster.view.heard.values()].filter(({ at }) => clock.monotonic() - at <= fresh);
  const own = loop.node.groups?.[group];
  const works = others.some(({ facts }) => {
    const word = facts.groups[group];
    return word !== undefined && (word.saga !== null || BUSY.has(word.role));
  });
  return works || (own !== undefined && (own.saga !== null || BUSY.has(own.role)));
}

async function withdraw(
  doors: RequestDoors,
  group: string,
  idle: Map<string, { readonly id: string; readonly since: number }>,
): Promise<void> {
  const { cluster, clock, loop } = doors;
  const request = cluster.view.requests.get(group);
  if (!request) return void idle.delete(group);
  const known = idle.get(group);
  const now = clock.monotonic();
  if (known?.id !== request.id || isUnderWay(doors, group)) return void idle.set(group, { id: request.id, since: now });
  if (now - known.since < IDLE_MS || !isFirst(doors, group)) return;
  const why = loop.node.groups?.[group]?.why.text ?? '';
  await answered(doors, group, request.id, `nobody took it up, or it ended on the way: ${why}`);
  await cluster.put(KEYS.request(group), null);
}

async function answered({ cluster, loop }: RequestDoors, group: string, id: string, text: string): Promise<void> {
  const answer: Answer = { id, ok: false, text: text.slice(0, 2000), node: loop.policy.node };
  await cluster.put(KEYS.answer(group), answer);
}

/** Whoever claims the record lets it begin: two nodes never both do. */
async function begin(doors: RequestDoors, group: string): Promise<void> {
  const { cluster, clock } = doors;
  const timed = cluster.view.timed.get(group);
  const late = timed ? clock.wall() - Date.parse(timed.at) : -1;
  if (!timed || late < 0) return;
  const key = KEYS.timed(group);
  const record = await cluster.find(key);
  if (!record || readTimed(record.value)?.request.id !== timed.request.id) return;
  if (!(await cluster.compare(key, JSON.stringify({ claimed: timed.request.id }), record.revision)).ok) return;
  if (late > LATE_MS) await answered(doors, group, timed.request.id, 'nobody was there at its time');
  else if (!(await place(cluster, group, timed.request)))
    await answered(doors, group, timed.request.id, 'another move was asked for at its time');
  await cluster.put(key, null);
}

type Answering = Extract<GroupEffect, { kind: 'group-answer' }>;

/** A request was carried out or refused: said where whoever asked looks, and taken away, again until it is. */
export async function answerRequest({ cluster, loop, clock }: RequestDoors, effect: Answering): Promise<void> {
  const { group, id, ok, text } = effect;
  const service = /^service (.+)$/.exec(id)?.[1];
  if (service !== undefined) {
    const state = loop.node.services[service];
    if (state?.phase === 'switching' && !ok)
      loop.push({ kind: 'switched', service, epoch: state.epoch, ok: false, detail: text });
    return;
  }
  const answer: Answer = { id, ok, text: text.slice(0, 2000), node: loop.policy.node };
  for (let tries = 0; tries < ANSWER_TRIES; tries++) {
    try {
      await cluster.put(KEYS.answer(group), answer);
      if (cluster.view.requests.get(group)?.id === id) await cluster.put(KEYS.request(group), null);
      return;
    } catch {
      await clock.sleep(TEND_MS).catch(() => undefined);
    }
  }
}

const ANSWER_TRIES = 30;

/** What a service at the end of its ladder asks for; null: it is in no group. */
export function wish(
  config: Config,
  service: string,
  incident: string | null,
): { group: string; request: MoveRequest } | null {
  const found = Object.values(config.groups ?? {}).find(({ policy }) => policy.services.includes(service));
  if (!found) return null;
  const by = `service ${service}`;
  return { group: found.name, request: { id: by, verb: 'failover', to: null, by, force: [], comment: incident ?? '' } };
}
