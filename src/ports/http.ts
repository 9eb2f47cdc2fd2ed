// One HTTP request on a connection of its own: no keep-alive, no redirects, a limit for the body and for the whole.
import { type ClientRequest, type IncomingMessage, request as plainRequest } from 'node:http';
import { request as tlsRequest } from 'node:https';
import { TLSSocket } from 'node:tls';
import { tracedLookup } from './net.ts';
import { NetError, netError } from './net-fault.ts';
import { type PeerCertificate, peerCertificate, type TlsOptions, tlsSettings } from './net-tls.ts';

export interface HttpRequest {
  /** http: or https:. */
  readonly url: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly tls?: TlsOptions;
  readonly signal: AbortSignal;
  /** For all of it, from the look-up of the name to the last byte of the body. */
  readonly timeoutMs: number;
  /** Bytes of the body that are kept; at that point the connection is closed. Default 256 KiB. */
  readonly maxBytes?: number;
}

export interface HttpAnswer {
  readonly status: number;
  /** Names in lower case; the first value of each. */
  readonly headers: Readonly<Record<string, string>>;
  /** Every `set-cookie`, at most 32. */
  readonly cookies: readonly string[];
  readonly body: string;
  /** There was more than `maxBytes`. */
  readonly truncated: boolean;
  readonly certificate: PeerCertificate | null;
  /** Until the status line was there, and until the body was. */
  readonly firstByteMs: number;
  readonly ms: number;
}

export interface Http {
  /** Throws NetError, as a dialogue does. A status such as 500 is an answer. */
  request(request: HttpRequest): Promise<HttpAnswer>;
}

const MAX_BYTES = 262_144;
const MAX_COOKIES = 32;

function httpError(error: unknown): NetError {
  if (error instanceof NetError) return error;
  const { code = '', message } = error as NodeJS.ErrnoException;
  if (code === 'HPE_HEADER_OVERFLOW') return new NetError('too-long', 'the header of the answer is too long');
  if (code.startsWith('HPE_')) return new NetError('garbled', `not HTTP: ${message}`);
  return netError(error);
}

function firstValues(message: IncomingMessage): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(message.headers)) {
    headers[name] = (Array.isArray(value) ? value[0] : value) ?? '';
  }
  return headers;
}

/** The body up to the limit. What comes after is not read. */
function readBody(message: IncomingMessage, maxBytes: number): Promise<{ body: string; truncated: boolean }> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let size = 0;
    const finish = (truncated: boolean): void =>
      resolve({ body: Buffer.concat(parts).subarray(0, maxBytes).toString('utf8'), truncated });
    message.on('data', (part: Buffer) => {
      parts.push(part);
      size += part.length;
      if (size <= maxBytes) return;
      message.destroy();
      finish(true);
    });
    message.on('end', () => finish(false));
    message.on('error', reject);
    message.on('close', () => reject(new NetError('closed', 'closed in the middle of the body')));
  });
}

/** Ends the call when its time is over. Gives the reason then: in the middle of a body Node only says "aborted". */
function limit(call: ClientRequest, limits: HttpRequest, resolved: () => boolean): () => NetError | null {
  let over: NetError | null = null;
  const late = (): void => {
    over = resolved()
      ? new NetError('timeout', 'no complete answer came in time')
      : new NetError('not-found', 'the name did not resolve in time');
    call.destroy(over);
  };
  const timer = setTimeout(late, limits.timeoutMs);
  call.on('close', () => {
    clearTimeout(timer);
    limits.signal.removeEventListener('abort', late);
  });
  if (limits.signal.aborted) late();
  else limits.signal.addEventListener('abort', late, { once: true });
  return () => over;
}

function answerTo(call: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    call.on('response', resolve);
    call.on('error', reject);
    call.on('close', () => reject(new NetError('closed', 'closed before an answer came')));
  });
}

/** Looks at the certificate before anything is sent. */
function guard(call: ClientRequest, tls: TlsOptions, seen: (certificate: PeerCertificate | null) => void): void {
  call.on('socket', (socket) => {
    if (!(socket instanceof TLSSocket)) return;
    socket.prependOnceListener('secureConnect', () => {
      const certificate = peerCertificate(socket);
      seen(certificate);
      if (tls.verify === false || (certificate && certificate.error === null)) return;
      call.destroy(new NetError('tls', `certificate refused: ${certificate?.error ?? 'none was shown'}`));
    });
  });
}

async function request(asked: HttpRequest): Promise<HttpAnswer> {
  const started = performance.now();
  const url = new URL(asked.url);
  const name = url.hostname.replace(/^\[|\]$/g, '');
  const tls = asked.tls ?? {};
  const names = tracedLookup(name);
  const settings = {
    method: asked.method ?? 'GET',
    headers: { 'user-agent': 'watchkeeper', connection: 'close', ...asked.headers },
    agent: false as const,
    lookup: names.lookup,
  };
  const call =
    url.protocol === 'https:'
      ? tlsRequest(url, { ...settings, ...tlsSettings(tls, name) })
      : plainRequest(url, settings);
  let certificate: PeerCertificate | null = null;
  guard(call, tls, (found) => {
    certificate = found;
  });
  const answered = answerTo(call);
  const over = limit(call, asked, names.resolved);
  call.end(asked.body);
  try {
    const message = await answered;
    const firstByteMs = performance.now() - started;
    const { body, truncated } = await readBody(message, asked.maxBytes ?? MAX_BYTES);
    const ms = performance.now() - started;
    return {
      status: message.statusCode ?? 0,
      headers: firstValues(message),
      cookies: (message.headers['set-cookie'] ?? []).slice(0, MAX_COOKIES),
      body,
      truncated,
      certificate,
      firstByteMs,
      ms,
    };
  } catch (error) {
    throw over() ?? httpError(error);
  } finally {
    call.destroy();
  }
}

export const http: Http = { request };
