// One value of an SNMP agent: a device, a UPS, another machine. By v2c, or by v3 with authentication and privacy.
import type { Session as SnmpSession, User, Varbind } from 'net-snmp';
import {
  CAUSES,
  type CheckContext,
  type CheckResult,
  defineCheck,
  degraded,
  fail,
  opt,
  pass,
  unknown,
  z,
} from '../define.ts';
import { plain, quote } from '../dialogues/quote.ts';
import { converse, secret, type Session } from '../dialogues/session.ts';
import { NetError, netError } from '../ports/net-fault.ts';

const AUTH = ['md5', 'sha', 'sha224', 'sha256', 'sha384', 'sha512'] as const;
const PRIVACY = { aes: 'aes', 'aes-256-blumenthal': 'aes256b', 'aes-256-reeder': 'aes256r' } as const;
const limit = (about: string) => z.number().describe(about).optional();

const options = z
  .strictObject({
    host: opt.host('The agent').default('127.0.0.1'),
    port: opt.port('Its UDP port').default(161),
    oid: z
      .string()
      .max(500)
      .regex(/^\.?\d+(\.\d+)+$/, 'expected an object identifier in numbers, such as 1.3.6.1.2.1.1.3.0')
      .describe('Which value, in numbers: 1.3.6.1.2.1.1.3.0'),
    version: z.enum(['2c', '3']).default('2c').describe('The version of SNMP'),
    community: opt.secret('v2c: its community').optional(),
    user: opt.text('v3: the user').optional(),
    auth: z.enum(AUTH).default('sha256').describe('v3: how the user proves who he is'),
    'auth-key': opt.secret('v3: his authentication pass phrase').optional(),
    privacy: z
      .enum(Object.keys(PRIVACY) as [keyof typeof PRIVACY])
      .default('aes')
      .describe('v3: how it is kept secret'),
    'privacy-key': opt.secret('v3: his privacy pass phrase; without it, nothing is kept secret').optional(),
    text: opt.text('The value must contain this text').optional(),
    'warn-above': limit('Degraded when the number is greater'),
    'warn-below': limit('Degraded when the number is smaller'),
    'crit-above': limit('Failing when the number is greater'),
    'crit-below': limit('Failing when the number is smaller'),
    cause: z.enum(CAUSES).default('dependency').describe('The cause that a bad value stands for'),
  })
  .refine((some) => (some.version === '2c' ? some.community : some.user), 'v2c needs a community, v3 a user')
  .refine((some) => !some['privacy-key'] || some['auth-key'], 'a privacy-key needs an auth-key');
type Context = CheckContext<z.output<typeof options>>;
type Snmp = typeof import('net-snmp');

/** A session whose socket cannot throw into the daemon: what a hostile datagram breaks ends this question. */
function guarded(session: SnmpSession, broken: (error: Error) => void): SnmpSession {
  const inner = session as unknown as {
    readonly dgram: NodeJS.EventEmitter;
    onMsg(datagram: Buffer): void;
    on(event: 'error', broken: (error: Error) => void): void;
  };
  inner.on('error', broken);
  inner.dgram.removeAllListeners('message');
  inner.dgram.on('message', (datagram: Buffer) => {
    try {
      inner.onMsg(datagram);
    } catch (error) {
      broken(error as Error);
    }
  });
  return session;
}

function userOf(snmp: Snmp, context: Context): User {
  const { options: wanted, ports } = context;
  const authKey = wanted['auth-key'] === undefined ? null : secret(ports, wanted['auth-key']);
  const privKey = wanted['privacy-key'] === undefined ? null : secret(ports, wanted['privacy-key']);
  const { SecurityLevel, AuthProtocols, PrivProtocols } = snmp;
  const name = wanted.user ?? '';
  if (authKey === null) return { name, level: SecurityLevel.noAuthNoPriv };
  const auth = { authProtocol: AuthProtocols[wanted.auth], authKey };
  if (privKey === null) return { name, level: SecurityLevel.authNoPriv, ...auth };
  return {
    name,
    level: SecurityLevel.authPriv,
    ...auth,
    privProtocol: PrivProtocols[PRIVACY[wanted.privacy]],
    privKey,
  };
}

/** The agent answers, and says no. */
class Refused extends Error {
  readonly reason: 'credentials' | 'misconfigured';
  constructor(reason: 'credentials' | 'misconfigured', detail: string) {
    super(detail);
    this.reason = reason;
  }
}

/** Reports of RFC 3414 about the user, and the two error codes of RFC 3416 about his rights. */
const LOGIN = /^(Wrong Digest|Unknown User|Unsupported Security|Decryption)|AuthorizationError|NoAccess/;

/** An error of the library as one of the net, or as the agent's refusal. */
function faultOf(error: Error & { code?: unknown }): Error {
  const words = plain(error.message, 100);
  if (error.name === 'RequestTimedOutError') return new NetError('timeout', 'no answer came in time');
  if (LOGIN.test(error.message)) return new Refused('credentials', words);
  if (error.name === 'RequestFailedError') return new Refused('misconfigured', words);
  if (typeof error.code === 'string') return netError(error);
  return new NetError('garbled', `its answer is no SNMP: ${words}`);
}

