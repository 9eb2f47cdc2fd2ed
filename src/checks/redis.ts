// Does a Redis answer, and does it keep what it is given? Asks in RESP2, which every version speaks, and touches one
// key of its own, which also goes by itself after a minute.
import { type CheckContext, type CheckResult, defineCheck, degraded, fail, opt, pass, unknown, z } from '../define.ts';
import { address, implicitTls, isLoopback, place, placeText, tlsUse } from '../dialogues/endpoint.ts';
import { newToken } from '../dialogues/probe-mail.ts';
import { plain, quote } from '../dialogues/quote.ts';
import { converse, type Session, secret } from '../dialogues/session.ts';
import { type Dialogue, NetError } from '../ports/net.ts';

const options = z.strictObject({
  ...place(6379),
  ...tlsUse,
  tls: z.enum(['off', 'implicit']).default('off').describe('`off`; `implicit`: TLS from the first byte.'),
  user: opt.text('Name for AUTH, where the server has users of its own. Default: the default user.').optional(),
  password: opt.secret('Password for AUTH.').optional(),
  prefix: opt.text('Beginning of the key that a DeepCheck writes to a primary.').default('watchkeeper:'),
  role: z
    .enum(['any', 'primary', 'replica'])
    .default('any')
    .describe('What it must be. A replica is not written to in any case.'),
  memory: opt.percent('Degraded above this share of `maxmemory`, where nothing is evicted.').default(90),
  lag: opt.duration('Degraded when a replica has heard nothing of its primary for longer.').prefault('60s'),
});
type Context = CheckContext<z.output<typeof options>>;

/** One answer: its first character, and its text. */
interface Answer {
  readonly kind: '+' | '-' | ':' | '$';
  readonly text: string;
}

const MAX_BULK = 262_144;

async function readAnswer(dialogue: Dialogue): Promise<Answer> {
  const line = await dialogue.readLine();
  const kind = line[0] ?? '';
  const text = line.slice(1);
  if (kind === '+' || kind === '-' || kind === ':') return { kind, text };
  const size = kind === '$' && /^(-1|\d{1,9})$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isNaN(size)) throw new NetError('garbled', `not a Redis answer: ${quote(line, 80)}`);
  if (size < 0) return { kind: '$', text: '' };
  if (size > MAX_BULK) throw new NetError('too-long', `an answer of ${size} bytes`);
  const bytes = await dialogue.readBytes(size);
  await dialogue.readLine();
  return { kind: '$', text: bytes.toString('utf8') };
}

/** The first word of an error says what kind it is. */
function judge(answer: Answer, step: string, session: Session): CheckResult {
  const said = `${step}: ${quote(answer.text)}`;
  const { seen } = session;
  if (answer.kind !== '-') return fail('misconfigured', said, seen);
  const word = /^[A-Z]+/.exec(answer.text)?.[0] ?? '';
  // MISCONF: it cannot write its snapshot, so it takes no writes. OOM: above maxmemory, and nothing may be evicted.
  if (word === 'MISCONF' || word === 'OOM') return fail('no-space', said, seen);
  if (/^(NOAUTH|WRONGPASS|NOPERM)$/.test(word) || /invalid password|without any password/i.test(answer.text)) {
    return degraded('credentials', said, seen);
  }
  if (word === 'LOADING' || word === 'BUSY' || /max number of clients/i.test(answer.text)) {
    return degraded('overloaded', said, seen);
  }
  if (/^(MASTERDOWN|NOREPLICAS|CLUSTERDOWN|TRYAGAIN)$/.test(word)) return degraded('dependency', said, seen);
  return fail('misconfigured', said, seen);
}

interface Redis {
  /** The answer, if it is the wanted one; else a verdict. */
  ask(want: RegExp, ...words: readonly string[]): Promise<Answer | CheckResult>;
  bye(): Promise<void>;
}

const encode = (words: readonly string[]): string =>
  `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`;

const isVerdict = (found: Answer | CheckResult): found is CheckResult => 'outcome' in found;

function redisOn(session: Session, dialogue: Dialogue): Redis {
  return {
    async ask(want, ...words) {
      const step = words[0] ?? '';
      const told = (answer: Answer): string => (step === 'INFO' ? `${answer.text.length} bytes` : answer.text);
      const call = async (): Promise<Answer> => {
        await dialogue.write(encode(words));
        return readAnswer(dialogue);
      };
      const answer = await session.step(step, call, told);
      return want.test(answer.kind + answer.text) ? answer : judge(answer, step, session);
    },
    bye: () => dialogue.write(encode(['QUIT'])).catch(() => undefined),
  };
}

async function login(context: Context, session: Session, redis: Redis, secure: boolean): Promise<CheckResult | null> {
  const { user, password } = context.options;
  if (password === undefined) return null;
  if (!secure && !isLoopback(context.options)) {
    return unknown('the probe sends no password over a connection without TLS', session.seen);
  }
  const name = user === undefined ? [] : [user];
  const answer = await redis.ask(/^\+OK$/, 'AUTH', ...name, secret(context.ports, password));
  return isVerdict(answer) ? answer : null;
}

