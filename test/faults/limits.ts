// More clients than a service takes: it is alive, and has no room. A restart throws everybody out, and they come back.
import { sleep } from '../lab/command.ts';
import { DOMAIN, PASSWORD } from '../lab/mail-files.ts';
import type { MailNode } from '../lab/mail-node.ts';
import { edit, type Fault, onlyTell, putBack, reload, startAside, stopAside } from './fault.ts';

const MASTER = '/etc/postfix/master.cf';
const DOVECOT = '/etc/dovecot/dovecot.conf';

/** Clients that connect, say nothing, and come again when they are thrown out. */
async function crowd(mail: MailNode, port: number, clients: number, say = ''): Promise<void> {
  const client = `while :; do { printf '${say}'; sleep 300; } | socat - TCP:127.0.0.1:${port} >/dev/null 2>&1; sleep 0.1; done`;
  await startAside(mail, 'crowd', ['sh', '-c', `for i in $(seq ${clients}); do (${client}) & done; wait`]);
  await sleep(1500);
}

const smtpdFull: Fault = {
  name: 'smtpd-processes-used-up',
  about: 'maxproc of smtpd is two, and ten clients keep the line: who comes now waits for the greeting',
  breaks: 'mail',
  expects: onlyTell('mta', ['overloaded'], /limit|process|busy/i),
  units: ['postfix@-'],
  inject: async (mail) => {
    await edit(mail, MASTER, (text) => text.replace(/^(smtp\s+inet\s.*)-(\s+smtpd)$/m, '$12$2'));
    await reload(mail, 'postfix@-');
    await crowd(mail, 25, 10);
  },
  undo: async (mail) => {
    await stopAside(mail, 'crowd');
    await putBack(mail, MASTER);
    await reload(mail, 'postfix@-');
  },
};

/** master(8) says once in 1,000 s that its limit is reached. Here that was before there was room for a while. */
const smtpdFullAgain: Fault = {
  ...smtpdFull,
  name: 'smtpd-processes-used-up-again',
  about: 'as before, and there was room in between: what Postfix said of its limit is older than that',
  inject: async (mail) => {
    await smtpdFull.inject(mail);
    await stopAside(mail, 'crowd');
    await sleep(12_000);
    await crowd(mail, 25, 10);
  },
};

const loginFull: Fault = {
  name: 'imap-login-processes-used-up',
  about: "Dovecot's imap-login has its process_limit of two, and clients that say nothing have both",
  breaks: 'mail',
  expects: onlyTell('store', ['overloaded'], /process_limit|busy|limit/i),
  units: ['dovecot'],
  inject: async (mail) => {
    await edit(mail, DOVECOT, (text) => `${text}service imap-login {\n  process_limit = 2\n}\n`);
    await reload(mail, 'dovecot');
    await crowd(mail, 143, 10);
  },
  undo: async (mail) => {
    await stopAside(mail, 'crowd');
    await putBack(mail, DOVECOT);
    await reload(mail, 'dovecot');
  },
};

const userLimit: Fault = {
  name: 'too-many-logins-of-one-user',
  about: 'mail_max_userip_connections is two, and a broken client of the probe holds two: others still log in',
  breaks: null,
  expects: onlyTell('store', ['overloaded', 'credentials'], /LIMIT|maximum number of connections/i),
  units: ['dovecot'],
  inject: async (mail) => {
    await edit(mail, DOVECOT, (text) => `${text}mail_max_userip_connections = 2\n`);
    await reload(mail, 'dovecot');
    await crowd(mail, 143, 4, `a LOGIN probe@${DOMAIN} ${PASSWORD}\\r\\n`);
  },
  undo: async (mail) => {
    await stopAside(mail, 'crowd');
    await putBack(mail, DOVECOT);
    await reload(mail, 'dovecot');
  },
};

export const limitFaults: readonly Fault[] = [smtpdFull, smtpdFullAgain, loginFull, userLimit];
