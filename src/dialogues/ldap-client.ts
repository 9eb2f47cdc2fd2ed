// A directory that is changed, or asked, outside of checks: one bound connection for many operations, each of which
// ends with the signal, and with what the net says.
import type { Change, Client, Control } from 'ldapts';
import type { Ports } from '../define.ts';
import { type Loan, NetError } from '../ports/net.ts';
import { isLoopback, tlsOptions } from './endpoint.ts';
import { askStartTls } from './ldap.ts';
import { plain } from './quote.ts';

export interface DirectoryPlace {
  readonly url: string;
  readonly tls: 'off' | 'required';
  readonly verify: boolean;
  readonly ca?: string | undefined;
  readonly bind?: string | undefined;
  readonly password?: string | undefined;
}

export interface OpenDirectory {
  readonly ldap: typeof import('ldapts');
  readonly client: Client;
  /** One operation; throws what the server answered, NetError for the rest. */
  call<T>(work: () => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** What an answer of 500,000 entries may take. */
const MAX_BYTES = 256 * 1024 * 1024;
/** The end of a transaction of many thousands is one answer. */
const ANSWER_MS = 30_000;

export const codeOf = (error: unknown): number | null => {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'number' ? code : null;
};
export const saidBy = (error: unknown): string => plain((error as Error).message, 300);

/** One listener for all that is under way: there may be many at a time. */
function caller(signal: AbortSignal, loan: Loan): Pick<OpenDirectory, 'call'> & { end(): void } {
  const waiting = new Set<(fault: NetError) => void>();
  const all = (fault: NetError): void => {
    for (const reject of waiting) reject(fault);
    waiting.clear();
  };
  const late = (): NetError => new NetError('timeout', 'no answer came in time');
  const over = (): void => all(late());
  signal.addEventListener('abort', over, { once: true });
  void loan.lost.then(all);
  const call = async <T>(work: () => Promise<T>): Promise<T> => {
    const fault = signal.aborted ? late() : loan.fault();
    if (fault) throw fault;
    let reject: (fault: NetError) => void = () => undefined;
    const broken = new Promise<never>((_, no) => {
      reject = no;
    });
    waiting.add(reject);
    try {
      return await Promise.race([work(), broken]);
    } catch (error) {
      if (codeOf(error) !== null || error instanceof NetError) throw error;
      throw loan.fault() ?? new NetError('garbled', saidBy(error));
    } finally {
      waiting.delete(reject);
    }
  };
  return { call, end: () => signal.removeEventListener('abort', over) };
}

/** Throws NetError, an answer of the server, or an Error with the reason why nothing was tried. */
export async function openDirectory(ports: Ports, signal: AbortSignal, where: DirectoryPlace): Promise<OpenDirectory> {
  const { protocol, hostname, port } = new URL(where.url);
  const implicit = protocol === 'ldaps:';
  const at = { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) || (implicit ? 636 : 389) };
  const tls = tlsOptions(ports, { tls: 'required', verify: where.verify, ca: where.ca }, at);
  const limits = { signal, timeoutMs: ANSWER_MS, maxBytes: MAX_BYTES };
  const dialogue = await ports.net.open({ ...at, ...limits, ...(implicit ? { tls } : {}) });
  try {
    if (!implicit && where.tls === 'required') {
      const go = await askStartTls(dialogue);
      if (go.code !== 0) throw new Error(`StartTLS: code ${go.code} ${go.text}`);
      await dialogue.startTls(tls);
    }
    if (where.password !== undefined && dialogue.certificate === null && !isLoopback(at))
      throw new Error('no password is sent over a connection without TLS');
    const word = where.password === undefined ? undefined : ports.secrets.read(where.password);
    // An empty password is no login but an anonymous one (RFC 4513 section 5.1.2).
    if (word === '') throw new Error('the password is empty');
    const ldap = await import('ldapts');
    const loan = dialogue.lend({ first: /^0/ });
    const client = new ldap.Client({
      ...{ url: 'ldap://127.0.0.1', strictDN: false, timeout: ANSWER_MS },
      createConnection: (() => loan.socket) as never,
    });
    const { call, end } = caller(signal, loan);
    const close = async (): Promise<void> => {
      end();
      await client.unbind().catch(() => undefined);
      dialogue.close();
    };
    if (where.bind !== undefined && word !== undefined) await call(() => client.bind(where.bind ?? '', word));
    return { ldap, client, call, close };
  } catch (error) {
    dialogue.close();
    throw error;
  }
}

// ---------------------------------------------------------------------------------------------- transactions, RFC 5805

export const TRANSACTION = '1.3.6.1.1.21.1';

/** That a change is part of the transaction of this connection: OpenLDAP's has an empty name. */
const inTransaction = ({ Control: Plain }: OpenDirectory['ldap']): Control =>
  Object.assign(new Plain('1.3.6.1.1.21.2', { critical: true }), {
    write(this: Control, writer: Parameters<Control['write']>[0]): void {
      writer.startSequence();
      writer.writeString(this.type);
      writer.writeBoolean(true);
      writer.writeString('');
      writer.endSequence();
    },
  });

/** How many operations are under way on one connection; more bring nothing. */
const IN_FLIGHT = 64;
/** slapd 2.5 crashes when a client disappears while operations of its transaction wait for each other: never there. */
const IN_TRANSACTION = 1;

/** Works on all of them, `lanes` at a time. Ends early by a throw. */
async function each<T>(all: readonly T[], lanes: number, work: (one: T) => Promise<void>): Promise<void> {
  const from = all.values();
  let broken = false;
  const lane = async (): Promise<void> => {
    for (const one of from) {
      if (broken) return;
      await work(one).catch((error: unknown) => {
        broken = true;
        throw error;
      });
    }
  };
  await Promise.all(Array.from({ length: Math.min(lanes, all.length) }, lane));
}

/** One change of each entry, one by one. `told` hears the end of each: null is well. False: `still` ended it. */
export async function changeEach(
  on: OpenDirectory,
  entries: readonly string[],
  changes: Change[],
  still: () => boolean,
  told: (dn: string, error: unknown) => void,
): Promise<boolean> {
  let ended = false;
  await each(entries, IN_FLIGHT, async (dn) => {
    ended ||= !still();
    if (ended) return;
    try {
      await on.call(() => on.client.modify(dn, changes));
    } catch (error) {
      if (codeOf(error) === null) throw error;
      return told(dn, error);
    }
    told(dn, null);
  });
  return !ended;
}

/** The end of a transaction: SEQUENCE { commit BOOLEAN DEFAULT TRUE, identifier OCTET STRING }. */
const END = '1.3.6.1.1.21.3';
const COMMIT = Buffer.from([0x30, 2, 4, 0]);
const ABORT = Buffer.from([0x30, 5, 1, 1, 0, 4, 0]);

/** All or nothing. Throws what the server says if it is nothing. `still` is asked before it counts. A connection that
 *  had a transaction that failed is not to be used again. */
export async function changeAll(
  on: OpenDirectory,
  entries: readonly string[],
  changes: Change[],
  still: () => boolean,
): Promise<boolean> {
  await on.call(() => on.client.exop(TRANSACTION));
  const control = inTransaction(on.ldap);
  let ended = false;
  await each(entries, IN_TRANSACTION, async (dn) => {
    ended ||= !still();
    if (!ended) await on.call(() => on.client.modify(dn, changes, control));
  });
  if (ended || !still()) {
    // Who hangs up has changed nothing either (RFC 5805 section 3.4), but slapd 2.5 may not live through that.
    await on.call(() => on.client.exop(END, ABORT)).catch(() => undefined);
    return false;
  }
  try {
    await on.call(() => on.client.exop(END, COMMIT));
  } catch (error) {
    if (!(error instanceof NetError)) throw error;
    const text = `the answer to the end of the transaction did not come (${error.message}): all or nothing is changed`;
    throw new NetError(error.code, text);
  }
  return true;
}
