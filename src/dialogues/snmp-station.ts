// One management station that is told: its address, its session, and what its silence or its refusal means in words. A
// session lasts as long as it works and its secrets are the same; a new one learns its clock and our address anew.
import type { Ports } from '../define.ts';
import { NetError } from '../ports/net-fault.ts';
import { engineOf } from './snmp-engine.ts';
import { type Authority, type Login, openTalk, snmpLibrary, SnmpRefusal, type SnmpTalk, type Trap } from './snmp.ts';

export interface StationAddress {
  readonly host: string;
  readonly port: number;
}

const TRAP_PORT = 162;
const HOST = /^[A-Za-z0-9_.:%-]+$/;

/** `10.0.0.20`, `noc.example.org:1162`, `2001:db8::1`, `[2001:db8::1]:1162`; null: none of these. */
export function stationAddress(text: string): StationAddress | null {
  const [, bracketed, plainHost, digits] = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const host =
    bracketed ?? plainHost ?? (/^[0-9A-Fa-f.]*:[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*(%[\w.-]+)?$/.test(text) ? text : '');
  const port = digits === undefined ? TRAP_PORT : Number(digits);
  return HOST.test(host) && port >= 1 && port <= 65_535 ? { host, port } : null;
}

/** What the options say about how to tell, whoever is told. */
export interface StationOptions {
  readonly login: () => Login;
  readonly inform: boolean;
  readonly source: string | undefined;
  readonly timeoutMs: number;
  readonly retries: number;
  readonly stateDir: string;
}

export interface Station {
  /** null: told. Otherwise why not. Never throws, and ends with its signal. `key` names what is told: after a part of
   *  it was taken, a new try goes on behind that part. */
  tell(key: number, traps: readonly Trap[], signal: AbortSignal): Promise<string | null>;
  close(): void;
}

const CONNECT_MS = 5000;
const DNS_MS = 2000;
/** A closed port on the way says so within this, mostly at once. Nothing else waits for a trap. */
const LISTEN_MS = 20;
/** Once it has said so, it is given more time to say it again. */
const LISTEN_LONG_MS = 1000;
/** An address of ours may have gone, the manager's name may have moved. */
const TALK_MAX_MS = 300_000;
/** RFC 3414 section 11.2. */
const KEY_MIN = 8;

/** Since the first station was made: sysUpTime is about the part that is managed, and starts with it. */
let born: number | null = null;

/** An address for the name, once a session. From DNS first, past getaddrinfo: four stuck disks would stop that, and
 *  every alert. Who stands in a file only is still found by it, by `connect`, which waits no longer than it may. */
async function resolved(ports: Ports, host: string, signal: AbortSignal): Promise<string> {
  if (/^[\d.]+$/.test(host) || host.includes(':')) return host;
  for (const type of ['A', 'AAAA'] as const) {
    const { code, values } = await ports.dns.ask({ name: host, type, signal, timeoutMs: DNS_MS });
    if (code === 'ok' && values[0] !== undefined) return values[0];
  }
  return host;
}

/** What a receiver's report says (RFC 3414 section 3.2), by how the library puts it. */
const REPORTS: Readonly<Record<string, (user: string) => string>> = {
  'Wrong Digest': (user) => `it refuses the authentication pass phrase of ${user}`,
  'Unknown User': (user) => `it does not know ${user}`,
  Unsupported: (user) => `it does not take ${user} with this level of security`,
  Decryption: (user) => `it cannot decrypt what ${user} sends: the privacy pass phrase`,
};

function sentence(error: unknown, host: string, login: Login | null, source: string | undefined): string {
  const { message } = error as Error;
  if (error instanceof SnmpRefusal) {
    const known = Object.entries(REPORTS).find(([start]) => message.startsWith(start))?.[1];
    return known ? known(login?.version === '3' ? `the user ${login.user.name}` : 'us') : message;
  }
  if (!(error instanceof NetError)) return message;
  if (error.code === 'refused') return 'nobody listens on that port';
  if (error.code === 'not-found') return `the name ${host} has no address`;
  if (error.code === 'timeout' && login?.version === '3' && login.user.privacyKey !== null)
    return 'no answer came in time (a receiver with another privacy pass phrase is silent too)';
  return source !== undefined && message.includes('EADDRNOTAVAIL')
    ? `the source address ${source} is not on this machine`
    : message;
}

/** What the standard and every receiver refuse, before anything is sent. */
function keyFault(login: Login): string | null {
  if (login.version !== '3') return null;
  const { authKey, privacyKey } = login.user;
  if ((authKey?.length ?? KEY_MIN) < KEY_MIN) return 'the authentication pass phrase has less than 8 characters';
  if ((privacyKey?.length ?? KEY_MIN) < KEY_MIN) return 'the privacy pass phrase has less than 8 characters';
  return null;
}

async function authorityOf(ports: Ports, stateDir: string): Promise<Authority> {
  const { id, boots, time } = await (await engineOf(ports, stateDir)).now();
  return { id: Buffer.from(id, 'hex'), boots, time };
}

export function stationOf(ports: Ports, { host, port }: StationAddress, options: StationOptions): Station {
  const { inform, source, timeoutMs, retries, stateDir } = options;
  const { clock } = ports;
  born ??= clock.monotonic();
  let talk: { readonly it: SnmpTalk; readonly login: string; readonly since: number } | null = null;
  let refused = false;
  let done = { key: -1, parts: 0 };

  const drop = (): void => {
    talk?.it.close();
    talk = null;
  };

  const open = async (login: Login, signal: AbortSignal): Promise<SnmpTalk> => {
    const same = JSON.stringify(login);
    if (talk && talk.login === same && clock.monotonic() - talk.since < TALK_MAX_MS) return talk.it;
    refused ||= talk?.it.refused() ?? false;
    drop();
    const address = await resolved(ports, host, signal);
    const from = source === undefined ? {} : { source };
    const flow = await ports.udp.connect({ host: address, port, ...from, signal, timeoutMs: CONNECT_MS });
    const it = openTalk(await snmpLibrary(), flow, { login, timeoutMs, retries, backoff: 2 });
    talk = { it, login: same, since: clock.monotonic() };
    return it;
  };

  const tellOne = async (trap: Trap, login: Login, signal: AbortSignal): Promise<void> => {
    const it = await open(login, signal);
    const listenMs = refused || it.refused() ? LISTEN_LONG_MS : LISTEN_MS;
    const upTime = (clock.monotonic() - (born ?? 0)) / 10;
    const authority = login.version === '3' && !inform ? await authorityOf(ports, stateDir) : null;
    await it.tell(trap, { inform, upTime, listenMs, signal, authority });
    refused = false;
  };

  /** The receiver may have lost what we know of it: then once more, from the beginning. */
  const tellSurely = async (trap: Trap, login: Login, signal: AbortSignal): Promise<void> => {
    try {
      await tellOne(trap, login, signal);
    } catch (error) {
      refused ||= error instanceof NetError && error.code === 'refused';
      drop();
      if (!(error instanceof SnmpRefusal && error.reason === 'stale')) throw error;
      await tellOne(trap, login, signal);
    }
  };

  return {
    async tell(key, traps, signal) {
      let login: Login | null = null;
      if (done.key !== key) done = { key, parts: 0 };
      try {
        login = options.login();
        const fault = keyFault(login);
        if (fault !== null) return fault;
        for (const trap of traps.slice(done.parts)) {
          await tellSurely(trap, login, signal);
          done = { key, parts: done.parts + 1 };
        }
        return null;
      } catch (error) {
        drop();
        return sentence(error, host, login, source);
      }
    },
    close: drop,
  };
}
