// Hands one probe message to an SMTP server, through nodemailer, and says in our terms what became of it.
import nodemailer from 'nodemailer';
import { type CheckResult, fail } from '../define.ts';
import { NetError } from '../ports/net.ts';
import { netError } from '../ports/net-fault.ts';
import { isLoopback, type Place, type TlsUse, tlsOptions } from './endpoint.ts';
import { PROBE_HEADER, PROBE_SUBJECT, PROBE_TEXT } from './probe-mail.ts';
import { plain } from './quote.ts';
import { OwnTrouble, type Session, secret } from './session.ts';
import { judge } from './smtp.ts';

export interface SubmitOptions {
  readonly place: Place;
  readonly use: TlsUse;
  readonly user?: string | undefined;
  /** A reference to a secret. */
  readonly password?: string | undefined;
  readonly from: string;
  readonly to: string;
  readonly token: string;
}

const MAX_RESPONSE = 65_536;

/** A fault of nodemailer: a reply of the server, or a fault of the net. */
interface MailError extends Error {
  readonly code?: string;
  readonly responseCode?: number;
  readonly response?: string;
  readonly command?: string;
}

/** nodemailer keeps the errno in the message and a class of its own in `code`. */
function mailFault(error: MailError): NetError {
  const { code = '', message, name } = error;
  if (code === 'ETIMEDOUT' || name === 'AbortError') return new NetError('timeout', plain(message));
  if (code === 'ECONNECTION') return new NetError('closed', plain(message));
  if (code === 'EDNS') return new NetError('not-found', plain(message));
  if (code === 'EPROTOCOL') return new NetError(/exceeds/.test(message) ? 'too-long' : 'garbled', plain(message));
  const errno = /\b(E[A-Z]{4,})\b/.exec(message)?.[1];
  if (errno) return netError(Object.assign(new Error(plain(message)), { code: errno }));
  return netError(Object.assign(new Error(plain(message)), { code: code === 'ETLS' ? 'EPROTO' : code }));
}

const isAddress = (name: string): boolean => name === '' || name.includes(':') || /^[\d.]+$/.test(name);

/** What is used of the library. */
interface Mailer {
  sendMail(mail: Readonly<Record<string, unknown>>): Promise<unknown>;
  close(): void;
}
type MakeMailer = (options: Readonly<Record<string, unknown>>) => Mailer;

function transport(session: Session, options: SubmitOptions): Mailer {
  const { place, use, user, password } = options;
  const tls = tlsOptions(session.ports, use, place);
  const withLogin = user !== undefined && password !== undefined;
  if (withLogin && use.tls !== 'required' && use.tls !== 'implicit' && !isLoopback(place)) {
    throw new OwnTrouble('the probe sends no password over a connection without TLS: set tls to required or implicit');
  }
  // Its own types know neither `signal` nor all of these limits.
  return (nodemailer.createTransport as unknown as MakeMailer)({
    host: place.host,
    port: place.port,
    secure: use.tls === 'implicit',
    ignoreTLS: use.tls === 'off',
    requireTLS: use.tls === 'required',
    name: '[127.0.0.1]',
    tls: {
      rejectUnauthorized: use.verify,
      ...(tls.ca === undefined ? {} : { ca: tls.ca }),
      // An address is no server name; what the certificate is checked against is `host` then.
      ...(isAddress(tls.servername ?? '') ? {} : { servername: tls.servername }),
    },
    ...(withLogin ? { auth: { user, pass: secret(session.ports, password) } } : {}),
    // These are idle timers; the signal below is the limit of the whole.
    connectionTimeout: session.timeoutMs,
    greetingTimeout: session.timeoutMs,
    socketTimeout: session.timeoutMs,
    dnsTimeout: session.timeoutMs,
    maxResponseSize: MAX_RESPONSE,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
}

/** Sends it. Gives the server's last reply, or a verdict. */
export async function submit(session: Session, options: SubmitOptions): Promise<string | CheckResult> {
  const mailer = transport(session, options);
  try {
    return await session.step(
      'submit',
      async () => {
        const info = (await mailer.sendMail({
          envelope: { from: options.from, to: [options.to] },
          from: options.from === '' ? undefined : options.from,
          to: options.to,
          subject: PROBE_SUBJECT,
          text: PROBE_TEXT,
          messageId: `<${options.token}@watchkeeper.invalid>`,
          headers: { [PROBE_HEADER]: options.token, 'Auto-Submitted': 'auto-generated' },
          signal: session.signal,
        })) as { readonly response?: string };
        const reply = plain(String(info.response ?? ''));
        // The library also takes other numbers for a yes.
        if (!reply.startsWith('250')) throw new NetError('garbled', `not a mail server's reply: ${reply}`);
        return reply;
      },
      (reply) => reply,
    );
  } catch (error) {
    if (error instanceof OwnTrouble || error instanceof NetError) throw error;
    const { responseCode, response, command } = error as MailError;
    if (responseCode === undefined) throw mailFault(error as MailError);
    // A banner of 5xx is "no service here"; every other reply is judged as in the SMTP check.
    const what = `submit: ${command ?? 'answer'}`;
    const reply = { code: responseCode, lines: [String(response ?? '').replace(/^\d{3}[ -]?/, '')] };
    if (command === 'CONN' && responseCode >= 500)
      return fail('refusing', `${what}: ${plain(String(response))}`, session.seen);
    return judge(reply, what, session);
  } finally {
    mailer.close();
  }
}