/** Asks once, and once more at half of the time. */
function ask(snmp: Snmp, context: Context, session: Session): Promise<Varbind> {
  const { host, port, oid, version, community } = context.options;
  const settings = { port, retries: 1, timeout: Math.max(1, Math.floor(session.timeoutMs / 2)) };
  const transport = host.includes(':') ? 'udp6' : 'udp4';
  return new Promise((resolve, reject) => {
    let over = false;
    const finish = (act: () => void): void => {
      // Its end cancels what was asked, which is told as another error.
      if (over) return;
      over = true;
      session.signal.removeEventListener('abort', late);
      act();
      // Not within its own callback: it goes on with the session there.
      context.ports.clock.after(0, () => talk.close());
    };
    const broken = (error: Error): void => finish(() => reject(faultOf(error)));
    const late = (): void => finish(() => reject(new NetError('timeout', 'no answer came in time')));
    const all = { ...settings, transport } as const;
    const talk = guarded(
      version === '3'
        ? snmp.createV3Session(host, userOf(snmp, context), { ...all, version: snmp.Version3 })
        : snmp.createSession(host, secret(context.ports, community ?? ''), { ...all, version: snmp.Version2c }),
      broken,
    );
    session.signal.addEventListener('abort', late, { once: true });
    talk.get([oid.replace(/^\./, '')], (error, varbinds) => {
      const first = varbinds?.[0];
      if (error) return broken(error);
      if (!first) return broken(new Error('an answer without a value'));
      finish(() => resolve(first));
    });
  });
}

/** The number in a value; null: it is none. */
function numberOf(snmp: Snmp, { type, value }: Varbind): number | null {
  if (typeof value === 'number') return value;
  if (typeof value === 'bigint') return Number(value);
  const isWide = type === snmp.ObjectType.Counter64;
  if (isWide && Buffer.isBuffer(value) && value.length <= 8)
    return value.length === 0 ? 0 : Number(BigInt(`0x${value.toString('hex')}`));
  const text = Buffer.isBuffer(value) ? value.toString('latin1').trim() : '';
  return /^[-+]?\d{1,15}(\.\d{1,15})?$/.test(text) ? Number(text) : null;
}

const textOf = ({ value }: Varbind): string => (Buffer.isBuffer(value) ? value.toString('utf8') : String(value ?? ''));

function judge(snmp: Snmp, context: Context, found: Varbind, where: string, { seen }: Session): CheckResult {
  const { options: wanted } = context;
  const number = numberOf(snmp, found);
  const metrics = [...seen.metrics, ...(number === null ? [] : [{ name: 'value', value: number }])];
  const more = { ...seen, metrics };
  const text = `${where} says ${number === null ? quote(textOf(found)) : number}`;
  if (wanted.text !== undefined && !textOf(found).includes(wanted.text))
    return fail(wanted.cause, `${text}, not ${quote(wanted.text, 60)}`, more);
  const limits = ['crit-above', 'crit-below', 'warn-above', 'warn-below'] as const;
  const set = limits.filter((one) => wanted[one] !== undefined);
  if (set.length > 0 && number === null) return unknown(`${text}, which is no number`, more);
  const crossed = set.find((one) => {
    const edge = wanted[one] ?? 0;
    return one.endsWith('above') ? (number ?? 0) > edge : (number ?? 0) < edge;
  });
  if (crossed === undefined) return pass(text, more);
  const detail = `${text}, ${crossed.endsWith('above') ? 'more' : 'less'} than ${wanted[crossed]}`;
  return crossed.startsWith('crit') ? fail(wanted.cause, detail, more) : degraded(wanted.cause, detail, more);
}

export default defineCheck({
  about: 'Asks an SNMP agent for one value, and compares it with limits or a text.',
  depth: 'both',
  options,
  example: {
    host: '192.0.2.7',
    oid: '1.3.6.1.2.1.33.1.2.3.0',
    community: 'file:/etc/watchkeeper/ups',
    'warn-below': 20,
  },
  async run(context) {
    const { host, port, oid } = context.options;
    const where = `${oid} at ${host.includes(':') ? `[${host}]` : host}:${port}`;
    return converse(context, where, async (session) => {
      // 13 MB that only those pay for who use it.
      const snmp = (await import('net-snmp')).default as unknown as Snmp;
      try {
        const found = await session.step('get', () => ask(snmp, context, session));
        if (snmp.isVarbindError(found))
          return fail(
            'misconfigured',
            `${where}: the agent has no such value (${plain(snmp.varbindError(found), 80)})`,
          );
        if (found.value === null || found.value === undefined)
          return fail('misconfigured', `${where}: its answer holds no value`, session.seen);
        return judge(snmp, context, found, where, session);
      } catch (error) {
        if (error instanceof Refused) return fail(error.reason, `${where}: ${error.message}`, session.seen);
        throw error;
      }
    });
  },
});
