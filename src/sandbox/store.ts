// The message store of the sandbox: takes mail by LMTP, shows it by IMAP, keeps it in a folder with a size limit.
import { SMTPServer, type SMTPServerSession } from 'smtp-server';
import { Gate } from './gate.ts';
import { type MailFolder, openMail } from './mailbox.ts';
import { serve } from './service.ts';
import { readPassword, type Settings } from './settings.ts';
import { addressOf, common, readMail, refusal } from './smtp.ts';

function headed(mail: Buffer, session: SMTPServerSession): Buffer {
  const from = session.envelope.mailFrom;
  const to = session.envelope.rcptTo.map((rcpt) => `Delivered-To: ${rcpt.address}\r\n`).join('');
  return Buffer.concat([Buffer.from(`Return-Path: <${from ? from.address : ''}>\r\n${to}`), mail]);
}

function lmtpServer(settings: Settings<'store'>, mail: MailFolder): SMTPServer {
  return new SMTPServer({
    ...common,
    lmtp: true,
    name: `store.${settings.domain}`,
    disabledCommands: ['STARTTLS', 'AUTH'],
    onRcptTo(address, _session, done) {
      const { user, ours } = addressOf(address.address, settings.domain);
      if (!ours || !settings.users.includes(user)) return done(refusal(550, '5.1.1 User does not exist here'));
      if (!mail.hasRoom(1)) return done(refusal(452, '4.2.2 Mailbox is full: the store has no space left'));
      done();
    },
    onData(stream, session, done) {
      readMail(stream).then((body) => {
        const message = headed(body, session);
        if (!mail.hasRoom(message.length))
          return done(refusal(452, '4.2.2 Mailbox is full: the store has no space left'));
        mail.deliver(message);
        done(
          null,
          session.envelope.rcptTo.map(() => '2.0.0 Saved'),
        );
      }, done);
    },
  });
}

await serve('store', (settings, dir, data) => {
  const mail = openMail(data, settings.limitBytes, settings.users, readPassword(dir));
  const lmtp = lmtpServer(settings, mail);
  lmtp.on('error', () => undefined); // A client that breaks off; smtp-server has ended it.
  return {
    gates: [
      new Gate(settings.lmtp, (socket) => lmtp.connect(socket)),
      new Gate(settings.imap, (socket) => mail.imap.createClient(socket)),
    ],
    close: () => undefined,
  };
});
