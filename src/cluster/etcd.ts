// etcd as the place where nodes agree, by the JSON gateway of its members. All of them are asked side by side, so that
// one that hangs costs nothing.
import {
  type Coordination,
  CoordinationError,
  type CoordinatorContext,
  defineCoordinator,
  type MemberHealth,
  opt,
  z,
} from '../define.ts';
import {
  base64,
  compared,
  EtcdFault,
  namesOf,
  rangeAnswer,
  rangeEnd,
  statusAnswer,
  type TxnAnswer,
  txnAnswer,
} from '../dialogues/etcd.ts';
import { ask } from '../dialogues/etcd-ask.ts';
import { type Login, type Member, makeMember, type Pinned } from '../dialogues/etcd-member.ts';
import { watchAll } from '../dialogues/etcd-watch.ts';
import type { SessionTls } from '../ports/http-session.ts';
import { within } from '../ports/limit.ts';

const options = z.strictObject({
  endpoints: z
    .array(
      z
        .string()
        .max(300)
        .regex(/^https?:\/\/[A-Za-z0-9.[\]:-]+$/, 'expected http(s)://HOST:PORT'),
    )
    .min(1)
    .max(9)
    .describe('The client addresses of all members'),
  user: opt.text('The user of etcd, where authentication is switched on').optional(),
  password: opt.secret('The password of that user').optional(),
  authority: opt.path('PEM file of the authority that signed the certificates of the members').optional(),
  certificate: opt.path('PEM file of a certificate of our own, where the members ask for one').optional(),
  key: opt.path('PEM file of its key').optional(),
  compact: opt
    .duration('The age')
    .nullable()
    .prefault('1h')
    .describe('Old revisions are given up after so long; null: that is done by others'),
});
type Context = CoordinatorContext<z.output<typeof options>>;

const PEM_BYTES = 262_144;
const COMPACT_LIMIT_MS = 5000;

function pem(context: Context, path: string): string {
  let text: string | null = null;
  try {
    text = context.ports.files.readText(path, PEM_BYTES);
  } catch (error) {
    throw new CoordinationError('denied', `${path} cannot be read: ${(error as { code?: string }).code ?? 'error'}`);
  }
  if (text === null) throw new CoordinationError('denied', `${path} is not there`);
  return text;
}

function tlsOf(context: Context): SessionTls {
  const { authority, certificate, key } = context.options;
  return {
    ...(authority ? { ca: pem(context, authority) } : {}),
    ...(certificate ? { cert: pem(context, certificate) } : {}),
    ...(key ? { key: pem(context, key) } : {}),
  };
}

function loginOf({ options: { user, password }, ports }: Context): Login | null {
  if (user === undefined || password === undefined) return null;
  return { user, password: () => ports.secrets.read(password) };
}

type Inside = Pick<Context, 'prefix' | 'ports'> & { readonly members: readonly Member[] };

/** Ok before not ok: an earlier try of ours may be what the later one found. */
async function swap(
  { prefix, ports, members }: Inside,
  key: string,
  value: string | null,
  expect: number,
  signal: AbortSignal,
): Promise<TxnAnswer> {
  const question = {
    path: '/v3/kv/txn',
    body: compared(prefix + key, value, expect),
    read: txnAnswer,
    // Not ok, and what stands there is not ours: nobody will say better.
    best: ({ ok, current }: TxnAnswer) => ok || (current?.value ?? null) !== value,
  };
  const got = await ask(members, ports.clock, question, signal);
  return got.current ? { ...got, current: { ...got.current, key } } : got;
}

/** Written by comparing too: a member that hung for a while may carry out an old request when a newer one is done. */
function publisher(inside: Inside): Coordination['publish'] {
  const known = new Map<string, number>();
  return async (key, value, signal) => {
    for (let tries = 0; tries < 100 && !signal.aborted; tries++) {
      const got = await swap(inside, key, value, known.get(key) ?? 0, signal);
      if (got.ok) {
        known.set(key, value === null ? 0 : got.revision);
        return got.revision;
      }
      known.set(key, got.current?.revision ?? 0);
      // An earlier try of ours came through, or it is gone already.
      if ((got.current?.value ?? null) === value) return got.current?.revision ?? got.revision;
    }
    throw new CoordinationError('unreachable', `others write ${key} all the time`);
  };
}

function read(
  { prefix, ports, members }: Inside,
  below: string,
  signal: AbortSignal,
): ReturnType<Coordination['read']> {
  const from = prefix + below;
  return ask(
    members,
    ports.clock,
    {
      path: '/v3/kv/range',
      body: JSON.stringify({ key: base64(from), range_end: rangeEnd(from) }),
      read: (answer) => {
        const { revision, records } = rangeAnswer(answer);
        return { revision, records: records.map((one) => ({ ...one, key: one.key.slice(prefix.length) })) };
      },
    },
    signal,
  );
}

const HEALTH_MS = 2000;

