// One request to a receiver of alerts, and what its answer means for the alert: taken, try again, or refused for good.
// Addresses and tokens may be secrets: whatever is said of the answer holds none of them.
import { type Ports, type SendResult, z } from '../define.ts';
import { type HttpAnswer, type HttpRequest } from '../ports/http.ts';
import { NetError } from '../ports/net.ts';
import { plain, quote } from './quote.ts';
import { OwnTrouble, secret } from './session.ts';

const REFERENCE = /^(file:\.?\/|env:[A-Za-z_]|credential:[A-Za-z0-9_.-])/;
export const isReference = (text: string): boolean => REFERENCE.test(text);
/** An address without a user name and without a place in the page, or a reference. */
const WEB = /^(https?:\/\/[^\s/@?#]+([/?][^\s#]*)?|(file:\.?\/|env:[A-Za-z_]|credential:[A-Za-z0-9_.-]).*)$/;

/** An address, or a reference to a secret that holds one. A bad one is never shown: it may be a secret. */
export const webUrl = (about: string) =>
  z
    .string()
    .max(2048)
    .regex(WEB, 'expected http://… or https://… without a user name, or a reference to a secret that holds it')
    .meta({ secret: true })
    .describe(about);

/** True for `http:` to another machine: who listens there reads what is sent. */
export function isOpen(url: string): boolean {
  if (!url.startsWith('http:')) return false;
  const { hostname } = new URL(url);
  return !/^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname);
}

/** Reads secrets, and remembers them so that no text about the answer shows one. */
export interface Reader {
  (text: string): string;
  hide(text: string): string;
}

export function reader(ports: Ports): Reader {
  const known: string[] = [];
  const read = (text: string): string => {
    if (!isReference(text)) return text;
    const value = secret(ports, text);
    known.push(value, JSON.stringify(value).slice(1, -1));
    // A page that was not found often quotes the path that was asked for.
    const path = /^https?:\/\/[^/]+(\/[^?#]+)/.exec(value)?.[1];
    if (path !== undefined && path.length > 4) known.push(path, decoded(path));
    return value;
  };
  const hide = (text: string): string =>
    known.reduce((shown, value) => (value.length < 4 ? shown : shown.replaceAll(value, '(secret)')), text);
  return Object.assign(read, { hide });
}

/** `%20` and the like as what they stand for; as it is where that is not possible. */
export function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

/** The address, whole and harmless; a secret may hold anything. */
export function urlOf(read: Reader, given: string): string {
  const url = read(given).trim();
  if (!/^https?:\/\/\S+$/.test(url) || !URL.canParse(url))
    throw new OwnTrouble(`${isReference(given) ? given : 'url'} holds no http:// or https:// address`);
  return url;
}

/** A value for a header: what could end the line is no value. */
export function headerValue(read: Reader, given: string): string {
  const value = read(given);
  if (/[^\t\x20-\x7e]/.test(value)) throw new OwnTrouble(`${given.slice(0, 60)} holds what no header can hold`);
  return value;
}

export interface Verdict {
  readonly result: SendResult;
  /** The receiver asks to be left alone for so long. */
  readonly waitMs: number;
}

const MAX_ANSWER = 4096;
const MAX_WAIT_MS = 5 * 60_000;

/** Seconds, or a date (RFC 9110 section 10.2.3); at most five minutes, so that nobody can silence us for a day. */
export function retryAfterMs(header: string | undefined, wallMs: number): number {
  if (header === undefined) return 0;
  const ms = /^\d{1,9}$/.test(header.trim()) ? Number(header) * 1000 : Date.parse(header) - wallMs;
  return Number.isFinite(ms) ? Math.min(MAX_WAIT_MS, Math.max(0, ms)) : 0;
}

/** 408, 425 and 429 mean "later" (RFC 9110, 8470, 6585); every other 4xx would be the same tomorrow. */
const LATER = [408, 425, 429];

function judge({ status, headers, body }: HttpAnswer, hide: Reader['hide'], wallMs: number): Verdict {
  if (status >= 200 && status < 300) return { result: 'sent', waitMs: 0 };
  const said = body.trim() === '' ? '' : `: ${quote(hide(body.slice(0, MAX_ANSWER)))}`;
  const text = `the receiver answers ${status}${said}`;
  if (status >= 300 && status < 400)
    return { result: { retry: `${text}: it wants us elsewhere, and redirects are not followed` }, waitMs: 0 };
  if (status >= 400 && status < 500 && !LATER.includes(status)) return { result: { drop: text }, waitMs: 0 };
  return { result: { retry: text }, waitMs: retryAfterMs(headers['retry-after'], wallMs) };
}

/** Never throws for what the receiver does, or for a secret that cannot be read. `make`: null is nothing to send. */
export async function ask(ports: Ports, read: Reader, make: () => Promise<HttpRequest | null>): Promise<Verdict> {
  try {
    const request = await make();
    if (request === null) return { result: 'sent', waitMs: 0 };
    const answer = await ports.http.request({ ...request, maxBytes: MAX_ANSWER });
    return judge(answer, read.hide, ports.clock.wall());
  } catch (error) {
    if (!(error instanceof NetError || error instanceof OwnTrouble)) throw error;
    return { result: { retry: plain(read.hide(error.message)) }, waitMs: 0 };
  }
}
