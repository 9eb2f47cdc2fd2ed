// Hands one alert mail to one SMTP server, through nodemailer on a connection that ports/net.ts lends, and says for
// each recipient what became of it. Tries once; who is asked next is the caller's.
import nodemailer from 'nodemailer';
import type { Ports } from '../define.ts';
import type { Dialogue } from '../ports/net.ts';
import { NetError } from '../ports/net.ts';
import type { AlertMail } from './alert-mail.ts';
import { plain } from './quote.ts';

export type TlsPolicy = 'required' | 'opportunistic' | 'none';

export interface MailServer {
  readonly host: string;
  readonly port: number;
  /** TLS from the first byte. */
  readonly implicit: boolean;
  readonly tls: TlsPolicy;
  readonly servername?: string | undefined;
  /** PEM of authorities. */
  readonly ca?: string | undefined;
  readonly login?: { readonly user: string; readonly password: string } | undefined;
}

export interface Posting {
  readonly mail: AlertMail;
  readonly recipients: readonly string[];
  /** The envelope's sender; empty for the null reverse-path. */
  readonly sender: string;
  /** Our own name in EHLO. */
  readonly helo: string;
}

export interface Limits {
  readonly ports: Ports;
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
}

export interface Posted {
  readonly accepted: readonly string[];
  /** Refused for good by this server, with its words. */
  readonly refused: ReadonlyMap<string, string>;
  /** What kept it from the others. `ours`: our side must be set right, such as a login or a certificate. */
  readonly fault: { readonly text: string; readonly kind: 'net' | 'tls' | 'login' | 'later' } | null;
}

const MAX_RESPONSE = 16_384;
const MAX_BYTES = 262_144;

interface MailError extends Error {
  readonly code?: string;
  readonly responseCode?: number;
  readonly response?: string;
  readonly command?: string;
  readonly recipient?: string;
  readonly rejectedErrors?: readonly MailError[];
}

interface Info {
  readonly response?: string;
  readonly accepted?: readonly string[];
  readonly rejectedErrors?: readonly MailError[];
}

/** What is used of the library; its own types know neither `signal` nor all of these limits. */
interface Mailer {
  sendMail(mail: Readonly<Record<string, unknown>>): Promise<Info>;
  close(): void;
}
type MakeMailer = (options: Readonly<Record<string, unknown>>) => Mailer;

const isAddress = (name: string): boolean => name.includes(':') || /^[\d.]+$/.test(name);