async function healthOf(member: Member, { ports }: Inside, signal: AbortSignal): Promise<MemberHealth> {
  const { endpoint } = member;
  const started = ports.clock.monotonic();
  const short = endpoint.replace(/^https?:\/\//, '');
  try {
    const { header, leader, version, alarms } = statusAnswer(
      await member.call('/v3/maintenance/status', '{}', signal, HEALTH_MS),
    );
    const ms = ports.clock.monotonic() - started;
    // Where authentication is on, this may be for some users alone: then the address is the name.
    const list = await member.call('/v3/cluster/member/list', '{}', signal, HEALTH_MS).catch(() => ({}));
    const name = namesOf(list).get(header.member) || short;
    const detail = [`etcd ${version}`, ...(leader === '0' ? ['knows no leader'] : []), ...alarms].join(', ');
    return { name, endpoint, ok: leader !== '0', leader: leader === header.member, detail, ms };
  } catch (error) {
    return { name: short, endpoint, ok: false, leader: false, detail: (error as Error).message, ms: null };
  }
}

async function healthOfAll(inside: Inside, signal: AbortSignal): Promise<readonly MemberHealth[]> {
  const found = await Promise.all(inside.members.map((member) => healthOf(member, inside, signal)));
  const versions = new Set(found.flatMap(({ detail }) => /^etcd ([\d.]+)/.exec(detail)?.[1] ?? []));
  if (versions.size < 2) return found;
  return found.map((one) => ({ ...one, detail: `${one.detail}; versions differ: ${[...versions].sort().join(', ')}` }));
}

/** One member is enough; what others have given up already is as good. */
async function compactOnce({ members }: Inside, revision: number, signal: AbortSignal): Promise<void> {
  const body = JSON.stringify({ revision: String(revision) });
  let trouble: unknown = null;
  for (const member of members) {
    try {
      await member.call('/v3/kv/compaction', body, signal, COMPACT_LIMIT_MS);
      return;
    } catch (error) {
      if (error instanceof EtcdFault && error.kind === 'compacted') return;
      trouble = error;
    }
  }
  throw trouble;
}

/** Gives up what was old one interval ago. */
async function compacting(inside: Inside, everyMs: number, signal: AbortSignal): Promise<void> {
  const { clock, log } = inside.ports;
  let before = 0;
  while (!signal.aborted) {
    try {
      const limit = within(COMPACT_LIMIT_MS, signal);
      const { revision } = await read(inside, '', limit);
      if (before > 0) await compactOnce(inside, before, signal);
      before = revision;
    } catch (error) {
      if (!signal.aborted) log.debug(`etcd was not compacted: ${(error as Error).message}`);
    }
    await clock.sleep(everyMs, signal).catch(() => undefined);
  }
}

const OPEN_MS = 5000;

/** A connection is made at the first call; making ready for it does not take long. */
function inTime<T>({ clock }: Context['ports'], work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(OPEN_MS, () =>
      reject(new CoordinationError('failed', 'it could not be opened in time')),
    );
    work.then(resolve, reject).finally(cancel);
  });
}

async function open(context: Context): Promise<Coordination> {
  const { prefix, ports } = context;
  const tls = tlsOf(context);
  const login = loginOf(context);
  const pinned: Pinned = { cluster: null };
  const opening = context.options.endpoints.map(async (endpoint) =>
    makeMember(endpoint, await ports.httpSession.open(endpoint, tls), login, pinned),
  );
  const members = await inTime(ports, Promise.all(opening));
  const inside: Inside = { prefix, ports, members };
  const over = new AbortController();
  const { compact } = context.options;
  if (compact !== null) void compacting(inside, compact, over.signal);
  const watches = new Set<{ close(): void }>();
  return {
    async write(key, value, expect, signal) {
      const { ok, revision, current } = await swap(inside, key, value, expect, signal);
      return ok ? { ok, revision } : { ok, current };
    },
    publish: publisher(inside),
    read: (below, signal) => read(inside, below, signal),
    watch(below, after, on) {
      const change: typeof on.change = (one) => on.change({ ...one, key: one.key.slice(prefix.length) });
      const watch = watchAll(members, ports.clock, {
        prefix: prefix + below,
        after,
        on: { change, lost: () => on.lost(), silent: (ms) => on.silent(ms) },
      });
      watches.add(watch);
      return {
        close: () => {
          watches.delete(watch);
          watch.close();
        },
      };
    },
    members: (signal) => healthOfAll(inside, signal),
    async close() {
      over.abort();
      for (const watch of watches) watch.close();
      await Promise.all(members.map((member) => member.close()));
    },
  };
}

export default defineCoordinator({
  about: 'The nodes agree through etcd: three members or more, all of which are asked side by side.',
  options,
  example: {
    endpoints: ['http://192.0.2.11:2379', 'http://192.0.2.12:2379', 'http://192.0.2.13:2379'],
    compact: '1h',
  },
  open,
});
