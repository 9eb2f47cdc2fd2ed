// Talks to the daemon over its control socket. Loads nothing but node:http, so that the command line starts at once.
import { existsSync } from 'node:fs';
import { request } from 'node:http';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { EXIT, type Io } from './io.ts';

export const DEFAULT_SOCKET = '/run/watchkeeper/control.sock';
const SANDBOX_SOCKET = join(dirname(fileURLToPath(import.meta.url)), '../../../.state/run/control.sock');
const ANSWER_MS = 65_000;
const ANSWER_BYTES = 64 * 1024 * 1024;

/** Why there is no answer, with the exit code that says so. */
export class ClientError extends Error {
  readonly exit: number;
  constructor(exit: number, text: string) {
    super(text);
    this.exit = exit;
  }
}

/** `--socket`, else WATCHKEEPER_SOCKET, else the system's daemon, else the sandbox of this folder. */
export function socketOf(io: Io, given: string | undefined): string {
  if (given !== undefined) return given;
  const named = io.env['WATCHKEEPER_SOCKET'];
  if (named !== undefined && named !== '') return named;
  return !existsSync(DEFAULT_SOCKET) && existsSync(SANDBOX_SOCKET) ? SANDBOX_SOCKET : DEFAULT_SOCKET;
}

export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

/** One question. Rejects with ClientError where there is no daemon or no permission; HTTP errors are answers. */
export function ask(socket: string, method: 'GET' | 'POST', path: string, body?: object): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const headers =
      text === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
    const call = request({ socketPath: socket, method, path, headers, timeout: ANSWER_MS }, (response) => {
      let received = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        received += chunk;
        if (received.length > ANSWER_BYTES) call.destroy(new Error('the answer is too long'));
      });
      response.on('end', () => {
        try {
          resolve({ status: response.statusCode ?? 0, body: JSON.parse(received) });
        } catch {
          reject(new ClientError(EXIT.failed, 'the daemon answered with something that is not JSON'));
        }
      });
    });
    call.on('timeout', () => call.destroy(new ClientError(EXIT.timedOut, 'the daemon did not answer in time')));
    call.on('error', (error: NodeJS.ErrnoException) => reject(told(error, socket)));
    call.end(text);
  });
}

function told(error: NodeJS.ErrnoException, socket: string): ClientError {
  if (error instanceof ClientError) return error;
  if (error.code === 'EACCES' || error.code === 'EPERM')
    return new ClientError(EXIT.notAllowed, `${socket}: permission denied (root, or the group of the socket)`);
  if (error.code === 'ENOENT' || error.code === 'ECONNREFUSED')
    return new ClientError(EXIT.noDaemon, `no daemon answers at ${socket} (start one with \`watchkeeper run\`)`);
  return new ClientError(EXIT.failed, `${socket}: ${error.message}`);
}

/** The body of a good answer; anything else becomes a ClientError with the daemon's own words. */
export async function body<T>(answer: Promise<Answer>): Promise<T> {
  const { status, body: got } = await answer;
  if (status >= 200 && status < 300) return got as T;
  const error = (got as { error?: unknown })?.error;
  throw new ClientError(exitOf({ status, body: got }), typeof error === 'string' ? error : `the daemon says ${status}`);
}

const CODES: Readonly<Record<string, number>> = {
  ...{ 'no-quorum': EXIT.noQuorum, unsafe: EXIT.unsafe, busy: EXIT.tryAgain },
};

/** The exit code of an answer that is not good: by its own word, else by its status. */
export function exitOf({ status, body: got }: Answer): number {
  const code = (got as { code?: unknown })?.code;
  const named = typeof code === 'string' && Object.hasOwn(CODES, code) ? CODES[code] : undefined;
  return named ?? (status === 400 || status === 404 || status === 413 ? EXIT.usage : EXIT.failed);
}
