// Records of a zone that name the active node, changed by signed updates (RFC 2136): all of them at once, and only
// where what was found still stands, so that a node that comes too late overwrites nothing.
import { type ActionResult, defineStep, opt, type Probe, type StepContext, z } from '../define.ts';
import {
  authority,
  DnsTrouble,
  NOERROR,
  NXRRSET,
  parseKey,
  rcodeName,
  REFUSED,
  SERVFAIL,
  standing,
  update,
  type Way,
} from '../dialogues/dns-update.ts';
import {
  inZone,
  nameBytes,
  type RecordSet,
  type RecordType,
  TYPES,
  valueBytes,
  valueText,
} from '../dialogues/dns-wire.ts';
import { plain, quote } from '../dialogues/quote.ts';
import { fill } from '../dialogues/words.ts';

const server = opt.host('A server that takes updates');
const name = z
  .string()
  .max(253)
  .regex(/^(@|(\*\.)?[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?)$/, 'expected @ or a domain name');

const options = z.strictObject({
  server: z
    .union([server, z.array(server).min(1).max(8)])
    .describe('Who takes updates of the zone: one, or several; the first that answers is asked'),
  port: opt.port('Its port, UDP and TCP').default(53),
  zone: z
    .string()
    .max(253)
    .regex(/^[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?$/, 'expected a domain name')
    .describe('The zone'),
  records: z
    .array(
      z.strictObject({
        name: name.describe('In the zone: `mail`, `@` for the zone itself, or a full name'),
        type: z.enum(Object.keys(TYPES) as [RecordType, ...RecordType[]]).describe('The type'),
        value: z
          .union([opt.text('The value'), z.record(z.string(), opt.text('The value'))])
          .describe('`10.0.0.5`, `10 $to.host` for MX; or the value of each node: {n1: 10.0.0.1, n2: 10.0.0.2}'),
      }),
    )
    .min(1)
    .max(100)
    .describe('What the zone says when a node is active. Several values of one name and type belong together'),
  key: opt.secret('The key of the updates: a key file of BIND, or NAME:ALGORITHM:BASE64'),
  ttl: opt.duration('How long others may remember a record').prefault('60s'),
  timeout: opt.duration('For one question to one server').prefault('3s'),
  replace: opt.flag('Replace also what is of none of our nodes').default(false),
});
type Context = StepContext<z.output<typeof options>>;

// --------------------------------------------------------------------------------------------------- what ought to be

const same = (a: readonly Buffer[], b: readonly Buffer[]): boolean =>
  a.length === b.length && a.every((one) => b.some((other) => one.equals(other)));
const say = ({ name: where, type, values }: RecordSet): string => {
  const said = values.map((one) => quote(valueText(type, one), 60)).join(', ');
  return `${plain(where, 100)} ${type} ${said || 'nothing'}`;
};

/** The sets of records as they are when `active` is; a text: why that cannot be said. */
function setsOf({ options: { records, zone }, to, from, words }: Context, active: string): RecordSet[] | string {
  const sets = new Map<string, { name: string; type: RecordType; values: Buffer[] }>();
  for (const one of records) {
    const full = inZone(one.name, zone);
    const label = `${plain(full, 100)} ${one.type}`;
    const text =
      typeof one.value === 'string' ? one.value : Object.hasOwn(one.value, active) ? one.value[active] : null;
    if (typeof text !== 'string') return `${label} has no value for ${plain(active, 60)}`;
    const value = fill(text, { to: active, from: active === to ? from : to, words });
    if (value === null) return `${label}: a word of ${quote(text, 60)} has no value for ${plain(active, 60)}`;
    try {
      if (!`.${full}`.endsWith(`.${inZone('@', zone)}`)) return `${label} is not in the zone ${plain(zone, 100)}`;
      nameBytes(full);
      const set = sets.get(label) ?? { name: full, type: one.type, values: [] };
      const bytes = valueBytes(one.type, value, zone);
      if (!set.values.some((other) => other.equals(bytes))) set.values.push(bytes);
      sets.set(label, set);
    } catch (error) {
      return `${label} ${quote(value, 60)}: ${error instanceof Error ? error.message : 'not a value'}`;
    }
  }
  return [...sets.values()];
}

/** All nodes that we know of, each with what its records would be. */
function ofAll(context: Context): RecordSet[][] {
  const { records } = context.options;
  const valued = records.flatMap(({ value }) => (typeof value === 'string' ? [] : Object.keys(value)));
  const nodes = new Set([context.to, context.from ?? context.to, ...Object.keys(context.words), ...valued]);
  return [...nodes].map((node) => setsOf(context, node)).filter((one) => typeof one !== 'string');
}

// -------------------------------------------------------------------------------------------------------- what stands

interface Seen {
  readonly way: Way;
  readonly want: readonly RecordSet[];
  /** In the order of `want`. */
  readonly found: readonly (RecordSet & { readonly alias: string | null })[];
}

type Work<T> = (way: Way) => Promise<T>;

/** The first server that answers with authority; a text: what each of them said. */
async function first<T>(context: Context, work: Work<T>): Promise<T | string> {
  const { options: asked, ports, signal } = context;
  const told: string[] = [];
  let key: Way['key'];
  try {
    key = parseKey(ports.secrets.read(asked.key));
  } catch (error) {
    return error instanceof Error ? error.message : 'the key cannot be read';
  }
  for (const host of [asked.server].flat()) {
    if (signal.aborted) break;
    const zone = inZone('@', asked.zone);
    try {
      return await work({ ports, signal, host, port: asked.port, timeoutMs: asked.timeout, zone, key });
    } catch (error) {
      if (!(error instanceof DnsTrouble)) throw error;
      told.push(`${plain(host, 60)}: ${plain(error.message, 200)}`);
    }
  }
  return told.join('; ') || 'no time was left';
}

async function look(context: Context): Promise<Seen | string> {
  const want = setsOf(context, context.to);
  if (typeof want === 'string') return want;
  return first(context, async (way) => {
    const found: Seen['found'][number][] = [];
    for (const set of want) found.push(await standing(way, set));
    return { way, want, found };
  });
}

/** Is it so? Asked as an update that changes nothing, for its answer is signed. */
async function holds({ way, want }: Pick<Seen, 'way' | 'want'>): Promise<boolean | string> {
  try {
    const rcode = await update(way, want, [], 0);
    if (rcode === NOERROR || rcode === NXRRSET) return rcode === NOERROR;
    return `${plain(way.host, 60)}: ${rcodeName(rcode)}`;
  } catch (error) {
    if (error instanceof DnsTrouble) return `${plain(way.host, 60)}: ${plain(error.message, 200)}`;
    throw error;
  }
}

/** What stands there and is of none of our nodes. */
function foreign(context: Context, { found }: Seen): string | null {
  const all = ofAll(context);
  for (const [n, set] of found.entries()) {
    if (set.alias !== null) return `${plain(set.name, 100)} is another name of ${quote(set.alias, 60)}`;
    const ours = set.values.length === 0 || all.some((sets) => same(sets[n]?.values ?? [], set.values));
    if (!ours && !context.options.replace) return `${say(set)} is of none of our nodes: it is left alone`;
  }
  return null;
}

// --------------------------------------------------------------------------------------------------------------- acts

const bad = (detail: string): ActionResult => ({ ok: false, detail });

/** One update, and the proof that it says now what it ought to. */
async function change(
  context: Context,
  seen: Seen,
  want: readonly RecordSet[],
  may: () => boolean,
): Promise<ActionResult> {
  const { way, found } = seen;
  const differ = want.filter((set, n) => !same(set.values, found[n]?.values ?? []));
  const ttl = Math.round(context.options.ttl / 1000);
  let trouble = '';
  if (differ.length > 0) {
    if (!may()) return bad('the right to change it has ended');
    try {
      const rcode = await update(way, found, differ, ttl);
      if (rcode === NXRRSET) trouble = 'somebody else has changed it meanwhile (NXRRSET)';
      // BIND says so also to an MX or SRV record whose host has no address.
      else if (rcode === REFUSED) trouble = 'REFUSED (the key may not do so, or a record fails a check of the server)';
      else if (rcode !== NOERROR) trouble = rcodeName(rcode);
    } catch (error) {
      if (!(error instanceof DnsTrouble)) throw error;
      trouble = plain(error.message, 200);
    }
  }
  // Also after trouble: the answer may be lost and the change be made.
  const done = await holds({ way, want });
  if (done !== true) {
    const where = plain(way.host, 60);
    return bad(trouble ? `${where}: ${trouble}` : typeof done === 'string' ? done : `${where}: it does not say so now`);
  }
  if (!may()) return bad('it is changed, but the right to do so ended meanwhile');
  return { ok: true, detail: differ.length === 0 ? 'it says so already' : differ.map(say).join('; ') };
}

const BEFORE = 'before';
type Before = { readonly epoch: number; readonly sets: readonly RecordSet[] };

async function bring(context: Context): Promise<ActionResult> {
  const { lease, ports, signal, memory } = context;
  const may = (): boolean => !signal.aborted && lease.untilMs() > ports.clock.monotonic();
  const seen = await look(context);
  if (typeof seen === 'string') return bad(seen);
  const stranger = foreign(context, seen);
  if (stranger !== null) return bad(stranger);
  const kept = memory.get(BEFORE) as Before | undefined;
  // At a second try some of it may be ours already: what stood before the first one counts.
  if (kept?.epoch !== lease.epoch) memory.set(BEFORE, { epoch: lease.epoch, sets: seen.found } satisfies Before);
  return change(context, seen, seen.want, may);
}

/** What it said before: as it was found, or as it is when the old node is active. */
function before(context: Context): readonly RecordSet[] | string {
  const { memory, lease, from } = context;
  const kept = memory.get(BEFORE) as Before | undefined;
  if (kept?.epoch === lease.epoch) return kept.sets;
  return from === null ? 'what stood there before is not known' : setsOf(context, from);
}

/** Only what says what we made of it is put back; what others changed meanwhile is theirs. */
async function takeBack(context: Context): Promise<ActionResult> {
  const seen = await look(context);
  if (typeof seen === 'string') return bad(seen);
  const made = seen.want.map((set, n) => same(set.values, seen.found[n]?.values ?? []));
  const old = before(context);
  if (typeof old === 'string' && made.includes(true)) return bad(old);
  const want = seen.found.map((set, n) => (made[n] && typeof old !== 'string' ? (old[n] ?? set) : set));
  return change(context, seen, want, () => !context.signal.aborted);
}

async function probe(context: Context): Promise<Probe> {
  const seen = await look(context);
  if (typeof seen === 'string') return { state: 'unknown', detail: seen };
  const done = await holds(seen);
  if (typeof done === 'string') return { state: 'unknown', detail: done };
  return { state: done ? 'done' : 'undone', detail: seen.found.map(say).join('; ') };
}

async function ready(context: Context): Promise<ActionResult> {
  const want = setsOf(context, context.to);
  if (typeof want === 'string') return bad(want);
  const done = await first(context, async (way) => {
    await authority(way);
    const rcode = await update(way, [], [], 0);
    if (rcode === SERVFAIL) throw new DnsTrouble(rcodeName(rcode));
    return rcode === NOERROR
      ? { ok: true, detail: `${plain(way.host, 60)} has the zone and takes the key` }
      : bad(`${plain(way.host, 60)}: ${rcodeName(rcode)}`);
  });
  if (typeof done === 'string' || !done.ok) return typeof done === 'string' ? bad(done) : done;
  const seen = await look(context);
  const stranger = typeof seen === 'string' ? seen : foreign(context, seen);
  return stranger === null ? done : bad(stranger);
}

export default defineStep({
  about:
    'Records of a DNS zone that name the active node, changed by signed updates where what was found still stands.',
  options,
  example: {
    server: '10.0.0.53',
    zone: 'example.org',
    records: [
      { name: 'mail', type: 'A', value: { n1: '10.0.0.1', n2: '10.0.0.2' } },
      { name: '@', type: 'MX', value: '10 $to.example.org' },
    ],
    key: 'file:/etc/watchkeeper/tsig',
  },
  scope: 'shared',
  probe,
  do: bring,
  undo: takeBack,
  ready,
});
