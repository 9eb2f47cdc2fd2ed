// One value of an SNMP agent: a device, a UPS, another machine. By v2c, or by v3 with authentication and privacy.
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
import {
  AUTH,
  type Login,
  openTalk,
  PRIVACIES,
  snmpLibrary,
  SnmpRefusal,
  TYPE,
  type Varbind,
} from '../dialogues/snmp.ts';

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
    privacy: z.enum(PRIVACIES).default('aes').describe('v3: how it is kept secret'),
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
type Snmp = Awaited<ReturnType<typeof snmpLibrary>>;

function loginOf({ options: wanted, ports }: Context): Login {
  const key = (ref: string | undefined): string | null => (ref === undefined ? null : secret(ports, ref));
  if (wanted.version === '2c') return { version: '2c', community: secret(ports, wanted.community ?? '') };
  const { user = '', auth, privacy } = wanted;
  const keys = { authKey: key(wanted['auth-key']), privacyKey: key(wanted['privacy-key']) };
  return { version: '3', user: { name: user, auth, privacy, ...keys } };
}

/** Asks once, and once more at half of the time. */
async function ask(snmp: Snmp, context: Context, { signal, timeoutMs }: Session): Promise<Varbind> {
  const { host, port, oid } = context.options;
  const login = loginOf(context);
  const flow = await context.ports.udp.connect({ host, port, signal, timeoutMs });
  const talk = openTalk(snmp, flow, { login, retries: 1, timeoutMs: Math.max(1, Math.floor(timeoutMs / 2)) });
  try {
    return await talk.get(oid.replace(/^\./, ''), signal);
  } finally {
    talk.close();
  }
}

/** The number in a value; null: it is none. */
function numberOf({ type, value }: Varbind): number | null {
  if (typeof value === 'number') return value;
  if (typeof value === 'bigint') return Number(value);
  const isWide = type === TYPE.counter64;
  if (isWide && Buffer.isBuffer(value) && value.length <= 8)
    return value.length === 0 ? 0 : Number(BigInt(`0x${value.toString('hex')}`));
  const text = Buffer.isBuffer(value) ? value.toString('latin1').trim() : '';
  return /^[-+]?\d{1,15}(\.\d{1,15})?$/.test(text) ? Number(text) : null;
}

const textOf = ({ value }: Varbind): string => (Buffer.isBuffer(value) ? value.toString('utf8') : String(value ?? ''));

function judge(context: Context, found: Varbind, where: string, { seen }: Session): CheckResult {
  const { options: wanted } = context;
  const number = numberOf(found);
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
      const snmp = await snmpLibrary();
      try {
        const found = await session.step('get', () => ask(snmp, context, session));
        if (snmp.isVarbindError(found as never))
          return fail(
            'misconfigured',
            `${where}: the agent has no such value (${plain(snmp.varbindError(found as never), 80)})`,
          );
        if (found.value === null || found.value === undefined)
          return fail('misconfigured', `${where}: its answer holds no value`, session.seen);
        return judge(context, found, where, session);
      } catch (error) {
        if (!(error instanceof SnmpRefusal)) throw error;
        const cause = error.reason === 'credentials' ? 'credentials' : 'misconfigured';
        return fail(cause, `${where}: ${error.message}`, session.seen);
      }
    });
  },
});
