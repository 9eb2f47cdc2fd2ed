// SNMP through net-snmp: the one module that knows the library, and keeps what it does wrong from everybody else. A
// hostile datagram ends one question and nothing else; every wait ends with its signal; sockets come from ports/udp.ts.
import { NetError, netError } from '../ports/net-fault.ts';
import type { UdpFlow } from '../ports/udp.ts';
import { plain } from './quote.ts';

type Library = typeof import('net-snmp');

export const AUTH = ['md5', 'sha', 'sha224', 'sha256', 'sha384', 'sha512'] as const;
export const PRIVACY = { aes: 'aes', 'aes-256-blumenthal': 'aes256b', 'aes-256-reeder': 'aes256r' } as const;
export const PRIVACIES = Object.keys(PRIVACY) as [keyof typeof PRIVACY, ...(keyof typeof PRIVACY)[]];

export interface SnmpUser {
  readonly name: string;
  readonly auth: (typeof AUTH)[number];
  /** null: nobody proves anything. */
  readonly authKey: string | null;
  readonly privacy: keyof typeof PRIVACY;
  /** null: nothing is kept secret. */
  readonly privacyKey: string | null;
}

export type Login =
  | { readonly version: '1' | '2c'; readonly community: string }
  | { readonly version: '3'; readonly user: SnmpUser };

/** Numbers of the types in a message (RFC 2578, RFC 3416). */
export const TYPE = { integer: 2, octets: 4, oid: 6, counter32: 65, gauge32: 66, ticks: 67, counter64: 70 } as const;

export interface Varbind {
  readonly oid: string;
  readonly type: number;
  readonly value?: unknown;
}

export interface Trap {
  /** As SNMPv2 has it: `E.0.N`. */
  readonly oid: string;
  readonly varbinds: readonly Varbind[];
}

/** Who we are to those who take our v3 traps (RFC 3414 section 1.5.1). */
export interface Authority {
  readonly id: Buffer;
  readonly boots: number;
  readonly time: number;
}

export interface TalkOptions {
  readonly login: Login;
  readonly timeoutMs: number;
  readonly retries: number;
  /** Each wait is so many times as long as the one before. */
  readonly backoff?: number;
}

export interface Telling {
  readonly inform: boolean;
  /** Hundredths of a second since the management part began. */
  readonly upTime: number;
  /** For v3 traps; null: the receiver is the authority, or there is none. */
  readonly authority: Authority | null;
  /** How long to listen after a trap for the word that nobody takes it. */
  readonly listenMs: number;
  readonly signal: AbortSignal;
}

export interface SnmpTalk {
  get(oid: string, signal: AbortSignal): Promise<Varbind>;
  /** Resolves when an inform is acknowledged, or a trap has left. Throws NetError or SnmpRefusal. */
  tell(trap: Trap, telling: Telling): Promise<void>;
  /** Something came back later than anybody waited for: nobody listens there. */
  refused(): boolean;
  close(): void;
}

/** The other side answers, and says no. `stale`: what we know of its clock is wrong, a new session learns it anew. */
export class SnmpRefusal extends Error {
  readonly reason: 'credentials' | 'misconfigured' | 'stale';
  constructor(reason: SnmpRefusal['reason'], detail: string) {
    super(detail);
    this.reason = reason;
  }
}

/** Reports of RFC 3414 about the user, and the two error codes of RFC 3416 about his rights. */
const LOGIN = /^(Wrong Digest|Unknown User|Unsupported Security|Decryption)|AuthorizationError|NoAccess/;
/** The receiver began anew and forgot how often it had, or who it was. */
const STALE = /outside the time window|^Not In Time Window|^Unknown Engine ID|^Unexpected Report/;

