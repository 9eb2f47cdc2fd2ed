// SNMP notifications to the managers of a network operations centre: version 1, 2c or 3, traps or informs. What is told
// is in dialogues/snmp-notification.ts, who is told and when again in fan-out.ts, how in snmp-station.ts.
import type { EventName } from '../core/catalogue.ts';
import { DEFAULT_BASE, isBase } from '../core/snmp.ts';
import { type AlertContext, defineAlert, opt, type SendResult, z } from '../define.ts';
import { fanOut, type FanOut, type Receiver } from '../dialogues/fan-out.ts';
import { secret } from '../dialogues/session.ts';
import { engineOf } from '../dialogues/snmp-engine.ts';
import { type Station, stationAddress, stationOf } from '../dialogues/snmp-station.ts';
import { carriesActive, type Told, trapsOf } from '../dialogues/snmp-notification.ts';
import { AUTH, type Login, PRIVACIES } from '../dialogues/snmp.ts';

const address = z
  .string()
  .max(300)
  .refine(
    (text) => stationAddress(text) !== null,
    'expected an address such as 10.0.0.20, 10.0.0.20:1162 or [::1]:1162',
  )
  .describe('A manager; its port is 162 unless given');

const options = z
  .strictObject({
    to: z
      .array(address)
      .min(1)
      .max(16)
      .refine((all) => new Set(all).size === all.length, 'the same manager twice')
      .describe('The managers. Each gets every alert; one that does not answer keeps none of the others waiting'),
    version: z
      .literal([1, '1', '2c', 3, '3'])
      .default(3)
      .describe('The version of SNMP; only 3 knows who sends, and keeps it secret'),
    community: opt.secret('v1, v2c: the community').optional(),
    user: z.string().min(1).max(32).describe('v3: the user').optional(),
    auth: opt.secret('v3: his authentication pass phrase, of at least 8 characters').optional(),
    priv: opt.secret('v3: his privacy pass phrase, of at least 8 characters').optional(),
    'auth-protocol': z.enum(AUTH).default('sha256').describe('v3: how he proves who he is'),
    'priv-protocol': z.enum(PRIVACIES).default('aes').describe('v3: how it is kept secret; aes has 128 bits'),
    level: z
      .enum(['authPriv', 'authNoPriv', 'noAuthNoPriv'])
      .default('authPriv')
      .describe('v3: what is asked for; less than authPriv only if the receiver knows no better'),
    inform: opt
      .flag('Ask for an acknowledgement, and try again until it comes; default: yes, but for v1, which cannot')
      .optional(),
    source: opt.host('An address of this machine that all of it comes from: managers know a node by it').optional(),
    timeout: opt.duration('How long an inform waits for its answer; twice as long at each new try').prefault('1.5s'),
    retries: z.number().int().min(0).max(3).describe('New tries of an inform before the outbox waits').default(2),
    base: z
      .string()
      .refine(isBase, 'expected an object identifier in numbers below 1.3.6.1.4.1, such as 1.3.6.1.4.1.32473.1')
      .describe('Where the MIB is rooted; `watchkeeper mib --base` prints the MIB for it')
      .default(DEFAULT_BASE),
    lifekeeper: opt.flag("Also send LifeKeeper's traps, for rules that know them").default(false),
  })
  .refine(({ version, community }) => String(version) === '3' || community, {
    message: 'versions 1 and 2c need a community',
    path: ['community'],
  })
  .refine(({ version, user }) => String(version) !== '3' || user, { message: 'version 3 needs a user', path: ['user'] })
  .refine(({ version, auth, level }) => String(version) !== '3' || level === 'noAuthNoPriv' || auth, {
    message: 'this level needs an authentication pass phrase: auth',
    path: ['auth'],
  })
  .refine(({ version, priv, level }) => String(version) !== '3' || level !== 'authPriv' || priv, {
    message: 'authPriv needs a privacy pass phrase: priv',
    path: ['priv'],
  })
  .refine(({ version, inform }) => String(version) !== '1' || inform !== true, {
    message: 'version 1 has no informs',
    path: ['inform'],
  })
  // Three tries in all, each twice as long: within the time that the outbox gives one alert.
  .refine(({ timeout, retries }) => timeout * (2 ** (retries + 1) - 1) <= 24_000, {
    message: 'timeout and retries together take more than 24 s',
    path: ['timeout'],
  });
