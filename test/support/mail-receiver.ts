// A small SMTP server on loopback that keeps what it gets, and answers as the test wants: refuses, defers, wants TLS or
// a login, or never comes to an end.
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import { good } from './certificates.ts';

export interface Received {
  readonly from: string;
  readonly to: readonly string[];
  readonly helo: string;
  readonly secure: boolean;
  readonly user: string | null;
  readonly raw: string;
}

export interface Receiver {
  readonly port: number;
  readonly mails: readonly Received[];
  stop(): Promise<void>;
}

export interface ReceiverOptions {
  /** Replies to RCPT by mailbox: `550 no such user`. */
  readonly refuse?: Readonly<Record<string, string>>;
  /** Reply to the mail itself. */
  readonly refuseMail?: string;
  readonly refuseSender?: string;
  /** Wants this password; others are told 535. */
  readonly password?: string;
  readonly startTls?: boolean;
  readonly implicit?: boolean;
  readonly certificate?: { readonly cert: string; readonly key: string };
  /** The answer to the end of the mail never comes. */
  readonly hangs?: boolean;
}

const replied = (reply: string): Error =>
  Object.assign(new Error(reply.slice(4)), { responseCode: Number(reply.slice(0, 3)) });

function handlers(options: ReceiverOptions, mails: Received[]): SMTPServerOptions {
  const { refuse = {}, refuseMail, refuseSender, password, hangs = false } = options;
  return {
    onMailFrom: (_address, _session, done) => done(refuseSender === undefined ? null : replied(refuseSender)),
    onRcptTo({ address }, _session, done) {
      const reply = refuse[address];
      done(reply === undefined ? null : replied(reply));
    },
    onAuth({ username, password: given }, _session, done) {
      if (given === password) done(null, { user: username ?? '' });
      else done(replied('535 5.7.8 authentication failed'));
    },
    onData(stream, session, done) {
      const parts: Buffer[] = [];
      stream.on('data', (part: Buffer) => parts.push(part));
      stream.on('end', () => {
        if (hangs) return;
        if (refuseMail !== undefined) return done(replied(refuseMail));
        const { mailFrom, rcptTo } = session.envelope;
        mails.push({
          from: mailFrom ? mailFrom.address : '',
          to: rcptTo.map(({ address }) => address),
          helo: String(session.hostNameAppearsAs),
          secure: session.secure,
          user: (session.user as string | undefined) ?? null,
          raw: Buffer.concat(parts).toString('utf8'),
        });
        done(null, 'taken');
      });
    },
  };
}

export async function mailReceiver(options: ReceiverOptions = {}, port = 0, host = '127.0.0.1'): Promise<Receiver> {
  const mails: Received[] = [];
  const { startTls = false, implicit = false, password, certificate = good } = options;
  const hidden = [...(startTls || implicit ? [] : ['STARTTLS']), ...(password === undefined ? ['AUTH'] : [])];
  const server = new SMTPServer({
    ...handlers(options, mails),
    ...certificate,
    secure: implicit,
    disabledCommands: hidden,
    authOptional: password === undefined,
    allowInsecureAuth: false,
    disableReverseLookup: true,
    closeTimeout: 200,
    logger: false,
  });
  server.on('error', () => undefined);
  await new Promise<void>((resolve) => server.listen(port, host, resolve));
  const address = server.server.address();
  return {
    port: typeof address === 'object' && address ? address.port : 0,
    mails,
    stop: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
