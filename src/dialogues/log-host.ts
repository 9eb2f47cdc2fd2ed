// A line to a log host: RFC 5424 over UDP (RFC 5426), TCP (RFC 6587) or TLS (RFC 5425), one message after the other on
// one lasting connection. Syslog has no answer, so a message counts as sent when the other side's system has
// acknowledged its bytes; what a connection that broke may have taken with it is sent once more. Retries nothing else.
import type { Ports, SendResult } from '../define.ts';
import { type Loan, NetError, type TlsOptions } from '../ports/net.ts';
import type { UdpFlow } from '../ports/udp.ts';
import { plain } from './quote.ts';
import { OwnTrouble } from './session.ts';

export interface LogHost {
  readonly way: 'udp' | 'tcp' | 'tls';
  readonly host: string;
  readonly port: number;
}

/** The port of syslog over UDP (RFC 5426), what is usual for TCP (RFC 6587 names none), and that of RFC 5425. */
const PORTS = { udp: 514, tcp: 514, tls: 6514 } as const;
const PLACE = /^(udp|tcp|tls):\/\/(?:\[([0-9A-Fa-f:.]+(?:%[\w.-]+)?)\]|([A-Za-z0-9_.-]+))(?::(\d{1,5}))?$/;

/** `tls://loghost.example.org:6514`, `udp://[2001:db8::1]`; null: none of these. */
export function logHost(text: string): LogHost | null {
  const [, way, six, name, digits] = PLACE.exec(text) ?? [];
  if (way !== 'udp' && way !== 'tcp' && way !== 'tls') return null;
  const port = digits === undefined ? PORTS[way] : Number(digits);
  return port < 1 || port > 65_535 ? null : { way, host: six ?? name ?? '', port };
}

export interface LineOptions {
  readonly framing: 'octet-counting' | 'newline';
  /** Read anew for each connection; throws OwnTrouble. */
  readonly tls: () => TlsOptions;
  readonly timeoutMs: number;
}

export interface LogLine {
  /** One message at a time, in the order of the calls. Never throws. */
  send(message: Buffer, signal: AbortSignal): Promise<SendResult>;
  close(): void;
}

const hostText = ({ way, host, port }: LogHost): string =>
  `${way}://${host.includes(':') ? `[${host}]` : host}:${port}`;

/** How long the network may take to say that nobody listens (UDP), or that the connection is gone (TCP). */
const SETTLE_MS = 30;
/** A server that refuses our certificate says so after the handshake (TLS 1.3). */
const REFUSAL_MS = 300;
const LOOK_MS = 10;
/** Names are asked for anew after this long: a log host may move, and UDP would never notice. */
const FLOW_MS = 5 * 60_000;
/** What was sent shortly before a connection broke is sent once more. */
const DOUBT_MS = 2 * 60_000;
const MOST_IN_DOUBT = 100;
/** A log host has nothing to say. */
const MAX_HEARD = 65_536;

type Put = (message: Buffer, signal: AbortSignal) => Promise<void>;

function overUdp(ports: Ports, { host, port }: LogHost, { timeoutMs }: LineOptions): { put: Put; close(): void } {
  let flow: UdpFlow | null = null;
  let openedAt = 0;
  let fault: NetError | null = null;
  const close = (): void => {
    flow?.close();
    flow = null;
  };
  const put: Put = async (message, signal) => {
    if (ports.clock.monotonic() - openedAt > FLOW_MS) close();
    if (!flow) {
      flow = await ports.udp.connect({ host, port, signal, timeoutMs });
      openedAt = ports.clock.monotonic();
      flow.onFault((error) => {
        fault = error;
      });
    }
    fault = null;
    const open = flow;
    const failed = await new Promise<NetError | null>((resolve) => open.send(message, resolve));
    // Nobody listens: the answer of the network to this datagram, or to an earlier one.
    if (!failed) await ports.clock.sleep(SETTLE_MS, signal).catch(() => undefined);
    const trouble = failed ?? (fault as NetError | null);
    if (!trouble) return;
    close();
    throw trouble;
  };
  return { put, close };
}

interface Wire {
  readonly loan: Loan;
  /** It ended by an error, and not by a close of the other side after it had read everything. */
  broken: boolean;
}

