// HTTP connections that last, to one server: many small requests, and streams of one line after another. For protocols
// that ask often; a check that asks once uses http.ts. The library is loaded with the first session.
import type { Dispatcher } from 'undici';
import { NetError, netError } from './net-fault.ts';

export interface SessionTls {
  /** PEM: extra authority, and a certificate of our own with its key. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

export interface PostRequest {
  readonly path: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  /** Of the whole body, or of one line of a stream. Beyond it the request ends with NetError. */
  readonly maxBytes: number;
}

export interface HttpSession {
  /** Throws NetError. A status such as 500 is an answer. */
  post(request: PostRequest): Promise<{ readonly status: number; readonly body: string }>;
  /** Each line as it comes, until the server ends the stream. Throws NetError, also when the signal is aborted, and
   *  what `each` throws. */
  lines(request: PostRequest, each: (line: string) => void): Promise<void>;
  close(): Promise<void>;
}

export interface HttpSessions {
  /** Connects only when something is asked. Certificates are always verified. */
  open(origin: string, tls: SessionTls): Promise<HttpSession>;
}

const CONNECT_MS = 2000;
/** A member that hangs keeps what it was asked until each request's own limit. */
const CONNECTIONS = 32;

function sessionError(error: unknown): NetError {
  if (error instanceof NetError) return error;
  const { code = '', name = '', message = '' } = (error ?? {}) as NodeJS.ErrnoException;
  if (name === 'AbortError' || name === 'TimeoutError' || code.endsWith('_TIMEOUT'))
    return new NetError('timeout', 'no complete answer came in time');
  if (code === 'UND_ERR_HEADERS_OVERFLOW') return new NetError('too-long', 'the header of the answer is too long');
  if (code.startsWith('HPE_')) return new NetError('garbled', `not HTTP: ${message}`);
  if (code.startsWith('UND_ERR')) return new NetError('closed', 'the connection was closed');
  return netError(error);
}

const tooLong = (maxBytes: number): NetError => new NetError('too-long', `more than ${maxBytes} bytes came`);

async function whole(body: AsyncIterable<Buffer>, maxBytes: number): Promise<string> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of body) {
    size += part.length;
    if (size > maxBytes) throw tooLong(maxBytes);
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

/** Cuts what comes into lines; a part without an end is kept up to the limit. */
async function cut(body: AsyncIterable<Buffer>, maxBytes: number, each: (line: string) => void): Promise<void> {
  let kept: Buffer[] = [];
  let size = 0;
  for await (const part of body) {
    let from = 0;
    for (let at = part.indexOf(10); at >= 0; at = part.indexOf(10, from)) {
      if (size + at - from > maxBytes) throw tooLong(maxBytes);
      each(Buffer.concat([...kept, part.subarray(from, at)]).toString('utf8'));
      kept = [];
      size = 0;
      from = at + 1;
    }
    size += part.length - from;
    if (size > maxBytes) throw tooLong(maxBytes);
    if (from < part.length) kept.push(part.subarray(from));
  }
  if (size > 0) each(Buffer.concat(kept).toString('utf8'));
}

async function open(origin: string, tls: SessionTls): Promise<HttpSession> {
  const { Pool } = await import('undici');
  const pool = new Pool(origin, {
    connections: CONNECTIONS,
    pipelining: 1,
    connect: { timeout: CONNECT_MS, ...tls },
    // Both are the caller's: by its signal.
    headersTimeout: 0,
    bodyTimeout: 0,
  });
  const ask = async <T>(
    { path, body, headers, signal }: PostRequest,
    use: (data: Dispatcher.ResponseData) => Promise<T>,
  ): Promise<T> => {
    try {
      const data = await pool.request({
        method: 'POST',
        path,
        body,
        signal,
        headers: { 'content-type': 'application/json', 'user-agent': 'watchkeeper', ...headers },
      });
      try {
        return await use(data);
      } finally {
        // What is left of it is not read; the late word of its end interests nobody.
        data.body.on('error', () => undefined).destroy();
      }
    } catch (error) {
      throw sessionError(error);
    }
  };
  return {
    post: (request) =>
      ask(request, async ({ statusCode, body }) => ({ status: statusCode, body: await whole(body, request.maxBytes) })),
    async lines(request, each) {
      // What the caller throws at a line is the caller's, and no trouble of the network.
      const own: { error?: unknown } = {};
      const guarded = (line: string): void => {
        try {
          each(line);
        } catch (error) {
          own.error = error;
          throw error;
        }
      };
      try {
        await ask(request, ({ body }) => cut(body, request.maxBytes, guarded));
      } catch (error) {
        throw own.error ?? error;
      }
    },
    close: () => pool.destroy(),
  };
}

export const httpSession: HttpSessions = { open };