function transport(dialogue: Dialogue, server: MailServer, posting: Posting, timeoutMs: number): Mailer {
  const { socket } = dialogue.lend({ first: /^[245]/ });
  const name = server.servername ?? server.host;
  return (nodemailer.createTransport as unknown as MakeMailer)({
    connection: socket,
    host: server.host,
    port: server.port,
    secure: server.implicit,
    secured: server.implicit,
    ignoreTLS: server.tls === 'none',
    requireTLS: server.tls === 'required' && !server.implicit,
    name: posting.helo,
    tls: {
      rejectUnauthorized: server.tls === 'required',
      ...(server.ca === undefined ? {} : { ca: server.ca }),
      ...(isAddress(name) ? {} : { servername: name }),
    },
    // Without `forceAuth` it would go on without a login where none is offered.
    ...(server.login ? { auth: { user: server.login.user, pass: server.login.password }, forceAuth: true } : {}),
    // These are idle timers; the signal is the limit of the whole.
    connectionTimeout: timeoutMs,
    greetingTimeout: timeoutMs,
    socketTimeout: timeoutMs,
    maxResponseSize: MAX_RESPONSE,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
}

function fields({ mail, recipients, sender }: Posting, signal: AbortSignal): Readonly<Record<string, unknown>> {
  const { references } = mail;
  return {
    envelope: { from: sender, to: recipients },
    from: mail.from,
    to: mail.to,
    subject: mail.subject,
    date: mail.date,
    messageId: mail.messageId,
    ...(references === null ? {} : { references, inReplyTo: references }),
    headers: mail.headers,
    text: mail.text,
    html: mail.html,
    signal,
  };
}

const refusedForGood = ({ responseCode = 0 }: MailError): boolean => responseCode >= 500 && responseCode < 600;
const words = (error: MailError): string => plain(error.response ?? error.message);

/** Only what is said of this mail and its recipients is an answer; the rest (login, TLS, a server that is closing) is a
 *  fault of the way. */
const ABOUT_THE_MAIL = /^(MAIL FROM|RCPT TO|DATA)$/;

function judge(error: MailError, recipients: readonly string[]): Posted {
  const single = new Map((error.rejectedErrors ?? []).map((one) => [one.recipient ?? '', one]));
  const general = ABOUT_THE_MAIL.test(error.command ?? '') && refusedForGood(error);
  const refused = new Map<string, string>();
  for (const recipient of recipients) {
    const own = single.get(recipient);
    if (own ? refusedForGood(own) : general) refused.set(recipient, words(own ?? error));
  }
  if (refused.size === recipients.length) return { accepted: [], refused, fault: null };
  const waiting = [...single.values()].find((one) => !refusedForGood(one));
  return { accepted: [], refused, fault: faultOf(waiting ?? error) };
}

function faultOf(error: MailError): NonNullable<Posted['fault']> {
  const { code = '', command = '', message, response } = error;
  if (error instanceof NetError) return { text: plain(message), kind: error.code === 'tls' ? 'tls' : 'net' };
  const stage = command === '' || command === 'API' ? '' : `${command}: `;
  const text = plain(`${stage}${response ?? message}`);
  if (code === 'EAUTH' || code === 'ENOAUTH' || command.startsWith('AUTH')) return { text, kind: 'login' };
  if (code === 'ETLS' || command === 'STARTTLS' || /certificate|\bTLS\b|\bSSL\b|EPROTO|altnames/i.test(message))
    return { text, kind: 'tls' };
  return { text, kind: response === undefined ? 'net' : 'later' };
}

function answerOf(info: Info, recipients: readonly string[]): Posted {
  // The library also takes other numbers for a yes.
  if (!/^250[ -]?/.test(info.response ?? '')) {
    const text = `not a mail server's reply: ${plain(info.response ?? '')}`;
    return { accepted: [], refused: new Map(), fault: { text, kind: 'net' } };
  }
  const accepted = (info.accepted ?? []).filter((one) => recipients.includes(one));
  const rest = judge(
    { name: '', message: 'not accepted', ...pick(info) },
    recipients.filter((one) => !accepted.includes(one)),
  );
  return accepted.length === recipients.length ? { accepted, refused: new Map(), fault: null } : { ...rest, accepted };
}
const pick = ({ rejectedErrors }: Info): { rejectedErrors?: readonly MailError[] } =>
  rejectedErrors === undefined ? {} : { rejectedErrors };

/** Never throws for what the server does. */
export async function post(server: MailServer, posting: Posting, limits: Limits): Promise<Posted> {
  const { ports, timeoutMs } = limits;
  const { recipients } = posting;
  const own = new AbortController();
  const stop = (): void => own.abort(new NetError('timeout', 'no answer came in time'));
  const cancel = ports.clock.after(timeoutMs, stop);
  limits.signal.addEventListener('abort', stop, { once: true });
  if (limits.signal.aborted) stop();
  let dialogue: Dialogue | null = null;
  let mailer: Mailer | null = null;
  try {
    const { host, port, ca, servername = host } = server;
    const tls = { servername, verify: server.tls === 'required', ...(ca === undefined ? {} : { ca }) };
    const how = { signal: own.signal, timeoutMs, maxBytes: MAX_BYTES };
    dialogue = await ports.net.open({ host, port, ...how, ...(server.implicit ? { tls } : {}) });
    mailer = transport(dialogue, server, posting, timeoutMs);
    return answerOf(await mailer.sendMail(fields(posting, own.signal)), recipients);
  } catch (error) {
    const late = own.signal.aborted ? (own.signal.reason as MailError) : null;
    return judge(late ?? (error as MailError), recipients);
  } finally {
    cancel();
    limits.signal.removeEventListener('abort', stop);
    mailer?.close();
    dialogue?.close();
  }
}