const framed = (message: Buffer, framing: LineOptions['framing']): Buffer =>
  framing === 'newline'
    ? Buffer.concat([message, Buffer.from('\n')])
    : Buffer.concat([Buffer.from(`${message.length} `), message]);

function overStream(ports: Ports, where: LogHost, options: LineOptions): { put: Put; close(): void } {
  const { clock } = ports;
  let wire: Wire | null = null;
  let doubts: { readonly message: Buffer; readonly at: number }[] = [];
  const close = (): void => {
    wire?.loan.socket.destroy();
    wire = null;
  };
  /** Who closes without an error has read everything that came before. */
  const leave = (): void => {
    if (wire?.loan.fault() && !wire.broken) doubts = [];
    close();
  };
  const connect = async (signal: AbortSignal): Promise<Wire> => {
    const tls = where.way === 'tls' ? options.tls() : undefined;
    const { host, port } = where;
    const limits = { signal, timeoutMs: options.timeoutMs, maxBytes: MAX_HEARD };
    const dialogue = await ports.net.open({ host, port, ...limits, ...(tls ? { tls } : {}) });
    const made: Wire = { loan: dialogue.lend(), broken: false };
    made.loan.socket.on('error', () => {
      made.broken = true;
    });
    made.loan.socket.on('data', () => undefined);
    made.loan.socket.setKeepAlive(true, 60_000);
    // It keeps nobody from ending.
    made.loan.socket.unref();
    if (tls?.cert !== undefined) await clock.sleep(REFUSAL_MS, signal).catch(() => undefined);
    return made;
  };
  /** Until the other side's system has it all; throws when the connection is gone or the time is over. */
  const write = async ({ loan }: Wire, message: Buffer, signal: AbortSignal): Promise<void> => {
    const begun = clock.monotonic();
    const late = (): boolean => signal.aborted || clock.monotonic() - begun > options.timeoutMs;
    loan.socket.write(framed(message, options.framing));
    for (;;) {
      await clock.sleep(LOOK_MS, signal).catch(() => undefined);
      const fault = loan.fault();
      if (fault) throw fault;
      const rest = loan.unacknowledged() ?? loan.socket.writableLength;
      if (rest === 0 && clock.monotonic() - begun >= SETTLE_MS) return;
      if (late()) throw new NetError('timeout', `it takes nothing: ${rest} bytes are not acknowledged`);
    }
  };
  const put: Put = async (message, signal) => {
    // A close that is here already is heard before anything is written: what went before it was read, and is not told
    // again. Two timers, because the first may be due before the loop has looked at the network.
    for (let turn = 0; wire && turn < 2; turn++) await clock.sleep(1, signal).catch(() => undefined);
    const now = clock.monotonic();
    if (wire?.loan.fault()) leave();
    const again = wire ? [] : doubts.filter(({ at }) => now - at < DOUBT_MS);
    doubts = wire ? doubts : again;
    try {
      wire ??= await connect(signal);
      for (const one of again) await write(wire, one.message, signal);
      await write(wire, message, signal);
    } catch (error) {
      leave();
      throw error;
    }
    doubts = [...doubts, { message, at: clock.monotonic() }].slice(-MOST_IN_DOUBT);
  };
  return { put, close };
}

export function lineTo(ports: Ports, where: LogHost, options: LineOptions): LogLine {
  const { put, close } = where.way === 'udp' ? overUdp(ports, where, options) : overStream(ports, where, options);
  let before: Promise<unknown> = Promise.resolve();
  const attempt = async (message: Buffer, signal: AbortSignal): Promise<SendResult> => {
    try {
      if (signal.aborted) return { retry: `${hostText(where)}: there was no time to try` };
      await put(message, signal);
      return 'sent';
    } catch (error) {
      if (!(error instanceof NetError || error instanceof OwnTrouble)) throw error;
      const text = `${hostText(where)}: ${plain(error.message)}`;
      // The network's own limit of a datagram: it would be the same tomorrow.
      return error.message.includes('EMSGSIZE') ? { drop: text } : { retry: text };
    }
  };
  return {
    send(message, signal) {
      const answer = before.then(() => attempt(message, signal));
      before = answer.catch(() => undefined);
      return answer;
    },
    close,
  };
}