/** An error of the library as one of the net, or as a refusal. */
function faultOf(error: Error & { code?: unknown }): Error {
  if (error instanceof NetError || error instanceof SnmpRefusal) return error;
  // The library shows digests: they are no secret, and no help either.
  if (error.message.startsWith('Authentication digest'))
    return new SnmpRefusal('credentials', 'its answer is not signed with our authentication key');
  const words = plain(error.message, 100);
  if (error.name === 'RequestTimedOutError') return new NetError('timeout', 'no answer came in time');
  if (STALE.test(error.message)) return new SnmpRefusal('stale', words);
  if (LOGIN.test(error.message)) return new SnmpRefusal('credentials', words);
  if (error.name === 'RequestFailedError') return new SnmpRefusal('misconfigured', words);
  if (typeof error.code === 'string') return netError(error);
  return new NetError('garbled', `its answer is no SNMP: ${words}`);
}

/** 13 MB that only those pay for who use it. */
export async function snmpLibrary(): Promise<Library> {
  return (await import('net-snmp')).default as unknown as Library;
}

/** What the library calls on a socket. It thinks that it makes one itself. */
function socketFrom(flow: UdpFlow, broken: (error: Error) => void): object {
  const closing: (() => void)[] = [];
  const socket = {
    on(event: string, react: (bytes?: Buffer) => void) {
      if (event === 'close') closing.push(react);
      if (event === 'message')
        flow.onDatagram((bytes) => {
          try {
            react(bytes);
          } catch (error) {
            broken(error as Error);
          }
        });
      return socket;
    },
    ref: () => undefined,
    unref: () => undefined,
    send: (bytes: Buffer, _at: number, _length: number, _port: number, _to: string, done: (error?: Error) => void) =>
      flow.send(bytes, (error) => (error ? done(error) : done())),
    close() {
      flow.close();
      for (const react of closing) react();
    },
  };
  return socket;
}

function userOf({ SecurityLevel, AuthProtocols, PrivProtocols }: Library, user: SnmpUser): import('net-snmp').User {
  const { name } = user;
  if (user.authKey === null) return { name, level: SecurityLevel.noAuthNoPriv };
  const auth = { authProtocol: AuthProtocols[user.auth], authKey: user.authKey };
  if (user.privacyKey === null) return { name, level: SecurityLevel.authNoPriv, ...auth };
  const privProtocol = PrivProtocols[PRIVACY[user.privacy]];
  return { name, level: SecurityLevel.authPriv, ...auth, privProtocol, privKey: user.privacyKey };
}

/** A trap as SNMPv1 has it (RFC 3584 section 3.2): the library makes enterprise and number of the two ends of the
 *  identifier, and there is no Counter64. */
export function asV1({ oid, varbinds }: Trap): Trap {
  return {
    oid: oid.replace(/\.0\.(\d+)$/, '.$1'),
    varbinds: varbinds.map((one) => {
      if (one.type !== TYPE.counter64) return one;
      const wide = BigInt(`0x0${(one.value as Buffer).toString('hex')}`);
      return { oid: one.oid, type: TYPE.counter32, value: Number(wide & 0xffffffffn) };
    }),
  };
}

interface Message {
  readonly pdu: { readonly varbinds: readonly unknown[] };
  hasAuthentication(): unknown;
  hasPrivacy(): unknown;
}
interface Request {
  readonly responseCb: (error: Error) => void;
  readonly message: Message & {
    readonly msgSecurityParameters?: { msgAuthoritativeEngineBoots: number; msgAuthoritativeEngineTime: number };
  };
}
interface Inner {
  readonly engine: { engineID: Buffer };
  send(request: Request, noWait?: boolean): unknown;
  on(event: 'error', react: (error: Error) => void): void;
  onSimpleGetResponse(request: Request, answer: Message): void;
}

/** The library takes an answer that nobody signed for one of somebody with the keys, also to its question who is there:
 *  then anybody could acknowledge what was never received. */
function signedOnly(inner: Inner, { authKey, privacyKey }: SnmpUser): void {
  const take = inner.onSimpleGetResponse.bind(inner);
  inner.onSimpleGetResponse = (request, answer) => {
    const signed = authKey === null || Boolean(answer.hasAuthentication());
    const hidden = authKey === null || privacyKey === null || Boolean(answer.hasPrivacy());
    if (signed && hidden && request.message.pdu.varbinds.length > 0) take(request, answer);
    else request.responseCb(new SnmpRefusal('credentials', 'its answer is not signed with our authentication key'));
  };
}