type Options = z.output<typeof options>;
type Context = AlertContext<Options>;

/** Asked for by hand: every manager is to say that it has it. */
const TEST: EventName = 'alert-test';

/** Read anew for each alert: a changed pass phrase counts at once, one that cannot be read is said. */
function loginOf({ options: wanted, ports }: Pick<Context, 'options' | 'ports'>): Login {
  const version = String(wanted.version) as Login['version'];
  if (version !== '3') return { version, community: secret(ports, wanted.community ?? '') };
  const { level, user = '' } = wanted;
  const key = (ref: string | undefined, needed: boolean): string | null => (needed ? secret(ports, ref ?? '') : null);
  return {
    version,
    user: {
      ...{ name: user, auth: wanted['auth-protocol'], privacy: wanted['priv-protocol'] },
      authKey: key(wanted.auth, level !== 'noAuthNoPriv'),
      privacyKey: key(wanted.priv, level === 'authPriv'),
    },
  };
}

const informs = ({ inform, version }: Options): boolean => inform ?? String(version) !== '1';

/** What lasts: a session to each manager, and the list of each that is behind. */
interface Hub {
  offer(told: Told, context: Context): Promise<SendResult>;
  close(): void;
}

async function openHub({ options: wanted, ports, stateDir, channel, trouble }: Context): Promise<Hub> {
  const { base, lifekeeper, source, timeout, retries } = wanted;
  const inform = informs(wanted);
  const login = (): Login => loginOf({ options: wanted, ports });
  const how = { login, inform, source, timeoutMs: timeout, retries, stateDir };
  const stations: Station[] = [];
  const receivers = wanted.to.map((name): Receiver<Told> => {
    const where = stationAddress(name) ?? { host: name, port: 162 };
    const it = stationOf(ports, where, how);
    stations.push(it);
    return { name, deliver: (told, signal) => it.tell(told.alert.id, trapsOf(told, { base, lifekeeper }), signal) };
  });
  const troubles: Record<'late' | 'identity', string | null> = { late: null, identity: null };
  const tell = (which: keyof typeof troubles, text: string | null): void => {
    if (troubles[which] === text) return;
    troubles[which] = text;
    const all = Object.values(troubles).filter((one) => one !== null);
    trouble(all.length > 0 ? all.join('; ') : null);
  };
  const fan: FanOut<Told> = fanOut(receivers, {
    ...{ clock: ports.clock, store: ports.stores.open(stateDir), file: `snmp-behind-${channel}.json` },
    onTrouble: (text) => tell('late', text),
  });
  const hasIdentity = String(wanted.version) === '3' && !inform;
  return {
    async offer(told, { signal }) {
      if (hasIdentity) tell('identity', (await engineOf(ports, stateDir)).trouble());
      return fan.offer(told, signal, { all: told.alert.notice.event === TEST });
    },
    close() {
      fan.close();
      for (const one of stations) one.close();
    },
  };
}

export default defineAlert({
  about: 'Sends each alert as an SNMP trap or inform, version 1, 2c or 3, to one or more managers.',
  reader: 'program',
  heartbeat: 'too',
  options,
  example: {
    ...{ to: ['10.0.0.20', '[2001:db8::1]:1162'], version: 3, user: 'watchkeeper', inform: true },
    ...{ auth: 'file:/etc/watchkeeper/snmp-auth', priv: 'file:/etc/watchkeeper/snmp-priv' },
  },
  async send(alert, context) {
    const active = carriesActive(alert.notice.event) ? context.background().active : null;
    const told = { alert, node: context.node, active };
    if (trapsOf(told, context.options).length === 0)
      return { drop: `the MIB has no notification for the event ${alert.notice.event}` };
    const hub = await context.lasting(() => openHub(context));
    return hub.offer(told, context);
  },
});