/** `name:value` lines of INFO. */
const factsOf = (text: string): ReadonlyMap<string, string> =>
  new Map(
    text
      .split('\r\n')
      .flatMap((line) =>
        /^(\w+):(.*)$/.exec(line) ? [[line.split(':')[0] ?? '', line.slice(line.indexOf(':') + 1)]] : [],
      ),
  );

function judgeReplica(context: Context, session: Session, facts: ReadonlyMap<string, string>): CheckResult | null {
  const primary = plain(`${facts.get('master_host') ?? '?'}:${facts.get('master_port') ?? '?'}`, 80);
  if (facts.get('master_link_status') !== 'up') {
    return degraded('dependency', `this replica has no link to its primary ${primary}`, session.seen);
  }
  const silentS = Number(facts.get('master_last_io_seconds_ago'));
  if (silentS * 1000 <= context.options.lag) return null;
  return degraded('dependency', `this replica has heard nothing of ${primary} for ${silentS} s`, session.seen);
}

/** What it says of itself. */
function judgeFacts(context: Context, session: Session, facts: ReadonlyMap<string, string>): CheckResult | null {
  const { role, memory } = context.options;
  const replica = facts.get('role') === 'slave';
  if (facts.get('loading') === '1') {
    return degraded('overloaded', 'it is still reading its data from the disk', session.seen);
  }
  if (role !== 'any' && replica !== (role === 'replica')) {
    return fail('misconfigured', `it is a ${replica ? 'replica' : 'primary'}, not a ${role}`, session.seen);
  }
  const [used, most] = [Number(facts.get('used_memory')), Number(facts.get('maxmemory'))];
  if (used > 0) session.measure('memory', used, 'B');
  const clients = Number(facts.get('connected_clients'));
  if (clients > 0) session.measure('clients', clients);
  if (most > 0 && facts.get('maxmemory_policy') === 'noeviction' && used > (most * memory) / 100) {
    const share = `${((used / most) * 100).toFixed(0)} % of maxmemory`;
    return degraded('no-space', `it holds ${share}, and nothing may be evicted`, session.seen);
  }
  return replica ? judgeReplica(context, session, facts) : null;
}

/** One key of its own: written, read, removed. */
async function store(context: Context, session: Session, redis: Redis): Promise<CheckResult | null> {
  const token = newToken();
  const key = `${context.options.prefix}${token}`;
  const put = await redis.ask(/^\+OK$/, 'SET', key, token, 'EX', '60');
  if (isVerdict(put)) return put;
  const got = await redis.ask(/^\$/, 'GET', key);
  if (isVerdict(got)) return got;
  const gone = await redis.ask(/^:\d+$/, 'DEL', key);
  if (got.text !== token) return fail('misconfigured', 'the value that was just written is not there', session.seen);
  return isVerdict(gone) ? gone : null;
}

async function deep(context: Context, session: Session, redis: Redis): Promise<CheckResult | null> {
  const info = await redis.ask(/^\$/, 'INFO');
  if (isVerdict(info)) return info;
  const facts = factsOf(info.text);
  const stored = facts.get('role') === 'slave' ? null : await store(context, session, redis);
  // A write that is refused says more than any figure.
  return stored ?? judgeFacts(context, session, facts);
}

async function talk(context: Context, session: Session): Promise<CheckResult | null> {
  const tls = implicitTls(context.ports, context.options, context.options);
  const dialogue = await session.step('connect', () => session.open({ ...address(context.options), ...tls }));
  const redis = redisOn(session, dialogue);
  const refused = await login(context, session, redis, dialogue.certificate !== null);
  if (refused) return refused;
  const pong = await redis.ask(/^\+PONG$/, 'PING');
  const bad = isVerdict(pong) ? pong : context.depth === 'deep' ? await deep(context, session, redis) : null;
  await redis.bye();
  return bad;
}

export default defineCheck({
  about: 'Quick: the answer of a Redis to PING. Deep: write, read and remove a key; memory; replication.',
  depth: 'both',
  options,
  example: { host: '127.0.0.1', port: 6379, password: 'file:/etc/watchkeeper/redis' },
  async run(context) {
    const where = placeText(context.options);
    return converse(context, where, async (session) => {
      const started = context.ports.clock.monotonic();
      const bad = await talk(context, session);
      const ms = context.ports.clock.monotonic() - started;
      session.measure('time', ms, 'ms');
      if (bad) return { ...bad, detail: `${where}: ${bad.detail}`, ...session.seen };
      const did = context.depth === 'deep' ? 'stores and returns a value' : 'answers';
      return pass(`${where} ${did} (${ms.toFixed(0)} ms)`, session.seen);
    });
  },
});