/** A v3 trap of the library always says that we began 0 times, 0 seconds ago: no legal value, and receivers that have
 *  seen another drop it without a word. */
function stamped(inner: Inner): (authority: Authority) => void {
  let now: Authority | null = null;
  const plainSend = inner.send.bind(inner);
  inner.send = (request, noWait) => {
    const fields = request.message.msgSecurityParameters;
    if (noWait === true && fields && now) {
      fields.msgAuthoritativeEngineBoots = now.boots;
      fields.msgAuthoritativeEngineTime = now.time;
    }
    return plainSend(request, noWait);
  };
  return (authority) => {
    now = authority;
    inner.engine.engineID = authority.id;
  };
}

type Begin<T> = (done: (error: Error | null, value: T) => void) => void;

/** One question at a time: ended by its answer, by whatever breaks the session, or by its signal. */
function oneAtATime() {
  let waiting: ((error: Error) => void) | null = null;
  let refused = false;
  const wait = <T>(signal: AbortSignal, begin: Begin<T>): Promise<T> =>
    new Promise((resolve, reject) => {
      const finish = (act: () => void): void => {
        // Its end cancels what was asked, which is told as another error.
        if (waiting !== lost) return;
        waiting = null;
        signal.removeEventListener('abort', late);
        act();
      };
      const lost = (error: Error): void => finish(() => reject(faultOf(error)));
      const late = (): void => lost(new NetError('timeout', 'no answer came in time'));
      waiting = lost;
      if (signal.aborted) return late();
      signal.addEventListener('abort', late, { once: true });
      begin((error, value) => (error ? lost(error) : finish(() => resolve(value))));
    });
  const broken = (error: Error): void => {
    refused ||= error instanceof NetError;
    waiting?.(error);
  };
  return { wait, broken, refused: () => refused };
}

export function openTalk(snmp: Library, flow: UdpFlow, { login, timeoutMs, retries, backoff }: TalkOptions): SnmpTalk {
  const { wait, broken, refused } = oneAtATime();
  const settings = {
    ...{ timeout: timeoutMs, retries, backoff: backoff ?? 1 },
    // One port for both, or the second inform goes to the wrong one. The socket is connected: neither is looked at.
    ...{ port: 162, trapPort: 162 },
    dgramModule: { createSocket: () => socketFrom(flow, broken) },
  };
  const versions = { '1': snmp.Version1, '2c': snmp.Version2c };
  const session =
    login.version === '3'
      ? snmp.createV3Session('', userOf(snmp, login.user), { ...settings, version: snmp.Version3 })
      : snmp.createSession('', login.community, { ...settings, version: versions[login.version] });
  const inner = session as unknown as Inner;
  inner.on('error', broken);
  if (login.version === '3') signedOnly(inner, login.user);
  flow.onFault(broken);
  const stamp = stamped(inner);
  let closed = false;

  const tell = (trap: Trap, { inform, upTime, authority, listenMs, signal }: Telling): Promise<void> =>
    wait<void>(signal, (done) => {
      const { oid, varbinds } = login.version === '1' ? asV1(trap) : trap;
      const agentAddr = flow.local.includes(':') ? '0.0.0.0' : flow.local;
      const options = { upTime: Math.max(1, Math.floor(upTime) % 2 ** 32), agentAddr };
      const list = varbinds as import('net-snmp').Varbind[];
      if (authority) stamp(authority);
      if (inform) session.inform(oid, list, options, (error) => done(error, undefined));
      else
        session.trap(oid, list, options, (error) => {
          if (error) done(error, undefined);
          else setTimeout(() => done(null, undefined), listenMs);
        });
    });

  return {
    get: (oid, signal) =>
      wait<Varbind>(signal, (done) =>
        session.get([oid], (error, found) => {
          const first = found?.[0] as Varbind | undefined;
          done(error ?? (first ? null : new Error('an answer without a value')), first ?? { oid, type: 5 });
        }),
      ),
    tell,
    refused,
    close() {
      if (!closed) session.close();
      closed = true;
    },
  };
}
