// The mail server of the sandbox: takes mail for the sandbox's domain by SMTP, spools it, hands it to the store by
// LMTP.
import { SMTPServer } from 'smtp-server';
import { Gate } from './gate.ts';
import { serve } from './service.ts';
import { readPassword, type Settings } from './settings.ts';
import { addressOf, common, maxMailBytes, readMail, refusal } from './smtp.ts';
import { Spool } from './spool.ts';

const full = (): Error => refusal(452, '4.3.1 Insufficient system storage: the spool is full');

function smtpServer(settings: Settings<'mta'>, spool: Spool, password: string): SMTPServer {
  return new SMTPServer({
    ...common,
    name: `mta.${settings.domain}`,
    banner: 'Watchkeeper sandbox',
    authOptional: true,
    onAuth(auth, _session, done) {
      const good = settings.users.includes(auth.username ?? '') && auth.password === password;
      if (!good) return done(refusal(535, '5.7.8 Authentication failed'));
      done(null, { user: auth.username });
    },
    // As Postfix does: with less room than the largest mail needs, none is begun.
    onMailFrom: (_address, _session, done) => done(spool.hasRoom(2 * maxMailBytes) ? null : full()),
    onRcptTo(address, _session, done) {
      const { user, ours } = addressOf(address.address, settings.domain);
      // Logged in or not: nothing ever leaves the sandbox.
      if (!ours) return done(refusal(554, '5.7.1 Relay access denied'));
      done(settings.users.includes(user) ? null : refusal(550, '5.1.1 User unknown'));
    },
    onData(stream, session, done) {
      readMail(stream).then((body) => {
        if (stream.sizeExceeded) return done(null);
        if (!spool.hasRoom(2 * body.length)) return done(full());
        const { mailFrom, rcptTo } = session.envelope;
        const received =
          `Received: from ${session.hostNameAppearsAs} ([${session.remoteAddress}])\r\n` +
          `\tby mta.${settings.domain} with ${session.transmissionType}; ${new Date().toUTCString()}\r\n`;
        const mail = Buffer.concat([Buffer.from(received), body]);
        const to = rcptTo.map((rcpt) => rcpt.address);
        done(null, `2.0.0 Ok: queued as ${spool.add(mailFrom ? mailFrom.address : '', to, mail)}`);
      }, done);
    },
  });
}

await serve('mta', (settings, dir, data) => {
  const spool = new Spool(data, settings.limitBytes, settings.deliverTo);
  const smtp = smtpServer(settings, spool, readPassword(dir));
  smtp.on('error', () => undefined); // A client that breaks off; smtp-server has ended it.
  spool.run();
  return {
    gates: [new Gate(settings.smtp, (socket) => smtp.connect(socket))],
    close: () => spool.close(),
  };
});
