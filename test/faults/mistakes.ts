// What somebody did on the machine and did not look at afterwards: a word mistyped, a file not made, a service taken
// out, a restore as root. Everything runs, and a restart reads the same again.
import { readFileSync } from 'node:fs';
import { eventually, must } from '../lab/command.ts';
import type { MailNode } from '../lab/mail-node.ts';
import { edit, type Fault, onlyTell, putBack, reload } from './fault.ts';

const MAIN = '/etc/postfix/main.cf';
const MASTER = '/etc/postfix/master.cf';

/** A line of main.cf that Postfix takes until a mail needs it. */
const mainLine = (name: string, about: string, line: string, expects: Fault['expects']): Fault => ({
  name,
  about,
  breaks: 'mail',
  expects,
  units: ['postfix@-'],
  inject: async (mail) => {
    await edit(mail, MAIN, (text) => `${text}${line}\n`);
    await reload(mail, 'postfix@-');
  },
  undo: async (mail) => {
    await putBack(mail, MAIN);
    await reload(mail, 'postfix@-');
  },
});

const tableMissing = mainLine(
  'table-missing',
  'a table was added to main.cf and never made with postmap: 451 to every recipient',
  'virtual_alias_maps = hash:/etc/postfix/aliases-new',
  onlyTell('mta', ['misconfigured'], /aliases-new|table/i),
);

const restrictionTypo = mainLine(
  'restriction-mistyped',
  'a restriction of main.cf is mistyped: 451 4.3.5 to every recipient',
  'smtpd_relay_restrictions = reject_unknown_recipiant_domain, permit_mynetworks, reject_unauth_destination',
  onlyTell('mta', ['misconfigured'], /configuration|restriction/i),
);

const directoryElsewhere: Fault = {
  name: 'ldap-map-elsewhere',
  about: 'the table of recipients names a port where no directory is; the directory itself is well',
  breaks: 'mail',
  expects: onlyTell('mta', ['dependency', 'misconfigured'], /director|ldap/i),
  units: ['postfix@-'],
  inject: async (mail) => {
    await edit(mail, '/etc/postfix/recipients.cf', (text) => text.replace('ldap://127.0.0.1', 'ldap://127.0.0.1:3890'));
    await reload(mail, 'postfix@-');
  },
  undo: async (mail) => {
    await putBack(mail, '/etc/postfix/recipients.cf');
    await reload(mail, 'postfix@-');
  },
};

const submissionRemoved: Fault = {
  name: 'submission-removed',
  about: 'an upgrade put back a master.cf without submission: nobody listens on port 587 any more',
  breaks: null,
  expects: onlyTell('mta', ['misconfigured'], /nobody listens|587/i),
  units: ['postfix@-'],
  inject: async (mail) => {
    await edit(mail, MASTER, (text) => text.replace(/^submission inet[^\n]*\n( [^\n]*\n)*/m, ''));
    await reload(mail, 'postfix@-');
  },
  undo: async (mail) => {
    await putBack(mail, MASTER);
    await reload(mail, 'postfix@-');
  },
};

const keyOfAnother: Fault = {
  name: 'key-of-another-certificate',
  about: 'the certificate was renewed and the key was not: Postfix and Dovecot can do no TLS',
  breaks: 'certificate',
  expects: onlyTell('store', ['misconfigured'], /TLS|certificate|key/i),
  units: ['dovecot', 'postfix@-'],
  inject: async (mail) => {
    await edit(mail, '/etc/ssl/lab/live.key', () => readFileSync(mail.certificates.other.key, 'utf8'));
    await reload(mail, 'dovecot', 'postfix@-');
  },
  undo: async (mail) => {
    await putBack(mail, '/etc/ssl/lab/live.key');
    await reload(mail, 'dovecot', 'postfix@-');
  },
};

const activeOfRoot: Fault = {
  name: 'spool-active-of-root',
  about: "Postfix' queue folder `active` belongs to root since a restore: mail is taken and never goes on",
  breaks: 'mail',
  expects: onlyTell('mta', ['misconfigured'], /permission|active|qmgr|own/i),
  units: ['postfix@-'],
  inject: async ({ spool }) => {
    await must(['chown', '0:0', `${spool}/active`]);
  },
  undo: async ({ node }) => {
    await node.exec(['chown', 'postfix', '/var/spool/postfix/active']);
  },
};

const spoolInodes: Fault = {
  name: 'spool-inodes',
  about: "the file system of Postfix' queue has blocks left, and no inode",
  breaks: 'mail',
  expects: onlyTell('mta', ['no-space'], /inode|space|full|spool/i),
  units: [],
  inject: async ({ node }) => {
    const fill = 'mkdir -p /var/spool/postfix/fill && cd /var/spool/postfix/fill && seq 1 5000 | xargs touch';
    await node.attempt(['sh', '-c', fill], { timeoutMs: 60_000 });
  },
  undo: async ({ node }) => {
    await node.exec(['rm', '-rf', '/var/spool/postfix/fill'], { timeoutMs: 60_000 });
  },
};

const mailboxOfRoot: Fault = {
  name: 'mailbox-of-root',
  about: 'the mailbox of the probe was restored as root: Dovecot may not read it',
  breaks: null,
  expects: onlyTell('store', ['misconfigured', 'dependency'], /permission|denied|SELECT|mailbox/i),
  units: [],
  inject: async (mail) => {
    await firstMail(mail);
    await owner(mail, 0);
  },
  undo: (mail) => owner(mail, 5000),
};

const BOX = '/srv/mail/probe';

/** The mailbox is made by its first mail. */
async function firstMail({ node }: MailNode): Promise<void> {
  await node.attempt(['swaks', '--server', '127.0.0.1', '--to', 'probe@lab.test', '--from', 'ann@lab.test']);
  await eventually('a mailbox', async () => (await node.attempt(['test', '-d', BOX])).code === 0, 10_000);
}

async function owner({ node }: MailNode, uid: number): Promise<void> {
  await node.exec(['chown', '-R', `${uid}:${uid}`, BOX]);
  await node.exec(['chmod', '-R', 'go=', BOX]);
}

const upstreamDown: Fault = {
  name: 'upstream-down',
  about: 'nginx is well, and the application behind it is not there: 502',
  breaks: 'page',
  expects: onlyTell('web', ['dependency'], /502|behind/i),
  units: [],
  inject: async (mail) => {
    await edit(mail, '/etc/nginx/nginx.conf', (text) =>
      text.replace('root /srv/www;', 'location / { proxy_pass http://127.0.0.1:8099; }'),
    );
    await reload(mail, 'nginx');
  },
  undo: async (mail) => {
    await putBack(mail, '/etc/nginx/nginx.conf');
    await reload(mail, 'nginx');
  },
};

export const mistakeFaults: readonly Fault[] = [
  tableMissing,
  restrictionTypo,
  directoryElsewhere,
  submissionRemoved,
  keyOfAnother,
  activeOfRoot,
  spoolInodes,
  mailboxOfRoot,
  upstreamDown,
];
