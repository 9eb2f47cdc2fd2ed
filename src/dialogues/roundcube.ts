// Roundcube's pages, cookies and log, as far as a probe of it needs them: a form, a token, a message, a reason.
import type { Cause } from '../define.ts';

/** The token of the login form; null when the page has no login form. */
export function formToken(page: string): string | null {
  if (!/<input[^>]{0,500}\bname="_pass"/.test(page)) return null;
  const input = /<input[^>]{0,500}\bname="_token"[^>]{0,500}>/.exec(page)?.[0] ?? '';
  return /\bvalue="([\w-]{1,200})"/.exec(input)?.[1] ?? null;
}

/** The token that requests of a page must carry. */
export const requestToken = (page: string): string | null => /"request_token":"([\w-]{1,200})"/.exec(page)?.[1] ?? null;

export interface Message {
  readonly text: string;
  /** A warning or an error; what is only told is none. */
  readonly bad: boolean;
}

/** What it shows to the person. */
export function messageIn(page: string): Message | null {
  const found = /display_message\("((?:[^"\\]|\\.){1,300})","(\w{1,20})/.exec(page);
  return found ? { text: found[1] ?? '', bad: found[2] === 'warning' || found[2] === 'error' } : null;
}

export interface MailList {
  readonly messages: number;
  readonly message: Message | null;
}

/** The answer to a request for a list of mail: JSON with what the page is to do. Null when it is none. */
export function mailList(text: string): MailList | null {
  try {
    const { action, env, exec } = JSON.parse(text) as Readonly<Record<string, unknown>>;
    const messages = (env as Readonly<Record<string, unknown>> | undefined)?.['exists'];
    const message = typeof exec === 'string' ? messageIn(exec) : null;
    if (action !== 'list' || (typeof messages !== 'number' && !message)) return null;
    return { messages: typeof messages === 'number' ? messages : 0, message };
  } catch {
    return null;
  }
}

const MAX_COOKIES = 20;

/** Keeps what `set-cookie` says; a value of `-del-` takes it away. */
export function keepCookies(jar: Map<string, string>, cookies: readonly string[]): void {
  for (const cookie of cookies) {
    const [, name = '', value = ''] = /^([\w.-]{1,100})=([\w.%+/=:-]{0,1000})(?:;|$)/.exec(cookie) ?? [];
    if (name === '') continue;
    if (value === '-del-') jar.delete(name);
    else if (jar.has(name) || jar.size < MAX_COOKIES) jar.set(name, value);
  }
}

export interface Reason {
  readonly cause: Cause;
  readonly database: boolean;
  readonly text: string;
}

/** When an entry was written. Its format can be changed; then only the newest one is taken. */
const writtenAt = (entry: string): number => Date.parse(/^\[([^\]]{1,60})\]/.exec(entry)?.[1] ?? '');

/** What its log says since then: of the database first, for that is at the bottom of the others. A query may hold what
 *  users wrote, and an address a password: neither is shown. */
export function reasonIn(log: string, sinceWall: number): Reason | null {
  const entries = log.split('\n').filter((line) => line.startsWith('['));
  const fresh = entries.filter((entry) => writtenAt(entry) >= sinceWall);
  const newest = fresh.find((entry) => / DB Error: /.test(entry)) ?? fresh.at(-1) ?? undated(entries.at(-1));
  if (newest === undefined) return null;
  const text = newest
    .replace(/^\[[^\]]{0,60}\]:? ?(<\w{0,40}> ?)?/, '')
    .replace(/ \(SQL Query.*$/, '')
    .replace(/\/\/[^@\s/]{0,300}@/g, '//…@')
    .slice(0, 400);
  const database = /^DB Error|SQLSTATE/.test(text);
  return { cause: causeOf(text, database), database, text };
}

const undated = (entry: string | undefined): string | undefined =>
  entry !== undefined && Number.isNaN(writtenAt(entry)) ? entry : undefined;

function causeOf(text: string, database: boolean): Cause {
  if (/no space left|disk is full|disk full|quota exceeded/i.test(text)) return 'no-space';
  if (!database) return 'misconfigured';
  // The database answers, or there is no way to ask it: a person has to change something.
  const ours =
    /find driver|readonly|denied|authentication failed|no such table|not exist|unknown database|malformed|not a da/i;
  return ours.test(text) ? 'misconfigured' : 'dependency';
}
